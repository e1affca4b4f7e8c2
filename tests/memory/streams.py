"""A run's stream without a worker: written with the script that workers write with."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from uuid import uuid4

from redis.asyncio import Redis

from motet.memory.ports import END, StoredEvent
from motet.memory.redis.events import RedisEvents
from motet.memory.redis.keys import Keys
from motet.memory.redis.scripts import Scripts


class Stream:
    """One run's events."""

    def __init__(self, redis: Redis, keys: Keys) -> None:
        self.redis = redis
        self.keys = keys
        self.thread_id, self.run_id = str(uuid4()), str(uuid4())
        self.name = keys.events(self.thread_id, self.run_id)
        self.record = keys.run(self.thread_id, self.run_id)

    async def begin(self) -> Stream:
        """Make what the events belong to: a thread, its epoch and a run that is worked."""
        await self.redis.hset(self.keys.thread(self.thread_id), "status", "busy")
        await self.redis.set(self.keys.epoch(self.thread_id), "1")
        await self.redis.hset(self.record, "status", "running")
        return self

    async def add(self, *datas: bytes, name: str = "e", kept: int = 10_000, epoch: int = 1) -> list[str]:
        """Write events; their ids. Empty when the epoch is refused."""
        pairs = [part for data in datas for part in (name, data)]
        channel = self.keys.news(self.thread_id, self.run_id)
        names = [self.name, self.keys.epoch(self.thread_id), self.record]
        ids = await Scripts(self.redis).run("run_append", keys=names, args=[epoch, kept, channel, *pairs])
        return [event_id.decode() for event_id in ids or []]

    async def end(self) -> str:
        """Write the last event and mark the run as over; the event's id."""
        (event_id,) = await self.add(b'{"status":"success"}', name=END)
        await self.redis.hset(self.record, "status", "success")
        return event_id

    async def trim(self, left: int) -> None:
        """Leave only the newest events."""
        await self.redis.xtrim(self.name, maxlen=left, approximate=False)

    async def delete(self) -> None:
        """Forget the run, as a deleted thread does."""
        await self.redis.delete(self.name, self.record)

    async def read(self, events: RedisEvents, *, after: str = "0") -> list[StoredEvent]:
        """All its events up to its end."""
        return [event async for event in events.read(self.thread_id, self.run_id, after=after)]

    def batches(self, events: RedisEvents) -> AsyncGenerator[Sequence[StoredEvent]]:
        """Its events as they come."""
        return events.batches(self.thread_id, self.run_id)

    def watched_by(self, events: RedisEvents) -> int:
        """How many readers there have it in sight."""
        feed = events.hub.find(self.thread_id, self.run_id)
        return len(feed.cursors) if feed else 0

    def held_by(self, events: RedisEvents) -> int:
        """Bytes of it that are held in memory there."""
        feed = events.hub.find(self.thread_id, self.run_id)
        return feed.size if feed else 0


def counted(events: Sequence[StoredEvent]) -> list[int]:
    """The number in each event's id."""
    return [int(event.event_id.partition("-")[2]) for event in events]
