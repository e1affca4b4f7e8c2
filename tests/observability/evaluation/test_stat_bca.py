"""The BCa interval of a mean is Efron's own, computed without a drawing: every resample there can be is counted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import accumulate, combinations_with_replacement
from math import factorial, prod
from statistics import NormalDist, fmean

import pytest

from motet.observability.evaluation.statistics.intervals import mean_interval

MICE = [94, 197, 16, 38, 99, 141, 23]
"""Days that treated mice survived: Efron and Tibshirani 1993, table 2.1."""
UNEVEN = [1, 2, 4, 8, 16, 32, 64]
"""No two of its resamples' sums agree by accident as often as small numbers' do, and it leans to the right."""
NORMAL = NormalDist()


def resampled(values: Sequence[int]) -> list[tuple[int, Fraction]]:
    """Each sum that a resample can have with its chance, the least first: 7 values have 823,543 resamples."""
    n = len(values)
    chances: dict[int, Fraction] = {}
    for drawn in combinations_with_replacement(range(n), n):
        ways = factorial(n) // prod(factorial(drawn.count(one)) for one in set(drawn))
        total = sum(values[one] for one in drawn)
        chances[total] = chances.get(total, Fraction(0)) + Fraction(ways, n**n)
    return sorted(chances.items())


def exact_shares(values: Sequence[int], chances: Sequence[tuple[int, Fraction]]) -> tuple[float, float]:
    """Which shares of the resamples lie below the ends (Efron 1987, with a mean's acceleration in closed form)."""
    total = sum(values)
    below = sum((chance * (2 if one < total else 1) / 2 for one, chance in chances if one <= total), Fraction(0))
    bias = NORMAL.inv_cdf(float(below))
    off = [one - fmean(values) for one in values]
    skew = sum(one**3 for one in off) / (6 * sum(one**2 for one in off) ** 1.5)
    low, high = (
        NORMAL.cdf(bias + (bias + z) / (1 - skew * (bias + z))) for z in (NORMAL.inv_cdf(0.025), NORMAL.inv_cdf(0.975))
    )
    return low, high


def at_share(chances: Sequence[tuple[int, Fraction]], share: float) -> int:
    """The sum below which that share lies."""
    below = accumulate(float(chance) for _, chance in chances)
    return next(one for (one, _), so_far in zip(chances, below, strict=True) if so_far >= share)


def ends(values: Sequence[int]) -> Iterator[tuple[float, float]]:
    """The interval by twenty seeds."""
    for seed in range(20):
        found = mean_interval([float(one) for one in values], seed=seed)
        assert found.method == "BCa bootstrap"
        yield found.low, found.high


@pytest.mark.parametrize("values", [MICE, UNEVEN, [-one for one in UNEVEN]])
def test_bca_is_the_exact_one(values: list[int]) -> None:
    """Over twenty seeds the ends lie where all resamples put them, within what 9,999 drawn ones can be off."""
    n, chances = len(values), resampled(values)
    shares = exact_shares(values, chances)

    for drawn, share in zip(zip(*ends(values), strict=True), shares, strict=True):
        least, most = (at_share(chances, share + off) / n for off in (-0.002, 0.002))
        assert least - 1e-9 <= fmean(drawn) <= most + 1e-9


def test_it_leans_as_published() -> None:
    """Of the mice, both ends lie to the right of the plain percentiles', whose shares are 0.025 and 0.975."""
    low, high = exact_shares(MICE, resampled(MICE))
    assert 0.025 < low < 0.05
    assert high > 0.975
