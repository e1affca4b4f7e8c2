"""The composition root: what a server or worker process is made of, built once, in one place."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from langgraph.store.base import BaseStore
from langgraph.types import TimeoutPolicy

from motet import calls, failpoints
from motet.errors import InvalidConfig
from motet.graphs.registry import Declared, GraphRegistry
from motet.memory.approvals import Journal
from motet.memory.effects import EffectLedger
from motet.memory.feedback import Feedbacks, RunFinder
from motet.memory.ports import EventReader, FencedCheckpoints, RunLifecycle, Threads
from motet.memory.redis.approvals import Clock
from motet.memory.redis.documents import RedisDocuments
from motet.memory.redis.store import RedisStore
from motet.memory.redis.webhooks import RedisWebhookPosition
from motet.memory.trajectories import TrajectoryStore
from motet.observability import langsmith, setup
from motet.observability import prices as price_table
from motet.observability.approval_metrics import ApprovalMetrics
from motet.observability.trajectory import redact
from motet.observability.trajectory.known import KnownMessages
from motet.server import langgraph_json
from motet.server.attending import Attending
from motet.server.crew import NOBODY, Crew, gathered
from motet.server.deciding import Desk
from motet.server.isolation import Isolation, isolating
from motet.server.lasting import Lasting, lasting
from motet.server.logs import log_progress
from motet.server.outbound import AddressRule
from motet.server.pool import Pool
from motet.server.remembered import store_index
from motet.server.settings import Settings, apply_environment
from motet.server.webhook import Webhook, WebhookSettings
from motet.server.wire import WrittenMessages
from motet.server.zygote import Zygote
from motet.tools.budget import Limits
from motet.tools.index import Progress

_Graphs = tuple[Mapping[str, Declared], Mapping[str, str]]
"""Graphs by name, and what is said of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """What routes and workers use; what lasts is seen through its ports."""

    settings: Settings
    threads: Threads
    thread_index: RunFinder
    runs: RunLifecycle
    pool: Pool
    """Where routes have runs accepted, so that they may start in this process at once."""
    open_runs: Callable[[], AbstractAsyncContextManager[RunLifecycle]]
    """The same over a connection of its own, for another event loop."""
    desk: Desk
    """Where approvals are, and decisions become runs."""
    journal: Journal
    attending: Attending
    """What attends to approvals in this process; told when something happened to them here."""
    webhook: Webhook | None
    """Tells another service of approvals; None where none is to be told."""
    events: EventReader
    trajectories: TrajectoryStore
    feedbacks: Feedbacks
    """What was said of runs."""
    messages: KnownMessages
    """What messages became in the trajectories that this process writes."""
    checkpoints: FencedCheckpoints
    effects: EffectLedger
    store: BaseStore
    """What outlives threads: memories, and whatever graphs put there."""
    telemetry: setup.Telemetry
    """Makes our own spans; makes none where tracing is off."""
    prices: price_table.Prices
    """What models cost."""
    graphs: GraphRegistry
    limits: Limits
    notices: Sequence[str]
    """What a person should know at the start, a line each."""
    served: tuple[Path | None, Path | None] = (None, None)
    """The project whose graphs are served, and the folder that the crew works on."""
    isolation: Isolation | None = None
    """Works runs that lost a worker before, in a process each; None works them beside the others."""
    written: WrittenMessages = field(default_factory=WrittenMessages)
    """What messages became in answers that tell states."""


@asynccontextmanager
async def opened(
    settings: Settings,
    *,
    config: Path | None = None,
    workspace: Path | None = None,
    progress: Progress = log_progress,
    zygote: Zygote | None = None,
    clock: Clock = time.time,
) -> AsyncGenerator[Services]:
    """Connect, load and assemble; everything is closed again in reverse order.

    `progress` is told of what takes long: weights that are fetched, documents that are indexed. `clock` decides when
    an approval's deadline has passed.

    Raises:
        SetupError: there is nothing to serve, or the project, the workspace or a setting can't be used.
        StoreUnavailable: Redis doesn't answer.
    """
    if config is None and workspace is None:
        raise InvalidConfig("motet", "nothing to serve: give --workspace FOLDER, --config langgraph.json or both")
    project = _project(config)
    async with AsyncExitStack() as resources:
        prices, telemetry = price_table.load(settings.prices), _watched(settings, resources)
        declared, classes = _declared(project)
        lost = telemetry.metrics.lease_lost
        lasts = await resources.enter_async_context(lasting(settings, classes=classes, lost=lost, clock=clock))
        crew = NOBODY
        if workspace:
            index = RedisDocuments(lasts.client, lasts.keys)
            crew = await resources.enter_async_context(gathered(settings, workspace, index, progress))
        store = RedisStore(lasts.client, lasts.keys, index=await store_index(crew.embeddings), scripts=lasts.scripts)
        pool = Pool(lasts.runs)
        desk = Desk(approvals=lasts.approvals, threads=lasts.threads, create=pool.create)
        yield Services(
            settings=settings,
            threads=lasts.threads,
            thread_index=lasts.thread_index,
            runs=lasts.runs,
            pool=pool,
            desk=desk,
            journal=lasts.journal,
            attending=_attending(settings, desk, lasts.journal, clock, telemetry.approvals),
            webhook=_webhook(settings, lasts, telemetry.approvals),
            open_runs=lasts.open_runs,
            events=lasts.events,
            trajectories=lasts.trajectories,
            feedbacks=lasts.feedbacks,
            messages=KnownMessages(),
            checkpoints=lasts.checkpoints,
            effects=lasts.effects,
            store=store,
            telemetry=telemetry,
            prices=prices,
            graphs=_graphs(settings, declared, crew, lasts, store),
            limits=_limits(settings),
            notices=crew.notices,
            served=(config, workspace),
            isolation=await resources.enter_async_context(_isolation(settings, lasts.runs, zygote)),
        )


