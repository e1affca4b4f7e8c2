"""What so few examples can show at all: the minimal detectable difference, and warnings of too few."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

from scipy import optimize, stats
from statsmodels.stats.power import TTestPower

ENOUGH_CLUSTERS = 30
"""Fewer, and clustered errors and bootstraps are too narrow (Cameron and Miller 2015)."""
ENOUGH_EXAMPLES = 50


def detectable(
    n_clusters: int,
    *,
    kind: Literal["boolean", "number"],
    paired: bool = True,
    rate: float = 0.5,
    sd: float | None = None,
    rho: float = 0.0,
    alpha: float = 0.05,
    power: float = 0.8,
) -> float | None:
    """The least true difference that a two-sided test at `alpha` finds with probability `power`.

    None where even the greatest possible difference is found less often. Repeats are not counted: with them it is
    rather less. Booleans: McNemar's test in its normal approximation (Connor 1987), or unpaired the exact binomial
    test of a rate (Clopper and Pearson 1934), for a change towards the farther of 0 and 1, where it is hardest to
    see. Numbers: the t test by statsmodels (Cohen 1988).

    Args:
        n_clusters: Independent examples, or groups of them.
        kind: What the metric's values are.
        paired: Whether two targets meet on the same examples; else one target is held against a known value.
        rate: Of the baseline.
        sd: Standard deviation of one target's numbers over clusters; needed for numbers.
        rho: Correlation of a pair's two outcomes; 0, the cautious choice, where nothing is known.
        alpha: Chance of a false alarm.
        power: Chance of finding the difference.

    Raises:
        ValueError: an argument is out of range, or `sd` is missing.
    """
    _checked(rate=rate, rho=rho, alpha=alpha, power=power)
    if kind == "number":
        if sd is None or not 0 <= sd < math.inf:
            raise ValueError(f"sd: {sd!r} is not allowed; allowed: a finite number from 0 on, for numbers")
        return _of_numbers(n_clusters, sd * math.sqrt(2 * (1 - rho)) if paired else sd, alpha, power)
    rate = min(rate, 1 - rate)
    return _of_pairs(n_clusters, rate, rho, alpha, power) if paired else _of_rate(n_clusters, rate, alpha, power)


def warnings_of(clusters: int, examples: int) -> Sequence[str]:
    """What must be said of numbers from so few: one sentence each, none where there are enough.

    The bounds are 30 clusters (Cameron and Miller 2015) and 50 examples.
    """
    said: list[str] = []
    if clusters < ENOUGH_CLUSTERS:
        said.append(f"{clusters} clusters, below {ENOUGH_CLUSTERS} clusters: intervals are likely to be too narrow")
    if examples < ENOUGH_EXAMPLES:
        said.append(f"{examples} examples, below {ENOUGH_EXAMPLES} examples: only great differences can be seen")
    return said


def _checked(*, rate: float, rho: float, alpha: float, power: float) -> None:
    if not 0 <= rate <= 1:
        raise ValueError(f"rate: {rate!r} is not allowed; allowed: 0 to 1")
    if not -1 <= rho <= 1:
        raise ValueError(f"rho: {rho!r} is not allowed; allowed: -1 to 1")
    if not 0 < alpha < power < 1:
        raise ValueError(f"alpha, power: {alpha!r}, {power!r} are not allowed; allowed: 0 < alpha < power < 1")


def _of_pairs(n: int, rate: float, rho: float, alpha: float, power: float) -> float | None:
    alarm, found = float(stats.norm.ppf(1 - alpha / 2)), float(stats.norm.ppf(power))

    def missing(change: float) -> float:
        """How far `change` is from being found, in standard errors times sqrt(n); at least 0 where it is."""
        differ = _discordant(rate, rate + change, rho)
        then = max(differ - change**2, 0.0)
        return change * math.sqrt(n) - alarm * math.sqrt(differ) - found * math.sqrt(then)

    if n < 1 or missing(1 - rate) < 0:
        return None
    root: Any = optimize.brentq(missing, 1e-9, 1 - rate)
    return float(root)


def _discordant(rate: float, other: float, rho: float) -> float:
    """The share of pairs that differ, of two rates with this correlation, as far as the rates allow it."""
    together = rho * math.sqrt(rate * (1 - rate) * other * (1 - other))
    differ = rate * (1 - other) + other * (1 - rate) - 2 * together
    return min(max(differ, abs(rate - other)), rate + other, 2 - rate - other)


def _of_rate(n: int, rate: float, alpha: float, power: float) -> float | None:
    """The rate above `rate` at which as many successes as the test needs are as likely as `power`, less `rate`."""
    needed = int(stats.binom.isf(alpha / 2, n, rate)) + 1 if n > 0 else 1
    if needed > n:
        return None
    return float(stats.beta.ppf(power, needed, n - needed + 1)) - rate


def _of_numbers(n: int, sd: float, alpha: float, power: float) -> float | None:
    if n < 2:  # noqa: PLR2004 - a spread needs two
        return None
    found: Any = TTestPower().solve_power(nobs=n, alpha=alpha, power=power, alternative="two-sided")
    return float(found) * sd
