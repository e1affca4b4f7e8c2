"""What an experiment will take, before it begins: by what earlier trials of the same targets took."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from motet.errors import MotetError, NotFound
from motet.memory.evaluations import Experiments
from motet.observability.evaluation.experiment import Plan, Target, TrialResult
from motet.observability.evaluation.observing import observed
from motet.server.evaluation.bench import Bench
from motet.server.evaluation.case import EXPERIMENT
from motet.server.trajectories import trajectory_of

_RUNS_LOOKED_AT = 200
_RUNS_USED = 10
_EXPERIMENTS_LOOKED_AT = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What one trial took, or takes on average."""

    tokens: float
    seconds: float
    cost_usd: float | None
    """None where a model has no price."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What all trials that are left will take."""

    trials: int
    tokens: int
    seconds: float
    """From the first to the last, so many at once as are asked for."""
    cost_usd: float | None
    """None where a model has no price."""
    basis: str
    """What it is drawn from."""


async def estimate(bench: Bench, plan: Plan, trials: Mapping[str, int], parallel: int) -> Estimate | None:
    """By earlier experiments with the same targets, else by the newest runs of their graphs; None without either.

    `trials`: how many are left, by target.
    """
    found: dict[str, tuple[Taken, str]] = {}
    for target in plan.targets:
        taken = await _by_experiments(bench.experiments, plan, target) or await _by_runs(bench, target)
        if taken is None:
            return None
        found[target.name] = taken
    return _total({name: taken for name, (taken, _) in found.items()}, trials, parallel, _basis(found))


def by_results(results: Sequence[TrialResult], left: Mapping[str, int], parallel: int) -> Estimate | None:
    """By this experiment's own first trials; None while a target has none."""
    by: dict[str, list[TrialResult]] = {}
    for one in results:
        by.setdefault(one.target, []).append(one)
    if not all(by.get(name) for name, trials in left.items() if trials):
        return None
    means = {name: _mean([_of_result(one) for one in those]) for name, those in by.items()}
    return _total(means, left, parallel, f"by its first {len(results)} trials")


def _total(taken: Mapping[str, Taken], trials: Mapping[str, int], parallel: int, basis: str) -> Estimate:
    costs = [taken[name].cost_usd for name, count in trials.items() if count]
    known = [cost for cost in costs if cost is not None]
    return Estimate(
        trials=sum(trials.values()),
        tokens=round(sum(taken[name].tokens * count for name, count in trials.items() if count)),
        seconds=sum(taken[name].seconds * count for name, count in trials.items() if count) / max(parallel, 1),
        cost_usd=None
        if len(known) < len(costs)
        else sum((taken[name].cost_usd or 0.0) * count for name, count in trials.items() if count),
        basis=basis,
    )


async def _by_experiments(experiments: Experiments, plan: Plan, target: Target) -> tuple[Taken, str] | None:
    for earlier, count in list(await experiments.all())[:_EXPERIMENTS_LOOKED_AT]:
        names = [one.name for one in earlier.targets if _same(one, target)]
        if not names or not count or earlier.mode != "live" or earlier.experiment_id == plan.experiment_id:
            continue
        try:
            results = (await experiments.load(earlier.experiment_id)).results
        except NotFound:
            continue
        judged = earlier.judge is not None and earlier.judge == plan.judge
        taken = [_of_result(one, judged=judged) for one in results if one.target in names and one.outcome != "error"]
        if taken:
            return _mean(taken), f"{len(taken)} trials of experiment {earlier.name}"
    return None


async def _by_runs(bench: Bench, target: Target) -> tuple[Taken, str] | None:
    if target.model is not None:
        return None
    taken: list[Taken] = []
    for run in await bench.runs.recent(limit=_RUNS_LOOKED_AT, status="success"):
        request = run.request
        known = target.assistant in (request.graph_id, request.assistant_id)
        if not known or EXPERIMENT in request.metadata or len(taken) == _RUNS_USED:
            continue
        try:
            seen = observed(await trajectory_of(bench, request.thread_id, request.run_id, events=False))
        except MotetError:
            continue  # what is kept of one run can't be read; others say as much
        taken.append(Taken(tokens=seen.tokens, seconds=seen.seconds, cost_usd=seen.cost_usd))
    return (_mean(taken), f"the newest {len(taken)} runs of {target.assistant}") if taken else None


def _same(one: Target, other: Target) -> bool:
    return (one.assistant, one.model) == (other.assistant, other.model)


def _of_result(result: TrialResult, *, judged: bool = True) -> Taken:
    costs = [result.cost_usd, result.judge_cost_usd] if judged else [result.cost_usd]
    known = [one for one in costs if one is not None]
    return Taken(
        tokens=result.tokens, seconds=result.seconds, cost_usd=sum(known) if len(known) == len(costs) else None
    )


def _mean(taken: Sequence[Taken]) -> Taken:
    costs = [one.cost_usd for one in taken if one.cost_usd is not None]
    return Taken(
        tokens=fmean(one.tokens for one in taken),
        seconds=fmean(one.seconds for one in taken),
        cost_usd=fmean(costs) if len(costs) == len(taken) else None,
    )


def _basis(found: Mapping[str, tuple[Taken, str]]) -> str:
    return "by " + "; ".join(dict.fromkeys(basis for _, basis in found.values()))
