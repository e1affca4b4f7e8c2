"""The same numbers another way: from definitions, by counting every case, in fractions or plain numpy."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import combinations, permutations, product
from math import comb, inf, sqrt
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Floats = NDArray[np.float64]
Z = NormalDist().inv_cdf(0.975)


def margin(rate: float, n: int, of_reference: float = inf) -> float:
    """How far a simulated rate of `n` trials may lie from the true one, in 99 of 100 cases.

    `of_reference`: trials that the true one was simulated with itself.
    """
    return NormalDist().inv_cdf(0.995) * sqrt(rate * (1 - rate) * (1 / n + 1 / of_reference))


def share_of_draws(passed: int, n: int, k: int, *, need: int) -> Fraction:
    """Of all ways to draw `k` of `n` trials, those with at least `need` that passed."""
    trials = [1] * passed + [0] * (n - passed)
    drawn = [sum(chosen) >= need for chosen in combinations(trials, k)]
    return Fraction(sum(drawn), len(drawn))


def wilson_bounds(successes: Floats, n: Floats) -> tuple[Floats, Floats]:
    """The roots of (p - rate)^2 n = z^2 p (1 - p), at 95 %."""
    rate = successes / n
    a, b, c = 1 + Z**2 / n, -(2 * rate + Z**2 / n), rate**2
    root = np.sqrt(np.maximum(b * b - 4 * a * c, 0))
    return (-b - root) / (2 * a), (-b + root) / (2 * a)


def clustered_errors(values: Floats, groups: Floats) -> Floats:
    """Standard errors of the mean of each row of `values`, whose columns fall into clusters (0/1, columns x groups)."""
    off = values - values.mean(axis=-1, keepdims=True)
    count = groups.shape[1]
    return np.sqrt(((off @ groups) ** 2).sum(axis=-1) * count / (count - 1)) / values.shape[-1]


def membership(clusters: Sequence[str]) -> Floats:
    """1 where a value (row) is of a cluster (column)."""
    names = sorted(set(clusters))
    return np.array([[float(name == one) for name in names] for one in clusters])


def clustered_bounds(values: Floats, groups: Floats) -> tuple[Floats, Floats]:
    """Student's t interval at 95 % of each row's mean."""
    reach = stats.t.ppf(0.975, groups.shape[1] - 1) * clustered_errors(values, groups)
    return values.mean(axis=-1) - reach, values.mean(axis=-1) + reach


def clustered_wilson_bounds(values: Floats, groups: Floats) -> tuple[Floats, Floats]:
    """Wilson's of the effective number of trials, at 95 %, of each row."""
    rate, errors = values.mean(axis=-1), clustered_errors(values, groups)
    n, count = values.shape[-1], groups.shape[1]
    with np.errstate(divide="ignore", invalid="ignore"):
        effective = np.where(errors > 1e-12, np.minimum(rate * (1 - rate) / errors**2, n), n)
    effective = effective * (Z / stats.t.ppf(0.975, count - 1)) ** 2
    effective = np.where((rate == 0) | (rate == 1), count, effective)
    return wilson_bounds(rate * effective, effective)


def bca_bounds(values: Floats, rng: np.random.Generator, resamples: int) -> tuple[Floats, Floats]:
    """Efron's BCa interval at 95 % of each row's mean."""
    rows, n = values.shape
    mean = values.mean(axis=1)
    drawn = np.stack([values[:, rng.integers(0, n, n)].mean(axis=1) for _ in range(resamples)], axis=1)
    below = (drawn < mean[:, None]).mean(axis=1) + (drawn == mean[:, None]).mean(axis=1) / 2
    bias = stats.norm.ppf(below)
    left_out = (values.sum(axis=1, keepdims=True) - values) / (n - 1)
    off = left_out.mean(axis=1, keepdims=True) - left_out
    skew = (off**3).sum(axis=1) / (6 * ((off**2).sum(axis=1)) ** 1.5)
    ends = [stats.norm.cdf(bias + (bias + z) / (1 - skew * (bias + z))) for z in (-Z, Z)]
    drawn.sort(axis=1)
    low, high = (drawn[np.arange(rows), np.clip((end * resamples).astype(int), 0, resamples - 1)] for end in ends)
    return low, high


def binomial_two_sided(less: int, more: int) -> Fraction:
    """Twice the chance of so uneven a split of fair coins, at most 1."""
    n = less + more
    tail = sum(comb(n, k) for k in range(min(less, more) + 1))
    return min(Fraction(2 * tail, 2**n), Fraction(1))


def sign_flips(totals: Sequence[int]) -> Fraction:
    """The share of all sign flips whose sum is as far from zero as it is."""
    sums = [abs(sum(sign * one for sign, one in zip(signs, totals, strict=True))) for signs in _signs(len(totals))]
    return Fraction(sum(one >= abs(sum(totals)) for one in sums), len(sums))


def _signs(n: int) -> Sequence[tuple[int, ...]]:
    return list(product((1, -1), repeat=n))


def averaged_ranks(steps: Sequence[int]) -> Fraction | None:
    """What the ranks of positive differences add up to, less those of negative ones, of all ranks together."""
    differ = [one for one in steps if one]
    if not differ:
        return None
    sizes = sorted(abs(one) for one in differ)
    rank = {size: Fraction(2 * sizes.index(size) + sizes.count(size) + 1, 2) for size in sizes}
    return sum((rank[abs(one)] * (1 if one > 0 else -1) for one in differ), Fraction()) / sum(
        rank[abs(one)] for one in differ
    )


def holm_adjusted(p_values: Sequence[float]) -> list[float]:
    """For each, the greatest of the smaller ones times how many were left, at most 1."""
    order = sorted(p_values)
    steps = [min(1.0, (len(order) - place) * p) for place, p in enumerate(order)]
    return [max(steps[: order.index(p) + 1]) for p in p_values]


def kappa_of(a: Sequence[str], b: Sequence[str]) -> Fraction | None:
    """(observed - expected) / (1 - expected) agreement; None where chance alone agrees always."""
    n = len(a)
    observed = Fraction(sum(x == y for x, y in zip(a, b, strict=True)), n)
    expected = sum((Fraction(a.count(one) * b.count(one), n * n) for one in set(a)), Fraction())
    return None if expected == 1 else (observed - expected) / (1 - expected)


def as_much_agreement(a: Sequence[str], b: Sequence[str]) -> Fraction:
    """The share of all orders of `b` that agree with `a` as often, or more."""
    seen = sum(x == y for x, y in zip(a, b, strict=True))
    found = [sum(x == y for x, y in zip(a, order, strict=True)) >= seen for order in permutations(b)]
    return Fraction(sum(found), len(found))
