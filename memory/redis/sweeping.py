"""The walk over all runs that haven't ended: no accepted run is lost, whoever dies and whatever hint with them."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Sequence

from redis.asyncio import Redis

from motet.memory.ports import END
from motet.memory.redis.hints import Hint, Hints
from motet.memory.redis.keys import Keys
from motet.memory.redis.opening_approvals import Clock
from motet.memory.redis.opening_approvals import hint as attention
from motet.memory.redis.rebuilding import rebuild
from motet.memory.redis.records import to_json
from motet.memory.redis.scripts import Argument, Scripts

logger = logging.getLogger(__name__)

_AT_ONCE = 200

_STILL_S = 1.0
"""A server that takes so long to say what is to be swept stood still, and heard no beat meanwhile."""

_SILENT = "its worker fell silent"
"""What is known of a worker whose lease ran out."""


class Sweep:
    """Finds runs that nobody would work, and takes runs from workers that are lost."""

    def __init__(
        self,
        client: Redis,
        keys: Keys,
        scripts: Scripts,
        hints: Hints,
        *,
        max_attempts: int,
        retention_ms: int,
        events_kept: int,
        lost: Callable[[], None] | None = None,
        clock: Clock = time.time,
    ) -> None:
        """See `RedisRuns`."""
        self._client = client
        self._keys = keys
        self._scripts = scripts
        self._hints = hints
        self._max_attempts = max_attempts
        self._retention_ms = retention_ms
        self._events_kept = events_kept
        self._lost = lost
        self._clock = clock
        self._unknown: set[Hint] = set()
        """Hints whose run didn't exist at the last sweep: it may have been about to be accepted."""

    async def all(self, *, spare: bool = False) -> list[str]:
        """Sweep once; ids of the runs that were made ready again. Every ten minutes the index is rebuilt first.

        `spare`: Redis was away, so leases ran out that nobody could extend. No run is taken from its worker yet; nor
        is it where Redis stood still just now.
        """
        asked = time.monotonic()
        await rebuild(self._client, self._keys)
        known, self._unknown = self._unknown, set()
        swept: list[str] = []
        async for hints in self._hints.active(_AT_ONCE):
            swept += await self._some(hints, known, spared_after=-math.inf if spare else asked + _STILL_S)
            asked = time.monotonic()
        return swept

    async def take_over(self, hint: Hint, reason: str, *, epoch: int | None = None) -> str:
        """Take a run from its worker, or end it; `ready`, `lost`, `cancelled`, or empty where the worker isn't lost.

        Args:
            hint: the run.
            reason: what is known of the worker.
            epoch: of the claim that is known to be lost; None takes the run from any whose lease ran out.
        """
        message = f"lost its worker {self._max_attempts} times, and is not tried again; the last time, {reason}"
        error = {"error": "RunLost", "message": message}
        args: list[Argument] = [
            *(hint[1], "" if epoch is None else epoch, self._max_attempts, to_json("error", error)),
            *(self._retention_ms, self._events_kept, self._keys.news(*hint)),
            *(END, to_json("error", {"status": "error", "error": error})),
            *(END, to_json("error", {"status": "interrupted"})),
        ]
        calls = [attention(self._keys, hint[0], clock=self._clock), ("run_takeover", self.all_of(*hint), args)]
        _, taken = await self._scripts.together(calls)
        if taken is None:
            return ""
        if self._lost is not None:
            self._lost()
        outcome, lost, *released = taken
        match outcome:
            case b"ready":
                logger.warning("run %s: %s; another may claim it (lost %s times)", hint[1], reason, lost)
                await self._hints.tell(ready=hint)
            case b"lost":
                logger.error("run %s: %s", hint[1], message)
                await self._ended(hint, *released)
            case _:
                logger.warning("run %s: %s, and it was to be cancelled: it has ended", hint[1], reason)
                await self._ended(hint, *released)
        return outcome.decode()

    def all_of(self, thread_id: str, run_id: str) -> list[str]:
        """Thread, queue, run, events, epoch, runs, six of checkpoints, approvals, grants, journal, three of
        trajectories: as scripts take them.
        """
        keys = self._keys
        return [
            keys.thread(thread_id),
            keys.queue(thread_id),
            keys.run(thread_id, run_id),
            keys.events(thread_id, run_id),
            keys.epoch(thread_id),
            keys.runs(thread_id),
            *keys.checkpoints(thread_id)[:-1],
            keys.approvals(thread_id),
            keys.grants(thread_id),
            keys.journal(thread_id),
            *keys.trajectories(thread_id),
        ]

    async def _ended(self, hint: Hint, released: bytes, now_ms: bytes) -> None:
        self._hints.over(hint)
        if released:
            await self._hints.tell(ready=(hint[0], released.decode()), at_ms=int(now_ms))

    async def _some(self, hints: Sequence[Hint], known: set[Hint], *, spared_after: float) -> list[str]:
        found = await self._hints.are_ready(hints)
        async with self._client.pipeline(transaction=False) as pipe:
            pipe.time()
            for thread_id, run_id in hints:
                pipe.hmget(self._keys.run(thread_id, run_id), ["status", "deadline_ms", "updated_us"])
                pipe.hget(self._keys.thread(thread_id), "active")
            (seconds, microseconds), *told = await pipe.execute()
        now_ms = seconds * 1000 + microseconds // 1000
        spare = time.monotonic() > spared_after

        over: list[Hint] = []
        swept: list[str] = []
        for hint, is_found, (status, deadline_ms, updated_us), active in zip(
            hints, found, told[::2], told[1::2], strict=True
        ):
            if status is None and hint not in known:
                self._unknown.add(hint)
            elif status not in (b"pending", b"running"):
                over.append(hint)
            elif status == b"pending" and not is_found and active == hint[1].encode():
                await self._hints.tell(ready=hint, at_ms=int(updated_us) // 1000)
                swept.append(hint[1])
            elif status == b"running" and not spare and int(deadline_ms) <= now_ms and await self._is_free(hint):
                swept.append(hint[1])
        if over:
            await self._hints.forget(over)
        return swept

    async def _is_free(self, hint: Hint) -> bool:
        """Take a run whose lease looked lapsed; whether another worker may claim it now."""
        return await self.take_over(hint, _SILENT) == "ready"
