"""Tells scores to OpenTelemetry: an event `gen_ai.evaluation.result` each, on the span that was judged."""

from __future__ import annotations

import time

from opentelemetry import trace
from opentelemetry._logs import Logger, LogRecord
from opentelemetry.trace import NonRecordingSpan, SpanContext

from motet.observability import names
from motet.observability.evaluation.evaluator import Score
from motet.observability.evaluation.result_event import result
from motet.observability.links import context_of


class EvaluationEvents:
    """Where this process's scores are told; `Telemetry.evaluations` is the one that is wired."""

    def __init__(self, logger: Logger | None = None, *, content: bool = False) -> None:
        """`logger`: makes the events, None tells nobody; `content`: reasons may be told, which quote messages."""
        self._logger = logger
        self._content = content

    @property
    def told(self) -> bool:
        """Whether anybody hears of a score: without that, nobody need look for the span."""
        return self._logger is not None

    def tell(self, score: Score, *, parent: SpanContext | str, response_id: str = "", label: str | None = None) -> None:
        """Tell a score. Never waits; it is sent in the background.

        Args:
            score: with a value, or an error; one that has neither says nothing, and isn't told.
            parent: the span that was judged, or its W3C `traceparent`, as `RunStarted.span` of a trajectory has a
                run's; where that names none, the event stands alone.
            response_id: the provider's, of the answer that was judged.
            label: what the value means, in a word.
        """
        if self._logger is None or (score.value is None and not score.error and not score.comment):
            return
        context = context_of(parent) if isinstance(parent, str) else trace.set_span_in_context(NonRecordingSpan(parent))
        now = time.time_ns()
        self._logger.emit(
            LogRecord(
                timestamp=now,
                observed_timestamp=now,
                context=context,
                event_name=names.EVALUATION_RESULT,
                attributes=result(
                    score.key,
                    score.value,
                    label=label,
                    explanation=score.comment if self._content else None,
                    error=score.error,
                    response_id=response_id,
                ),
            )
        )