def _project(config: Path | None) -> langgraph_json.Project | None:
    """The project, whose environment this process has from now on."""
    project = langgraph_json.read(config) if config else None
    if project:
        apply_environment(project.environment)
    return project


def _declared(project: langgraph_json.Project | None) -> tuple[_Graphs, Sequence[tuple[str, ...]]]:
    """The project's graphs with what is said of them, and the classes that their states may hold."""
    if project is None:
        return ({}, {}), ()
    return (langgraph_json.load(project), project.descriptions), project.classes


def _watched(settings: Settings, resources: AsyncExitStack) -> setup.Telemetry:
    """What watches this process from now on: the chain of calls, spans, metrics, LangSmith; no secret passes them."""
    failpoints.arm(settings.failpoint)
    calls.install()
    resources.callback(redact.know(settings.secrets))
    langsmith.install()
    telemetry = setup.install(
        setup.TelemetrySettings(
            tracing=settings.traces,
            metrics=True,
            metrics_to_otlp=settings.sends_metrics,
            evaluations=settings.sends_evaluations,
        )
    )
    resources.push_async_callback(asyncio.to_thread, telemetry.shutdown)
    return telemetry


def _graphs(
    settings: Settings,
    declared: _Graphs,
    crew: Crew,
    lasts: Lasting,
    store: BaseStore,
) -> GraphRegistry:
    """The crew's graphs and the project's, with descriptions; of two with one name the project's counts."""
    graphs, descriptions = declared
    idle_s = settings.idle_timeout_seconds
    return GraphRegistry(
        {**crew.graphs, **graphs},
        lasts.checkpoints,
        store=store,
        cache=lasts.cache,
        timeout=None if idle_s is None else TimeoutPolicy(idle_timeout=idle_s),
        descriptions=descriptions,
        checks={name: check for name, check in crew.checks.items() if name not in graphs},
    )


@asynccontextmanager
async def _isolation(settings: Settings, runs: RunLifecycle, zygote: Zygote | None) -> AsyncGenerator[Isolation | None]:
    if zygote is None:
        yield None
        return
    longest_s = settings.budget_seconds
    async with isolating(zygote, runs, heartbeat_s=settings.heartbeat_seconds, longest_s=longest_s) as isolation:
        yield isolation


def _attending(settings: Settings, desk: Desk, journal: Journal, clock: Clock, metrics: ApprovalMetrics) -> Attending:
    return Attending(desk, journal, clock=clock, metrics=metrics, every_s=settings.sweep_seconds)


def _webhook(settings: Settings, lasts: Lasting, metrics: ApprovalMetrics) -> Webhook | None:
    if settings.webhook_url is None:
        return None
    if settings.webhook_secret is None:
        raise InvalidConfig("MOTET_WEBHOOK_SECRET", "MOTET_WEBHOOK_URL is set, and what is posted there is signed")
    told = WebhookSettings(
        url=settings.webhook_url,
        secret=settings.webhook_secret.get_secret_value(),
        rule=AddressRule(allow_private=settings.webhook_allow_private),
    )
    position = RedisWebhookPosition(lasts.client, lasts.keys, lasts.scripts)
    return Webhook(told, lasts.journal, position, counted=metrics.told)


def _limits(settings: Settings) -> Limits:
    return Limits(
        model_calls=settings.budget_model_calls,
        tool_calls=settings.budget_tool_calls,
        tokens=settings.budget_tokens,
        seconds=settings.budget_seconds,
    )
