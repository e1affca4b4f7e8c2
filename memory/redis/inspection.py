"""How threads and runs stand in Redis, for a person on call: read only, and without the help of any worker.

What no port tells: who holds a run and for how long, where it stands in its thread's queue, whether a worker would
find it. Each page is read in two round trips and not in one instant: what looks wrong may have been a run on its
way from one state to the next, so whoever reports it looks twice.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import orjson
from redis.asyncio import Redis

from motet.memory.redis.client import answering
from motet.memory.redis.hints import Hint
from motet.memory.redis.keys import Keys

_RUN = (
    *("status", "attempt", "lost", "worker", "deadline_ms", "created_us", "ready_us", "claimed_us", "ended_us"),
    *("updated_us", "cancel", "cancelled", "event_n", "spent"),
)
_THREAD = ("status", "active", "interrupts", "updated_us", "last", "asked")

_QUEUE_SHOWN = 20
"""Ids of a queue that are read; the rest is counted."""


_Told = tuple[Sequence[bytes | None], int, Sequence[bytes]]
"""Of a thread: fields of its hash, length of its queue, its queue's first ids."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunState:
    """How a run stands, by the server's clock."""

    run_id: str
    thread_id: str
    status: str
    """As `ports.RunStatus`; empty if no record exists, and whatever else somebody wrote there."""
    attempt: int
    lost: int
    """Attempts that ended with the loss of their worker."""
    worker: str
    """Who holds the run, or held it last; empty before the first claim."""
    lease_left_s: float
    """While it runs: seconds until it may be taken from its worker; below 0 it may be since then. 0 otherwise."""
    age_s: float
    """Seconds since it was accepted."""
    since_s: float
    """Seconds for which it has been what `status` says."""
    cancel: str
    """How its worker is to end it (`interrupt` or `rollback`); empty if it isn't."""
    cancelled: bool
    """It was ended by a person or a client."""
    events: int
    """How many it has published, those that are gone included."""
    spent: Mapping[str, Any]
    """What its attempts spent of its budget, as they last told."""
    findable: bool
    """Whether a worker that looks for work would find it."""
    listed: bool
    """Whether a sweep looks at it."""
    position: int | None
    """Runs of its thread that stand before it in the queue; None: it isn't in the queue."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ThreadState:
    """How a thread stands, with the runs that were looked at."""

    thread_id: str
    status: str
    """As `ports.ThreadStatus`; empty if no record exists."""
    active: str
    """Id of the run it works on; empty if none."""
    waiting: Sequence[str]
    """Ids of the interrupts that wait for a person."""
    last: str
    """Id of the run that ended last; empty before the first."""
    asked: str
    """Id of the run whose questions wait, if any do."""
    since_s: float
    """Seconds since one of its runs was accepted or ended."""
    queue: Sequence[str]
    """Ids of the first runs that haven't ended, in the order they start."""
    queued: int
    """How many there are."""
    runs: Mapping[str, RunState]
    """By id: those asked for, the active one, and the one that ended last."""


