"""The composition root: what a server or worker process is made of, built once, in one place."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from motet import calls
from motet.agents.models import Models, ModelSettings
from motet.errors import InvalidConfig
from motet.graphs.crew.assistant import build_assistant, check_question
from motet.graphs.crew.sql_analyst import build_sql_analyst
from motet.graphs.registry import Declared, GraphRegistry
from motet.memory.ports import EventReader, RunLifecycle, Threads, TrajectoryStore
from motet.memory.redis.checkpoints import RedisCheckpointer
from motet.memory.redis.client import connect
from motet.memory.redis.events import RedisEvents
from motet.memory.redis.keys import Keys
from motet.memory.redis.runs import RedisRuns
from motet.memory.redis.scripts import Scripts
from motet.memory.redis.threads import RedisThreads
from motet.memory.redis.trajectories import RedisTrajectories
from motet.memory.serde import state_serializer
from motet.observability import setup
from motet.server import langgraph_json
from motet.server.settings import Settings, apply_environment
from motet.server.store import redis_url
from motet.tools.budget import Limits
from motet.tools.workspace import Workspace

logger = logging.getLogger(__name__)

_OURS = ("assistant", "sql_analyst")
"""Ids of the built-in graphs, the default first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """What routes and workers use; what lasts is seen through its ports."""

    settings: Settings
    threads: Threads
    runs: RunLifecycle
    events: EventReader
    trajectories: TrajectoryStore
    telemetry: setup.Telemetry
    """Makes our own spans; makes none where tracing is off."""
    graphs: GraphRegistry
    models: Models
    limits: Limits
    skipped: Sequence[str]
    """Files of the workspace that can't be used, each with its reason."""


@asynccontextmanager
async def opened(
    settings: Settings, *, config: Path | None = None, workspace: Path | None = None
) -> AsyncGenerator[Services]:
    """Connect, load and assemble; everything is closed again in reverse order.

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
        telemetry = setup.install(setup.TelemetrySettings(tracing=settings.traces))
        resources.callback(telemetry.shutdown)
        models = Models(_model_settings(settings), progress=_log_progress)
        resources.push_async_callback(models.aclose)
        data = await resources.enter_async_context(await Workspace.open(workspace)) if workspace else None
        declared = langgraph_json.load(project) if project else {}
        client = await connect(await resources.enter_async_context(redis_url(settings)))
        resources.push_async_callback(client.aclose)
        keys, scripts = Keys(settings.tenant), Scripts(client)
        yield Services(
            settings=settings,
            threads=RedisThreads(client, keys, scripts),
            runs=RedisRuns(client, keys, scripts, lease_s=settings.lease_seconds),
            events=RedisEvents(client, keys),
            trajectories=RedisTrajectories(client, keys),
            telemetry=telemetry,
            graphs=GraphRegistry(
                {**_ours(models, data), **declared},
                RedisCheckpointer(client, keys, state_serializer()),
                descriptions={name: entry.description or "" for name, entry in project.graphs.items()}
                if project
                else {},
                checks={name: check_question for name in _OURS if name not in declared},
            ),
            models=models,
            limits=_limits(settings),
            skipped=[f"{one.source}: {one.reason}" for one in data.skipped] if data else (),
        )


def _log_progress(doing: str, done: int, total: int) -> None:
    """Weights that are fetched on the first question are said once, not drawn: nobody looks at a server's terminal."""
    if done == 0:
        logger.info("%s (%.0f MB)", doing, total / 1e6)


def _ours(models: Models, data: Workspace | None) -> Mapping[str, Declared]:
    if data is None:
        return {}
    return {"assistant": build_assistant(models.chat, data), "sql_analyst": build_sql_analyst(models.chat, data)}


def _model_settings(settings: Settings) -> ModelSettings:
    return ModelSettings(
        name=settings.model,
        base_url=settings.model_base_url,
        file=settings.model_file,
        data_dir=settings.data_dir,
        timeout_s=settings.model_timeout_seconds,
    )


def _limits(settings: Settings) -> Limits:
    return Limits(
        model_calls=settings.budget_model_calls,
        tool_calls=settings.budget_tool_calls,
        tokens=settings.budget_tokens,
        seconds=settings.budget_seconds,
    )
