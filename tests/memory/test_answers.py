"""Answers: each question is answered once, and nothing discards it."""

from __future__ import annotations

import asyncio

import pytest
from tests.memory.life import Life, question

from motet.errors import InvalidInput, MotetError, NoWaitingInterrupt, ThreadWaits
from motet.memory.ports import Ending, Run


async def _states(life: Life, thread_id: str) -> tuple[str, list[str]]:
    thread = await life.threads.get(thread_id)
    return thread.status, [one.interrupt_id for one in thread.interrupts]


@pytest.mark.parametrize("multitask", ["reject", "enqueue"])
async def test_a_plain_input_does_not_discard_a_question(life: Life, multitask: str) -> None:
    """While an interrupt waits, an input that isn't an answer is refused and changes nothing."""
    thread_id = await life.ask("one")
    await life.runs.sweep()
    names = [life.keys.thread(thread_id), life.keys.queue(thread_id), life.keys.active()]
    before = await life.snapshot(*names)

    with pytest.raises(ThreadWaits) as caught:
        await life.submit(thread_id, multitask=multitask)
    assert caught.value.waiting == ("one",)
    assert await life.snapshot(*names) == before


@pytest.mark.parametrize(
    ("waiting", "answers"), [([], []), ([], ["one"]), (["one"], ["two"]), (["one", "two"], ["one", "three"])]
)
async def test_an_answer_to_nothing_is_refused(life: Life, waiting: list[str], answers: list[str]) -> None:
    """An answer that names anything that doesn't wait changes nothing, what it names rightly included."""
    thread_id = await life.ask(*waiting) if waiting else await life.thread()
    before = await life.snapshot(life.keys.thread(thread_id))

    with pytest.raises(NoWaitingInterrupt) as caught:
        await life.submit(thread_id, answers=answers)
    assert (list(caught.value.named), list(caught.value.waiting)) == (answers, waiting)
    assert await life.snapshot(life.keys.thread(thread_id)) == before
    assert await life.nothing_to_claim()


async def test_an_answer_without_an_id_needs_a_single_question(life: Life) -> None:
    """With two questions waiting, an answer that names none is refused with the ids to choose from."""
    thread_id = await life.ask("one", "two")
    with pytest.raises(InvalidInput, match="one, two"):
        await life.submit(thread_id, answers=[])

    assert await _states(life, thread_id) == ("interrupted", ["one", "two"])


@pytest.mark.parametrize("answers", [[], ["one"], ["one", "one"]])
async def test_of_many_simultaneous_answers_one_is_accepted(life: Life, answers: list[str]) -> None:
    """Twenty answers at once start one run; nineteen are told that nothing waits any more."""
    thread_id = await life.ask("one")

    async def answer() -> Run | MotetError:
        try:
            return await life.submit(thread_id, answers=answers, multitask="reject")
        except NoWaitingInterrupt as error:
            return error

    outcomes = await asyncio.gather(*(answer() for _ in range(20)))
    accepted = [one for one in outcomes if isinstance(one, Run)]

    assert len(accepted) == 1
    assert await _states(life, thread_id) == ("busy", [])
    assert (await life.claim()).claim.run_id == accepted[0].request.run_id
    assert await life.nothing_to_claim()


async def test_the_rest_waits_on_after_an_answer(life: Life) -> None:
    """An answer takes its own question only; the run's end says what waits now."""
    thread_id = await life.ask("one", "two")
    await life.submit(thread_id, answers=["one"])
    assert await _states(life, thread_id) == ("busy", ["two"])

    await life.interrupt(await life.claim(), "two", "three")
    assert await _states(life, thread_id) == ("interrupted", ["two", "three"])

    await life.submit(thread_id, answers=["three", "two"])
    await life.succeed(await life.claim())
    assert await _states(life, thread_id) == ("idle", [])


