"""The order of trials, and what they cost so far."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from random import Random

from motet.observability.evaluation.example import Example
from motet.observability.evaluation.experiment import Experiment, Plan, TrialResult
from motet.server.evaluation.case import Case


def cases(plan: Plan, examples: Mapping[str, Example], *, baseline_first: bool = False) -> Iterator[Case]:
    """All trials: each example is tried with every target before the next one is, so that one that stops early can
    still be compared. Which target goes first is drawn by the seed, anew each time, or is the baseline.
    """
    for repeat in range(plan.repeats):
        for example_id in plan.example_ids:
            targets = list(plan.targets)
            if not baseline_first:
                Random(f"{plan.seed} {repeat} {example_id}").shuffle(targets)  # noqa: S311 - an order, no secret
            for target in targets:
                yield Case(plan=plan, target=target, example=examples[example_id], repeat=repeat)


def open_cases(
    experiment: Experiment, examples: Mapping[str, Example], *, baseline_first: bool = False
) -> Sequence[Case]:
    """The trials that have no result yet."""
    done = {one.key for one in experiment.results}
    found = cases(experiment.plan, examples, baseline_first=baseline_first)
    return [one for one in found if one.key not in done]


def spent(results: Sequence[TrialResult]) -> float:
    """USD that are known to have been spent, on judges, too."""
    return sum((one.cost_usd or 0.0) + (one.judge_cost_usd or 0.0) for one in results)
