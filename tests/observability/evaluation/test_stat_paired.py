"""Paired tests give the p-values, effects and intervals of their sources, and `compare` takes the one that fits."""

from __future__ import annotations

import math
import random
from fractions import Fraction
from statistics import NormalDist, fmean, stdev

import numpy as np
import pytest
from tests.observability.evaluation.plain_statistics import averaged_ranks, binomial_two_sided, margin, sign_flips

from motet.observability.evaluation.statistics.paired import (
    checks,
    compare,
    mcnemar,
    permutation,
    rank_biserial,
    risk_difference,
    sign_test,
    wilcoxon,
)

EIGHT_TO_TWO = ([True] * 2 + [False] * 8 + [True] * 10, [False] * 2 + [True] * 8 + [True] * 10)


def test_eight_against_two_is_known() -> None:
    """McNemar and the sign test both give 0.109375; the odds ratio is 4, the difference 0.3."""
    a, b = EIGHT_TO_TWO
    found = mcnemar(a, b)

    assert (found.p_value, found.effect, found.n) == (0.109375, 4.0, 20)
    assert found.difference == pytest.approx(0.3)
    assert found.interval.low < 0
    assert found.interval.high > 0.3
    assert sign_test(a, b, seed=1).p_value == 0.109375
    assert mcnemar(b, a).effect == 0.25
    assert mcnemar(b, a).interval.high == pytest.approx(-found.interval.low)


def test_wilcoxon_has_its_known_values() -> None:
    """Six differences without ties, one of them against the rest: 2 * 2 / 64; the ranks are 20 to 1."""
    found = wilcoxon([0.0] * 6, [2, 3, 4, 5, 6, -1], seed=1)
    assert (found.p_value, found.statistic) == (0.0625, 1.0)
    assert found.effect == pytest.approx(19 / 21)


def test_a_thousand_tables_agree_with_counting() -> None:
    """McNemar, sign test and their differences are those counted in fractions, on 1,000 random tables."""
    rng = random.Random(4)  # noqa: S311 - tables of a test
    for _ in range(1000):
        a, b = ([rng.random() < 0.6 for _ in range(15)] for _ in range(2))
        only_a, only_b = (sum(x > y for x, y in zip(p, q, strict=True)) for p, q in ((a, b), (b, a)))
        found = mcnemar(a, b)

        assert found.p_value == pytest.approx(float(binomial_two_sided(only_a, only_b)), abs=1e-12)
        assert found.difference == pytest.approx((sum(b) - sum(a)) / 15)
        odds = None if only_a == only_b == 0 else only_b / only_a if only_a else math.inf
        assert found.effect == odds

        p, q = Fraction(only_b + 1, 17), Fraction(only_a + 1, 17)
        variance = (p * (1 - p) + q * (1 - q) + 2 * p * q) / 17
        reach = NormalDist().inv_cdf(0.975) * math.sqrt(variance)
        assert found.interval == risk_difference(only_a, only_b, 15)
        assert found.interval.low == pytest.approx(float(p - q) - reach)
        assert found.interval.high == pytest.approx(float(p - q) + reach)


def test_a_thousand_tables_agree_with_every_sign_flip() -> None:
    """The permutation test is the share of sign flips of cluster sums, d_z is mean by deviation, on 1,000 tables."""
    rng = random.Random(5)  # noqa: S311 - tables of a test
    for _ in range(1000):
        clusters = [f"c{rng.randint(0, 6)}" for _ in range(rng.randint(2, 12))]
        a, b = ([rng.randint(0, 4) for _ in clusters] for _ in range(2))
        by_cluster = {
            one: [y - x for x, y, name in zip(a, b, clusters, strict=True) if name == one] for one in clusters
        }
        found = permutation([x / 10 for x in a], [y / 10 for y in b], clusters, seed=1)

        exact = sign_flips([sum(steps) for steps in by_cluster.values()])
        assert found.p_value == pytest.approx(float(exact), abs=1e-12)
        assert found.difference == pytest.approx((sum(b) - sum(a)) / len(a) / 10)
        assert found.clusters == len(by_cluster)
        means = [fmean(steps) for steps in by_cluster.values()]
        spread = stdev(means) if len(means) > 1 else 0
        assert found.effect == (pytest.approx(fmean(means) / spread, abs=1e-9) if spread > 1e-12 else None)


def test_a_thousand_tables_agree_with_plain_ranks() -> None:
    """The rank-biserial correlation is that of ranks averaged by hand, ties included, and Wilcoxon's test has it."""
    rng = random.Random(6)  # noqa: S311 - tables of a test
    for table in range(1000):
        a, b = ([rng.randint(0, 9) for _ in range(8)] for _ in range(2))
        steps = [y - x for x, y in zip(a, b, strict=True)]
        ranked = averaged_ranks(steps)
        expected = None if ranked is None else pytest.approx(float(ranked))
        assert rank_biserial(steps) == expected
        if table < 10:
            assert wilcoxon([x / 10 for x in a], [y / 10 for y in b], seed=1).effect == expected


def test_drawn_permutations_are_near_all_of_them() -> None:
    """With 14 clusters, 9,999 draws give the p-value of all 16,384 within their error; the seed decides which."""
    rng = np.random.default_rng(8)
    b = rng.normal(0.5, 1.0, 14)
    signs = np.array([[1 if place >> bit & 1 else -1 for bit in range(14)] for place in range(2**14)])
    exact = float((np.abs(signs @ b) >= abs(b.sum()) - 1e-9).mean())
    first, again, other = (permutation([0.0] * 14, b.tolist(), seed=seed).p_value for seed in (1, 1, 2))

    assert first == again != other
    assert abs(first - exact) <= 2 * margin(exact / 2, 9999)


