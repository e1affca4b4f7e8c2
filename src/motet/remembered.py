"""What became of things, by what they held: the newest of it, up to a number of bytes."""

from __future__ import annotations

from typing import Generic, TypeVar

T = TypeVar("T")


def fitted(told: bytes) -> bytes:
    """A copy that takes as much memory as it has bytes: what `orjson` returns takes 4 kB and more, however short."""
    return bytes(memoryview(told))


class Remembered(Generic[T]):
    """What became of things; at most `limit` bytes, the newest."""

    def __init__(self, limit: int = 16_000_000) -> None:
        self._limit = limit
        self._known: dict[bytes, tuple[T, int]] = {}
        self._bytes = 0

    def find(self, held: bytes) -> T | None:
        """What became of a thing that held so much; None if it isn't known."""
        found = self._known.get(held)
        return None if found is None else found[0]

    def note(self, held: bytes, became: T, size: int = 0) -> None:
        """Remember what a thing that holds `held` became, which takes `size` bytes beside that."""
        before = self._known.pop(held, None)
        self._bytes += len(held) + size - (0 if before is None else before[1])
        self._known[held] = became, len(held) + size
        while self._bytes > self._limit:
            self._bytes -= self._known.pop(next(iter(self._known)))[1]
