"""The feeds of all runs that somebody watches in this process, and the one task that keeps them up to date."""

from __future__ import annotations

import asyncio
import logging
import math
import random
from collections.abc import Iterator, Sequence
from typing import Any

from redis.asyncio import Redis

from motet.errors import MotetError, StoreUnavailable
from motet.memory.ports import StoredEvent
from motet.memory.redis.client import address, answering
from motet.memory.redis.feed import Cursor, Feed, Place, place
from motet.memory.redis.keys import Keys
from motet.memory.redis.news import News

logger = logging.getLogger(__name__)

_LOOK_S = 2.0
"""Between two looks at all runs: word that was lost delays an event so long."""

_POLL_S = 0.1
"""The same where word is needed and doesn't come."""

_LOOK_COST_S = 0.002
"""At least so long a pause for each run looked at: a look costs a twentieth of it."""

_TOGETHER = 200
"""Runs asked about in one round trip."""

_READ = 64
"""Events read for one run at a time; more follow at once."""

_SPARE_S = 2.0
"""A run that this process begins is kept at hand so long for a reader: its first one is on the way."""

_SPARE_BYTES = 1 << 16

_OWN_S = 5.0
"""A run whose events this process wrote a moment ago needs no word; it comes before Redis' answer."""

_OWN_WAIT_S = 0.02


