"""Word that a stream has grown: one blocking read a process, for all who wait there."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from redis.asyncio import Redis

from motet.errors import StoreUnavailable
from motet.memory.redis.client import answering

logger = logging.getLogger(__name__)

_SLICE_S = 5
"""A blocking read ends after so long, and is begun again."""

_LOOK_S = 2.0
"""Who waits looks by himself so often: word may be lost."""


class Arrivals:
    """Reads while somebody waits; all on one event loop. Its connection is the pool's, and nobody else's meanwhile."""

    def __init__(self, client: Redis, stream: str) -> None:
        self._client = client
        self._stream = stream
        self._waiting = 0
        self._task: asyncio.Task[None] | None = None
        self.changed = asyncio.Event()
        """Set once, at the next arrival; then there is a new one. Take it before looking, and wait after."""

    @asynccontextmanager
    async def watched(self) -> AsyncGenerator[None]:
        """Arrivals are told for as long as the context lasts."""
        self._waiting += 1
        if self._task is None:
            self._task = asyncio.create_task(self._watch())
        try:
            yield
        finally:
            self._waiting -= 1
            if not self._waiting:
                task, self._task = self._task, None
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    async def wait(self, changed: asyncio.Event) -> None:
        """Return at an arrival since `changed` was taken, or after a moment."""
        try:
            async with asyncio.timeout(_LOOK_S):
                await changed.wait()
        except TimeoutError:
            pass

    async def _watch(self) -> None:
        last = ""
        while True:
            try:
                with answering(self._client):
                    last = await self._next(last)
            except StoreUnavailable as error:
                last = ""
                logger.debug("word of arrivals is cut off: %s", error)
                await asyncio.sleep(random.uniform(0.1, 1.0))  # noqa: S311 - jitter, no secret

    async def _next(self, last: str) -> str:
        """The stream's last id, once it isn't `last`, or after a while; '' stands for one that isn't known."""
        if not last:
            newest: Any = await self._client.xrevrange(self._stream, count=1)
            last = newest[0][0].decode() if newest else "0-0"
            # What came before it may have come after somebody looked.
            self._tell()
            return last
        reply: Any = await self._client.xread({self._stream: last}, block=_SLICE_S * 1000)
        if reply:
            last = reply[0][1][-1][0].decode()
            self._tell()
        return last

    def _tell(self) -> None:
        changed, self.changed = self.changed, asyncio.Event()
        changed.set()
