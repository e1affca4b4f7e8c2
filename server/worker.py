"""Works runs: claims one, streams its graph, stores what happens, ends it."""

from __future__ import annotations

import asyncio
import logging
import random
import socket
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any, cast
from uuid import uuid4

from langchain_core.callbacks import BaseCallbackHandler
from langgraph.types import Command

from motet.calls import intercepted
from motet.errors import OperatorError, StaleClaim
from motet.graphs.guardrails import Guard
from motet.graphs.outgoing import Outgoing
from motet.graphs.runtime import RunPlan, stream, waiting_interrupts
from motet.memory.ports import Claimed, Ending, TerminalStatus
from motet.observability import langsmith, names
from motet.observability.masking import SecretMask
from motet.observability.spans import NodeWatch, run_span
from motet.observability.trajectory.record import Recorder
from motet.server import wire
from motet.server.event_writer import EventWriter
from motet.server.services import Services
from motet.tools.budget import Budget

logger = logging.getLogger(__name__)

_CLAIM_WAIT_S = 1.0
_LONGEST_PAUSE_S = 5.0
_OUTCOMES: dict[TerminalStatus, names.Outcome] = {
    "success": "ok",
    "interrupted": "interrupted",
    "error": "error",
    "timeout": "error",
}


@asynccontextmanager
async def working(services: Services, concurrency: int) -> AsyncGenerator[None]:
    """Work up to `concurrency` runs at a time in this process, and look for lost ones, until the context ends.

    A run that is cut off by the end is given back: another worker goes on from its last checkpoint.
    """
    name = f"{socket.gethostname()}-{uuid4().hex[:8]}"
    stopping = asyncio.Event()
    workers = [asyncio.create_task(_work_until(stopping, services, f"{name}-{one}")) for one in range(concurrency)]
    sweeper = asyncio.create_task(_sweep_forever(services))
    try:
        yield
    finally:
        stopping.set()
        # A claim that is waited for ends by itself; cut off in the middle it would cost the run an attempt.
        if workers:
            await asyncio.wait(workers, timeout=_CLAIM_WAIT_S + 1)
        for task in (*workers, sweeper):
            task.cancel()
        await asyncio.gather(*workers, sweeper, return_exceptions=True)
        await langsmith.flush()


async def _work_until(stopping: asyncio.Event, services: Services, worker: str) -> None:
    pause = _Pause()
    while not stopping.is_set():
        try:
            claimed = await services.runs.claim(worker, wait_s=_CLAIM_WAIT_S)
            pause.reset()
            if claimed is not None:
                await work(services, claimed)
        except OperatorError as error:
            # The run, if one was held, is taken over when its lease runs out.
            logger.warning("worker %s: %s", worker, error)
            await pause.take()
        except Exception:
            # Whatever is wrong with one run, others wait: a worker that ended would be missed by nobody.
            logger.exception("worker %s: a run could not be worked", worker)
            await pause.take()


async def _sweep_forever(services: Services) -> None:
    while True:
        await asyncio.sleep(services.settings.sweep_seconds * random.uniform(0.8, 1.2))  # noqa: S311 - jitter, no secret
        try:
            for run_id in await services.runs.sweep():
                logger.warning("run %s was lost by its worker and is ready again", run_id)
            if services.settings.alive_file is not None:
                await asyncio.to_thread(services.settings.alive_file.touch)
        except OperatorError as error:
            logger.warning("sweeper: %s", error)
        except Exception:
            # One run that can't be judged must not leave the others unwatched.
            logger.exception("sweeper: lost runs could not be looked for")


