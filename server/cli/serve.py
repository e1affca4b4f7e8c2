"""`motet serve`: the HTTP server, with its workers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from motet.server.cli import options

if TYPE_CHECKING:
    from motet.server.services import Services

PROGRESS = "… "
"""What a line about something that takes long begins with."""

BYTES = 1_000_000
"""From here on a total is a size."""

_EVERY_S = 1.0


def serve(
    *,
    host: Annotated[
        str, typer.Option(help="Address to listen on; beyond loopback MOTET_AUTH must be set.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes a free one and says which.")] = 2024,
    config: options.Config = None,
    workspace: options.Workspace = None,
    workers: Annotated[
        int, typer.Option(min=0, help="Runs worked at a time here; 0 leaves them to `motet worker`.")
    ] = 10,
    insecure: Annotated[bool, typer.Option(help="Listen beyond loopback without a key.")] = False,
) -> None:
    """Serve graphs to any Agent Server client."""
    from functools import partial

    from motet.server import isolated, process, serving, settings, zygote
    from motet.server.logs import configure

    configure()
    loaded = settings.load()
    process.run(
        serving.serve(
            loaded,
            host=host,
            port=port,
            workers=workers,
            insecure=insecure,
            config=config,
            workspace=workspace,
            opening=_say,
            progress=Progress(),
            zygote=zygote.start(partial(isolated.work, loaded, config, workspace)) if workers else None,
        )
    )


class Progress:
    """A line that a terminal can overwrite; into a log or a pipe, one at a thing's start and end, and each second."""

    def __init__(self) -> None:
        self._doing = ""
        self._said_at = 0.0

    def __call__(self, doing: str, done: int, total: int) -> None:
        import sys
        import time

        if not total:
            return
        share = f"{done / 1e6:.0f} of {total / 1e6:.0f} MB" if total >= BYTES else f"{done} of {total}"
        if sys.stdout.isatty():
            typer.echo(f"\r{PROGRESS}{doing}: {share}\x1b[K", nl=done >= total)
        elif doing != self._doing or done >= total or time.monotonic() - self._said_at >= _EVERY_S:
            self._doing, self._said_at = doing, time.monotonic()
            typer.echo(f"{PROGRESS}{doing}: {share}")


def _say(services: Services, url: str) -> None:
    for line in services.notices:
        typer.echo(line)
    typer.echo(f"Assistants: {', '.join(one.graph_id for one in services.graphs.assistants())}")
    typer.echo(f"Motet listens on {url}")
