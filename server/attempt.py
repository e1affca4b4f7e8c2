"""One attempt at a run: streams its graph, stores what happens, ends it, or gives it back."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Mapping, Sequence
from contextlib import aclosing, suppress
from typing import Any

from langgraph.errors import GraphDrained, NodeTimeoutError
from langgraph.runtime import RunControl
from opentelemetry.trace import NoOpTracer

from motet.calls import intercepted
from motet.errors import GraphExited, MotetError, RunTimeout, StaleClaim, StoreUnavailable
from motet.graphs import ambiguous
from motet.graphs.events import Event, Part
from motet.graphs.guardrails import Guard
from motet.graphs.registry import Graph
from motet.graphs.runtime import RunPlan, snapshot_of, stopped_early, stream, waiting_in
from motet.memory.asking import approval_id
from motet.memory.ports import CancelAction, Claim, Claimed, Ending, Json, TerminalStatus
from motet.observability import names
from motet.observability.call_watch import CallWatch
from motet.observability.masking import SecretMask
from motet.observability.spans import NodeWatch, RunSpan, run_span
from motet.observability.trajectory.recording_saver import RecordingSaver
from motet.observability.trajectory.records import Failure
from motet.server import wire
from motet.server.approving import Approving
from motet.server.contained import contained
from motet.server.event_writer import EventWriter
from motet.server.forked import around
from motet.server.lineage import came_from
from motet.server.planned import plan_of
from motet.server.recorded_meanwhile import RecordedMeanwhile
from motet.server.recording import limits_told, note_start, recorder_of
from motet.server.services import Services
from motet.tools.budget import Budget
from motet.tools.ledger import Ledger

logger = logging.getLogger(__name__)

STUBBORN_S = 5.0
"""A graph that is told to end and doesn't, for so long, is left to itself: nothing it writes is accepted any more."""

_PAUSE_S = 0.2
_LONGEST_PAUSE_S = 2.0

_AWAY_S = 600.0
"""So long a run is tried to be given back: longer than its lease, for nobody takes it while Redis is away."""

_MOST_GIVEN_BACK = 10
"""A run that had so many attempts isn't given back because Redis failed it: it may be what makes Redis fail."""

_AT_REST_S = 10.0
"""Calls with an effect that a graph leaves running are waited for so long."""

_OUTCOMES: dict[TerminalStatus, names.Outcome] = {
    "success": "ok",
    "interrupted": "interrupted",
    "error": "error",
    "timeout": "error",
}


