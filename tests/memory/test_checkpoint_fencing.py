"""A worker that lost its claim changes nothing; two writers without claims are named; the clock changes no order."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any, cast

import pytest
from langchain_core.runnables import RunnableConfig
from langgraph.graph import START, StateGraph
from langgraph.types import Command, Send
from redis.asyncio import Redis
from tests.memory.life import Life
from tests.memory.savers import (
    Log,
    asking,
    chain,
    checkpoint,
    claimed,
    dump,
    found,
    id_of,
    names,
    put,
    put_of_run,
    step,
    thread,
    warnings_in,
)
from tests.support import wait_until

from motet.errors import StaleClaim
from motet.memory.redis.checkpoints import RedisCheckpointer
from motet.memory.redis.keys import Keys


@pytest.fixture
def saver(redis: Redis, keys: Keys) -> RedisCheckpointer:
    return RedisCheckpointer(redis, keys)


Write = Callable[[RedisCheckpointer, Any], Awaitable[object]]

WRITES: dict[str, Write] = {
    "put": lambda saver, config: put(saver, config, list=["new" * 100, "y"]),
    "put on another namespace": lambda saver, _: put(saver, thread("t", "sub"), value=1),
    "put of a run": lambda saver, config: put_of_run(saver, config, "run", value=1),
    "put_writes": lambda saver, config: saver.aput_writes(config, [("a", 1)], "task"),
    "put_writes of an interrupt": lambda saver, config: saver.aput_writes(config, [("__interrupt__", 1)], "task"),
    "delete": lambda saver, _: saver.adelete_thread("t"),
    "prune": lambda saver, _: saver.aprune(["t"]),
    "prune all": lambda saver, _: saver.aprune(["t"], strategy="delete"),
    "delete_for_runs": lambda saver, _: saver.adelete_for_runs(["run"]),
}


EVERY_WRITE = pytest.mark.parametrize("write", WRITES.values(), ids=WRITES.keys())


@EVERY_WRITE
@pytest.mark.parametrize("ttl_s", [None, 60.0])
@pytest.mark.parametrize("behind", [1, -1, None], ids=["another given out", "Redis fell back", "epoch gone"])
async def test_a_stale_claim_is_refused_and_changes_nothing(
    redis: Redis, keys: Keys, write: Write, ttl_s: float | None, behind: int | None
) -> None:
    """With another epoch than the thread's, no write does anything to any key, not even to when it expires."""
    saver = RedisCheckpointer(redis, keys, ttl_s=ttl_s)
    claim = await claimed(redis, keys, "run")
    config = await put_of_run(saver.for_claim(claim), thread("t"), "run", list=["x" * 300, "y"])
    config = await put_of_run(saver.for_claim(claim), config, "run", list=["x" * 300, "z"])
    await saver.aput_writes(config, [("c", 1)], "before")
    if behind is None:
        await redis.unlink(keys.epoch("t"))
    else:
        await redis.set(keys.epoch("t"), claim.epoch + behind)
    before = await dump(redis, keys)

    with pytest.raises(StaleClaim):
        await write(saver.for_claim(claim), config)

    assert await dump(redis, keys) == before


@EVERY_WRITE
async def test_a_newer_claim_takes_over(saver: RedisCheckpointer, redis: Redis, keys: Keys, write: Write) -> None:
    """Once another epoch was given out, the new one does whatever there is to do, and the old one nothing."""
    old = saver.for_claim(await claimed(redis, keys, "old"))
    config = await put_of_run(old, thread("t"), "run", value=1)
    new = saver.for_claim(await claimed(redis, keys, "new"))

    await write(new, config)

    with pytest.raises(StaleClaim):
        await put(old, config, value=2)
    await put(new, config, value=2)


async def lose_all(life: Life) -> None:
    """What FLUSHALL is to one tenant."""
    await life.redis.unlink(*await names(life.redis, life.keys))


async def delete_a_day_ago(life: Life) -> None:
    await life.threads.delete("t")
    assert await life.redis.pexpire(life.keys.epoch("t"), 0) > 0


