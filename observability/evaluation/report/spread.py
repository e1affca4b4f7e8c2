"""What plots draw besides the tables: how values spread, and each example's difference from the baseline."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

from motet.observability.evaluation.report import figures
from motet.observability.evaluation.report.comparisons import pairs_of
from motet.observability.evaluation.report.metrics import Metric
from motet.observability.evaluation.report.report import Distribution, Drawn, Series
from motet.observability.evaluation.report.table import Table

BINS = 20


def drawn(table: Table) -> Drawn:
    """All of it."""
    baseline, *others = table.names
    quality = [one.key for one in table.metrics if one.of == "quality"]
    yes_no = [one.key for one in table.metrics if one.of == "quality" and one.is_share]
    return Drawn(
        distributions=[one for one in (distribution(table, metric) for metric in table.metrics) if one is not None],
        differences={
            metric.key: [
                Series(target=name, values=sorted(pairs_of(table, name, baseline, metric).differences))
                for name in others
            ]
            for metric in table.metrics
            if others
        },
        quality=next(iter(yes_no or quality), ""),
        spent="cost" if all(any(table.flat(name, "cost")) for name in table.names) else "tokens",
    )


def distribution(table: Table, metric: Metric) -> Distribution | None:
    """Trials in bins of one width; of yes and no examples by how often they passed; of a category trials in each."""
    flat = [one for name in table.names for one in table.flat(name, metric.key)]
    if not flat:
        return None
    if metric.is_share:
        return _passes(table, metric)
    if metric.scale.kind == "category":
        return _categories(table, metric)
    edges = _edges(flat)
    return Distribution(
        metric=metric.key,
        labels=[figures.value(one, metric) for one in edges],
        edges=edges,
        counts=[Series(target=name, values=_binned(table.flat(name, metric.key), edges)) for name in table.names],
        counted="trials",
    )


def _edges(flat: Sequence[float]) -> Sequence[float]:
    """Of bins: one a whole number where there are few and no others, else so many of one width."""
    low, high = min(flat), max(flat)
    if high - low < BINS and all(one.is_integer() for one in flat):
        return [low - 0.5 + at for at in range(int(high - low) + 2)]
    if low == high:
        low, high = low - 0.5, high + 0.5
    return [low + (high - low) * at / BINS for at in range(BINS + 1)]


def _binned(flat: Sequence[float], edges: Sequence[float]) -> Sequence[float]:
    counts = [0] * (len(edges) - 1)
    for one in flat:
        counts[min(max(bisect_right(edges, one) - 1, 0), len(counts) - 1)] += 1
    return counts


def _passes(table: Table, metric: Metric) -> Distribution:
    """Examples by passes: none of k, …, all of k; without those that lack a value of a try."""
    times = range(table.repeats + 1)
    counts: list[Series] = []
    for name in table.names:
        numbers = table.numbers(name, metric.key).values()
        passed = [sum(one > 0 for one in values) for values in numbers if len(values) == table.repeats]
        counts.append(Series(target=name, values=[sum(one == at for one in passed) for at in times]))
    labels = ["no", "yes"] if table.repeats == 1 else [f"{at} of {table.repeats}" for at in times]
    return Distribution(metric=metric.key, labels=labels, edges=(), counts=counts, counted="examples")


def _categories(table: Table, metric: Metric) -> Distribution:
    ranks = range(len(metric.scale.categories))
    counts: list[Series] = []
    for name in table.names:
        flat = table.flat(name, metric.key)
        counts.append(Series(target=name, values=[sum(one == rank for one in flat) for rank in ranks]))
    labels = list(reversed(metric.scale.categories))
    return Distribution(metric=metric.key, labels=labels, edges=(), counts=counts, counted="trials")
