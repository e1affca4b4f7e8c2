"""A graph that says everything it knows, wherever it can: what it reads, what it is configured with, what is thrown."""

from __future__ import annotations

import logging
import os
from typing import Any

from canaries import CELL, DOCUMENT
from langchain_core.messages import AIMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode

logger = logging.getLogger(__name__)


def configured() -> str:
    """Every secret of this installation, in one sentence."""
    return " ".join(
        os.environ[name] for name in ("MOTET_AUTH", "OPENAI_API_KEY", "MOTET_REDIS_URL", "MOTET_TEST_TOKEN")
    )


@tool
def read_note() -> str:
    """A document with a key in it."""
    return f"harmless note, key {DOCUMENT}"


@tool
def query() -> list[dict[str, Any]]:
    """A row with a key in a cell."""
    return [{"id": 1, "note": f"harmless cell, key {CELL}"}]


@tool
def connect() -> str:
    """Fails, and says with what."""
    raise RuntimeError(f"harmless failure with {configured()}")


CALLS = [
    {"name": name, "args": {}, "id": f"call_{name}", "type": "tool_call"} for name in ("read_note", "query", "connect")
]


async def _ask(state: MessagesState) -> dict[str, Any]:  # noqa: ARG001 - the name LangGraph's types ask for
    return {"messages": [AIMessage("", tool_calls=CALLS)]}


async def _answer(state: MessagesState) -> dict[str, Any]:
    logger.warning("harmless warning with %s", configured())
    model = ChatOpenAI(model="scripted", base_url=os.environ["MOTET_MODEL_BASE_URL"])
    return {"messages": [await model.ainvoke(state["messages"])]}


async def _fail(state: MessagesState) -> dict[str, Any]:  # noqa: ARG001 - as above
    try:
        raise KeyError(configured())
    except KeyError as error:
        raise RuntimeError(f"harmless end with {configured()}") from error


leaky = StateGraph(MessagesState)
leaky.add_node("ask", _ask)
leaky.add_node("tools", ToolNode([read_note, query, connect], handle_tool_errors=True))
leaky.add_node("answer", _answer)
leaky.add_node("fail", _fail)
for one, other in ((START, "ask"), ("ask", "tools"), ("tools", "answer"), ("answer", "fail"), ("fail", END)):
    leaky.add_edge(one, other)


async def _repeat(state: MessagesState) -> dict[str, Any]:
    return {"messages": [AIMessage(f"You said: {state['messages'][-1].text}")]}


calm = StateGraph(MessagesState)
calm.add_node("repeat", _repeat)
calm.add_edge(START, "repeat")
calm.add_edge("repeat", END)
