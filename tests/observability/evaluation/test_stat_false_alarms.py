"""Where there is no difference, the test that `compare` takes finds one in at most 5 of 100 experiments."""

from __future__ import annotations

from math import factorial

import numpy as np
import pytest
from tests.observability.evaluation.plain_statistics import Floats, binomial_two_sided, margin

from motet.observability.evaluation.statistics.paired import compare, mcnemar

SIZES = (1, 1, 2, 3, 5, 8, 2, 4, 6)
"""Of the clusters: 9, 32 pairs; all 512 changes of places are tried."""


def without_difference(rows: int, sizes: tuple[int, ...], rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Outcomes of two targets, equally good but each better in clusters of its own, shape (rows, pairs)."""
    cluster = np.repeat(np.arange(len(sizes)), sizes)
    middle = rng.uniform(0.3, 0.7, size=(rows, len(sizes)))
    better = rng.uniform(-0.3, 0.3, size=(rows, len(sizes)))
    a, b = ((rng.random((rows, cluster.size)) < (middle + way * better)[:, cluster]) for way in (1, -1))
    return a.astype(np.float64), b.astype(np.float64)


@pytest.mark.parametrize(("n", "differ"), [(20, 0.3), (40, 0.5), (100, 0.2)])
def test_mcnemar_alarms_as_the_multinomial_says(n: int, differ: float) -> None:
    """20,000 experiments alarm as often as the sum of the multinomial says, which is at most 5 %."""
    exact = 0.0
    for x in range(n + 1):
        for y in range(n + 1 - x):
            if binomial_two_sided(x, y) <= 0.05:
                ways = factorial(n) // (factorial(x) * factorial(y) * factorial(n - x - y))
                exact += ways * (differ / 2) ** (x + y) * (1 - differ) ** (n - x - y)
    drawn = np.random.default_rng(n).multinomial(n, [differ / 2, differ / 2, 1 - differ], 20_000)
    kinds, times = np.unique(drawn, axis=0, return_counts=True)
    alarms = 0
    for (x, y, rest), count in zip(kinds.tolist(), times.tolist(), strict=True):
        a, b = [True] * x + [False] * y + [True] * rest, [False] * x + [True] * y + [True] * rest
        alarms += count * (compare(a, b, kind="boolean", seed=1).p_value <= 0.05)

    assert exact <= 0.05
    assert abs(alarms / 20_000 - exact) <= margin(exact, 20_000)


def alarms(experiments: int, sizes: tuple[int, ...], seed: int) -> tuple[float, float]:
    """How often clusters of unequal size alarm, and how often McNemar's test would that overlooks clusters."""
    a, b = without_difference(experiments, sizes, np.random.default_rng(seed))
    clusters = [f"c{place}" for place, size in enumerate(sizes) for _ in range(size)]
    rows = list(zip(a.tolist(), b.tolist(), strict=True))
    found = [compare(x, y, kind="boolean", clusters=clusters, seed=place) for place, (x, y) in enumerate(rows)]
    naive = [mcnemar([one > 0 for one in x], [one > 0 for one in y]) for x, y in rows]
    ours, overlooking = (sum(one.p_value <= 0.05 for one in each) / experiments for each in (found, naive))
    return ours, overlooking


def alarm_rarely(experiments: int, sizes: tuple[int, ...], seed: int) -> None:
    """At most 5 % within their error; a test that overlooks clusters alarms more often."""
    ours, naive = alarms(experiments, sizes, seed)

    assert ours <= 0.05 + margin(0.05, experiments)
    assert naive > 0.05 + margin(0.05, experiments)


def test_clusters_of_unequal_size_alarm_rarely() -> None:
    """In 150 experiments."""
    alarm_rarely(150, SIZES, 3)


@pytest.mark.all
@pytest.mark.parametrize(("sizes", "seed"), [(SIZES, 3), (SIZES * 4, 4)])
def test_clusters_of_unequal_size_alarm_rarely_in_many_experiments(sizes: tuple[int, ...], seed: int) -> None:
    """In 1,000; of 36 clusters the changes of places are drawn."""
    alarm_rarely(1000, sizes, seed)
