"""Graphs that note each time a model is really asked and a tool really runs."""

from __future__ import annotations

import operator
import os
from pathlib import Path
from typing import Annotated, Any, TypedDict
from uuid import uuid4

from langchain.agents import create_agent
from langchain.agents.middleware import HumanInTheLoopMiddleware
from langchain_core.messages import BaseMessage, HumanMessage, SystemMessage
from langchain_core.tools import StructuredTool
from langgraph.channels import LastValue
from langgraph.graph import START, StateGraph
from langgraph.pregel import NodeBuilder, Pregel
from langgraph.runtime import Runtime
from langgraph.types import interrupt

from motet.testing import FunctionModel
from motet.testing.replies import tool_call


def note(line: str) -> None:
    """Write down what is done."""
    with Path(os.environ["FORKED_FILE"]).open("a", encoding="utf-8") as lines:
        lines.write(f"{line}\n")


def _answer(messages: list[BaseMessage], _: object) -> Any:
    """Looks up, guesses, sends, and then says what came of it; never the same twice."""
    system = "".join(one.text for one in messages if isinstance(one, SystemMessage))
    last = messages[-1]
    note(f"model {system}: {last.text}")
    match last.name:
        case None:
            return tool_call("look_up", name=last.text)
        case "look_up":
            return tool_call("guess", of=last.text)
        case "guess":
            return tool_call("send", words=f"{system} {last.text}")
        case _:
            return f"{last.text} ({uuid4().hex})"


async def _look_up(name: str) -> str:
    """Look a name up."""
    note(f"look_up {name}")
    return f"{name} of Kent"


async def _guess(of: str) -> str:
    """Guess."""
    note(f"guess {of}")
    return f"guessed {of}"


async def _send(words: str) -> str:
    """Send a letter."""
    note(f"send {words}")
    return f"sent {words} sk-{'x' * 40}"


def _tool(function: Any, metadata: dict[str, str] | None = None) -> StructuredTool:
    return StructuredTool.from_function(coroutine=function, name=function.__name__.strip("_"), metadata=metadata)


_tools = [_tool(_look_up, {"effect": "none"}), _tool(_guess), _tool(_send, {"effect": "once"})]
desk: Any = create_agent(FunctionModel(_answer), _tools, system_prompt="Be brief.", name="desk")
careful: Any = create_agent(
    FunctionModel(_answer),
    _tools,
    system_prompt="Be brief.",
    middleware=[HumanInTheLoopMiddleware(interrupt_on={"send": True})],
    name="careful",
)


class State(TypedDict, total=False):
    """What the others keep."""

    log: Annotated[list[str], operator.add]
    topic: str


def _said(messages: list[BaseMessage], _: object) -> str:
    note(f"model {messages[0].text}: {messages[-1].text}")
    if "moody" in messages[0].text and Path(f"{os.environ['FORKED_FILE']}.moody").exists():
        raise ValueError("not today")
    return f"{messages[0].text}: {messages[-1].text} ({uuid4().hex})"


_model = FunctionModel(_said)


def _asking(name: str) -> Any:
    async def node(state: State) -> dict[str, Any]:
        request = [SystemMessage(f"You are {name}"), HumanMessage(f"{name} about {state.get('topic', 'nothing')}")]
        return {"log": [str((await _model.ainvoke(request)).content)]}

    return node


def _team() -> Any:
    graph: Any = StateGraph(State)
    graph.add_sequence([(name, _asking(name)) for name in ("draft", "check")])
    graph.add_edge(START, "draft")
    return graph.compile()


def _pair() -> Any:
    graph: Any = StateGraph(State)
    graph.add_sequence([("first", _asking("first")), ("team", _team()), ("second", _asking("second"))])
    graph.add_edge(START, "first")
    return graph


async def _ask(_: State) -> dict[str, Any]:
    return {"log": [str(interrupt("Shall it go on?"))]}


def _asks() -> Any:
    graph: Any = StateGraph(State)
    graph.add_sequence([("first", _asking("first")), ("ask", _ask), ("second", _asking("second"))])
    graph.add_edge(START, "first")
    return graph


class Nothing(TypedDict, total=False):
    """What the graph is called with."""

    user_id: str


async def _remember(state: State, runtime: Runtime[Nothing]) -> dict[str, Any]:
    assert runtime.store is not None
    before = await runtime.store.aget(("notes",), "one")
    said = str((await _model.ainvoke([SystemMessage("You are noted"), HumanMessage(state.get("topic", ""))])).content)
    await runtime.store.aput(("notes",), "one", {"text": state.get("topic", "")})
    return {"log": [said, "nothing" if before is None else str(before.value["text"])]}


def _noted() -> Any:
    graph: Any = StateGraph(State, context_schema=Nothing)
    graph.add_node("remember", _remember)
    graph.add_edge(START, "remember")
    return graph


asks = _asks()


def _channels() -> Any:
    """No state graph: a node runs when a channel that it reads has a new value."""

    async def ask(topic: str) -> str:
        return str((await _model.ainvoke([SystemMessage("You are raw"), HumanMessage(topic)])).content)

    nodes: Any = {
        "ask": NodeBuilder().subscribe_only("topic").do(ask).write_to("said"),
        "tell": NodeBuilder().subscribe_to("said", "topic").do(lambda read: f"{read}").write_to("told"),
    }
    channels: Any = {name: LastValue(str) for name in ("topic", "said", "told")}
    return Pregel(nodes=nodes, channels=channels, input_channels=["topic"], output_channels=["topic", "told"])


channels = _channels()
pair = _pair()
noted = _noted()
