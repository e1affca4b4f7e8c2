"""Cancelling: a run that is to end ends, whatever it does and whoever dies."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from tests.memory.life import Life

from motet.errors import NotFound, RunOver, StaleClaim
from motet.memory.ports import END, CancelAction, Ending, Run

BOTH: tuple[CancelAction, ...] = ("interrupt", "rollback")
CANCELLED = (END, b'{"status":"interrupted"}')


async def _is_over(life: Life, run: Run, action: CancelAction) -> bool:
    """Whether the run has ended as cancelling it so should end it, and a reader was told."""
    thread_id, run_id = run.request.thread_id, run.request.run_id
    entries: Any = await life.redis.xrange(life.keys.events(thread_id, run_id))
    told = [(fields[b"name"].decode(), fields[b"data"]) for _, fields in entries]
    if told[-1:] != [CANCELLED]:
        return False
    if action == "rollback":
        with pytest.raises(NotFound):
            await life.runs.get(thread_id, run_id)
        return True
    return (await life.runs.get(thread_id, run_id)).status == "interrupted"


@pytest.mark.parametrize("action", BOTH)
async def test_a_run_that_nobody_works_on_ends_at_once(life: Life, action: CancelAction) -> None:
    """Cancelled before a worker came, a run has ended when the call returns, and its thread is free."""
    run = await life.submit(await life.thread())

    assert await life.cancel(run, action)
    assert await _is_over(life, run, action)
    assert (await life.threads.get(run.request.thread_id)).status == "idle"
    assert await life.nothing_to_claim()


@pytest.mark.parametrize("action", BOTH)
async def test_a_queued_run_ends_behind_the_back_of_the_one_at_work(life: Life, action: CancelAction) -> None:
    """Cancelling a run in the queue leaves the worker in front of it its right to write."""
    thread_id = await life.thread()
    await life.submit(thread_id)
    queued, last = await life.submit(thread_id), await life.submit(thread_id)
    working = await life.claim()

    assert await life.cancel(queued, action)
    assert await _is_over(life, queued, action)
    assert await life.runs.beat(working.claim) is None
    await life.runs.append(working.claim, [("values", b"1")])
    await life.succeed(working)
    assert (await life.claim()).request == last.request


@pytest.mark.parametrize("action", BOTH)
async def test_a_run_at_work_is_ended_by_its_worker(life: Life, action: CancelAction) -> None:
    """The worker hears of it by its next beat and ends the run; then the next one starts."""
    thread_id = await life.thread()
    run, queued = await life.submit(thread_id), await life.submit(thread_id)
    claimed = await life.claim()

    assert not await life.cancel(run, action)
    assert await life.runs.beat(claimed.claim) == action
    await life.runs.finish(claimed.claim, Ending(status="interrupted", cancelled=action))
    assert await _is_over(life, run, action)
    assert (await life.claim()).request == queued.request


async def test_workers_are_signalled(life: Life) -> None:
    """A cancel is told at once, so that nobody need wait for a beat."""
    run = await life.submit(await life.thread())
    await life.claim()
    await life.cancel(run, "interrupt")

    _, runs = await life.runs.signalled("0", 0)
    assert runs == [run.request.run_id]


async def test_no_signal_falls_between_two_looks(life: Life) -> None:
    """Whoever listens from now on hears what is told while it isn't looking."""
    after, before = await life.runs.signalled("$", 0)
    run = await life.submit(await life.thread())
    await life.claim()
    await life.cancel(run, "interrupt")

    _, runs = await life.runs.signalled(after, 0)
    assert (before, runs) == ([], [run.request.run_id])


@pytest.mark.parametrize("order", [BOTH, BOTH[::-1]])
async def test_a_rollback_beats_an_interrupt(life: Life, order: tuple[CancelAction, ...]) -> None:
    """Whoever wants a run rolled back gets that, asked for first or last."""
    run = await life.submit(await life.thread())
    claimed = await life.claim()
    for action in order:
        await life.cancel(run, action)

    assert await life.runs.beat(claimed.claim) == "rollback"


@pytest.mark.parametrize("cancelled", [None, "interrupt"])
async def test_a_rollback_that_the_worker_has_not_heard_of_happens(life: Life, cancelled: CancelAction | None) -> None:
    """Acknowledged between the worker's last beat and its end, a rollback still takes the run back."""
    run = await life.submit(await life.thread())
    claimed = await life.claim()
    await life.cancel(run, "rollback")

    ending = Ending(status="interrupted" if cancelled else "success", cancelled=cancelled)
    await life.runs.finish(claimed.claim, ending, [("values", b"1")])
    assert await _is_over(life, run, "rollback")
    assert (await life.threads.get(run.request.thread_id)).status == "idle"


async def test_a_run_that_is_to_stop_asks_nothing_more(life: Life) -> None:
    """Questions that come after the cancel was acknowledged don't hold up the thread."""
    thread_id = await life.thread()
    run, queued = await life.submit(thread_id), await life.submit(thread_id)
    claimed = await life.claim()
    await life.cancel(run, "interrupt")

    await life.interrupt(claimed, "one")
    assert await _is_over(life, run, "interrupt")
    assert (await life.threads.get(thread_id)).interrupts == ()
    assert (await life.claim()).request == queued.request


