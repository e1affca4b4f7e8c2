"""Composes replays: the graphs that are served here, run by the same function as ever, with a record behind them."""

from __future__ import annotations

import copy
import math
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import orjson
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.serde.base import SerializerProtocol
from opentelemetry import trace

from motet import calls
from motet.errors import InvalidConfig
from motet.graphs.events import encode
from motet.graphs.guardrails import Guard
from motet.graphs.outgoing import Outgoing
from motet.graphs.registry import Graph, GraphRegistry
from motet.graphs.runtime import RunPlan, stream, waiting_interrupts
from motet.graphs.shapes import Shown
from motet.memory.serde import state_serializer
from motet.observability import langsmith
from motet.observability.masking import SecretMask
from motet.observability.replaying import replay_span
from motet.observability.trajectory import redact
from motet.observability.trajectory.records import RunStarted
from motet.observability.trajectory.replay.playing import Leg, Player, Playing
from motet.observability.trajectory.replay.replay import replay
from motet.observability.trajectory.replay.verdict import Verdict
from motet.observability.trajectory.trajectory import Trajectory
from motet.server import langgraph_json
from motet.server.forked_again import replaced_then
from motet.server.settings import Settings, apply_environment

OpenGraph = Callable[[str, RunnableConfig, BaseCheckpointSaver[Any]], AbstractAsyncContextManager[Graph]]
"""Opens the graph of that id, with that saver."""

Identity = Callable[[RunStarted], Mapping[str, str]]
"""What the server adds to a run's configuration and metadata."""


def player(
    open_graph: OpenGraph,
    *,
    outgoing: Callable[[], Outgoing | None] = lambda: None,
    asks_as: Shown = "raw",
    identity: Identity = lambda _: {},
) -> Player:
    """Runs graphs for replays. `outgoing` and `asks_as` shape what clients are told, as they did then."""

    @asynccontextmanager
    async def play(leg: Leg) -> AsyncGenerator[Playing]:
        plan = _plan(leg, identity(leg.started), outgoing(), asks_as)
        async with open_graph(leg.started.graph_id, plan.config(), leg.saver) as opened:
            graph = copy.copy(opened)
            graph.store, graph.cache = leg.store, None
            yield _Playing(graph, plan, leg)

    return play


@dataclass(frozen=True, slots=True, kw_only=True)
class Replaying:
    """What replays trajectories, in a process of its own: nothing is open in it that a graph could reach out by."""

    graphs: GraphRegistry
    serde: SerializerProtocol
    settings: Settings

    async def verdict(self, trajectory: Trajectory, *, at: str = "") -> Verdict:
        """Replay, from the beginning or from the checkpoint that `at` names.

        Raises:
            NotReplayable, TrajectoryUnreadable, InvalidInput.
        """
        guard = Guard(self.settings.pii_rules)
        runs = player(
            lambda graph_id, config, saver: self.graphs.open(graph_id, config, checkpointer=saver),
            outgoing=guard.outgoing,
            asks_as=self.settings.approval_shape,
            identity=_identity,
        )
        started = trajectory.started
        told = {"graph_id": trajectory.graph_id, "thread_id": trajectory.thread_id, "original": started.traceparent}
        async with replaced_then(started, self.settings) as outside:
            with replay_span(trace.get_tracer("motet"), started.run_id, **told):
                return await replay(trajectory, runs, self.serde, around=[SecretMask(), *outside], at=at)


@asynccontextmanager
async def replaying(settings: Settings, *, config: Path | None, workspace: Path | None) -> AsyncGenerator[Replaying]:
    """The graphs that `motet serve` with the same options serves. A project's need neither Redis nor a model.

    Raises:
        SetupError: the project or the workspace can't be used, or neither is named.
        StoreUnavailable: a workspace's index is in Redis, which doesn't answer.
    """
    if config is None and workspace is None:
        raise InvalidConfig("--config", "no graph to replay: give a langgraph.json, or --workspace FOLDER")
    if workspace is not None:
        from motet.server.services import opened  # noqa: PLC0415 - what a project's replay has no need of

        async with opened(settings, config=config, workspace=workspace) as services:
            yield Replaying(graphs=services.graphs, serde=services.checkpoints.serde, settings=settings)
        return
    assert config is not None, "one of the two"
    project = langgraph_json.read(config)
    apply_environment(project.environment)
    calls.install()
    forget = redact.know(settings.secrets)
    try:
        serde = state_serializer(project.classes)
        saver = InMemorySaver(serde=serde)
        yield Replaying(graphs=GraphRegistry(langgraph_json.load(project), saver), serde=serde, settings=settings)
    finally:
        forget()


def verdict_json(verdict: Verdict) -> dict[str, Any]:
    """A verdict as the API and `--json` tell it: `equal`, and all its fields."""
    return {"equal": verdict.equal, **asdict(verdict)}


class _Playing:
    def __init__(self, graph: Graph, plan: RunPlan, leg: Leg) -> None:
        self._graph = graph
        self._plan = plan
        self._leg = leg

    async def run(self) -> None:
        async with aclosing(stream(self._graph, self._plan)) as events:
            async for event in events:
                if self._leg.told is not None:
                    name, data = encode(event)
                    self._leg.told(name, orjson.loads(data))

    async def waiting(self) -> Sequence[tuple[str, Any]]:
        waits = await waiting_interrupts(self._graph, self._plan.thread_id)
        return [(one.interrupt_id, one.value) for one in waits]


def _identity(started: RunStarted) -> Mapping[str, str]:
    """Nothing for a run that no server worked on: it has no assistant."""
    if not started.assistant_id:
        return {}
    return langsmith.run_metadata(
        thread_id=started.thread_id,
        run_id=started.run_id,
        assistant_id=started.assistant_id,
        graph_id=started.graph_id,
    )


def _plan(leg: Leg, identity: Mapping[str, str], outgoing: Outgoing | None, asks_as: Shown) -> RunPlan:
    started, config = leg.started, leg.started.config
    return RunPlan(
        run_id=started.run_id,
        thread_id=started.thread_id,
        attempt=1,
        input=leg.input,
        modes=tuple(config.get("modes") or ("values",)),
        subgraphs=bool(config.get("subgraphs")),
        seconds=math.inf,
        context=leg.context,
        configurable={**(config.get("configurable") or {}), **identity},
        metadata={**(config.get("metadata") or {}), **identity},
        name=started.graph_id,
        tags=tuple(config.get("tags") or ()),
        recursion_limit=config.get("recursion_limit"),
        outgoing=outgoing,
        asks_as=asks_as,
        checkpoint=config.get("checkpoint"),
        interrupt_before=config.get("interrupt_before") or (),
        interrupt_after=config.get("interrupt_after") or (),
    )