class Hub:
    """Feeds by run. Its tasks live while there are feeds or while it is `held`; all on one event loop."""

    def __init__(self, client: Redis, keys: Keys, patience_s: float) -> None:
        self._client = client
        self._keys = keys
        self._patience_s = patience_s
        self._feeds: dict[tuple[str, str], Feed] = {}
        self._channels: dict[str, Feed] = {}
        self._behind: set[Feed] = set()
        """Feeds that have something to read."""
        self._stirred = asyncio.Event()
        self._news = News(client, self._told)
        self._tasks: list[asyncio.Task[None]] = []
        self.held = False
        """Whether the tasks go on without readers, and runs begun here are kept for their first one."""

    def find(self, thread_id: str, run_id: str) -> Feed | None:
        """The feed of a run, if there is one."""
        return self._feeds.get((thread_id, run_id))

    @property
    def hears(self) -> bool:
        """Whether word of new events comes; otherwise they are looked for."""
        return self._news.works

    def join(self, thread_id: str, run_id: str, last: Place, cursor: Cursor) -> Feed:
        """Watch a run whose newest event is `last`, until `leave`."""
        feed = self._feeds.get((thread_id, run_id))
        if feed is None:
            feed = self._new(thread_id, run_id, last)
        feed.cursors.add(cursor)
        if not self._is_own(feed):
            self._follow(feed)
        if feed.last < cursor.at:
            self._stir(feed)
        return feed

    async def leave(self, feed: Feed, cursor: Cursor) -> None:
        """Watch it no longer; nothing is kept of a run that nobody watches."""
        feed.cursors.discard(cursor)
        if not feed.cursors:
            self._drop(feed)
        if not self._feeds and not self.held:
            await self.stop()

    async def stop(self) -> None:
        """End the tasks."""
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def heard(self, thread_id: str, run_id: str, events: Sequence[StoredEvent]) -> None:
        """See `RedisEvents.heard`."""
        now = asyncio.get_running_loop().time()
        feed = self._feeds.get((thread_id, run_id))
        if feed is None:
            if not self.held or (events and place(events[0].event_id)[1] != 1):
                return
            feed = self._new(thread_id, run_id, (0, 0))
            feed.spare_until = now + _SPARE_S
        feed.heard_at = now
        if not feed.heard(events):
            self._stir(feed)
        if not feed.cursors and feed.size > _SPARE_BYTES:
            self._drop(feed)

    def start(self) -> None:
        """Begin the tasks, unless they work."""
        if not self._tasks:
            keeping = asyncio.create_task(self._keep())
            keeping.add_done_callback(self._kept)
            self._tasks = [keeping, asyncio.create_task(self._news.run())]

    def _new(self, thread_id: str, run_id: str, last: Place) -> Feed:
        feed = Feed(thread_id=thread_id, run_id=run_id, last=last, begins=last)
        self._feeds[thread_id, run_id] = feed
        self.start()
        return feed

    def _drop(self, feed: Feed) -> None:
        key = (feed.thread_id, feed.run_id)
        if self._feeds.get(key) is feed:
            del self._feeds[key]
        if feed.followed:
            feed.followed = False
            channel = self._keys.news(*key)
            if self._channels.get(channel) is feed:
                del self._channels[channel]
                self._news.forget(channel)
        self._behind.discard(feed)

    def _end(self, feed: Feed, error: MotetError | None = None) -> None:
        """Nothing more will come of it."""
        feed.over, feed.error = True, error
        self._drop(feed)
        feed.wake()

    def _is_own(self, feed: Feed) -> bool:
        return asyncio.get_running_loop().time() - feed.heard_at < _OWN_S

    def _follow(self, feed: Feed) -> None:
        if not feed.followed:
            feed.followed = True
            channel = self._keys.news(feed.thread_id, feed.run_id)
            self._channels[channel] = feed
            self._news.follow(channel)
            self._stirred.set()  # until word comes, it is looked at more often

    def _told(self, channel: str, message: bytes) -> None:
        feed = self._channels.get(channel)
        if feed is None or feed.over:
            return
        if self._is_own(feed):
            asyncio.get_running_loop().call_later(_OWN_WAIT_S, self._stir_before, feed, message.decode())
        else:
            self._stir_before(feed, message.decode())

    def _stir_before(self, feed: Feed, event_id: str) -> None:
        if feed.followed and (not event_id or feed.last < place(event_id)):
            self._stir(feed)

    def _stir(self, feed: Feed) -> None:
        self._behind.add(feed)
        self._stirred.set()

    async def _keep(self) -> None:
        """Read what there is to read, and look at all runs now and then, until cancelled."""
        loop = asyncio.get_running_loop()
        look_at, gone_at = loop.time() + self._pause_s(), None
        while True:
            try:
                async with asyncio.timeout_at(look_at):
                    await self._stirred.wait()
            except TimeoutError:
                pass
            self._stirred.clear()
            try:
                with answering(self._client):
                    await self._read()
                    if loop.time() >= look_at:
                        await self._look()
                        look_at = math.inf
                    look_at = min(look_at, loop.time() + self._pause_s())
                gone_at = None
            except StoreUnavailable as error:
                gone_at = gone_at or loop.time()
                if loop.time() - gone_at >= self._patience_s:
                    self._give_up(error)
                    gone_at = None
                look_at = loop.time() + random.uniform(0.1, 1.0)  # noqa: S311 - jitter, no secret
                await asyncio.sleep(look_at - loop.time())

    def _pause_s(self) -> float:
        word_is_missing = self._channels and not self._news.works
        return max(_POLL_S if word_is_missing else _LOOK_S, len(self._feeds) * _LOOK_COST_S)

    async def _read(self) -> None:
        """Read on for those that are behind."""
        while self._behind:
            feeds = list(self._behind)[:_TOGETHER]
            async with self._client.pipeline(transaction=False) as pipe:
                for feed in feeds:
                    stream = self._keys.events(feed.thread_id, feed.run_id)
                    pipe.xrange(stream, min=_after(feed.last), count=_READ)
                answers = await pipe.execute()
            for feed, answer in zip(feeds, answers, strict=True):
                if answer:
                    feed.add(stored(answer))
                if len(answer) < _READ or feed.over:
                    self._behind.discard(feed)

    async def _look(self) -> None:
        """Find what word was lost of, what ended, and what nobody wants any more."""
        now = asyncio.get_running_loop().time()
        for feed in list(self._feeds.values()):
            feed.forget_read()
            if not feed.cursors and feed.spare_until <= now:
                self._drop(feed)
        watched = [feed for feed in self._feeds.values() if feed.cursors and not feed.over]
        for feeds in _parts(watched):
            async with self._client.pipeline(transaction=False) as pipe:
                for feed in feeds:
                    pipe.hmget(self._keys.run(feed.thread_id, feed.run_id), STATE)
                answers = await pipe.execute()
            for feed, answer in zip(feeds, answers, strict=True):
                status, last = standing(answer)
                if status is None:
                    await self._last_words(feed)
                else:
                    self._seen(feed, status, last)

    async def _last_words(self, feed: Feed) -> None:
        """What a run left whose record is gone: one that was rolled back has its last event in the stream."""
        stream = self._keys.events(feed.thread_id, feed.run_id)
        while not feed.over and (left := await self._client.xrange(stream, min=_after(feed.last), count=_READ)):
            feed.add(stored(left))
        self._end(feed)

    def _seen(self, feed: Feed, status: str, last: Place) -> None:
        if feed.last != last:
            self._stir(feed)
        elif status not in WORKED:
            self._end(feed)
        if feed.cursors and not feed.over and not self._is_own(feed):
            self._follow(feed)

    def _give_up(self, error: StoreUnavailable) -> None:
        for feed in list(self._feeds.values()):
            self._end(feed, error)

    def _kept(self, task: asyncio.Task[None]) -> None:
        """Whoever reads must learn that nobody reads for him any more."""
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("events can't be read", exc_info=error)
            for other in self._tasks:
                other.cancel()
            self._tasks = []
            self._give_up(StoreUnavailable(address(self._client), str(error)))


STATE = ["status", "event_ms", "event_n"]
"""Fields of a run's hash that say how its stream stands."""

WORKED = ("pending", "running")
"""Status of a run whose stream may still grow."""


def standing(fields: Any) -> tuple[str | None, Place]:
    """Status of a run, None if it doesn't exist, and the place of its last event, from its fields `STATE`."""
    status, ms, n = fields
    return (None if status is None else status.decode()), (int(ms or 0), int(n or 0))


def stored(entries: Any) -> list[StoredEvent]:
    """Entries of a stream, as Redis gives them."""
    return [
        StoredEvent(event_id=event_id.decode(), name=fields[b"name"].decode(), data=fields[b"data"])
        for event_id, fields in entries
    ]


def _after(last: Place) -> str:
    return f"({last[0]}-{last[1]}"


def _parts(feeds: Sequence[Feed]) -> Iterator[Sequence[Feed]]:
    for start in range(0, len(feeds), _TOGETHER):
        yield feeds[start : start + _TOGETHER]
