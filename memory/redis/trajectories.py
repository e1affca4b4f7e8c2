"""Trajectory records in Redis: one list a run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from redis.asyncio import Redis

from motet.errors import NotFound
from motet.memory.redis.client import answering
from motet.memory.redis.keys import Keys
from motet.memory.redis.scripts import Scripts

WEEK_S = 7 * 24 * 3600


class RedisTrajectories:
    """`TrajectoryStore` on Redis: records go `retention_s` seconds after the last was added."""

    def __init__(self, client: Redis, keys: Keys, *, retention_s: int = WEEK_S) -> None:
        self._client = client
        self._scripts = Scripts(client)
        self._keys = keys
        self._retention_s = retention_s

    async def append(self, run_id: str, records: Sequence[bytes]) -> None:
        if not records:
            return
        args = [self._retention_s, *records]
        with answering(self._client):
            await self._scripts.run("trajectory_append", keys=[self._keys.trajectory(run_id)], args=args)

    async def read(self, run_id: str) -> Sequence[bytes]:
        with answering(self._client):
            records: Any = await self._client.lrange(self._keys.trajectory(run_id), 0, -1)
        if not records:
            raise NotFound("trajectory", run_id)
        return records
