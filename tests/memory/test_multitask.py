"""What becomes of a run when its thread works on another, also when two servers get the requests at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import pytest
import pytest_asyncio
from tests.memory.life import Life
from tests.memory.savers import put_of_run
from tests.memory.savers import thread as config_of

from motet.errors import NotFound, ThreadBusy
from motet.memory.ports import END, CancelAction, Ending, Run
from motet.memory.redis.checkpoints import RedisCheckpointer
from motet.memory.redis.client import connect

STOPPING: tuple[CancelAction, ...] = ("interrupt", "rollback")


@pytest_asyncio.fixture
async def other(life: Life, redis_url: str) -> AsyncGenerator[Life]:
    """Another server on the same tenant."""
    client = await connect(redis_url)
    try:
        yield Life(client, life.keys, lease_s=30)
    finally:
        await client.aclose()


async def test_of_many_that_reject_one_is_accepted(life: Life, other: Life) -> None:
    """Twenty at once over two servers start one run; nineteen are refused and leave nothing."""
    thread_id = await life.thread()

    async def submit(number: int) -> Run | ThreadBusy:
        try:
            return await (life, other)[number % 2].submit(thread_id, multitask="reject")
        except ThreadBusy as error:
            return error

    outcomes = await asyncio.gather(*(submit(number) for number in range(20)))
    (accepted,) = [one for one in outcomes if isinstance(one, Run)]
    assert await life.runs.of_thread(thread_id, limit=50) == [accepted]
    assert (await life.claim()).request == accepted.request
    assert await life.nothing_to_claim()
    assert await life.runs.depth() == (0, 1)


async def test_queued_runs_start_in_the_order_of_their_acceptance(life: Life, other: Life) -> None:
    """Whichever server accepted them, one follows the other as the list has them."""
    thread_id = await life.thread()
    await asyncio.gather(*((life, other)[number % 2].submit(thread_id) for number in range(12)))
    accepted = [run.request.run_id for run in reversed(await life.runs.of_thread(thread_id, limit=50))]
    assert len(accepted) == 12

    started = []
    for number in range(12):
        claimed = await (life, other)[number % 2].claim()
        started.append(claimed.claim.run_id)
        await life.succeed(claimed)
    assert started == accepted


@pytest.mark.parametrize("action", STOPPING)
async def test_of_many_that_stop_the_others_one_is_left(life: Life, other: Life, action: CancelAction) -> None:
    """Ten at once that interrupt or roll back: the last accepted runs, each other one has ended, once."""
    thread_id = await life.thread()
    runs = await asyncio.gather(
        *((life, other)[number % 2].submit(thread_id, multitask=action) for number in range(10))
    )
    claimed = await life.claim()
    await life.succeed(claimed)

    assert await life.nothing_to_claim()
    for run in runs:
        entries: Any = await life.redis.xrange(life.keys.events(thread_id, run.request.run_id))
        assert [fields[b"name"] for _, fields in entries] == [END.encode()]
    left = [run.request.run_id for run in await life.runs.of_thread(thread_id, limit=50)]
    assert (left == [claimed.claim.run_id]) if action == "rollback" else (left[0] == claimed.claim.run_id)


@pytest.mark.parametrize("action", STOPPING)
async def test_the_one_at_work_is_stopped_and_the_queue_cleared(life: Life, action: CancelAction) -> None:
    """The worker keeps its right to write until it ends its run; then the new one starts, and nothing between."""
    thread_id = await life.thread()
    await life.submit(thread_id)
    working = await life.claim()
    queued = [await life.submit(thread_id) for _ in range(3)]
    new = await life.submit(thread_id, multitask=action)

    assert await life.nothing_to_claim()
    assert await life.runs.beat(working.claim) == action
    await life.runs.finish(working.claim, Ending(status="interrupted", cancelled=action))
    assert (await life.claim()).request == new.request
    for run in queued:
        if action == "rollback":
            with pytest.raises(NotFound):
                await life.runs.get(thread_id, run.request.run_id)
        else:
            assert (await life.runs.get(thread_id, run.request.run_id)).status == "interrupted"


async def test_a_rollback_forgets_what_an_earlier_attempt_saved(life: Life) -> None:
    """A run that was given back waits for a worker, and has checkpoints: rolled back, it leaves none."""
    thread_id = await life.thread()
    await life.submit(thread_id)
    claimed = await life.claim()
    saver = RedisCheckpointer(life.redis, life.keys)
    await put_of_run(saver.for_claim(claimed.claim), config_of(thread_id), claimed.claim.run_id, log=["x"])
    await life.runs.release(claimed.claim)
    await life.submit(thread_id, multitask="rollback")

    assert await saver.aget_tuple(config_of(thread_id)) is None


@pytest.mark.parametrize("action", STOPPING)
async def test_a_temporary_thread_stays_for_the_run_that_stops_its_first(life: Life, action: CancelAction) -> None:
    """The thread goes when the last of its runs ends."""
    first = life.request("t", run_id="t", temporary=True)
    await life.runs.create(first, new_thread={})
    second = await life.submit("t", multitask=action)

    claimed = await life.claim()
    assert claimed.request == second.request
    await life.succeed(claimed)
    with pytest.raises(NotFound):
        await life.threads.get("t")


@pytest.mark.parametrize("action", STOPPING)
async def test_an_answer_that_never_began_waits_in_front_of_who_stopped_it(life: Life, action: CancelAction) -> None:
    """Its question waits again, and the new run behind it."""
    thread_id = await life.ask("one")
    await life.submit(thread_id, answers=["one"])
    new = await life.submit(thread_id, multitask=action)

    assert await life.waiting(thread_id) == ["one"]
    assert await life.nothing_to_claim()
    await life.submit(thread_id, answers=["one"])
    await life.succeed(await life.claim())
    assert (await life.claim()).request == new.request


async def test_the_callers_worker_starts_what_may_start(life: Life) -> None:
    """Offered with the request, a worker gets the run in the same step, or nothing if it must wait."""
    thread_id = await life.thread()
    first = await life.runs.create(life.request(thread_id), worker="here")
    second = await life.runs.create(life.request(thread_id), worker="here")

    assert first.claimed is not None
    assert (first.claimed.claim.worker, first.claimed.claim.attempt, first.run.status) == ("here", 1, "running")
    assert second.claimed is None
    assert await life.nothing_to_claim()
    await life.succeed(first.claimed)
    assert (await life.claim()).request == second.run.request
