"""What tasks wrote waits a moment for the checkpoint that follows it, and travels with that: one round trip for both.

In most supersteps one task runs, and its checkpoint is put as soon as it has written. Where none follows, because
other tasks still run or the graph asks a person, what was written goes out by itself. The graph doesn't wait for it
meanwhile, and a crash before it is stored costs what one on the way to Redis does: the task runs again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from motet import failpoints
from motet.memory.redis.checkpoint_table import Place, Write

WAIT_S = 0.003


@dataclass(slots=True, eq=False)
class _Waiting:
    """What one task wrote, until it is stored."""

    writes: Sequence[Write]
    woken: asyncio.Future[None]
    """Done when it is stored, or has waited long enough."""
    over: bool = False
    """Somebody stored it, or failed to."""
    error: BaseException | None = None

    def wake(self) -> None:
        if not self.woken.done():
            self.woken.set_result(None)

    def end(self, error: BaseException | None) -> None:
        self.over, self.error = True, error
        self.wake()


class Lift:
    """Writes on their way, by place. Whoever writes to a place next takes all that wait there, in order."""

    def __init__(self, *, wait_s: float | None = None) -> None:
        """`wait_s`: so long, writes wait for a checkpoint; None: `WAIT_S`."""
        self._wait_s = WAIT_S if wait_s is None else wait_s
        self._waiting: dict[Place, list[_Waiting]] = {}

    async def send(
        self,
        place: Place,
        writes: Sequence[Write],
        turn: asyncio.Lock,
        put: Callable[[Sequence[Write]], Awaitable[None]],
    ) -> None:
        """Return once the writes are stored: by whoever took them, or after the wait by `put`, in the place's `turn`.

        Raises what storing them did.
        """
        loop = asyncio.get_running_loop()
        own = _Waiting(writes=writes, woken=loop.create_future())
        self._waiting.setdefault(place, []).append(own)
        if self._wait_s:
            due = loop.call_later(self._wait_s, own.wake)
            try:
                await own.woken
            finally:
                due.cancel()
        if not own.over:
            async with turn:
                with self.taken(place) as waiting:
                    if waiting:
                        await put(waiting)
        if own.error is not None:
            raise own.error

    @contextmanager
    def taken(self, place: Place) -> Generator[Sequence[Write]]:
        """All that waits for `place`; whose it is hears at the context's end that it is stored, or what was raised."""
        waiting = self._waiting.pop(place, [])
        error: BaseException | None = None
        try:
            if waiting:
                failpoints.reached("writes.before")
            yield [write for one in waiting for write in one.writes]
            if waiting:
                failpoints.reached("writes.after")
        except BaseException as raised:
            error = raised
            raise
        finally:
            for one in waiting:
                one.end(error)
