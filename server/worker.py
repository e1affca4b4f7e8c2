"""What works runs in a process: its pool, what beats for it, and a look for runs that others lost."""

from __future__ import annotations

import asyncio
import logging
import math
import random
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from motet.errors import OperatorError
from motet.memory.ports import Claimed
from motet.observability import langsmith
from motet.observability.spans import claim_spans
from motet.server.attempt import Attempt
from motet.server.attending import attending
from motet.server.beating import Beats
from motet.server.isolation import Isolation
from motet.server.pool import Underway
from motet.server.process import settled
from motet.server.services import Services

logger = logging.getLogger(__name__)


@asynccontextmanager
async def working(services: Services, at_once: int) -> AsyncGenerator[None]:
    """Work up to `at_once` runs at a time in this process, and look for lost ones, until the context ends.

    A run that is cut off by the end is given back: another worker goes on from its last checkpoint.
    """
    settings = services.settings

    def begin(claimed: Claimed, began_ns: int) -> Underway:
        metrics = services.telemetry.metrics
        metrics.waited(claimed.waited_s, claimed.request.graph_id)
        claim_spans(
            services.telemetry.tracer,
            graph_id=claimed.request.graph_id,
            thread_id=claimed.claim.thread_id,
            run_id=claimed.claim.run_id,
            attempt=claimed.claim.attempt,
            traceparent=claimed.request.traceparent,
            waited_s=claimed.waited_s,
            began_ns=began_ns,
            lost=claimed.claim.lost,
        )
        if claimed.claim.lost:
            metrics.retried()
            if services.isolation is not None:
                return _Isolated(services, services.isolation, claimed, beats)
        return _Beaten(services, claimed, beats)

    async with beating(services) as beats, attending(services.attending):
        watching = [asyncio.create_task(_sweep_forever(services))]
        if services.webhook is not None:
            watching.append(asyncio.create_task(services.webhook.run()))
        try:
            async with services.pool.working(begin, at_once=at_once, grace_s=settings.drain_seconds):
                with settled():
                    yield
        finally:
            for task in watching:
                task.cancel()
            await asyncio.gather(*watching, return_exceptions=True)
            await langsmith.flush()


def beating(services: Services) -> Beats:
    """What beats for the runs of a process, on a connection of its own."""
    return Beats(
        services.open_runs,
        heartbeat_s=services.settings.heartbeat_seconds,
        lease_s=services.settings.lease_seconds,
        lagged=services.telemetry.metrics.loop_lag,
    )


class _Beaten:
    """An attempt for which this process beats as long as it lasts."""

    def __init__(self, services: Services, claimed: Claimed, beats: Beats) -> None:
        self._attempt = Attempt(services, claimed)
        self._beats = beats

    async def work(self) -> None:
        with self._beats.holding(self._attempt):
            await self._attempt.work()

    def drain(self) -> None:
        self._attempt.drain()


class _Isolated:
    """A run that lost a worker before: a process of its own works it and beats for it, where there can be one."""

    def __init__(self, services: Services, isolation: Isolation, claimed: Claimed, beats: Beats) -> None:
        self._services = services
        self._isolation = isolation
        self._claimed = claimed
        self._beats = beats
        self._here: _Beaten | None = None

    async def work(self) -> None:
        if await self._isolation.work(self._claimed):
            self._services.attending.nudge(self._claimed.claim.thread_id)
        else:
            self._here = _Beaten(self._services, self._claimed, self._beats)
            await self._here.work()

    def drain(self) -> None:
        if self._here is not None:
            self._here.drain()
        else:
            self._isolation.drain(self._claimed.claim)


async def _sweep_forever(services: Services) -> None:
    """Sweep now and then. After Redis was away workers are spared for a lease: who lived through it gives runs back."""
    back_at = -math.inf
    while True:
        await asyncio.sleep(services.settings.sweep_seconds * random.uniform(0.6, 1.0))  # noqa: S311 - jitter, no secret
        try:
            spare = time.monotonic() < back_at + services.settings.lease_seconds
            for run_id in await services.runs.sweep(spare=spare):
                logger.warning("run %s may be worked again", run_id)
            ready, unfinished = await services.runs.depth()
            services.telemetry.metrics.depth(ready=ready, unfinished=unfinished)
            if services.settings.alive_file is not None:
                await asyncio.to_thread(services.settings.alive_file.touch)
        except OperatorError as error:
            back_at = time.monotonic()
            logger.warning("sweeper: %s", error)
        except Exception:
            # One run that can't be judged must not leave the others unwatched.
            logger.exception("sweeper: lost runs could not be looked for")
