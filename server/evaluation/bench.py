"""What experiments are worked with: where runs are made, and where what comes of them is kept."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from motet.graphs.registry import GraphRegistry
from motet.memory.approvals import Approvals
from motet.memory.evaluations import Experiments
from motet.memory.ports import EventReader, Json, Run, RunLifecycle, RunRequest, Threads
from motet.memory.redis.inspection import Inspection
from motet.memory.trajectories import TrajectoryStore
from motet.server.lasting import lasting
from motet.server.operating import Operating
from motet.server.services import Services, opened
from motet.server.worker import working


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """Where runs of an experiment are made and looked at."""

    experiments: Experiments
    inspection: Inspection
    """How runs stand."""
    threads: Threads
    runs: RunLifecycle
    events: EventReader
    trajectories: TrajectoryStore
    approvals: Approvals
    create: Callable[..., Awaitable[Run]]
    """Has a run accepted: the request, and `new_thread`, its thread's metadata."""
    graphs: GraphRegistry | None
    """None where no graph is loaded: others work the runs, and know them."""
    services: Services | None = None
    """What this process works runs with."""

    @asynccontextmanager
    async def working(self, at_once: int) -> AsyncGenerator[None]:
        """Work up to so many runs at a time here, too, where graphs are loaded."""
        async with AsyncExitStack() as resources:
            if self.services is not None:
                await resources.enter_async_context(working(self.services, at_once))
            yield


@asynccontextmanager
async def bench(here: Operating, *, config: Path | None = None, workspace: Path | None = None) -> AsyncGenerator[Bench]:
    """What runs are made with; with a project or a workspace they can be worked here, too.

    Raises:
        SetupError: the project or the workspace can't be used.
        StoreUnavailable.
    """
    settings = here.settings
    if config is None and workspace is None:
        async with lasting(settings, classes=(), lost=lambda: None, clock=time.time) as lasts:

            async def create(request: RunRequest, *, new_thread: Json | None = None) -> Run:
                return (await lasts.runs.create(request, new_thread=new_thread)).run

            yield Bench(
                experiments=here.experiments,
                inspection=here.inspection,
                threads=lasts.threads,
                runs=lasts.runs,
                events=lasts.events,
                trajectories=lasts.trajectories,
                approvals=lasts.approvals,
                create=create,
                graphs=None,
            )
        return
    async with opened(settings, config=config, workspace=workspace) as services:
        yield of_services(here, services)


def of_services(here: Operating, services: Services) -> Bench:
    """A process' own."""
    return Bench(
        experiments=here.experiments,
        inspection=here.inspection,
        threads=services.threads,
        runs=services.runs,
        events=services.events,
        trajectories=services.trajectories,
        approvals=services.desk.approvals,
        create=services.pool.create,
        graphs=services.graphs,
        services=services,
    )
