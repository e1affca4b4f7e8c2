"""What is counted and timed about approvals, and for how long what is told holds."""

from __future__ import annotations

from typing import Any

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from motet.observability.approval_metrics import ApprovalMetrics


class Metered:
    """Metrics that are read in memory, with a clock that the test turns."""

    def __init__(self) -> None:
        self.now = 0.0
        self._reader = InMemoryMetricReader()
        provider = MeterProvider([self._reader], shutdown_on_exit=False)
        self.metrics = ApprovalMetrics(provider.get_meter("test"), clock=lambda: self.now)

    def read(self) -> dict[str, list[tuple[dict[str, Any], Any]]]:
        """From a metric's name to its points: labels with value, of a histogram its count and sum."""
        data = self._reader.get_metrics_data()
        return {
            metric.name: [_point(point) for point in metric.data.data_points]
            for resource in (data.resource_metrics if data else ())
            for scope in resource.scope_metrics
            for metric in scope.metrics
        }


def _point(point: Any) -> tuple[dict[str, Any], Any]:
    return dict(point.attributes), point.value if hasattr(point, "value") else (point.count, point.sum)


def test_decisions_are_counted_by_kind_and_timed_if_a_person_made_them() -> None:
    """What expired or was withdrawn is counted, and nobody took time for it."""
    metered = Metered()
    metered.metrics.ended("approve", 3.0)
    metered.metrics.ended("approve", 5.0)
    metered.metrics.ended("expired", 500.0)
    metered.metrics.told("given_up")

    told = metered.read()
    kind = "motet.approval.kind"
    assert told["motet.approval.decisions"] == [({kind: "approve"}, 2), ({kind: "expired"}, 1)]
    assert told["motet.approval.time_to_decision"] == [({kind: "approve"}, (2, 8.0))]
    assert told["motet.webhook.attempts"] == [({"motet.outcome": "given_up"}, 1)]


def test_what_waits_is_told_for_five_minutes() -> None:
    """How many are open and how old the oldest is; afterwards nobody knows, and nothing is told."""
    metered = Metered()
    metered.metrics.standing(waiting=4, oldest_s=90.0)
    metered.now = 299.0
    told = metered.read()
    assert (told["motet.approval.open"], told["motet.approval.oldest"]) == ([({}, 4)], [({}, 90.0)])

    metered.now = 301.0
    assert "motet.approval.open" not in metered.read()
