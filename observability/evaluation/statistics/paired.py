"""Whether B does better than A on the same examples: paired tests, each with its effect size and interval."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar as statsmodels_mcnemar

from motet.observability.evaluation.statistics.clusters import count, means, numbered, sums
from motet.observability.evaluation.statistics.intervals import RESAMPLES, UNBOUNDED, Interval, mean_interval

Values = NDArray[np.float64]

_SIGN, _RANKS = "sign", "Wilcoxon signed-rank"
_SAME = "the same test as exact McNemar under another name: both count the pairs that differ"
_NO_RANKS = "doesn't apply: yes and no differ by one or not at all, so ranks say no more than signs"


@dataclass(frozen=True, slots=True, kw_only=True)
class Paired:
    """What a paired test found: of B against A, so that what is above zero is B's."""

    test: str
    statistic: float
    p_value: float
    """Two-sided."""
    n: int
    """Pairs."""
    clusters: int
    effect: float | None
    """None where it isn't defined; an odds ratio may be inf (null in JSON)."""
    effect_name: str
    difference: float | None
    """Mean of B less mean of A; None without pairs."""
    interval: Interval
    """Of the difference."""
    reason: str = ""
    """Which test was chosen and why, for a person; of `compare`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """What another paired test says of the same pairs, beside the one that decides and never in its place."""

    test: str
    p_value: float | None
    """Two-sided and not adjusted; None where the test doesn't apply."""
    note: str
    """Over what it is; whether it is the same test; or why it doesn't apply."""


def mcnemar(a: Sequence[bool], b: Sequence[bool], *, level: float = 0.95) -> Paired:
    """The exact test of McNemar (1947) on pairs that differ, by statsmodels; pairs must not hang together.

    Its effect is the odds ratio of discordant pairs (only B passed / only A passed); its interval is the adjusted
    Wald interval of the difference of paired rates (Bonett and Price 2012).

    Raises:
        ValueError: `a` and `b` have different lengths.
    """
    pairs = list(zip(a, b, strict=True))
    only_a, only_b = sum(x and not y for x, y in pairs), sum(y and not x for x, y in pairs)
    n = len(pairs)
    found: Any = statsmodels_mcnemar([[0, only_a], [only_b, 0]], exact=True)
    return Paired(
        test="exact McNemar",
        statistic=float(found.statistic),
        p_value=float(found.pvalue),
        n=n,
        clusters=n,
        effect=_odds(only_b, only_a),
        effect_name="odds ratio of pairs that differ",
        difference=(only_b - only_a) / n if n else None,
        interval=risk_difference(only_a, only_b, n, level=level),
    )


def sign_test(a: Sequence[float], b: Sequence[float], *, seed: int, level: float = 0.95) -> Paired:
    """The sign test (Arbuthnot 1710; Conover 1999) on pairs that differ, by scipy; pairs must not hang together.

    Its effect is the share of pairs that differ in which B is greater; its interval is `mean_interval`'s of the
    difference.

    Raises:
        ValueError: `a` and `b` have different lengths, or hold what isn't finite.
    """
    steps = _steps(a, b)
    up, down = _signs(steps)
    return Paired(
        test=_SIGN,
        statistic=float(up),
        p_value=_sign_p(steps),
        n=len(a),
        clusters=len(a),
        effect=up / (up + down) if up + down else None,
        effect_name="share of pairs that differ where B is greater",
        difference=_difference(a, b),
        interval=_interval(a, b, None, level=level, seed=seed),
    )


def wilcoxon(a: Sequence[float], b: Sequence[float], *, seed: int, level: float = 0.95) -> Paired:
    """The signed-rank test (Wilcoxon 1945) on pairs that differ, by scipy; pairs must not hang together.

    Its effect is the matched-pairs rank-biserial correlation (Kerby 2014), from -1 to 1; its interval is
    `mean_interval`'s of the difference.

    Raises:
        ValueError: `a` and `b` have different lengths, or hold what isn't finite.
    """
    steps = _steps(a, b)
    statistic, p_value = _ranked(steps)
    return Paired(
        test=_RANKS,
        statistic=statistic,
        p_value=p_value,
        n=len(a),
        clusters=len(a),
        effect=rank_biserial(steps),
        effect_name="rank-biserial correlation",
        difference=_difference(a, b),
        interval=_interval(a, b, None, level=level, seed=seed),
    )


