"""Consecutive deltas of one message as one delta: what a client sums up is the same, and costs it less."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from langchain_core.messages import AIMessageChunk

from motet.graphs.events import Event, Part


class Deltas:
    """Deltas of one message that arrived one after the other."""

    def __init__(self) -> None:
        self._parts: list[Part] = []

    def take(self, event: Event) -> bool:
        """Whether `event` is a delta that goes on where the last one ended, or the first; if so, it was taken."""
        if _message(event) is None or (self._parts and not _continues(self._parts[-1], cast("Part", event))):
            return False
        self._parts.append(cast("Part", event))
        return True

    def joined(self) -> Sequence[Part]:
        """What was taken, as one part where it can be summed up, and no longer here."""
        parts, self._parts = self._parts, []
        if len(parts) < 2:  # noqa: PLR2004 - one needs no sum
            return parts
        first, *others = [cast("AIMessageChunk", _message(part)) for part in parts]
        try:
            whole = first + others
        except (TypeError, ValueError):
            return parts  # two chunks contradict each other; that is for the client to see
        if first.name is not None:
            whole.name = first.name  # the sum leaves it out
        return [Part(mode="messages", namespace=parts[0].namespace, data=(whole, parts[0].data[1]))]


def size(event: Event) -> int | None:
    """About how many bytes a delta's JSON takes; None for an event that isn't one."""
    message = _message(event)
    return None if message is None else 1000 + len(str(message.content))


def _message(event: Event) -> AIMessageChunk | None:
    """The chunk of a delta: exactly LangChain's class, because a subclass may not be its parts' sum."""
    if not isinstance(event, Part) or event.mode != "messages" or not isinstance(event.data, tuple | list):
        return None
    data = cast("Sequence[Any]", event.data)
    return data[0] if len(data) == 2 and type(data[0]) is AIMessageChunk else None  # noqa: PLR2004 - chunk, metadata


def _continues(one: Part, other: Part) -> bool:
    if one.namespace != other.namespace:
        return False
    before, after = one.data[0], other.data[0]
    return (
        before.id is not None
        and before.id == after.id
        and before.name == after.name
        # LangChain's sum of text and blocks depends on which two are added first.
        and isinstance(before.content, str) == isinstance(after.content, str)
        and before.chunk_position != "last"
        and (one.data[1] is other.data[1] or one.data[1] == other.data[1])
    )
