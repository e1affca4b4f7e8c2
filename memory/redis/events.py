"""Events of runs, read from their Redis Streams: one reader a process feeds everybody who watches a run here.

What a process has at hand of a stream's end is its `Feed`. It grows in three ways: `heard` (this process wrote the
events itself), word over pub/sub that there is something to read, and a look at every watched run now and then, because
word may be lost. Feeds that have something to read are read together, in one round trip. Each reader is a place in the
stream: at the feed's end it waits, within the feed it is served from memory, and behind it it reads Redis by itself, at
its own pace.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from types import TracebackType
from typing import Self

import orjson
from redis.asyncio import Redis

from motet.errors import NotFound, StoreUnavailable
from motet.memory.ports import END, GAP, StoredEvent
from motet.memory.redis.client import answering
from motet.memory.redis.feed import Cursor, Feed, Place, place
from motet.memory.redis.hub import STATE, WORKED, Hub, standing, stored
from motet.memory.redis.keys import Keys

_MOST = 500
"""Events fetched in one read."""

_AT_ONCE = 16
"""Readers that ask Redis at the same time, a connection each; more wait for their turn."""

_ENOUGH_BYTES = 1 << 18
"""A read that brought less is followed by a larger one, one that brought four times as much by a smaller one."""


class RedisEvents:
    """`EventReader` on Redis.

    Entered as a context, it keeps its tasks and its pub/sub connection until the context ends, and keeps runs that
    are begun in this process at hand for their first reader. Otherwise it has them only while somebody reads.
    """

    def __init__(self, client: Redis, keys: Keys, *, patience_s: float = 30) -> None:
        """`patience_s`: for so long, readers wait for a Redis that is gone."""
        self._client = client
        self._keys = keys
        self._patience_s = patience_s
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self.hub = Hub(client, keys, patience_s)
        """What is at hand of the runs that are watched."""

    async def __aenter__(self) -> Self:
        self.hub.held = True
        self.hub.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.hub.held = False
        await self.hub.stop()

    def heard(self, thread_id: str, run_id: str, events: Sequence[tuple[str, str, bytes]]) -> None:
        """What this process has written: id, name and data of events that Redis confirmed, in order.

        Its readers have them without asking Redis. Without events it says that this process begins the run. Called
        on the event loop of the readers.
        """
        told = [StoredEvent(event_id=event_id, name=name, data=data) for event_id, name, data in events]
        self.hub.heard(thread_id, run_id, told)

    async def read(self, thread_id: str, run_id: str, *, after: str = "0") -> AsyncGenerator[StoredEvent]:
        """See `EventReader.read`; one event at a time of what `batches` gives."""
        async with aclosing(self.batches(thread_id, run_id, after=after)) as batches:
            async for batch in batches:
                for event in batch:
                    yield event

    async def batches(self, thread_id: str, run_id: str, *, after: str = "0") -> AsyncGenerator[Sequence[StoredEvent]]:
        """See `EventReader.batches`. An id at or past the end of an ended run gives nothing and returns.

        A run or thread that is deleted meanwhile ends the reading. A Redis that goes away is waited for.

        Raises:
            InvalidInput: `after` is no id that an event can have.
            NotFound: no such run, or it ended so long ago that its events are gone.
            StoreUnavailable: Redis is gone; reading can go on after the last id seen.
        """
        cursor = Cursor(at=place(after), after=after)
        feed = self.hub.find(thread_id, run_id)
        if feed is None:
            has_ended, last, first = await self._open(thread_id, run_id, cursor)
            # From here on nothing is awaited before the run is watched or the reader is served.
            if has_ended:
                async with aclosing(self._replay(thread_id, run_id, cursor, first)) as batches:
                    async for batch in batches:
                        yield batch
                return
        else:
            last, first = feed.last, []
        feed = self.hub.join(thread_id, run_id, last, cursor)
        try:
            batch = first or await self._next(feed, cursor)
            while batch:
                yield _moved(cursor, batch)
                batch = [] if batch[-1].name == END else await self._next(feed, cursor)
        finally:
            await self.hub.leave(feed, cursor)

    async def _next(self, feed: Feed, cursor: Cursor) -> list[StoredEvent]:
        """What comes after the cursor, as soon as there is something; empty at the end."""
        while True:
            changed = feed.changed
            batch = feed.after(cursor.at)
            if batch is None:
                batch = await self._fetch(feed.thread_id, feed.run_id, cursor) or feed.after(feed.begins)
            if batch:
                return batch
            if feed.error is not None:
                raise feed.error
            if feed.over:
                return []
            cursor.at = max(cursor.at, feed.begins)
            await changed.wait()

    async def _replay(
        self, thread_id: str, run_id: str, cursor: Cursor, batch: list[StoredEvent]
    ) -> AsyncGenerator[Sequence[StoredEvent]]:
        """What there is of a run that has ended."""
        while batch:
            yield _moved(cursor, batch)
            batch = [] if batch[-1].name == END else await self._fetch(thread_id, run_id, cursor)

    async def _open(self, thread_id: str, run_id: str, cursor: Cursor) -> tuple[bool, Place, list[StoredEvent]]:
        """Whether the run has ended, its last event's place, and the next events. One round trip. Raises NotFound."""
        stream = self._keys.events(thread_id, run_id)
        async with self._turns:
            with answering(self._client):
                pipe = self._client.pipeline(transaction=False)
                pipe.hmget(self._keys.run(thread_id, run_id), STATE)
                pipe.exists(stream)
                pipe.xrange(stream, min=f"({cursor.at[0]}-{cursor.at[1]}", count=cursor.counts)
                fields, has_events, entries = await pipe.execute()
        status, last = standing(fields)
        has_ended = status not in WORKED
        if status is None or (has_ended and not has_events):
            raise NotFound("run", run_id)
        return has_ended, last, stored(entries)

    async def _fetch(self, thread_id: str, run_id: str, cursor: Cursor) -> list[StoredEvent]:
        """The next events from Redis itself; waits for one that is gone."""
        stream = self._keys.events(thread_id, run_id)
        loop = asyncio.get_running_loop()
        gone_at: float | None = None
        while True:
            try:
                async with self._turns:
                    with answering(self._client):
                        entries = await self._client.xrange(
                            stream, min=f"({cursor.at[0]}-{cursor.at[1]}", count=cursor.counts
                        )
                break
            except StoreUnavailable:
                gone_at = gone_at or loop.time()
                if loop.time() - gone_at >= self._patience_s:
                    raise
                await asyncio.sleep(random.uniform(0.1, 1.0))  # noqa: S311 - jitter, no secret
        events = stored(entries)
        size = sum(len(event.data) for event in events)
        if size < _ENOUGH_BYTES:
            cursor.counts = min(2 * cursor.counts, _MOST)
        elif size > 4 * _ENOUGH_BYTES:
            cursor.counts = max(cursor.counts // 4, 1)
        return events


def _moved(cursor: Cursor, batch: list[StoredEvent]) -> list[StoredEvent]:
    """Move the cursor behind the batch, which says it first if events before it are gone."""
    ms, n = place(batch[0].event_id)
    lost = n - cursor.at[1] - 1
    if lost > 0:
        told = {"after": cursor.after, "next": batch[0].event_id, "lost": lost}
        # Resuming from this id goes on with the first event there is.
        batch = [StoredEvent(event_id=f"{ms}-{n - 1}", name=GAP, data=orjson.dumps(told)), *batch]
    cursor.after = batch[-1].event_id
    cursor.at = place(cursor.after)
    return batch