def permutation(
    a: Sequence[float],
    b: Sequence[float],
    clusters: Sequence[str] | None = None,
    *,
    seed: int,
    level: float = 0.95,
    bounds: tuple[float, float] = UNBOUNDED,
) -> Paired:
    """The paired permutation test (Fisher 1935; Pitman 1937), by scipy: A and B change places in whole clusters.

    Exact up to 13 clusters, else 9,999 changes drawn from `seed`. Only sums over clusters count, so which repeat
    is paired with which doesn't matter. Its effect is Cohen's d_z (1988) of the clusters' mean differences; its
    interval is `mean_interval`'s of the difference, where `bounds` are the least and greatest that there can be.

    Raises:
        ValueError: `a` and `b` have different lengths or hold what isn't finite, or `clusters` doesn't fit them.
    """
    steps = _steps(a, b)
    numbers = numbered(clusters, len(a))
    totals, groups = sums(steps, numbers), count(numbers)
    p_value = 1.0
    if groups > 1 and totals.any():
        found: Any = stats.permutation_test(
            (totals / np.abs(totals).max(),),
            _rounded_sum,
            permutation_type="samples",
            vectorized=True,
            n_resamples=RESAMPLES,
            batch=1000,
            rng=np.random.default_rng(seed),
        )
        p_value = float(found.pvalue)
    difference = _difference(a, b)
    return Paired(
        test="permutation of clusters",
        statistic=difference or 0.0,
        p_value=p_value,
        n=len(a),
        clusters=groups,
        effect=_d_z(means(steps, numbers)),
        effect_name="Cohen's d_z",
        difference=difference,
        interval=_interval(a, b, clusters, level=level, seed=seed, bounds=bounds),
    )


def compare(
    a: Sequence[float],
    b: Sequence[float],
    *,
    kind: Literal["boolean", "number"],
    clusters: Sequence[str] | None = None,
    seed: int,
    level: float = 0.95,
    bounds: tuple[float, float] = UNBOUNDED,
) -> Paired:
    """B against A by the test that fits, with the reason in words.

    Booleans with one pair in each cluster: exact McNemar (1947). All else: the permutation test over clusters,
    whose effect for booleans is the odds ratio of clusters that differ.

    Args:
        a: Of the baseline, by pair.
        b: Of the other, in the same order.
        kind: What the values are.
        clusters: Of each pair; None: each is its own.
        seed: Of what is drawn.
        level: Of the interval.
        bounds: Least and greatest difference that there can be; of booleans it is known.

    Raises:
        ValueError: `a` and `b` have different lengths or hold what isn't finite, or `clusters` doesn't fit them.
    """
    numbers = numbered(clusters, len(a))
    groups = count(numbers)
    if kind == "boolean" and groups == len(a):
        found = mcnemar([bool(one) for one in a], [bool(one) for one in b], level=level)
        return replace(found, reason=_why_mcnemar(groups))
    bounds = (-1.0, 1.0) if kind == "boolean" else bounds
    found = permutation(a, b, clusters, seed=seed, level=level, bounds=bounds)
    if kind == "boolean":
        totals = sums(_steps(a, b), numbers)
        odds = _odds(int((totals > 0).sum()), int((totals < 0).sum()))
        found = replace(found, effect=odds, effect_name="odds ratio of clusters that differ")
    return replace(found, reason=_why_permutation(kind, len(a), groups))


def checks(
    a: Sequence[float],
    b: Sequence[float],
    *,
    kind: Literal["boolean", "number"],
    clusters: Sequence[str] | None = None,
) -> Sequence[Check]:
    """The sign test and Wilcoxon's on what `compare` is given: each cluster's mean difference counts once.

    They decide nothing: whoever takes the best of three tests finds more than there is.

    Raises:
        ValueError: as `compare`.
    """
    numbers = numbered(clusters, len(a))
    groups = count(numbers)
    steps = np.round(means(_steps(a, b), numbers), 12)
    sign = Check(test=_SIGN, p_value=_sign_p(steps), note=_over(len(a), groups))
    if kind == "boolean" and groups == len(a):
        return (replace(sign, note=_SAME), Check(test=_RANKS, p_value=None, note=_NO_RANKS))
    return (sign, Check(test=_RANKS, p_value=_ranked(steps)[1], note=_over(len(a), groups)))


