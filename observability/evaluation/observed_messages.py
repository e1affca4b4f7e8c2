"""A conversation in OpenAI's form, from messages as a trajectory tells them; and what in it was said to the person."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

import orjson

from motet.observability.evaluation.example import Json

ROLES: Mapping[str, str] = {
    "human": "user",
    "ai": "assistant",
    "system": "system",
    "developer": "system",
    "tool": "tool",
    "function": "function",
}
"""OpenAI's, by LangChain's name."""

_ELSEWHERE = frozenset({"tool_call", "tool_use", "tool_call_chunk", "reasoning", "thinking", "redacted_thinking"})
"""Blocks of a content that OpenAI tells beside it, or not at all."""


def conversation(values: Any) -> Sequence[Json]:
    """The messages among a graph's values, or that are its values; none where there are no messages."""
    found: Any = values
    if isinstance(values, Mapping):
        held = cast("Mapping[str, Any]", values)
        found = held.get("messages", held.get("__root__"))
    if not isinstance(found, list):
        return ()
    return [openai_message(one) for one in cast("list[Any]", found) if _is_message(one)]


def openai_message(message: Mapping[str, Any]) -> Json:
    """`message`, as `Trajectory.plain` tells it, as OpenAI's chat completions do; its ids stay."""
    kind = str(message["type"]).removesuffix("MessageChunk").removesuffix("Message").lower()
    told: dict[str, Any] = {"role": ROLES.get(kind, str(message.get("role") or kind)), "content": _content(message)}
    if message.get("name"):
        told["name"] = message["name"]
    if calls := message.get("tool_calls"):
        told["tool_calls"] = [_call(one) for one in calls]
    if kind == "tool":
        told["tool_call_id"] = str(message.get("tool_call_id") or "")
    if message.get("id"):
        told["id"] = message["id"]
    return told


def answer_in(messages: Sequence[Json]) -> str:
    """Text of the last message to the person since they spoke last: an assistant's that asks for no tool.

    Empty where there is none: the run asks, failed, or hands on without a word.
    """
    for message in reversed(messages):
        if message["role"] == "user":
            break
        if message["role"] == "assistant" and not message.get("tool_calls") and (text := text_of(message["content"])):
            return text
    return ""


def text_of(content: Any) -> str:
    """What of a message's content is text, a line for each block."""
    if isinstance(content, str):
        return content
    blocks = cast("list[Any]", content) if isinstance(content, list) else []
    return "\n".join(_texts(blocks))


def _is_message(one: Any) -> bool:
    return isinstance(one, Mapping) and "content" in one and isinstance(cast("Mapping[str, Any]", one).get("type"), str)


def _content(message: Mapping[str, Any]) -> Any:
    """A text where it is nothing else; blocks otherwise, without those that are told elsewhere."""
    content: Any = message["content"]
    if not isinstance(content, list):
        return "" if content is None else content
    blocks = [one for one in cast("list[Any]", content) if not _told_elsewhere(one)]
    texts = list(_texts(blocks))
    return "\n".join(texts) if len(texts) == len(blocks) else blocks


def _told_elsewhere(block: Any) -> bool:
    return isinstance(block, Mapping) and cast("Mapping[str, Any]", block).get("type") in _ELSEWHERE


def _texts(blocks: Sequence[Any]) -> Iterable[str]:
    for block in blocks:
        match block:
            case str() as text:
                yield text
            case {"type": "text", "text": str() as text}:
                yield text
            case _:
                pass


def _call(call: Mapping[str, Any]) -> Json:
    arguments = orjson.dumps(call.get("args") or {}).decode()
    return {
        "type": "function",
        "id": str(call.get("id") or ""),
        "function": {"name": str(call.get("name")), "arguments": arguments},
    }
