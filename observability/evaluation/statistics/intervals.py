"""How sure a rate or a mean is: Wilson, BCa bootstrap, and both where values hang together in clusters."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from statsmodels.regression.linear_model import OLS
from statsmodels.stats.proportion import proportion_confint

from motet.observability.evaluation.statistics.clusters import count, numbered

RESAMPLES = 9999
"""Of a bootstrap or a Monte-Carlo permutation test."""
UNBOUNDED = (-math.inf, math.inf)


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """Where the true value is thought to lie."""

    low: float
    """-inf (null in JSON) where the data say nothing of it."""
    high: float
    level: float
    """Share of such intervals that hold the true value, such as 0.95."""
    method: str
    """For a person, such as `Wilson`."""
    note: str = ""
    """What must be said beside it, where the data are too few or all equal."""


def wilson(successes: float, n: float, level: float = 0.95) -> Interval:
    """The score interval of a rate (Wilson 1927), by statsmodels; of no trials 0 to 1.

    Both may be fractions, where `n` is an effective number of trials.

    Raises:
        ValueError: `n` isn't finite, `successes` isn't from 0 to `n`, or `level` isn't between 0 and 1.
    """
    checked_level(level)
    if not math.isfinite(n):
        raise ValueError(f"n: {n!r} is not allowed; allowed: a finite number")
    if not 0 <= successes <= n:
        raise ValueError(f"successes: {successes!r} is not allowed; allowed: 0 to {n!r}")
    if n == 0:
        return Interval(low=0.0, high=1.0, level=level, method="Wilson", note="no trials")
    bounds: Any = proportion_confint(successes, n, alpha=1 - level, method="wilson")
    low, high = float(bounds[0]), float(bounds[1])
    return Interval(
        low=0.0 if successes == 0 else max(0.0, low),
        high=1.0 if successes == n else min(1.0, high),
        level=level,
        method="Wilson",
    )


def rate_interval(values: Sequence[bool], clusters: Sequence[str] | None = None, *, level: float = 0.95) -> Interval:
    """Of the share of trials that are true: Wilson where each cluster has one, else Wilson of the effective number.

    The effective number of trials is the one whose binomial variance is the clustered one (Miller 2024, "Adding
    error bars to evals"; Kish 1965), less where few clusters estimate it (Korn and Graubard 1998); never more than
    there are. Where all trials agree, each cluster counts as one trial.

    Raises:
        ValueError: `clusters` doesn't fit `values`, or `level` isn't between 0 and 1.
    """
    numbers, n = numbered(clusters, len(values)), len(values)
    groups = count(numbers)
    if groups == n:
        return wilson(sum(values), n, level)
    rate = sum(values) / n
    effective = float(groups)
    if groups > 1 and 0 < rate < 1:
        error = clustered_error(np.array(values, dtype=np.float64), numbers)
        few = stats.norm.ppf((1 + level) / 2) / stats.t.ppf((1 + level) / 2, groups - 1)
        effective = min(n, rate * (1 - rate) / error**2 if error > 0 else n) * float(few) ** 2
    found = wilson(rate * effective, effective, level)
    return Interval(
        low=found.low,
        high=found.high,
        level=level,
        method="clustered Wilson",
        note="one cluster says nothing of others" if groups == 1 else "",
    )


def mean_interval(
    values: Sequence[float],
    clusters: Sequence[str] | None = None,
    *,
    level: float = 0.95,
    seed: int,
    bounds: tuple[float, float] = UNBOUNDED,
) -> Interval:
    """Of the mean over all values: BCa bootstrap where each cluster has one, else Student's t with clustered errors.

    BCa (Efron 1987) is scipy's, with 9,999 resamples drawn from `seed`; clustered errors (Miller 2024, "Adding
    error bars to evals"; Liang and Zeger 1986) are statsmodels', with as many degrees of freedom as clusters less
    one. Of fewer than two clusters, it is `bounds`. Where the clusters don't differ, it is as far from their value
    as the share of clusters that may differ unseen (exact binomial, Clopper and Pearson 1934) could move it within
    `bounds`; without `bounds` it has no width, and its note says so.

    Args:
        values: Any number of finite ones.
        clusters: Of each value; None: each is its own.
        level: Share of such intervals that hold the true mean.
        seed: Of what is drawn.
        bounds: Least and greatest value that there can be.

    Raises:
        ValueError: a value isn't finite or is out of bounds, or `clusters` or `level` is wrong.
    """
    checked_level(level)
    low, high = bounds
    told = np.array(values, dtype=np.float64)
    if not (np.isfinite(told) & (told >= low) & (told <= high)).all():
        raise ValueError(f"values: allowed: finite numbers from {low} to {high}")
    if told.size and not math.isfinite(float(told.max()) - float(told.min())):
        raise ValueError("values: they lie so far apart that it is no number; allowed: a finite range")
    numbers = numbered(clusters, len(values))
    groups = count(numbers)
    if groups < 2:  # noqa: PLR2004 - a spread needs two
        note = "one cluster says nothing of others" if groups else "no values"
        return Interval(low=low, high=high, level=level, method="none", note=note)
    centre, span = float(told.mean()), float(np.ptp(told))
    alone = groups == len(values)
    error = 0.0 if span == 0 else span if alone else clustered_error((told - centre) / span, numbers) * span
    if error <= 1e-12 * span:
        return _without_spread(centre, groups, level, bounds)
    if alone:
        found = _bca((told - centre) / span, level, seed)
        return Interval(
            low=centre + span * found[0], high=centre + span * found[1], level=level, method="BCa bootstrap"
        )
    reach = float(stats.t.ppf((1 + level) / 2, groups - 1)) * error
    return Interval(
        low=max(low, centre - reach), high=min(high, centre + reach), level=level, method="t with clustered errors"
    )


def clustered_error(values: NDArray[np.float64], numbers: NDArray[np.intp]) -> float:
    """The standard error of a mean whose values hang together (Liang and Zeger 1986; Miller 2024), by statsmodels.

    With the correction for few clusters G / (G - 1); at least two are needed.
    """
    fit: Any = OLS(values, np.ones_like(values)).fit(cov_type="cluster", cov_kwds={"groups": numbers}, use_t=True)
    return float(fit.bse[0])


def _bca(values: NDArray[np.float64], level: float, seed: int) -> tuple[float, float]:
    found: Any = stats.bootstrap(
        (values,),
        np.mean,
        n_resamples=RESAMPLES,
        batch=1000,
        confidence_level=level,
        method="BCa",
        rng=np.random.default_rng(seed),
    )
    return float(found.confidence_interval.low), float(found.confidence_interval.high)


def _without_spread(value: float, groups: int, level: float, bounds: tuple[float, float]) -> Interval:
    low, high = bounds
    unseen = 1 - ((1 - level) / 2) ** (1 / groups)
    note = f"all {groups} clusters have the same mean: no spread was seen, which doesn't prove that there is none"
    return Interval(
        low=value - unseen * (value - low) if math.isfinite(low) else value,
        high=value + unseen * (high - value) if math.isfinite(high) else value,
        level=level,
        method="exact binomial, of clusters that may differ unseen" if bounds != UNBOUNDED else "none",
        note=note,
    )


def checked_level(level: float) -> None:
    """Raise ValueError where `level` is none."""
    if not 0 < level < 1:
        raise ValueError(f"level: {level!r} is not allowed; allowed: between 0 and 1")
