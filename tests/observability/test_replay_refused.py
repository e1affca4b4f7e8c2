"""What can't be replayed is refused with a reason; never is there a wrong replay."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from langgraph.graph import START, StateGraph
from tests.observability import patterns
from tests.observability.recording import Recording, replayed

from motet.errors import BudgetExhausted, NotReplayable, TrajectoryUnreadable
from motet.observability.trajectory.records import (
    CUT,
    Failure,
    ModelCalled,
    Record,
    RunFinished,
    RunStarted,
    ToolCalled,
    Truncated,
)
from motet.observability.trajectory.replay.failures import RecordedError, raised_again
from motet.observability.trajectory.trajectory import Trajectory
from motet.observability.trajectory.underway import failure_of

HELLO = {"messages": [("human", "hello")]}
Change = Callable[[Record], Record | None]


def changed(trajectory: Trajectory, change: Change) -> Trajectory:
    """With other records; without those for which there is None."""
    records = [one for one in map(change, trajectory.records) if one is not None]
    return replace(trajectory, records=records)


def lost(record: Record) -> Record:
    """Two records couldn't be written."""
    return replace(record, lost=2) if isinstance(record, RunFinished) else record


def cut_answer(record: Record) -> Record:
    """The models' answers were too large."""
    return replace(record, response=CUT) if isinstance(record, ModelCalled) else record


def cut_result(record: Record) -> Record:
    """The tools' results were too large."""
    return replace(record, result=CUT) if isinstance(record, ToolCalled) else record


def gone_answer(record: Record) -> Record:
    """The models' answers aren't among the contents."""
    return replace(record, response="0" * 32) if isinstance(record, ModelCalled) else record


def gone_input(record: Record) -> Record:
    """The input isn't among the contents."""
    return replace(record, input="0" * 32) if isinstance(record, RunStarted) else record


def unended(record: Record) -> Record | None:
    """The end is missing."""
    return None if isinstance(record, RunFinished) else record


def truncated(record: Record) -> Record:
    """It had reached its largest size."""
    if isinstance(record, RunFinished):
        return Truncated(run_id=record.run_id, index=record.index, at=record.at, limit_bytes=1000)
    return record


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lost, "2 of its records could not be written"),
        (cut_answer, "too large"),
        (cut_result, "too large"),
        (gone_answer, "it isn't there"),
        (gone_input, "it isn't there"),
        (unended, "it has not ended"),
        (truncated, "cut off when it had reached 1000 bytes"),
    ],
)
async def test_a_record_with_a_gap_is_refused(change: Change, reason: str) -> None:
    """It says what is missing; no model and no tool is asked instead."""
    graph = patterns.agent_with_tools()
    trajectory = await Recording(graph).run(HELLO)
    before = list(patterns.done)

    with pytest.raises(NotReplayable, match=reason) as caught:
        await replayed(changed(trajectory, change), graph)

    assert caught.value.run_id == trajectory.run_ids[0]
    assert patterns.done == before


async def test_a_record_without_a_beginning_is_unreadable() -> None:
    """Nobody knows what the graph was given."""
    graph = patterns.agent_with_tools()
    trajectory = await Recording(graph).run(HELLO)
    headless = changed(trajectory, lambda one: None if isinstance(one, RunStarted) else one)

    with pytest.raises(TrajectoryUnreadable, match="beginning"):
        await replayed(headless, graph)


async def test_a_run_that_was_cut_off_is_compared_up_to_there() -> None:
    """A person cancelled it while a model was answering: what was before is the same, and nothing waits for more."""
    started = asyncio.Event()

    async def never(*_: Any) -> str:
        started.set()
        await asyncio.Event().wait()
        return ""

    first, second = patterns.saying(lambda *_: "well"), patterns.saying(never)
    builder: Any = StateGraph(patterns.State)

    async def say(state: Any) -> Any:
        return {"messages": [await first.ainvoke(state["messages"])]}

    async def hang(state: Any) -> Any:
        return {"messages": [await second.ainvoke(state["messages"])]}

    builder.add_sequence([("say", say), ("hang", hang)])
    builder.add_edge(START, "say")
    graph = builder.compile()
    recording = Recording(graph)
    running = asyncio.create_task(recording.run(HELLO))
    await started.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running

    async with asyncio.timeout(30):
        verdict = await replayed(recording.trajectory(), graph)

    assert verdict.divergence is None
    assert verdict.ended == "cancelled"
    assert verdict.counts.checkpoints == 3


class Refused(Exception):
    """Made of more than a text."""

    def __init__(self, code: int, *, why: str) -> None:
        self.code = code
        super().__init__(f"{code}: {why}")


class Told(Exception):
    """Whose text is made of what it has."""

    def __init__(self, code: int) -> None:
        self.code = code
        super().__init__()

    def __str__(self) -> str:
        return f"code {self.code}"


@pytest.mark.parametrize(
    "error", [ValueError("no"), Refused(3, why="full"), BudgetExhausted("tokens", spent=2, allowed=1)]
)
def test_an_error_is_raised_again_as_what_it_was(error: Exception) -> None:
    """By its class and with its text, without its constructor, so that what caught it then catches it now."""
    again = raised_again(failure_of(error))

    assert type(again) is type(error)
    assert str(again) == str(error)


@pytest.mark.parametrize(
    "failure",
    [
        failure_of(Told(3)),
        Failure(kind="nowhere:Gone", message="no"),
        Failure(kind="builtins:KeyboardInterrupt", message="no"),
        Failure(kind="os:system", message="no"),
    ],
)
def test_an_error_that_cannot_be_made_is_stood_in_for(failure: Failure) -> None:
    """It tells the same class and the same text; nothing is imported and nothing called for it."""
    again = raised_again(failure)

    assert isinstance(again, RecordedError)
    assert failure_of(again) == failure
