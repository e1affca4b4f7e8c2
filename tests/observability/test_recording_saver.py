"""Checkpoints as a recorder sees them, and the record before the commit."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from langchain_core.messages import AIMessage
from langgraph.checkpoint.base import empty_checkpoint
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState
from langgraph.types import Command
from pydantic import BaseModel
from tests.models import asked, says
from tests.observability.recorded import SERDE, Kept, a_recorder, builder, recorded, taken
from tests.observability.weather import travel

from motet.calls import install, intercepted
from motet.errors import StoreUnavailable, UnstorableValue
from motet.observability.trajectory.recording_saver import RecordingSaver
from motet.observability.trajectory.records import (
    ModelCalled,
    NodeFinished,
    RunFinished,
    RunStarted,
    StateRead,
    StateSaved,
    ToolCalled,
)
from motet.testing import ScriptedModel


@pytest.fixture(autouse=True)
def _installed() -> None:
    install()


class Note(BaseModel):
    """A class that only a graph's own state names."""

    text: str


class Noted(MessagesState):
    """Such a state."""

    note: Note


class Watched(InMemorySaver):
    """Notes what had been written by the time of each commit."""

    def __init__(self, sink: Kept) -> None:
        super().__init__(serde=SERDE)
        self.sink = sink
        self.committed: list[tuple[str, set[type]]] = []

    async def aput(self, *args: Any, **kwargs: Any) -> Any:
        self.committed.append(("checkpoint", {type(one) for one in self.sink.records}))
        return await super().aput(*args, **kwargs)

    async def aput_writes(self, *args: Any, **kwargs: Any) -> None:
        self.committed.append(("writes", {type(one) for one in self.sink.records}))
        await super().aput_writes(*args, **kwargs)


def plain_graph() -> Any:
    """Nodes that make no calls."""
    graph = builder(MessagesState).add_node("a", lambda _: {}).add_node("b", lambda _: {})
    return graph.add_edge(START, "a").add_edge("a", "b").compile()


async def test_what_a_superstep_changed_is_kept() -> None:
    """Each checkpoint with its parent, step and source, and of its values those that are new."""
    found = await recorded(travel(), asked("hello"))

    saved = [one for one in found.all(StateSaved) if not one.namespace]
    assert [(one.step, one.source) for one in saved] == [(-1, "input"), (0, "loop"), (1, "loop"), (2, "loop")]
    assert [one.parent_id for one in saved[1:]] == [one.checkpoint_id for one in saved[:-1]]
    assert [len(found.value(one.values["messages"])) for one in saved[1:]] == [1, 2, 5]
    assert "messages" not in saved[0].values
    assert {one.namespace for one in found.all(StateSaved)} == {"", "weather@2"}


async def test_what_a_graph_finds_is_kept_once() -> None:
    """A thread that had a past: the checkpoint, its values and what waits in it; a new thread has none."""
    saver, graph = InMemorySaver(serde=SERDE), travel("approve")

    first = await recorded(graph, asked("hello"), saver=saver)
    second = await recorded(graph, Command(resume="yes"), saver=saver)

    assert first.all(StateRead) == []
    assert [one.namespace for one in second.all(StateRead)] == ["", "weather@2"]
    read = second.one(StateRead)
    assert read.checkpoint_id == [one for one in first.all(StateSaved) if not one.namespace][-1].checkpoint_id
    assert [one.content for one in second.value(read.values["messages"])] == ["hello", "planned after 1"]
    assert {channel for _, channel, _ in read.writes} == {"__interrupt__"}
    assert "channel_values" not in second.plain(read.checkpoint)
    assert second.value(read.checkpoint)["id"] == read.checkpoint_id
    assert read.metadata["step"] == 1


async def test_who_looks_at_the_state_besides_is_not_the_graph() -> None:
    """Before and after a run its worker reads the same checkpoints."""
    saver, recorder = InMemorySaver(serde=SERDE), a_recorder()
    await recorded(travel(), asked("hello"), saver=saver)
    graph = travel().copy(update={"checkpointer": RecordingSaver(saver, recorder)})

    await graph.aget_state({"configurable": {"thread_id": "t1"}}, subgraphs=True)

    assert taken(recorder).records == []


async def test_the_record_of_a_call_is_written_before_what_came_of_it_is_committed() -> None:
    """A worker that dies after a commit leaves the calls behind it; one that dies before leaves them, too."""
    sink = Kept()
    saver = Watched(sink)

    await recorded(travel(), asked("hello"), saver=saver, sink=sink)

    after_model = next(at for at, (_, kinds) in enumerate(saver.committed) if ModelCalled in kinds)
    assert saver.committed[after_model][0] == "writes"
    assert any(kind == "writes" and ToolCalled in kinds for kind, kinds in saver.committed)
    assert len(sink.batches) == 3


async def test_a_node_without_calls_costs_no_round_trip() -> None:
    """Its records wait for the next flush."""
    sink = Kept()

    found = await recorded(plain_graph(), asked("hello"), sink=sink)

    assert sink.batches == []
    assert len(found.all(NodeFinished)) == 3


async def test_records_wait_for_a_sink_that_is_away() -> None:
    """A flush that fails loses nothing and fails nobody; the next one writes all in order, contents too."""
    recorder, sink = a_recorder(), Kept()
    recorder.run_started(graph_id="g", input=asked("x"))
    sink.failure = StoreUnavailable("redis://x", "away")
    await recorder.flush(sink)
    recorder.run_finished("ok")

    sink.failure = None
    await recorder.flush(sink)
    await recorder.flush(sink)

    assert [type(one) for one in sink.records] == [RunStarted, RunFinished]
    assert len(sink.batches) == 1
    assert len(sink.batches[0].contents) == 1
    assert recorder.lost == 0


