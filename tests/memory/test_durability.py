"""Strict durability: what is waited for, on which server, and what is said when it isn't reached."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis
from tests import engines
from tests.memory.servers import valkey
from tests.support import free_port, wait_until

from motet.errors import InvalidConfig, StoreUnavailable
from motet.memory.redis.client import connect, reach
from motet.memory.redis.cluster import Cluster
from motet.memory.redis.durability import Durability, strict
from motet.memory.redis.scripts import Scripts


async def has_replica(client: Redis) -> bool:
    followers: Any = await client.execute_command("WAIT", 1, 20)
    return followers == 1


async def test_a_server_with_a_file_is_asked_for_its_disk(redis: Redis) -> None:
    """Where there is an append-only file, a write waits for it."""
    assert (await strict(redis)).command == "WAITAOF"


async def test_a_server_without_a_file_is_asked_for_its_replica(tmp_path: Path) -> None:
    """Without a file, one replica's answer is the next best; one that hangs is told by name, and the write was done."""
    port = free_port()
    async with (
        valkey(tmp_path / "primary", port=str(port), appendonly="no", repl_diskless_sync_delay="0") as primary,
        valkey(tmp_path / "replica", replicaof=f"127.0.0.1 {port}") as replica,
    ):
        client = await connect(primary.url)
        await wait_until(lambda: has_replica(client), description="the replica follows")
        assert (await strict(client)).command == "WAIT"
        scripts = Scripts(client, durability=Durability(command="WAIT", timeout_s=0.05))
        await wait_until(lambda: has_replica(client), description="the replica follows")

        os.kill(replica.process.pid, signal.SIGSTOP)
        with pytest.raises(StoreUnavailable, match=r"was done, but didn't reach a replica \(WAIT\) within 0.05 s"):
            await scripts.run("thread_create", keys=["a"], args=["{}", "[]", "idle", 1, "status"])

        assert await client.hget("a", "status") == b"idle"
        await client.aclose()


@pytest.mark.parametrize("settings", [{"appendonly": "no"}, {"appendfsync": "no"}])
async def test_a_server_that_can_promise_nothing_is_refused(tmp_path: Path, settings: dict[str, str]) -> None:
    """No file, or one that is never synced, and no replica: the setting is named, and what would help."""
    async with valkey(tmp_path, **settings) as server:
        client = await connect(server.url)
        with pytest.raises(InvalidConfig, match=r"MOTET_DURABILITY: strict needs .* appendonly yes .* or a replica"):
            await strict(client)
        await client.aclose()


async def test_a_replica_is_refused(tmp_path: Path) -> None:
    """A replica can promise nothing about writes."""
    async with valkey(tmp_path, replicaof="127.0.0.1 1") as server:
        client = await reach(server.url)
        with pytest.raises(InvalidConfig, match="replica instances"):
            await strict(client)
        await client.aclose()


@pytest.mark.all
async def test_every_node_of_a_cluster_must_keep_the_promise(tmp_path: Path) -> None:
    """One node without a file is enough for a refusal: a key may live there."""
    async with engines.cluster_of_three(tmp_path) as url:
        client = await connect(url)
        assert (await strict(client)).command == "WAITAOF"
        assert isinstance(client, Cluster)
        one = client.get_primaries()[1]
        await client.execute_command("CONFIG SET", "appendonly", "no", target_nodes=one)
        with pytest.raises(InvalidConfig, match="MOTET_DURABILITY"):
            await strict(client)
        await client.aclose()