def test_booleans_once_a_cluster_are_compared_by_mcnemar() -> None:
    """`compare` says which test it took, and why."""
    found = compare(*EIGHT_TO_TWO, kind="boolean", seed=1)

    assert found.test == "exact McNemar"
    assert found.reason.startswith("exact McNemar, because each of the 20 clusters has one pair of booleans")


def test_repeats_and_numbers_are_compared_by_permutation() -> None:
    """Booleans that hang together keep their odds ratio, of clusters; numbers have d_z; both say why."""
    a, b = EIGHT_TO_TWO
    twice = compare(a * 2, b * 2, kind="boolean", clusters=[str(place % 20) for place in range(40)], seed=1)
    assert (twice.test, twice.clusters, twice.n, twice.effect) == ("permutation of clusters", 20, 40, 4.0)
    assert twice.effect_name == "odds ratio of clusters that differ"
    assert "the 40 pairs of booleans hang together in 20 clusters" in twice.reason
    assert "9999 changes of places were drawn" in twice.reason
    assert twice.p_value == pytest.approx(0.109375, abs=0.01)

    numbers = compare([0.1, 0.2, 0.3], [0.2, 0.4, 0.6], kind="number", seed=1)
    assert (numbers.p_value, numbers.effect) == (0.25, pytest.approx(2.0))
    assert "every change of places was tried" in numbers.reason


def test_numbers_are_checked_by_sign_and_rank() -> None:
    """Beside the permutation test stand the other two, each with the p-value that it has alone."""
    a, b = [0.0] * 6, [2.0, 3.0, 4.0, 5.0, 6.0, -1.0]
    sign, ranks = checks(a, b, kind="number")

    assert (sign.test, sign.p_value) == ("sign", sign_test(a, b, seed=1).p_value) == ("sign", 0.21875)
    assert (ranks.test, ranks.p_value) == ("Wilcoxon signed-rank", wilcoxon(a, b, seed=1).p_value)
    assert ranks.p_value == 0.0625
    assert "6 pairs" in sign.note


def test_pairs_that_hang_together_are_checked_by_cluster() -> None:
    """Four copies of each pair are no more evidence: a cluster's mean difference counts once."""
    a, b = [0.0] * 6, [2.0, 3.0, 4.0, 5.0, 6.0, -1.0]
    names = [str(place % 6) for place in range(24)]
    found = checks(a * 4, b * 4, kind="number", clusters=names)

    assert [one.p_value for one in found] == [one.p_value for one in checks(a, b, kind="number")]
    assert all("mean differences of 6 clusters" in one.note for one in found)
    halves = checks([0, 1, 0, 0], [1, 1, 0, 1], kind="boolean", clusters=["x", "x", "y", "y"])
    assert [one.p_value for one in halves] == [0.5, 0.5]


def test_pass_and_fail_have_no_second_test() -> None:
    """The sign test is exact McNemar's under another name, on 100 tables; ranks of equal steps say nothing."""
    rng = random.Random(11)  # noqa: S311 - tables of a test
    for _ in range(100):
        a, b = ([rng.random() < 0.6 for _ in range(15)] for _ in range(2))
        sign, ranks = checks(a, b, kind="boolean")
        assert sign.p_value == pytest.approx(mcnemar(a, b).p_value, abs=1e-12)
        assert "same test" in sign.note
        assert ranks.p_value is None
        assert "doesn't apply" in ranks.note


@pytest.mark.parametrize("n", [0, 1, 5])
def test_nothing_that_differs_is_no_evidence(n: int) -> None:
    """No pairs, one pair, equal pairs: p is 1, no effect, and an interval that admits what isn't known."""
    same, numbers = [True] * n, [0.1 + 0.2] * n
    found = [
        compare(same, same, kind="boolean", seed=1),
        compare(numbers, [0.3] * n, kind="number", seed=1, bounds=(-1, 1)),
        compare(same * 2, same * 2, kind="boolean", clusters=[str(place % n) for place in range(2 * n)], seed=1),
        sign_test(numbers, [0.3] * n, seed=1),
        wilcoxon(numbers, [0.3] * n, seed=1),
    ]
    assert [one.p_value for one in found] == [1.0] * 5
    assert [one.effect for one in found] == [None] * 5
    assert all(one.interval.high - one.interval.low > 0.1 for one in found[:3])
    assert all(one.difference is None if n == 0 else abs(one.difference or 0) < 1e-12 for one in found)


def test_equal_steps_are_equal_however_they_are_rounded() -> None:
    """Everything a tenth better: no spread was seen, which is said; what rounding leaves is no spread."""
    a, b = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6], [0.2, 0.3, 0.4, 0.5, 0.6, 0.7]
    found = compare(a, b, kind="number", seed=1, bounds=(-1, 1))
    assert "no spread was seen" in found.interval.note
    assert found.interval.low < -0.2 < 0.1 < found.interval.high
    assert found.effect is None

    names = ["x", "x", "x", "y", "y", "z"]
    grouped = compare([1.0] * 6, [1.0 + 1 / 7] * 6, kind="number", clusters=names, seed=1)
    assert grouped.effect is None


def test_unequal_lengths_are_refused() -> None:
    """Pairs need both halves."""
    with pytest.raises(ValueError, match="1 values for 2 of a"):
        permutation([1.0, 2.0], [1.0], seed=1)
    with pytest.raises(ValueError, match="shorter"):
        mcnemar([True, False], [True])
    with pytest.raises(ValueError, match="finite numbers"):
        compare([1.0], [math.inf], kind="number", seed=1)
