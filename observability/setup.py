"""Tracing and metrics for this process: their providers, the official GenAI instrumentation, and their end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from opentelemetry import metrics, trace
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.instrumentation.genai.langchain import LangChainInstrumentor
from opentelemetry.instrumentation.genai.langchain.callback_handler import OpenTelemetryLangChainCallbackHandler
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricReader, PeriodicExportingMetricReader
from opentelemetry.sdk.metrics.view import DropAggregation, View
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.util.genai.invocation import GenAIInvocation
from opentelemetry.util.genai.types import ContentCapturingMode
from opentelemetry.util.genai.utils import get_content_capturing_mode
from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.exposition import choose_encoder

from motet import calls
from motet.observability import names
from motet.observability.approval_metrics import ApprovalMetrics
from motet.observability.evaluation.events import EvaluationEvents
from motet.observability.feedback_metrics import FeedbackMetrics
from motet.observability.metrics import QueueMetrics
from motet.observability.model_metrics import ModelMetrics
from motet.observability.processor import MaskingEventExporter, MaskingExporter, PlaceProcessor
from motet.observability.replaying import is_replaying
from motet.observability.signals import outcome_of


@dataclass(frozen=True, slots=True, kw_only=True)
class TelemetrySettings:
    """What the composition root decides; everything else is OpenTelemetry's own standard variables."""

    tracing: bool = False
    """Send spans to OTLP over HTTP: `OTEL_EXPORTER_OTLP_ENDPOINT` or `…_TRACES_ENDPOINT` names where.
    Events with content go to the former or to `…_LOGS_ENDPOINT`, if the standard variable asks for any."""
    evaluations: bool = False
    """Send scores and feedback as events, where those with content go."""
    metrics: bool = False
    """Count and time, for `Telemetry.exposed`."""
    metrics_to_otlp: bool = False
    """Send those metrics too: `OTEL_EXPORTER_OTLP_ENDPOINT` or `…_METRICS_ENDPOINT` names where."""
    service_name: str = "motet"
    """Used where neither `OTEL_SERVICE_NAME` nor `OTEL_RESOURCE_ATTRIBUTES` names the service."""


def _silent() -> QueueMetrics:
    return QueueMetrics(metrics.NoOpMeterProvider().get_meter(names.SCOPE))


def _silent_approvals() -> ApprovalMetrics:
    return ApprovalMetrics(metrics.NoOpMeterProvider().get_meter(names.SCOPE))


def _silent_models() -> ModelMetrics:
    return ModelMetrics(metrics.NoOpMeterProvider().get_meter(names.SCOPE))


def _silent_feedback() -> FeedbackMetrics:
    return FeedbackMetrics(metrics.NoOpMeterProvider().get_meter(names.SCOPE))


@dataclass(frozen=True, slots=True, kw_only=True)
class Telemetry:
    """This process's tracing and metrics, from `install` to `shutdown`."""

    tracer: trace.Tracer
    """Makes our own spans; makes none where tracing is off."""
    provider: TracerProvider | None
    metrics: QueueMetrics = field(default_factory=_silent)
    """Counts and times; does neither where metrics are off."""
    approvals: ApprovalMetrics = field(default_factory=_silent_approvals)
    models: ModelMetrics = field(default_factory=_silent_models)
    feedback: FeedbackMetrics = field(default_factory=_silent_feedback)
    evaluations: EvaluationEvents = field(default_factory=EvaluationEvents)
    """Tells scores to OpenTelemetry; nobody where that is off."""
    meters: MeterProvider | None = None
    events: LoggerProvider | None = None
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    """What Prometheus may read; empty where metrics are off."""
    undo: Callable[[], None] = lambda: None
    """Takes the instrumentation out again."""

    def exposed(self, accept: str) -> tuple[bytes, str]:
        """All metrics in the text format that Prometheus asks for with its `Accept` header, and that format's name.

        Takes some milliseconds; may be called from any thread.
        """
        encode, media_type = choose_encoder(accept)
        return encode(self.registry), media_type

    def shutdown(self) -> None:
        """Send what is left, stop the exporters, and take the instrumentation out. Blocks up to 30 s."""
        self.undo()
        ending = [one.shutdown for one in (self.provider, self.meters, self.events) if one is not None]
        if ending:
            # Each waits for its own receiver, which may be gone.
            with ThreadPoolExecutor(len(ending)) as threads:
                for done in [threads.submit(end) for end in ending]:
                    done.result()


