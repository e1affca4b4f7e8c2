"""Events on their way to Redis: soon, in order, few at a time, and not without bound."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any

import pytest
import pytest_asyncio
from langchain_core.messages import AIMessageChunk
from redis.asyncio import Redis
from tests.memory.life import Life
from tests.support import wait_until

from motet.errors import StaleClaim
from motet.graphs.events import Event, Part, RunStarted
from motet.memory.ports import Claim, Ending
from motet.memory.redis.keys import Keys
from motet.memory.redis.runs import RedisRuns
from motet.memory.redis.scripts import Scripts
from motet.server.event_writer import EventWriter

BEGUN = RunStarted(run_id="r", attempt=1)


class SlowRuns(RedisRuns):
    """Runs whose events go to Redis when the test lets them; it sees what went together."""

    def __init__(self, redis: Redis, keys: Keys) -> None:
        super().__init__(redis, keys, Scripts(redis))
        self.redis = redis
        self.keys = keys
        self.batches: list[list[str]] = []
        self.open = asyncio.Event()
        self.open.set()
        self.refused = asyncio.Event()

    async def texts(self, claim: Claim) -> list[bytes]:
        """Data of all events that were written."""
        entries: Any = await self.redis.xrange(self.keys.events(claim.thread_id, claim.run_id))
        return [fields[b"data"] for _, fields in entries]

    async def append(self, claim: Claim, events: Sequence[tuple[str, bytes]]) -> None:
        """Write, once the test agrees."""
        await self.open.wait()
        try:
            await super().append(claim, events)
        except StaleClaim:
            self.refused.set()
            raise
        self.batches.append([data.decode() for _, data in events])


def told(value: Any) -> Part:
    """An event of mode custom."""
    return Part(mode="custom", namespace=(), data=value)


def token(text: str) -> Part:
    """A delta of one message."""
    return Part(mode="messages", namespace=(), data=(AIMessageChunk(content=text, id="m"), {"step": 1}))


@pytest.fixture
def runs(redis: Redis, keys: Keys) -> SlowRuns:
    """Where events go."""
    return SlowRuns(redis, keys)


@pytest_asyncio.fixture
async def claim(redis: Redis, keys: Keys) -> Claim:
    """The right to write for a run."""
    life = Life(redis, keys, lease_s=30)
    await life.submit(await life.thread())
    return (await life.claim()).claim


async def test_the_first_event_waits_for_nobody(runs: SlowRuns, claim: Claim) -> None:
    """After a silence an event goes out at once; those that follow go together when the window is over."""
    async with EventWriter(runs, claim, flush_s=60) as events:
        events.add(told(0))
        await wait_until(lambda: len(runs.batches) == 1, description="the first is written, and no window waited for")
    async with EventWriter(runs, claim, flush_s=0.3) as events:
        began = time.monotonic()
        events.add(told(1))
        await wait_until(lambda: len(runs.batches) == 2, description="the first is written")
        for n in (2, 3, 4):
            events.add(told(n))
        await wait_until(lambda: len(runs.batches) == 3, description="the others are written")
        assert time.monotonic() - began > 0.25

    assert runs.batches == [["0"], ["1"], ["2", "3", "4"]]


async def test_the_graphs_first_event_takes_the_runs_along(runs: SlowRuns, claim: Claim) -> None:
    """That a run began is told together with its first event, or by itself a moment later."""
    async with EventWriter(runs, claim, flush_s=60) as events:
        events.add(BEGUN)
        events.add(told(1))
        await wait_until(lambda: len(runs.batches) == 1, description="both are written")
    async with EventWriter(runs, claim, flush_s=60) as events:
        events.add(BEGUN)
        await wait_until(lambda: len(runs.batches) == 2, description="the first is written alone")

    assert [len(batch) for batch in runs.batches] == [2, 1]


async def test_where_the_end_is_waited_for_the_first_event_waits_too(runs: SlowRuns, claim: Claim) -> None:
    """Nobody asked for more than the end: what comes before the first window is over goes with that."""
    async with EventWriter(runs, claim, flush_s=60, waited=True) as events:
        events.add(BEGUN)
        events.add(told(1))
        left = await events.drained()
    async with EventWriter(runs, claim, flush_s=0.01, waited=True) as events:
        events.add(told(2))
        await wait_until(lambda: len(runs.batches) == 1, description="the window is over")

    assert [data for _, data in left][1:] == [b"1"]
    assert runs.batches == [["2"]]


async def test_tokens_of_a_window_are_one_event(runs: SlowRuns, claim: Claim) -> None:
    """A message's deltas become one event between two others, and the order stays."""
    async with EventWriter(runs, claim, flush_s=1) as events:
        sent: list[Event] = [BEGUN, told(1), token("a"), token("b"), told(2), token("c"), token("d"), told(3)]
        for event in sent:
            events.add(event)

    texts = await runs.texts(claim)
    assert [b'"content":"ab"' in text or b'"content":"cd"' in text for text in texts] == [
        False, False, True, False, True, False,
    ]  # fmt: skip
    assert [texts[1], texts[3], texts[5]] == [b"1", b"2", b"3"]


async def test_what_is_left_goes_with_the_end(runs: SlowRuns, claim: Claim) -> None:
    """The last events are the caller's, to be written in the script that ends the run."""
    async with EventWriter(runs, claim, flush_s=60) as events:
        events.add(told(1))
        await wait_until(lambda: len(runs.batches) == 1, description="the first is written")
        events.add(told(2))
        events.add(token("a"))
        async with asyncio.timeout(20):
            rest = await events.drained()
    await runs.finish(claim, Ending(status="success"), rest)

    assert [name for name, _ in rest] == ["custom", "messages"]
    assert runs.batches == [["1"]]
    assert (await runs.texts(claim))[1] == b"2"


@pytest.mark.parametrize(("size", "many", "limit"), [(1, 3000, 2000), (1 << 20, 10, 4)])
async def test_whoever_says_too_much_waits(runs: SlowRuns, claim: Claim, size: int, many: int, limit: int) -> None:
    """While Redis is slow there is no room for more than a bounded number of events, or of bytes."""
    added = 0
    runs.open.clear()
    async with EventWriter(runs, claim, flush_s=0.01) as events:

        async def say() -> None:
            nonlocal added
            for _ in range(many):
                await events.room()
                events.add(told("x" * size))
                added += 1

        saying = asyncio.create_task(say())
        await wait_until(lambda: added == limit, description="there is no more room")
        assert not saying.done()
        runs.open.set()
        await asyncio.wait_for(saying, 10)

    assert len(await runs.texts(claim)) == many


async def test_a_refused_write_is_raised_by_the_next_call(runs: SlowRuns, claim: Claim) -> None:
    """A worker that lost its run learns it from whatever it does next with its events."""
    await runs.redis.incr(runs.keys.epoch(claim.thread_id))

    for then in ("add", "room", "drained"):
        runs.refused.clear()
        events = EventWriter(runs, claim, flush_s=0)
        events.add(told(1))
        await asyncio.wait_for(runs.refused.wait(), 20)
        with pytest.raises(StaleClaim):
            await _call(events, then)


async def _call(events: EventWriter, name: str) -> None:
    if name == "add":
        events.add(told(2))
    elif name == "room":
        await events.room()
    else:
        await events.drained()
