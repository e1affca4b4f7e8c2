"""Where Redis is, for every command that opens it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from motet.errors import StoreUnavailable
from motet.memory.ports import TrajectoryStore
from motet.memory.redis.client import connect
from motet.memory.redis.embedded import EmbeddedRedis
from motet.memory.redis.keys import Keys
from motet.memory.redis.trajectories import RedisTrajectories
from motet.server.settings import Settings

logger = logging.getLogger(__name__)

_LOOK_S = 1.0
"""How often our own server is asked whether it lives: one PING."""


@asynccontextmanager
async def redis_url(settings: Settings) -> AsyncGenerator[str]:
    """The URL from the settings, or a share in the data directory's own server for as long as the context lasts.

    Raises:
        StoreUnavailable, InvalidConfig: there can be no server of our own; says why.
    """
    if settings.redis_url is not None:
        yield settings.redis_url.get_secret_value()
        return
    embedded = EmbeddedRedis(settings.data_dir)
    async with embedded as url:
        guarding = asyncio.create_task(_guard(embedded))
        try:
            yield url
        finally:
            guarding.cancel()


async def _guard(embedded: EmbeddedRedis) -> None:
    """Start our own server again within a second of its death; what it had acknowledged is in its file."""
    while True:
        await asyncio.sleep(_LOOK_S)
        try:
            await embedded.ensure()
        except StoreUnavailable as error:
            logger.warning("the embedded Redis: %s", error)


@asynccontextmanager
async def trajectories(settings: Settings) -> AsyncGenerator[TrajectoryStore]:
    """The trajectories of the runs, for a command that only reads them.

    Raises:
        StoreUnavailable, InvalidConfig.
    """
    async with redis_url(settings) as url:
        client = await connect(url)
        try:
            yield RedisTrajectories(client, Keys(settings.tenant))
        finally:
            await client.aclose()