@EVERY_WRITE
@pytest.mark.parametrize("gone", [lose_all, delete_a_day_ago])
async def test_a_claim_of_what_is_gone_brings_nothing_back(
    life: Life, redis: Redis, keys: Keys, write: Write, gone: Callable[[Life], Awaitable[None]]
) -> None:
    """A run whose thread is gone with its epoch writes nothing, neither to nothing nor to a thread of the same name."""
    saver = RedisCheckpointer(redis, keys)
    await life.threads.create("t", {}, if_exists="raise")
    await life.submit("t")
    ghost = saver.for_claim((await life.claim()).claim)
    config = await put_of_run(ghost, thread("t"), "run", value=1)
    await gone(life)

    before = await dump(redis, keys)
    with pytest.raises(StaleClaim):
        await write(ghost, config)
    assert await dump(redis, keys) == before
    assert not await redis.exists(*keys.checkpoints("t"))

    await life.threads.create("t", {}, if_exists="raise")
    await life.submit("t")
    await put(saver.for_claim((await life.claim()).claim), thread("t"), value=2)
    before = await dump(redis, keys)
    with pytest.raises(StaleClaim):
        await write(ghost, config)
    assert await dump(redis, keys) == before


async def test_without_a_claim_it_writes_as_any_saver(saver: RedisCheckpointer, redis: Redis, keys: Keys) -> None:
    """A claim fences claims only: who writes without one isn't refused, and takes the thread from nobody."""
    fenced = saver.for_claim(await claimed(redis, keys, "run"))
    config = await put(fenced, thread("t"), value=1)

    config = await put(saver, config, value=2)

    assert (await found(saver, config)).checkpoint["channel_values"] == {"value": 2}
    await put(fenced, config, value=3)


async def test_a_claim_says_nothing_about_other_threads(saver: RedisCheckpointer, redis: Redis, keys: Keys) -> None:
    """Who deletes a run's checkpoints on another thread, too, puts nobody out of that thread and is refused by none."""
    their_saver = saver.for_claim(await claimed(redis, keys, "theirs", "u"))
    theirs = await put_of_run(their_saver, thread("u"), "run", value=1)
    epoch = await redis.get(keys.epoch("u"))
    await redis.set(keys.epoch("t"), 1000, ex=600)
    fenced = saver.for_claim(await claimed(redis, keys, "ours"))
    await put_of_run(fenced, thread("t"), "run", value=1)
    await fenced.adelete_for_runs(["run"])
    await put(fenced, thread("u"), value=2)
    await fenced.aprune(["u"])

    await put(their_saver, theirs, value=3)
    await put(saver, thread("t"), value=1)
    assert await redis.get(keys.epoch("u")) == epoch


async def test_a_taken_over_run_is_fenced(life: Life, brief: Life, redis: Redis, keys: Keys) -> None:
    """From the moment a run has another epoch, its first worker's saver is refused, whoever wrote since or not."""
    del life
    saver = RedisCheckpointer(redis, keys)
    thread_id = await brief.thread()
    await brief.submit(thread_id)
    first = await brief.claim("first")
    config = await put(saver.for_claim(first.claim), thread(thread_id), value=1)
    await brief.lose(first)

    with pytest.raises(StaleClaim):
        await put(saver.for_claim(first.claim), config, value=2)

    second = await brief.claim("second")
    await put(saver.for_claim(second.claim), config, value=2)


async def test_a_thread_that_expires_takes_no_epoch_with_it(life: Life, redis: Redis, keys: Keys) -> None:
    """A run whose node works longer than its thread's checkpoints live can still write and end."""
    saver = RedisCheckpointer(redis, keys, ttl_s=0.05)
    thread_id = await life.thread()
    await life.submit(thread_id)
    claimed = await life.claim()
    config = await put(saver.for_claim(claimed.claim), thread(thread_id), value=1)

    async def is_gone() -> bool:
        return not await redis.exists(keys.checkpoints(thread_id)[0])

    await wait_until(is_gone, description="the thread's checkpoints expire")

    await life.runs.beat(claimed.claim)
    await put(saver.for_claim(claimed.claim), config, value=2)
    await life.succeed(claimed)


