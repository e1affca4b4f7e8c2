"""`motet validate`: whether declarations of agents can be used, and what is wrong with those that can't."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from motet.server.cli import options

if TYPE_CHECKING:
    from rich.table import Table

    from motet.agents.spec import Checked


def validate(
    paths: Annotated[list[Path], typer.Argument(help="Files, or folders of *.yaml.")], *, as_json: options.Json = False
) -> None:
    """Check agents' declarations. Exit code 0: all can be used. 1: one can't. 2: a path can't be read."""
    import orjson
    from rich.console import Console

    from motet.server.declared import check

    checked = check(paths)
    if as_json:
        for one in checked:
            typer.echo(orjson.dumps({"file": one.file, "name": one.name, "problems": one.problems}))
    else:
        Console(highlight=False).print(_drawn(checked))
    if any(one.problems for one in checked):
        raise typer.Exit(1)


def _drawn(checked: list[Checked]) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE)
    for column in ("File", "Line", "Agent", "What is wrong"):
        table.add_column(column, overflow="fold")
    for one in checked:
        if not one.problems:
            table.add_row(Text(one.file), "", Text(one.name), Text("nothing", style="green"))
        for problem in one.problems:
            table.add_row(Text(one.file), str(problem.line), Text(one.name), Text(str(problem), style="red"))
    return table
