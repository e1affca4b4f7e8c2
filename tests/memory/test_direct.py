"""The client that leaves out what redis-py adds to a command."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.exceptions import ResponseError
from tests.support import wait_until

from motet.memory.redis.direct import Direct, several
from motet.memory.redis.keys import Keys


@pytest.mark.parametrize("together", [False, True])
async def test_a_command_that_is_cut_off_leaves_no_answer_to_the_next(
    redis: Redis, keys: Keys, *, together: bool
) -> None:
    """Whoever stops waiting gives back no connection on which an answer is still to come."""
    assert isinstance(redis, Direct)
    key = keys.wakeup()
    command = ("BLPOP", key, 0)

    async def blocked() -> bool:
        told: Any = await redis.execute_command("CLIENT", "LIST")
        return "cmd=blpop" in str(told)

    asked = several(redis, [("PING",), command]) if together else redis.execute_command(*command)
    waiting = asyncio.create_task(asked)
    await wait_until(blocked, description="the command waits in Redis")
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    try:
        assert await redis.execute_command("RPUSH", key, "for nobody") == 1
        assert await asyncio.gather(*(redis.execute_command("LLEN", key) for _ in range(5))) == [1] * 5
    finally:
        await redis.delete(key)


async def test_a_refusal_stands_among_the_answers(redis: Redis, keys: Keys) -> None:
    """Of several commands each has its own answer, also behind one that was refused."""
    first, refused, last = await several(redis, [("PING",), ("LLEN",), ("EXISTS", keys.wakeup())])
    assert (first, last) == (b"PONG", 0)
    assert isinstance(refused, ResponseError)
