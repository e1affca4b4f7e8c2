"""Parallel branches end in the order in which they ended then: what streams and errors say depends on it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime

from motet.observability.trajectory.records import Call, ModelCalled, NodeFinished
from motet.observability.trajectory.replay.recorded import Recorded, began_s, kind_of

Turn = tuple[str, str, int, int]
"""Path, kind (or `node`), number of the call, and which piece of its answer; -1 for the end."""

IDLE_S = 0.05
"""When nothing came through for so long, whoever waits and comes first in the record may go on: what it waits for is
something that this run won't do."""


class Gate:
    """Lets whoever comes to it through in the recorded order; what the record doesn't know passes at once."""

    def __init__(self, recorded: Recorded) -> None:
        self._order = list(_turns(recorded))
        self._place = {turn: place for place, turn in enumerate(self._order)}
        self._next = 0
        self._passed: set[int] = set()
        self._waiting: dict[int, asyncio.Future[None]] = {}
        self._loop = asyncio.get_running_loop()
        self._idle: asyncio.TimerHandle | None = None

    async def turn(self, turn: Turn) -> None:
        """Return when everything before `turn` has gone through."""
        place = self._place.get(turn)
        if place is None or place in self._passed:
            return
        if place != self._next:
            waiting = self._waiting[place] = self._loop.create_future()
            self._restart()
            try:
                await waiting
            finally:
                self._waiting.pop(place, None)
        self._passed.add(place)
        self._move()

    def turn_blocking(self, turn: Turn) -> None:
        """The same for a thread that isn't the loop's; on the loop's own nobody may wait, and it passes at once."""
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            asyncio.run_coroutine_threadsafe(self.turn(turn), self._loop).result()

    def close(self) -> None:
        """Nobody waits any longer."""
        if self._idle is not None:
            self._idle.cancel()
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_result(None)

    def _move(self) -> None:
        while self._next in self._passed:
            self._next += 1
        self._let(self._next)
        self._restart()

    def _let(self, place: int) -> None:
        waiting = self._waiting.get(place)
        if waiting is not None and not waiting.done():
            waiting.set_result(None)

    def _restart(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
        self._idle = self._loop.call_later(IDLE_S, self._stuck) if self._waiting else None

    def _stuck(self) -> None:
        if self._waiting:
            first = min(self._waiting)
            self._passed.update(range(self._next, first))
            self._next = first
            self._let(first)


def _turns(recorded: Recorded) -> Sequence[Turn]:
    """Everything that had an end, in that order, with the pieces of streamed answers between.

    A task's last call ends just before the task does: what a task tells after it (its own messages) comes then, too.
    """
    ended = sorted(recorded.ends(), key=lambda one: (one.attempt, one.index))
    finished = {one.path for one in ended if isinstance(one, NodeFinished)}
    last = {one.path: one for one in ended if not isinstance(one, NodeFinished) and one.path in finished}
    turns: list[tuple[float, int, Turn]] = []
    latest = 0.0
    for record in ended:
        # The order of records is exact, that of their clocks isn't.
        latest = max(latest, _ended_s(record))
        if isinstance(record, ModelCalled):
            began = began_s(record)
            for position, after_s in enumerate(record.chunks_after_s):
                at = min(latest, began + after_s)
                turns.append((at, len(turns), (record.path, "model", record.call, position)))
        if not isinstance(record, NodeFinished):
            ends = [] if last.get(record.path) is record else [_end(record)]
        elif record.path in last:
            ends = [_end(last[record.path]), (record.path, "node", 0, -1)]
        else:
            ends = [(record.path, "node", 0, -1)]
        turns += [(latest, len(turns) + n, one) for n, one in enumerate(ends)]
    return [turn for _, _, turn in sorted(turns)]


def _end(call: Call) -> Turn:
    return call.path, kind_of(call), call.call, -1


def _ended_s(record: Call | NodeFinished) -> float:
    if isinstance(record, NodeFinished):
        return datetime.fromisoformat(record.at).timestamp()
    return began_s(record) + record.duration_s
