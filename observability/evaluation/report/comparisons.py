"""Each target beside the baseline, metric by metric, over the examples that both have."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from statistics import StatisticsError, correlation, fmean, stdev

from motet.observability.evaluation.report.estimates import bounds_of, finite
from motet.observability.evaluation.report.metrics import Metric
from motet.observability.evaluation.report.report import Comparison, Meaning
from motet.observability.evaluation.report.sentences import compared
from motet.observability.evaluation.report.table import Table
from motet.observability.evaluation.statistics.holm import holm
from motet.observability.evaluation.statistics.paired import Check, Paired, checks
from motet.observability.evaluation.statistics.paired import compare as paired
from motet.observability.evaluation.statistics.power import detectable

LEAST = 2
"""Clusters without which nothing can be tested."""
POWER = 0.8
"""How often a detectable difference is found."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairs:
    """One metric of two targets, example by example: each example's mean over its repeats."""

    metric: Metric
    examples: Sequence[str]
    """Those with a value in both."""
    baseline: Sequence[float]
    target: Sequence[float]
    clusters: Sequence[str]
    left_out: int

    @property
    def differences(self) -> Sequence[float]:
        """Target minus baseline."""
        return [mine - other for mine, other in zip(self.target, self.baseline, strict=True)]

    @property
    def groups(self) -> int:
        """How many of them are independent."""
        return len(set(self.clusters))

    @property
    def boolean(self) -> bool:
        """Whether each is one yes or no: not so where repeats were averaged."""
        return self.metric.is_share and all(one in {0.0, 1.0} for one in (*self.baseline, *self.target))


def pairs_of(table: Table, target: str, baseline: str, metric: Metric) -> Pairs:
    """The examples that have a value in both: repeats of two targets are no pairs, their examples are.

    Of what is relative to the baseline, each of the target's examples stands beside a tie.
    """
    mine, other = table.means(target, metric.key), table.means(baseline, metric.key)
    if metric.scale.relative and table.beside(target, baseline):
        other = dict.fromkeys(mine, (len(metric.scale.categories) - 1) / 2)
    both = [example for example in table.examples if example in mine and example in other]
    return Pairs(
        metric=metric,
        examples=both,
        baseline=[other[one] for one in both],
        target=[mine[one] for one in both],
        clusters=[table.clusters[one] for one in both],
        left_out=len(mine.keys() ^ other.keys()),
    )


def held_against(pairs: Pairs, *, level: float, seed: int, shift: float = 0.0) -> Paired | None:
    """Target against baseline by the test that fits; None where there is too little to test.

    `shift` is added to the target's values: what must be overcome before a difference counts.
    """
    if pairs.groups < LEAST:
        return None
    if pairs.boolean and not shift:
        return paired(pairs.baseline, pairs.target, kind="boolean", clusters=pairs.clusters, seed=seed, level=level)
    low, high = bounds_of(pairs.metric)
    reach = high - low + abs(shift)
    widest = max((abs(one) for one in pairs.differences), default=0.0) + abs(shift)
    reach = max(reach, widest)
    return paired(
        pairs.baseline,
        [one + shift for one in pairs.target],
        kind="number",
        clusters=pairs.clusters,
        seed=seed,
        level=level,
        bounds=(-reach, reach),
    )


def least_found(pairs: Pairs, *, alpha: float) -> float | None:
    """The least difference that pairs spread as these are let be found four times out of five, by a two-sided test."""
    if pairs.groups < LEAST or not 0 < alpha < POWER:
        return None
    spread = _spread(pairs)
    if spread and not pairs.boolean:
        return detectable(pairs.groups, kind="number", paired=False, sd=spread, alpha=alpha, power=POWER)
    if not pairs.metric.is_share:
        return None
    rate, rho = fmean(pairs.baseline), _correlation(pairs)
    return detectable(pairs.groups, kind="boolean", rate=rate, rho=rho, alpha=alpha, power=POWER)


