"""Graphs that kill, starve or block whoever runs them."""

from __future__ import annotations

import asyncio
import operator
import os
import time
from typing import Annotated, Any, TypedDict

from langgraph.graph import END, START, StateGraph


class State(TypedDict):
    """What to do, and a little patience before it."""

    how: str
    """exit, memory, recursion, state or large."""
    seconds: float
    log: Annotated[list[str], operator.add]
    rubbish: Any


def _deeper(n: int) -> int:
    return _deeper(n + 1) + 1


async def _poison(state: State) -> dict[str, Any]:
    await asyncio.sleep(state.get("seconds", 0.0))
    match state["how"]:
        case "exit":
            os._exit(17)
        case "memory":
            raise MemoryError
        case "recursion":
            return {"log": [str(_deeper(0))]}
        case "state":
            return {"rubbish": (one for one in "abc")}
        case _:
            return {"rubbish": "x" * 100_000_000}


async def _block(state: State) -> dict[str, Any]:
    time.sleep(state["seconds"])  # noqa: ASYNC251 - what this graph is for
    return {"log": ["woke up"]}


def _single(name: str, node: Any) -> Any:
    graph = StateGraph[State, Any, State, State](State)
    graph.add_node(name, node)
    graph.add_edge(START, name)
    graph.add_edge(name, END)
    return graph.compile()


poison = _single("poison", _poison)
blocked = _single("block", _block)
