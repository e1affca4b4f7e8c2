"""How reliably examples pass when each is tried several times: pass^k (always) and pass@k (at least once)."""

from __future__ import annotations

from collections.abc import Sequence
from math import comb, fsum

from motet.observability.evaluation.statistics.intervals import Interval, mean_interval, rate_interval

Tried = tuple[int, int]
"""Of one example: trials that passed, all trials."""


def pass_hat_k(successes_by_example: Sequence[Tried], k: int) -> float:
    """The chance that `k` trials of an example all pass: mean of C(c, k) / C(n, k) (tau-bench, Yao et al. 2024).

    Raises:
        ValueError: there is no example, `k` is below 1, or an example has fewer than `k` trials or impossible counts.
    """
    return _mean(_each_hat(successes_by_example, k))


def pass_at_k(successes_by_example: Sequence[Tried], k: int) -> float:
    """The chance that one of `k` trials of an example passes: mean of 1 - C(n - c, k) / C(n, k) (Chen et al. 2021).

    Raises:
        ValueError: as `pass_hat_k`.
    """
    return _mean(_each_at(successes_by_example, k))


def pass_hat_k_interval(
    successes_by_example: Sequence[Tried],
    k: int,
    clusters: Sequence[str] | None = None,
    *,
    level: float = 0.95,
    seed: int,
) -> Interval:
    """Of pass^k (Yao et al. 2024), over examples, or over `clusters` of them.

    Wilson's where each example's share is 0 or 1 (as it is where `k` is the number of trials), else `mean_interval`.

    Raises:
        ValueError: as `pass_hat_k`, or `clusters` or `level` is wrong.
    """
    return _over(_each_hat(successes_by_example, k), clusters, level, seed)


def pass_at_k_interval(
    successes_by_example: Sequence[Tried],
    k: int,
    clusters: Sequence[str] | None = None,
    *,
    level: float = 0.95,
    seed: int,
) -> Interval:
    """Of pass@k (Chen et al. 2021), as `pass_hat_k_interval`.

    Raises:
        ValueError: as `pass_hat_k_interval`.
    """
    return _over(_each_at(successes_by_example, k), clusters, level, seed)


def _each_hat(tried: Sequence[Tried], k: int) -> list[float]:
    return [comb(passed, k) / comb(n, k) for passed, n in _checked(tried, k)]


def _each_at(tried: Sequence[Tried], k: int) -> list[float]:
    return [(comb(n, k) - comb(n - passed, k)) / comb(n, k) for passed, n in _checked(tried, k)]


def _checked(tried: Sequence[Tried], k: int) -> Sequence[Tried]:
    if not tried:
        raise ValueError("successes_by_example: there is no example")
    if k < 1:
        raise ValueError(f"k: {k} is not allowed; allowed: 1 or more")
    for place, (passed, n) in enumerate(tried):
        if n < k:
            raise ValueError(f"successes_by_example[{place}]: {n} trials; allowed: k = {k} or more")
        if not 0 <= passed <= n:
            raise ValueError(f"successes_by_example[{place}]: {passed} of {n} passed; allowed: 0 to {n}")
    return tried


def _mean(values: Sequence[float]) -> float:
    return fsum(values) / len(values)


def _over(values: Sequence[float], clusters: Sequence[str] | None, level: float, seed: int) -> Interval:
    if all(value in {0.0, 1.0} for value in values):
        return rate_interval([value == 1.0 for value in values], clusters, level=level)
    return mean_interval(values, clusters, level=level, seed=seed, bounds=(0.0, 1.0))
