"""A score is told as OpenTelemetry's event, on the span that it judges."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes as conventions
from opentelemetry.trace import SpanContext, TraceFlags

from motet.observability import names
from motet.observability.evaluation.evaluator import Score
from motet.observability.evaluation.events import EvaluationEvents

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
PARENT = f"00-{TRACE}-{SPAN}-01"


class Heard:
    """Somebody who hears of scores."""

    def __init__(self, *, content: bool = False) -> None:
        self._exporter = InMemoryLogRecordExporter()
        self._provider = LoggerProvider(shutdown_on_exit=False)
        self._provider.add_log_record_processor(SimpleLogRecordProcessor(self._exporter))
        self.events = EvaluationEvents(self._provider.get_logger(names.SCOPE), content=content)

    @property
    def records(self) -> list[Any]:
        """What arrived."""
        return [one.log_record for one in self._exporter.get_finished_logs()]

    def attributes(self) -> Mapping[str, Any]:
        """Those of the one event that arrived."""
        [record] = self.records
        return dict(record.attributes)


def test_names_are_those_of_the_conventions() -> None:
    """What we spell is what the published package of conventions spells."""
    assert names.EVALUATION_NAME == conventions.GEN_AI_EVALUATION_NAME
    assert names.EVALUATION_VALUE == conventions.GEN_AI_EVALUATION_SCORE_VALUE
    assert names.EVALUATION_LABEL == conventions.GEN_AI_EVALUATION_SCORE_LABEL
    assert names.EVALUATION_EXPLANATION == conventions.GEN_AI_EVALUATION_EXPLANATION
    assert names.RESPONSE_ID == conventions.GEN_AI_RESPONSE_ID


@pytest.mark.parametrize(
    "parent",
    [PARENT, SpanContext(int(TRACE, 16), int(SPAN, 16), is_remote=True, trace_flags=TraceFlags(1))],
    ids=["traceparent", "context"],
)
def test_an_event_stands_on_the_span_that_is_judged(parent: SpanContext | str) -> None:
    """However the span is named, the event has its trace and its id."""
    heard = Heard()
    heard.events.tell(Score(key="exact", value=True), parent=parent)

    [record] = heard.records
    assert record.event_name == "gen_ai.evaluation.result"
    assert (f"{record.trace_id:032x}", f"{record.span_id:016x}") == (TRACE, SPAN)
    assert record.timestamp is not None


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (True, {names.EVALUATION_VALUE: 1.0, names.EVALUATION_LABEL: "pass"}),
        (False, {names.EVALUATION_VALUE: 0.0, names.EVALUATION_LABEL: "fail"}),
        (0.25, {names.EVALUATION_VALUE: 0.25}),
        ("good", {names.EVALUATION_LABEL: "good"}),
    ],
)
def test_a_value_is_told_by_its_kind(value: float | str, expected: dict[str, Any]) -> None:
    """A thumb is a number with a label, a number a number, a category a label."""
    heard = Heard()
    heard.events.tell(Score(key="quality", value=value), parent=PARENT, response_id="resp-1")

    assert heard.attributes() == {names.EVALUATION_NAME: "quality", names.RESPONSE_ID: "resp-1", **expected}


@pytest.mark.parametrize("content", [True, False])
def test_reasons_are_told_only_with_content(content: bool) -> None:  # noqa: FBT001 - pytest passes it by name
    """A reason quotes messages: it is left out where these are."""
    heard = Heard(content=content)
    heard.events.tell(Score(key="quality", value=0.5, comment="it says 42"), parent=PARENT)

    assert heard.attributes().get(names.EVALUATION_EXPLANATION) == ("it says 42" if content else None)


def test_what_failed_is_told_as_an_error() -> None:
    """An evaluator that has no value says why there, and not in the event."""
    heard = Heard()
    heard.events.tell(Score(key="judge", value=None, error="the model timed out"), parent=PARENT)

    assert heard.attributes() == {names.EVALUATION_NAME: "judge", names.ERROR_TYPE: "evaluation_failed"}


def test_what_says_nothing_is_not_told() -> None:
    """A metric that doesn't apply has no event; nor has any where nobody listens."""
    heard = Heard()
    heard.events.tell(Score(key="quality", value=None), parent=PARENT)
    EvaluationEvents().tell(Score(key="quality", value=1.0), parent=PARENT)

    assert heard.records == []
    assert heard.events.told
    assert not EvaluationEvents().told


def test_without_a_span_the_event_stands_alone() -> None:
    """A run that wasn't traced is judged all the same."""
    heard = Heard()
    heard.events.tell(Score(key="quality", value=1.0), parent="")

    [record] = heard.records
    assert not record.trace_id
