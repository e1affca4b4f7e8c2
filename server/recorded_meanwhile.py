"""What a run did is written while it works, not only when something comes to its end: who follows it sees it soon."""

from __future__ import annotations

import asyncio
from types import TracebackType

from motet.observability.trajectory.record import Recorder
from motet.observability.trajectory.sink import TrajectorySink

LOOK_S = 1.0
"""Between two looks at whether records wait."""


class RecordedMeanwhile:
    """While its context is open, records that wait are written about a second after they were made.

    A run that ends sooner pays for one timer; a longer one for one more each second, and for one round trip where a
    record waits: at most one a second, and none while nothing happens. Who recorded doesn't wait for it.
    """

    def __init__(self, recorder: Recorder, sink: TrajectorySink) -> None:
        self._recorder = recorder
        self._sink = sink
        self._timer: asyncio.TimerHandle | None = None
        self._writing: asyncio.Task[None] | None = None

    async def __aenter__(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(LOOK_S, self._look)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # What is being written is left to itself: broken off, it might be there and be written again. Whoever flushes
        # next waits for it.
        if self._timer is not None:
            self._timer.cancel()

    def _look(self) -> None:
        if self._recorder.waits and (self._writing is None or self._writing.done()):
            self._writing = asyncio.create_task(self._recorder.flush(self._sink))
        self._timer = asyncio.get_running_loop().call_later(LOOK_S, self._look)
