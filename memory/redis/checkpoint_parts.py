"""What stored lists are made of: leaves of serialised elements, and nodes of digests."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from hashlib import blake2b
from typing import NamedTuple, cast

FANOUT = 16
"""Digests a node holds."""

LEAF_BYTES = 256
"""A leaf ends with the element that makes it at least so long."""

DIGEST_BYTES = 16

LEAF, NODE, SEALED = b"\0", b"\1", b"\2"
"""First byte of a stored part: elements, digests, or encrypted elements."""


class Part(NamedTuple):
    """A leaf or a node, named by its content."""

    kind: bytes
    content: bytes
    digest: bytes


Item = Part | bytes
"""A serialised element: a leaf of its own if it is long enough, else its bytes."""


def part_of(kind: bytes, content: bytes, key: bytes) -> Part:
    """`key`: of the hash, where the content is encrypted; else empty."""
    return Part(kind, content, blake2b(content, digest_size=DIGEST_BYTES, key=key, person=kind).digest())


def item_of(data: bytes, key: bytes) -> Item:
    """An element's serialised bytes as an item; `key` as in `part_of`."""
    return part_of(LEAF, data, key) if len(data) >= LEAF_BYTES else data


def leaves(items: Sequence[Item], key: bytes) -> list[Part]:
    """Consecutive elements, of together at least `LEAF_BYTES` but for the last."""
    if set(map(type, items)) == {Part}:
        return cast("list[Part]", list(items))
    return list(_gathered(items, key))


def _gathered(items: Sequence[Item], key: bytes) -> Iterator[Part]:
    gathered: list[bytes] = []
    size = 0
    for item in items:
        if isinstance(item, Part) and not gathered:
            yield item
            continue
        data = item.content if isinstance(item, Part) else item
        gathered.append(data)
        size += len(data)
        if size >= LEAF_BYTES:
            yield part_of(LEAF, b"".join(gathered), key)
            gathered, size = [], 0
    if gathered:
        yield part_of(LEAF, b"".join(gathered), key)


def tree(level: list[Part], key: bytes) -> tuple[int, list[Part], list[Part]]:
    """Nodes over `level` until at most `FANOUT` are on top: the depth, the top, and all parts with the leaves."""
    parts = list(level)
    depth = 0
    while len(level) > FANOUT:
        digests = [part.digest for part in level]
        level = [part_of(NODE, b"".join(digests[at : at + FANOUT]), key) for at in range(0, len(digests), FANOUT)]
        parts += level
        depth += 1
    return depth, level, parts


def digests_in(text: bytes) -> list[bytes]:
    """The digests that a node or a top holds."""
    return [text[at : at + DIGEST_BYTES] for at in range(0, len(text), DIGEST_BYTES)]


def edge(parts: Mapping[bytes, bytes], top: Sequence[bytes], depth: int) -> list[bytes]:
    """The top of a stored list and, on each level, the last node's children: at most `FANOUT` a level.

    All parts that a list has in common with one that it grew from are among these of the shorter, or below them.
    """
    digests = list(top)
    level = top
    for _ in range(depth):
        level = digests_in(b"".join(parts[last][1:] for last in level[-1:]))
        digests += level
    return digests
