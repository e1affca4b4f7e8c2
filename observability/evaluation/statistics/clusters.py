"""Which values hang together: repeats of one example, or examples of one group, count as one cluster."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def numbered(clusters: Sequence[str] | None, n: int) -> NDArray[np.intp]:
    """The cluster of each of `n` values as a number from 0, shape (n,); without `clusters`, each is its own.

    Raises:
        ValueError: `clusters` names another number of values.
    """
    if clusters is None:
        return np.arange(n)
    if len(clusters) != n:
        raise ValueError(f"clusters: {len(clusters)} names for {n} values; allowed: one for each")
    numbers = {name: number for number, name in enumerate(dict.fromkeys(clusters))}
    return np.array([numbers[name] for name in clusters], dtype=np.intp)


def count(numbers: NDArray[np.intp]) -> int:
    """How many clusters there are."""
    return int(numbers.max()) + 1 if numbers.size else 0


def sums(values: NDArray[np.float64], numbers: NDArray[np.intp]) -> NDArray[np.float64]:
    """The sum of each cluster's values, shape (clusters,)."""
    return np.bincount(numbers, weights=values, minlength=count(numbers)).astype(np.float64)


def means(values: NDArray[np.float64], numbers: NDArray[np.intp]) -> NDArray[np.float64]:
    """The mean of each cluster's values, shape (clusters,)."""
    return sums(values, numbers) / np.bincount(numbers, minlength=count(numbers))
