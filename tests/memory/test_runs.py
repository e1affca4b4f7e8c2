"""Runs: durable once accepted, one at a time on a thread, and written by whoever holds them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import replace
from uuid import uuid4

import pytest
from redis.asyncio import Redis
from tests.memory.life import Life
from tests.support import wait_until

from motet.errors import InvalidInput, NotFound, StaleClaim, ThreadBusy
from motet.memory.ports import Claimed, Ending
from motet.memory.redis.client import connect
from motet.memory.redis.hints import Hints
from motet.memory.redis.keys import Keys
from motet.memory.redis.runs import DAY_S
from motet.memory.redis.scripts import Scripts


async def test_an_accepted_run_is_durable_with_all_it_needs(life: Life, redis_url: str) -> None:
    """Another process claims exactly the request that was accepted."""
    thread_id = await life.thread()
    payload = {"input": {"big": 2**62 + 1, "text": "é\x00", "empty": []}, "config": {}}
    request = life.request(thread_id, payload=payload, metadata={"m": 1}, traceparent="00-ab-cd-01")
    run = (await life.runs.create(request)).run
    other = await connect(redis_url)
    try:
        claimed = await Life(other, life.keys, lease_s=30).claim("elsewhere")
    finally:
        await other.aclose()

    assert (run.request, run.status, run.attempt) == (request, "pending", 0)
    assert claimed.request == request
    assert (claimed.claim.worker, claimed.claim.attempt) == ("elsewhere", 1)


async def test_a_run_is_seen_through_its_life(life: Life) -> None:
    """Run and thread tell the same story at each step, and an ended run leaves the thread idle."""
    thread_id = await life.thread()
    run = await life.submit(thread_id)
    story = []

    async def look() -> None:
        seen = await life.runs.get(thread_id, run.request.run_id)
        story.append((seen.status, seen.attempt, (await life.threads.get(thread_id)).status))

    await look()
    claimed = await life.claim()
    await look()
    await life.succeed(claimed)
    await look()

    assert story == [("pending", 0, "busy"), ("running", 1, "busy"), ("success", 1, "idle")]


async def test_a_run_that_fails_says_so_on_its_thread(life: Life) -> None:
    """The error of a run stands on the run and on the thread, until the next run ends well."""
    thread_id = await life.thread()
    run = await life.submit(thread_id)
    error = {"error": "ValueError", "message": "no"}
    await life.runs.finish((await life.claim()).claim, Ending(status="error", error=error))

    thread = await life.threads.get(thread_id)
    assert (thread.status, thread.error) == ("error", error)
    assert (await life.runs.get(thread_id, run.request.run_id)).error == error

    await life.submit(thread_id)
    await life.succeed(await life.claim())
    thread = await life.threads.get(thread_id)
    assert (thread.status, thread.error) == ("idle", None)


async def test_unknown_threads_and_runs_are_not_found(life: Life) -> None:
    """A run needs a thread, an id names a run, and a refused run leaves nothing behind."""
    with pytest.raises(NotFound, match="Thread"):
        await life.submit(str(uuid4()))
    with pytest.raises(NotFound, match="Run"):
        await life.runs.get(await life.thread(), str(uuid4()))
    assert await life.redis.exists(life.keys.active(), life.keys.ready()) == 0


async def test_a_request_that_json_cannot_hold_is_refused(life: Life) -> None:
    """An input that can't be recorded is the caller's mistake, and the thread stays idle."""
    thread_id = await life.thread()
    with pytest.raises(InvalidInput):
        await life.submit(thread_id, payload={"input": 2**70})
    assert (await life.threads.get(thread_id)).status == "idle"


async def test_the_same_run_id_is_accepted_once(life: Life) -> None:
    """A request sent again returns the run there is and starts no second one."""
    request = life.request(await life.thread())
    first = (await life.runs.create(request)).run
    again = (await life.runs.create(replace(request, multitask="reject"))).run
    assert again == first

    await life.succeed(await life.claim())
    assert (await life.runs.create(request)).run.status == "success"
    assert await life.nothing_to_claim()


async def test_runs_of_a_thread_follow_one_another(life: Life) -> None:
    """Two workers at once work on the runs of a thread in order, and never on two of them."""
    thread_id = await life.thread()
    accepted = [(await life.submit(thread_id)).request.run_id for _ in range(8)]
    working: set[str] = set()
    order: list[str] = []

    async def work(worker: str) -> None:
        while len(order) < len(accepted):
            claimed = await life.runs.claim(worker, wait_s=0.05)
            if claimed is None:
                continue
            assert not working
            working.add(claimed.claim.run_id)
            order.append(claimed.claim.run_id)
            await life.runs.append(claimed.claim, [("values", b"{}")])
            working.clear()
            await life.succeed(claimed)

    await asyncio.gather(work("one"), work("two"))
    assert order == accepted


async def test_threads_do_not_wait_for_one_another(life: Life) -> None:
    """Runs of different threads are worked on at the same time."""
    runs = [await life.submit(await life.thread()) for _ in range(3)]
    claims = [await life.claim(f"w{i}", wait_s=0) for i in range(3)]

    assert {one.claim.run_id for one in claims} == {run.request.run_id for run in runs}


async def _blocked(life: Life, connections: int) -> None:
    async def are_blocked() -> bool:
        return (await life.redis.info("clients"))["blocked_clients"] >= connections

    await wait_until(are_blocked, description=f"{connections} connections wait")


async def test_a_run_that_may_start_wakes_a_worker(life: Life) -> None:
    """A worker that waits long is woken by a run that is accepted, and by one that another run's end releases."""
    thread_id = await life.thread()
    hints = Hints(life.redis, life.keys, Scripts(life.redis))
    for wake in (life.submit(thread_id), _end_first_of_two(life, thread_id)):
        waiting = asyncio.create_task(hints.wait(50))
        await _blocked(life, 1)
        await wake
        await asyncio.wait_for(waiting, 5)


