"""Events of a run, read from its Redis Stream."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Any

from redis.asyncio import Redis

from motet.errors import InvalidInput, NotFound
from motet.memory.ports import END, StoredEvent
from motet.memory.redis.client import answering
from motet.memory.redis.keys import Keys

BLOCK_MS = 5_000
"""One blocking read; then the run's status is looked at, so that no reader outlives its run."""

BATCH = 500
"""Events fetched in one read."""

_STREAM_ID = re.compile(r"\d{1,19}(-\d{1,19})?")


class RedisEvents:
    """`EventReader` on Redis. Each reader holds one connection of the pool while it waits."""

    def __init__(self, client: Redis, keys: Keys) -> None:
        self._client = client
        self._keys = keys

    async def read(self, thread_id: str, run_id: str, *, after: str = "0") -> AsyncIterator[StoredEvent]:
        """See `EventReader.read`. An id at or past the end of an ended run gives nothing and returns.

        Raises:
            InvalidInput: `after` is no stream id.
            NotFound: no such run, or it ended so long ago that its events are gone.
            StoreUnavailable: Redis is gone; reading can go on after the last id seen.
        """
        if not _STREAM_ID.fullmatch(after):
            raise InvalidInput("Last-Event-ID", after, "an id that an event of this run carried")
        stream = self._keys.events(thread_id, run_id)
        ended = await self._has_ended(thread_id, run_id)
        while True:
            events = await self._next(stream, after, block_ms=None if ended else BLOCK_MS)
            for event in events:
                yield event
                if event.name == END:
                    return
                after = event.event_id
            if not events and ended:
                return
            if not events:
                ended = await self._has_ended(thread_id, run_id)

    async def _has_ended(self, thread_id: str, run_id: str) -> bool:
        """Whether the run has; raises NotFound when it, or the events it left, don't exist."""
        with answering(self._client):
            async with self._client.pipeline(transaction=False) as pipe:
                pipe.hget(self._keys.run(thread_id, run_id), "status")
                pipe.exists(self._keys.events(thread_id, run_id))
                status, has_events = await pipe.execute()
        ended = status not in (b"pending", b"running")
        if status is None or (ended and not has_events):
            raise NotFound("run", run_id)
        return ended

    async def _next(self, stream: str, after: str, *, block_ms: int | None) -> list[StoredEvent]:
        with answering(self._client):
            reply: Any = await self._client.xread({stream: after}, count=BATCH, block=block_ms)
        return [
            StoredEvent(event_id=event_id.decode(), name=fields[b"name"].decode(), data=fields[b"data"])
            for _, entries in reply
            for event_id, fields in entries
        ]
