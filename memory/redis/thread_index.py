"""Which threads a tenant has: a hint in a slot of its own, from which lists of threads are read."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from typing import Any
from uuid import UUID

from redis.asyncio import Redis

from motet.memory.ports import Thread
from motet.memory.redis.client import answering
from motet.memory.redis.keys import Keys
from motet.memory.redis.records import THREAD_FIELDS, thread_of
from motet.memory.redis.scripts import Argument, Scripts

_AT_ONCE = 500
"""Threads that are read, noted or forgotten in one round trip."""

_LATELY_MS = 60_000
"""So long a noted id waits for its thread, and so far a server's clock may be behind that of the one before it."""

_BY_TIME = 7
_NEARLY_US = 5_000_000
"""So far apart may be the clocks of a run's server and of Redis, for its thread to be found at once."""


class RedisThreadIndex:
    """`ThreadIndex` on Redis: a ZSET of ids.

    A thread's own hash is the truth, and it lies in another slot: no script writes both. An id is noted before its
    thread is made; whoever lists threads forgets those that aren't there, unless they were noted in the last minute.
    So neither a crash in between nor a thread's end leaves the list wrong.

    Threads that came with a run, and those from before there was an index, are known by the tenant's newest runs
    (`Keys.recent`), which are written before a run is accepted: whoever lists threads notes theirs first. Of these
    threads, those are found of which a run was among the newest 10,000 when somebody looked.
    """

    def __init__(self, client: Redis, keys: Keys, scripts: Scripts) -> None:
        self._client = client
        self._keys = keys
        self._scripts = scripts
        self._seen_us = 0
        """When the newest run was accepted whose thread this process has noted."""
        self._noted: frozenset[bytes] = frozenset()
        """The runs of the minute before."""

    async def add(self, thread_id: str) -> None:
        await self._on("thread_index", [thread_id])

    async def all(self) -> AsyncGenerator[Sequence[Thread]]:
        """See `ThreadIndex.all`. Two round trips, and one for each 500 threads."""
        await self._note_those_of_runs()
        with answering(self._client):
            members: Any = await self._client.zrange(self._keys.threads(), 0, -1)
        gone: list[str] = []
        for start in range(0, len(members), _AT_ONCE):
            found = await self._read([member.decode() for member in members[start : start + _AT_ONCE]])
            yield [thread for thread, passing in found.values() if thread is not None and not passing]
            gone += [thread_id for thread_id, (thread, _) in found.items() if thread is None]
        for start in range(0, len(gone), _AT_ONCE):
            await self._on("thread_index_drop", gone[start : start + _AT_ONCE], _LATELY_MS)

    async def of_run(self, run_id: str) -> str | None:
        """See `RunFinder.of_run`. A run's id says when it was made, which is when it was accepted, or nearly."""
        end = f"|{run_id}".encode()
        ranges: list[tuple[str | float, str | float]] = [("-inf", "+inf")]
        if (made := _made(run_id)) is not None:
            ranges.insert(0, (made - _NEARLY_US, made + _NEARLY_US))
        for low, high in ranges:
            with answering(self._client):
                members: Any = await self._client.zrangebyscore(self._keys.recent(), low, high)
            if (found := next((one for one in members if one.endswith(end)), None)) is not None:
                return found.removesuffix(end).decode()
        return None

    async def named(self, thread_ids: Sequence[str]) -> Sequence[Thread]:
        """See `ThreadIndex.named`. One round trip for each 500."""
        threads: list[Thread] = []
        for start in range(0, len(thread_ids), _AT_ONCE):
            found = await self._read(thread_ids[start : start + _AT_ONCE])
            threads += [thread for thread, _ in found.values() if thread is not None]
        return threads

    async def _note_those_of_runs(self) -> None:
        """Note the threads of all runs that were accepted since the last time. One round trip if there are none."""
        since_us = max(self._seen_us - _LATELY_MS * 1000, 0)
        with answering(self._client):
            runs: Any = await self._client.zrange(
                self._keys.recent(),
                since_us,
                "+inf",
                byscore=True,
                withscores=True,
            )
        members = {member: None for member, _ in runs}
        threads = list(dict.fromkeys(one.decode().partition("|")[0] for one in members if one not in self._noted))
        for start in range(0, len(threads), _AT_ONCE):
            await self._on("thread_index", threads[start : start + _AT_ONCE])
        self._noted = frozenset(members)
        self._seen_us = max([self._seen_us, *(int(accepted_us) for _, accepted_us in runs)])

    async def _read(self, thread_ids: Sequence[str]) -> dict[str, tuple[Thread | None, bool]]:
        """Each thread, None where there is none, and whether it goes with its run."""
        with answering(self._client):
            async with self._client.pipeline(transaction=False) as pipe:
                for thread_id in thread_ids:
                    pipe.hmget(self._keys.thread(thread_id), (*THREAD_FIELDS, "temporary"))
                records: Any = await pipe.execute() if thread_ids else []
        return {
            thread_id: (thread_of(thread_id, fields[:-1]) if fields[0] is not None else None, fields[-1] == b"1")
            for thread_id, fields in zip(thread_ids, records, strict=True)
        }

    async def _on(self, script: str, thread_ids: Sequence[str], *args: Argument) -> None:
        with answering(self._client):
            await self._scripts.run(script, keys=[self._keys.threads()], args=[*args, *thread_ids])


def _made(run_id: str) -> int | None:
    """Microseconds since 1970 at which the id was made, if it says so."""
    try:
        told = UUID(run_id)
    except ValueError:
        return None
    return (told.int >> 80) * 1000 if told.version == _BY_TIME else None
