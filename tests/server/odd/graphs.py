"""Graphs as strangers write them: values that no JSON holds, agents with middleware, functions, errors of any kind."""

from __future__ import annotations

import asyncio
import operator
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypedDict

from langchain.agents import create_agent
from langchain.agents.middleware import HumanInTheLoopMiddleware
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import BaseTool, tool
from langgraph.config import get_stream_writer
from langgraph.func import entrypoint
from langgraph.graph import END, START, StateGraph
from langgraph.types import interrupt

from motet.testing import FunctionModel


@dataclass
class Point:
    """A class of the project's own."""

    x: int


class State(TypedDict, total=False):
    """What all graphs here keep."""

    kind: str
    held: Any
    point: Point
    log: Annotated[list[str], operator.add]


class Nameless:
    """A value that can't even be shown."""

    def __repr__(self) -> str:
        """Fail, as such methods of half-built objects do."""
        raise RuntimeError


def _ring() -> list[Any]:
    ring: list[Any] = [1]
    ring.append(ring)
    return ring


_VALUES: dict[str, Callable[[], Any]] = {
    "huge": lambda: [10**30, True],
    "half a pair": lambda: {"a\ud83d": "b\ud83d"},
    "keys": lambda: {(1, 2): 3, b"k": Point(1)},
    "ring": _ring,
    "nameless": Nameless,
    "set": lambda: {"s": {1}, "t": (1, (2,))},
}

Builder = StateGraph[State, Any, State, State]


def _single(node: Any) -> Builder:
    graph = Builder(State)
    graph.add_node("node", node)
    graph.add_edge(START, "node")
    graph.add_edge("node", END)
    return graph


async def _say(state: State) -> State:
    get_stream_writer()(_VALUES[state.get("kind", "")]())
    return {"log": ["said"]}


async def _keep(_: State) -> State:
    return {"held": {(1, 2): 3}, "log": ["kept"]}


async def _ask(state: State) -> State:
    return {"log": [str(interrupt(_VALUES[state.get("kind", "")]()))]}


async def _half(_: State) -> State:
    raise ValueError("half a pair: \ud83d")


class Speechless(Exception):
    """An error that fails when it is asked what it is."""

    def __str__(self) -> str:
        """Fail."""
        raise RuntimeError


async def _speechless(_: State) -> State:
    raise Speechless


async def _gives_up(_: State) -> State:
    raise asyncio.CancelledError


async def _waits(_: State) -> State:
    await asyncio.sleep(60)
    return {"log": ["woken"]}


def _blocks(_: State) -> State:
    time.sleep(60)
    return {"log": ["awake"]}


async def _typed(state: State) -> State:
    return {"kind": type(state.get("point")).__name__, "point": Point(1)}


@entrypoint()
async def function(given: int) -> Any:
    """Seven is a question, all else is its own answer."""
    return interrupt("sure?") if given == 7 else given


def made_for(config: RunnableConfig) -> Builder:
    """A factory that can't do without its part of the config."""
    who = config.get("configurable", {})["who"]

    async def name(_: State) -> State:
        return {"log": [who]}

    return _single(name)


@tool
def send(to: str) -> str:
    """Send something."""
    return f"sent {to}"


@tool
def ask_person(question: str) -> str:
    """Ask a person."""
    return f"a person said {interrupt({'question': question})}"


def _agent(tools: Sequence[BaseTool], calls: Sequence[dict[str, Any]], *middleware: Any) -> Any:
    """Calls the tools once, then is done, whichever process it is in: what was said decides."""
    asked = AIMessage("", tool_calls=[{**one, "id": f"call_{n}", "type": "tool_call"} for n, one in enumerate(calls)])

    def answer(messages: list[BaseMessage], _: object) -> str | AIMessage:
        return "done" if any(one.type == "tool" for one in messages) else asked

    return create_agent(FunctionModel(answer), tools, middleware=list(middleware))


def _reviewed(mode: Literal["batched", "per_call"]) -> Any:
    calls = [{"name": "send", "args": {"to": to}} for to in ("ada", "bob")]
    return _agent([send], calls, HumanInTheLoopMiddleware({"send": True}, interrupt_mode=mode))


def reviewed() -> Any:
    """LangChain's middleware asks about both calls at once."""
    return _reviewed("batched")


def reviewed_per_call() -> Any:
    """LangChain's middleware asks about each call by itself."""
    return _reviewed("per_call")


def asking_tool() -> Any:
    """The question is asked in the middle of a tool."""
    return _agent([ask_person], [{"name": "ask_person", "args": {"question": "why?"}}])


say = _single(_say).compile()
keep = _single(_keep).compile()
ask = _single(_ask).compile()
half = _single(_half).compile()
speechless = _single(_speechless).compile()
gives_up = _single(_gives_up).compile()
waits = _single(_waits).compile()
blocks = _single(_blocks).compile()
typed = _single(_typed).compile()
inner_question = _single(_single(_ask).compile()).compile()
