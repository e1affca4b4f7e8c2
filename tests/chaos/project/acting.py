"""Graphs that count, stream and ask, and leave a trace of each step: in the state, in the stream and outside."""

from __future__ import annotations

import asyncio
import operator
import os
from typing import Annotated, Any, NotRequired, TypedDict

from effects import act
from langgraph.config import get_stream_writer
from langgraph.graph import END, START, StateGraph
from langgraph.types import interrupt


class State(TypedDict):
    """What all graphs here keep; a run gives what it needs of it."""

    tag: str
    """Names the run in its effects and its log."""
    until: int
    pause: NotRequired[float]
    """Seconds a step takes."""
    n: int
    """Steps done by the run."""
    log: Annotated[list[str], operator.add]
    """`tag:n` of each step of the thread."""


async def _begin(state: State) -> dict[str, Any]:
    """A thread's next run counts from 1 again."""
    return {"n": 0, "log": [f"{state['tag']}:0"]}


async def _step(state: State) -> dict[str, Any]:
    n = state["n"] + 1
    get_stream_writer()({"tag": state["tag"], "n": n, "pid": os.getpid()})
    await asyncio.sleep(state.get("pause", 0.0))
    act(f"{state['tag']}:{n}", "none")
    return {"n": n, "log": [f"{state['tag']}:{n}"]}


def _counter() -> Any:
    graph = StateGraph[State, Any, State, State](State)
    graph.add_node("begin", _begin)
    graph.add_node("step", _step)
    graph.add_edge(START, "begin")
    graph.add_edge("begin", "step")
    graph.add_conditional_edges("step", lambda state: "step" if state["n"] < state["until"] else END)
    return graph.compile()


async def _burst(state: State) -> dict[str, Any]:
    """All events from one step, as fast as a graph can."""
    writer = get_stream_writer()
    for n in range(1, state["until"] + 1):
        writer({"tag": state["tag"], "n": n, "pid": os.getpid()})
        await asyncio.sleep(state.get("pause", 0.0))
    return {"n": state["until"], "log": [f"{state['tag']}:{n}" for n in range(state["until"] + 1)]}


async def _ask(state: State) -> dict[str, Any]:
    answer = interrupt({"question": state["tag"]})
    act(f"{state['tag']}:answer", "none")
    return {"log": [f"{state['tag']}={answer}"]}


def _single(name: str, node: Any) -> Any:
    graph = StateGraph[State, Any, State, State](State)
    graph.add_node(name, node)
    graph.add_edge(START, name)
    graph.add_edge(name, END)
    return graph.compile()


counter = _counter()
burst = _single("burst", _burst)
asking = _single("ask", _ask)
