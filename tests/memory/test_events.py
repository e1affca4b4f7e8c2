"""Events: in order, to whoever reads, from where they left off."""

from __future__ import annotations

import asyncio
from pathlib import Path
from uuid import uuid4

import pytest
from tests.memory.life import Life
from tests.support import wait_until

from motet.errors import InvalidInput, NotFound, StoreUnavailable
from motet.memory.ports import END, Ending, StoredEvent
from motet.memory.redis.client import connect
from motet.memory.redis.embedded import EmbeddedRedis
from motet.memory.redis.events import BLOCK_MS, RedisEvents
from motet.memory.redis.keys import Keys


async def test_events_arrive_while_the_run_works(life: Life) -> None:
    """A reader that came before the first event gets each one as it is written, and stops after the last."""
    run = await life.submit(await life.thread())
    seen: list[StoredEvent] = []

    async def read() -> None:
        async for event in life.events.read(run.request.thread_id, run.request.run_id):
            seen.append(event)  # noqa: PERF401 - the list is looked at while it grows

    reading = asyncio.create_task(read())
    claimed = await life.claim()
    await life.runs.append(claimed.claim, [("values", b"{}"), ("updates", b"\x00\xff")])
    await wait_until(lambda: len(seen) == 2, description="two events reach the reader")
    await life.succeed(claimed)
    await asyncio.wait_for(reading, 5)

    assert [(event.name, event.data) for event in seen] == [
        ("values", b"{}"),
        ("updates", b"\x00\xff"),
        (END, b'{"status":"success"}'),
    ]


async def test_another_client_resumes_after_any_event(life: Life, redis_url: str) -> None:
    """From each id on, another process reads exactly what follows, whether or not the run has ended."""
    run = await life.submit(await life.thread())
    claimed = await life.claim()
    await life.runs.append(claimed.claim, [(f"e{i}", b"{}") for i in range(5)])
    await life.succeed(claimed)
    everything = await life.events_of(run)

    other = await connect(redis_url)
    try:
        elsewhere = RedisEvents(other, life.keys)
        for place, event in enumerate(everything):
            reading = elsewhere.read(run.request.thread_id, run.request.run_id, after=event.event_id)
            async with asyncio.timeout(BLOCK_MS / 2000):
                assert [later async for later in reading] == everything[place + 1 :]
    finally:
        await other.aclose()


async def test_an_unknown_run_has_no_events(life: Life) -> None:
    """Reading a run that doesn't exist fails at once instead of waiting."""
    with pytest.raises(NotFound):
        await anext(life.events.read(await life.thread(), str(uuid4())))


async def test_a_run_whose_events_are_gone_is_not_found(life: Life) -> None:
    """Once an ended run's events have expired, a reader is told so."""
    run = await life.submit(await life.thread())
    await life.succeed(await life.claim())
    await life.redis.delete(life.keys.events(run.request.thread_id, run.request.run_id))

    with pytest.raises(NotFound):
        await life.events_of(run)


async def test_a_strange_event_id_is_refused(life: Life) -> None:
    """An id that no event ever had is the reader's mistake."""
    run = await life.submit(await life.thread())
    with pytest.raises(InvalidInput, match="Last-Event-ID"):
        await life.events_of(run, after="yesterday")


async def test_a_failed_run_says_why_in_its_last_event(life: Life) -> None:
    """The end of a run that failed carries its error."""
    run = await life.submit(await life.thread())
    error = {"error": "ValueError", "message": "no"}
    await life.runs.finish((await life.claim()).claim, Ending(status="error", error=error))

    (last,) = await life.events_of(run)
    assert last.data == b'{"status":"error","error":{"error":"ValueError","message":"no"}}'


async def test_a_reader_learns_that_redis_is_gone(tmp_path: Path) -> None:
    """A server that dies while a reader waits ends the reading with an error, not in silence."""
    async with EmbeddedRedis(tmp_path) as url:
        client = await connect(url)
        life = Life(client, Keys(), lease_s=30)
        run = await life.submit(await life.thread())
        reading = asyncio.create_task(life.events_of(run))
        await wait_until(lambda: _is_blocked(life), description="the reader waits")
        await client.shutdown(nosave=True)
        with pytest.raises(StoreUnavailable):
            await asyncio.wait_for(reading, 10)
        await client.aclose()


async def _is_blocked(life: Life) -> bool:
    return (await life.redis.info("clients"))["blocked_clients"] > 0