class Attempt:
    """A claimed run while it is worked.

    What beats for it sees it as `beating.Held`, what drains it as `pool.Underway`.
    """

    def __init__(self, services: Services, claimed: Claimed) -> None:
        self._services = services
        self._claimed = claimed
        self._control = RunControl()
        self._budget = Budget.after(services.limits, claimed.spent)
        self._recorder = recorder_of(services, claimed)
        graph_id = claimed.request.graph_id
        self._watch = CallWatch(services.telemetry.models, services.prices, graph_id, tokens=self._recorder)
        deadline_s = services.settings.approval_deadline_seconds
        self._approving = Approving(services.desk.approvals, claimed, deadline_s=deadline_s)
        self._told: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Done when the graph has ended, or must be left before its end."""
        self._cancelled: CancelAction | None = None
        self._lost = False
        self._silent = False
        self._late: MotetError | None = None
        """Why the graph should have ended long ago."""
        self._began = time.monotonic()

    @property
    def claim(self) -> Claim:
        """The right to write for the run."""
        return self._claimed.claim

    def spent(self) -> Json:
        """What all attempts spent of the run's budget."""
        return self._budget.spent()

    def cancel(self, action: CancelAction) -> None:
        """End the run as soon as the graph lets go."""
        self._cancelled = action
        self._leave()

    def lose(self) -> None:
        """Stop, and write nothing more."""
        self._lost = True
        self._leave()

    def silent(self) -> None:
        """Stop, and give the run back as soon as Redis answers: the worker lives, so it isn't lost; not for ever."""
        self._silent = self.claim.attempt < _MOST_GIVEN_BACK
        self._lost = not self._silent
        self._leave()

    def drain(self) -> None:
        """Stop at the next superstep and give the run back."""
        self._control.request_drain()

    async def work(self) -> None:
        """Work the run to its end. Cancelled, or without Redis for a moment, it gives the run back to other workers.

        Raises:
            StoreUnavailable: Redis went away and stayed away; the run stays as it is and is taken over later.
        """
        claim, request = self.claim, self._claimed.request
        try:
            with run_span(
                self._services.telemetry.tracer,
                graph_id=request.graph_id,
                thread_id=claim.thread_id,
                run_id=claim.run_id,
                attempt=claim.attempt,
                traceparent=request.traceparent,
                lost=claim.lost,
                retry_of=request.retry_of,
                goes_on_from=await came_from(self._services, self._claimed),
            ) as span:
                note_start(self._recorder, self._claimed, span=span.traceparent)
                async with (
                    RecordedMeanwhile(self._recorder, self._services.trajectories),
                    self._writer(span) as events,
                ):
                    ending = await self._ending(events)
                    rest = () if ending is None else await events.drained()
                span.outcome = "cancelled" if ending is None or ending.cancelled else _OUTCOMES[ending.status]
                await self._end(ending, rest, span)
        except StaleClaim as error:
            if not self._lost:
                self._services.telemetry.metrics.refused()
            logger.warning("%s: another worker goes on", error)
        except StoreUnavailable:
            if not await self._given_back():
                raise
        except asyncio.CancelledError:
            await self._services.runs.release(claim, self.spent())
            raise
        finally:
            await self._recorder.flush(self._services.trajectories)

    async def _given_back(self) -> bool:
        """Give the run back as soon as Redis answers again; False if that takes too long.

        The worker was there all the time, so it doesn't count as lost; but a run that has Redis fail each time does.
        """
        deadline, pause_s = time.monotonic() + _AWAY_S, _PAUSE_S
        while self.claim.attempt < _MOST_GIVEN_BACK and not self._lost and time.monotonic() < deadline:
            await asyncio.sleep(pause_s * random.uniform(0.5, 1.0))  # noqa: S311 - jitter
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
            try:
                await self._services.runs.release(self.claim, self.spent())
            except StaleClaim:
                return True
            except StoreUnavailable:
                continue
            return True
        return False

    async def _ending(self, events: EventWriter) -> Ending | None:
        """How the run ends; None for one that is given back. Raises StaleClaim once it is another worker's."""
        streaming = asyncio.create_task(self._stream(events))
        streaming.add_done_callback(self._streamed)
        try:
            await self._told
        finally:
            if not streaming.done():
                await _let_go(streaming)
        if self._lost:
            raise StaleClaim(self.claim.run_id, epoch=self.claim.epoch)
        if self._silent:
            return None
        if self._cancelled:
            return Ending(status="interrupted", cancelled=self._cancelled)
        if not streaming.done() or streaming.cancelled():
            # Too late, or by itself: given back, a run whose graph cancels it would begin again for ever.
            return _failed(self._late or GraphExited(asyncio.CancelledError()))
        return streaming.result()

    async def _end(self, ending: Ending | None, rest: Sequence[tuple[str, bytes]], span: RunSpan) -> None:
        services, claim = self._services, self.claim
        if ending is None:
            await services.runs.release(claim, self.spent())
            return
        told = ending.error
        failure = Failure(kind=str(told["error"]), message=str(told["message"])) if told else None
        self._recorder.run_finished(span.outcome, error=failure, limits=limits_told(services.limits))
        await self._recorder.flush(services.trajectories)
        began_ns = time.time_ns()
        await services.runs.finish(claim, ending, rest)
        if ending.interrupts or self._claimed.request.decided:
            services.attending.nudge(claim.thread_id)
        span.published(events=len(rest), size=sum(len(data) for _, data in rest), began_ns=began_ns)
        seconds = time.monotonic() - self._began
        services.telemetry.metrics.ended(self._claimed.request.graph_id, span.outcome, seconds)
        self._watch.ended(span.outcome)

    async def _stream(self, events: EventWriter) -> Ending | None:
        """Stream the graph to its end, whatever that is; only what Redis says goes out as an exception.

        None: it was drained, and hasn't ended.
        """
        services, request = self._services, self._claimed.request
        ledger = Ledger(services.effects, self.claim, ambiguous.ask)
        late: asyncio.TimerHandle | None = None
        try:
            await self._approving.begin()
            plan = self._plan()
            late = asyncio.get_running_loop().call_later(plan.longest_s + STUBBORN_S, self._overdue, plan)
            saver = services.checkpoints.for_claim(self.claim, new=request.temporary and self.claim.attempt == 1)
            recorded = RecordingSaver(saver, self._recorder, services.trajectories)
            with contained():
                async with (
                    around(services, self._claimed, self._recorder, self._watch) as other,
                    services.graphs.open(
                        request.graph_id, plan.config(), checkpointer=recorded, seen=other.store
                    ) as graph,
                ):
                    if (changed := await self._changed(graph, plan)) is not None:
                        return changed
                    own = [self._budget, self._approving, ledger]
                    chain = [SecretMask(), *other.outside, self._recorder, *other.inside(graph), *own]
                    with self._watch.watching(), intercepted(chain):
                        asked = await _told(graph, plan, events)
                    return await self._left(graph, plan, asked=asked)
        except (StoreUnavailable, StaleClaim):
            raise
        except GraphDrained:
            return None
        except Exception as error:
            # A graph is anybody's code: what it raises ends its run, and is told to the client and kept here.
            logger.warning("run %s failed", request.run_id, exc_info=error)
            return _failed(error)
        finally:
            if late is not None:
                late.cancel()
            # LangGraph leaves calls running beside one that stopped; what they did must be recorded under this claim.
            with suppress(TimeoutError):
                async with asyncio.timeout(_AT_REST_S):
                    await ledger.at_rest()

    async def _left(self, graph: Graph, plan: RunPlan, *, asked: bool) -> Ending:
        """What a graph that came to its end leaves; `asked`: it may have asked a person."""
        again = self.claim.attempt > 1
        snapshot = await snapshot_of(graph, plan.thread_id, subgraphs=again) if asked else None
        if snapshot is not None and (waits := waiting_in(snapshot)):
            if again:
                self._approving.recall(snapshot)
            else:
                self._approving.stopped(snapshot)
            self._recorder.interrupted((one.interrupt_id, one.value) for one in waits)
            tools = self._services.graphs.tools(self._claimed.request.graph_id, graph)
            return Ending(status="interrupted", interrupts=self._approving.asked(waits, tools))
        points = (
            *(plan.interrupt_before, plan.interrupt_after),
            *(graph.interrupt_before_nodes, graph.interrupt_after_nodes),
        )
        if any(points) and await stopped_early(graph, plan.thread_id):
            return Ending(status="interrupted")
        return Ending(status="success")

    async def _changed(self, graph: Graph, plan: RunPlan) -> Ending | None:
        """How the run ends that answers what waits no more as it was seen: it asks again. One round trip."""
        decided = {one.interrupt_id: one for one in self._claimed.request.decided if one.approval_id}
        if not decided:
            return None
        waits = waiting_in(await snapshot_of(graph, plan.thread_id))
        seen = [(one, decided[one.interrupt_id]) for one in waits if one.interrupt_id in decided]
        changed = [by for one, by in seen if approval_id(plan.thread_id, one.interrupt_id, one.value) != by.approval_id]
        if not changed:
            return None
        await self._approving.void(changed)
        self._approving.recall(await snapshot_of(graph, plan.thread_id, subgraphs=True))
        tools = self._services.graphs.tools(self._claimed.request.graph_id, graph)
        return Ending(status="interrupted", interrupts=self._approving.asked(waits, tools))

    def _overdue(self, plan: RunPlan) -> None:
        """The graph was told that its time is over, and doesn't listen."""
        self._late = plan.overdue()
        self._leave()

    def _streamed(self, task: asyncio.Task[Ending | None]) -> None:
        if not task.cancelled():
            task.exception()  # where the run is ended otherwise, nobody asks what the graph raised
        self._leave()

    def _leave(self) -> None:
        if not self._told.done():
            self._told.set_result(None)

    def _writer(self, span: RunSpan) -> EventWriter:
        payload = self._claimed.request.payload
        return EventWriter(
            self._services.runs,
            self.claim,
            modes=payload["modes"] or (),
            flush_s=self._services.settings.coalesce_ms / 1000,
            waited=bool(payload.get("waited")),
            published=span.published,
        )

    def _plan(self) -> RunPlan:
        services, tracer = self._services, self._services.telemetry.tracer
        return plan_of(
            self._claimed,
            services.limits.seconds,
            # Each handler costs a run 25 µs, whether it does anything or not.
            [] if isinstance(tracer, NoOpTracer) else [NodeWatch(tracer)],
            outgoing=Guard(services.settings.pii_rules).outgoing(),
            asks_as=services.settings.approval_shape,
            timeout_s=services.settings.run_timeout_seconds,
            control=self._control,
        )


async def _told(graph: Graph, plan: RunPlan, events: EventWriter) -> bool:
    """Stream the graph into `events`; whether it may have asked a person."""
    asked = not {"values", "updates"} & set(plan.modes)
    async with aclosing(stream(graph, plan)) as told:
        async for event in told:
            asked = asked or _asks(event)
            events.add(event)
            await events.room()
    return asked


def _failed(error: Exception) -> Ending:
    status = "timeout" if isinstance(error, RunTimeout | NodeTimeoutError) else "error"
    return Ending(status=status, error=wire.error(error))


def _asks(event: Event) -> bool:
    """Whether the graph told that it waits for a person."""
    return (
        isinstance(event, Part)
        and not event.namespace
        and event.mode in {"values", "updates"}
        and isinstance(event.data, Mapping)
        and "__interrupt__" in event.data
    )


async def _let_go(task: asyncio.Task[Any]) -> None:
    """Cancel the task and wait for its end, but not for ever: a graph may hold on to what it does."""
    task.cancel()
    await asyncio.wait([task], timeout=STUBBORN_S)
    if not task.done():
        logger.warning("a graph goes on though it was cancelled %g s ago; nothing it writes is accepted", STUBBORN_S)
