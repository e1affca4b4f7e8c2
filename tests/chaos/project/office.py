"""Agents in parallel inside a team, each of whose letters a person must approve; what was sent stands in a file."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from uuid import uuid4

from effects import act
from langchain.agents import create_agent
from langchain.agents.middleware import HumanInTheLoopMiddleware
from langchain_core.messages import AIMessage, BaseMessage, ToolMessage
from langchain_core.tools import StructuredTool
from langgraph.graph import END, START, MessagesState, StateGraph

from motet.testing import FunctionModel


async def _post(to: str, times: int = 1) -> str:
    """Send a letter."""
    await asyncio.sleep(0.05)
    act(f"{to}:{times}", "once")
    await asyncio.sleep(0.05)
    return f"sent to {to}"


_once = {"effect": "once"}
_tools = [StructuredTool.from_function(coroutine=_post, name="post", description="Send a letter.", metadata=_once)]


def _agent(name: str) -> Any:
    def answer(messages: list[BaseMessage], _: object) -> str | AIMessage:
        if any(isinstance(one, ToolMessage) for one in messages):
            return f"{name} is done"
        wanted = json.loads(next(one.text for one in messages if one.type == "human"))[name]
        calls = [{"name": "post", "args": {"to": to}, "id": f"call-{uuid4().hex}"} for to in wanted]
        return AIMessage("They wait for it.", tool_calls=calls)

    gate = HumanInTheLoopMiddleware({"post": True}, interrupt_mode="per_call")
    return create_agent(FunctionModel(answer), _tools, middleware=[gate], name=name)


def _parallel(**nodes: Any) -> Any:
    graph: StateGraph[MessagesState, Any, MessagesState, MessagesState] = StateGraph(MessagesState)
    for name, node in nodes.items():
        graph.add_node(name, node)
        graph.add_edge(START, name)
        graph.add_edge(name, END)
    return graph.compile()


office = _parallel(team=_parallel(left=_agent("left"), right=_agent("right")))
