"""Graphs to be evaluated, with models that answer by a rule: what each says of an example is known before."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from langchain.agents import create_agent
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.tools import StructuredTool
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.types import interrupt

from motet.testing import FunctionModel, Reply, tool_call
from motet.tools.ledger import effect_key

NOTES = "TEST_NOTES"
"""Names the folder in which each note is a file."""


async def _note(word: str) -> str:
    """Write a note: called again with the same key, it is the same note."""
    await asyncio.sleep(0.01)
    (Path(os.environ[NOTES]) / f"{word}.{effect_key()}").touch()
    return f"noted {word}"


note = StructuredTool.from_function(
    coroutine=_note, name="note", description="Write a note.", metadata={"effect": "idempotent"}
)


def _said(messages: list[BaseMessage]) -> str:
    return next(one.text for one in messages if one.type == "human")


def _clerk(messages: list[BaseMessage], _: Mapping[str, Any]) -> Reply:
    """Note a word, then say so; of words that begin with x, it says something else."""
    word = _said(messages)
    if messages[-1].type != "tool":
        return tool_call("note", word=word)
    return "I forgot" if word.startswith("x") else f"noted {word}"


def _hasty(messages: list[BaseMessage], _: Mapping[str, Any]) -> Reply:
    """Say so at once, unless it is told not to be."""
    return "I forgot" if "be careless" in messages[0].text else f"noted {_said(messages)}"


async def _ask(state: MessagesState) -> dict[str, Any]:
    first = interrupt(f"May I note {state['messages'][-1].text}?")
    second = interrupt("Really?")
    return {"messages": [AIMessage(f"{first}, {second}")]}


async def _boom(_: MessagesState) -> dict[str, Any]:
    raise ValueError("it can't be done")


async def _endless(_: MessagesState) -> dict[str, Any]:
    await asyncio.Event().wait()
    return {}


def _of(node: Any) -> Any:
    graph = StateGraph(MessagesState)
    graph.add_node("node", node)
    graph.add_edge(START, "node")
    return graph


clerk = create_agent(FunctionModel(_clerk), [note], system_prompt="Take notes.", name="clerk")
hasty = create_agent(FunctionModel(_hasty), [], system_prompt="Take notes.", name="hasty")
asks, boom, endless = _of(_ask), _of(_boom), _of(_endless)
