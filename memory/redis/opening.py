"""From a URL to something that works on a client of its own: what `from_url` of saver, store and cache does."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

from redis.asyncio import Redis

from motet.memory.redis import durability
from motet.memory.redis.bridge import Opening
from motet.memory.redis.client import connected
from motet.memory.redis.scripts import Scripts

T = TypeVar("T")


async def scripts_of(client: Redis, *, strict: bool) -> Scripts:
    """The scripts of `client`; `strict`: each write waits for the disk or a replica. Raises as `durability.strict`."""
    return Scripts(client, durability=await durability.strict(client) if strict else None)


def opening(url: str, make: Callable[[Redis, Scripts], T], *, strict: bool = False) -> Opening[T]:
    """What `make` gives for a client of the server at `url`; the client is closed at the end.

    Entering raises what `connect` and `scripts_of` raise.
    """

    @asynccontextmanager
    async def opened() -> AsyncGenerator[T]:
        async with connected(url) as client:
            yield make(client, await scripts_of(client, strict=strict))

    return Opening(opened)