class Inspection:
    """Looks at one tenant's threads and runs. What isn't there comes back as a state that says so, never as an error.

    Raises StoreUnavailable if Redis is gone.
    """

    def __init__(self, client: Redis, keys: Keys) -> None:
        self._client = client
        self._keys = keys

    async def now_ms(self) -> float:
        """The server's clock, in milliseconds since 1970."""
        with answering(self._client):
            seconds, microseconds = await self._client.time()
        return seconds * 1000 + microseconds / 1000

    async def newest(self) -> Sequence[Hint]:
        """Thread and run of the newest 10,000 runs, newest first. One round trip, 1 MB at most."""
        with answering(self._client):
            members: Any = await self._client.zrevrange(self._keys.recent(), 0, -1)
        return [_hint(member) for member in members]

    async def threads_of(self, run_id: str) -> Sequence[str]:
        """Threads with checkpoints of a run that is known by its whole id, however old it is. One round trip."""
        with answering(self._client):
            found: Any = await self._client.smembers(self._keys.threads_of_run(run_id))
        return sorted(one.decode() for one in found)

    async def unfinished(self) -> int:
        """How many runs haven't ended, about. One round trip."""
        with answering(self._client):
            return int(await self._client.scard(self._keys.active()))

    async def unfinished_pages(self, size: int) -> AsyncIterator[Sequence[Hint]]:
        """Thread and run of all runs that haven't ended, about `size` at a time; one that changes may come twice."""
        cursor = 0
        while True:
            with answering(self._client):
                cursor, members = cast(
                    "tuple[int, list[bytes]]", await self._client.sscan(self._keys.active(), cursor, count=size)
                )
            if members:
                yield [_hint(member) for member in members]
            if not cursor:
                return

    async def exists(self, thread_id: str) -> bool:
        """Whether the thread has a record, a queue or a run it lists. One round trip."""
        names = [self._keys.thread(thread_id), self._keys.queue(thread_id), self._keys.runs(thread_id)]
        with answering(self._client):
            return bool(await self._client.exists(*names))

    async def at_work(self, threads: Sequence[str]) -> Sequence[str]:
        """Those of these threads that say they work on a run, or that have runs queued. One round trip."""
        with answering(self._client):
            async with self._client.pipeline(transaction=False) as pipe:
                for thread_id in threads:
                    pipe.hget(self._keys.thread(thread_id), "active")
                    pipe.llen(self._keys.queue(thread_id))
                told: list[Any] = await pipe.execute() if threads else []
        return [one for at, one in enumerate(threads) if told[2 * at] or told[2 * at + 1]]

    async def look(self, hints: Sequence[Hint]) -> Sequence[ThreadState]:
        """The threads of these runs, each once, in the order in which they were named. Two round trips.

        A hint with an empty run id asks for the thread alone.
        """
        if not hints:
            return []
        wanted: dict[str, list[str]] = {}
        for thread_id, run_id in hints:
            asked = wanted.setdefault(thread_id, [])
            if run_id and run_id not in asked:
                asked.append(run_id)
        with answering(self._client):
            found = await self._threads(list(wanted))
            for thread_id, (fields, _, queue) in found.items():
                more = [_text(fields[1]), _text(fields[4]), *(_text(one) for one in queue[:1])]
                wanted[thread_id] += [one for one in dict.fromkeys(more) if one and one not in wanted[thread_id]]
            runs = await self._runs([(thread_id, one) for thread_id, asked in wanted.items() for one in asked])
            now_us = await self.now_ms() * 1000
        return [
            _thread_of(thread_id, found[thread_id], {run_id: runs[thread_id, run_id] for run_id in asked}, now_us)
            for thread_id, asked in wanted.items()
        ]

    async def _threads(self, threads: Sequence[str]) -> dict[str, _Told]:
        async with self._client.pipeline(transaction=False) as pipe:
            for thread_id in threads:
                pipe.hmget(self._keys.thread(thread_id), _THREAD)
                pipe.llen(self._keys.queue(thread_id))
                pipe.lrange(self._keys.queue(thread_id), 0, _QUEUE_SHOWN - 1)
            told: list[Any] = await pipe.execute()
        return {one: (told[3 * at], told[3 * at + 1], told[3 * at + 2]) for at, one in enumerate(threads)}

    async def _runs(self, hints: Sequence[Hint]) -> dict[Hint, RunState]:
        if not hints:
            return {}
        async with self._client.pipeline(transaction=False) as pipe:
            for thread_id, run_id in hints:
                pipe.hmget(self._keys.run(thread_id, run_id), _RUN)
                pipe.lpos(self._keys.queue(thread_id), run_id)
                pipe.zscore(self._keys.ready(), f"{thread_id}|{run_id}")
                pipe.sismember(self._keys.active(), f"{thread_id}|{run_id}")
            told: list[Any] = await pipe.execute()
        now_us = await self.now_ms() * 1000
        return {hint: _run_of(hint, told[4 * at : 4 * at + 4], now_us) for at, hint in enumerate(hints)}


def _thread_of(thread_id: str, told: _Told, runs: Mapping[str, RunState], now_us: float) -> ThreadState:
    fields, queued, queue = told
    status, active, interrupts, updated_us, last, asked = fields
    return ThreadState(
        thread_id=thread_id,
        status=_text(status),
        active=_text(active),
        waiting=[str(one[0]) for one in _json(interrupts, [])],
        last=_text(last),
        asked=_text(asked),
        since_s=_since(now_us, updated_us),
        queue=[one.decode() for one in queue],
        queued=queued,
        runs=runs,
    )


def _run_of(hint: Hint, answers: Sequence[Any], now_us: float) -> RunState:
    fields, place, score, listed = answers
    told = dict(zip(_RUN, fields, strict=True))
    status = _text(told["status"])
    began = {"pending": "ready_us", "running": "claimed_us"}.get(status, "ended_us")
    deadline_ms = _number(told["deadline_ms"])
    return RunState(
        run_id=hint[1],
        thread_id=hint[0],
        status=status,
        attempt=int(_number(told["attempt"])),
        lost=int(_number(told["lost"])),
        worker=_text(told["worker"]),
        lease_left_s=(deadline_ms - now_us / 1000) / 1000 if status == "running" else 0.0,
        age_s=_since(now_us, told["created_us"]),
        since_s=_since(now_us, told[began] or told["updated_us"]),
        cancel=_text(told["cancel"]),
        cancelled=_text(told["cancelled"]) == "1",
        events=int(_number(told["event_n"])),
        spent=_json(told["spent"], {}),
        findable=score is not None,
        listed=bool(listed),
        position=place,
    )


def _text(value: bytes | None) -> str:
    return (value or b"").decode(errors="replace")


def _number(value: bytes | None) -> float:
    try:
        return float(value or 0)
    except ValueError:  # somebody else wrote there
        return 0.0


def _json(value: bytes | None, otherwise: Any) -> Any:
    try:
        return orjson.loads(value) if value else otherwise
    except orjson.JSONDecodeError:
        return otherwise


def _since(now_us: float, then_us: bytes | None) -> float:
    return max(0.0, (now_us - _number(then_us)) / 1e6) if then_us else 0.0


def _hint(member: bytes) -> Hint:
    thread_id, _, run_id = member.decode().partition("|")
    return thread_id, run_id
