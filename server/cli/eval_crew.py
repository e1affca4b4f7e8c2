"""`motet eval crew`: the crew's own examples, with the workspace that they are asked over."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from motet.server.cli import options, printing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from motet.memory.evaluations import DatasetVersion
    from motet.observability.evaluation.example import Example
    from motet.server.settings import Settings


def crew(
    file: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="Write the examples there, too, as JSON lines.")
    ] = None,
    *,
    workspace: Annotated[
        Path | None, typer.Option(help="Where the sample data goes; by default the data folder's `evaluation`.")
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Make the workspace of the crew's own evaluation, check every reference over it, and keep the dataset `crew`.

    No model is asked. Exit codes: 0 done, 2 the workspace can't be made, or a reference doesn't hold there.
    """
    import asyncio

    from motet.observability.evaluation.dataset_file import written
    from motet.server import settings

    loaded = settings.load()
    folder = workspace or loaded.data_dir / "evaluation"
    examples, kept = asyncio.run(_kept(loaded, folder))
    if file is not None:
        file.write_bytes(written(examples))
    if as_json:
        printing.json_line({"dataset": kept, "workspace": str(folder), "evaluators": str(_evaluators())})
        return
    typer.echo(f"dataset {kept.name}@{kept.version}: {kept.examples} examples, every reference checked")
    typer.echo(f"asked over {folder}; try some:")
    typer.echo(
        f"  motet eval run {kept.name} --target assistant --limit 8 --workspace {folder} --evaluators {_evaluators()}"
    )


def _evaluators() -> Path:
    from motet.server.evaluation.crew_workspace import EVALUATORS

    return EVALUATORS


async def _kept(settings: Settings, folder: Path) -> tuple[Sequence[Example], DatasetVersion]:
    from motet.server.evaluation.crew_workspace import NAME, crew_examples
    from motet.server.logs import log_progress
    from motet.server.operating import operating

    examples = await crew_examples(folder, log_progress)
    async with operating(settings) as here:
        return examples, await here.datasets.save(NAME, examples, note="the crew's own evaluation")