async def test_what_a_sink_refuses_is_lost_and_counted() -> None:
    """A sink of somebody's own may raise anything; the run goes on, and its last record says what is missing."""
    recorder, sink = a_recorder(), Kept()
    recorder.run_started(graph_id="g")
    sink.failure = ZeroDivisionError()
    await recorder.flush(sink)
    sink.failure = None

    recorder.run_finished("ok")
    await recorder.flush(sink)

    (end,) = sink.records
    assert isinstance(end, RunFinished)
    assert end.lost == 1


async def test_nothing_is_recorded_for_a_sink_that_is_full() -> None:
    """It says so once; from then on a run costs nothing more."""
    recorder, sink = a_recorder(), Kept()
    sink.full = True
    recorder.run_started(graph_id="g")
    await recorder.flush(sink)

    await recorded(travel(), asked("hello"), recorder=recorder, sink=sink)

    assert len(sink.batches) == 1
    assert recorder.take().records == []
    assert recorder.contents.serialised == 0


async def test_classes_of_the_state_are_known_to_the_record() -> None:
    """LangGraph tells a saver which classes a graph's state names; a record writes those as checkpoints do."""

    def note(_: Noted) -> Any:
        return {"note": Note(text="kept")}

    recorder = a_recorder()
    saver = RecordingSaver(InMemorySaver(serde=SERDE), recorder)
    graph = builder(Noted).add_node("note", note).add_edge(START, "note").compile(checkpointer=saver)
    with intercepted([recorder]):
        await graph.ainvoke(asked("hello"), {"configurable": {"thread_id": "t1"}})

    found = taken(recorder)
    last = found.all(StateSaved)[-1]
    assert found.plain(last.values["note"]) == {
        "class": "tests.observability.test_recording_saver:Note",
        "text": "kept",
    }


async def test_the_saver_is_the_one_within() -> None:
    """Whatever else is asked of it goes through: lists, history, deletion, versions; and in a synchronous graph."""
    inner, recorder = InMemorySaver(serde=SERDE), a_recorder()
    saver = RecordingSaver(inner, recorder)
    model = ScriptedModel([says("hi")])

    def talk(state: MessagesState) -> Any:
        return {"messages": [model.invoke(state["messages"])]}

    graph = builder(MessagesState).add_node("talk", talk).add_edge(START, "talk").compile(checkpointer=saver)
    config: Any = {"configurable": {"thread_id": "t1"}}
    with intercepted([recorder]):
        state = graph.invoke(asked("hello"), config)

    assert isinstance(state["messages"][-1], AIMessage)
    assert len(list(saver.list(config))) == len(list(inner.list(config))) == 3
    newest = inner.get_tuple(config)
    assert newest is not None
    assert [one.config async for one in saver.alist(config, limit=1)] == [newest.config]
    assert saver.get_next_version("00000000000000000000000000000004.1", None).startswith(
        "00000000000000000000000000000005."
    )
    found = taken(recorder)
    assert len(found.all(StateSaved)) == 3
    assert len(found.all(ModelCalled)) == 1
    await saver.adelete_thread("t1")
    assert inner.get_tuple(config) is None


class Slow(InMemorySaver):
    """Saves in several steps, the last of which may fail."""

    failure: Exception | None = None
    stopped = False

    async def aput(self, *args: Any, **kwargs: Any) -> Any:
        try:
            for _ in range(3):
                await asyncio.sleep(0)
        except asyncio.CancelledError:
            self.stopped = True
            raise
        if self.failure is not None:
            raise self.failure
        return await super().aput(*args, **kwargs)


async def test_a_saver_that_takes_its_time_is_waited_for() -> None:
    """However many steps it takes: what it returns, raises or is stopped by is what it would be without a recorder."""
    slow, recorder = Slow(serde=SERDE), a_recorder()
    saver = RecordingSaver(slow, recorder)
    checkpoint: Any = {**empty_checkpoint(), "channel_values": {"messages": [AIMessage("x")]}}
    config: Any = {"configurable": {"thread_id": "t1", "checkpoint_ns": ""}}

    def save() -> asyncio.Task[Any]:
        return asyncio.create_task(saver.aput(config, checkpoint, {"step": 1}, {"messages": "1"}))

    assert (await save())["configurable"]["checkpoint_id"] == checkpoint["id"]
    slow.failure = StoreUnavailable("redis", "gone")
    with pytest.raises(StoreUnavailable, match="gone"):
        await save()
    stopped = save()
    await asyncio.sleep(0)
    stopped.cancel()
    with pytest.raises(asyncio.CancelledError):
        await stopped
    assert slow.stopped
    assert len(taken(recorder).all(StateSaved)) == 3


async def test_what_a_saver_refuses_at_once_was_recorded() -> None:
    """A state that can't be stored is in the record all the same: it is what the run came to."""

    class Refuses(InMemorySaver):
        async def aput(self, *_: Any, **__: Any) -> Any:
            raise UnstorableValue("messages", "no")

    recorder = a_recorder()
    saver = RecordingSaver(Refuses(serde=SERDE), recorder)
    checkpoint: Any = {**empty_checkpoint(), "channel_values": {"messages": [AIMessage("x")]}}
    with pytest.raises(UnstorableValue):
        await saver.aput({"configurable": {"thread_id": "t1"}}, checkpoint, {"step": 1}, {"messages": "1"})
    assert len(taken(recorder).all(StateSaved)) == 1
