"""The client: what it refuses, what it survives, and what it never says."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from redis.asyncio import Redis
from redis.exceptions import ResponseError
from tests import engines
from tests.memory.servers import valkey
from tests.support import free_port, wait_until

from motet.errors import InvalidConfig, StoreUnavailable
from motet.memory.redis.client import address, answering, connect, reach
from motet.memory.redis.cluster import Cluster
from motet.memory.redis.durability import strict
from motet.memory.redis.embedded import EmbeddedRedis
from motet.memory.redis.scripts import Scripts


async def test_nobody_there_is_said_without_the_password() -> None:
    """A server that isn't there is unavailable, and the error shows where, not the secret."""
    port = free_port()
    with pytest.raises(StoreUnavailable, match=f"redis://127.0.0.1:{port}/3") as caught:
        await connect(f"redis://someone:hunter2@127.0.0.1:{port}/3")

    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "localhost:6379",
        "http://localhost",
        "unix://",
        "redis://:hunter2/x@localhost:6379",
        "redis://:6379hunter2#x@localhost",
        "redis://localhost?no_such_option=hunter2",
        "redis://[hunter2",
    ],
)
async def test_a_url_that_cannot_be_read_is_a_setup_error(url: str) -> None:
    """A malformed URL is refused before anything is connected, quoting nothing of it but its scheme."""
    with pytest.raises(InvalidConfig) as caught:
        await connect(url)

    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("login", "advice"),
    [("", "it wants a password; write redis://"), ("?password=hunter2", "user or password is wrong; check")],
)
async def test_a_missing_or_wrong_password_is_said_at_once(tmp_path: Path, login: str, advice: str) -> None:
    """A server that refuses the key is as good as gone; nobody waits for that, and the key isn't repeated."""
    async with valkey(tmp_path, requirepass="right") as server:
        started = time.monotonic()
        with pytest.raises(StoreUnavailable, match=advice) as caught:
            await connect(server.url + login)
    assert "hunter2" not in str(caught.value)
    assert time.monotonic() - started < 1


async def test_a_database_that_is_not_there_is_a_setup_error(redis_url: str) -> None:
    """What the URL asks for and the server hasn't is said before anything is written."""
    with pytest.raises(InvalidConfig, match="no database of this number"):
        await connect(f"{redis_url}?db=99")


async def test_a_server_that_still_loads_is_said_so(tmp_path: Path) -> None:
    """A server that reads its data for longer than a client waits is unavailable, and says why."""
    async with valkey(tmp_path, appendonly="no") as server:
        client = await reach(server.url)
        for number in range(100):
            await client.set(f"key-{number}", os.urandom(1000))
        await client.save()
        await client.aclose()
    slow = {"key_load_delay": "100000", "loading_process_events_interval_bytes": "1024"}
    async with valkey(tmp_path, appendonly="no", **slow) as server:
        with pytest.raises(StoreUnavailable, match="it still reads its data after a start"):
            await connect(server.url)


async def test_a_full_disk_is_said_and_gets_over(tmp_path: Path) -> None:
    """A server that can't write its file refuses writes with what to do, and takes them again once it can."""
    async with valkey(tmp_path) as server:
        client = await connect(server.url)
        await client.set("first", "x")
        server.fill_disk(tmp_path)
        with pytest.raises(StoreUnavailable, match=r"make room or repair the disk.*No space left on device"):
            await keep_writing(client)

        server.empty_disk()

        await wait_until(lambda: takes_writes(client), description="it takes writes again")
        await client.aclose()


async def test_a_full_memory_is_said(tmp_path: Path) -> None:
    """A server at its limit says which setting it is."""
    async with valkey(tmp_path, maxmemory="1") as server:
        client = await connect(server.url)
        with pytest.raises(StoreUnavailable, match="raise its maxmemory"), answering(client):
            await client.set("key", "value")
        await client.aclose()


async def test_a_write_to_a_replica_names_the_mistake(tmp_path: Path) -> None:
    """A primary that became a replica while we were connected is told from one that is gone."""
    async with valkey(tmp_path) as server:
        client = await connect(server.url)
        await client.replicaof("127.0.0.1", "1")
        with pytest.raises(StoreUnavailable, match="give the address of its primary"), answering(client):
            await client.set("key", "value")
        await client.aclose()


