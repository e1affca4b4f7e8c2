"""What stored lists are made of: leaves of serialised elements, and nodes of digests."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from hashlib import blake2b

FANOUT = 16
"""Digests a node holds."""

LEAF_BYTES = 256
"""A leaf ends with the element that makes it at least so long."""

DIGEST_BYTES = 16

LEAF, NODE, SEALED = b"\0", b"\1", b"\2"
"""First byte of a stored part: elements, digests, or encrypted elements."""


class Part:
    """A leaf or a node, named by its content."""

    __slots__ = ("content", "digest", "kind")

    def __init__(self, kind: bytes, content: bytes, digest: bytes) -> None:
        self.kind = kind
        self.content = content
        self.digest = digest

    @classmethod
    def of(cls, kind: bytes, content: bytes, key: bytes) -> Part:
        """`key`: of the hash, where the content is encrypted; else empty."""
        return cls(kind, content, blake2b(content, digest_size=DIGEST_BYTES, key=key, person=kind).digest())


class Item:
    """A serialised element, with the leaf that it is if it is long enough to be one of its own."""

    __slots__ = ("data", "leaf")

    def __init__(self, data: bytes, key: bytes) -> None:
        self.data = data
        self.leaf = Part.of(LEAF, data, key) if len(data) >= LEAF_BYTES else None

    @classmethod
    def stored(cls, leaf: Part) -> Item:
        """The element that is the whole of a stored leaf."""
        item = cls.__new__(cls)
        item.data = leaf.content
        item.leaf = leaf
        return item


def leaves(items: Sequence[Item], key: bytes) -> Iterator[Part]:
    """Consecutive elements, of together at least `LEAF_BYTES` but for the last."""
    gathered: list[bytes] = []
    size = 0
    for item in items:
        if item.leaf is not None and not gathered:
            yield item.leaf
            continue
        gathered.append(item.data)
        size += len(item.data)
        if size >= LEAF_BYTES:
            yield Part.of(LEAF, b"".join(gathered), key)
            gathered, size = [], 0
    if gathered:
        yield Part.of(LEAF, b"".join(gathered), key)


def tree(level: list[Part], key: bytes) -> tuple[int, list[Part], list[Part]]:
    """Nodes over `level` until at most `FANOUT` are on top: the depth, the top, and all parts with the leaves."""
    parts = list(level)
    depth = 0
    while len(level) > FANOUT:
        digests = [part.digest for part in level]
        level = [Part.of(NODE, b"".join(digests[at : at + FANOUT]), key) for at in range(0, len(digests), FANOUT)]
        parts += level
        depth += 1
    return depth, level, parts


def digests_in(text: bytes) -> Iterator[bytes]:
    """The digests that a node or a top holds."""
    return (text[at : at + DIGEST_BYTES] for at in range(0, len(text), DIGEST_BYTES))
