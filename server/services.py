"""The composition root: what a server or worker process is made of, built once, in one place."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from langgraph.checkpoint.serde.base import SerializerProtocol
from langgraph.store.base import BaseStore

from motet import calls
from motet.errors import InvalidConfig
from motet.graphs.registry import GraphRegistry
from motet.memory.ports import EventReader, FencedCheckpoints, RunLifecycle, Threads, TrajectoryStore
from motet.memory.redis.cache import RedisCache
from motet.memory.redis.checkpoints import RedisCheckpointer
from motet.memory.redis.documents import RedisDocuments
from motet.memory.redis.events import RedisEvents
from motet.memory.redis.keys import Keys
from motet.memory.redis.opening import scripts_of
from motet.memory.redis.runs import RedisRuns
from motet.memory.redis.store import RedisStore
from motet.memory.redis.threads import RedisThreads
from motet.memory.redis.trajectories import RedisTrajectories
from motet.memory.serde import encrypted_serializer, state_serializer
from motet.observability import langsmith, setup
from motet.observability.trajectory import redact
from motet.server import langgraph_json
from motet.server.crew import NOBODY, gathered
from motet.server.logs import log_progress
from motet.server.remembered import store_index
from motet.server.settings import Settings, apply_environment
from motet.server.store import redis_client
from motet.tools.budget import Limits
from motet.tools.index import Progress


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """What routes and workers use; what lasts is seen through its ports."""

    settings: Settings
    threads: Threads
    runs: RunLifecycle
    events: EventReader
    trajectories: TrajectoryStore
    checkpoints: FencedCheckpoints
    store: BaseStore
    """What outlives threads: memories, and whatever graphs put there."""
    telemetry: setup.Telemetry
    """Makes our own spans; makes none where tracing is off."""
    graphs: GraphRegistry
    limits: Limits
    notices: Sequence[str]
    """What a person should know at the start, a line each."""


@asynccontextmanager
async def opened(
    settings: Settings,
    *,
    config: Path | None = None,
    workspace: Path | None = None,
    progress: Progress = log_progress,
) -> AsyncGenerator[Services]:
    """Connect, load and assemble; everything is closed again in reverse order.

    `progress` is told of what takes long: weights that are fetched, documents that are indexed.

    Raises:
        SetupError: there is nothing to serve, or the project, the workspace or a setting can't be used.
        StoreUnavailable: Redis doesn't answer.
    """
    if config is None and workspace is None:
        raise InvalidConfig("motet", "nothing to serve: give --workspace FOLDER, --config langgraph.json or both")
    project = langgraph_json.read(config) if config else None
    if project:
        apply_environment(project.environment)
    async with AsyncExitStack() as resources:
        calls.install()
        resources.callback(redact.know(settings.secrets))
        langsmith.install()
        telemetry = setup.install(setup.TelemetrySettings(tracing=settings.traces))
        resources.push_async_callback(asyncio.to_thread, telemetry.shutdown)
        declared = langgraph_json.load(project) if project else {}
        client = await resources.enter_async_context(redis_client(settings))
        keys = Keys(settings.tenant)
        scripts = await scripts_of(client, strict=settings.durability == "strict")
        serde = _serializer(settings, project)
        checkpoints = RedisCheckpointer(client, keys, serde, scripts=scripts)
        crew = NOBODY
        if workspace:
            index = RedisDocuments(client, keys)
            crew = await resources.enter_async_context(gathered(settings, workspace, index, progress))
        store = RedisStore(client, keys, index=await store_index(crew.embeddings), scripts=scripts)
        graphs = GraphRegistry(
            {**crew.graphs, **declared},
            checkpoints,
            store=store,
            cache=RedisCache(client, keys, serde),
            descriptions=project.descriptions if project else {},
            checks={name: check for name, check in crew.checks.items() if name not in declared},
        )
        yield Services(
            settings=settings,
            threads=RedisThreads(client, keys, scripts),
            runs=RedisRuns(client, keys, scripts, lease_s=settings.lease_seconds),
            events=RedisEvents(client, keys),
            trajectories=RedisTrajectories(client, keys),
            checkpoints=checkpoints,
            store=store,
            telemetry=telemetry,
            graphs=graphs,
            limits=_limits(settings),
            notices=crew.notices,
        )


def _serializer(settings: Settings, project: langgraph_json.Project | None) -> SerializerProtocol:
    classes = project.classes if project else ()
    if settings.aes_key is None:
        return state_serializer(classes)
    return encrypted_serializer(settings.aes_key.get_secret_value().encode(), classes)


def _limits(settings: Settings) -> Limits:
    return Limits(
        model_calls=settings.budget_model_calls,
        tool_calls=settings.budget_tool_calls,
        tokens=settings.budget_tokens,
        seconds=settings.budget_seconds,
    )
