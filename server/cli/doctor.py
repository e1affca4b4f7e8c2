"""`motet doctor`: whether this installation can be depended on, and what to do where it can't."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import typer

from motet.server.cli import options

if TYPE_CHECKING:
    from rich.table import Table

    from motet.server.diagnosis import Check

_MARKS = {"ok": ("✓", "green"), "warning": ("!", "yellow"), "error": ("✗", "red")}


def doctor(*, as_json: options.Json = False) -> None:
    """Check Python, data directory, Redis and settings. Exit code 0: usable. 1: something is wrong. 4: no Redis."""
    import asyncio

    import orjson
    from rich.console import Console

    from motet.server import settings
    from motet.server.diagnosis import diagnose

    found = asyncio.run(diagnose(settings.load()))
    if as_json:
        for one in found:
            typer.echo(orjson.dumps({"about": one.about, "level": one.level, "what": one.what, "advice": one.advice}))
    else:
        console = Console(highlight=False)
        console.print(_drawn(found))
        console.print(_verdict(found))
    if any(one.unreachable for one in found):
        raise typer.Exit(4)
    if any(one.level == "error" for one in found):
        raise typer.Exit(1)


def _drawn(found: Sequence[Check]) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE)
    for column in ("", "About", "Found", "What to do"):
        table.add_column(column, overflow="fold")
    about = ""
    for one in found:
        mark, style = _MARKS[one.level]
        table.add_row(
            Text(mark, style=style), "" if one.about == about else one.about, Text(one.what, style=style), one.advice
        )
        about = one.about
    return table


def _verdict(found: Sequence[Check]) -> str:
    errors, warnings = (sum(one.level == level for one in found) for level in ("error", "warning"))
    if errors:
        return f"[red]Motet can't work here as it is: {_counted(errors, 'error')}.[/red]"
    if warnings:
        return f"[yellow]Motet works here; {_counted(warnings, 'warning')}.[/yellow]"
    return "[green]All is well.[/green]"


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"