def install(settings: TelemetrySettings, *, processors: Sequence[SpanProcessor] = ()) -> Telemetry:
    """Trace LangChain and LangGraph in this process, to OTLP and to `processors`, and count; only what is asked for.

    Message content stays out of spans unless `OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT`
    asks for it. Spans stand outside the call chain, which is installed here if it isn't yet: the two
    wrap the same methods, and the outer one must be taken off first. The official instrumentation also counts where
    nothing is traced.
    """
    calls.install()
    registry = CollectorRegistry()
    meters = _meters(settings, registry) if settings.metrics else None
    meter = (metrics.NoOpMeterProvider() if meters is None else meters).get_meter(names.SCOPE)
    exporting = [BatchSpanProcessor(MaskingExporter(OTLPSpanExporter()))] if settings.tracing else []
    provider = None
    if exporting or processors:
        provider = TracerProvider(resource=_resource(settings.service_name))
        for processor in (PlaceProcessor(), *exporting, *processors):
            provider.add_span_processor(processor)
    events = None
    if provider is not None and settings.tracing:
        trace.set_tracer_provider(provider)
    if settings.evaluations or (provider is not None and settings.tracing):
        events = LoggerProvider(_resource(settings.service_name))
        events.add_log_record_processor(BatchLogRecordProcessor(MaskingEventExporter(OTLPLogExporter())))
    return Telemetry(
        tracer=(provider or trace.NoOpTracerProvider()).get_tracer(names.SCOPE),
        provider=provider,
        metrics=QueueMetrics(meter),
        approvals=ApprovalMetrics(meter),
        models=ModelMetrics(meter),
        feedback=FeedbackMetrics(meter),
        evaluations=_evaluations(events if settings.evaluations else None),
        meters=meters,
        events=events,
        registry=registry,
        undo=_instrumented(provider, meters, events) if provider or meters else lambda: None,
    )


def _instrumented(
    provider: TracerProvider | None, meters: MeterProvider | None, events: LoggerProvider | None
) -> Callable[[], None]:
    """Put the official instrumentation in, with what it gets wrong set right; returns what takes it out.

    There is one in a process: where somebody has put it in already, it is theirs.
    """
    instrumentor = LangChainInstrumentor()
    if instrumentor.is_instrumented_by_opentelemetry:
        return lambda: None
    # Its handler is quick, and LangChain would send each event of each node through a thread.
    OpenTelemetryLangChainCallbackHandler.run_inline = True
    instrumentor.instrument(
        tracer_provider=provider or trace.NoOpTracerProvider(),
        meter_provider=meters or metrics.NoOpMeterProvider(),
        logger_provider=events,
    )
    undos = (_keep_signals_out_of_errors(), _keep_replays_out_of_metrics())

    def undo() -> None:
        if instrumentor.is_instrumented_by_opentelemetry:
            instrumentor.uninstrument()
            for one in undos:
                one()

    return undo


def _evaluations(events: LoggerProvider | None) -> EvaluationEvents:
    if events is None:
        return EvaluationEvents()
    wanted = {ContentCapturingMode.EVENT_ONLY, ContentCapturingMode.SPAN_AND_EVENT}
    return EvaluationEvents(events.get_logger(names.SCOPE), content=get_content_capturing_mode() in wanted)


def _meters(settings: TelemetrySettings, registry: CollectorRegistry) -> MeterProvider:
    """A provider that `registry` reads, and OTLP if asked for; the process's own if it has none yet."""
    readers: list[MetricReader] = [PrometheusMetricReader(scope_info_enabled=False, registry=registry)]
    ProcessCollector(registry=registry)
    if settings.metrics_to_otlp:
        readers.append(PeriodicExportingMetricReader(OTLPMetricExporter()))
    meters = MeterProvider(
        readers,
        resource=_resource(settings.service_name),
        # The instrumentation of HTTP labels by the client's `Host` header, and so without end.
        views=[View(instrument_name="http.*", aggregation=DropAggregation())],
    )
    if not isinstance(metrics.get_meter_provider(), MeterProvider):
        metrics.set_meter_provider(meters)
    return meters


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


def _keep_replays_out_of_metrics() -> Callable[[], None]:
    """Make what is told again count nothing: its tokens were spent and its tools were run once; returns the undoing."""
    original = GenAIInvocation.__init__
    silent = metrics.NoOpMeterProvider().get_meter(names.SCOPE)

    def init(self: GenAIInvocation, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        if is_replaying():
            told: Any = self
            told._instruments = type(told._instruments)(silent)  # noqa: SLF001 - there is no public switch

    GenAIInvocation.__init__ = init

    def undo() -> None:
        GenAIInvocation.__init__ = original

    return undo
