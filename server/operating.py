"""What the operator's commands work with: Redis and its adapters. No graph is loaded, and no server need run."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from motet.errors import InvalidConfig, NotFound, shortened
from motet.memory.evaluations import Datasets, Experiments
from motet.memory.feedback import Feedbacks
from motet.memory.ports import EventReader, RunLifecycle, Threads
from motet.memory.redis.datasets import RedisDatasets
from motet.memory.redis.events import RedisEvents
from motet.memory.redis.experiments import RedisExperiments
from motet.memory.redis.inspection import Inspection
from motet.memory.redis.keys import Keys
from motet.memory.redis.opening import scripts_of
from motet.memory.redis.threads import RedisThreads
from motet.memory.trajectories import TrajectoryStore
from motet.observability.trajectory import redact
from motet.server.settings import Settings
from motet.server.store import cipher_of, feedbacks_of, redis_client, runs_of, trajectories_of

_LISTED = 8
"""Ids that are named when several begin alike."""

_PAGE = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Operating:
    """An installation, seen without its servers. Runs and threads are named by their ids or how these begin."""

    settings: Settings
    threads: Threads
    runs: RunLifecycle
    events: EventReader
    trajectories: TrajectoryStore
    inspection: Inspection
    datasets: Datasets
    experiments: Experiments
    feedbacks: Feedbacks

    async def run(self, told: str) -> tuple[str, str]:
        """Thread and run id of the one run whose id is, or begins with, `told`.

        Looked for among the newest 10,000 runs and those that haven't ended; a whole id also among older ones.

        Raises:
            InvalidConfig: several begin so; names them.
            NotFound: none does.
        """
        wanted = _beginning("RUN", told)
        found = [hint for hint in await self.inspection.newest() if hint[1].startswith(wanted)]
        if not found:
            async for page in self.inspection.unfinished_pages(_PAGE):
                found += [hint for hint in page if hint[1].startswith(wanted)]
        if not found:
            older = [*((one, wanted) for one in await self.inspection.threads_of(wanted)), (wanted, wanted)]
            states = await self.inspection.look(older)
            found = [hint for hint, state in zip(older, states, strict=True) if state.runs[hint[1]].status]
        threads = {run_id: thread_id for thread_id, run_id in found}
        if not threads:
            raise NotFound("run", wanted)
        run_id = _only("RUN", wanted, list(threads))
        return threads[run_id], run_id

    async def thread(self, told: str) -> str:
        """The one thread whose id is `told`, or begins so and had one of the newest 10,000 runs.

        Raises:
            InvalidConfig: several begin so; names them.
            NotFound: none does.
        """
        wanted = _beginning("--thread", told)
        if await self.inspection.exists(wanted):
            return wanted
        hints = await self.inspection.newest()
        found = list(dict.fromkeys(thread_id for thread_id, _ in hints if thread_id.startswith(wanted)))
        if not found:
            raise NotFound("thread", wanted)
        return _only("--thread", wanted, found)


@asynccontextmanager
async def operating(settings: Settings) -> AsyncGenerator[Operating]:
    """Open Redis, or start the embedded one, until the context ends; secrets of the settings are known meanwhile.

    Raises:
        StoreUnavailable, InvalidConfig.
    """
    forget = redact.know(settings.secrets)
    try:
        async with redis_client(settings) as client:
            keys = Keys(settings.tenant)
            scripts = await scripts_of(client, strict=settings.durability == "strict")
            yield Operating(
                settings=settings,
                threads=RedisThreads(client, keys, scripts),
                runs=runs_of(settings, client, scripts),
                events=RedisEvents(client, keys),
                trajectories=trajectories_of(settings, client),
                inspection=Inspection(client, keys),
                datasets=RedisDatasets(client, keys, scripts, cipher=cipher_of(settings)),
                experiments=RedisExperiments(client, keys, scripts, cipher=cipher_of(settings)),
                feedbacks=feedbacks_of(settings, client, scripts),
            )
    finally:
        forget()


def _beginning(field: str, told: str) -> str:
    wanted = told.strip().rstrip("…").lower()
    if not wanted:
        raise InvalidConfig(field, "give an id, or how it begins")
    return wanted


def _only(field: str, wanted: str, found: Sequence[str]) -> str:
    if wanted in found or len(found) == 1:
        return wanted if wanted in found else found[0]
    more = f" and {len(found) - _LISTED} more" if len(found) > _LISTED else ""
    raise InvalidConfig(
        field, f"{shortened(wanted)} begins {len(found)} ids, give more of it: {', '.join(found[:_LISTED])}{more}"
    )