def _spread(pairs: Pairs) -> float:
    """The standard deviation of clusters' mean differences."""
    by_cluster: dict[str, list[float]] = {}
    for cluster, difference in zip(pairs.clusters, pairs.differences, strict=True):
        by_cluster.setdefault(cluster, []).append(difference)
    return stdev(fmean(one) for one in by_cluster.values())


def _correlation(pairs: Pairs) -> float:
    """Of the two targets' values; 0 where either never changes."""
    try:
        return max(-1.0, min(1.0, correlation(pairs.baseline, pairs.target)))
    except StatisticsError:
        return 0.0


def comparisons(table: Table, *, level: float, seed: int) -> Sequence[Comparison]:
    """All of them: quality and effort are a family each, and each family's p-values are adjusted by Holm."""
    baseline, *others = table.names
    found: dict[tuple[str, str], Comparison] = {}
    for family in ("quality", "effort"):
        pairs = [
            (name, pairs_of(table, name, baseline, metric))
            for metric in table.metrics
            if metric.of == family
            for name in others
        ]
        for one in _family(pairs, baseline, level=level, seed=seed):
            found[one.target, one.metric] = one
    return [found[name, metric.key] for metric in table.metrics for name in others]


def _family(pairs: Sequence[tuple[str, Pairs]], baseline: str, *, level: float, seed: int) -> Iterable[Comparison]:
    found = [(name, one, held_against(one, level=level, seed=seed)) for name, one in pairs]
    told = {_key(name, one): test.p_value for name, one, test in found if test is not None}
    adjusted = holm(told)
    for name, one, test in found:
        without = _compared(name, baseline, one, test)
        p_value = adjusted.get(_key(name, one))
        complete = replace(
            without,
            adjusted=p_value,
            family=len(told),
            meaning=_meaning(p_value, without.difference, one.metric, alpha=1 - level),
            detectable=least_found(one, alpha=(1 - level) / max(len(told), 1)),
        )
        yield replace(complete, says=compared(complete, one.metric, level=level))


def _key(target: str, pairs: Pairs) -> str:
    return f"{target} {pairs.metric.key}"


def _meaning(p_value: float | None, difference: float | None, metric: Metric, *, alpha: float) -> Meaning:
    if p_value is None or difference is None:
        return "untested"
    if p_value > alpha + 1e-12 or difference == 0:
        return "unclear"
    return "better" if difference * metric.better > 0 else "worse"


def _checks(pairs: Pairs) -> Sequence[Check]:
    kind = "boolean" if pairs.boolean else "number"
    return checks(pairs.baseline, pairs.target, kind=kind, clusters=pairs.clusters)


def _compared(target: str, baseline: str, pairs: Pairs, test: Paired | None) -> Comparison:
    """Without what the family says."""
    directed = [one * pairs.metric.better for one in pairs.differences]
    return Comparison(
        target=target,
        baseline=baseline,
        metric=pairs.metric.key,
        meaning="untested",
        n=len(pairs.examples),
        clusters=pairs.groups,
        left_out=pairs.left_out,
        target_mean=fmean(pairs.target) if pairs.target else None,
        baseline_mean=fmean(pairs.baseline) if pairs.baseline else None,
        difference=fmean(pairs.differences) if pairs.differences else None,
        low=None if test is None else finite(test.interval.low),
        high=None if test is None else finite(test.interval.high),
        test="none: too few clusters" if test is None else test.test,
        reason="" if test is None else test.reason,
        checks=() if test is None else _checks(pairs),
        p_value=None if test is None else test.p_value,
        adjusted=None,
        family=0,
        effect=None if test is None or test.effect is None else finite(test.effect),
        effect_name="" if test is None else test.effect_name,
        detectable=None,
        improved=sum(one > 0 for one in directed),
        worsened=sum(one < 0 for one in directed),
        equal=sum(one == 0 for one in directed),
        says="",
    )
