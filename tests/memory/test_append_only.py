"""The embedded server's file after a full disk: what is whole is mended, what isn't is left to a person."""

from __future__ import annotations

import asyncio
import logging
import os
import resource
import signal
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError
from tests.support import wait_until

from motet.errors import StoreUnavailable
from motet.memory.redis import append_only
from motet.memory.redis.embedded import EmbeddedRedis

WRITE_TWICE = "redis.call('INCR', KEYS[1]) redis.call('RPUSH', KEYS[2], ARGV[1])"


def command(*words: str) -> bytes:
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(one), one.encode()) for one in words)


A, B, C = (command("SET", name, "1") for name in "abc")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The file of a server whose data are in `tmp_path`; empty."""
    folder = tmp_path / "appendonlydir"
    folder.mkdir()
    (folder / "appendonly.aof.manifest").write_text("file appendonly.aof.2.incr.aof seq 2 type i\n", encoding="utf-8")
    (folder / "appendonly.aof.2.incr.aof").touch()
    return folder / "appendonly.aof.2.incr.aof"


@asynccontextmanager
async def plain(url: str) -> AsyncGenerator[Redis]:
    """A client that neither retries nor loads modules."""
    client = Redis.from_url(url, protocol=2)
    try:
        yield client
    finally:
        await client.aclose()


async def rewritten(client: Redis) -> None:
    await client.bgrewriteaof()

    async def done() -> bool:
        told = await client.info("persistence")
        return not told["aof_rewrite_in_progress"]

    await wait_until(done, description="the file is written anew")


async def pid_of(client: Redis) -> int:
    return int((await client.info("server"))["process_id"])


def newest(folder: Path) -> Path:
    """The file that is written now."""
    return max(folder.glob("*/*.incr.aof"), key=lambda one: int(one.name.split(".")[2]))


async def fill_up(client: Redis, folder: Path, answered: list[bytes]) -> None:
    """Let writes find no room, and then room again: the limit on the file's size is its disk's end."""
    pid = await pid_of(client)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (newest(folder).stat().st_size + 150, resource.RLIM_INFINITY))

    async def refused() -> bool:
        try:
            await write(client, answered)
        except ResponseError as error:
            return "MISCONF" in str(error)
        return False

    await wait_until(refused, description="writes are refused")
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))

    async def accepted() -> bool:
        return not await refused()

    await wait_until(accepted, description="writes are accepted")


async def write(client: Redis, answered: list[bytes]) -> None:
    tag = b"%d" % len(answered)
    await client.eval(WRITE_TWICE, 2, "count", "tags", tag)
    answered.append(tag)


async def kill(client: Redis) -> None:
    pid = await pid_of(client)
    await client.waitaof(1, 0, 5_000)
    os.kill(pid, signal.SIGKILL)
    await wait_until(lambda: not Path(f"/proc/{pid}/cwd").exists(), description="the server is dead")


async def test_a_full_disk_after_a_rewrite_costs_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The gap that Valkey leaves is taken out at the next start, said with both files' names, and all is there."""
    answered: list[bytes] = []
    embedded = EmbeddedRedis(tmp_path)
    async with embedded as url, plain(url) as client:
        await rewritten(client)
        await write(client, answered)
        await fill_up(client, tmp_path / "redis", answered)
        await kill(client)

        with caplog.at_level(logging.WARNING):
            assert await embedded.ensure()

        assert await client.lrange("tags", 0, -1) == answered
        assert int(await client.get("count") or 0) == len(answered)
    (kept,) = append_only.leftovers(tmp_path / "redis")
    assert kept.read_bytes().count(b"\0") > 0
    assert str(kept) in caplog.text


async def test_the_guard_has_a_file_with_a_gap_written_anew(tmp_path: Path) -> None:
    """One full disk after the other costs nothing: Valkey alone would cut off answered writes the second time."""
    answered: list[bytes] = []
    embedded, parts = EmbeddedRedis(tmp_path), tmp_path / "redis" / "appendonlydir"
    async with embedded as url, plain(url) as client:
        guarding = asyncio.create_task(embedded.guard(look_s=0.05))
        await rewritten(client)
        for number in (3, 4):
            await fill_up(client, tmp_path / "redis", answered)
            left = [f"appendonly.aof.{number}.incr.aof"]
            await wait_until(
                lambda left=left: [one.name for one in parts.glob("*.incr.aof")] == left,
                description="the file is written anew",
            )
        guarding.cancel()
        await kill(client)
        await embedded.ensure()

        assert await client.lrange("tags", 0, -1) == answered
    assert not append_only.leftovers(tmp_path / "redis")


