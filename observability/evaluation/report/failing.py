"""What went wrong, by kind: how runs ended, which yes-or-no metrics failed, what evaluators couldn't find out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from motet.observability.evaluation.experiment import TrialResult
from motet.observability.evaluation.report.metrics import Metric, value_of
from motet.observability.evaluation.report.report import Failures
from motet.observability.evaluation.report.side_by_side import shortened
from motet.observability.evaluation.report.table import Table

_SAMPLE = 300
"""Characters."""
_CLASS = 80


def failures(table: Table) -> Sequence[Failures]:
    """The most frequent first; a trial counts once for each kind."""
    counts: dict[str, Counter[str]] = {}
    samples: dict[str, str] = {}
    for name in table.names:
        for trial in table.of(name):
            for kind, sample in _of(trial, table.metrics):
                counts.setdefault(kind, Counter())[name] += 1
                samples[kind] = samples.get(kind) or shortened(sample, _SAMPLE)
    ordered = sorted(counts, key=lambda kind: (-counts[kind].total(), kind))
    return [
        Failures(kind=kind, counts={name: counts[kind][name] for name in table.names}, sample=samples[kind])
        for kind in ordered
    ]


def _of(trial: TrialResult, metrics: Sequence[Metric]) -> Iterator[tuple[str, str]]:
    if trial.outcome == "error":
        kind = shortened(trial.error.partition(": ")[0].strip() or "unknown", _CLASS)
        yield f"run: {kind}", trial.error
    elif trial.outcome != "ok":
        yield f"run: {trial.outcome}", trial.error
    for metric in (one for one in metrics if one.of == "quality"):
        found = value_of(trial, metric)
        if found.status == "failed":
            yield f"evaluator: {metric.key}", found.why
        elif metric.is_share and found.status == "value" and (found.number > 0) != metric.scale.higher_is_better:
            yield f"failed: {metric.key}", found.why
