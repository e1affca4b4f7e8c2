"""An agent with a scripted model that pays once, as its tool declares, and says so."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from effects import act
from langchain.agents import create_agent
from langchain_core.messages import BaseMessage, ToolMessage
from langchain_core.tools import StructuredTool

from motet.testing import FunctionModel, Reply, tool_call


async def _pay(order: str) -> str:
    """Pay an order."""
    await asyncio.sleep(0.02)
    act(f"{order}:paid", "once")
    return f"paid {order}"


async def _look(order: str) -> str:
    """Look an order up."""
    act(f"{order}:seen", "none")
    return f"order {order} is open"


def _answer(messages: list[BaseMessage], _: Mapping[str, Mapping[str, Any]]) -> Reply:
    """Looks, pays, and answers; each step by what the last message of the turn is."""
    last = messages[-1]
    order = next(one.text for one in reversed(messages) if one.type == "human")
    if not isinstance(last, ToolMessage):
        return tool_call("look", order=order)
    if last.name == "look":
        return tool_call("pay", order=order)
    return f"done with {order}: {last.text}"


_tools = [
    StructuredTool.from_function(coroutine=_look, name="look", description="Look an order up."),
    StructuredTool.from_function(coroutine=_pay, name="pay", description="Pay an order.", metadata={"effect": "once"}),
]
agent = create_agent(FunctionModel(_answer), _tools)
