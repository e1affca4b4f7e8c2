"""Closes a client whatever happens meanwhile."""

from __future__ import annotations

import asyncio

from redis.asyncio import Redis


async def closed(client: Redis) -> None:
    """Close `client`, and only then let this task be cancelled.

    The library closes connections in tasks of their own: one that is cancelled before its first step leaves its
    connection open.
    """
    closing = asyncio.ensure_future(client.aclose())
    try:
        await asyncio.shield(closing)
    except asyncio.CancelledError:
        await closing
        raise
