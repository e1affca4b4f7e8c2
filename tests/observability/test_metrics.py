"""What is counted and timed, under which names, and what counting costs."""

from __future__ import annotations

import re
import timeit
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from opentelemetry.metrics import NoOpMeterProvider
from tests.observability.metered import Memory

from motet.observability import names
from motet.observability.feedback_metrics import FeedbackMetrics
from motet.observability.metrics import QueueMetrics
from motet.observability.model_metrics import CallFacts, ModelMetrics, RunFacts
from motet.observability.prices import Usage
from motet.observability.setup import TelemetrySettings, install

GUIDE = Path(__file__).parents[2] / "docs" / "guide" / "observability.md"


class Metered:
    """Metrics that are read in memory, with a clock that the test turns."""

    def __init__(self) -> None:
        self.now = 0.0
        memory = Memory()
        self.read = memory.read
        self.metrics = QueueMetrics(memory.meter, clock=lambda: self.now)


def everything(metrics: QueueMetrics) -> None:
    """Each occurrence once."""
    metrics.waited(0.25, "travel")
    metrics.ended("travel", "ok", 2.0)
    metrics.lease_lost()
    metrics.retried()
    metrics.refused()
    metrics.cancelled("rollback")
    metrics.stream_opened()
    metrics.loop_lag(0.125)
    metrics.depth(ready=3, unfinished=7)


def test_each_occurrence_is_told_in_its_unit() -> None:
    """Every method moves one metric, with units of the conventions and labels that are few."""
    metered = Metered()

    everything(metered.metrics)

    assert metered.read() == {
        "motet.queue.wait": ("s", [({"motet.graph.id": "travel"}, (1, 0.25))]),
        "motet.run.duration": ("s", [({"motet.graph.id": "travel", "motet.outcome": "ok"}, (1, 2.0))]),
        "motet.loop.lag": ("s", [({}, (1, 0.125))]),
        "motet.lease.lost": ("{lease}", [({}, 1)]),
        "motet.run.retries": ("{attempt}", [({}, 1)]),
        "motet.write.refused": ("{write}", [({}, 1)]),
        "motet.run.cancels": ("{run}", [({"motet.cancel.action": "rollback"}, 1)]),
        "motet.stream.open": ("{stream}", [({}, 1)]),
        "motet.queue.depth": ("{run}", [({}, 3)]),
        "motet.run.unfinished": ("{run}", [({}, 7)]),
    }


def test_streams_open_are_those_not_closed() -> None:
    """A stream that was closed counts no longer."""
    metered = Metered()
    for _ in range(3):
        metered.metrics.stream_opened()

    metered.metrics.stream_closed()

    assert metered.read()["motet.stream.open"][1] == [({}, 2)]


def test_a_depth_that_nobody_looked_up_lately_is_not_told() -> None:
    """A sweeper that stopped leaves no number behind that looks like a quiet queue."""
    metered = Metered()
    assert "motet.queue.depth" not in metered.read()

    metered.metrics.depth(ready=0, unfinished=0)
    metered.now = 299.0
    assert metered.read()["motet.queue.depth"][1] == [({}, 0)]

    metered.now = 301.0
    assert not {"motet.queue.depth", "motet.run.unfinished"} & metered.read().keys()


@pytest.mark.parametrize(
    "occur",
    [
        lambda metrics: metrics.waited(0.1, "g"),
        lambda metrics: metrics.ended("g", "ok", 0.1),
        QueueMetrics.lease_lost,
        QueueMetrics.stream_opened,
        lambda metrics: metrics.loop_lag(0.1),
    ],
)
def test_counting_costs_nothing_where_nobody_reads(occur: Callable[[QueueMetrics], None]) -> None:
    """Without a meter provider a call takes less than 2 µs."""
    metrics = QueueMetrics(NoOpMeterProvider().get_meter("test"))

    best = min(timeit.repeat(lambda: occur(metrics), number=1000, repeat=20)) / 1000

    assert best < 2e-6


