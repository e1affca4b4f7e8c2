"""Attempts at a run, one after the other, as tests of effects need them: each has an epoch of its own."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from redis.asyncio import Redis

from motet.memory.effects import EffectKey
from motet.memory.ports import Claim
from motet.memory.redis.effects import RedisEffects
from motet.memory.redis.keys import Keys
from motet.memory.redis.scripts import Scripts
from motet.memory.serde import state_serializer


class Attempts:
    """A thread with one run, its claims, and the ledger of its effects."""

    def __init__(self, redis: Redis, keys: Keys, **settings: Any) -> None:
        self.redis = redis
        self.keys = keys
        self.thread_id = str(uuid4())
        self.run_id = str(uuid4())
        self.effects = RedisEffects(redis, keys, Scripts(redis), serde=state_serializer(), **settings)
        self._made = 0

    async def claim(self, *, run_id: str = "") -> Claim:
        """The next attempt; those before it have lost the run."""
        self._made += 1
        epoch = 1000 + self._made
        await self.redis.set(self.keys.epoch(self.thread_id), epoch, ex=600)
        return Claim(
            run_id=run_id or self.run_id, thread_id=self.thread_id, worker="w", epoch=epoch, attempt=self._made
        )

    def key(self, **changes: str) -> EffectKey:
        """A call of `send`."""
        parts = {"namespace": "n:1", "call_id": "c", "tool": "send", "arguments_hash": "h", **changes}
        return EffectKey(thread_id=self.thread_id, **parts)

    async def ttl(self) -> int:
        """Seconds until the thread's effects go; -1 for never."""
        return await self.redis.ttl(self.keys.effects(self.thread_id))
