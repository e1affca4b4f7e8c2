"""The gate: whether an experiment may pass beside a baseline that was kept, and what it could not have noticed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf, isfinite

from motet.errors import InvalidInput
from motet.observability.evaluation.experiment import Experiment, trial_key
from motet.observability.evaluation.report import figures
from motet.observability.evaluation.report.comparisons import Pairs, held_against, least_found, pairs_of
from motet.observability.evaluation.report.metrics import Metric
from motet.observability.evaluation.report.reported import SEED
from motet.observability.evaluation.report.table import Table, laid_out
from motet.observability.evaluation.statistics.holm import holm

_NAMED = 5
"""Examples named in a reason."""
NOW, BEFORE = "now", "baseline"


@dataclass(frozen=True, slots=True, kw_only=True)
class Gated:
    """One metric of one target beside the baseline's."""

    target: str
    metric: Metric
    now: float | None
    """Mean over paired examples."""
    before: float | None
    difference: float | None
    p_value: float | None
    """One-sided: of being so much worse, or more, by chance. None where not even losses everywhere would be found."""
    adjusted: float | None
    """By Holm, over all that is gated."""
    detectable: float | None
    """The least loss that this gate finds four times out of five."""
    worse: bool
    n: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the gate says."""

    reasons: Sequence[str]
    """Why it doesn't pass; empty where it does."""
    notes: Sequence[str]
    """What it could not have noticed, and what it left out."""
    gated: Sequence[Gated]

    @property
    def passed(self) -> bool:
        """Whether nothing speaks against it."""
        return not self.reasons


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What is asked of an experiment."""

    metrics: Sequence[str] = ()
    """Those that may not become worse; none: every metric of quality that both have."""
    least: Mapping[str, float] | None = None
    """By metric, what each target's mean may not fall short of: of metrics where less is better, not exceed."""
    alpha: float = 0.05
    """Chance of a false alarm, over all metrics together."""
    margin: float = 0.0
    """How much worse, in the metric's own unit, doesn't count."""
    allow_missing: bool = False
    """Whether it judges by what there is, where trials or values are missing."""
    seed: int = SEED


def gate(now: Experiment, before: Experiment, terms: Terms) -> Verdict:
    """Fail what is significantly worse (paired, one-sided, Holm over all that is gated), too low, or can't be compared.

    A target is held against the baseline's of the same name; where both have just one, against that.

    Raises:
        InvalidInput: a metric is named that isn't there, or a number isn't one that can be.
    """
    _check(terms)
    pairs = _paired_targets(now, before)
    if reasons := [*_unlike(now, before), *([] if terms.allow_missing else _incomplete(now, before))]:
        return Verdict(reasons=reasons, notes=(), gated=())
    table = laid_out([_renamed(now, NOW), _renamed(before, BEFORE)])
    metrics = _metrics(table, now, before, terms)
    gone = [] if terms.metrics else _unscored(now, before)
    if reasons := [*gone, *([] if terms.allow_missing else _valueless(table, metrics))]:
        return Verdict(reasons=reasons, notes=(), gated=())
    every = [
        (mine, pairs_of(table, f"{mine}@{NOW}", f"{other}@{BEFORE}", metric))
        for mine, other in pairs
        for metric in metrics
    ]
    told = [one for one in every if terms.metrics or one[1].examples or one[1].left_out]
    gated = _tested(told, terms)
    reasons = [_worse(one, terms) for one in gated if one.worse]
    reasons += _too_low(table, [mine for mine, _ in pairs], terms)
    reasons += [_untested(one) for one in gated if one.p_value is None and one.metric.key not in (terms.least or {})]
    if not told and not terms.least:
        reasons.append("nothing can be tested: no metric has a value")
    notes = [
        *_notes(gated, [one for _, one in told]),
        *(f"{one[0]}: {one[1].metric.key} applies to no example, neither now nor before" for one in every
          if one not in told),
        *_alone(now, before, pairs),
    ]  # fmt: skip
    return Verdict(reasons=reasons, notes=notes, gated=gated)


def _check(terms: Terms) -> None:
    if not 0 < terms.alpha < 0.5:  # noqa: PLR2004 - a half is a coin
        raise InvalidInput("--alpha", terms.alpha, "a number between 0 and 0.5, such as 0.05")
    if not 0 <= terms.margin < inf:
        raise InvalidInput("--margin", terms.margin, "0 or more, in the metric's own unit")
    for name, bound in (terms.least or {}).items():
        if not isfinite(bound):
            raise InvalidInput("--min", f"{name}={bound}", "a number")


