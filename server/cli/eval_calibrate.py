"""`motet eval calibrate`: how far a judge agrees with people."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from motet.server.cli import options, printing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from motet.observability.evaluation.calibration import Calibration
    from motet.observability.evaluation.example import Example
    from motet.server.settings import Settings

WARNED = 1

_FILES = (".jsonl", ".csv")


def calibrate(
    dataset: Annotated[
        str, typer.Argument(metavar="DATASET", help="A dataset: name or name@version; or a .jsonl or .csv file.")
    ],
    *,
    evaluator: Annotated[
        list[str], typer.Option(metavar="NAME[:ARGUMENT=VALUE,…]", help="The judge: judge:criteria=helpfulness.")
    ],
    split: Annotated[str, typer.Option(help="Only examples of this split.")] = "",
    seed: Annotated[int, typer.Option(help="What the judge's votes are drawn with.")] = 0,
    workspace: options.Workspace = None,
    as_json: options.Json = False,
) -> None:
    """Have a judge score answers that people labelled, and compare: Cohen's kappa, with where they disagree.

    Examples have the answer in expect.answer, or as the last message of their trajectory, and what a person says of
    it in expect.label: true or false, or a grade.

    Exit code 0: the judge agrees with people more than by chance. 1: it doesn't. 2: what was asked for can't be.
    """
    import asyncio

    found = asyncio.run(_calibrated(dataset, evaluator, split, seed, workspace))
    if as_json:
        for one in found:
            printing.json_line(one)
    else:
        _show(found)
    raise typer.Exit(0 if all(one.agreement.better_than_chance for one in found) else WARNED)


def _show(found: Sequence[Calibration]) -> None:
    from motet.server.terminal.calibrated import disagreements, table

    console = printing.console()
    console.print(table(found))
    if any(one.disagreements for one in found):
        console.print(disagreements(found))
    for warning in (text for one in found for text in one.warnings):
        typer.echo(f"warning: {warning}", err=True)


async def _calibrated(
    dataset: str, told: Sequence[str], split: str, seed: int, workspace: Path | None
) -> list[Calibration]:
    from motet.errors import InvalidConfig
    from motet.observability.evaluation.calibration import calibrated
    from motet.observability.evaluation.registry import evaluators
    from motet.server import settings as setting
    from motet.server.evaluation.means import means

    settings = setting.load()
    examples = [one for one in await _examples(dataset, settings) if split in {"", one.split}]
    if not examples:
        raise InvalidConfig("--split", f"{dataset} has no example of the split {split!r}")
    async with means(settings, workspace=workspace) as given:
        return [found for judge in evaluators(told, given) for found in await calibrated(judge, examples, seed=seed)]


async def _examples(dataset: str, settings: Settings) -> Sequence[Example]:
    if dataset.endswith(_FILES):
        from motet.observability.evaluation import dataset_file

        return dataset_file.read(Path(dataset))
    from motet.server.operating import operating

    name, _, version = dataset.partition("@")
    async with operating(settings) as here:
        return (await here.datasets.load(name, version)).examples
