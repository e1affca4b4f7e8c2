"""`motet trace`: what a run did."""

from __future__ import annotations

from typing import Annotated

import typer

from motet.server.cli import options

app = typer.Typer(help="What a run did, call by call.", no_args_is_help=True)


@app.callback()
def trace() -> None:
    """What a run did, call by call."""


@app.command()
def show(run: Annotated[str, typer.Argument(help="The run's id.")], *, as_json: options.Json = False) -> None:
    """Draw a run's trajectory: nodes, model calls and tool calls, with times, tokens and outcomes."""
    import asyncio

    import orjson
    from rich.console import Console

    from motet.observability.trajectory.model import decode
    from motet.observability.trajectory.tree import Branch, build
    from motet.server import settings
    from motet.server.store import trajectories
    from motet.server.terminal.trace_tree import drawn

    async def read() -> Branch:
        async with trajectories(settings.load()) as store:
            return build([decode(record) for record in await store.read(run)])

    tree = asyncio.run(read())
    if as_json:
        typer.echo(orjson.dumps(tree, default=repr))
    else:
        Console(highlight=False).print(drawn(tree))
