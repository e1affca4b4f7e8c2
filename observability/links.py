"""Where one trace speaks of another: W3C `traceparent` in, links and contexts out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator


def current_traceparent() -> str:
    """The W3C `traceparent` of the current span, to be carried to another process; empty without one."""
    carrier: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(carrier)
    return carrier.get("traceparent", "")


def traceparent_of(span: trace.Span) -> str:
    """The W3C `traceparent` of `span`; empty for one that stands for nothing."""
    carrier: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(carrier, trace.set_span_in_context(span))
    return carrier.get("traceparent", "")


def context_of(traceparent: str) -> otel_context.Context:
    """A context whose current span is the one that `traceparent` names; an empty one where it names none."""
    return TraceContextTextMapPropagator().extract({"traceparent": traceparent})


def links_to(traceparents: Iterable[str]) -> Sequence[trace.Link]:
    """A link to each span that is named, once; none for what names no span."""
    contexts = [trace.get_current_span(context_of(one)).get_span_context() for one in dict.fromkeys(traceparents)]
    return [trace.Link(one) for one in contexts if one.is_valid]
