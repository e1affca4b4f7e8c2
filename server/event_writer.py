"""Writes a run's events to its stream, many in one round trip."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self

from motet.graphs.events import Event, encode
from motet.memory.ports import Claim, RunLifecycle

FLUSH_S = 0.03
"""Events gather this long before they go to Redis: one round trip for many tokens, and still fluent."""


class EventWriter:
    """Keeps the order of events; the context's end writes what is left.

    What Redis answers to a write (StaleClaim, StoreUnavailable) is raised by the next `add` or by the end.
    """

    def __init__(self, runs: RunLifecycle, claim: Claim) -> None:
        self._runs = runs
        self._claim = claim
        self._waiting: list[tuple[str, bytes]] = []
        self._flushing: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._flushing is not None:
            if error is not None:
                self._flushing.cancel()
                await asyncio.gather(self._flushing, return_exceptions=True)
                return
            await self._flushing
        if error is None and self._waiting:
            await self._write()

    def add(self, event: Event) -> None:
        """Put `event` behind those before it; written within `FLUSH_S` seconds."""
        if self._flushing is not None and self._flushing.done():
            self._flushing.result()
            self._flushing = None
        self._waiting.append(encode(event))
        if self._flushing is None:
            self._flushing = asyncio.create_task(self._flush_soon())

    async def _flush_soon(self) -> None:
        await asyncio.sleep(FLUSH_S)
        while self._waiting:
            await self._write()

    async def _write(self) -> None:
        batch, self._waiting = self._waiting, []
        await self._runs.append(self._claim, batch)