async def test_a_strict_server_ends_on_a_full_disk(tmp_path: Path) -> None:
    """What it can't write it doesn't answer; started again, it has all it answered."""
    answered: list[bytes] = []
    embedded = EmbeddedRedis(tmp_path, strict=True)
    async with embedded as url, plain(url) as client:
        await rewritten(client)
        await write(client, answered)
        resource.prlimit(await pid_of(client), resource.RLIMIT_FSIZE, (150, resource.RLIM_INFINITY))
        with pytest.raises(RedisError):
            await asyncio.gather(*(write(client, answered) for _ in range(10)))
        await embedded.ensure()

        assert await client.lrange("tags", 0, -1) == answered


def test_zeros_between_commands_and_at_the_end_go(tmp_path: Path, file: Path) -> None:
    """Nothing else changes; the file as it was is kept."""
    first, second = command("SET", "some", "th\0\0ing"), command("SET", "other", "thing")
    file.write_bytes(first + b"\0" * 70 + second + b"\0" * 4096)

    (mended,) = append_only.mend(tmp_path)

    assert file.read_bytes() == first + second
    assert (mended.file, mended.zeros) == (file, 4166)
    assert mended.kept.read_bytes() == first + b"\0" * 70 + second + b"\0" * 4096


def test_an_end_in_the_middle_is_left_to_the_server(tmp_path: Path, file: Path) -> None:
    """A last command that was never written to its end, zeros behind it or not, isn't taken for damage."""
    unfinished = command("SET", "some", "thing") + command("SET", "other", "thing")[:-9]
    file.write_bytes(unfinished + b"\0" * 100)

    assert append_only.mend(tmp_path)
    assert file.read_bytes() == unfinished
    assert not append_only.mend(tmp_path)


@pytest.mark.parametrize(
    ("parts", "at", "what", "rest"),
    [
        # cut off within a command: the second full disk
        ([A, B[:-4], b"\0" * 9, C], 27, "23 bytes can't be read", 2),
        # cut off within a value: it's as long as it says, with zeros in it
        ([A, command("SET", "b", "1" * 50)[:-20], b"\0" * 30, C], 27, "57 bytes can't be read", 2),
        # cut off within a transaction, at the end of one of its commands
        ([A, command("MULTI"), B, b"\0", C], 27, "42 bytes can't be read", 2),
        # a second gap means that something before it was cut off, even between two commands
        ([A, b"\0", B, b"\0", C], 55, "some commands before it are cut off", 3),
        # cut off behind a gap, and killed before anything was written behind that: within a command, or at its end
        ([A, b"\0", B, C[:-5]], 55, "22 bytes can't be read", 2),
        ([A, b"\0", command("MULTI"), B], 28, "42 bytes can't be read", 1),
        # no zeros at all
        ([A, b"rubbish\r\n"], 27, "9 bytes can't be read", 1),
    ],
)
def test_what_is_lost_is_a_persons_decision(file: Path, parts: list[bytes], at: int, what: str, rest: int) -> None:
    """The file stays as it is; the error says which, where and what to do, and what can be read is beside it."""
    file.write_bytes(b"".join(parts))

    with pytest.raises(StoreUnavailable, match=f"damaged at byte {at}: {what}. ") as raised:
        append_only.mend(file.parent.parent)

    assert file.read_bytes() == b"".join(parts)
    (beside,) = append_only.leftovers(file.parent.parent)
    assert str(raised.value).endswith(f"`mv {beside} {file}`, which has everything else")
    assert beside.read_bytes().count(b"SET") == rest


async def test_a_damaged_file_stops_the_start_until_somebody_decides(tmp_path: Path) -> None:
    """The start fails with what to do, again and again; done as it says, the rest is there."""
    async with EmbeddedRedis(tmp_path) as url, plain(url) as client:
        await client.mset({"first": "1"})
        await client.mset({"last": "2"})
    (file,) = (tmp_path / "redis" / "appendonlydir").glob("*.incr.aof")
    file.write_bytes(file.read_bytes().replace(b"first", b"fi"))
    for _ in range(2):
        with pytest.raises(StoreUnavailable, match="is damaged at byte"):
            await EmbeddedRedis(tmp_path).__aenter__()

    file.with_name(f"{file.name}.mended").replace(file)

    async with EmbeddedRedis(tmp_path) as url, plain(url) as client:
        assert await client.keys() == []
