"""A graph that is streamed with LangChain's events is led as any other: its end, its stops, its second attempt."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import Any, TypedDict
from uuid import uuid4

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.errors import GraphDrained
from langgraph.graph import END, START, StateGraph
from langgraph.runtime import RunControl
from langgraph.types import Command, interrupt

from motet.errors import BudgetExhausted
from motet.graphs.events import Part
from motet.graphs.inner_events import langgraph_modes
from motet.graphs.registry import Graph
from motet.graphs.runtime import RunPlan, snapshot_of, stream


class State(TypedDict, total=False):
    """What is counted."""

    n: int


def _counting(pause_s: float, most: int) -> tuple[Graph, list[int]]:
    """A graph that counts, a superstep each, and what it counted."""
    counted: list[int] = []

    async def step(state: State) -> State:
        await asyncio.sleep(pause_s)
        counted.append(state.get("n", 0))
        return {"n": counted[-1] + 1}

    graph: StateGraph[State, Any, State, State] = StateGraph(State)
    graph.add_node("step", step)
    graph.add_edge(START, "step")
    graph.add_conditional_edges("step", lambda state: "step" if state["n"] < most else END)
    return graph.compile(checkpointer=InMemorySaver()), counted


def _plan(**changes: Any) -> RunPlan:
    settings: dict[str, Any] = {
        "run_id": str(uuid4()), "thread_id": str(uuid4()), "attempt": 1, "input": {"n": 0}, "name": "counting",
        "modes": ["events"], "subgraphs": False, "seconds": 20,
    }  # fmt: skip
    return RunPlan(**{**settings, **changes})


async def _told(graph: Graph, plan: RunPlan) -> list[Part]:
    async with aclosing(stream(graph, plan)) as events:
        return [event async for event in events if isinstance(event, Part)]


def test_langgraph_is_asked_for_its_own_modes_once() -> None:
    """Events are none of them, and both kinds of messages are one."""
    assert langgraph_modes(["messages/partial", "events", "messages", "values"]) == ["messages", "values"]


async def test_a_deadline_ends_the_graph_with_its_stream() -> None:
    """Nothing goes on in the task that the graph runs in."""
    graph, _ = _counting(0.02, 1000)
    before = asyncio.all_tasks()
    with pytest.raises(BudgetExhausted):
        await _told(graph, _plan(seconds=0.2))

    assert asyncio.all_tasks() <= before


async def test_a_drained_graph_goes_on_where_it_was() -> None:
    """It stops at the end of a superstep; the next attempt counts on from there."""
    graph, counted = _counting(0.01, 20)
    control = RunControl()
    plan = _plan(control=control)
    asyncio.get_running_loop().call_later(0.06, control.request_drain)
    with pytest.raises(GraphDrained):
        await _told(graph, plan)
    assert 0 < len(counted) < 20
    await _told(graph, _plan(run_id=plan.run_id, thread_id=plan.thread_id, attempt=2))

    assert counted == list(range(20))


async def test_a_breakpoint_stops_it() -> None:
    """Before the node, with nothing counted."""
    graph, counted = _counting(0, 3)
    plan = _plan(interrupt_before=["step"])
    await _told(graph, plan)

    assert counted == []
    assert (await snapshot_of(graph, plan.thread_id)).next == ("step",)


async def test_a_jump_to_the_end_leaves_a_question_unanswered() -> None:
    """Nothing comes next and nothing is asked, which as a command LangGraph doesn't know."""

    async def ask(state: State) -> State:
        return {"n": state.get("n", 0) + interrupt("how many?")}

    builder: StateGraph[State, Any, State, State] = StateGraph(State)
    builder.add_node("ask", ask)
    builder.add_edge(START, "ask")
    graph = builder.compile(checkpointer=InMemorySaver())
    plan = _plan()
    await _told(graph, plan)
    jump = _plan(thread_id=plan.thread_id, input=Command(goto=END), modes=["values"])
    told = await _told(graph, jump)
    again = _plan(thread_id=plan.thread_id, run_id=jump.run_id, attempt=2, input=Command(goto=END))
    await _told(graph, again)

    assert [part.data for part in told] == [{"n": 0}]
    state = await snapshot_of(graph, plan.thread_id)
    assert (state.next, state.interrupts) == ((), ())
