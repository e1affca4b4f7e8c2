"""Messages that were read before, so that a turn makes objects of what is new and not of the whole history."""

from __future__ import annotations

import marshal
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from langchain_core.messages import BaseMessage

from motet.memory.redis.packed_messages import held_by

_ATOMS = {str, int, float, bool, bytes, type(None)}
"""Classes of values that nobody can change."""

_loads = marshal.loads

_ARRAY = 0x90
_EXTENSIONS = {0xC7: 1, 0xC8: 2, 0xC9: 4}
"""By MessagePack's first byte, how many bytes tell an extension's length (github.com/msgpack/msgpack, spec.md)."""
_MOST = 15
"""Elements of the shortest kind of array."""


class _Made(NamedTuple):
    kind: type[BaseMessage]
    state: Mapping[str, Any]
    """All fields; those of `parts` are empty."""
    parts: Sequence[tuple[str, bytes]]
    """Fields that can be changed in place, as `marshal` writes them."""
    extra: bytes
    fields_set: frozenset[str]
    size: int


class ReadMessages:
    """What the messages of a leaf hold, by the leaf's digest.

    Making one from MessagePack means a look at each field by Pydantic, and costs ten times as much as Python's own
    `marshal`. Each reader gets objects of its own, down to the last list. Leaves that hold anything but messages of
    LangChain's own classes with plain values aren't kept. At most `limit` bytes are, the newest.
    """

    def __init__(self, limit: int = 32_000_000) -> None:
        self._limit = limit
        self._leaves: dict[bytes, Sequence[_Made]] = {}
        self._bytes = 0

    def find(self, digest: bytes) -> list[Any] | None:
        """The leaf's messages, made anew; None if it wasn't noted."""
        leaf = self._leaves.get(digest)
        return None if leaf is None else [_again(made) for made in leaf]

    def note(self, digest: bytes, elements: Sequence[Any]) -> None:
        """Remember what the leaf's elements hold, if they are plain messages."""
        leaf = [made for element in elements if (made := _made_of(element)) is not None]
        if len(leaf) < len(elements) or digest in self._leaves:
            return
        self._leaves[digest] = leaf
        self._bytes += _size(leaf)
        while self._bytes > self._limit:
            self._bytes -= _size(self._leaves.pop(next(iter(self._leaves))))


def as_array(leaf: bytes) -> bytes | None:
    """A leaf's elements as a MessagePack array; None unless they are few, and extensions as messages are."""
    at = count = 0
    while at < len(leaf):
        digits = _EXTENSIONS.get(leaf[at])
        if digits is None:
            return None
        at += 2 + digits + int.from_bytes(leaf[at + 1 : at + 1 + digits], "big")
        count += 1
    return bytes([_ARRAY | count]) + leaf if at == len(leaf) and count <= _MOST else None


def _made_of(element: Any) -> _Made | None:
    held = held_by(element)
    if held is None or element.__pydantic_private__ is not None:
        return None
    state: dict[str, Any] = element.__dict__
    parts = [(name, marshal.dumps(value, 2)) for name, value in state.items() if type(value) not in _ATOMS]
    return _Made(
        type(element),
        state | dict.fromkeys((name for name, _ in parts)),
        parts,
        marshal.dumps(element.__pydantic_extra__, 2),
        frozenset(element.__pydantic_fields_set__),
        len(held),
    )


def _again(made: _Made) -> BaseMessage:
    """The parts of a Pydantic model's state, as its `__setstate__` puts them."""
    state = {**made.state}
    for name, part in made.parts:
        state[name] = _loads(part)
    message = made.kind.__new__(made.kind)
    message.__setstate__(
        {
            "__dict__": state,
            "__pydantic_extra__": _loads(made.extra),
            "__pydantic_fields_set__": set(made.fields_set),
            "__pydantic_private__": None,
        }
    )
    return message


def _size(leaf: Sequence[_Made]) -> int:
    return sum(made.size for made in leaf)
