"""What is counted and timed, under which names, and what counting costs."""

from __future__ import annotations

import re
import timeit
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from motet.observability import names
from motet.observability.metrics import QueueMetrics
from motet.observability.setup import TelemetrySettings, install

GUIDE = Path(__file__).parents[2] / "docs" / "guide.md"


class Metered:
    """Metrics that are read in memory, with a clock that the test turns."""

    def __init__(self) -> None:
        self.now = 0.0
        self._reader = InMemoryMetricReader()
        self._provider = MeterProvider([self._reader], shutdown_on_exit=False)
        self.metrics = QueueMetrics(self._provider.get_meter("test"), clock=lambda: self.now)

    def read(self) -> dict[str, tuple[str, list[tuple[dict[str, Any], Any]]]]:
        """From a metric's name to its unit and its points: labels with value, of a histogram its count and sum."""
        data = self._reader.get_metrics_data()
        if data is None:
            return {}
        return {
            metric.name: (metric.unit or "", [_point(point) for point in metric.data.data_points])
            for resource in data.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
        }


def _point(point: Any) -> tuple[dict[str, Any], Any]:
    labels: Mapping[str, Any] = point.attributes
    return dict(labels), point.value if hasattr(point, "value") else (point.count, point.sum)


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


def test_the_guide_tells_every_metric() -> None:
    """The guide's table has each metric with its unit, under its name and under Prometheus's."""
    metered = Metered()
    everything(metered.metrics)
    rows = re.findall(r"^\| `(motet\.[a-z.]+)` \| `(motet_[a-z_]+)` \| (\S+) \|", GUIDE.read_text(), re.MULTILINE)
    telemetry = install(TelemetrySettings(metrics=True))
    everything(telemetry.metrics)
    exposed = telemetry.exposed("")[0].decode()
    telemetry.shutdown()

    assert {name: unit for name, _, unit in rows if name != names.CHECKPOINT_RESENT} == {
        name: unit for name, (unit, _) in metered.read().items()
    }
    for name, in_prometheus, _ in rows:
        assert name == names.CHECKPOINT_RESENT or f"# HELP {in_prometheus} " in exposed