async def test_a_deleted_thread_stays_fenced(saver: RedisCheckpointer, redis: Redis, keys: Keys) -> None:
    """After the newest claim has deleted a thread, it can begin it anew, and an older one can't."""
    old = saver.for_claim(await claimed(redis, keys, "old"))
    await put(old, thread("t"), value=1)
    new = saver.for_claim(await claimed(redis, keys, "new"))
    await new.adelete_thread("t")

    with pytest.raises(StaleClaim):
        await put(old, thread("t"), value=2)
    await put(new, thread("t"), value=3)


async def test_who_deletes_without_a_claim_shuts_the_worker_out(brief: Life, redis: Redis, keys: Keys) -> None:
    """The run at work on the thread brings nothing back; whoever takes the run over goes on, on an empty thread."""
    saver = RedisCheckpointer(redis, keys)
    thread_id = await brief.thread()
    await brief.submit(thread_id)
    first = await brief.claim("first")
    config = await put(saver.for_claim(first.claim), thread(thread_id), value=1)

    await saver.adelete_thread(thread_id)

    with pytest.raises(StaleClaim):
        await put(saver.for_claim(first.claim), config, value=2)
    assert not await redis.exists(*keys.checkpoints(thread_id))
    await brief.lose(first)
    second = await brief.claim("second")
    await put(saver.for_claim(second.claim), thread(thread_id), value=3)
    with pytest.raises(StaleClaim):
        await put(saver.for_claim(first.claim), config, value=2)


async def test_two_writers_are_named(saver: RedisCheckpointer, redis: Redis, keys: Keys, caplog: Any) -> None:
    """Who goes on from a checkpoint that another has gone on from since is warned of, by thread and checkpoints."""
    first = await put(saver, thread("contested"), value=1)
    other = RedisCheckpointer(redis, keys)
    await found(other, thread("contested"))
    theirs = await put(other, first, value=2)
    assert warnings_in(caplog) == []

    ours = await put(saver, first, value=3)

    (warning,) = warnings_in(caplog)
    assert all(name in warning for name in ("contested", id_of(first), id_of(theirs), id_of(ours)))
    assert (await found(saver, theirs)).checkpoint["channel_values"] == {"value": 2}


async def test_two_runs_on_a_fresh_thread_are_named(redis: Redis, keys: Keys, caplog: Any) -> None:
    """Two processes that both find a thread empty and both begin it are warned of."""
    savers = [RedisCheckpointer(redis, keys) for _ in range(2)]
    for saver in savers:
        assert await saver.aget_tuple(thread("fresh")) is None
    for saver in savers:
        await put(saver, thread("fresh"), value=1)

    assert len(warnings_in(caplog)) == 1


@pytest.mark.parametrize("durability", ["sync", "async", "exit"])
async def test_one_writer_is_never_warned_of(
    saver: RedisCheckpointer, redis: Redis, keys: Keys, caplog: Any, durability: Any
) -> None:
    """Resumes, updates, time travel and sub-graphs, alone and in parallel, are no second writer."""
    caplog.set_level(logging.WARNING)

    def fan(state: Log) -> list[Send]:  # noqa: ARG001 - an edge's signature
        return [Send("work", {"log": []}) for _ in range(3)]

    builder = StateGraph(Log)
    builder.add_node(*step("plan"))
    builder.add_node("work", chain(None, step("inner a"), step("inner b")))
    builder.add_node("remembers", chain(True, step("again")))
    builder.add_node("ask", asking(None))
    builder.add_edge(START, "plan")
    builder.add_conditional_edges("plan", cast("Any", fan), ["work"])
    builder.add_edge("work", "remembers")
    builder.add_edge("remembers", "ask")
    graph = builder.compile(checkpointer=saver)
    config = thread()

    for _ in range(2):
        waiting = await graph.ainvoke({"log": ["in"]}, config, durability=durability)
        assert waiting["__interrupt__"]
        await graph.ainvoke(Command(resume="yes"), config, durability=durability)
        await graph.aupdate_state(config, {"log": ["said"]}, as_node="ask")
    history = [state.config async for state in graph.aget_state_history(config)]
    for past in history[2::5]:
        await graph.ainvoke(None, past, durability=durability)
        await graph.ainvoke(Command(resume="again"), config, durability=durability)
        await graph.aupdate_state(past, {"log": ["otherwise"]}, as_node="plan")
        await graph.ainvoke(None, config, durability=durability)
    fresh = builder.compile(checkpointer=RedisCheckpointer(redis, keys))
    await fresh.ainvoke({"log": ["elsewhere"]}, config, durability=durability)
    await fresh.ainvoke(Command(resume="elsewhere"), config, durability=durability)

    assert warnings_in(caplog) == []


