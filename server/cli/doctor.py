"""`motet doctor`: whether this installation can be depended on, what is stuck in it, and what to do about both."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from motet.server.cli import options

if TYPE_CHECKING:
    from rich.table import Table

    from motet.server.diagnosis import Check

_MARKS = {"ok": ("✓", "green"), "warning": ("!", "yellow"), "error": ("✗", "red")}
_NAMED = ("about", "level", "what", "why", "advice", "thread_id", "run_id")


def doctor(
    *,
    thread: Annotated[
        str | None, typer.Option(help="Explain this thread and nothing else; its id, or how it begins.")
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Check Python, data directory, Redis and settings, and find threads and runs that are stuck.

    Exit code 0: usable. 1: something is wrong. 4: no Redis.
    """
    import asyncio

    import orjson
    from rich.console import Console

    from motet.server import settings
    from motet.server.diagnosis import diagnose, explain

    loaded = settings.load()
    found = asyncio.run(diagnose(loaded) if thread is None else explain(loaded, thread))
    if as_json:
        for one in found:
            typer.echo(orjson.dumps({name: getattr(one, name) for name in _NAMED}))
    else:
        console = Console(highlight=False)
        stuck = [one for one in found if one.thread_id or (one.about == "runs" and one.level != "ok")]
        if thread is None:
            console.print(_drawn([one for one in found if one not in stuck]))
        for one in stuck:
            console.print(_told(one))
        if thread is None:
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
        about_it = "" if one.about == about else one.about
        table.add_row(Text(mark, style=style), about_it, Text(one.what, style=style), Text(one.advice))
        about = one.about
    return table


def _told(one: Check) -> Table:
    """What is to be said of a thread, in lines: ids are too long for columns."""
    from rich.table import Table
    from rich.text import Text

    mark, style = _MARKS[one.level]
    lines = Table.grid(padding=(0, 1))
    lines.add_row(Text(f" {mark}", style=style), Text(one.what, style=style))
    if one.why:
        lines.add_row("", Text(f"why: {one.why}", style="bright_black"))
    if one.advice:
        lines.add_row("", Text(f"do:  {one.advice}"))
    if one.about == "runs":
        lines.add_row("", "")
    return lines


def _verdict(found: Sequence[Check]) -> str:
    errors, warnings = ([one for one in found if one.level == level] for level in ("error", "warning"))
    if errors and all(one.about == "runs" for one in errors):
        return f"[red]Motet works here, but {_counted(len(errors), 'thing')} can't go on.[/red]"
    if errors:
        return f"[red]Motet can't work here as it is: {_counted(len(errors), 'error')}.[/red]"
    if warnings:
        return f"[yellow]Motet works here; {_counted(len(warnings), 'warning')}.[/yellow]"
    return "[green]All is well.[/green]"


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"
