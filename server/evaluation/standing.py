"""How an experiment stands: what each target has of each metric so far, without what only a report can say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from motet.observability.evaluation.evaluator import Scale
from motet.observability.evaluation.experiment import Experiment, TrialResult


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One target's trials by one metric."""

    metric: str
    target: str
    scored: int
    """Trials that have a value."""
    failed: int
    """Trials of which there should be a value, and is none."""
    mean: float | None = None
    """Of numbers; of booleans the share that is true; None without any."""
    counts: Mapping[str, int] | None = None
    """Of a category, how many have each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """What one target's trials took."""

    target: str
    trials: int
    outcomes: Mapping[str, int]
    tokens: int
    seconds: float
    cost_usd: float | None
    """None where no trial's price is known."""


def cells(experiment: Experiment) -> Sequence[Cell]:
    """By metric, then by target."""
    plan = experiment.plan
    return [
        _cell(metric, scale, target.name, experiment.results)
        for metric, scale in plan.scales.items()
        for target in plan.targets
    ]


def totals(experiment: Experiment) -> Sequence[Totals]:
    """By target."""
    return [_totals(one.name, experiment.results) for one in experiment.plan.targets]


def passed(result: TrialResult, scales: Mapping[str, Scale]) -> bool | None:
    """Whether all that can be right or wrong about a trial is right; None where nothing can."""
    told = [
        one.value is scales[one.key].higher_is_better
        for one in result.scores
        if one.key in scales and scales[one.key].kind == "boolean" and (one.value is not None or one.error)
    ]
    return all(told) if told else None


def _cell(metric: str, scale: Scale, target: str, results: Sequence[TrialResult]) -> Cell:
    scores = [score for one in results if one.target == target for score in one.scores if score.key == metric]
    values = [one.value for one in scores if one.value is not None]
    failed = sum(1 for one in scores if one.value is None and one.error)
    numbers = [float(one) for one in values if not isinstance(one, str)]
    return Cell(
        metric=metric,
        target=target,
        scored=len(values),
        failed=failed,
        mean=fmean(numbers) if numbers else None,
        counts=Counter(str(one) for one in values) if scale.kind == "category" else None,
    )


def _totals(target: str, results: Sequence[TrialResult]) -> Totals:
    those = [one for one in results if one.target == target]
    costs = [one.cost_usd for one in those if one.cost_usd is not None]
    return Totals(
        target=target,
        trials=len(those),
        outcomes=Counter(one.outcome for one in those),
        tokens=sum(one.tokens for one in those),
        seconds=sum(one.seconds for one in those),
        cost_usd=sum(costs) if costs else None,
    )
