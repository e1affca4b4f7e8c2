"""Each metric of each target: its mean or rate with an interval, and what is missing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from math import inf, isfinite
from statistics import fmean

from motet.observability.evaluation.report.metrics import Metric
from motet.observability.evaluation.report.report import Estimate, Passing, Rate
from motet.observability.evaluation.report.table import Table
from motet.observability.evaluation.statistics.intervals import Interval, mean_interval, rate_interval
from motet.observability.evaluation.statistics.passing import (
    pass_at_k,
    pass_at_k_interval,
    pass_hat_k,
    pass_hat_k_interval,
)

_PERCENTILES = (5, 25, 50, 75, 90, 95, 99)


def estimated(table: Table, *, level: float, seed: int) -> Sequence[Estimate]:
    """One for each metric and target."""
    return [_estimate(table, name, metric, level=level, seed=seed) for metric in table.metrics for name in table.names]


def _estimate(table: Table, target: str, metric: Metric, *, level: float, seed: int) -> Estimate:
    by_example = table.values[target, metric.key]
    statuses = Counter(one.status for values in by_example.values() for one in values)
    numbers = table.numbers(target, metric.key)
    flat = [one for values in numbers.values() for one in values]
    clusters = [table.clusters[example] for example, values in numbers.items() for _ in values]
    found = _interval(flat, clusters, metric, level=level, seed=seed) if flat else None
    return Estimate(
        target=target,
        metric=metric.key,
        trials=statuses["value"],
        failed=statuses["failed"],
        empty=statuses["empty"],
        absent=table.absent(target),
        examples=len(numbers),
        clusters=len(set(clusters)),
        mean=fmean(flat) if flat else None,
        low=None if found is None else finite(found.low),
        high=None if found is None else finite(found.high),
        method="" if found is None else found.method,
        note="no values" if found is None else found.note,
        percentiles={} if metric.is_share else percentiles(flat),
        passing=_passing(table, _passes(numbers, metric), level=level, seed=seed) if metric.is_share else (),
        counts=_counts(flat, metric),
    )


def finite(number: float) -> float | None:
    """`number`, or None for a bound that the data say nothing of."""
    return number if isfinite(number) else None


def percentiles(numbers: Sequence[float]) -> Mapping[str, float]:
    """p5 to p99, straight lines between neighbours; empty without numbers."""
    if not numbers:
        return {}
    ordered = sorted(numbers)
    return {f"p{share}": _percentile(ordered, share / 100) for share in _PERCENTILES}


def _percentile(ordered: Sequence[float], share: float) -> float:
    at = share * (len(ordered) - 1)
    low = int(at)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (at - low) * (ordered[high] - ordered[low])


def bounds_of(metric: Metric) -> tuple[float, float]:
    """Least and greatest value that a trial can have."""
    if metric.scale.kind == "category":
        return 0.0, max(len(metric.scale.categories) - 1, 0)
    low, high = metric.scale.low, metric.scale.high
    return -inf if low is None else low, inf if high is None else high


def _interval(
    numbers: Sequence[float], clusters: Sequence[str], metric: Metric, *, level: float, seed: int
) -> Interval:
    if metric.is_share:
        return rate_interval([one > 0 for one in numbers], clusters, level=level)
    low, high = bounds_of(metric)
    around = (min([low, *numbers]), max([high, *numbers]))
    return mean_interval(numbers, clusters, level=level, seed=seed, bounds=around)


def _passes(numbers: Mapping[str, Sequence[float]], metric: Metric) -> Mapping[str, Sequence[float]]:
    """1 for each try that passed: that said yes, or no where yes is bad."""
    good = metric.scale.higher_is_better
    return {example: [float((one > 0) == good) for one in values] for example, values in numbers.items()}


def _passing(table: Table, numbers: Mapping[str, Sequence[float]], *, level: float, seed: int) -> Sequence[Passing]:
    """For each k from 2 up to the repeats (1 is the rate itself); of the examples that were tried at least k times."""
    found: list[Passing] = []
    for k in range(2, table.repeats + 1):
        enough = {example: values for example, values in numbers.items() if len(values) >= k}
        if not enough:
            break
        tried = [(sum(one > 0 for one in values), len(values)) for values in enough.values()]
        clusters = [table.clusters[example] for example in enough]
        found.append(
            Passing(
                k=k,
                examples=len(enough),
                all_of_k=_rate(pass_hat_k(tried, k), pass_hat_k_interval(tried, k, clusters, level=level, seed=seed)),
                any_of_k=_rate(pass_at_k(tried, k), pass_at_k_interval(tried, k, clusters, level=level, seed=seed)),
            )
        )
    return found


def _rate(mean: float, interval: Interval) -> Rate:
    return Rate(mean=mean, low=finite(interval.low), high=finite(interval.high))


def _counts(numbers: Sequence[float], metric: Metric) -> Mapping[str, int] | None:
    if metric.scale.kind != "category":
        return None
    names = list(reversed(metric.scale.categories))
    counted = Counter(names[int(one)] for one in numbers)
    return {name: counted[name] for name in metric.scale.categories}
