"""A recorded run is replayed: the same graph does the same, and nothing is asked, done or fetched."""

from __future__ import annotations

import asyncio
import sys
import threading
from dataclasses import replace
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.tools import tool
from langgraph.config import get_stream_writer
from langgraph.graph import START, StateGraph
from langgraph.store.memory import InMemoryStore
from langgraph.types import Command, interrupt
from tests.observability import patterns
from tests.observability.recording import Recording, replayed

from motet.errors import InvalidInput
from motet.observability.trajectory import restoring
from motet.observability.trajectory.replay import gate
from motet.observability.trajectory.replay.sameness import Sameness

HELLO = {"messages": [("human", "hello")]}
PATTERNS: dict[str, Any] = {
    "agent with tools": (patterns.agent_with_tools, HELLO),
    "supervisor": (patterns.supervisor, HELLO),
    "handing over": (patterns.handing_over, HELLO),
    "map-reduce": (patterns.map_reduce, HELLO),
    "sub-graph that asks": (patterns.asking, HELLO),
    "functional API": (patterns.functional, ["oak", "elm"]),
    "errors and retries": (patterns.failing, HELLO),
    "long-term memory": (patterns.remembering, HELLO),
    "synchronous nodes": (patterns.synchronous, HELLO),
}


@pytest.mark.parametrize("name", PATTERNS)
async def test_a_replay_is_the_same_and_does_nothing(name: str) -> None:
    """State, checkpoints, events and end are those of the record; no model is asked, no tool runs."""
    made, given = PATTERNS[name]
    graph = made()
    recording = Recording(graph, store=InMemoryStore())
    trajectory = await recording.run(given, lambda _: "yes")
    before = list(patterns.done)

    verdict = await replayed(trajectory, graph)

    assert verdict.divergence is None
    assert [one for one in patterns.done[len(before) :] if not one.startswith("ask")] == []
    assert verdict.counts.checkpoints == len([one for one in trajectory.records if one.type == "state_saved"])
    assert verdict.counts.events


async def test_a_replay_from_a_checkpoint_does_only_what_came_after_it() -> None:
    """Before the checkpoint nothing runs; from there on all is compared, and it ends the same."""
    graph = patterns.agent_with_tools()
    trajectory = await Recording(graph).run(HELLO)
    checkpoints = [one for one in trajectory.segments()[0].saved if one.namespace == ""]

    from_id = await replayed(trajectory, graph, at=checkpoints[3].checkpoint_id)
    from_step = await replayed(trajectory, graph, at=str(checkpoints[3].step))

    assert from_id.divergence is None
    assert from_id.counts.model_calls == 2
    assert from_step.counts == from_id.counts
    with pytest.raises(InvalidInput, match="at"):
        await replayed(trajectory, graph, at="no checkpoint")


async def test_a_thread_with_a_past_is_replayed_from_what_the_run_found() -> None:
    """Only the second turn of a conversation was recorded: the replay begins with the state that it began with."""
    graph = patterns.agent_with_tools()
    recording = Recording(graph)
    await recording.run(HELLO)
    recording.forget()
    trajectory = await recording.run({"messages": [("human", "and now?")]})

    verdict = await replayed(trajectory, graph)

    assert verdict.divergence is None
    assert verdict.counts.model_calls == 1


async def test_an_answer_alone_is_replayed_from_where_the_question_stood() -> None:
    """The run that asked isn't kept any more: the one that answered is replayed, sub-graphs and all."""
    graph = patterns.asking()
    recording = Recording(graph)
    await recording.run(HELLO)
    recording.forget()
    waiting = await recording.waiting()
    trajectory = await recording.run(Command(resume={waiting[0][0]: "yes"}), lambda _: "yes")

    verdict = await replayed(trajectory, graph)

    assert verdict.divergence is None
    assert len(verdict.run_ids) == 3


async def test_a_run_that_changed_hands_is_replayed_as_one() -> None:
    """A worker is killed while a model answers, another finishes, a person answers: what counts of all is replayed."""
    begun = asyncio.Event()
    slow = [True]

    async def slowly(*_: Any) -> str:
        begun.set()
        if slow[0]:
            await asyncio.Event().wait()
        return "second"

    first, second = patterns.saying(lambda *_: "first"), patterns.saying(slowly)

    async def one(state: Any) -> Any:
        return {"messages": [await first.ainvoke(state["messages"])]}

    async def two(state: Any) -> Any:
        said = await second.ainvoke(state["messages"])
        return {"messages": [said], "log": [interrupt({"good": said.text})]}

    builder: Any = StateGraph(patterns.State)
    builder.add_sequence([("one", one), ("two", two)])
    builder.add_edge(START, "one")
    graph = builder.compile()
    recording = Recording(graph)
    await recording.killed(HELLO, begun)
    slow[0] = False
    trajectory = await recording.taken_over(lambda _: "yes")
    before = list(patterns.done)

    verdict = await replayed(trajectory, graph)

    assert [segment.attempts for segment in trajectory.segments()] == [2, 1]
    assert verdict.divergence is None
    assert verdict.counts.model_calls == 3
    assert patterns.done == before


