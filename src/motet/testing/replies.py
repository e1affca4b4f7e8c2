"""What a model of a test answers, whole and in pieces."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeGuard, cast

from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, ToolCall, ToolCallChunk
from langchain_core.messages.ai import UsageMetadata
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.messages.utils import message_chunk_to_message

ARGUMENT_PIECE = 12
"""Characters of a tool call's JSON in one chunk: few, so that code which reads half a call is found out."""


@dataclass(frozen=True, slots=True)
class Streamed:
    """A reply in the pieces that the test wants."""

    pieces: tuple[str | AIMessageChunk | BaseException, ...]
    """Text, or whole chunks; an exception is raised where it stands, after what came before it was streamed."""


Reply: TypeAlias = str | AIMessage | ToolCall | Sequence[ToolCall] | Streamed | BaseException
"""Text, a message, one tool call or several, pieces; an exception is raised out of the call.

A tool call without an id gets `call-N-M`: the N-th call of this model, its M-th tool call. A message without usage
gets one token a word.
"""


def streamed(*pieces: str | AIMessageChunk | BaseException) -> Streamed:
    """A reply that streams in exactly these pieces; an exception among them breaks the stream there."""
    return Streamed(pieces)


def tool_call(name: str, /, **arguments: Any) -> ToolCall:
    """A call of the tool `name`; the model gives it an id."""
    return ToolCall(type="tool_call", name=name, args=arguments, id=None)


def is_reply(value: object) -> TypeGuard[Reply]:
    """Whether `value` can be answered; a list of tool calls has at least one."""
    if isinstance(value, str | AIMessage | Streamed | BaseException) or _is_tool_call(value):
        return True
    return isinstance(value, Sequence) and bool(value) and all(map(_is_tool_call, cast("Sequence[object]", value)))


def whole(reply: Reply, messages: Sequence[BaseMessage], number: int) -> AIMessage:
    """`reply` as the message of the `number`-th call, which asked `messages`. Raises what the reply raises."""
    if isinstance(reply, BaseException):
        raise reply
    if isinstance(reply, Streamed):
        chunks = list(in_pieces(reply, messages, number))
        return cast("AIMessage", message_chunk_to_message(functools.reduce(lambda one, other: one + other, chunks)))
    if isinstance(reply, str):
        message = AIMessage(reply)
    elif isinstance(reply, AIMessage):
        message = cast("AIMessage", message_chunk_to_message(reply.model_copy()))
    else:
        calls = [reply] if _is_tool_call(reply) else reply
        message = AIMessage("", tool_calls=[cast("ToolCall", call) for call in calls])
    return message.model_copy(
        update={
            "tool_calls": [
                {**call, "id": call["id"] or f"call-{number}-{index}"}
                for index, call in enumerate(message.tool_calls, start=1)
            ],
            "usage_metadata": message.usage_metadata or _counted(messages, message.text),
        }
    )


def in_pieces(reply: Reply, messages: Sequence[BaseMessage], number: int) -> Iterator[AIMessageChunk]:
    """The chunks that add up to `whole(…)`; usage comes with the last, as providers send it."""
    if isinstance(reply, Streamed):
        yield from _as_told(reply, messages)
        return
    message = whole(reply, messages, number)
    for content in _words(message.content) if isinstance(message.content, str) else [message.content]:
        yield AIMessageChunk(content=content, id=message.id)
    for piece in _call_pieces(message):
        yield AIMessageChunk(content="", id=message.id, tool_call_chunks=[piece])
    yield AIMessageChunk(
        content="",
        id=message.id,
        additional_kwargs=message.additional_kwargs,
        response_metadata=message.response_metadata,
        usage_metadata=message.usage_metadata,
        chunk_position="last",
    )


def _as_told(reply: Streamed, messages: Sequence[BaseMessage]) -> Iterator[AIMessageChunk]:
    said: list[AIMessageChunk] = []
    for piece in reply.pieces:
        if isinstance(piece, BaseException):
            raise piece
        said.append(AIMessageChunk(content=piece) if isinstance(piece, str) else piece.model_copy())
        yield said[-1].model_copy()
    if not said or said[-1].chunk_position != "last":
        known = any(chunk.usage_metadata for chunk in said)
        usage = None if known else _counted(messages, "".join(chunk.text for chunk in said))
        yield AIMessageChunk(content="", usage_metadata=usage, chunk_position="last")


def _call_pieces(message: AIMessage) -> Iterator[ToolCallChunk]:
    """Name and id first, then the arguments' JSON bit by bit; JSON that is broken stays so."""
    asked = [(call["name"], call["id"], json.dumps(call["args"])) for call in message.tool_calls]
    broken = [(call["name"], call["id"], call["args"] or "") for call in message.invalid_tool_calls]
    for index, (name, call_id, arguments) in enumerate([*asked, *broken]):
        yield tool_call_chunk(name=name, args="", id=call_id, index=index)
        for start in range(0, len(arguments), ARGUMENT_PIECE):
            yield tool_call_chunk(args=arguments[start : start + ARGUMENT_PIECE], index=index)


def _words(text: str) -> list[str]:
    return re.findall(r"\s*\S+\s*|\s+", text)


def _counted(messages: Sequence[BaseMessage], answer: str) -> UsageMetadata:
    read, written = sum(len(message.text.split()) for message in messages), len(answer.split())
    return UsageMetadata(input_tokens=read, output_tokens=written, total_tokens=read + written)


def _is_tool_call(value: object) -> TypeGuard[ToolCall]:
    return isinstance(value, Mapping) and {"name", "args"} <= value.keys()
