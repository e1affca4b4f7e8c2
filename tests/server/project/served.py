"""Graphs without a model, for tests of the server: each shows one thing a graph can do."""

from __future__ import annotations

import asyncio
import operator
import os
from typing import Annotated, Any, TypedDict

from langchain_core.messages import AIMessage, AnyMessage
from langchain_core.runnables import RunnableConfig
from langgraph.config import get_stream_writer
from langgraph.graph import END, START, StateGraph
from langgraph.graph.message import add_messages
from langgraph.types import interrupt

from motet.graphs import approval


class State(TypedDict, total=False):
    """What all graphs here keep."""

    messages: Annotated[list[AnyMessage], add_messages]
    log: Annotated[list[str], operator.add]
    n: int


Builder = StateGraph[State, Any, State, State]


def _single(name: str, node: Any) -> Builder:
    graph = Builder(State)
    graph.add_node(name, node)
    graph.add_edge(START, name)
    graph.add_edge(name, END)
    return graph


async def _echo(state: State) -> State:
    get_stream_writer()({"progress": 1})
    said = state.get("messages", [])
    text = said[-1].text if said else ""
    return {"messages": [AIMessage(content=f"echo: {text}")], "log": [f"turn {len(said)}"]}


async def _environment(_: State) -> State:
    return {"log": [os.environ.get("MOTET_TEST_PROJECT", "missing")]}


async def _ask(_: State) -> State:
    mail = {"to": "ada@example.org", "text": "hello"}
    decision = approval.ask(
        "send_mail",
        mail,
        description="Send a mail.",
        arguments_schema={"type": "object", "properties": {"to": {"type": "string"}, "text": {"type": "string"}}},
    )
    return {"log": [f"{decision.type}:{(decision.arguments or mail)['to']}:{decision.message}"]}


def _question(name: str) -> Any:
    async def ask(_: State) -> State:
        return {"log": [f"{name}={interrupt({'question': name})}"]}

    return ask


async def _boom(_: State) -> State:
    raise ValueError("boom happened")


async def _count(state: State) -> State:
    return {"n": state.get("n", 0) + 1, "log": [f"n={state.get('n', 0) + 1}"]}


def make(config: RunnableConfig) -> Builder:
    """A factory that sees the run's config."""
    suffix = (config.get("configurable") or {}).get("suffix", "none")

    async def say(_: State) -> State:
        return {"log": [f"suffix={suffix}"]}

    return _single("say", say)


def _two_questions() -> Builder:
    graph = Builder(State)
    for name in ("first", "second"):
        graph.add_node(name, _question(name))
        graph.add_edge(START, name)
        graph.add_edge(name, END)
    return graph


def _slow_steps() -> Builder:
    """Counts in supersteps of its own, so that a lost worker's successor goes on in the middle."""
    graph = Builder(State)
    graph.add_node("step", _step)
    graph.add_edge(START, "step")
    graph.add_conditional_edges("step", lambda state: "step" if state["n"] < 20 else END)
    return graph


def _three_steps() -> Builder:
    """One node after the other, each with a checkpoint of its own."""
    graph = Builder(State)
    for name in ("a", "b", "c"):
        graph.add_node(name, _said(name))
    graph.add_edge(START, "a")
    graph.add_edge("a", "b")
    graph.add_edge("b", "c")
    graph.add_edge("c", END)
    return graph


def _said(name: str) -> Any:
    async def say(_: State) -> State:
        return {"log": [name]}

    return say


async def _step(state: State) -> State:
    await asyncio.sleep(0.1)
    n = state.get("n", 0) + 1
    return {"n": n, "log": [f"step {n}"]}


echo = _single("echo", _echo).compile()
builder = _single("count", _count)
nested = _single("child", _single("inner", _environment).compile()).compile()
ask = _single("ask", _ask).compile()
two_questions = _two_questions().compile()
boom = _single("boom", _boom).compile()
slow = _slow_steps().compile()
steps = _three_steps().compile()
outer_ask = _single("inner", _single("ask", _ask).compile()).compile()
