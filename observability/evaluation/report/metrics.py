"""What is measured of each trial: the evaluators' scores, and what it took."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Literal

from motet.observability.evaluation.evaluator import Scale, Score
from motet.observability.evaluation.experiment import Plan, TrialResult

Status = Literal["value", "failed", "empty"]
"""There is a value; there should be one and isn't; it doesn't apply."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One thing that is measured, and which way is better."""

    key: str
    scale: Scale
    of: Literal["quality", "effort"]
    """Scores of evaluators; or what every trial takes."""
    score: str = ""
    """The score's key, of quality."""

    @property
    def better(self) -> int:
        """1 where more is better, else -1; of a category, the rank is what grows."""
        return 1 if self.scale.kind == "category" or self.scale.higher_is_better else -1

    @property
    def is_share(self) -> bool:
        """Whether its values are told in percent."""
        return self.scale.kind == "boolean"


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """One metric of one trial."""

    status: Status
    number: float = 0.0
    """1 for True, the number, or the category's rank: 0 for the worst."""
    why: str = ""
    """The evaluator's comment or error."""


def _measure(unit: str) -> Scale:
    return Scale(kind="number", low=0.0, high=None, higher_is_better=False, unit=unit)


_EFFORT: Mapping[str, tuple[Scale, Callable[[TrialResult], float | None]]] = {
    "seconds": (_measure("s"), lambda one: one.seconds),
    "first_token": (_measure("s"), lambda one: one.first_token_s),
    "tokens": (_measure("tokens"), lambda one: one.tokens),
    "cost": (_measure("USD"), lambda one: one.cost_usd),
    "model_calls": (_measure("calls"), lambda one: one.model_calls),
    "tool_calls": (_measure("calls"), lambda one: one.tool_calls),
}

EFFORT: Sequence[Metric] = tuple(Metric(key=key, scale=scale, of="effort") for key, (scale, _) in _EFFORT.items())
"""Of every trial: lower is better."""


def metrics_of(plans: Sequence[Plan]) -> Sequence[Metric]:
    """The evaluators' metrics in the order in which they were told, then what trials take.

    An evaluator's metric that is called as one of these comes as `score:…`.
    """
    scales = {key: scale for plan in plans for key, scale in plan.scales.items()}
    told = [
        Metric(key=f"score:{key}" if key in _EFFORT else key, score=key, scale=scale, of="quality")
        for key, scale in scales.items()
    ]
    return [*told, *EFFORT]


def value_of(trial: TrialResult, metric: Metric) -> Value:
    """What `metric` is in `trial`."""
    if metric.of == "effort":
        number = _EFFORT[metric.key][1](trial)
        return Value(status="empty") if number is None else Value(status="value", number=float(number))
    score = score_of(trial, metric)
    if score is None:
        return Value(status="empty")
    number = _number(score, metric.scale)
    if number is None and score.value is not None and not score.error:
        return Value(status="failed", why=f"{score.value!r} is no value of its scale")
    if number is None:
        return Value(status="failed" if score.error else "empty", why=score.error or score.comment)
    return Value(status="value", number=number, why=score.comment)


def score_of(trial: TrialResult, metric: Metric) -> Score | None:
    """The trial's score by its metric; the last where there are several."""
    return next((one for one in reversed(trial.scores) if one.key == metric.score), None)


def _number(score: Score, scale: Scale) -> float | None:
    if score.error or score.value is None:
        return None
    if scale.kind == "category":
        ranks = {name: rank for rank, name in enumerate(reversed(scale.categories))}
        rank = ranks.get(str(score.value))
        return None if rank is None else float(rank)
    return float(score.value) if not isinstance(score.value, str) and isfinite(score.value) else None