async def work(services: Services, claimed: Claimed) -> None:
    """Work one claimed run to its end, beating all the while. Cancelled, it gives the run back to other workers.

    Raises:
        StoreUnavailable: Redis went away; the run stays as it is and is taken over later.
    """
    attempt = asyncio.create_task(_attempt(services, claimed))
    beating = asyncio.create_task(_beat_forever(services, claimed))
    try:
        done, _ = await asyncio.wait({attempt, beating}, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            await task
    except StaleClaim as error:
        logger.warning("%s: another worker goes on", error)
    except asyncio.CancelledError:
        await _cancelled(attempt, beating)
        await services.runs.release(claimed.claim)
        raise
    finally:
        await _cancelled(attempt, beating)


async def _cancelled(*tasks: asyncio.Task[None]) -> None:
    """Cancel the tasks and wait for their end: a run is given back only when its graph no longer works."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _beat_forever(services: Services, claimed: Claimed) -> None:
    while True:
        await asyncio.sleep(services.settings.heartbeat_seconds)
        await services.runs.beat(claimed.claim)


async def _attempt(services: Services, claimed: Claimed) -> None:
    claim, request = claimed.claim, claimed.request
    recorder = Recorder(claim.run_id)
    recorder.run_started(graph_id=request.graph_id, thread_id=claim.thread_id, attempt=claim.attempt)
    try:
        with run_span(
            services.telemetry.tracer,
            graph_id=request.graph_id,
            thread_id=claim.thread_id,
            run_id=claim.run_id,
            attempt=claim.attempt,
            traceparent=request.traceparent,
        ) as span:
            async with EventWriter(services.runs, claim) as events:
                ending = await _stream(services, claimed, recorder, events)
            span.outcome = _OUTCOMES[ending.status]
        recorder.run_finished(span.outcome, error=str(ending.error["message"]) if ending.error else None)
        await recorder.flush(services.trajectories)
        await services.runs.finish(claim, ending)
    finally:
        await recorder.flush(services.trajectories)


async def _stream(services: Services, claimed: Claimed, recorder: Recorder, events: EventWriter) -> Ending:
    """Stream the graph to its end, whatever that is; only what Redis says goes out as an exception."""
    request = claimed.request
    plan = plan_of(
        claimed,
        services.limits.seconds,
        [NodeWatch(services.telemetry.tracer, recorder)],
        outgoing=Guard(services.settings.pii_rules).outgoing(),
    )
    try:
        saver = services.checkpoints.for_claim(claimed.claim)
        async with services.graphs.open(request.graph_id, plan.config(), checkpointer=saver) as graph:
            with intercepted([SecretMask(), recorder, Budget(services.limits)]):
                async for event in stream(graph, plan):
                    events.add(event)
            waiting = await waiting_interrupts(graph, request.thread_id)
    except (OperatorError, StaleClaim):
        raise
    except Exception as error:
        # A graph is anybody's code: what it raises ends its run, and is told to the client and kept here.
        logger.warning("run %s failed", request.run_id, exc_info=error)
        return Ending(status="error", error=wire.error(error))
    if waiting:
        recorder.interrupted((one.interrupt_id, one.value) for one in waiting)
    return Ending(status="interrupted" if waiting else "success", interrupts=waiting)


def plan_of(
    claimed: Claimed, seconds: float, callbacks: Sequence[BaseCallbackHandler], *, outgoing: Outgoing | None = None
) -> RunPlan:
    """What LangGraph is asked to do for a claimed run."""
    request, payload = claimed.request, claimed.request.payload
    config: dict[str, Any] = payload.get("config") or {}
    identity = langsmith.run_metadata(
        thread_id=request.thread_id,
        run_id=request.run_id,
        assistant_id=request.assistant_id,
        graph_id=request.graph_id,
    )
    return RunPlan(
        run_id=request.run_id,
        thread_id=request.thread_id,
        attempt=claimed.claim.attempt,
        input=_graph_input(payload),
        modes=tuple(payload["modes"]),
        subgraphs=bool(payload.get("stream_subgraphs")),
        seconds=seconds,
        context=payload.get("context"),
        configurable={**(config.get("configurable") or {}), **identity},
        metadata={**(config.get("metadata") or {}), **request.metadata, **identity},
        name=request.graph_id,
        tags=tuple(config.get("tags") or ()),
        recursion_limit=config.get("recursion_limit"),
        callbacks=callbacks,
        outgoing=outgoing,
    )


def _graph_input(payload: Any) -> Any:
    command = cast("dict[str, Any] | None", payload.get("command"))
    if command is None:
        return payload.get("input")
    return Command(resume=command.get("resume"), update=command.get("update"), goto=command.get("goto") or ())


class _Pause:
    """Growing, jittered pauses between attempts to reach Redis."""

    def __init__(self) -> None:
        self._seconds = 0.1

    def reset(self) -> None:
        self._seconds = 0.1

    async def take(self) -> None:
        await asyncio.sleep(self._seconds * random.uniform(0.5, 1.0))  # noqa: S311 - jitter, no secret
        self._seconds = min(self._seconds * 2, _LONGEST_PAUSE_S)
