"""`motet worker`: works runs that servers accepted, beside as many others as wanted."""

from __future__ import annotations

from typing import Annotated

import typer

from motet.server.cli import options


def worker(
    *,
    config: options.Config = None,
    workspace: options.Workspace = None,
    workers: Annotated[int, typer.Option(min=1, help="Runs worked at a time.")] = 4,
) -> None:
    """Work runs until stopped. Needs the same Redis, config and workspace as the servers."""
    import asyncio

    import uvloop

    from motet.server import settings
    from motet.server.logs import configure
    from motet.server.services import opened
    from motet.server.stopping import ended_by_signal
    from motet.server.worker import working

    async def work() -> None:
        with ended_by_signal():
            async with (
                opened(settings.load(), config=config, workspace=workspace) as services,
                working(services, workers),
            ):
                for line in services.notices:
                    typer.echo(line)
                typer.echo("Motet works")
                await asyncio.Event().wait()

    configure()
    uvloop.run(work())