async def test_answers_are_worked_one_behind_the_other(life: Life) -> None:
    """Answers given while another is worked are accepted, each once, and start in order, in front of plain inputs."""
    thread_id = await life.ask("one", "two", "three")
    first = await life.submit(thread_id, answers=["one"])
    plain = await life.submit(thread_id)
    others = [await life.submit(thread_id, answers=[name], multitask="reject") for name in ("three", "two")]
    with pytest.raises(NoWaitingInterrupt):
        await life.submit(thread_id, answers=["two"])

    started: list[str] = []
    for left in (("two", "three"), ("two",), ()):
        claimed = await life.claim()
        started.append(claimed.claim.run_id)
        await (life.interrupt(claimed, *left) if left else life.succeed(claimed))
    assert started == [one.request.run_id for one in (first, *others)]
    assert (await life.claim()).claim.run_id == plain.request.run_id


async def test_a_queued_answer_that_is_cancelled_leaves_its_question(life: Life) -> None:
    """The question waits again; what is worked goes on, and other answers behind it."""
    thread_id = await life.ask("one", "two", "three")
    await life.submit(thread_id, answers=["one"])
    cancelled = await life.submit(thread_id, answers=["two"])
    last = await life.submit(thread_id, answers=["three"])
    assert await life.runs.cancel(thread_id, cancelled.request.run_id, "interrupt")
    assert await _states(life, thread_id) == ("busy", ["two"])

    await life.interrupt(await life.claim(), "two", "three")
    claimed = await life.claim()
    assert claimed.claim.run_id == last.request.run_id
    await life.interrupt(claimed, "two")
    assert await _states(life, thread_id) == ("interrupted", ["two"])


async def test_an_input_may_wait_behind_a_question(life: Life) -> None:
    """One that says so is queued rather than refused, and starts once nothing waits."""
    thread_id = await life.ask("one")
    behind = await life.submit(thread_id, behind=True)
    assert await _states(life, thread_id) == ("interrupted", ["one"])
    assert await life.nothing_to_claim()

    await life.submit(thread_id, answers=["one"])
    await life.succeed(await life.claim())
    assert (await life.claim()).claim.run_id == behind.request.run_id


async def test_queued_inputs_wait_behind_a_question(life: Life) -> None:
    """A run queued before the question came up starts after the run that answers, which goes in front of it."""
    thread_id = await life.thread()
    await life.submit(thread_id)
    queued = await life.submit(thread_id)
    await life.interrupt(await life.claim(), "one")
    assert await life.nothing_to_claim()
    assert list(await life.runs.sweep()) == []

    answer = await life.submit(thread_id, answers=["one"], multitask="reject")
    claimed = await life.claim()
    assert claimed.claim.run_id == answer.request.run_id
    await life.succeed(claimed)
    assert (await life.claim()).claim.run_id == queued.request.run_id


async def test_a_failed_answer_leaves_the_other_questions(life: Life) -> None:
    """When the run that answers one of two questions fails, the other still waits and holds the queue."""
    thread_id = await life.ask("one", "two")
    await life.submit(thread_id, answers=["one"])
    await life.submit(thread_id)
    await life.runs.finish((await life.claim()).claim, Ending(status="error", error={"error": "E", "message": "m"}))

    assert await _states(life, thread_id) == ("interrupted", ["two"])
    assert await life.nothing_to_claim()


async def test_a_stop_without_a_question_holds_nothing(life: Life) -> None:
    """A run that ends interrupted and asks nothing (a static breakpoint) lets the next input go on."""
    thread_id = await life.thread()
    await life.submit(thread_id)
    queued = await life.submit(thread_id)
    await life.interrupt(await life.claim())

    claimed = await life.claim()
    assert claimed.claim.run_id == queued.request.run_id
    await life.interrupt(claimed)
    assert await _states(life, thread_id) == ("interrupted", [])
    await life.submit(thread_id)


async def test_an_answer_lost_with_its_worker_can_be_given_again(brief: Life) -> None:
    """A run whose workers were all lost may not have answered: its question waits again, in front of the others."""
    thread_id = await brief.ask("one", "two")
    await brief.submit(thread_id, answers=["one"])
    for _ in range(3):
        await brief.lose(await brief.claim())

    thread = await brief.threads.get(thread_id)
    assert thread.status == "interrupted"
    assert thread.error is not None
    assert thread.interrupts == (question("one"), question("two"))
