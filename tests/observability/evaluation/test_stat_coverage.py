"""Of simulated experiments, as many intervals hold the truth as an exact or independent computation says."""

from __future__ import annotations

from collections.abc import Sequence
from math import comb, factorial, sqrt

import numpy as np
import pytest
from tests.observability.evaluation.plain_statistics import (
    Floats,
    Z,
    bca_bounds,
    clustered_bounds,
    clustered_wilson_bounds,
    margin,
    membership,
    wilson_bounds,
)

from motet.observability.evaluation.statistics.agreement import kappa
from motet.observability.evaluation.statistics.intervals import Interval, mean_interval, rate_interval, wilson
from motet.observability.evaluation.statistics.paired import risk_difference

SIZES = (1, 1, 2, 3, 5, 8) * 4
"""Of the clusters of simulated experiments: 24, 80 values."""
CLUSTERS = [f"c{place}" for place, size in enumerate(SIZES) for _ in range(size)]


def held(found: Sequence[Interval], truth: float) -> float:
    """The share of intervals that hold the truth."""
    return sum(one.low <= truth <= one.high for one in found) / len(found)


def held_plainly(bounds: tuple[Floats, Floats], truth: float) -> float:
    """The same, of ends of many intervals."""
    return float(((bounds[0] <= truth) & (truth <= bounds[1])).mean())


@pytest.mark.parametrize(("n", "rate"), [(10, 0.5), (10, 0.9), (40, 0.3), (40, 0.95), (200, 0.8)])
def test_wilson_covers_as_the_binomial_says(n: int, rate: float) -> None:
    """20,000 experiments cover as often as the sum of the binomial over the counts whose interval holds the rate."""
    counts = np.arange(n + 1.0)
    low, high = wilson_bounds(counts, np.full(n + 1, float(n)))
    exact = sum(
        comb(n, c) * rate**c * (1 - rate) ** (n - c) for c in range(n + 1) if low[c] - 1e-12 <= rate <= high[c] + 1e-12
    )
    ours = [wilson(c, n) for c in range(n + 1)]
    drawn = np.random.default_rng(n).binomial(n, rate, 20_000)

    assert abs(held([ours[c] for c in drawn], rate) - exact) <= margin(exact, 20_000)


@pytest.mark.parametrize(("only_a", "only_b"), [(0.1, 0.1), (0.05, 0.25), (0.0, 0.1)])
def test_the_paired_difference_covers_as_the_multinomial_says(only_a: float, only_b: float) -> None:
    """20,000 experiments of 30 pairs cover as the sum of the multinomial over the plain formula; nearly 95 %."""
    n, truth, exact = 30, only_b - only_a, 0.0
    ours: dict[tuple[int, int], Interval] = {}
    for x in range(n + 1):
        for y in range(n + 1 - x):
            ours[x, y] = risk_difference(x, y, n)
            p, q = (y + 1) / (n + 2), (x + 1) / (n + 2)
            reach = Z * sqrt((p * (1 - p) + q * (1 - q) + 2 * p * q) / (n + 2))
            ways = factorial(n) // (factorial(x) * factorial(y) * factorial(n - x - y))
            if abs(p - q - truth) <= reach:
                exact += ways * only_a**x * only_b**y * (1 - only_a - only_b) ** (n - x - y)
    drawn = np.random.default_rng(5).multinomial(n, [only_a, only_b, 1 - only_a - only_b], 20_000)

    assert abs(held([ours[int(x), int(y)] for x, y, _ in drawn], truth) - exact) <= margin(exact, 20_000)
    assert exact > 0.94


def covered_by_bca(experiments: int) -> None:
    """Skewed values: as often as the same procedure in plain numpy."""
    rng = np.random.default_rng(11)
    reference = held_plainly(bca_bounds(rng.exponential(size=(4000, 30)), rng, 999), 1.0)
    values = rng.exponential(size=(experiments, 30))
    ours = held([mean_interval(row.tolist(), seed=place) for place, row in enumerate(values)], 1.0)

    assert abs(ours - reference) <= margin(reference, experiments, 4000)
    assert reference > 0.91  # of so skewed values in samples of 30, BCa is known to cover less than 95 %


def test_bca_covers_as_plain_numpy_does() -> None:
    """120 experiments of 30 exponential values."""
    covered_by_bca(120)


@pytest.mark.all
def test_bca_covers_as_plain_numpy_does_in_many_experiments() -> None:
    """The same of 2,000."""
    covered_by_bca(2000)


