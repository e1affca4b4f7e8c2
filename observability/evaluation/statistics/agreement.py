"""How far two raters agree beyond chance: a judge with people, or two judges."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from statsmodels.stats.inter_rater import cohens_kappa

from motet.observability.evaluation.statistics.intervals import RESAMPLES, Interval, checked_level, wilson

Label = str | bool | int


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """Of two raters on the same items."""

    kappa: float | None
    """1: always agree; 0: as by chance; None where both used one and the same category, or there are no items."""
    interval: Interval
    observed: float | None
    """Share of items on which they agree; None without items."""
    expected: float | None
    """The same, were they independent, with the categories' shares as they are."""
    n: int
    better_than_chance: bool
    """Whether `p_value` is at most 1 - level."""
    p_value: float
    """One-sided: of so much agreement, or more, by chance."""


def kappa(a: Sequence[Label], b: Sequence[Label], *, level: float = 0.95, seed: int = 0) -> Agreement:
    """Cohen's kappa (1960) of two raters' labels of the same items, by statsmodels.

    The interval has the large-sample error of Fleiss, Cohen and Everitt (1969); where that is 0 (they always or
    never agree), it is Wilson's (1927) of the observed agreement with chance held. The p-value is that of B's labels
    in any order (Fisher 1935): exact for two categories or up to 7 items, else of 9,999 orders drawn from `seed`.
    A rater who always says the same tells nothing: the interval is then -1 to 1 and the p-value 1.

    Raises:
        ValueError: `a` and `b` have different lengths, or `level` isn't between 0 and 1.
    """
    checked_level(level)
    table = _table(a, b)
    n = int(table.sum())
    if n == 0:
        return _nothing(None, shares=(None, None), n=n, level=level, note="no items")
    observed = float(np.trace(table)) / n
    expected = float(table.sum(axis=0) @ table.sum(axis=1)) / n**2
    if len(set(a)) == 1 or len(set(b)) == 1:
        value = None if expected == 1 else (observed - expected) / (1 - expected)
        note = "a rater used one category only"
        return _nothing(value, shares=(observed, expected), n=n, level=level, note=note)
    found: Any = cohens_kappa(table)
    p_value = _by_chance(table, seed)
    return Agreement(
        kappa=float(found.kappa),
        interval=_interval(found, observed, expected, n, level),
        observed=observed,
        expected=expected,
        n=n,
        better_than_chance=p_value <= 1 - level,
        p_value=p_value,
    )


def _table(a: Sequence[Label], b: Sequence[Label]) -> NDArray[np.int64]:
    """How often A said the row's category and B the column's."""
    labels = {label: place for place, label in enumerate(dict.fromkeys([*a, *b]))}
    table = np.zeros((len(labels), len(labels)), dtype=np.int64)
    for x, y in zip(a, b, strict=True):
        table[labels[x], labels[y]] += 1
    return table


def _by_chance(table: NDArray[np.int64], seed: int) -> float:
    if len(table) == 2:  # noqa: PLR2004 - two by two
        exact: Any = stats.fisher_exact(table, alternative="greater")
        return float(exact.pvalue)
    rows, columns = (np.repeat(places, table.ravel()) for places in np.indices(table.shape).reshape(2, -1))

    def agreements(others: NDArray[np.int64], axis: int) -> NDArray[np.int64]:
        return np.asarray((others == rows).sum(axis=axis))

    drawn: Any = stats.permutation_test(
        (columns,),
        agreements,
        permutation_type="pairings",
        vectorized=True,
        n_resamples=RESAMPLES,
        batch=1000,
        alternative="greater",
        rng=np.random.default_rng(seed),
    )
    return float(drawn.pvalue)


def _interval(found: Any, observed: float, expected: float, n: int, level: float) -> Interval:
    error = float(found.std_kappa)
    if error > 1e-9:  # noqa: PLR2004 - less is rounding
        reach = float(stats.norm.ppf((1 + level) / 2)) * error
        low, high = max(-1.0, float(found.kappa) - reach), min(1.0, float(found.kappa) + reach)
        return Interval(low=low, high=high, level=level, method="Fleiss-Cohen-Everitt")
    agreed = wilson(round(observed * n), n, level)
    low, high = ((share - expected) / (1 - expected) for share in (agreed.low, agreed.high))
    note = "the raters always or never agree" if observed in {0.0, 1.0} else ""
    return Interval(low=max(-1.0, low), high=min(1.0, high), level=level, method="Wilson, with chance held", note=note)


def _nothing(
    value: float | None, *, shares: tuple[float | None, float | None], n: int, level: float, note: str
) -> Agreement:
    return Agreement(
        kappa=value,
        interval=Interval(low=-1.0, high=1.0, level=level, method="none", note=note),
        observed=shares[0],
        expected=shares[1],
        n=n,
        better_than_chance=False,
        p_value=1.0,
    )
