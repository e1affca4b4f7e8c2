"""Chat models that answer from a list, for tests of what stands around a model call."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any

from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from pydantic import Field


def says(text: str = "", *, tool: str = "", call_id: str = "call-1", **arguments: Any) -> AIMessage:
    """An answer of seven tokens, asking for `tool` where one is named."""
    calls = [{"name": tool, "args": arguments, "id": call_id, "type": "tool_call"}] if tool else []
    usage = UsageMetadata(input_tokens=5, output_tokens=2, total_tokens=7)
    return AIMessage(content=text, tool_calls=calls, usage_metadata=usage)


class ListedModel(BaseChatModel):
    """Gives its answers (messages, in turn and around again), whole; an exception among them is raised."""

    answers: list[Any]
    model_name: str = "listed-1"
    made: list[list[BaseMessage]] = Field(default_factory=list[list[BaseMessage]])
    """The messages of each call that reached this model."""

    @property
    def _llm_type(self) -> str:
        return "listed"

    def bind_tools(self, tools: Sequence[Any], **kwargs: Any) -> Any:
        """Every tool is welcome."""
        return self.bind(tools=[getattr(tool, "name", "?") for tool in tools], **kwargs)

    def _next(self, messages: list[BaseMessage]) -> AIMessage:
        self.made.append(messages)
        answer = self.answers[(len(self.made) - 1) % len(self.answers)]
        if isinstance(answer, BaseException):
            raise answer
        return answer.model_copy(update={"id": None})

    def _generate(self, messages: list[BaseMessage], *_: object, **__: object) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=self._next(messages))])


class StreamedModel(ListedModel):
    """Gives its answers a word at a time."""

    def _stream(self, messages: list[BaseMessage], *_: object, **__: object) -> Iterator[ChatGenerationChunk]:
        answer = self._next(messages)
        for word in str(answer.content).split():
            yield ChatGenerationChunk(message=AIMessageChunk(content=f"{word} "))
        yield ChatGenerationChunk(message=AIMessageChunk(content="", usage_metadata=answer.usage_metadata))

    async def _astream(
        self, messages: list[BaseMessage], *args: object, **kwargs: object
    ) -> AsyncIterator[ChatGenerationChunk]:
        for chunk in self._stream(messages, *args, **kwargs):
            yield chunk


class StuckModel(StreamedModel):
    """Says one word where it streams, and never answers."""

    async def _agenerate(self, messages: list[BaseMessage], *_: object, **__: object) -> ChatResult:
        self.made.append(messages)
        await asyncio.get_running_loop().create_future()
        raise AssertionError("unreachable")

    async def _astream(
        self, messages: list[BaseMessage], *args: object, **kwargs: object
    ) -> AsyncIterator[ChatGenerationChunk]:
        yield ChatGenerationChunk(message=AIMessageChunk(content="well "))
        await self._agenerate(messages, *args, **kwargs)


def asked(text: str) -> Any:
    """The input of a graph over messages; typed loosely, as graphs of each state take it."""
    return {"messages": [("human", text)]}