async def test_each_content_is_restored_and_compared_once() -> None:
    """A conversation that grows costs what it grows by: no message is looked at again with each superstep."""
    short, long = [await _work(patterns.one_of_each(*["weigh"] * turns)) for turns in (4, 16)]

    assert long < 5 * short


async def _work(model: Any) -> int:
    """How often a replay restored a content, or compared two values."""
    graph = create_agent(model, [patterns.weigh], name="weigher")
    trajectory = replace(await Recording(graph).run(HELLO), events=())
    counted = [0]

    def count(frame: Any, event: str, _: Any) -> None:
        if event == "call" and frame.f_code in {restoring.restore.__code__, Sameness.values.__code__}:
            counted[0] += 1

    sys.setprofile(count)
    try:
        assert (await replayed(trajectory, graph)).equal
    finally:
        sys.setprofile(None)
    return counted[0]


async def test_what_a_tool_told_by_itself_is_counted_and_not_missed() -> None:
    """A node's own events come again; those of a tool's code can't, because it doesn't run, and the verdict says so."""

    @tool
    def tell(word: str) -> str:
        """Tell."""
        get_stream_writer()({"tool": word})
        return word

    async def node(_: Any) -> Any:
        get_stream_writer()({"node": 1})
        await tell.ainvoke({"word": "oak"})
        get_stream_writer()({"node": 2})
        return {"log": ["told"]}

    builder: Any = StateGraph(patterns.State)
    builder.add_node("node", node)
    builder.add_edge(START, "node")
    graph = builder.compile()
    trajectory = await Recording(graph, modes=("custom",)).run(HELLO)
    told = [one.data for one in trajectory.events if one.name == "custom"]

    verdict = await replayed(trajectory, graph)

    assert told == [{"node": 1}, {"tool": "oak"}, {"node": 2}]
    assert verdict.divergence is None
    assert (verdict.counts.events, verdict.counts.untold) == (2, 1)


async def test_parallel_branches_end_as_they_did() -> None:
    """The slower branch began first and failed last: what it was told then, it is told now, whichever is quicker."""
    other_ends = asyncio.Event()

    async def slow(messages: Any, _: Any) -> str:
        if messages[-1].text == "left":
            await other_ends.wait()
        return f"from {messages[-1].text}"

    model = patterns.saying(slow)

    def branch(name: str) -> Any:
        async def node(_: Any) -> Any:
            said = await model.ainvoke(name)
            if name == "right":
                other_ends.set()
            return {"log": [said.text]}

        return node

    builder: Any = StateGraph(patterns.State)
    for name in ("left", "right"):
        builder.add_node(name, branch(name))
        builder.add_edge(START, name)
    graph = builder.compile()
    trajectory = await Recording(graph).run(HELLO)
    ended = [next(iter(one.data)) for one in trajectory.events if one.name == "updates"]

    verdict = await replayed(trajectory, graph)

    assert ended == ["right", "left"]
    assert verdict.divergence is None


@pytest.mark.parametrize("asks_twice", [False, True])
async def test_one_answer_of_several_questions_is_replayed(asks_twice: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """Two branches ask at once; each question's answer reaches the same question again."""

    def ask(name: str) -> Any:
        def node(_: Any) -> Any:
            more = [interrupt({"more": name})] if asks_twice else []
            return {"log": [name, interrupt({"ask": name}), *more]}

        return node

    builder: Any = StateGraph(patterns.State)
    for name in ("left", "right"):
        builder.add_node(name, ask(name))
        builder.add_edge(START, name)
    graph = builder.compile()
    trajectory = await Recording(graph).run(HELLO, lambda value: f"yes to {value}")

    verdict = await replayed(trajectory, graph)

    assert verdict.divergence is None
    assert len(verdict.run_ids) == (3 if asks_twice else 2)


async def test_more_tools_at_once_than_threads_end_as_they_did(monkeypatch: pytest.MonkeyPatch) -> None:
    """Twenty synchronous tools wait for their turn: each has a thread to wait in, whatever the machine has."""
    monkeypatch.setattr(gate, "IDLE_S", 3_600)  # who waits in vain is let through after that

    @tool
    def slow(word: str) -> str:
        """Take its time."""
        threading.Event().wait(0.002 * (len(word) % 3))
        return word

    graph = create_agent(patterns.one_of_each("+".join(["slow"] * 20)), [slow], name="many")
    trajectory = await Recording(graph).run(HELLO)

    async with asyncio.timeout(30):
        verdict = await replayed(trajectory, graph)

    assert verdict.divergence is None
