"""Our own spans: a run's wait, its attempts, what they publish, and each node; on any graph and without touching it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from langchain_core.callbacks import BaseCallbackHandler
from opentelemetry import context as otel_context
from opentelemetry import trace
from typing_extensions import override

from motet.calls import Place, current_place, place_of
from motet.errors import StaleClaim
from motet.observability import handoffs, names
from motet.observability.links import context_of, current_traceparent, links_to, traceparent_of
from motet.observability.signals import described, outcome_of

__all__ = [
    "NodeWatch",
    "RunSpan",
    "approval_wait_span",
    "claim_spans",
    "current_traceparent",
    "run_span",
]

_SLOW_NS = 100_000_000
_MOST_PUBLISH_SPANS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class _OpenNode:
    place: Place
    span: trace.Span


class NodeWatch(BaseCallbackHandler):
    """Stands in `config["callbacks"]` of a run: makes `invoke_node` spans.

    LangChain calls it for every runnable; those that carry a node's own name in a namespace that
    isn't open yet are nodes. A nested node's span is a child of the node around it; model and tool
    spans of the official instrumentation are siblings (group by `langgraph.checkpoint_ns`).
    """

    run_inline = True
    """In order and in the caller's context, not in a thread."""
    raise_error = False

    def __init__(self, tracer: trace.Tracer) -> None:
        self._tracer = tracer
        self._nodes: dict[UUID, _OpenNode] = {}
        self._open: dict[str, UUID] = {}
        self._failed = Counter[str]()
        """How often the node of a namespace failed: it is tried again where its graph says so."""
        self._outside = otel_context.get_current()

    @property
    @override
    def ignore_llm(self) -> bool:
        """Models have spans of their own."""
        return True

    @property
    @override
    def ignore_chat_model(self) -> bool:
        """LangChain would write out all that a model is asked for who doesn't say so."""
        return True

    @override
    def on_chain_start(
        self,
        serialized: dict[str, Any] | None,
        inputs: Any,
        *,
        run_id: UUID,
        metadata: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        place = place_of(metadata)
        if not place.node or kwargs.get("name") != place.node or place.namespace in self._open:
            return
        if place.node.startswith("__"):
            return
        span = self._tracer.start_span(
            f"{names.INVOKE_NODE} {place.node}",
            context=self._around(place.namespace),
            attributes={
                names.OPERATION_NAME: names.INVOKE_NODE,
                names.LANGGRAPH_NODE: place.node,
                names.LANGGRAPH_STEP: place.step,
                names.LANGGRAPH_CHECKPOINT_NS: place.namespace,
                **({names.AGENT_NAME: place.agent} if place.agent else {}),
                **({names.NODE_ATTEMPT: failed + 1} if (failed := self._failed[place.namespace]) else {}),
            },
        )
        self._open[place.namespace] = run_id
        self._nodes[run_id] = _OpenNode(place=place, span=span)

    @override
    def on_chain_end(self, outputs: Any, *, run_id: UUID, **kwargs: Any) -> None:
        self._close(run_id, "ok", None)

    @override
    def on_chain_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        self._close(run_id, outcome_of(error), error)

    @override
    def on_tool_end(self, output: Any, **kwargs: Any) -> None:
        place = current_place()
        run_id = self._open.get(place.namespace)
        around = self._nodes[run_id].span if run_id is not None else None
        self._hand_over(handoffs.from_tool(output), place, around)

    def _around(self, namespace: str) -> otel_context.Context:
        """The context of the innermost open node that `namespace` lies in, else the run's."""
        parts = namespace.split("|")
        for length in range(len(parts) - 1, 0, -1):
            run_id = self._open.get("|".join(parts[:length]))
            if run_id is not None:
                return trace.set_span_in_context(self._nodes[run_id].span, self._outside)
        return self._outside

    def _close(self, run_id: UUID, outcome: names.Outcome, error: BaseException | None) -> None:
        node = self._nodes.pop(run_id, None)
        if node is None:
            return
        self._open.pop(node.place.namespace, None)
        failure = described(error) if error is not None and outcome == "error" else None
        if failure:
            self._failed[node.place.namespace] += 1
        self._hand_over(handoffs.from_node(error), node.place, node.span)
        _end(node.span, outcome, error if failure else None)

    def _hand_over(self, agents: Sequence[str], place: Place, around: trace.Span | None) -> None:
        if not agents:
            return
        now, giver = time.time_ns(), handoffs.giver(place)
        parent = self._outside if around is None else trace.set_span_in_context(around, self._outside)
        for agent in agents:
            said = {names.HANDOFF_FROM: giver, names.HANDOFF_TO: agent}
            _passed(self._tracer, f"{names.HANDOFF} {agent}", parent, (now, now), said)


class RunSpan:
    """The span of an attempt at a run while it is worked on."""

    def __init__(self, tracer: trace.Tracer, span: trace.Span) -> None:
        self.outcome: names.Outcome = "ok"
        """Set it where a run ends otherwise without raising: an interrupt ends a stream like any other."""
        self._tracer = tracer
        self._span = span
        self._made = 0
        self._events = 0
        self._bytes = 0
        self._writes = 0
        self._ns = 0

    @property
    def traceparent(self) -> str:
        """The span itself, W3C; empty where nothing is traced."""
        return traceparent_of(self._span) if self._span.is_recording() else ""

    def published(self, *, events: int, size: int, began_ns: int) -> None:
        """A write of `events` events of `size` bytes to the run's stream, begun at `began_ns`, has just succeeded.

        An attempt's first write is a `publish` span, and so is each that took 100 ms or more, 20 in
        all: a run that streams tokens writes many times a second. All of them together are attributes
        of the attempt's own span.
        """
        now = time.time_ns()
        self._events += events
        self._bytes += size
        self._writes += 1
        self._ns += now - began_ns
        if self._writes > 1 and (now - began_ns < _SLOW_NS or self._made == _MOST_PUBLISH_SPANS):
            return
        self._made += 1
        _passed(
            self._tracer,
            names.PUBLISH,
            trace.set_span_in_context(self._span),
            (began_ns, now),
            {names.EVENTS: events, names.EVENTS_BYTES: size},
        )

    def lost(self, error: StaleClaim) -> None:
        """Another worker has the run: told to this one by `error`, just now."""
        now, parent = time.time_ns(), trace.set_span_in_context(self._span)
        _passed(self._tracer, names.LEASE_LOST_SPAN, parent, (now, now), {names.LEASE_EPOCH: error.epoch})

    def close(self, failure: BaseException | None) -> None:
        """End the span with what was published, its outcome and the error behind it, if that is one."""
        if self._writes:
            self._span.set_attributes(
                {
                    names.EVENTS: self._events,
                    names.EVENTS_BYTES: self._bytes,
                    names.EVENTS_WRITES: self._writes,
                    names.EVENTS_SECONDS: self._ns / 1e9,
                }
            )
        _end(self._span, self.outcome, failure)


def claim_spans(
    tracer: trace.Tracer,
    *,
    graph_id: str,
    thread_id: str,
    run_id: str,
    attempt: int,
    traceparent: str,
    waited_s: float,
    began_ns: int,
    lost: int = 0,
) -> None:
    """`queue wait` and `claim` of a run that was claimed just now, beside its `run` in the trace of its request.

    Where earlier attempts lost their worker, `lease taken over` stands at the moment from which it could be claimed.

    Makes none without a `traceparent`: a wait in a trace of its own tells nobody what waited.

    Args:
        tracer: of this process.
        graph_id: of the run, as the other ids.
        thread_id: see there.
        run_id: see there.
        attempt: 1 for the first.
        traceparent: the request's, W3C.
        waited_s: seconds since the run became ready; the queue's clock.
        began_ns: `time.time_ns()` before the question for a run. A worker that asks before there is one
            waits with its question, so the claim begins no earlier than the wait.
        lost: how many earlier attempts lost their worker.
    """
    if not traceparent:
        return
    now = time.time_ns()
    ready = now - round(waited_s * 1e9)
    parent = context_of(traceparent)
    said = _identity(graph_id=graph_id, thread_id=thread_id, run_id=run_id, attempt=attempt)
    if lost:
        _passed(tracer, names.LEASE_TAKEN_OVER, parent, (ready, ready), {**said, names.RUN_LOST: lost})
    _passed(tracer, names.QUEUE_WAIT, parent, (ready, now), said)
    _passed(tracer, names.CLAIM, parent, (min(max(ready, began_ns), now), now), said)


def approval_wait_span(
    tracer: trace.Tracer,
    *,
    approval_id: str,
    state: str,
    opened_at: str,
    ended_at: str,
    traceparent: str,
    asked_by: str = "",
) -> None:
    """`approval wait` of a question that the run of `traceparent` acts on, beside that run; linked to who asked.

    Makes none without a `traceparent`, as `claim_spans`.

    Args:
        tracer: of this process.
        approval_id: of the record.
        state: `decided`, `expired` or `withdrawn`.
        opened_at: ISO 8601.
        ended_at: when it came into its state, the same.
        traceparent: of the request that decided, W3C.
        asked_by: that of the run that asked; empty where nobody knows it.
    """
    if not traceparent:
        return
    times_ns = (_nanoseconds(opened_at), _nanoseconds(ended_at))
    said = {names.DECIDED_APPROVAL: approval_id, names.DECIDED_STATE: state}
    _passed(tracer, names.DECISION_WAIT, context_of(traceparent), times_ns, said, links=links_to([asked_by]))


@contextmanager
def run_span(
    tracer: trace.Tracer,
    *,
    graph_id: str,
    thread_id: str,
    run_id: str,
    attempt: int,
    traceparent: str = "",
    lost: int = 0,
    retry_of: str = "",
    goes_on_from: Sequence[str] = (),
) -> Generator[RunSpan]:
    """`run {graph}` around a worker's attempt, in the trace that `traceparent` (W3C) names, if it names one.

    An exception ends it as that exception says, and passes. Enter it before `NodeWatch` is made. All attempts at a
    run stand in that trace side by side, numbered, with how many of those before `lost` their worker. It is linked
    to the traces it `goes_on_from`: of the runs whose questions it answers, or of the one that it is a retry of.
    """
    parent = context_of(traceparent)
    said = _identity(graph_id=graph_id, thread_id=thread_id, run_id=run_id, attempt=attempt)
    said |= {names.RUN_LOST: lost} if lost else {}
    said |= {names.RETRY_OF: retry_of} if retry_of else {}
    span = tracer.start_span(
        f"{names.RUN} {graph_id}",
        context=parent,
        attributes={names.OPERATION_NAME: names.RUN, **said},
        links=links_to(goes_on_from),
    )
    inside = trace.set_span_in_context(span, parent)
    token = otel_context.attach(inside)
    running = RunSpan(tracer, span)
    failure: BaseException | None = None
    try:
        yield running
    except BaseException as error:
        running.outcome = outcome_of(error)
        failure = error if running.outcome == "error" else None
        if isinstance(error, StaleClaim):
            running.lost(error)
        raise
    finally:
        # A generator closed from another context never had it attached there.
        if otel_context.get_current() is inside:
            otel_context.detach(token)
        running.close(failure)


def _identity(*, graph_id: str, thread_id: str, run_id: str, attempt: int) -> dict[str, str | int]:
    return {
        names.GRAPH_ID: graph_id,
        names.CONVERSATION_ID: thread_id,
        names.RUN_ID: run_id,
        names.ATTEMPT: attempt,
    }


def _passed(
    tracer: trace.Tracer,
    name: str,
    parent: otel_context.Context,
    times_ns: tuple[int, int],
    said: Mapping[str, str | int],
    *,
    links: Sequence[trace.Link] = (),
) -> None:
    """A span of what is over already, from the first to the second time."""
    began, ended = times_ns
    tracer.start_span(name, context=parent, attributes=said, start_time=began, links=links).end(ended)


def _nanoseconds(at: str) -> int:
    return round(datetime.fromisoformat(at).timestamp() * 1e9)


def _end(span: trace.Span, outcome: names.Outcome, error: BaseException | None) -> None:
    span.set_attribute(names.OUTCOME, outcome)
    if outcome == "error":
        span.set_status(trace.StatusCode.ERROR)
    if error is not None:
        span.set_attribute(names.ERROR_TYPE, type(error).__qualname__)
    span.end()