async def test_a_command_that_its_user_may_not_run_names_the_cure(tmp_path: Path) -> None:
    """An ACL that is too narrow is told with the command that widens it."""
    async with valkey(tmp_path) as server:
        admin = await connect(server.url)
        await admin.execute_command("ACL", "SETUSER", "app", "on", ">secret", "~*", "+@all", "-xadd")
        client = await connect(f"{server.url}?username=app&password=secret")
        with pytest.raises(StoreUnavailable, match=r"allow it with ACL SETUSER.*xadd"), answering(client):
            await client.xadd("stream", {"a": "b"})
        await client.aclose()
        await admin.aclose()


async def test_a_blocking_read_is_not_cut(redis: Redis) -> None:
    """A read that waits for nothing longer than the library's default limit gets its empty answer."""
    assert redis.connection_pool.connection_kwargs["socket_timeout"] is None
    assert await redis.blpop(["never"], timeout=0.2) is None


async def test_a_command_is_never_sent_twice(redis: Redis, redis_url: str) -> None:
    """A connection that breaks while a command runs is an error: the command may have been done."""
    mine = await redis.client_id()
    waiting = asyncio.ensure_future(redis.blpop(["never"], timeout=5))
    admin = await connect(redis_url)
    await wait_until(lambda: _is_blocked(admin, mine), description="the command runs")
    await admin.client_kill_filter(_id=str(mine))
    await admin.aclose()

    with pytest.raises(StoreUnavailable), answering(redis):
        await waiting


async def test_a_connection_that_died_while_idle_is_replaced(redis: Redis, redis_url: str) -> None:
    """A connection the server closed in the meantime costs the next command nothing."""
    before = await redis.client_id()
    admin = await connect(redis_url)
    await admin.client_kill_filter(_id=str(before))
    await admin.aclose()

    assert await redis.client_id() != before


async def test_a_scripts_own_error_passes_through(redis: Redis) -> None:
    """What isn't about availability keeps its type."""
    with pytest.raises(ResponseError), answering(redis):
        await redis.execute_command("EVAL", "return redis.error_reply('MINE it is')", 0)


@pytest.mark.parametrize("reply", ["READONLY replica", "OOM no room", "LOADING soon", "MISCONF disk is full"])
async def test_a_server_that_refuses_to_work_is_unavailable(redis: Redis, reply: str) -> None:
    """A replica, a full memory, a full disk and a server that still loads are one error to callers."""
    with pytest.raises(StoreUnavailable), answering(redis):
        await redis.execute_command("EVAL", f"return redis.error_reply('{reply}')", 0)


async def test_a_user_who_may_not_ask_is_served(tmp_path: Path) -> None:
    """Where INFO is forbidden, the client connects all the same."""
    async with EmbeddedRedis(tmp_path) as url:
        admin = await connect(url)
        await admin.execute_command("ACL", "SETUSER", "app", "on", ">secret", "~*", "+@all", "-info")
        client = await connect(f"{url}?username=app&password=secret")
        assert await client.ping()
        assert "secret" not in address(client)
        await client.aclose()
        await admin.aclose()


@pytest_asyncio.fixture
async def cluster(tmp_path: Path) -> AsyncGenerator[Redis]:
    """A client of three nodes."""
    async with engines.cluster_of_three(tmp_path) as url:
        client = await connect(url)
        assert address(client) == url
        yield client
        await client.aclose()


@pytest.mark.all
async def test_a_cluster_is_used_like_one_server(cluster: Redis) -> None:
    """Keys on all nodes are written and read; MULTI on one slot gives each command's answer."""
    for number in range(30):
        await cluster.set(f"key-{number}", number)
    async with cluster.pipeline(transaction=False) as pipe:
        for number in range(30):
            pipe.get(f"key-{number}")
        assert await pipe.execute() == [str(number).encode() for number in range(30)]
    async with cluster.pipeline(transaction=True) as pipe:
        pipe.hset("{slot}:a", mapping={"field": "value"})
        pipe.hgetall("{slot}:a")
        pipe.zadd("{slot}:b", {"member": 1})
        assert await pipe.execute() == [1, {b"field": b"value"}, 1]
    assert len([key async for key in cluster.scan_iter(match="*")]) == 32


