"""Messages that were read before, so that a turn makes objects of what is new and not of the whole history."""

from __future__ import annotations

import marshal
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from langchain_core.messages import BaseMessage

from motet.held import ATOMS, held_by

_loads = marshal.loads
_new = object.__new__
_put = object.__setattr__

_ARRAY = 0x90
_EXTENSIONS = {0xC7: 1, 0xC8: 2, 0xC9: 4}
"""By MessagePack's first byte, how many bytes tell an extension's length (github.com/msgpack/msgpack, spec.md)."""
_MOST = 15
"""Elements of the shortest kind of array."""

_NODE_TAKES = 5
"""As many bytes as a node's own: its digests stand here one by one, too."""


class _Shape(NamedTuple):
    """What most messages of a class have in common, so that they have it once."""

    kind: type[BaseMessage]
    lists: Sequence[str]
    """Fields that are an empty list."""
    objects: Sequence[str]
    """Fields that are an empty object."""
    fields_set: frozenset[str]


class _Made(NamedTuple):
    shape: _Shape
    state: dict[str, Any]
    """All fields; None for those that can be changed in place."""
    parts: bytes | None
    """Fields that can be changed in place and aren't empty, as `marshal` writes them; None if there are none."""
    extra: bytes | None
    """None for an empty object."""
    size: int


class _Part(NamedTuple):
    stored: bytes
    messages: Sequence[_Made] | None
    """Of a leaf; None for a node."""
    children: Sequence[bytes]
    """Of a node."""
    is_named: bool
    """Whether it was seen to be what its digest says."""
    size: int


class ReadMessages:
    """What the messages of a leaf hold, by the leaf's digest and its bytes as they are stored; and the nodes above.

    Making one from MessagePack means a look at each field by Pydantic, and costs ten times as much as Python's own
    `marshal`; and bytes that were checked and decrypted once needn't be again. Each reader gets objects of its own,
    down to the last list. Leaves that hold anything but messages of LangChain's own classes with plain values aren't
    kept. At most `limit` bytes are, the newest.
    """

    def __init__(self, limit: int = 32_000_000) -> None:
        self._limit = limit
        self._parts: dict[bytes, _Part] = {}
        self._bytes = 0

    def find(self, digest: bytes, stored: bytes) -> list[Any] | None:
        """The leaf's messages, made anew; None if it wasn't noted, or with other bytes."""
        leaf = self._parts.get(digest)
        if leaf is None or leaf.messages is None or leaf.stored != stored:
            return None
        return [_again(made) for made in leaf.messages]

    def find_first(self, digests: Sequence[bytes], parts: Mapping[bytes, bytes]) -> tuple[list[Any], int]:
        """The messages of the first of these leaves, made anew, as far as they were noted; and how many leaves.

        `parts`: stored bytes by digest. Raises KeyError for one that isn't there.
        """
        messages: list[Any] = []
        for at, digest in enumerate(digests):
            leaf = self._parts.get(digest)
            if leaf is None or leaf.messages is None or leaf.stored != parts[digest]:
                return messages, at
            messages += map(_again, leaf.messages)
        return messages, len(digests)

    def note(self, digest: bytes, stored: bytes, elements: Sequence[Any], *, is_named: bool = False) -> None:
        """Remember what the elements of a leaf hold, if they are plain messages.

        `is_named`: the leaf was seen to be what its digest says, not only under this name where it was found.
        """
        messages = [made for element in elements if (made := _made_of(element)) is not None]
        if len(messages) == len(elements):
            self._keep(digest, _Part(stored, messages, (), is_named, len(stored) + sum(made.size for made in messages)))

    def children(self, digest: bytes, stored: bytes) -> Sequence[bytes] | None:
        """What the node holds; None if it wasn't noted, or with other bytes."""
        node = self._parts.get(digest)
        return None if node is None or node.messages is not None or node.stored != stored else node.children

    def note_node(self, digest: bytes, stored: bytes, children: Sequence[bytes]) -> None:
        """Remember a node that was seen to be what its digest says."""
        self._keep(digest, _Part(stored, None, children, is_named=True, size=_NODE_TAKES * len(stored)))

    def below(self, top: Sequence[bytes], depth: int) -> Mapping[bytes, bytes] | None:
        """Stored bytes by digest of the nodes and leaves of a list, if all are here and what their digests say."""
        found: dict[bytes, bytes] = {}
        level: list[bytes] = [*top]
        for _ in range(depth + 1):
            children: list[bytes] = []
            for digest in level:
                part = self._parts.get(digest)
                if part is None or not part.is_named:
                    return None
                found[digest] = part.stored
                children += part.children
            level = children
        return found

    def _keep(self, digest: bytes, part: _Part) -> None:
        if digest in self._parts:
            self._bytes -= self._parts.pop(digest).size
        self._parts[digest] = part
        self._bytes += part.size
        while self._bytes > self._limit:
            self._bytes -= self._parts.pop(next(iter(self._parts))).size


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
    extra = element.__pydantic_extra__
    mutable = {name: value for name, value in state.items() if type(value) not in ATOMS}
    full = {name: value for name, value in mutable.items() if not _is_empty(value)}
    shape = _shape(
        type(element),
        tuple(name for name in mutable if name not in full and type(mutable[name]) is list),
        tuple(name for name in mutable if name not in full and type(mutable[name]) is dict),
        frozenset(element.__pydantic_fields_set__),
    )
    parts = marshal.dumps(full, 2) if full else None
    extras = None if _is_empty(extra) else marshal.dumps(extra, 2)
    return _Made(shape, state | dict.fromkeys(mutable), parts, extras, len(held))


_shape = lru_cache(maxsize=1000)(_Shape)
"""One for all that are equal: messages that stand together in memory are made again faster."""


def _again(made: _Made) -> BaseMessage:
    """The parts of a Pydantic model's state, put where its `__setstate__` puts them. 1 µs."""
    (kind, lists, objects, fields_set), fields, parts, extra, _ = made
    state = fields.copy()
    for name in lists:
        state[name] = []
    for name in objects:
        state[name] = {}
    if parts is not None:
        state |= _loads(parts)
    message = _new(kind)
    _put(message, "__dict__", state)
    _put(message, "__pydantic_extra__", {} if extra is None else _loads(extra))
    _put(message, "__pydantic_fields_set__", set(fields_set))
    _put(message, "__pydantic_private__", None)
    return message


def _is_empty(value: Any) -> bool:
    return type(value) in {list, dict} and not value
