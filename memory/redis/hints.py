"""Where workers look for work: keys of the whole tenant that say what threads already know."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

from redis.asyncio import Redis

from motet.memory.redis.keys import Keys
from motet.memory.redis.scripts import Call, Scripts

RECENT = 10_000
"""So many of the newest runs can be listed without naming their thread."""

_TOKENS = 16
"""Wake-ups kept for workers that aren't waiting yet; who wakes for nothing looks once and waits again."""

_TOKENS_TTL_S = 60

_OVER = 100
"""Ended runs that are told together at most; the sweep finds the others."""

_SIGNALS = 1_000
_SIGNALS_TTL_S = 60

Hint = tuple[str, str]
"""Thread id and run id."""


class Hints:
    """Which runs may start, and which haven't ended. Never the truth: that stands in each thread's own keys.

    Threads and these keys live in different slots, so no script writes both. A thread's script comes
    first and its hint second, on one connection where there is but one server; only what is expected comes
    before, so that the sweeper finds every run that could have been accepted. A hint that is wrong is dropped
    by whoever follows it, and one that is missing is made again by the sweeper.

    No blocking call holds the only copy of a hint: workers block on a list of wake-ups, and look at the
    runs themselves in between. A wake-up that a dead connection swallows delays a run, and loses none.
    """

    def __init__(self, client: Redis, keys: Keys, scripts: Scripts) -> None:
        self._client = client
        self._keys = keys
        self._scripts = scripts
        self._over: list[Hint] = []

    def over(self, hint: Hint) -> None:
        """A run has ended; told with whatever is told next. Should that never be, a sweep finds it out."""
        self._over.append(hint)
        del self._over[:-_OVER]

    def telling(self, *, expected: Hint | None = None, ready: Hint | None = None, at_ms: int | None = None) -> Call:
        """The script call that tells: a run is about to be accepted, one may start (since `at_ms`)."""
        keys = self._keys
        names = [keys.active(), keys.ready(), keys.wakeup(), keys.recent(), keys.threads()]
        over, self._over = self._over, []
        told = [_member(expected) if expected else "", _member(ready) if ready else "", "" if at_ms is None else at_ms]
        return ("hint", names, [*told, _TOKENS, _TOKENS_TTL_S, RECENT, *map(_member, over)])

    async def tell(self, **told: Any) -> None:
        """Tell by itself what `telling` takes. One round trip."""
        name, keys, args = self.telling(**told)
        await self._scripts.run(name, keys=keys, args=args)

    async def retract(self, hint: Hint) -> None:
        """A run that was expected wasn't accepted."""
        async with self._client.pipeline(transaction=True) as pipe:
            for key in (self._keys.ready(), self._keys.recent()):
                pipe.zrem(key, _member(hint))
            pipe.srem(self._keys.active(), _member(hint))
            await pipe.execute()

    async def forget(self, hints: Sequence[Hint]) -> None:
        """Runs that have ended."""
        await self._client.srem(self._keys.active(), *map(_member, hints))

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

    async def recent(self, offset: int, count: int) -> list[Hint]:
        """`count` of the newest runs, newest first; of some the record may be gone."""
        members: Any = await self._client.zrevrange(self._keys.recent(), offset, offset + count - 1)
        return [_hint(member) for member in members]

    async def are_ready(self, hints: Sequence[Hint]) -> list[bool]:
        """Of each run, whether a worker would find it."""
        scores = await self._client.zmscore(self._keys.ready(), [_member(hint) for hint in hints])
        return [score is not None for score in scores]

    async def depth(self) -> tuple[int, int]:
        """How many runs may start, and how many haven't ended."""
        async with self._client.pipeline(transaction=False) as pipe:
            pipe.zcard(self._keys.ready())
            pipe.scard(self._keys.active())
            ready, unfinished = await pipe.execute()
        return ready, unfinished

    async def signal(self, hint: Hint) -> None:
        """Tell whoever holds the run to beat now."""
        signals = self._keys.signals()
        async with self._client.pipeline(transaction=True) as pipe:
            pipe.xadd(signals, {"run": hint[1]}, maxlen=_SIGNALS, approximate=True)
            pipe.expire(signals, _SIGNALS_TTL_S)
            await pipe.execute()

    async def signalled(self, after: str, wait_s: float) -> tuple[str, list[str]]:
        """The last signal's id, and the runs signalled since the signal `after`, as they come.

        "$" doesn't wait: it says where to go on from, for what is told between two looks after "$" would be lost.
        """
        if after == "$":
            newest: Any = await self._client.xrevrange(self._keys.signals(), count=1)
            return (newest[0][0].decode() if newest else "0"), []
        reply: Any = await self._client.xread({self._keys.signals(): after}, block=max(round(wait_s * 1000), 1))
        entries = reply[0][1] if reply else []
        return (entries[-1][0].decode() if entries else after), [fields[b"run"].decode() for _, fields in entries]


def _member(hint: Hint) -> str:
    return "|".join(hint)


def _hint(member: bytes) -> Hint:
    thread_id, _, run_id = member.decode().partition("|")
    return thread_id, run_id
