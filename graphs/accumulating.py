"""Messages as they stand while they grow: what clients are sent that don't add up deltas themselves."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, cast

from langchain_core.messages import AIMessageChunk, BaseMessage, message_chunk_to_message

from motet.graphs.events import MessageForm, Part


@dataclass(slots=True)
class _Growing:
    """A message of which something wasn't told yet."""

    part: Part
    """The first of its parts that wasn't told."""
    message: Any
    """What was told before, or a message that comes whole."""
    deltas: list[AIMessageChunk] = field(default_factory=list[AIMessageChunk])
    new: bool = True
    ended: bool = False


class Accumulated:
    """LangGraph's `messages` mode as the wire's: `messages/metadata`, `messages/partial`, `messages/complete`.

    However many deltas come in between, a message is told once each time it is asked for.
    """

    def __init__(self) -> None:
        self._growing: dict[str, _Growing] = {}
        self._known: dict[str, AIMessageChunk] = {}
        """Messages that go on, as they were told last."""

    def take(self, part: Part) -> None:
        """Take in a part of mode `messages`."""
        message = cast("tuple[Any, Any]", part.data)[0]
        key = _id(message)
        known = self._known.get(key)
        growing = self._growing.setdefault(key, _Growing(part=part, message=known, new=known is None))
        if isinstance(message, AIMessageChunk):
            growing.deltas.append(message)
            growing.ended = message.chunk_position == "last"
        else:
            growing.message, growing.deltas, growing.ended = message, [], True

    def told(self) -> list[Part]:
        """What is to be told since the last time."""
        growing, self._growing = self._growing, {}
        return [part for key, one in growing.items() for part in self._forms(key, one)]

    def _forms(self, key: str, one: _Growing) -> list[Part]:
        parts: list[Part] = []
        if one.new:
            parts.append(_as(one.part, "messages/metadata", {key: {"metadata": one.part.data[1]}}))
        shown = one.message
        if one.deltas:
            whole = _sum(one.message, one.deltas)
            self._known[key] = whole
            shown = message_chunk_to_message(whole)
            parts.append(_as(one.part, "messages/partial", [shown]))
        if one.ended:
            self._known.pop(key, None)
            parts.append(_as(one.part, "messages/complete", [shown]))
        return parts


def _sum(known: AIMessageChunk | None, deltas: list[AIMessageChunk]) -> AIMessageChunk:
    """What was known and what came; where two contradict each other, what fits together."""
    first, *others = deltas if known is None else [known, *deltas]
    name = first.name
    for one in others:
        try:
            first = first + one
        except (TypeError, ValueError):
            continue
    first.name = name  # the sum leaves it out
    return first


def _id(message: Any) -> str:
    told = message.id if isinstance(message, BaseMessage) else cast("dict[str, Any]", message).get("id")
    return told or ""


def _as(part: Part, mode: MessageForm, data: Any) -> Part:
    return Part(mode=mode, namespace=part.namespace, data=data)
