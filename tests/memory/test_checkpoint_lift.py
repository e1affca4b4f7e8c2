"""Under a claim, what tasks wrote travels with the checkpoint that follows it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from redis.asyncio import Redis
from tests.memory.savers import claimed, commands_of, found, put, put_of_run, thread

from motet.errors import StaleClaim
from motet.memory.redis.checkpoint_lift import Lift
from motet.memory.redis.checkpoint_table import Place, Write
from motet.memory.redis.checkpoints import RedisCheckpointer
from motet.memory.redis.keys import Keys

PLACE = Place("t", "")
WRITES = [Write(on="c", task_path="", task_id="task", idx=0, channel="a", value=b"1")]


@pytest.fixture
async def fenced(redis: Redis, keys: Keys) -> RedisCheckpointer:
    """Has a claim on the thread `t`; the server has seen its scripts."""
    saver = RedisCheckpointer(redis, keys)
    await saver.aput_writes(await put(saver, thread("scripts are known"), value=1), [("a", 1)], "task")
    return saver.for_claim(await claimed(redis, keys, "run"))


async def test_a_checkpoint_takes_along_what_was_written_before_it(
    fenced: RedisCheckpointer, redis: Redis, keys: Keys, redis_url: str
) -> None:
    """Two tasks' writes and the checkpoint after them are one command, and all is there."""
    before = await put_of_run(fenced, thread("t"), "run", value=1)

    async def superstep() -> None:
        writing = [asyncio.create_task(fenced.aput_writes(before, [("a", n)], f"task {n}")) for n in (1, 2)]
        await asyncio.sleep(0)
        await put_of_run(fenced, before, "run", value=2)
        await asyncio.gather(*writing)

    assert await commands_of(redis_url, superstep, redis, keys) == ["EVALSHA"]
    told: Any = await found(fenced, before)
    assert told.pending_writes == [("task 1", "a", 1), ("task 2", "a", 2)]


async def test_what_no_checkpoint_follows_goes_by_itself(
    fenced: RedisCheckpointer, redis: Redis, keys: Keys, redis_url: str
) -> None:
    """Tasks of one superstep that write together are stored by one command, though no checkpoint comes."""
    before = await put_of_run(fenced, thread("t"), "run", value=1)

    async def tasks() -> None:
        await asyncio.gather(*(fenced.aput_writes(before, [("a", n)], f"task {n}") for n in (1, 2)))

    assert await commands_of(redis_url, tasks, redis, keys) == ["EVALSHA"]
    told: Any = await found(fenced, before)
    assert told.pending_writes == [("task 1", "a", 1), ("task 2", "a", 2)]


async def test_writes_hear_that_the_checkpoint_that_took_them_was_refused(
    fenced: RedisCheckpointer, redis: Redis, keys: Keys
) -> None:
    """A zombie's writes are refused together with its checkpoint, and nothing of them is stored."""
    before = await put_of_run(fenced, thread("t"), "run", value=1)
    await claimed(redis, keys, "another")
    writing = asyncio.create_task(fenced.aput_writes(before, [("a", 1)], "task"))
    await asyncio.sleep(0)

    with pytest.raises(StaleClaim):
        await put_of_run(fenced, before, "run", value=2)
    with pytest.raises(StaleClaim):
        await writing
    told: Any = await found(RedisCheckpointer(redis, keys), before)
    assert told.pending_writes == []


async def test_writes_whose_task_was_cancelled_hold_up_nobody() -> None:
    """Whoever writes next takes them, and tells nobody."""
    lift, turn, sent = Lift(wait_s=60), asyncio.Lock(), list[Write]()

    async def put(writes: Any) -> None:
        sent.extend(writes)

    writing = asyncio.create_task(lift.send(PLACE, WRITES, turn, put))
    await asyncio.sleep(0)
    writing.cancel()
    await asyncio.gather(writing, return_exceptions=True)

    with lift.taken(PLACE) as writes:
        await put(writes)
    assert sent == WRITES
    with lift.taken(PLACE) as writes:
        assert writes == []
