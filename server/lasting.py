"""What lasts, for a process that serves or works: every adapter over Redis, made once over one client."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from langgraph.checkpoint.serde.base import SerializerProtocol

from motet.memory.ports import RunLifecycle
from motet.memory.redis.approvals import Clock, RedisApprovals
from motet.memory.redis.cache import RedisCache
from motet.memory.redis.checkpoints import RedisCheckpointer
from motet.memory.redis.client import Client, connected, reached
from motet.memory.redis.effects import RedisEffects
from motet.memory.redis.events import RedisEvents
from motet.memory.redis.feedback import RedisFeedbacks
from motet.memory.redis.journal import RedisJournal
from motet.memory.redis.keys import Keys
from motet.memory.redis.opening import scripts_of
from motet.memory.redis.runs import RedisRuns
from motet.memory.redis.scripts import Scripts
from motet.memory.redis.thread_index import RedisThreadIndex
from motet.memory.redis.threads import RedisThreads
from motet.memory.redis.trajectories import RedisTrajectories
from motet.memory.serde import encrypted_serializer, state_serializer
from motet.server.settings import Settings
from motet.server.store import feedbacks_of, redis_url, runs_of, trajectories_of

_MEGABYTE = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Lasting:
    """The adapters; `client`, `keys` and `scripts` are for those that are made later."""

    url: str
    client: Client
    keys: Keys
    scripts: Scripts
    settings: Settings
    threads: RedisThreads
    thread_index: RedisThreadIndex
    runs: RedisRuns
    approvals: RedisApprovals
    journal: RedisJournal
    events: RedisEvents
    trajectories: RedisTrajectories
    checkpoints: RedisCheckpointer
    effects: RedisEffects
    cache: RedisCache[Any]
    feedbacks: RedisFeedbacks

    @asynccontextmanager
    async def open_runs(self) -> AsyncGenerator[RunLifecycle]:
        """The runs over a connection of their own, for another event loop."""
        async with reached(self.url) as own:
            yield runs_of(self.settings, own, Scripts(own))


@asynccontextmanager
async def lasting(
    settings: Settings, *, classes: Sequence[tuple[str, ...]], lost: Callable[[], None], clock: Clock
) -> AsyncGenerator[Lasting]:
    """Connect, and make the adapters.

    Args:
        settings: where Redis is, and how long what is kept.
        classes: module and name of those that states may hold besides the usual ones.
        lost: told of each run that is taken from a lost worker.
        clock: says when an approval's deadline is, and what is overdue.

    Raises:
        StoreUnavailable, InvalidConfig.
    """
    async with redis_url(settings) as url, connected(url) as client:
        keys = Keys(settings.tenant)
        scripts = await scripts_of(client, strict=settings.durability == "strict")
        serde = _serializer(settings, classes)
        async with RedisEvents(client, keys) as events:
            yield Lasting(
                url=url,
                client=client,
                keys=keys,
                scripts=scripts,
                settings=settings,
                threads=RedisThreads(client, keys, scripts, clock=clock),
                thread_index=RedisThreadIndex(client, keys, scripts),
                runs=runs_of(settings, client, scripts, heard=events.heard, lost=lost, clock=clock),
                approvals=RedisApprovals(client, keys, scripts, clock=clock),
                journal=RedisJournal(client, keys, scripts),
                events=events,
                trajectories=trajectories_of(settings, client),
                checkpoints=RedisCheckpointer(
                    client, keys, serde, scripts=scripts, max_bytes=settings.max_state_mb * _MEGABYTE
                ),
                effects=RedisEffects(client, keys, scripts, serde=serde),
                cache=RedisCache(client, keys, serde),
                feedbacks=feedbacks_of(settings, client, scripts),
            )


def _serializer(settings: Settings, classes: Sequence[tuple[str, ...]]) -> SerializerProtocol:
    if settings.aes_key is None:
        return state_serializer(classes)
    return encrypted_serializer(settings.aes_key.get_secret_value().encode(), classes)