def risk_difference(only_a: int, only_b: int, n: int, *, level: float = 0.95) -> Interval:
    """Of B's rate less A's on the same `n` examples: the adjusted Wald interval (Bonett and Price 2012).

    One is added to each count of pairs that differ, so it has a width even where none does.
    """
    up, down = (only_b + 1) / (n + 2), (only_a + 1) / (n + 2)
    reach = float(stats.norm.ppf((1 + level) / 2)) * math.sqrt((up + down - (up - down) ** 2) / (n + 2))
    return Interval(
        low=max(-1.0, up - down - reach), high=min(1.0, up - down + reach), level=level, method="Bonett-Price"
    )


def rank_biserial(differences: Sequence[float] | Values) -> float | None:
    """Ranks of positive differences less ranks of negative ones, of all (Kerby 2014); None where none differs."""
    differ = np.array([one for one in differences if one != 0], dtype=np.float64)
    ranks: Values = stats.rankdata(np.abs(differ))
    return float((np.sign(differ) * ranks).sum() / ranks.sum()) if differ.size else None


def _signs(steps: Values) -> tuple[int, int]:
    return int((steps > 0).sum()), int((steps < 0).sum())


def _sign_p(steps: Values) -> float:
    up, down = _signs(steps)
    return float(stats.binomtest(up, up + down).pvalue) if up + down else 1.0


def _ranked(steps: Values) -> tuple[float, float]:
    """Wilcoxon's statistic and p-value."""
    differ = steps[steps != 0]
    found: Any = stats.wilcoxon(differ) if differ.size else None
    return (float(found.statistic), float(found.pvalue)) if found else (0.0, 1.0)


def _over(n: int, groups: int) -> str:
    return f"over {n} pairs" if groups == n else f"over the mean differences of {groups} clusters"


def _why_mcnemar(groups: int) -> str:
    return (
        f"exact McNemar, because each of the {groups} clusters has one pair of booleans: "
        "only pairs that differ count, and nothing is approximated"
    )


def _why_permutation(kind: str, n: int, groups: int) -> str:
    if groups == n:
        why = f"each of the {n} clusters has one pair of {kind}s, whose distribution isn't known"
    else:
        why = f"the {n} pairs of {kind}s hang together in {groups} clusters, which alone are independent"
    how = "every change of places was tried" if 2**groups <= RESAMPLES else f"{RESAMPLES} changes of places were drawn"
    return f"permutation of clusters, because {why}; {how}"


def _steps(a: Sequence[float], b: Sequence[float]) -> Values:
    """B less A in units of the greatest value, without what only rounding makes, so that ties are ties."""
    if len(a) != len(b):
        raise ValueError(f"b: {len(b)} values for {len(a)} of a; allowed: one for each")
    first, second = np.array(a, dtype=np.float64), np.array(b, dtype=np.float64)
    if not (np.isfinite(first).all() and np.isfinite(second).all()):
        raise ValueError("a, b: allowed: finite numbers")
    greatest = max(np.abs(first).max(initial=0.0), np.abs(second).max(initial=0.0))
    return np.round((second - first) / greatest, 12) if greatest > 0 else np.zeros_like(first)


def _rounded_sum(values: Values, axis: int) -> Values:
    return np.round(np.sum(values, axis=axis), 10)


def _difference(a: Sequence[float], b: Sequence[float]) -> float | None:
    return (math.fsum(b) - math.fsum(a)) / len(a) if a else None


def _interval(
    a: Sequence[float],
    b: Sequence[float],
    clusters: Sequence[str] | None,
    *,
    level: float,
    seed: int,
    bounds: tuple[float, float] = UNBOUNDED,
) -> Interval:
    differences = [float(y) - float(x) for x, y in zip(a, b, strict=True)]
    if differences and np.ptp(_steps(a, b)) == 0:
        differences = differences[:1] * len(differences)
    return mean_interval(differences, clusters, level=level, seed=seed, bounds=bounds)


def _odds(up: int, down: int) -> float | None:
    if up == down == 0:
        return None
    return up / down if down else math.inf


def _d_z(differences: Values) -> float | None:
    """Of differences as `_steps` tells them: less than a billionth between them is what rounding left."""
    if differences.size < 2 or np.ptp(differences) < 1e-9:  # noqa: PLR2004 - a spread needs two
        return None
    return float(differences.mean() / differences.std(ddof=1))
