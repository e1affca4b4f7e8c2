"""Where Redis is, for every command that opens it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

from motet.memory.redis.client import Client, connected
from motet.memory.redis.embedded import EmbeddedRedis
from motet.memory.redis.feedback import RedisFeedbacks
from motet.memory.redis.keys import Keys
from motet.memory.redis.opening_approvals import Clock
from motet.memory.redis.runs import Heard, RedisRuns
from motet.memory.redis.scripts import Scripts
from motet.memory.redis.trajectories import RedisTrajectories
from motet.memory.serde import AesCipher
from motet.memory.trajectories import TrajectoryStore
from motet.server.settings import Settings


@asynccontextmanager
async def redis_url(settings: Settings) -> AsyncGenerator[str]:
    """The URL from the settings, or a share in the data directory's own server for as long as the context lasts.

    Raises:
        StoreUnavailable, InvalidConfig: there can be no server of our own; says why.
    """
    if settings.redis_url is not None:
        yield settings.redis_url.get_secret_value()
        return
    embedded = EmbeddedRedis(settings.data_dir, strict=settings.durability == "strict")
    async with embedded as url:
        guarding = asyncio.create_task(embedded.guard())
        try:
            yield url
        finally:
            guarding.cancel()


@asynccontextmanager
async def redis_client(settings: Settings) -> AsyncGenerator[Client]:
    """A client of that server, for as long as the context lasts. Raises as `redis_url` and `client.connect` do."""
    async with redis_url(settings) as url, connected(url) as client:
        yield client


def runs_of(
    settings: Settings,
    client: Client,
    scripts: Scripts,
    *,
    heard: Heard | None = None,
    lost: Callable[[], None] | None = None,
    clock: Clock = time.time,
) -> RedisRuns:
    """The tenant's runs, kept for as long as the settings say; see `RedisRuns` for the rest."""
    return RedisRuns(
        client,
        Keys(settings.tenant),
        scripts,
        lease_s=settings.lease_seconds,
        retention_s=settings.retention_hours * 3600,
        events_kept=settings.events_kept,
        heard=heard,
        lost=lost,
        clock=clock,
    )


@asynccontextmanager
async def trajectories(settings: Settings) -> AsyncGenerator[TrajectoryStore]:
    """The trajectories of the runs, for a command that only reads them.

    Raises:
        StoreUnavailable, InvalidConfig.
    """
    async with redis_client(settings) as client:
        yield trajectories_of(settings, client)


def trajectories_of(settings: Settings, client: Client) -> RedisTrajectories:
    """The tenant's trajectories, kept and encrypted as the settings say. Raises InvalidConfig: the key is wrong."""
    return RedisTrajectories(
        client,
        Keys(settings.tenant),
        retention_s=settings.trajectory_days * 24 * 3600,
        most_bytes=settings.trajectory_megabytes * 1024 * 1024,
        cipher=cipher_of(settings),
    )


def feedbacks_of(settings: Settings, client: Client, scripts: Scripts) -> RedisFeedbacks:
    """What was said of the tenant's runs, kept as long as what they did. Raises InvalidConfig: the key is wrong."""
    return RedisFeedbacks(
        client,
        Keys(settings.tenant),
        scripts,
        retention_s=settings.trajectory_days * 24 * 3600,
        cipher=cipher_of(settings),
    )


def cipher_of(settings: Settings) -> AesCipher | None:
    """What encrypts whatever isn't kept by LangGraph's serializer; None without a key. Raises InvalidConfig."""
    return None if settings.aes_key is None else AesCipher(settings.aes_key.get_secret_value().encode())