def covered_by_equal_clusters(experiments: int) -> None:
    """Normal clusters of equal size: exactly 95 %, because Student's t is exact there."""
    rng = np.random.default_rng(13)
    names = [str(place // 3) for place in range(36)]
    drawn = np.repeat(rng.normal(size=(experiments, 12)), 3, axis=1) + rng.normal(size=(experiments, 36))
    ours = held([mean_interval(row.tolist(), names, seed=0) for row in drawn], 0.0)

    assert abs(ours - 0.95) <= margin(0.95, experiments)


def covered_by_unequal_clusters(experiments: int) -> None:
    """Means and rates of unequal clusters: as often as the same procedure in plain numpy."""
    rng = np.random.default_rng(17)
    groups = membership(CLUSTERS)

    def numbers(rows: int) -> Floats:
        return rng.normal(size=(rows, groups.shape[1])) @ groups.T + rng.normal(size=(rows, len(CLUSTERS)))

    def passed(rows: int) -> Floats:
        chance = rng.beta(3.0, 1.0, size=(rows, groups.shape[1])) @ groups.T
        return (rng.random((rows, len(CLUSTERS))) < chance).astype(np.float64)

    means = held_plainly(clustered_bounds(numbers(20_000), groups), 0.0)
    rates = held_plainly(clustered_wilson_bounds(passed(20_000), groups), 0.75)
    of_means = [mean_interval(row.tolist(), CLUSTERS, seed=0) for row in numbers(experiments)]
    of_rates = [rate_interval([bool(one) for one in row], CLUSTERS) for row in passed(experiments)]
    naive = [wilson(sum(row), len(row)) for row in passed(experiments)]

    assert abs(held(of_means, 0.0) - means) <= margin(means, experiments, 20_000)
    assert abs(held(of_rates, 0.75) - rates) <= margin(rates, experiments, 20_000)
    assert min(means, rates) > 0.91
    assert held(naive, 0.75) < min(means, rates) - 0.05


def test_clustered_intervals_cover() -> None:
    """300 experiments with clusters of equal and of unequal sizes; without clusters too few would hold it."""
    covered_by_equal_clusters(300)
    covered_by_unequal_clusters(300)


@pytest.mark.all
def test_clustered_intervals_cover_in_many_experiments() -> None:
    """The same of 4,000."""
    covered_by_equal_clusters(4000)
    covered_by_unequal_clusters(4000)


def covered_by_kappa(experiments: int) -> None:
    """Pairs of raters on 30 items: as the sum of the multinomial over the plain formula."""
    n, shares = 30, (0.45, 0.1, 0.05, 0.4)
    agreed = shares[0] + shares[3]
    chance = (shares[0] + shares[1]) * (shares[0] + shares[2]) + (shares[2] + shares[3]) * (shares[1] + shares[3])
    truth, exact = (agreed - chance) / (1 - chance), 0.0
    for a in range(n + 1):
        for b in range(n + 1 - a):
            for c in range(n + 1 - a - b):
                cells = (a, b, c, n - a - b - c)
                ways = factorial(n) // (factorial(a) * factorial(b) * factorial(c) * factorial(cells[3]))
                likely = ways * np.prod([share**cell for share, cell in zip(shares, cells, strict=True)])
                exact += float(likely) * _holds(cells, truth)
    drawn = np.random.default_rng(19).multinomial(n, shares, experiments)
    kinds, times = np.unique(drawn, axis=0, return_counts=True)
    labels = [("y", "y"), ("y", "n"), ("n", "y"), ("n", "n")]
    covered = 0
    for kind, count in zip(kinds, times, strict=True):
        pairs = [pair for pair, cell in zip(labels, kind, strict=True) for _ in range(cell)]
        found = kappa([x for x, _ in pairs], [y for _, y in pairs]).interval
        covered += int(count) * (found.low <= truth <= found.high)

    assert abs(covered / experiments - exact) <= margin(exact, experiments)
    assert exact > 0.92


def test_kappa_covers_as_the_multinomial_says() -> None:
    """600 pairs of raters."""
    covered_by_kappa(600)


@pytest.mark.all
def test_kappa_covers_as_the_multinomial_says_in_many_experiments() -> None:
    """20,000 pairs of raters."""
    covered_by_kappa(20_000)


def _holds(cells: tuple[int, int, int, int], truth: float) -> bool:
    """Fleiss, Cohen and Everitt's interval of a table of two by two, by hand; without spread Wilson's."""
    n = sum(cells)
    p = [[cells[0] / n, cells[1] / n], [cells[2] / n, cells[3] / n]]
    rows, columns = [sum(row) for row in p], [p[0][0] + p[1][0], p[0][1] + p[1][1]]
    agreed, chance = p[0][0] + p[1][1], rows[0] * columns[0] + rows[1] * columns[1]
    if 1 in rows or 1 in columns:
        return True
    found = (agreed - chance) / (1 - chance)
    first = sum(p[i][i] * (1 - (rows[i] + columns[i]) * (1 - found)) ** 2 for i in (0, 1))
    second = (1 - found) ** 2 * sum(p[i][1 - i] * (columns[i] + rows[1 - i]) ** 2 for i in (0, 1))
    error = sqrt(max(first + second - (found - chance * (1 - found)) ** 2, 0.0) / n) / (1 - chance)
    if error > 1e-9:
        return abs(found - truth) <= Z * error
    low, high = wilson_bounds(np.array([agreed * n]), np.array([float(n)]))
    return float(low[0]) - 1e-12 <= truth * (1 - chance) + chance <= float(high[0]) + 1e-12
