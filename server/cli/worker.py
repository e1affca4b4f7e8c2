"""`motet worker`: works runs that servers accepted, beside as many others as wanted."""

from __future__ import annotations

from typing import Annotated

import typer

from motet.server.cli import options


def worker(
    *,
    config: options.Config = None,
    workspace: options.Workspace = None,
    workers: Annotated[int, typer.Option(min=1, help="Runs worked at a time.")] = 10,
) -> None:
    """Work runs until stopped. Needs the same Redis, config and workspace as the servers."""
    import asyncio
    from functools import partial

    from motet.server import isolated, process, settings, zygote
    from motet.server.contained import contain_tasks
    from motet.server.logs import configure
    from motet.server.services import opened
    from motet.server.stopping import CLOSING_S, ended_by_signal
    from motet.server.worker import working

    async def work() -> None:
        contain_tasks()
        with ended_by_signal(loaded.drain_seconds + CLOSING_S):
            async with (
                opened(loaded, config=config, workspace=workspace, zygote=forking) as services,
                working(services, workers),
            ):
                for line in services.notices:
                    typer.echo(line)
                typer.echo("Motet works")
                await asyncio.Event().wait()

    configure()
    loaded = settings.load()
    forking = zygote.start(partial(isolated.work, loaded, config, workspace))
    process.run(work())