@pytest.mark.all
async def test_a_clusters_command_is_never_sent_twice(cluster: Redis) -> None:
    """A connection that breaks while a command runs is an error at once, on a cluster, too."""
    waiting = asyncio.ensure_future(cluster.blpop(["never"], timeout=5))
    assert isinstance(cluster, Cluster)
    node = cluster.get_node_from_key("never")
    assert node is not None
    admin = Redis(port=int(node.port), protocol=2)
    await wait_until(lambda: _somebody_waits(admin), description="the command runs")
    await admin.client_kill_filter(_type="normal", skipme=True)
    await admin.aclose()

    with pytest.raises(StoreUnavailable), answering(cluster):
        await waiting
    assert await cluster.llen("never") == 0


@pytest.mark.all
async def test_a_clusters_idle_connections_that_died_are_replaced(cluster: Redis) -> None:
    """Connections that the nodes closed in the meantime cost the next commands nothing."""
    await cluster.set("key", "value")
    assert isinstance(cluster, Cluster)
    for node in cluster.get_primaries():
        admin = Redis(port=int(node.port), protocol=2)
        await admin.client_kill_filter(_type="normal", skipme=True)
        await admin.aclose()

    assert await cluster.get("key") == b"value"
    async with cluster.pipeline(transaction=True) as pipe:
        pipe.get("key")
        assert await pipe.execute() == [b"value"]


@pytest.mark.all
async def test_a_slot_that_moved_is_followed(cluster: Redis) -> None:
    """After slots have gone to other nodes, a command, a MULTI and a strict script find them."""
    assert isinstance(cluster, Cluster)
    scripts = Scripts(cluster, durability=await strict(cluster))
    for key in ("one", "two", "three"):
        await _move(cluster, key)

    assert await cluster.incr("one") == 1
    async with cluster.pipeline(transaction=True) as pipe:
        pipe.incr("two")
        pipe.incr("two")
        assert await pipe.execute() == [1, 2]
    keys = [f"{{three}}{part}" for part in ("", ":approvals", ":grants", ":journal")]
    assert await scripts.run("thread_create", keys=keys, args=["{}", "[]", "idle", 1, "status"]) == [1, [b"idle"]]


@pytest.mark.all
async def test_options_that_no_cluster_has_are_a_setup_error(cluster: Redis) -> None:
    """Another database than 0 is refused with the reason."""
    for option in ("db=3", "retry_on_timeout=yes"):
        with pytest.raises(InvalidConfig, match="cluster"):
            await connect(f"{address(cluster)}?{option}")


async def keep_writing(client: Redis) -> None:
    """The first write that finds the disk full is still answered: the server notices while it writes."""
    for number in range(100):
        with answering(client):
            await client.set(f"key-{number}", "x" * 10_000)


async def takes_writes(client: Redis) -> bool:
    try:
        with answering(client):
            return bool(await client.set("last", "x"))
    except StoreUnavailable:
        return False


async def _move(cluster: Cluster, key: str) -> None:
    """Give the empty slot of `key` to another node, without telling the client."""
    old = cluster.get_node_from_key(key)
    new = next(node for node in cluster.get_primaries() if node != old)
    new_id: Any = await cluster.execute_command("CLUSTER MYID", target_nodes=new)
    for node in (new, *(one for one in cluster.get_primaries() if one != new)):
        await cluster.execute_command("CLUSTER SETSLOT", cluster.keyslot(key), "NODE", new_id, target_nodes=node)


async def _somebody_waits(admin: Redis) -> bool:
    return any("b" in one["flags"] for one in await admin.client_list())


async def _is_blocked(admin: Redis, client_id: int) -> bool:
    """Whether this client waits in a blocking command; others on the same server may wait, too."""
    return any(int(one["id"]) == client_id and "b" in one["flags"] for one in await admin.client_list())