@pytest.mark.parametrize(
    "ending", [Ending(status="success"), Ending(status="error", error={"error": "E", "message": "m"})]
)
async def test_a_cancel_that_was_acknowledged_happens_though_the_run_came_to_its_end(
    life: Life, ending: Ending
) -> None:
    """A run whose worker hadn't heard of it by its end is cancelled all the same: that is what the client was told."""
    run = await life.submit(await life.thread())
    claimed = await life.claim()
    await life.cancel(run, "interrupt")
    await life.runs.finish(claimed.claim, ending)

    assert (await life.runs.get(run.request.thread_id, run.request.run_id)).status == "interrupted"
    assert [event.data for event in await life.events_of(run)] == [b'{"status":"interrupted"}']
    assert (await life.threads.get(run.request.thread_id)).status == "idle"


@pytest.mark.parametrize("action", BOTH)
async def test_a_run_that_waits_withdraws_its_questions(life: Life, action: CancelAction) -> None:
    """Cancelling the run that asked lets what is queued go on; a second cancel finds nothing to do."""
    thread_id = await life.thread()
    run, queued = await life.submit(thread_id), await life.submit(thread_id)
    await life.interrupt(await life.claim(), "one", "two")
    ends = await life.redis.xlen(life.keys.events(thread_id, run.request.run_id))

    assert await life.cancel(run, action)
    assert (await life.threads.get(thread_id)).interrupts == ()
    assert await life.redis.xlen(life.keys.events(thread_id, run.request.run_id)) == ends
    assert (await life.claim()).request == queued.request
    with pytest.raises(RunOver if action == "interrupt" else NotFound):
        await life.cancel(run, action)


@pytest.mark.parametrize("action", BOTH)
async def test_an_answer_that_never_began_is_asked_for_again(life: Life, action: CancelAction) -> None:
    """Cancelled before a step of it was saved, an answer wasn't given: its question waits as before."""
    thread_id = await life.ask("one", "two")
    answer = await life.submit(thread_id, answers=["one"])

    assert await life.cancel(answer, action)
    assert await life.waiting(thread_id) == ["one", "two"]
    assert (await life.threads.get(thread_id)).status == "interrupted"
    await life.submit(thread_id, answers=["one"])


@pytest.mark.parametrize("action", BOTH)
async def test_who_asked_can_be_cancelled_after_an_answer_was(life: Life, action: CancelAction) -> None:
    """An answer that is taken back leaves its question to the run that asked it: cancelling that withdraws it."""
    thread_id = await life.thread()
    asking = await life.submit(thread_id)
    await life.interrupt(await life.claim(), "one")
    answer = await life.submit(thread_id, answers=["one"])
    await life.cancel(answer, action)

    if action == "interrupt":
        with pytest.raises(RunOver):
            await life.cancel(answer, action)
    assert await life.waiting(thread_id) == ["one"]
    assert await life.cancel(asking, action)
    assert await life.waiting(thread_id) == []


@pytest.mark.parametrize("action", BOTH)
async def test_a_cancel_outlives_the_worker_that_was_to_do_it(life: Life, action: CancelAction) -> None:
    """Acknowledged, then the worker is killed: the sweep ends the run as cancelled, and nobody works on it again."""
    run = await life.submit(await life.thread())
    claimed = await life.claim()
    await life.cancel(run, action)
    await life.lapse(claimed)

    assert list(await life.runs.sweep()) == []
    assert await _is_over(life, run, action)
    assert await life.nothing_to_claim()


@pytest.mark.parametrize("action", BOTH)
async def test_a_run_whose_worker_is_lost_ends_at_once(life: Life, action: CancelAction) -> None:
    """Once its lease ran out nobody is waited for, and a rollback that was asked for before still happens."""
    run = await life.submit(await life.thread())
    claimed = await life.claim()
    await life.cancel(run, "rollback")
    await life.lapse(claimed)

    assert await life.cancel(run, action)
    assert await _is_over(life, run, "rollback")
    with pytest.raises(StaleClaim):
        await life.runs.beat(claimed.claim)


@pytest.mark.parametrize("action", BOTH)
async def test_a_run_given_back_while_it_was_to_stop_ends(life: Life, action: CancelAction) -> None:
    """A worker that is told to stop ends a cancelled run instead of handing it on."""
    run = await life.submit(await life.thread())
    claimed = await life.claim()
    await life.cancel(run, action)
    await life.runs.release(claimed.claim)

    assert await _is_over(life, run, action)
    assert await life.nothing_to_claim()


async def test_what_cannot_be_cancelled_says_why(life: Life) -> None:
    """A run that ended, and one that doesn't exist."""
    thread_id = await life.thread()
    run = await life.submit(thread_id)
    await life.succeed(await life.claim())

    with pytest.raises(RunOver):
        await life.cancel(run, "interrupt")
    with pytest.raises(NotFound):
        await life.runs.cancel(thread_id, str(uuid4()), "interrupt")
