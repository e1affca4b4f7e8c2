"""`motet eval`: datasets, experiments over them, and what came out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from motet.server.cli import (
    eval_calibrate,
    eval_crew,
    eval_dataset,
    eval_report,
    eval_run,
    options,
    printing,
)

if TYPE_CHECKING:
    from motet.server.operating import Operating

app = typer.Typer(
    help="Evaluate: make datasets, try their examples, score what comes of it. Reads Redis itself.",
    no_args_is_help=True,
)
app.add_typer(eval_dataset.app, name="dataset")
app.command("run")(eval_run.run)
app.command("report")(eval_report.report)
app.command("compare")(eval_report.compare)
app.command("gate")(eval_report.gate)
app.command("calibrate")(eval_calibrate.calibrate)
app.command("crew")(eval_crew.crew)

ExperimentId = Annotated[str, typer.Argument(metavar="EXPERIMENT", help="The experiment's id, or how it begins.")]

T = TypeVar("T")


@app.callback()
def evaluate() -> None:
    """Evaluate: make datasets, try their examples, score what comes of it. Reads Redis itself."""


@app.command("list")
def list_experiments(*, as_json: options.Json = False) -> None:
    """List the experiments, the newest first, with how many trials have results."""
    from motet.server.terminal.experiments import listed

    found = _with_redis(lambda here: here.experiments.all())
    if as_json:
        for plan, count in found:
            printing.json_line({"plan": plan, "results": count})
    elif not found:
        typer.echo("no experiment yet; motet eval run DATASET --target ASSISTANT makes one", err=True)
    else:
        printing.console().print(listed(found))


@app.command()
def show(experiment: ExperimentId, *, as_json: options.Json = False) -> None:
    """Show an experiment: what it is, and each target by each metric so far. `motet eval report` says what follows.

    --json gives the plan, and each result with its scores.
    """
    from motet.server.terminal.experiments import head, standing

    found = _with_redis(lambda here: here.experiments.load(experiment))
    if as_json:
        printing.json_line({"plan": found.plan, "stopped": found.stopped, "results": found.results})
        return
    for one in head(found.plan):
        typer.echo(one)
    printing.console().print(standing(found))
    if found.stopped:
        typer.echo(f"stopped: {found.stopped}")
    if not found.whole:
        typer.echo(f"go on with: motet eval run --resume {found.plan.experiment_id}")


@app.command()
def delete(
    experiment: ExperimentId,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask.")] = False,
) -> None:
    """Forget an experiment with its results, its trajectories and the threads of its trials. Nothing brings it back."""
    from motet.server.evaluation.deleting import delete as delete_whole

    found = _with_redis(lambda here: here.experiments.load(experiment))
    if not yes:
        typer.confirm(f"Forget experiment {found.plan.name} with {len(found.results)} results?", abort=True, err=True)
    _with_redis(lambda here: delete_whole(here, found.plan))
    typer.echo(f"experiment {found.plan.experiment_id} is forgotten")


def _with_redis(work: Callable[[Operating], Awaitable[T]]) -> T:
    """What `work` returns, with Redis open meanwhile."""
    import asyncio

    from motet.server import settings
    from motet.server.operating import operating

    async def opened() -> Any:
        async with operating(settings.load()) as here:
            return await work(here)

    return asyncio.run(opened())