async def test_a_clock_that_went_back_hides_nothing(saver: RedisCheckpointer) -> None:
    """The checkpoint put last is the newest, first in the list, and kept by a prune, though its id is the smallest."""
    config = thread()
    made = [checkpoint(number=number) for number in range(4)]
    for one, id in zip(made, sorted((one["id"] for one in made), reverse=True), strict=True):
        one["id"] = id
        config = await saver.aput(config, one, {}, one["channel_versions"])
    name = thread(id_of(config, "thread_id"))

    assert (await found(saver, name)).checkpoint["channel_values"] == {"number": 3}
    listed = [one.checkpoint["channel_values"]["number"] async for one in saver.alist(name)]
    assert listed == [3, 2, 1, 0]
    anywhere: RunnableConfig = {"configurable": {"thread_id": id_of(config, "thread_id")}}
    assert [one.checkpoint["id"] async for one in saver.alist(anywhere)] == [one["id"] for one in reversed(made)]
    await saver.aprune([id_of(config, "thread_id")])
    assert [one.checkpoint["channel_values"]["number"] async for one in saver.alist(name)] == [3]


async def test_before_means_put_before(saver: RedisCheckpointer) -> None:
    """Whatever the clock made of the ids, `before` lists what was put before, and nothing that was put after."""
    config = thread()
    made = [checkpoint() for _ in range(5)]
    ids = sorted(one["id"] for one in made)
    for one, id in zip(made, [ids[2], ids[3], ids[0], ids[1], ids[4]], strict=True):
        one["id"] = id
        config = await saver.aput(config, one, {}, {})
    name = thread(id_of(config, "thread_id"))

    for at, one in enumerate(made):
        before = thread(id_of(config, "thread_id"), checkpoint_id=one["id"])
        listed = [read.checkpoint["id"] async for read in saver.alist(name, before=before)]
        assert listed == [other["id"] for other in reversed(made[:at])]


async def test_writes_of_another_namespace_do_not_wait(saver: RedisCheckpointer) -> None:
    """Order is kept within a namespace: a sub-graph's checkpoint doesn't wait for what its parent writes."""
    first = await put(saver, thread("t"), start=True)
    writing = asyncio.ensure_future(saver.aput_writes(first, [("big", "x" * 4_000_000)], "task"))
    putting = asyncio.ensure_future(put(saver, thread("t", "sub"), end=True))

    await asyncio.gather(writing, putting)

    assert (await found(saver, first)).pending_writes


async def test_a_failed_write_does_not_block_the_next(saver: RedisCheckpointer, redis: Redis, keys: Keys) -> None:
    """Whatever fails or is cancelled in its turn lets the next one have it."""
    old = saver.for_claim(await claimed(redis, keys, "old"))
    config = await put(saver.for_claim(await claimed(redis, keys, "new")), thread("t"), start=True)
    refused = old.aput_writes(config, [("a", 1)], "task")
    cancelled = asyncio.ensure_future(saver.aput_writes(config, [("b", "x" * 1_000_000)], "task"))
    after = asyncio.ensure_future(put(saver, config, end=True))
    await asyncio.sleep(0)
    cancelled.cancel()

    outcomes = await asyncio.gather(refused, cancelled, return_exceptions=True)

    assert [type(one) for one in outcomes] == [StaleClaim, asyncio.CancelledError]
    assert (await found(saver, await after)).checkpoint["channel_values"] == {"end": True}
    assert await names(redis, keys)
