"""A process' copy of a store's vectors, brought up to date before each search, and the exact search over it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from motet.errors import InvalidConfig
from motet.memory.redis.scripts import Scripts
from motet.memory.search import Vector, unit

_PAGE = 500
_DIGITS = 13
"""Hexadecimal digits of each of the two numbers that make an id."""
_SLOW = 20_000
"""Vectors whose comparison takes some milliseconds: longer than an event loop should stand still."""
_FREE = -1

Numbers = NDArray[np.int64]


def packed(namespace: bytes, vectors: Sequence[Sequence[float]], dims: int) -> bytes:
    """An item's vectors as they are stored: dimensions, the namespace's length, the namespace; of length 1, as float32.

    Raises:
        InvalidConfig: a vector isn't `dims` finite numbers.
    """
    rows = unit(np.stack([_checked(vector, dims) for vector in vectors])).astype("<f4")
    return b"%d %d %s" % (dims, len(namespace), namespace) + rows.tobytes()


def checked_query(vector: Sequence[float], dims: int) -> Vector:
    """A query's vector with length 1. Raises InvalidConfig as `packed` does."""
    return unit(_checked(vector, dims))


def _checked(vector: Sequence[float], dims: int) -> Vector:
    row = np.asarray(vector, dtype=np.float32)
    if row.shape != (dims,) or not np.isfinite(row).all():
        raise InvalidConfig("index", f"embed must give {dims} finite numbers (dims) for a text; it gave {row.shape}")
    return row


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranking:
    """How near the items under a prefix are to a query; an item with several vectors counts by the nearest."""

    scores: Vector
    spaces: Numbers
    numbers: Numbers

    def best(self, count: int) -> list[tuple[bytes, float]]:
        """Ids with their cosines, nearest first; of equals the older first. The first of more are the same."""
        wanted = count
        while True:
            places = self._nearest(wanted)
            found: dict[bytes, float] = {}
            for place in places:
                found.setdefault(_id(int(self.spaces[place]), int(self.numbers[place])), float(self.scores[place]))
            if len(found) >= count or len(places) == len(self.scores):
                return list(found.items())[:count]
            wanted *= 4

    def ids(self) -> set[bytes]:
        """The ids of all items that have a vector here."""
        return {_id(space, number) for space, number in zip(self.spaces.tolist(), self.numbers.tolist(), strict=True)}

    def _nearest(self, count: int) -> Numbers:
        if count < len(self.scores):
            worst = np.partition(self.scores, -count)[-count]
            places = np.flatnonzero(self.scores >= worst)
        else:
            places = np.arange(len(self.scores))
        return places[np.lexsort((self.numbers[places], self.spaces[places], -self.scores[places]))]


class StoreVectors:
    """The vectors of one store that this process has seen, at most one search behind.

    Takes dims x 4 + 16 bytes a vector, and up to half as much again when it has grown: 154 to 231 MB for 100,000
    vectors of 384. Nothing is held before the first search. What is removed leaves room for what comes.
    """

    def __init__(self, scripts: Scripts, keys: Sequence[str], dims: int) -> None:
        """`keys`: those of `store_changes.lua`."""
        self._scripts = scripts
        self._keys = keys
        self._dims = dims
        self._lock = asyncio.Lock()
        self._seen: tuple[bytes, bytes, bytes] = (b"", b"-1", b"0")
        self._forget()

    @property
    def held(self) -> int:
        """How many vectors there are here."""
        return self._used - len(self._free)

    async def rank(self, prefix: bytes, query: Vector) -> Ranking:
        """Compare `query`, of length 1, with each vector under `prefix` that is stored now.

        One round trip, and one more for each 500 items that changed since the last search.
        """
        async with self._lock:
            while await self._follow():
                pass
            if self._used <= _SLOW:
                return self._compare(prefix, query)
            return await asyncio.to_thread(self._compare, prefix, query)

    async def _follow(self) -> bool:
        """Take a page of changes; whether there may be more."""
        args = [*self._seen, _PAGE]
        stranger, born, last, removed, page = await self._scripts.read("store_changes", keys=self._keys, args=args)
        if stranger:
            self._forget()
        for id in removed:
            self._remove(id)
        self._take(page)
        self._seen = (born, last, page[-2] if page else b"0" if stranger else self._seen[2])
        return len(page) == 3 * _PAGE

    def _forget(self) -> None:
        self._rows: Vector = np.empty((0, self._dims), np.float32)
        self._spaces: Numbers = np.empty(0, np.int64)
        self._numbers: Numbers = np.empty(0, np.int64)
        self._used = 0
        self._free: list[int] = []
        self._places: dict[bytes, list[int]] = {}
        self._namespaces: dict[int, tuple[bytes, int]] = {}

    def _take(self, page: Sequence[Any]) -> None:
        places: list[int] = []
        stored: list[bytes] = []
        for id, blob in zip(page[::3], page[2::3], strict=True):
            self._remove(id)
            dims, length, rest = blob.split(b" ", 2)
            if int(dims) == self._dims:  # else another configuration wrote it: no vector to this one
                stored.append(rest[int(length) :])
                places += self._add(id, rest[: int(length)], len(stored[-1]) // (4 * self._dims))
        self._rows[places] = np.frombuffer(b"".join(stored), "<f4").reshape(-1, self._dims)

    def _add(self, id: bytes, namespace: bytes, count: int) -> list[int]:
        """Room for an item's vectors."""
        space, number = _numbers(id)
        places = [self._place() for _ in range(count)]
        for place in places:
            self._spaces[place], self._numbers[place] = space, number
        self._places[id] = places
        self._namespaces[space] = (namespace, self._namespaces.get(space, (b"", 0))[1] + 1)
        return places

    def _remove(self, id: bytes) -> None:
        places = self._places.pop(id, None)
        if places is None:
            return
        space, _ = _numbers(id)
        self._spaces[places] = _FREE
        self._free += places
        namespace, items = self._namespaces.pop(space)
        if items > 1:
            self._namespaces[space] = (namespace, items - 1)

    def _place(self) -> int:
        if self._free:
            return self._free.pop()
        if self._used == len(self._spaces):
            room = max(64, self._used // 2)
            self._rows = np.concatenate((self._rows, np.empty((room, self._dims), np.float32)))
            self._spaces = np.concatenate((self._spaces, np.full(room, _FREE, np.int64)))
            self._numbers = np.concatenate((self._numbers, np.empty(room, np.int64)))
        self._used += 1
        return self._used - 1

    def _compare(self, prefix: bytes, query: Vector) -> Ranking:
        spaces = self._spaces[: self._used]
        asked = np.fromiter(self._under(prefix), np.int64)
        places = np.flatnonzero(np.isin(spaces, asked))
        # All rows at once is quicker than a copy of most of them. Not `@`: see motet.memory.search.
        most = len(places) * 4 > self._used
        scores = np.vecdot(self._rows[: self._used], query)[places] if most else np.vecdot(self._rows[places], query)
        return Ranking(scores=scores, spaces=spaces[places], numbers=self._numbers[places])

    def _under(self, prefix: bytes) -> Iterator[int]:
        return (space for space, (namespace, _) in self._namespaces.items() if namespace.startswith(prefix))


def _id(space: int, number: int) -> bytes:
    return b"%013x%013x" % (space, number)


def _numbers(id: bytes) -> tuple[int, int]:
    return int(id[:_DIGITS], 16), int(id[_DIGITS:], 16)
