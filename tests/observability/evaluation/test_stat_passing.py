"""pass^k and pass@k are what drawing k trials of each example would give."""

from __future__ import annotations

import random
from fractions import Fraction

import pytest
from tests.observability.evaluation.plain_statistics import share_of_draws

from motet.observability.evaluation.statistics.passing import (
    pass_at_k,
    pass_at_k_interval,
    pass_hat_k,
    pass_hat_k_interval,
)


def test_a_thousand_tables_agree_with_counting_every_draw() -> None:
    """Both measures are the mean share of draws, counted one by one, on 1,000 random tables."""
    rng = random.Random(1)  # noqa: S311 - tables of a test
    for _ in range(1000):
        tried = [(rng.randint(0, n), n) for n in (rng.randint(1, 6) for _ in range(rng.randint(1, 6)))]
        k = rng.randint(1, min(n for _, n in tried))
        every = sum((share_of_draws(c, n, k, need=k) for c, n in tried), Fraction()) / len(tried)
        some = sum((share_of_draws(c, n, k, need=1) for c, n in tried), Fraction()) / len(tried)

        assert pass_hat_k(tried, k) == pytest.approx(float(every), abs=1e-12)
        assert pass_at_k(tried, k) == pytest.approx(float(some), abs=1e-12)


def test_known_values() -> None:
    """3 of 4 trials passed: both of two pass in 3 of 6 draws, one of two in all; one of one is the rate."""
    assert pass_hat_k([(3, 4)], 2) == 0.5
    assert pass_at_k([(3, 4)], 2) == 1.0
    assert pass_hat_k([(3, 4)], 1) == pass_at_k([(3, 4)], 1) == 0.75
    assert pass_at_k([(1, 10)], 5) == 0.5


@pytest.mark.parametrize(
    ("tried", "k", "said"),
    [
        ([(1, 4), (1, 2)], 3, r"successes_by_example\[1\]: 2 trials; allowed: k = 3 or more"),
        ([(3, 2)], 1, r"successes_by_example\[0\]: 3 of 2 passed; allowed: 0 to 2"),
        ([(1, 2)], 0, "k: 0 is not allowed"),
        ([], 1, "there is no example"),
    ],
)
def test_what_cannot_be_drawn_is_named(tried: list[tuple[int, int]], k: int, said: str) -> None:
    """Too few trials, impossible counts, no examples: a ValueError that names which."""
    for measure in (pass_hat_k, pass_at_k):
        with pytest.raises(ValueError, match=said):
            measure(tried, k)


def test_the_interval_is_over_examples() -> None:
    """Examples that all or never pass give Wilson's of their number; others a bootstrap around the value."""
    whole = pass_hat_k_interval([(2, 2)] * 8 + [(0, 2)] * 2, 2, seed=1)
    assert (whole.method, round(whole.low, 6), round(whole.high, 6)) == ("Wilson", 0.490162, 0.943318)

    tried = [(3, 4), (4, 4), (1, 4), (2, 4), (4, 4), (0, 4)]
    part = pass_hat_k_interval(tried, 2, seed=1)
    assert part.method == "BCa bootstrap"
    assert 0 <= part.low < pass_hat_k(tried, 2) < part.high <= 1

    some = pass_at_k_interval([(4, 4)] * 10, 2, seed=1)
    assert (some.method, round(some.low, 6), some.high) == ("Wilson", 0.722467, 1.0)

    groups = pass_hat_k_interval(tried, 2, ["x", "x", "y", "y", "z", "z"], seed=1)
    assert groups.method == "t with clustered errors"
