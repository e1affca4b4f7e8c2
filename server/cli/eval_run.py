"""`motet eval run`: tries each example of a dataset with each target, and scores what comes of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import typer

from motet.server.cli import eval_run_options as asked
from motet.server.cli import options, printing

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from motet.observability.evaluation.experiment import Experiment, TrialResult
    from motet.server.evaluation.running import Order, Prepared
    from motet.server.terminal.experiment_progress import ExperimentProgress

STOPPED = 1

_AS_PLANNED = (
    "it goes on as it was planned: beside it only --parallel, --cap, --timeout, --recorded, --config, --workspace and "
    "--json can be told"
)


def run(
    dataset: asked.Dataset = "",
    *,
    target: asked.Target = None,
    baseline: asked.Baseline = "",
    evaluator: asked.Evaluator = None,
    evaluators: asked.Evaluators = None,
    repeat: asked.Repeat = 1,
    parallel: asked.Parallel = None,
    seed: asked.Seed = 0,
    limit: asked.Limit = None,
    split: asked.Split = "",
    tag: asked.Tag = None,
    cap: asked.Cap = None,
    timeout: asked.Timeout = None,
    name: asked.Name = "",
    resume: asked.Resume = "",
    recorded: asked.Recorded = None,
    yes: asked.Yes = False,
    config: options.Config = None,
    workspace: options.Workspace = None,
    as_json: options.Json = False,
) -> None:
    """Try each example with each target, as runs on the queue, and score what comes of it.

    With --config or --workspace this process works the runs, too, beside all workers there are. What has its result
    is kept at once: whatever dies, --resume goes on with the rest. Questions are answered as the examples say.

    Exit code 0: every trial has its result, good or bad. 1: it stopped before, or there is no such dataset or
    assistant. 2: an option can't be what it is.
    """
    from motet.errors import InvalidConfig
    from motet.server.evaluation.planning import Choice
    from motet.server.evaluation.running import Order
    from motet.server.evaluation.targets import targets

    if bool(dataset) == bool(resume):
        raise InvalidConfig("DATASET", "name a dataset, or an experiment by --resume; one of both")
    if resume and any((target, baseline, evaluator, evaluators, limit, split, tag, name, seed, repeat > 1)):
        raise InvalidConfig("--resume", _AS_PLANNED)
    order = Order(
        dataset=dataset,
        resume=resume,
        targets=targets(target or (), baseline) if target or baseline else (),
        evaluators=[*(evaluator or ()), *_in_file(evaluators)],
        recorded=recorded or (),
        choice=Choice(split=split, tags=tag or (), limit=limit),
        repeats=repeat,
        parallel=parallel,
        seed=seed,
        cap_usd=cap,
        timeout_s=timeout,
        name=name,
        config=config,
        workspace=workspace,
        folder=None if evaluators is None else evaluators.parent,
    )
    _run(order, yes=yes, as_json=as_json)


def _run(order: Order, *, yes: bool, as_json: bool) -> None:
    from importlib import import_module

    from motet.server import logs, process

    logs.configure_quietly()

    if not as_json:
        # It takes seconds, in which runs that are worked here would stand still.
        import_module("motet.observability.evaluation.statistics.power")

    async def work() -> None:
        experiment = await _driven(order, yes=yes, as_json=as_json)
        if not experiment.whole:
            raise typer.Exit(STOPPED)

    process.run(work())


async def _driven(order: Order, *, yes: bool, as_json: bool) -> Experiment:
    """The experiment as it stands when no further trial is made."""
    from motet.server import settings
    from motet.server.evaluation.running import prepared
    from motet.server.operating import operating
    from motet.server.terminal.experiment_progress import ExperimentProgress

    async with operating(settings.load()) as here:
        bar: ExperimentProgress | None = None

        def warn(text: str) -> None:
            if bar is not None:
                bar.warned(text)

        async with prepared(here, order, warn) as made:
            _tell(made, as_json=as_json)
            _ask(made, yes=yes)
            estimated = made.estimate is not None or made.plan.mode == "recorded"
            also = _result_told if as_json else None
            with ExperimentProgress(made.experiment, made.pace, estimated=estimated, also=also) as bar:
                await _to_end(made, bar)
        experiment = await here.experiments.load(made.plan.experiment_id)
    _tell_end(experiment, as_json=as_json)
    return experiment


async def _to_end(made: Prepared, bar: ExperimentProgress) -> None:
    """Drive it until it ends, or a person ends it, which is noted: nothing of what there is is lost."""
    from motet.server.stopping import CLOSING_S, ended_by_signal

    ended = False
    with ended_by_signal(CLOSING_S):
        await made.run(bar)
        ended = True
    if not ended:
        await made.scoring.experiments.stop(made.plan.experiment_id, "a person stopped it")


def _tell(made: Prepared, *, as_json: bool) -> None:
    if as_json:
        printing.json_line({"type": "plan", "plan": made.plan, "estimate": made.estimate, "notes": made.notes})
        return
    from motet.server.terminal.experiments import estimated, head, power

    told = [*head(made.plan), *power(made.plan), *made.notes]
    if done := len(made.experiment.results):
        told.append(f"{done} trials have their results already")
    if made.plan.mode == "live":
        told.append(estimated(made.estimate))
    for one in told:
        typer.echo(one)


def _ask(made: Prepared, *, yes: bool) -> None:
    """Have a person agree to what it is estimated to cost. Raises InvalidConfig: there is none."""
    import sys

    from motet.errors import InvalidConfig

    cost = made.estimate.cost_usd if made.estimate is not None else None
    if yes or not cost:
        return
    if not sys.stdin.isatty():
        raise InvalidConfig("--yes", f"it is estimated to cost ${cost:.4g}: say --yes to that, nobody can be asked")
    typer.confirm(f"Spend about ${cost:.4g}?", abort=True, err=True)


def _tell_end(experiment: Experiment, *, as_json: bool) -> None:
    plan = experiment.plan
    resume = f"motet eval run --resume {plan.experiment_id}"
    if as_json:
        told = {"experiment": plan.experiment_id, "results": len(experiment.results), "whole": experiment.whole}
        printing.json_line({"type": "end", **told, "stopped": experiment.stopped})
        return
    from motet.server.terminal.experiments import standing

    printing.console().print(standing(experiment))
    if not experiment.whole:
        typer.echo(f"stopped: {experiment.stopped or 'not all trials have results'}; go on with: {resume}")


def _result_told(result: TrialResult) -> None:
    printing.json_line({"type": "result", "result": result})


def _in_file(file: Path | None) -> Sequence[str | Mapping[str, Any]]:
    """The evaluators that a file lists. Raises InvalidConfig: it lists none."""
    if file is None:
        return ()
    from motet.agents import strict_yaml
    from motet.errors import InvalidConfig

    told = strict_yaml.read(file).data
    if not isinstance(told, list) or not all(isinstance(one, str | dict) for one in cast("list[Any]", told)):
        raise InvalidConfig("--evaluators", f"{file} holds no list of evaluators: texts, or objects with a name")
    return cast("list[str | Mapping[str, Any]]", told)