async def _end_first_of_two(life: Life, thread_id: str) -> None:
    await life.submit(thread_id)
    await life.succeed(await life.claim())


async def test_a_swallowed_wake_up_delays_a_run_by_a_moment(life: Life) -> None:
    """A dead connection that eats the wake-up doesn't stop another worker that waits from finding the run."""
    thread_id = await life.thread()
    dead = asyncio.ensure_future(life.redis.blpop([life.keys.wakeup()], timeout=50))
    await _blocked(life, 1)
    waiting = asyncio.create_task(life.claim(wait_s=50))
    await _blocked(life, 2)
    run = await life.submit(thread_id)

    assert (await asyncio.wait_for(waiting, 5)).claim.run_id == run.request.run_id
    assert await dead is not None


async def test_reject_refuses_and_records_nothing(life: Life) -> None:
    """On a thread that works, `reject` is a conflict that leaves thread, queue and hints as they were."""
    thread_id = await life.thread()
    await life.submit(thread_id)
    names = [life.keys.thread(thread_id), life.keys.queue(thread_id), life.keys.active(), life.keys.ready()]
    before = await life.snapshot(*names)
    refused = life.request(thread_id, multitask="reject")

    with pytest.raises(ThreadBusy):
        await life.runs.create(refused)
    assert await life.snapshot(*names) == before
    with pytest.raises(NotFound):
        await life.runs.get(thread_id, refused.run_id)

    await life.succeed(await life.claim())
    await life.runs.create(refused)


def _writes(life: Life, claimed: Claimed) -> list[Awaitable[object]]:
    claim = claimed.claim
    return [
        life.runs.beat(claim),
        life.runs.append(claim, [("values", b"{}")]),
        life.runs.finish(claim, Ending(status="success")),
    ]


@pytest.mark.parametrize("step", [-1, 1])
async def test_another_epoch_writes_nothing(life: Life, step: int) -> None:
    """Beat, append and finish with an epoch that isn't the run's are refused and change no key."""
    thread_id = await life.thread()
    await life.submit(thread_id)
    claimed = await life.claim()
    await life.runs.append(claimed.claim, [("values", b"{}")])
    other = replace(claimed, claim=replace(claimed.claim, epoch=claimed.claim.epoch + step))
    names = [name async for name in life.redis.scan_iter(match=f"{life.keys.prefix}:*")]
    before = await life.snapshot(*names)

    for write in _writes(life, other):
        with pytest.raises(StaleClaim):
            await write
    assert await life.snapshot(*names) == before


