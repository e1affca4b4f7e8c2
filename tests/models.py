"""What tests of model calls say and ask, and a model that never answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGenerationChunk

from motet.testing import FunctionModel


def says(text: str = "", *, tool: str = "", call_id: str = "call-1", **arguments: Any) -> AIMessage:
    """An answer of seven tokens, asking for `tool` where one is named."""
    calls = [{"name": tool, "args": arguments, "id": call_id, "type": "tool_call"}] if tool else []
    usage = UsageMetadata(input_tokens=5, output_tokens=2, total_tokens=7)
    return AIMessage(content=text, tool_calls=calls, usage_metadata=usage)


class StuckModel(FunctionModel):
    """Says one word where it streams, and never answers."""

    def __init__(self) -> None:
        super().__init__(_never)

    async def _astream(
        self, messages: list[BaseMessage], *args: Any, **kwargs: Any
    ) -> AsyncIterator[ChatGenerationChunk]:
        yield ChatGenerationChunk(message=AIMessageChunk(content="well "))
        async for chunk in super()._astream(messages, *args, **kwargs):
            yield chunk


async def _never(*_: object) -> str:
    return await asyncio.get_running_loop().create_future()


def asked(text: str) -> Any:
    """The input of a graph over messages; typed loosely, as graphs of each state take it."""
    return {"messages": [("human", text)]}
