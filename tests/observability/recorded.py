"""Runs a graph as a worker does, with a recorder, and shows what was recorded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import StateGraph
from tests.observability.heard import pieces_for

from motet.calls import intercepted
from motet.memory.serde import state_serializer
from motet.observability.trajectory.contents import Contents, plain, restore
from motet.observability.trajectory.record import Batch, Recorder, TrajectorySink
from motet.observability.trajectory.recording_saver import RecordingSaver
from motet.observability.trajectory.records import Record, decode

R = TypeVar("R", bound=Record)

SERDE = state_serializer()


def builder(state: Any) -> Any:
    """A graph to be built, as lambdas may be nodes of: LangGraph's types want each parameter's very name."""
    return StateGraph(state)


def a_recorder(run_id: str = "r1", **told: Any) -> Recorder:
    """Of a run on thread t1."""
    return Recorder(run_id, contents=Contents(SERDE), thread_id="t1", **told)


@dataclass(frozen=True, slots=True)
class Recorded:
    """What was recorded."""

    records: Sequence[Record]
    contents: dict[str, bytes]
    result: Any = None

    def all(self, kind: type[R]) -> list[R]:
        """Its records of a kind."""
        return [record for record in self.records if isinstance(record, kind)]

    def one(self, kind: type[R]) -> R:
        """The first of them."""
        return self.all(kind)[0]

    def plain(self, ref: str | None) -> Any:
        """A content as people see it."""
        assert ref is not None
        return plain(ref, self.contents)

    def value(self, ref: str | None) -> Any:
        """A content as it was."""
        assert ref is not None
        return restore(ref, self.contents, SERDE)

    @property
    def text(self) -> str:
        """All bytes that would be written."""
        return b"\n".join(self.contents.values()).decode()


def taken(recorder: Recorder, result: Any = None) -> Recorded:
    """What it recorded until now."""
    batch = recorder.take()
    return Recorded([decode(data) for data in batch.records], dict(batch.contents), result)


async def recorded(
    graph: Any,
    given: Any,
    *,
    recorder: Recorder | None = None,
    saver: InMemorySaver | None = None,
    sink: TrajectorySink | None = None,
    stream_mode: Any = "values",
) -> Recorded:
    """One run of `graph`, on the checkpoints of `saver`."""
    recorder = recorder or a_recorder()
    inner = saver or InMemorySaver(serde=SERDE)
    served = graph.copy(update={"checkpointer": RecordingSaver(inner, recorder, sink)})
    config: RunnableConfig = {
        "callbacks": [pieces_for(recorder)],
        "configurable": {"thread_id": "t1"},
    }
    recorder.run_started(graph_id="travel", input=given)
    with intercepted([recorder]):
        parts = served.astream(given, config, stream_mode=stream_mode, durability="sync")
        result = [part async for part in parts][-1]
    waiting = result.get("__interrupt__", []) if isinstance(result, dict) else []
    if waiting:
        recorder.interrupted((one.id, one.value) for one in waiting)
    recorder.run_finished("interrupted" if waiting else "ok")
    return taken(recorder, result)


class Kept:
    """A sink in memory, which may be away or full."""

    def __init__(self) -> None:
        self.failure: Exception | None = None
        self.full = False
        self.batches: list[Batch] = []

    async def append(self, thread_id: str, run_id: str, batch: Batch) -> bool:
        """Keep it."""
        assert (thread_id, run_id) == ("t1", "r1")
        if self.failure is not None:
            raise self.failure
        self.batches.append(batch)
        return not self.full

    @property
    def records(self) -> list[Record]:
        """All that came."""
        return [decode(data) for batch in self.batches for data in batch.records]
