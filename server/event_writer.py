"""Writes a run's events to its stream, many in one round trip."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Protocol, Self

from motet.graphs.accumulating import Accumulated
from motet.graphs.coalescing import Deltas, size
from motet.graphs.events import Event, Mode, Part, RunStarted, encode
from motet.memory.ports import Claim, RunLifecycle

FLUSH_S = 0.03
"""Events gather this long before they go to Redis: one round trip for many tokens, and still fluent."""

_FIRST_S = 0.004
"""What a run's first event, which only says that it began, waits for the graph's own first one."""

_MOST = 2000
"""Events that may wait for Redis before whoever brings more waits, too."""

_MOST_BYTES = 4 << 20

_WHOLE_BYTES = 4_000
"""What a message counts that comes whole, and is encoded later."""


class Published(Protocol):
    """Hears of a write: how many events and bytes, and when it began."""

    def __call__(self, *, events: int, size: int, began_ns: int) -> None: ...


class EventWriter:
    """Keeps the order of events; the context's end writes what is left, unless `drained` took it.

    An event that comes when nothing was written for a while goes out at once, the following ones together at the end
    of each window. Deltas of one message that come in one window go out as their sum, or as the message that they
    make so far, as it was asked for. Whoever adds much waits for `room` in between. What Redis answers to a write
    (StaleClaim, StoreUnavailable) is raised by whatever is called next.
    """

    def __init__(
        self,
        runs: RunLifecycle,
        claim: Claim,
        *,
        modes: Collection[Mode] = ("messages",),
        flush_s: float = FLUSH_S,
        waited: bool = False,
        published: Published | None = None,
    ) -> None:
        """Write for `claim`.

        Args:
            runs: where to.
            claim: on whose behalf.
            modes: what was asked for: `messages` writes deltas, `messages/partial` messages as they stand.
            flush_s: length of a window in seconds; 0 writes whenever the last write is done.
            waited: nobody asked for more than the run's end, so the first events wait for a window's end, too.
            published: told of each write that Redis confirmed.
        """
        self._runs = runs
        self._claim = claim
        self._flush_s = flush_s
        self._waited = waited
        self._published = published
        self._deltas = Deltas()
        self._tells_deltas = "messages" in modes
        self._messages = Accumulated() if "messages/partial" in modes else None
        self._waiting: list[tuple[str, bytes]] = []
        self._count = 0
        """Events added that Redis hasn't confirmed."""
        self._bytes = 0
        self._begins: asyncio.TimerHandle | None = None
        """Begins the flushing after a pause; a run that ends before needs no flusher."""
        self._flushing: asyncio.Task[None] | None = None
        self._only_begun = False
        self._hurry = asyncio.Event()
        """Set when the pause that the flusher makes must end; one that hasn't begun does so at once."""
        self._written = asyncio.Event()
        self._closing = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._stop_waiting()
            if self._flushing is not None:
                self._flushing.cancel()
                await asyncio.gather(self._flushing, return_exceptions=True)
            return
        rest = await self.drained()
        if rest:
            await self._runs.append(self._claim, rest)

    def add(self, event: Event) -> None:
        """Put `event` behind those before it; one that comes after the end is left out."""
        self._raise_failure()
        if self._closing:
            return
        self._count += 1
        self._bytes += self._taken(event)
        if not self._is_written:
            self._only_begun = isinstance(event, RunStarted) and not self._waited
            self._begin_after(_FIRST_S if self._only_begun else self._flush_s if self._waited else 0)
        elif self._only_begun:
            self._begin()

    def _taken(self, event: Event) -> int:
        """Put `event` where it waits; about how many bytes it takes."""
        told = size(event)
        if isinstance(event, Part) and event.mode == "messages":
            if self._messages is not None:
                self._messages.take(event)
            if not self._tells_deltas:
                return told or _WHOLE_BYTES
        else:
            self._encode_gathered()
        if told is None or not self._deltas.take(event):
            self._encode_deltas()
            if told is None or not self._deltas.take(event):
                self._waiting.append(encode(event))
                return len(self._waiting[-1][1])
        return told

    async def room(self) -> None:
        """Return when not too much waits for Redis: at once while it keeps up."""
        self._raise_failure()
        while self._is_written and (self._count >= _MOST or self._bytes >= _MOST_BYTES):
            if self._flushing is None:
                self._begin()
            self._hurry.set()
            self._written.clear()
            await self._written.wait()
            self._raise_failure()

    async def drained(self) -> Sequence[tuple[str, bytes]]:
        """Stop writing; what is left is the caller's, to go out together with the run's end."""
        self._closing = True
        self._stop_waiting()
        self._hurry.set()
        if self._flushing is not None:
            await asyncio.wait({self._flushing})
        self._raise_failure()
        self._encode_gathered()
        rest, self._waiting = self._waiting, []
        return rest

    def _raise_failure(self) -> None:
        if self._flushing is not None and self._flushing.done():
            flushing, self._flushing = self._flushing, None
            flushing.result()

    def _encode_deltas(self) -> None:
        self._waiting += [encode(part) for part in self._deltas.joined()]

    def _encode_gathered(self) -> None:
        self._encode_deltas()
        if self._messages is not None:
            self._waiting += [encode(part) for part in self._messages.told()]

    @property
    def _is_written(self) -> bool:
        """Whether what was added is written, now or soon."""
        return self._begins is not None or self._flushing is not None

    def _begin_after(self, pause_s: float) -> None:
        if pause_s and self._flush_s:
            self._begins = asyncio.get_running_loop().call_later(min(pause_s, self._flush_s), self._begin)
        else:
            self._begin()

    def _begin(self) -> None:
        self._stop_waiting()
        self._only_begun = False
        self._flushing = asyncio.create_task(self._flush())

    def _stop_waiting(self) -> None:
        if self._begins is not None:
            self._begins.cancel()
            self._begins = None

    async def _flush(self) -> None:
        """Write until a window passes in which nothing comes."""
        while self._count and not self._closing:
            await self._write()
            await self._pause()

    async def _pause(self) -> None:
        if self._flush_s > 0 and not self._closing:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._flush_s):
                    await self._hurry.wait()
        self._hurry.clear()

    async def _write(self) -> None:
        try:
            self._encode_gathered()
            batch, self._waiting = self._waiting, []
            count, held = self._count, self._bytes
            began_ns = time.time_ns()
            await self._runs.append(self._claim, batch)
        finally:
            self._written.set()
        if self._published is not None:
            self._published(events=len(batch), size=sum(len(data) for _, data in batch), began_ns=began_ns)
        self._count -= count
        self._bytes -= held