async def test_an_ended_run_takes_no_more_writes(life: Life) -> None:
    """After its end a run refuses its own worker, too: a second end, a beat, an event."""
    run = await life.submit(await life.thread())
    claimed = await life.claim()
    await life.succeed(claimed)

    for write in _writes(life, claimed):
        with pytest.raises(StaleClaim):
            await write
    assert len(await life.events_of(run)) == 1


async def test_what_an_ended_run_leaves_expires(life: Life) -> None:
    """A run and its events live as long as it works, and a day more; no hint and no queue remains."""
    thread_id = await life.thread()
    run_id = (await life.submit(thread_id)).request.run_id
    names = [life.keys.run(thread_id, run_id), life.keys.events(thread_id, run_id)]
    claimed = await life.claim()
    await life.runs.append(claimed.claim, [("values", b"{}")])
    assert [await life.redis.ttl(name) for name in names] == [-1, -1]

    await life.succeed(claimed)
    await life.runs.sweep()
    assert all([DAY_S - 60 < await life.redis.ttl(name) <= DAY_S for name in names])
    assert await life.redis.exists(life.keys.queue(thread_id), life.keys.active(), life.keys.ready()) == 0


@asynccontextmanager
async def _counted(url: str) -> AsyncGenerator[tuple[Redis, list[object]]]:
    """A client, and what its connections have sent: one element a round trip."""
    client = await connect(url)
    sent: list[object] = []
    pool = client.connection_pool
    ordinary = pool.connection_class

    async def send_packed_command(self: object, command: object, check_health: bool = True) -> None:  # noqa: FBT001, FBT002 - the library's signature
        sent.append(command)
        await ordinary.send_packed_command(self, command, check_health)  # type: ignore[arg-type] # its own subclass

    await pool.disconnect()
    pool.reset()
    pool.connection_class = type("Counting", (ordinary,), {"send_packed_command": send_packed_command})
    try:
        yield client, sent
    finally:
        await client.aclose()


async def test_what_a_step_costs(life: Life, redis_url: str, keys: Keys) -> None:
    """Round trips: claim 2, everything else 1; nothing more, whatever is queued."""
    async with _counted(redis_url) as (client, sent):
        counted = Life(client, keys, lease_s=30)
        costs: dict[str, int] = {}

        async def cost(step: str, call: Awaitable[object]) -> None:
            before = len(sent)
            await call
            costs[step] = len(sent) - before

        for _ in range(2):  # the first time loads the scripts
            thread_id = await counted.thread()
            await cost("create", counted.runs.create(counted.request(thread_id)))
            await cost("queue", counted.runs.create(counted.request(thread_id)))
            claimed = await life.claim()
            await life.runs.finish(claimed.claim, Ending(status="success"))
            popped = asyncio.ensure_future(counted.claim())
            await cost("claim", popped)
            claim = popped.result().claim
            await cost("append", counted.runs.append(claim, [("values", b"{}")] * 100))
            await cost("beat", counted.runs.beat(claim))
            await cost("finish", counted.runs.finish(claim, Ending(status="success")))

    assert costs == {"create": 1, "queue": 1, "claim": 2, "append": 1, "beat": 1, "finish": 1}


async def test_a_run_given_back_is_claimed_at_once(life: Life) -> None:
    """A worker that is told to stop hands its run on; what it held before is void."""
    thread_id = await life.thread()
    run = await life.submit(thread_id)
    first = await life.claim()

    await life.runs.release(first.claim)
    second = await life.claim()

    assert second.request.run_id == run.request.run_id
    assert (second.claim.attempt, second.claim.epoch > first.claim.epoch) == (2, True)
    with pytest.raises(StaleClaim):
        await life.runs.release(first.claim)
    with pytest.raises(StaleClaim):
        await life.runs.append(first.claim, [("late", b"{}")])
