"""Trajectories: records in order, together, for a week."""

from __future__ import annotations

import pytest
from redis.asyncio import Redis

from motet.errors import NotFound
from motet.memory.redis.keys import Keys
from motet.memory.redis.trajectories import WEEK_S, RedisTrajectories


async def test_records_come_back_in_order(redis: Redis, keys: Keys) -> None:
    """What was appended is read back byte for byte, in order."""
    trajectories = RedisTrajectories(redis, keys)
    await trajectories.append("run", [b"\x00one", b"two"])
    await trajectories.append("run", [])
    await trajectories.append("run", [b"three"])

    assert list(await trajectories.read("run")) == [b"\x00one", b"two", b"three"]


async def test_a_run_without_records_is_not_found(redis: Redis, keys: Keys) -> None:
    """There is no empty trajectory."""
    trajectories = RedisTrajectories(redis, keys)
    await trajectories.append("run", [])

    with pytest.raises(NotFound):
        await trajectories.read("run")


async def test_records_expire_a_week_after_the_last(redis: Redis, keys: Keys) -> None:
    """Each record gives the whole trajectory another week."""
    trajectories = RedisTrajectories(redis, keys)
    await trajectories.append("run", [b"one"])
    await redis.expire(keys.trajectory("run"), 10)
    await trajectories.append("run", [b"two"])

    assert WEEK_S - 10 < await redis.ttl(keys.trajectory("run")) <= WEEK_S