def _paired_targets(now: Experiment, before: Experiment) -> Sequence[tuple[str, str]]:
    mine, other = [one.name for one in now.plan.targets], [one.name for one in before.plan.targets]
    if both := [name for name in mine if name in other]:
        return [(name, name) for name in both]
    if len(mine) == len(other) == 1:
        return [(mine[0], other[0])]
    raise InvalidInput("--baseline", other, f"a baseline that has one of the targets {', '.join(mine)}")


def _unlike(now: Experiment, before: Experiment) -> Sequence[str]:
    """Why examples can't be paired."""
    mine, other = now.plan, before.plan
    reasons: list[str] = []
    if (mine.dataset, mine.dataset_version) != (other.dataset, other.dataset_version):
        reasons.append(
            f"it was run on {mine.dataset} {mine.dataset_version}, the baseline on {other.dataset} "
            f"{other.dataset_version}: run the baseline again on the same data"
        )
    gone = [one for one in other.example_ids if one not in set(mine.example_ids)]
    if gone:
        reasons.append(f"{figures.count(len(gone), 'example')} of the baseline weren't tried: {_named(gone)}")
    came = [one for one in mine.example_ids if one not in set(other.example_ids)]
    if came:
        reasons.append(f"the baseline lacks {figures.count(len(came), 'example')}: {_named(came)}")
    return reasons


def _incomplete(now: Experiment, before: Experiment) -> Sequence[str]:
    """Which trials have no result."""
    reasons: list[str] = []
    for who, one in (("it", now), ("the baseline", before)):
        planned = {trial_key(*told): told[1] for told in _planned(one)}
        found = {result.key for result in one.results}
        gone = list(dict.fromkeys(example for key, example in planned.items() if key not in found))
        if gone:
            why = f" ({one.stopped})" if one.stopped else ""
            reasons.append(
                f"{who} lacks {len(planned.keys() - found)} of {len(planned)} trials{why}, of {_named(gone)}; "
                "--allow-missing judges by what there is"
            )
    return reasons


def _planned(one: Experiment) -> Iterator[tuple[str, str, int]]:
    """Target, example and repeat of each trial."""
    for example in one.plan.example_ids:
        for target in one.plan.targets:
            for repeat in range(one.plan.repeats):
                yield target.name, example, repeat


def _unscored(now: Experiment, before: Experiment) -> Sequence[str]:
    """What the baseline was scored by, and this isn't any more."""
    return [
        f"it isn't scored by {key}, and the baseline is: score it too, or name by --metric what counts"
        for key in before.plan.scales
        if key not in now.plan.scales
    ]


def _metrics(table: Table, now: Experiment, before: Experiment, terms: Terms) -> Sequence[Metric]:
    """Those that may not become worse. Raises InvalidInput: one that is named isn't in both."""
    known = {one.key: one for one in table.metrics if one.of == "effort" or _in_both(one, now, before)}
    for name in (*terms.metrics, *(terms.least or {})):
        if name not in known:
            raise InvalidInput("--metric" if name in terms.metrics else "--min", name, ", ".join(known))
    if terms.metrics:
        return [known[name] for name in dict.fromkeys(terms.metrics)]
    quality = [one for one in known.values() if one.of == "quality"]
    if not quality and not terms.least:
        raise InvalidInput("--metric", "none of quality in both", ", ".join(known))
    return quality


def _in_both(metric: Metric, now: Experiment, before: Experiment) -> bool:
    return metric.score in now.plan.scales and metric.score in before.plan.scales


def _valueless(table: Table, metrics: Sequence[Metric]) -> Sequence[str]:
    """Where evaluators gave no value although they should have."""
    reasons: list[str] = []
    for metric in metrics:
        for name in table.names:
            values = table.values[name, metric.key]
            gone = [example for example, found in values.items() if any(one.status == "failed" for one in found)]
            if gone:
                reasons.append(
                    f"{name}: {metric.key} has no value where it should have one, in {_named(gone)}; "
                    "--allow-missing judges by what there is"
                )
    return reasons


