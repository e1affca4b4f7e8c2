"""Threads in Redis: one hash each, in the thread's own slot."""

from __future__ import annotations

from typing import Any, Literal

from redis.asyncio import Redis

from motet.errors import AlreadyExists, NotFound
from motet.memory.ports import Json, Thread
from motet.memory.redis.client import answering
from motet.memory.redis.keys import Keys
from motet.memory.redis.records import THREAD_FIELDS, thread_of, to_json
from motet.memory.redis.scripts import Scripts


class RedisThreads:
    """`Threads` on Redis."""

    def __init__(self, client: Redis, keys: Keys, scripts: Scripts) -> None:
        self._client = client
        self._keys = keys
        self._scripts = scripts

    async def create(self, thread_id: str, metadata: Json, *, if_exists: Literal["raise", "do_nothing"]) -> Thread:
        arguments = [to_json("metadata", metadata), *THREAD_FIELDS]
        with answering(self._client):
            made, fields = await self._scripts.run("thread_create", keys=[self._keys.thread(thread_id)], args=arguments)
        if not made and if_exists == "raise":
            raise AlreadyExists("thread", thread_id)
        return thread_of(thread_id, fields)

    async def get(self, thread_id: str) -> Thread:
        with answering(self._client):
            fields: Any = await self._client.hmget(self._keys.thread(thread_id), THREAD_FIELDS)
        if fields[0] is None:
            raise NotFound("thread", thread_id)
        return thread_of(thread_id, fields)
