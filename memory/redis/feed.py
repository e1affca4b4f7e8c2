"""What a process has at hand of one run's events: the newest ones, for all who read them here."""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from motet.errors import InvalidInput, MotetError
from motet.memory.ports import END, StoredEvent

Place = tuple[int, int]
"""An event's id as numbers. They grow along the stream, even where Redis lost its last second and counts again."""

KEPT = 512
"""Events kept at hand for one run."""

KEPT_BYTES = 1 << 20
"""Bytes of data kept at hand for one run."""

HANDED = 100
"""Events handed to a reader at a time."""

_PLACE = re.compile(r"(\d{1,19})-(\d{1,19})")


def place(event_id: str) -> Place:
    """Where an id stands; `0` stands before all events. Raises InvalidInput for what no event carried."""
    if event_id == "0":
        return (0, 0)
    if found := _PLACE.fullmatch(event_id):
        return int(found[1]), int(found[2])
    raise InvalidInput("Last-Event-ID", event_id, "an id that an event of this run carried")


@dataclass(slots=True, eq=False)
class Cursor:
    """How far one reader is."""

    at: Place
    after: str
    """The id of the last event it has, as it stands on the wire."""
    counts: int = 32
    """Events asked for at its next read from Redis."""


@dataclass(slots=True, eq=False)
class Feed:
    """The end of one run's stream. Grows in order only; who finds his place gone reads Redis instead."""

    thread_id: str
    run_id: str
    last: Place
    """Of the newest event known."""
    begins: Place
    """The event before the first one at hand."""
    spare_until: float = 0.0
    """Kept until then, in the loop's time, though nobody reads."""
    heard_at: float = float("-inf")
    """When this process itself wrote the last event, in the loop's time."""
    followed: bool = False
    over: bool = False
    """Nothing will come any more: the last event is here, or the run is gone."""
    error: MotetError | None = None
    cursors: set[Cursor] = field(default_factory=set[Cursor])
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once, at the next change; then there is a new one."""
    _kept: deque[tuple[Place, StoredEvent]] = field(default_factory=deque[tuple[Place, StoredEvent]])
    size: int = 0
    """Bytes of data at hand."""

    def add(self, events: Iterable[StoredEvent]) -> None:
        """Put those behind the newest, as Redis has them, at the end; wakes the readers."""
        self.forget_read()
        for event in events:
            at = place(event.event_id)
            if at <= self.last:
                continue
            if at[1] > self.last[1] + 1:
                self._begin_before(at)
            self._kept.append((at, event))
            self.size += len(event.data)
            self.last = at
            self.over = self.over or event.name == END
        while len(self._kept) > KEPT or (self.size > KEPT_BYTES and len(self._kept) > 1):
            self._drop_first()
        self.wake()

    def heard(self, events: Sequence[StoredEvent]) -> bool:
        """Take events that this process wrote; False if some between them and the newest are missing here."""
        new = [event for event in events if place(event.event_id) > self.last]
        if new and place(new[0].event_id)[1] != self.last[1] + 1:
            return False
        if new:
            self.add(new)
        return True

    def after(self, at: Place) -> list[StoredEvent] | None:
        """The next events at hand, `HANDED` at most; None if the place isn't at hand any more."""
        if at < self.begins:
            return None
        found: list[StoredEvent] = []
        for event_at, event in reversed(self._kept):
            if event_at <= at:
                break
            found.append(event)
        return found[: -HANDED - 1 : -1]

    def forget_read(self) -> None:
        """Drop what every reader has; all is kept for the reader who is expected."""
        if self.cursors:
            slowest = min(cursor.at for cursor in self.cursors)
            while self._kept and self._kept[0][0] <= slowest:
                self._drop_first()

    def wake(self) -> None:
        """Let every reader look again."""
        changed, self.changed = self.changed, asyncio.Event()
        changed.set()

    def _begin_before(self, at: Place) -> None:
        """What lies between is gone from Redis, too: who isn't here yet must look there to learn how much."""
        self._kept.clear()
        self.size = 0
        self.begins = (at[0], at[1] - 1)

    def _drop_first(self) -> None:
        self.begins, event = self._kept.popleft()
        self.size -= len(event.data)