def test_what_prometheus_reads() -> None:
    """Names follow Prometheus's rules, buckets suit seconds, and the process tells its memory."""
    telemetry = install(TelemetrySettings(metrics=True))
    try:
        everything(telemetry.metrics)
        told, media_type = telemetry.exposed("text/plain")
    finally:
        telemetry.shutdown()

    assert media_type == "text/plain; version=0.0.4; charset=utf-8"
    lines = told.decode().splitlines()
    assert 'motet_run_duration_seconds_count{motet_graph_id="travel",motet_outcome="ok"} 1.0' in lines
    assert 'motet_queue_wait_seconds_bucket{le="0.25",motet_graph_id="travel"} 1.0' in lines
    assert 'motet_queue_wait_seconds_bucket{le="0.1",motet_graph_id="travel"} 0.0' in lines
    assert "motet_queue_depth 3.0" in lines
    assert 'motet_run_cancels_total{motet_cancel_action="rollback"} 1.0' in lines
    assert any(line.startswith("process_resident_memory_bytes ") for line in lines)


def test_where_metrics_are_off_there_are_none() -> None:
    """Nothing is kept, and what Prometheus reads is empty."""
    telemetry = install(TelemetrySettings())

    everything(telemetry.metrics)

    assert telemetry.exposed("")[0] == b""
    assert telemetry.meters is None
    telemetry.shutdown()


def models(metrics: ModelMetrics) -> None:
    """Each occurrence once."""
    usage = Usage(input=3, cached_input=1, output=2, reasoning=1)
    call = CallFacts(graph_id="travel", model="m", usage=usage, duration_s=1.0, first_token_s=0.5, cost=Decimal(1))
    metrics.model_called(call)
    metrics.model_called(replace(call, cost=None))
    metrics.run_ended(RunFacts(graph_id="travel", outcome="ok", model_calls=2, tokens=5, cost=Decimal(1)))


def test_the_guide_tells_every_metric() -> None:
    """The guide's tables have each metric with its unit, under its name and under Prometheus's."""
    memory = Memory()
    everything(QueueMetrics(memory.meter))
    models(ModelMetrics(memory.meter))
    FeedbackMetrics(memory.meter).given("helpful", 1.0, "api")
    rows = re.findall(r"^\| `(motet\.[a-z._]+)` \| `(motet_[a-z_]+)` \| (\S+) \|", GUIDE.read_text(), re.MULTILINE)

    assert {name: unit for name, _, unit in rows if name != names.CHECKPOINT_RESENT} == {
        name: unit for name, (unit, _) in memory.read().items()
    }
    exposed = _exposed()
    for name, in_prometheus, _ in rows:
        assert name == names.CHECKPOINT_RESENT or f"# HELP {in_prometheus} " in exposed


def test_what_the_guide_asks_prometheus_for_is_there() -> None:
    """Each series and each label in its queries is one that a process exposes."""
    queries = re.findall(r"^\| [^|]+ \| `(.+)`", GUIDE.read_text().partition("### Models")[2], re.MULTILINE)
    asked = {word for query in queries for word in re.findall(r"\bmotet_[a-z_]+", query)}
    exposed = set(re.findall(r"\bmotet_[a-z_]+", _exposed()))

    assert len(asked) > 12
    assert asked - exposed == set()


def _exposed() -> str:
    telemetry = install(TelemetrySettings(metrics=True))
    try:
        everything(telemetry.metrics)
        telemetry.feedback.given("helpful", 1.0, "api")
        models(telemetry.models)
        return telemetry.exposed("")[0].decode()
    finally:
        telemetry.shutdown()


def test_the_guide_tells_every_span_and_attribute() -> None:
    """Names that we set on spans are in its tables."""
    told = GUIDE.read_text()
    spans = (names.QUEUE_WAIT, names.CLAIM, names.PUBLISH, names.RUN, names.INVOKE_NODE, names.LEASE_LOST_SPAN)
    more = (names.LEASE_TAKEN_OVER, names.HANDOFF, names.DECISION_WAIT, names.REPLAY_SPAN)
    ours = {value for name, value in vars(names).items() if name.isupper() and str(value).startswith("motet.")}
    approvals = {names.APPROVAL_OPEN, names.APPROVAL_OLDEST, names.APPROVAL_DECISIONS, names.APPROVAL_TIME}
    approvals |= {names.APPROVAL_KIND, names.WEBHOOK_ATTEMPTS}

    assert [name for name in (*spans, *more) if not re.search(rf"`{name}( \{{\w+\}})?`", told)] == []
    assert sorted(name for name in ours - approvals if f"`{name}`" not in told) == []