def _tested(pairings: Sequence[tuple[str, Pairs]], terms: Terms) -> Sequence[Gated]:
    found: list[Gated] = []
    for name, pairs in pairings:
        better = pairs.metric.better
        shift = terms.margin * better
        test = held_against(pairs, level=1 - terms.alpha, seed=terms.seed, shift=shift)
        p_value = None
        findable = len(pairings) * 0.5**pairs.groups <= terms.alpha
        if test is not None and test.difference is not None and findable:
            towards_worse = test.difference * better < 0
            p_value = test.p_value / 2 if towards_worse else 1 - test.p_value / 2
        n = len(pairs.examples)
        found.append(
            Gated(
                target=name,
                metric=pairs.metric,
                now=sum(pairs.target) / n if n else None,
                before=sum(pairs.baseline) / n if n else None,
                difference=sum(pairs.differences) / n if n else None,
                p_value=p_value,
                adjusted=None,
                detectable=least_found(pairs, alpha=2 * terms.alpha / len(pairings)),
                worse=False,
                n=n,
            )
        )
    told = {str(at): one.p_value for at, one in enumerate(found) if one.p_value is not None}
    adjusted = holm(told) if len(told) > 1 else told
    return [
        replace(one, adjusted=adjusted.get(str(at)), worse=adjusted.get(str(at), 1.0) <= terms.alpha)
        for at, one in enumerate(found)
    ]


def _worse(one: Gated, terms: Terms) -> str:
    margin = f" by more than the margin of {figures.distance(terms.margin, one.metric)}" if terms.margin else ""
    p_value = figures.p(one.adjusted)
    return (
        f"{one.target} is worse than the baseline in {one.metric.key}{margin}: {figures.value(one.now, one.metric)} "
        f"against {figures.value(one.before, one.metric)} ({figures.difference(one.difference, one.metric)}, "
        f"one-sided p {p_value if p_value.startswith('<') else f'= {p_value}'} after Holm's adjustment, "
        f"{figures.count(one.n, 'paired example')})"
    )


def _untested(one: Gated) -> str:
    few = f": {figures.count(one.n, 'paired example')}, too few for any loss to stand out from chance" if one.n else ""
    return f"{one.target}: {one.metric.key} can't be tested{few or ': no example has a value on both sides'}"


def _too_low(table: Table, targets: Sequence[str], terms: Terms) -> Sequence[str]:
    of = {one.key: one for one in table.metrics}
    reasons: list[str] = []
    for name, bound in (terms.least or {}).items():
        metric = of[name]
        for target in targets:
            numbers = table.flat(f"{target}@{NOW}", name)
            mean = sum(numbers) / len(numbers) if numbers else None
            if mean is None:
                reasons.append(f"{target}: {name} has no value to hold against --min {name}={bound:g}")
            elif (mean - bound) * metric.better < 0:
                word = "under" if metric.better > 0 else "over"
                shown = f"{figures.value(mean, metric)} is {word} {figures.value(bound, metric)}"
                reasons.append(f"{target}: {name} of {shown}, the bound that --min sets")
    return reasons


def _notes(gated: Sequence[Gated], pairs: Sequence[Pairs]) -> Sequence[str]:
    notes: list[str] = []
    for one, pair in zip(gated, pairs, strict=True):
        if one.detectable is not None and one.p_value is not None:
            notes.append(
                f"{one.target}: a loss of {figures.distance(one.detectable, one.metric)} in {one.metric.key} would be "
                "noticed four times out of five; a smaller one may well have passed"
            )
        elif one.p_value is not None:
            notes.append(f"{one.target}: how large a loss in {one.metric.key} would be noticed can't be told")
        if pair.left_out:
            notes.append(
                f"{one.target}: {figures.count(pair.left_out, 'example')} without a value on one side were left out "
                f"of {one.metric.key}"
            )
    return notes


def _alone(now: Experiment, before: Experiment, pairs: Sequence[tuple[str, str]]) -> Iterator[str]:
    """Targets that have no counterpart."""
    both = {name for pair in pairs for name in pair}
    for where, one, other in (("", now, "the baseline"), ("the baseline's ", before, "this experiment")):
        for name in (target.name for target in one.plan.targets if target.name not in both):
            yield f"{where}{name} isn't gated: {other} has no target of that name"


def _named(examples: Sequence[str]) -> str:
    more = len(examples) - _NAMED
    return ", ".join(examples[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def _renamed(experiment: Experiment, side: str) -> Experiment:
    """Its targets told apart from those of the other experiment."""
    targets = [replace(one, name=f"{one.name}@{side}") for one in experiment.plan.targets]
    results = [replace(one, target=f"{one.target}@{side}") for one in experiment.results]
    return replace(experiment, plan=replace(experiment.plan, targets=targets), results=results)
