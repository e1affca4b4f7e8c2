"""Experiments on a terminal: the list of them, one with its targets by metric, and what one will be."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.table import Table
from rich.text import Text

from motet.observability.evaluation.evaluator import Scale
from motet.observability.evaluation.experiment import Experiment, Plan
from motet.server.durations import spelled
from motet.server.evaluation.estimate import Estimate
from motet.server.evaluation.standing import Cell, Totals, cells, totals
from motet.server.terminal.plain import line

DIM = "bright_black"
_SHORT = 13
"""Characters of an id that say when it was made, to the millisecond: a beginning that names it."""


def listed(found: Sequence[tuple[Plan, int]]) -> Table:
    """A line each, the newest first."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("experiment", "name", "dataset", "targets", "results", "made"):
        folds = name in {"name", "dataset", "targets"}
        table.add_column(name, justify="right" if name == "results" else "left", no_wrap=not folds, overflow="fold")
    for plan, count in found:
        table.add_row(
            plan.experiment_id[:_SHORT],
            line(plan.name),
            f"{line(plan.dataset)}@{plan.dataset_version}",
            ", ".join(one.name for one in plan.targets),
            f"{count}/{_trials(plan)}",
            plan.created_at[:16].replace("T", " "),
        )
    return table


def head(plan: Plan) -> Iterator[str]:
    """What it is, a line each."""
    examples, times = len(plan.example_ids), "once" if plan.repeats == 1 else f"{plan.repeats} times"
    yield f"Experiment {plan.name} ({plan.experiment_id}), {plan.mode}"
    dataset = f"{plan.dataset}@{plan.dataset_version}"
    trials = _counted(_trials(plan), "trial")
    yield f"{_counted(examples, 'example')} of {dataset}, each {times} with each target: {trials}"
    named = [one.name if one.name == one.assistant else f"{one.name} ({one.assistant})" for one in plan.targets]
    yield f"Targets: {', '.join([f'{named[0]} as the baseline', *named[1:]] if len(named) > 1 else named)}"
    yield f"Metrics: {', '.join(plan.scales)}" + (f"; judged by {plan.judge}" if plan.judge else "")
    yield f"Seed {plan.seed}, {plan.parallel} at once" + (
        "" if plan.cap_usd is None else f", at most ${plan.cap_usd:g}"
    )


def power(plan: Plan) -> Iterator[str]:
    """What so many examples can show, and warnings of too few."""
    from motet.observability.evaluation.statistics.power import detectable, warnings_of  # noqa: PLC0415 - takes seconds

    clusters, paired = len(set(plan.clusters.values())), len(plan.targets) > 1
    rate = detectable(clusters, kind="boolean", paired=paired)
    mean = detectable(clusters, kind="number", sd=1.0, paired=paired)
    against = "between two targets" if paired else "from a known value"
    told = [
        f"{rate * 100:.0f} points of a rate near 50 %" if rate is not None else "no difference of a rate at all",
        f"{mean:.2f} standard deviations of a mean" if mean is not None else "none of a mean",
    ]
    yield f"Least difference {against} that is found four times in five: {' or '.join(told)}"
    for one in warnings_of(clusters, len(plan.example_ids)):
        yield f"Warning: {one}"


def estimated(estimate: Estimate | None) -> str:
    """What it will take, and how that is known."""
    if estimate is None:
        return "What it will take isn't known: nothing like it was run before; it is told once the first trials are in"
    cost = "its cost isn't known: a model has no price" if estimate.cost_usd is None else f"${estimate.cost_usd:.4g}"
    return (
        f"{_counted(estimate.trials, 'trial')} will take about {estimate.tokens:,} tokens, "
        f"{spelled(estimate.seconds)} and {cost}, {estimate.basis}"
    )


def standing(experiment: Experiment) -> Table:
    """Targets by metric, so far."""
    plan = experiment.plan
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("")
    for one in plan.targets:
        table.add_column(one.name, justify="right")
    told = {(one.metric, one.target): one for one in cells(experiment)}
    for metric, scale in plan.scales.items():
        table.add_row(metric, *(_value(told[metric, one.name], scale) for one in plan.targets))
    took = totals(experiment)
    for name in ("trials", "failed", "tokens", "worked", "cost"):
        table.add_row(Text(name, DIM), *(Text(_total(one, name), DIM) for one in took))
    return table


def _value(cell: Cell, scale: Scale) -> str:
    failed = f" ({cell.failed} without)" if cell.failed else ""
    if cell.counts is not None:
        return ", ".join(f"{name} {count}" for name, count in cell.counts.items()) + failed or "-"
    if cell.mean is None:
        return f"-{failed}"
    if scale.kind == "boolean":
        return f"{cell.mean:.1%} of {cell.scored}{failed}"
    return f"{cell.mean:.4g}{' ' + scale.unit if scale.unit else ''}{failed}"


def _total(one: Totals, name: str) -> str:
    match name:
        case "trials":
            return str(one.trials)
        case "failed":
            return str(one.outcomes.get("error", 0))
        case "tokens":
            return f"{one.tokens:,}"
        case "worked":
            return spelled(one.seconds)
        case _:
            return "-" if one.cost_usd is None else f"${one.cost_usd:.4g}"


def _trials(plan: Plan) -> int:
    return len(plan.example_ids) * len(plan.targets) * plan.repeats


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"
