"""Scripts: one call each, whether or not the server knows them, for users who may not load them, on every node."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.exceptions import ResponseError
from tests import engines
from tests.memory.servers import valkey

from motet.memory.redis.client import connect, connected
from motet.memory.redis.durability import Durability, strict
from motet.memory.redis.embedded import EmbeddedRedis
from motet.memory.redis.keys import Keys
from motet.memory.redis.scripts import Scripts

WAITING = Durability(command="WAITAOF", timeout_s=5)

NEW = ["{}", "[]", "idle", 1, "status"]
"""What `thread_create` is told of a new thread, of which it is to return the status."""


async def create(scripts: Scripts, key: str) -> Any:
    return await scripts.run("thread_create", keys=[key], args=NEW)


async def reads(admin: Redis) -> int:
    """How often the server has read from a connection."""
    return int((await admin.info("stats"))["total_reads_processed"])


@pytest.mark.parametrize("durability", [None, WAITING])
async def test_a_script_that_the_server_forgot_runs_all_the_same(
    redis: Redis, keys: Keys, durability: Durability | None
) -> None:
    """A server that was restarted or told to forget its scripts gets the text, and the script runs once."""
    scripts = Scripts(redis, durability=durability)
    await redis.script_flush()

    assert await create(scripts, keys.thread("a")) == [1, [b"idle"]]
    assert await create(scripts, keys.thread("a")) == [0, [b"idle"]]


async def test_a_user_who_may_not_load_scripts_runs_them(tmp_path: Path) -> None:
    """No SCRIPT command is needed, nor KEYS, CONFIG, DEBUG or MIGRATE."""
    async with engines.restricted_user(tmp_path) as url:
        client = await connect(url)
        assert await create(Scripts(client), "a") == [1, [b"idle"]]
        await client.aclose()


async def test_waiting_for_the_disk_costs_no_round_trip(tmp_path: Path, keys: Keys) -> None:
    """A strict write and its question arrive at the server in one piece."""
    async with EmbeddedRedis(tmp_path) as url, connected(url) as redis:  # one that nobody else asks anything
        scripts = Scripts(redis, durability=WAITING)
        await create(scripts, keys.thread("a"))
        before = await reads(redis)

        await create(scripts, keys.thread("b"))

        asking_itself = 1
        assert await reads(redis) - before == 1 + asking_itself


async def test_a_strict_read_waits_for_nothing(tmp_path: Path) -> None:
    """`read` asks for no disk: there is nothing to be written."""
    async with valkey(tmp_path) as server:
        client = await connect(server.url)
        await Scripts(client, durability=WAITING).read("thread_create", keys=["a"], args=NEW)
        told = await client.info("commandstats")
        await client.aclose()
    assert "cmdstat_waitaof" not in told


@pytest.mark.parametrize("durability", [None, WAITING])
async def test_what_a_script_says_passes_through(redis: Redis, keys: Keys, durability: Durability | None) -> None:
    """A script's error keeps its words, strict or not."""
    await redis.set(keys.thread("a"), "no hash", ex=60)

    with pytest.raises(ResponseError, match=r"^WRONGTYPE"):
        await create(Scripts(redis, durability=durability), keys.thread("a"))


@pytest.mark.all
async def test_a_script_runs_on_the_node_that_has_its_keys(tmp_path: Path, keys: Keys) -> None:
    """In a cluster each call goes to its slot's node, and a strict one asks that node's disk."""
    async with engines.cluster_of_three(tmp_path) as url:
        client = await connect(url)
        for durability in (None, await strict(client)):
            scripts = Scripts(client, durability=durability)
            for number in range(20):
                key = keys.thread(f"{number}-{durability}")
                assert await create(scripts, key) == [1, [b"idle"]]
                assert await client.hget(key, "status") == b"idle"
        await client.aclose()
