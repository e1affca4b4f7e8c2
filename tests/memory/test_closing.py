"""A client is closed whatever happens meanwhile."""

from __future__ import annotations

import asyncio

import pytest
from redis.asyncio import Redis
from tests.support import wait_until

from motet.memory.redis.closing import closed


@pytest.mark.parametrize("steps", range(1, 6))
async def test_a_task_that_is_cancelled_as_it_closes_leaves_no_connection(redis: Redis, steps: int) -> None:
    """At whichever step it is; and it is cancelled all the same."""
    client = Redis(unix_socket_path=redis.connection_pool.connection_kwargs["path"])
    name = f"closing-{steps}"
    await client.client_setname(name)

    async def is_gone() -> bool:
        return name not in [one["name"] for one in await redis.client_list()]

    assert not await is_gone()
    closing = asyncio.create_task(closed(client))
    for _ in range(steps):
        await asyncio.sleep(0)
    heard = closing.cancel()
    await asyncio.gather(closing, return_exceptions=True)
    assert closing.cancelled() is heard
    await wait_until(is_gone, description="the connection is closed")
