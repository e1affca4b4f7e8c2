"""Graphs that misbehave towards whoever works them, each in one way."""

from __future__ import annotations

import asyncio
import operator
import time
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, TypedDict

from langchain_core.runnables import RunnableConfig
from langgraph.config import get_stream_writer
from langgraph.graph import START, StateGraph
from langgraph.types import interrupt


class State(TypedDict, total=False):
    """What all graphs here keep."""

    log: Annotated[list[str], operator.add]
    file: str


def _of(*nodes: Any) -> Any:
    graph = StateGraph(State)
    graph.add_sequence([(f"node {number}", node) for number, node in enumerate(nodes)])
    graph.add_edge(START, "node 0")
    return graph.compile()


async def _step(_: State) -> State:
    return {"log": ["step"]}


async def _talks(_: State) -> State:
    say = get_stream_writer()
    while True:
        for _number in range(100):
            say("x" * 20_000)
        await asyncio.sleep(0)


def _is_enough(state: State, until: float) -> bool:
    """Whether the test has said so, or is gone."""
    return Path(f"{state.get('file')}.enough").exists() or time.monotonic() > until


async def _deaf(state: State) -> State:
    until = time.monotonic() + 30
    while not _is_enough(state, until):
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(0.05)
    Path(state.get("file", "")).touch()  # noqa: ASYNC240 - takes no time
    return {"log": ["did not listen"]}


def _sleeps(state: State) -> State:
    until = time.monotonic() + 30
    while not _is_enough(state, until):
        time.sleep(0.05)
    Path(state.get("file", "")).touch()
    return {"log": ["slept"]}


async def _asks(_: State) -> State:
    return {"log": [interrupt("first?")]}


async def _endless(_: State) -> State:
    await asyncio.Event().wait()
    return {}


async def quits(_: RunnableConfig) -> Any:
    """A graph that is gone before it is made."""
    raise asyncio.CancelledError


steps = _of(_step, _step, _step)
talks = _of(_talks)
deaf = _of(_deaf)
sleeps = _of(_sleeps)
asks = _of(_step, _asks)
endless = _of(_endless)
