"""All trials of one or more experiments, laid out by target, example and metric."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from motet.errors import InvalidInput
from motet.observability.evaluation.experiment import Experiment, Target, TrialResult
from motet.observability.evaluation.report.metrics import Metric, Value, metrics_of, value_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """A target, and the experiment that it was tried in."""

    target: Target
    """Its name is the report's: that of the experiment is added where two targets are called the same."""
    told: str
    """Its name in its experiment."""
    experiment: int
    """Its position."""
    planned: int
    """Trials."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Trials by target and example, with the values of each metric."""

    targets: Sequence[Placed]
    """The baseline first."""
    examples: Sequence[str]
    """Ids, in the order in which they were tried."""
    clusters: Mapping[str, str]
    tags: Mapping[str, Sequence[str]]
    metrics: Sequence[Metric]
    trials: Mapping[str, Mapping[str, Sequence[TrialResult]]]
    """By the target's name in the report and the example's id, in the order of repeats."""
    values: Mapping[tuple[str, str], Mapping[str, Sequence[Value]]]
    """By target and metric, then by example: one a trial."""
    repeats: int
    """The most that were planned."""

    @property
    def names(self) -> Sequence[str]:
        """The targets'."""
        return [one.target.name for one in self.targets]

    def beside(self, target: str, baseline: str) -> bool:
        """Whether `baseline` is the first target of the experiment that `target` was tried in."""
        at = {one.target.name: one.experiment for one in self.targets}
        first = next(one for one in self.targets if one.experiment == at[target])
        return target != baseline == first.target.name

    def absent(self, target: str) -> int:
        """How many of a target's trials have no result."""
        planned = next(one.planned for one in self.targets if one.target.name == target)
        return max(planned - len(self.of(target)), 0)

    def of(self, target: str) -> Sequence[TrialResult]:
        """All trials of a target."""
        return [one for trials in self.trials[target].values() for one in trials]

    def numbers(self, target: str, metric: str) -> Mapping[str, Sequence[float]]:
        """By example, where it has any."""
        found = {
            example: [one.number for one in values if one.status == "value"]
            for example, values in self.values[target, metric].items()
        }
        return {example: numbers for example, numbers in found.items() if numbers}

    def flat(self, target: str, metric: str) -> Sequence[float]:
        """All of a target's values, whatever the example."""
        return [one for numbers in self.numbers(target, metric).values() for one in numbers]

    def means(self, target: str, metric: str) -> Mapping[str, float]:
        """Of each example, over its repeats."""
        return {example: fmean(numbers) for example, numbers in self.numbers(target, metric).items()}


def laid_out(experiments: Sequence[Experiment]) -> Table:
    """The experiments' trials as one table.

    Raises InvalidInput: there is no experiment, or two of them have a metric of one name with different scales.
    """
    if not experiments:
        raise InvalidInput("experiments", [], "one or more")
    plans = [one.plan for one in experiments]
    _check_scales(experiments)
    targets = _placed(experiments)
    metrics = metrics_of(plans)
    trials = {one.target.name: _by_example(experiments[one.experiment], one.told) for one in targets}
    values = {
        (name, metric.key): {
            example: [value_of(trial, metric) for trial in found] for example, found in trials[name].items()
        }
        for name in trials
        for metric in metrics
    }
    return Table(
        targets=targets,
        examples=list(dict.fromkeys(example for plan in plans for example in plan.example_ids)),
        clusters={example: cluster for plan in reversed(plans) for example, cluster in plan.clusters.items()},
        tags={example: tags for plan in reversed(plans) for example, tags in plan.tags.items()},
        metrics=metrics,
        trials=trials,
        values=values,
        repeats=max(plan.repeats for plan in plans),
    )


def _by_example(experiment: Experiment, target: str) -> Mapping[str, Sequence[TrialResult]]:
    found: dict[str, list[TrialResult]] = {example: [] for example in experiment.plan.example_ids}
    for one in experiment.results:
        if one.target == target:
            found.setdefault(one.example_id, []).append(one)
    return {example: sorted(trials, key=lambda one: one.repeat) for example, trials in found.items()}


def _placed(experiments: Sequence[Experiment]) -> Sequence[Placed]:
    told = Counter(target.name for one in experiments for target in one.plan.targets)
    names = Counter(one.plan.name for one in experiments)
    placed: list[Placed] = []
    for at, one in enumerate(experiments):
        plan = one.plan
        beside = plan.name if names[plan.name] == 1 else plan.experiment_id[-6:]
        for target in plan.targets:
            name = target.name if told[target.name] == 1 else f"{target.name}@{beside}"
            planned = len(plan.example_ids) * plan.repeats
            placed.append(Placed(target=replace(target, name=name), told=target.name, experiment=at, planned=planned))
    twice = Counter(one.target.name for one in placed)
    return [
        one
        if twice[one.target.name] == 1
        else replace(one, target=replace(one.target, name=f"{one.target.name}#{one.experiment + 1}"))
        for one in placed
    ]


def _check_scales(experiments: Sequence[Experiment]) -> None:
    first = {key: scale for one in reversed(experiments) for key, scale in one.plan.scales.items()}
    for one in experiments:
        for key, scale in one.plan.scales.items():
            if scale != first[key]:
                raise InvalidInput(
                    f"experiment {one.plan.experiment_id}: scale of {key}", scale, "the same in all experiments"
                )
