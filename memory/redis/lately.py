"""What a process remembers of a server, bounded: the least recently used keys are forgotten first."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Iterable
from collections.abc import Set as AbstractSet
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V", bound=Hashable)


class Lately(Generic[K, V]):
    """Sets of values by key, of together at most `limit` values. What is forgotten costs a round trip, nothing else.

    A key without values takes no memory.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._sets: OrderedDict[K, set[V]] = OrderedDict()
        self._count = 0

    def of(self, key: K) -> AbstractSet[V]:
        """The values of `key`; not to be changed."""
        found = self._sets.get(key)
        if found is None:
            return frozenset()
        self._sets.move_to_end(key)
        return found

    def add(self, key: K, values: Iterable[V]) -> None:
        found = self._sets.get(key, set())
        before = len(found)
        found.update(values)
        if not found:
            return
        self._count += len(found) - before
        self._sets[key] = found
        self._sets.move_to_end(key)
        while self._count > self._limit:
            self.forget(next(iter(self._sets)))

    def discard(self, key: K, value: V) -> None:
        found = self._sets.get(key)
        if found and value in found:
            found.remove(value)
            self._count -= 1
            if not found:
                del self._sets[key]

    def forget(self, key: K) -> None:
        """All values of `key`."""
        self._count -= len(self._sets.pop(key, ()))
