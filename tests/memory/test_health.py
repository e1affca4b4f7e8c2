"""What a Redis may lose, in plain words."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis
from tests import engines
from tests.memory.servers import valkey

from motet.errors import InvalidConfig, StoreUnavailable
from motet.memory.redis.client import connect, reach
from motet.memory.redis.cluster import Cluster
from motet.memory.redis.health import findings, look

GOOD = {
    "redis_version": "8.2.2",
    "role": "master",
    "aof_enabled": 1,
    "appendfsync": "everysec",
    "maxmemory_policy": "noeviction",
    "maxmemory": 0,
    "used_memory": 2_000_000,
}


def bad(**told: Any) -> list[tuple[str, str]]:
    """Level and words of what isn't well about a good server with some fields changed."""
    return [(one.level, f"{one.what}; {one.advice}") for one in findings(GOOD | told) if one.level != "ok"]


def test_a_good_server_is_all_well() -> None:
    """Version, persistence, eviction and memory are told, in this order, with nothing to do."""
    assert [one.what.split()[0] for one in findings(GOOD)] == ["Redis", "appendonly", "maxmemory-policy", "2"]
    assert not bad()


@pytest.mark.parametrize(
    ("told", "level", "words"),
    [
        ({"redis_version": "6.0.16"}, "error", "Redis 6.0.16 is too old; use Redis 6.2 or newer, or Valkey"),
        ({"redis_version": "7.0.15"}, "warning", "unless your distribution's package has the fix"),
        ({"redis_version": "7.2.10"}, "warning", "upgrade to 7.2.11, 7.4.6, 8.0.4, 8.2.2 or newer"),
        ({"redis_version": "7.2.4", "valkey_version": "8.1.3"}, "warning", "Valkey 8.1.3 is older than the fix"),
        ({"role": "slave", "master_host": "db1", "master_port": 6379}, "error", "address of its primary (db1:6379)"),
        ({"aof_enabled": 0}, "warning", "loses everything since its last snapshot, accepted runs included"),
        ({"appendfsync": "no"}, "warning", "30 s or more; set appendfsync everysec or always"),
        ({"aof_last_write_status": "err"}, "error", "make room on its disk"),
        ({"rdb_last_bgsave_status": "err"}, "warning", "its last snapshot failed"),
        ({"maxmemory_policy": "allkeys-lru"}, "warning", "throws away any thread, run or memory"),
        ({"maxmemory_policy": "volatile-ttl"}, "warning", "threads and runs that expire, early"),
        ({"maxmemory": 2_100_000}, "warning", "2 MB of 2 MB of memory used: at the limit every write is refused"),
    ],
)
def test_what_endangers_data_is_said_with_what_to_do(told: dict[str, Any], level: str, words: str) -> None:
    """Each setting that loses data, or that stops Motet, is one finding."""
    ((found_level, found_words),) = bad(**told)

    assert found_level == level
    assert words in found_words


@pytest.mark.parametrize("version", ["6.2.20", "7.2.11", "7.4.6", "8.0.4", "8.2.2", "8.4.0", "9.0.0"])
def test_a_patched_version_is_no_finding(version: str) -> None:
    """The releases with the fix, and every series after them, are well."""
    assert not bad(redis_version=version)


async def test_the_embedded_server_is_all_well(redis: Redis) -> None:
    """What we start ourselves has nothing to be warned of."""
    assert {one.level for one in await look(redis)} == {"ok"}


async def test_a_user_who_may_not_ask_is_told_so(tmp_path: Path) -> None:
    """Without INFO nothing can be checked; without CONFIG only how often the file is synced."""
    async with valkey(tmp_path) as server:
        admin = await connect(server.url)
        for name, forbidden in (("blind", "-info"), ("app", "-config")):
            await admin.execute_command("ACL", "SETUSER", name, "on", ">secret", "~*", "+@all", forbidden)
        await admin.aclose()
        blind = await reach(f"{server.url}?username=blind&password=secret")
        app = await reach(f"{server.url}?username=app&password=secret")
        assert [one.advice for one in await look(blind)] == ["allow it: ACL SETUSER … +info"]
        assert "appendonly yes, how often it syncs is not told" in [one.what for one in await look(app)]
        await blind.aclose()
        await app.aclose()


async def test_a_start_warns_and_goes_on(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A server that can lose data is used, after a warning that says what and how not to."""
    async with valkey(tmp_path, appendonly="no", maxmemory_policy="allkeys-lru") as server:
        with caplog.at_level(logging.WARNING):
            await (await connect(server.url)).aclose()

    assert "appendonly no: a crash loses everything" in caplog.text
    assert "set maxmemory-policy noeviction" in caplog.text


async def test_a_replica_stops_a_start(tmp_path: Path) -> None:
    """A replica answers and reads, so without a look the first write would fail."""
    async with valkey(tmp_path, replicaof="127.0.0.1 1") as server:
        with pytest.raises(StoreUnavailable, match=r"it is a replica.* primary \(127.0.0.1:1\)"):
            await connect(server.url)


async def test_a_server_too_old_stops_a_start() -> None:
    """Below the floor it's the set-up's fault, said before anything is written."""
    async with old_server("6.0.16") as url:
        with pytest.raises(InvalidConfig, match=r"Redis 6.0.16 is too old; use Redis 6.2 or newer, or Valkey"):
            await connect(url)


@pytest.mark.all
async def test_a_cluster_is_looked_at_on_every_node(tmp_path: Path) -> None:
    """What is so everywhere is said once; what is so on one node is said with its address."""
    async with engines.cluster_of_three(tmp_path) as url:
        client = await connect(url)
        assert isinstance(client, Cluster)
        one = client.get_primaries()[0]
        await client.execute_command("CONFIG SET", "maxmemory-policy", "allkeys-lru", target_nodes=one)
        found = await look(client)
        await client.aclose()

    assert found[0].what == "a cluster of 3 nodes that take writes"
    assert [one.what for one in found if one.level == "warning"] == [
        f"maxmemory-policy allkeys-lru: when memory is short it throws away any thread, run or memory ({one.name})"
    ]


@asynccontextmanager
async def old_server(version: str) -> AsyncGenerator[str]:
    """Something that speaks as a Redis of `version` would: nobody packages one that old any more."""

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while count := await reader.readline():
            words = [(await reader.readline(), await reader.readline())[1] for _ in range(int(count[1:]))]
            info = f"redis_version:{version}\r\nrole:master\r\n".encode()
            answers = {b"PING": b"+PONG\r\n", b"INFO": b"$%d\r\n%s\r\n" % (len(info), info)}
            writer.write(answers.get(words[0].strip().upper(), b"-ERR unknown command\r\n"))
        writer.close()

    server = await asyncio.start_server(speak, "127.0.0.1", 0)
    async with server:
        yield f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}"
