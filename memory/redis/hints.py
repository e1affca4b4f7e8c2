"""Where workers look for work: keys of the whole tenant that say what threads already know."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

from redis.asyncio import Redis

from motet.memory.redis.keys import Keys

_TOKENS = 16
"""Wake-ups kept for workers that aren't waiting yet; who wakes for nothing looks once and waits again."""

_TOKENS_TTL_S = 60

Hint = tuple[str, str]
"""Thread id and run id."""


class Hints:
    """Which runs may start, and which haven't ended. Never the truth: that stands in each thread's own keys.

    Threads and these keys live in different slots, so no script writes both. A thread's script comes
    first and its hint second; only `expect` comes before, so that the sweeper finds every run that
    could have been accepted. A hint that is wrong is dropped by whoever follows it, and one that is
    missing is made again by the sweeper.

    No blocking call holds the only copy of a hint: workers block on a list of wake-ups, and look at the
    runs themselves in between. A wake-up that a dead connection swallows delays a run, and loses none.
    """

    def __init__(self, client: Redis, keys: Keys) -> None:
        self._client = client
        self._keys = keys

    async def expect(self, hint: Hint) -> None:
        """A run may be accepted in a moment."""
        await self._client.sadd(self._keys.active(), _member(hint))

    async def forget(self, hints: Sequence[Hint]) -> None:
        """Runs that have ended, or were not accepted."""
        await self._client.srem(self._keys.active(), *map(_member, hints))

    async def ready(self, hint: Hint, at_ms: int, *, ended: Hint | None = None) -> None:
        """A run may start since `at_ms`; earlier ones start first. `ended` made way for it."""
        wakeup, member = self._keys.wakeup(), _member(hint)
        async with self._client.pipeline(transaction=True) as pipe:
            if ended is not None:
                pipe.srem(self._keys.active(), _member(ended))
            pipe.sadd(self._keys.active(), member)
            pipe.zadd(self._keys.ready(), {member: at_ms}, nx=True)
            pipe.rpush(wakeup, "")
            pipe.ltrim(wakeup, 0, _TOKENS - 1)
            pipe.expire(wakeup, _TOKENS_TTL_S)
            await pipe.execute()

    async def pop(self) -> Hint | None:
        """Take the hint that is ready for longest, if any."""
        popped: Any = await self._client.zpopmin(self._keys.ready())
        return _hint(popped[0][0]) if popped else None

    async def wait(self, seconds: float) -> None:
        """Return when a run becomes ready, or after `seconds`."""
        await self._client.blpop([self._keys.wakeup()], timeout=max(seconds, 0.01))

    async def active(self, batch: int) -> AsyncIterator[list[Hint]]:
        """All runs that haven't ended, `batch` or so at a time."""
        cursor = 0
        while True:
            page: Any = await self._client.sscan(self._keys.active(), cursor, count=batch)
            cursor, members = page
            if members:
                yield [_hint(member) for member in members]
            if not cursor:
                return

    async def are_ready(self, hints: Sequence[Hint]) -> list[bool]:
        """Of each run, whether a worker would find it."""
        scores = await self._client.zmscore(self._keys.ready(), [_member(hint) for hint in hints])
        return [score is not None for score in scores]


def _member(hint: Hint) -> str:
    return "|".join(hint)


def _hint(member: bytes) -> Hint:
    thread_id, _, run_id = member.decode().partition("|")
    return thread_id, run_id
