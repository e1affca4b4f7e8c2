"""Tracing into memory, and what tests ask of spans."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.runnables import RunnableConfig
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanContext

from motet.observability.setup import Telemetry
from motet.observability.spans import NodeWatch, run_span

TRACE = "0af7651916cd43dd8448eb211c80319c"
CLIENT = f"00-{TRACE}-b7ad6b7169203331-01"
SECRET = "sk-proj-abcdefghijklmnopqrstuvwxyz123456"


class Traced:
    """Tracing into memory, and a run under it as the runtime does one."""

    def __init__(self, telemetry: Telemetry, exporter: InMemorySpanExporter) -> None:
        self.telemetry = telemetry
        self._exporter = exporter

    async def run(self, graph: Any, given: Any, *, interrupted: bool = False) -> None:
        """One attempt at run `r1` of thread `t1`."""
        tracer = self.telemetry.tracer
        with run_span(
            tracer,
            graph_id="travel",
            thread_id="t1",
            run_id="r1",
            attempt=1,
            traceparent=CLIENT,
        ) as running:
            callbacks: list[BaseCallbackHandler] = [NodeWatch(tracer)]
            config: RunnableConfig = {
                "callbacks": callbacks,
                "configurable": {"thread_id": "t1", "api_key": SECRET},
                "metadata": {"thread_id": "t1", "run_id": "r1"},
                "run_name": "travel",
            }
            await graph.ainvoke(given, config)
            if interrupted:
                running.outcome = "interrupted"

    @property
    def spans(self) -> Sequence[ReadableSpan]:
        """All ended spans by start."""
        return sorted(self._exporter.get_finished_spans(), key=lambda span: span.start_time or 0)

    def named(self, name: str) -> ReadableSpan:
        """The one span of that name."""
        (span,) = [span for span in self.spans if span.name == name]
        return span


def context(span: ReadableSpan) -> SpanContext:
    """The ids of `span`."""
    found = span.context
    assert found is not None
    return found


def attributes(span: ReadableSpan) -> dict[str, Any]:
    """What `span` says."""
    return dict(span.attributes or {})
