"""Tracing for this process: one provider, the official GenAI instrumentation, and its end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.genai.langchain import LangChainInstrumentor
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.util.genai.invocation import GenAIInvocation

from motet import calls
from motet.observability import names
from motet.observability.processor import MaskingExporter, PlaceProcessor
from motet.observability.signals import outcome_of


@dataclass(frozen=True, slots=True, kw_only=True)
class TelemetrySettings:
    """What the composition root decides; everything else is OpenTelemetry's own standard variables."""

    tracing: bool = False
    """Send spans to OTLP over HTTP: `OTEL_EXPORTER_OTLP_ENDPOINT` or `…_TRACES_ENDPOINT` names where."""
    service_name: str = "motet"
    """Used where neither `OTEL_SERVICE_NAME` nor `OTEL_RESOURCE_ATTRIBUTES` names the service."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Telemetry:
    """This process's tracing, from `install` to `shutdown`."""

    tracer: trace.Tracer
    """Makes our own spans; makes none where tracing is off."""
    provider: TracerProvider | None
    undo: Callable[[], None] = lambda: None
    """Takes our own patch of the instrumentation out again."""

    def shutdown(self) -> None:
        """Send what is left, stop the exporter, and take the instrumentation out. Blocks up to 30 s."""
        if self.provider is None:
            return
        LangChainInstrumentor().uninstrument()
        self.undo()
        self.provider.shutdown()


def install(settings: TelemetrySettings, *, processors: Sequence[SpanProcessor] = ()) -> Telemetry:
    """Trace LangChain and LangGraph in this process, to OTLP and to `processors`; nothing where there is neither.

    Message content stays out of spans unless `OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT`
    asks for it. Spans stand outside the call chain, which is installed here if it isn't yet: the two
    wrap the same methods, and the outer one must be taken off first.
    """
    calls.install()
    exporting = [BatchSpanProcessor(MaskingExporter(OTLPSpanExporter()))] if settings.tracing else []
    if not exporting and not processors:
        return Telemetry(tracer=trace.NoOpTracerProvider().get_tracer(names.SCOPE), provider=None)
    provider = TracerProvider(resource=_resource(settings.service_name))
    for processor in (PlaceProcessor(), *exporting, *processors):
        provider.add_span_processor(processor)
    if settings.tracing:
        trace.set_tracer_provider(provider)
    LangChainInstrumentor().instrument(tracer_provider=provider)
    undo = _keep_signals_out_of_errors()
    return Telemetry(tracer=provider.get_tracer(names.SCOPE), provider=provider, undo=undo)


def _resource(service_name: str) -> Resource:
    named = Resource.create()
    if not str(named.attributes[SERVICE_NAME]).startswith("unknown_service"):
        return named
    return named.merge(Resource({SERVICE_NAME: service_name}))


def _keep_signals_out_of_errors() -> Callable[[], None]:
    """Make GenAI spans that end by a signal carry their outcome instead of an error; returns the undoing.

    The official instrumentation ends the spans of a tool and its agent with an error when the tool
    calls `interrupt()`.
    """
    original = GenAIInvocation.fail

    def fail(self: GenAIInvocation, error: Any) -> None:
        outcome = outcome_of(error) if isinstance(error, BaseException) else "error"
        if outcome == "error":
            original(self, error)
            return
        self.span.set_attribute(names.OUTCOME, outcome)
        self.stop()

    GenAIInvocation.fail = fail

    def undo() -> None:
        GenAIInvocation.fail = original

    return undo
