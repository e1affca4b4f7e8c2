"""Graphs that take their time, each in one way."""

from __future__ import annotations

import asyncio
import operator
import time
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, TypedDict

from langgraph.graph import END, START, StateGraph

STEPS = 6


class State(TypedDict):
    """What all graphs here keep."""

    n: int
    log: Annotated[list[str], operator.add]
    seconds: float
    file: str


def _of(*nodes: Any) -> Any:
    graph = StateGraph(State)
    graph.add_sequence([(f"node {number}", node) for number, node in enumerate(nodes)])
    graph.add_edge(START, "node 0")
    return graph


async def _count(state: State) -> dict[str, Any]:
    return {"n": state.get("n", 0) + 1}


async def _step(state: State) -> dict[str, Any]:
    await asyncio.sleep(0.05)
    n = state.get("n", 0) + 1
    return {"n": n, "log": [f"step {n}"]}


def _blocks(state: State) -> dict[str, Any]:
    """In a thread of its own; `_blocking` is what hurts."""
    return {"log": ["in a thread"], "seconds": state["seconds"]}


async def _blocking(state: State) -> dict[str, Any]:
    time.sleep(state["seconds"])  # noqa: ASYNC251 - what the test is about
    return {"log": ["blocked"]}


async def _stubborn(state: State) -> dict[str, Any]:
    """Go on until a file says that it's enough, whoever cancels it."""
    file = state["file"]
    Path(f"{file}.begun").touch()  # noqa: ASYNC240 - takes no time
    until = time.monotonic() + 20
    while time.monotonic() < until and not Path(f"{file}.enough").exists():  # noqa: ASYNC240 - as above
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(0.05)
    Path(file).touch()  # noqa: ASYNC240 - as above
    return {"log": ["did not listen"]}


async def _endless(_: State) -> dict[str, Any]:
    await asyncio.Event().wait()
    return {}


async def _fails_once(state: State) -> dict[str, Any]:
    if not Path(state["file"]).exists():  # noqa: ASYNC240 - takes no time
        Path(state["file"]).touch()  # noqa: ASYNC240 - takes no time
        raise ValueError("not yet")
    return {"log": ["second time"]}


def _slow() -> Any:
    graph = StateGraph(State)
    graph.add_node("step", _step)
    graph.add_edge(START, "step")
    graph.add_conditional_edges("step", lambda state: "step" if state["n"] < STEPS else END)
    return graph.compile()


one = _of(_count).compile()
slow = _slow()
blocks = _of(_blocks, _blocking).compile()
stubborn = _of(_stubborn).compile()
endless = _of(_endless).compile()
fails_once = _of(_step, _fails_once).compile()
stops = _of(_step, _step).compile()
