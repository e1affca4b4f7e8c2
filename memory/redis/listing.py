"""Lists of runs, newest first. Indexes may name runs whose record expired; who lists a thread's drops those."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

from redis.asyncio import Redis

from motet.errors import NotFound
from motet.memory.ports import Run, RunStatus
from motet.memory.redis.hints import RECENT, Hint, Hints
from motet.memory.redis.keys import Keys
from motet.memory.redis.records import RUN_FIELDS, run_of

_AT_ONCE = 100


async def of_thread(
    client: Redis, keys: Keys, thread_id: str, *, limit: int, offset: int, status: RunStatus | None
) -> list[Run]:
    """Runs of a thread. Raises NotFound for a thread that doesn't exist."""
    if not await client.exists(keys.thread(thread_id)):
        raise NotFound("thread", thread_id)

    async def pages() -> AsyncIterator[Sequence[Hint]]:
        start = 0
        while True:
            ids: Any = await client.zrevrange(keys.runs(thread_id), start, start + _AT_ONCE - 1)
            if not ids:
                return
            yield [(thread_id, run_id.decode()) for run_id in ids]
            start += len(ids)

    found, gone = await _read(client, keys, pages(), limit=offset + limit, status=status)
    if gone:
        await client.zrem(keys.runs(thread_id), *(run_id for _, run_id in gone))
    return found[offset:]


async def of_tenant(client: Redis, keys: Keys, hints: Hints, *, limit: int, status: RunStatus | None) -> list[Run]:
    """The tenant's newest runs."""

    async def pages() -> AsyncIterator[Sequence[Hint]]:
        for start in range(0, RECENT, _AT_ONCE):
            page = await hints.recent(start, _AT_ONCE)
            yield page
            if len(page) < _AT_ONCE:
                return

    return (await _read(client, keys, pages(), limit=limit, status=status))[0]


async def _read(
    client: Redis, keys: Keys, pages: AsyncIterator[Sequence[Hint]], *, limit: int, status: RunStatus | None
) -> tuple[list[Run], list[Hint]]:
    """Up to `limit` runs of that status, and those that are gone."""
    found: list[Run] = []
    gone: list[Hint] = []
    async for page in pages:
        async with client.pipeline(transaction=False) as pipe:
            for hint in page:
                pipe.hmget(keys.run(*hint), RUN_FIELDS)
            records: Any = await pipe.execute() if page else []
        gone += [hint for hint, fields in zip(page, records, strict=True) if fields[0] is None]
        runs = [run_of(fields) for fields in records if fields[0] is not None]
        found += [run for run in runs if status is None or run.status == status]
        if len(found) >= limit:
            break
    return found[:limit], gone
