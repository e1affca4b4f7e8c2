"""Finds again what the tenant's indexes lost: a walk over all threads that have a queue, or approvals."""

from __future__ import annotations

import logging
from typing import Any

from redis.asyncio import Redis

from motet.memory.redis.keys import Keys

logger = logging.getLogger(__name__)

EVERY_S = 600
"""Seconds between two walks, whichever process makes them."""

_AT_ONCE = 500


async def rebuild(client: Redis, keys: Keys) -> int:
    """Note every queued run as unfinished, unless somebody did so lately; how many had been forgotten.

    And every thread as due whose approvals are open, or not yet in the journal, if nobody attends to it.

    The index is written before a run is accepted, so one server never loses it alone. In a cluster two nodes may lose
    different writes when they fail; and whoever has the right may delete a key. Costs three SCANs over the tenant's
    keys, and two round trips for each `_AT_ONCE` threads that have a queue or approvals.
    """
    if not await client.set(keys.rebuilding(), "1", nx=True, ex=EVERY_S):
        return 0
    found, threads = 0, list[str]()
    async for name in client.scan_iter(match=keys.queues_of_all(), count=1000, _type="list"):
        threads.append(keys.thread_of(bytes(name).decode()))
        if len(threads) == _AT_ONCE:
            found += await _note(client, keys, threads)
            threads.clear()
    found += await _note(client, keys, threads)
    await _attend(client, keys)
    if found:
        logger.warning("%s runs were in no index of unfinished runs; they are now", found)
    return found


async def _note(client: Redis, keys: Keys, threads: list[str]) -> int:
    if not threads:
        return 0
    async with client.pipeline(transaction=False) as pipe:
        for thread_id in threads:
            pipe.lrange(keys.queue(thread_id), 0, -1)
        queues: Any = await pipe.execute()
    members = [
        f"{thread_id}|{run_id.decode()}" for thread_id, queue in zip(threads, queues, strict=True) for run_id in queue
    ]
    return await client.sadd(keys.active(), *members) if members else 0


async def _attend(client: Redis, keys: Keys) -> None:
    threads = list[str]()
    for pattern, kind in ((keys.approvals_of_threads(), "hash"), (keys.journals_of_all(), "list")):
        async for name in client.scan_iter(match=pattern, count=1000, _type=kind):
            threads.append(keys.thread_of(bytes(name).decode()))
            if len(threads) == _AT_ONCE:
                await _note_due(client, keys, threads)
                threads.clear()
    await _note_due(client, keys, threads)


async def _note_due(client: Redis, keys: Keys, threads: list[str]) -> None:
    if not threads:
        return
    async with client.pipeline(transaction=False) as pipe:
        for thread_id in threads:
            pipe.hget(keys.thread(thread_id), "interrupts")
            pipe.llen(keys.journal(thread_id))
        told: Any = await pipe.execute()
    due = [
        thread_id
        for thread_id, waiting, left in zip(threads, told[::2], told[1::2], strict=True)
        if left or waiting not in (None, b"[]")
    ]
    if due:
        await client.zadd(keys.attention(), dict.fromkeys(due, 0), nx=True)
