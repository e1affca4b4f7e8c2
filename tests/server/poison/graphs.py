"""Graphs that hurt the process they run in, each in one way, and one that is hurt by its neighbours."""

from __future__ import annotations

import asyncio
import operator
import os
import resource
import signal
import socket
import sys
import threading
import time
from pathlib import Path
from typing import Annotated, Any, TypedDict

from langgraph.config import get_config
from langgraph.graph import END, START, StateGraph


class State(TypedDict, total=False):
    """What all graphs here keep."""

    n: int
    kind: str
    held: Any
    pids: Annotated[list[int], operator.add]


def _seen() -> None:
    """Leave this process's id, its parent's and the thread's where the test finds them."""
    thread_id = get_config().get("configurable", {})["thread_id"]
    with Path(os.environ["MOTET_TEST_PIDS"]).open("a", encoding="ascii") as file:
        file.write(f"{os.getpid()} {os.getppid()} {thread_id}\n")


def _together(_: State) -> State:
    """Wait until the test has all runs in their places."""
    _seen()
    while not Path(os.environ["MOTET_TEST_GO"]).exists():
        time.sleep(0.01)
    return {}


def _single(node: Any) -> Any:
    return _sequence(node)


def _poison(node: Any) -> Any:
    return _sequence(_together, node)


def _sequence(*nodes: Any) -> Any:
    graph = StateGraph(State)
    graph.add_sequence([(f"node {number}", node) for number, node in enumerate(nodes)])
    graph.add_edge(START, "node 0")
    graph.add_edge(f"node {len(nodes) - 1}", END)
    return graph.compile()


async def _step(state: State) -> State:
    _seen()
    await asyncio.sleep(0.1)
    return {"n": state.get("n", 0) + 1, "pids": [os.getpid()]}


def _counts() -> Any:
    graph = StateGraph(State)
    graph.add_node("step", _step)
    graph.add_edge(START, "step")
    graph.add_conditional_edges("step", lambda state: "step" if state["n"] < 20 else END)
    return graph.compile()


async def _exits(_: State) -> State:
    _seen()
    os._exit(3)


async def _killed(_: State) -> State:
    _seen()
    os.kill(os.getpid(), signal.SIGKILL)
    return {}


async def _hungry(_: State) -> State:
    """Without a limit the kernel would kill the process, with others; here it does so by itself."""
    _seen()
    if resource.getrlimit(resource.RLIMIT_DATA)[0] == resource.RLIM_INFINITY:
        os.kill(os.getpid(), signal.SIGKILL)
    return {"n": len(bytearray(2_000_000_000))}


def _deep(state: State) -> State:
    return _deep(state)


def _through_c(number: int) -> list[int]:
    return sorted([number], key=_through_c)


def _deeper(_: State) -> State:
    """Python's own limit is off, and each call takes from the thread's stack."""
    _seen()
    sys.setrecursionlimit(2**31 - 1)
    return {"n": len(_through_c(1))}


async def _leaves(_: State) -> State:
    sys.exit(3)


def _leaves_in_thread(_: State) -> State:
    sys.exit("enough")


async def _breaks(_: State) -> State:
    raise KeyboardInterrupt


_HELD = {
    "nothing": lambda: None,
    "lock": threading.Lock,
    "generator": lambda: (one for one in "abc"),
    "socket": socket.socket,
    "function": lambda: lambda: None,
    "large": lambda: "x" * 2_000_000,
}


async def _keeps(state: State) -> State:
    return {"held": _HELD[state.get("kind", "nothing")](), "n": 1}


counts = _counts()
exits = _poison(_exits)
killed = _poison(_killed)
hungry = _poison(_hungry)
deep = _single(_deep)
deeper = _poison(_deeper)
leaves = _single(_leaves)
leaves_in_thread = _single(_leaves_in_thread)
breaks = _single(_breaks)
keeps = _single(_keeps)
