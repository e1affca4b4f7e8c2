"""Turns what flows through a graph into JSON: messages by their content, anything else by what it shows."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, ToolMessage
from langchain_core.outputs import ChatResult
from langgraph.types import Command
from pydantic import BaseModel

from motet.observability.trajectory.model import Message, ToolRequest, Usage

_DEPTH = 24
_JSON_INTEGER = 2**63


def message_of(message: BaseMessage) -> Message:
    """`message` as a record keeps it."""
    return Message(
        role=message.type.removesuffix("MessageChunk").lower(),
        content=plain(message.content),
        tool_calls=_requests(message) if isinstance(message, AIMessage) else (),
        name=message.name,
        call_id=message.tool_call_id if isinstance(message, ToolMessage) else None,
    )


def response_of(result: ChatResult) -> tuple[Message | None, Usage]:
    """The answer and its tokens; None and zeros where a model gave none.

    LangChain's cache adds `total_cost` to an answer's usage, also where there was no usage to add it to.
    """
    if not result.generations:
        return None, Usage()
    message = result.generations[0].message
    used = message.usage_metadata if isinstance(message, AIMessage) else None
    if used is None:
        return message_of(message), Usage()
    return message_of(message), Usage(
        input_tokens=used.get("input_tokens", 0),
        output_tokens=used.get("output_tokens", 0),
        total_tokens=used.get("total_tokens", 0),
    )


def plain(value: Any, depth: int = 0) -> Any:
    """`value` as JSON. What has no JSON of its own is named by its class, never shown by its `repr`."""
    if isinstance(value, str | bool | float | None):
        return value
    if isinstance(value, int):
        return value if abs(value) < _JSON_INTEGER else str(value)
    if depth > _DEPTH:
        return "[nested too deeply: cut]"
    if isinstance(value, Mapping):
        return {str(name): plain(inner, depth + 1) for name, inner in value.items()}
    if isinstance(value, Sequence | AbstractSet) and not isinstance(value, bytes | bytearray):
        return [plain(inner, depth + 1) for inner in value]
    return _shown(value, depth)


def _shown(value: Any, depth: int) -> Any:
    if isinstance(value, BaseMessage):
        return dataclasses.asdict(message_of(value))
    if isinstance(value, bytes | bytearray):
        return f"[{len(value)} bytes]"
    if isinstance(value, Command):
        said = {"update": value.update, "goto": value.goto, "resume": value.resume, "graph": value.graph}
        return {"command": plain({name: part for name, part in said.items() if part}, depth + 1)}
    if isinstance(value, BaseModel):
        return plain(value.model_dump(), depth + 1)
    if isinstance(value, type):
        return value.__name__
    return f"[{type(value).__name__}]"


def _requests(message: AIMessage) -> tuple[ToolRequest, ...]:
    return tuple(
        ToolRequest(name=call["name"], arguments=plain(call["args"]), call_id=call["id"]) for call in message.tool_calls
    )
