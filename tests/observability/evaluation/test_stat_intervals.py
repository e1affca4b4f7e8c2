"""Intervals of rates and means are what their sources define, and honest where the data say little."""

from __future__ import annotations

import math
import random
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.observability.evaluation.plain_statistics import (
    bca_bounds,
    clustered_bounds,
    clustered_wilson_bounds,
    membership,
    wilson_bounds,
)

from motet.observability.evaluation.statistics.intervals import mean_interval, rate_interval, wilson


def test_wilson_has_its_known_value() -> None:
    """8 of 10 gives 0.490162 to 0.943318."""
    found = wilson(8, 10)
    assert (round(found.low, 6), round(found.high, 6)) == (0.490162, 0.943318)


def test_wilson_solves_its_equation() -> None:
    """On 1,000 random counts both ends are the roots of the score equation, and never leave 0 to 1."""
    rng = random.Random(2)  # noqa: S311 - tables of a test
    for _ in range(1000):
        n = rng.randint(1, 500)
        successes = rng.randint(0, n)
        low, high = wilson_bounds(np.array([float(successes)]), np.array([float(n)]))
        found = wilson(successes, n)

        assert (found.low, found.high) == pytest.approx((float(low[0]), float(high[0])), abs=1e-9)
        assert 0 <= found.low <= successes / n <= found.high <= 1


def test_clustered_intervals_agree_with_plain_numpy() -> None:
    """On 1,000 random tables with clusters of any size, means and rates have the ends that the formulas give."""
    rng = np.random.default_rng(3)
    for _ in range(1000):
        clusters = [f"c{one}" for one in rng.integers(0, rng.integers(2, 7), 15)] + ["c0", "c1"]
        groups = membership(clusters)
        values = rng.normal(size=len(clusters))
        low, high = clustered_bounds(values[None], groups)
        mean = mean_interval(values.tolist(), clusters, seed=0)
        assert mean.method == "t with clustered errors"
        assert (mean.low, mean.high) == pytest.approx((float(low[0]), float(high[0])), abs=1e-9)

        passed = values > rng.normal()
        low, high = clustered_wilson_bounds(passed[None].astype(np.float64), groups)
        rate = rate_interval(passed.tolist(), clusters)
        assert rate.method == "clustered Wilson"
        assert (rate.low, rate.high) == pytest.approx((float(low[0]), float(high[0])), abs=1e-9)


def test_bca_agrees_with_plain_numpy_and_is_repeatable() -> None:
    """The same seed gives the same interval; another, or another's code, nearly; it leans towards the long tail."""
    values = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 30.0]
    first, again, other = (mean_interval(values, seed=seed) for seed in (7, 7, 8))

    assert first == again != other
    assert (first.low, first.high) == pytest.approx((other.low, other.high), abs=0.3)
    low, high = bca_bounds(np.array([values]), np.random.default_rng(1), 20_000)
    assert (first.low, first.high) == pytest.approx((float(low[0]), float(high[0])), abs=0.5)
    assert first.high - 7.5 > 7.5 - first.low


def test_one_value_a_cluster_is_not_clustered() -> None:
    """Names that are all different change nothing."""
    assert rate_interval([True, False, True], ["a", "b", "c"]) == wilson(2, 3)
    assert mean_interval([1.0, 2.0, 4.0], ["a", "b", "c"], seed=1) == mean_interval([1.0, 2.0, 4.0], seed=1)


def test_repeats_of_the_same_answer_add_nothing() -> None:
    """Every example tried ten times with one outcome each is about as uncertain as tried once, not ten times less."""
    once = [True] * 16 + [False] * 24
    names = [str(place) for place in range(40)]
    ten = rate_interval(once * 10, names * 10)
    alone = rate_interval(once)

    assert ten.high - ten.low == pytest.approx(alone.high - alone.low, rel=0.08)
    assert wilson(160, 400).high - wilson(160, 400).low < 0.4 * (ten.high - ten.low)


def test_too_little_data_is_said() -> None:
    """No value, one value, one cluster, no spread: bounds and a note, never a width that isn't known."""
    none, one = mean_interval([], seed=1), mean_interval([3.0], seed=1)
    assert (none.low, none.high, none.note) == (-math.inf, math.inf, "no values")
    assert (one.low, one.high, one.note) == (-math.inf, math.inf, "one cluster says nothing of others")
    assert mean_interval([0.2, 0.4], ["a", "a"], seed=1, bounds=(0, 1)).high == 1

    flat = mean_interval([2.0] * 9, seed=1)
    assert (flat.low, flat.high) == (2.0, 2.0)
    assert "no spread was seen" in flat.note
    bounded = mean_interval([1.0] * 10, seed=1, bounds=(0, 1))
    assert (round(bounded.low, 6), bounded.high) == (0.691503, 1.0)

    assert (rate_interval([]).low, rate_interval([]).high, rate_interval([]).note) == (0.0, 1.0, "no trials")
    assert rate_interval([True] * 5, ["a"] * 5).low == pytest.approx(wilson(1, 1).low)
    assert rate_interval([True] * 6, list("aabbcc")).low == pytest.approx(wilson(3, 3).low)


@settings(max_examples=60)
@given(st.lists(st.floats(-1e6, 1e6), max_size=8), st.integers(1, 4))
def test_no_data_gives_nonsense(values: list[float], groups: int) -> None:
    """Whatever the values, there is no warning and no NaN, and the mean lies in its interval."""
    clusters = [str(place % groups) for place in range(len(values))]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = [mean_interval(values, seed=1), mean_interval(values, clusters, seed=1)]
    for one in found:
        assert one.low <= one.high
        if values:
            mean = math.fsum(values) / len(values)
            slack = 1e-9 * max(map(abs, values))
            assert one.low - slack <= mean <= one.high + slack


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: wilson(3, 2), "successes: 3"),
        (lambda: wilson(1, math.inf), "n: inf"),
        (lambda: wilson(1, math.nan), "n: nan"),
        (lambda: wilson(1, 2, level=1.0), "level: 1.0"),
        (lambda: mean_interval([1e308, -1e308], seed=1), "so far apart"),
        (lambda: mean_interval([math.nan, 1.0], seed=1), "finite numbers"),
        (lambda: mean_interval([2.0, 1.0], seed=1, bounds=(0, 1)), "from 0 to 1"),
        (lambda: mean_interval([1.0, 2.0], ["a"], seed=1), "1 names for 2 values"),
    ],
)
def test_wrong_arguments_are_named(call: object, said: str) -> None:
    """A ValueError says which argument holds what, and what is allowed."""
    assert callable(call)
    with pytest.raises(ValueError, match=said):
        call()
