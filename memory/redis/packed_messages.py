"""Messages that were serialised before, so that a superstep serialises what is new and not the whole history."""

from __future__ import annotations

import marshal
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from weakref import ref

from langchain_core.messages import BaseMessage

from motet.memory.redis.checkpoint_parts import Item

_PLAIN = frozenset({str, int, bool, bytes, type(None)})
_CONTAINERS = frozenset({dict, list})


class _Entry(NamedTuple):
    alive: ref[BaseMessage]
    fields: Mapping[str, Any]
    types: list[type]
    loose: Sequence[str]
    """Fields whose values may change within, or so that Python's equality doesn't see it."""
    exact: bytes
    """What they held."""
    item: Item


class PackedMessages:
    """What each living message was serialised to, as long as it stays what it was.

    A message may be changed in place, so what it held is kept and compared; that costs a tenth of serialising it. A
    message that holds other than plain values is serialised each time. An entry goes with its message.
    """

    def __init__(self) -> None:
        self._entries: dict[int, _Entry] = {}

    def find(self, message: BaseMessage) -> Item | None:
        """What `message` was serialised to, unless it has changed since."""
        entry = self._entries.get(id(message))
        if entry is None:
            return None
        fields = message.__dict__
        # The types first: a foreign value's own equality may lie, or raise.
        if [*map(type, fields.values())] != entry.types or _exact(message, entry.loose) != entry.exact:
            return None
        return entry.item if fields == entry.fields else None

    def note(self, message: BaseMessage, item: Item) -> None:
        """Remember that `item` is `message`, as it is now."""
        key, entries = id(message), self._entries
        fields = message.__dict__
        loose = [name for name, value in fields.items() if not _is_told_by_equality(value)]
        exact = _exact(message, loose)
        if exact is None:
            entries.pop(key, None)
            return

        def forget(_: ref[BaseMessage]) -> None:
            entries.pop(key, None)

        kept = {
            name: type(value)() if type(value) in _CONTAINERS and not value else value for name, value in fields.items()
        }
        entries[key] = _Entry(ref(message, forget), kept, [*map(type, fields.values())], loose, exact, item)


def _is_told_by_equality(value: Any) -> bool:
    """Whether an equal value of the same type is the same value."""
    return type(value) in _PLAIN or (type(value) in _CONTAINERS and not value)


def _exact(message: BaseMessage, fields: Sequence[str]) -> bytes | None:
    """What these fields hold, in which 1, 1.0 and True differ; None if that isn't plain data."""
    if not fields and not message.__pydantic_extra__:
        return b""
    try:
        # Of this version, equal bytes are equal values: it has no references.
        return marshal.dumps([message.__pydantic_extra__, *(message.__dict__.get(name) for name in fields)], 2)
    except ValueError:
        return None
