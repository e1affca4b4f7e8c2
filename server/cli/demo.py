"""`motet demo`: the first minute."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from motet.server.cli import options


def demo(
    *,
    workspace: Annotated[
        Path | None, typer.Option(help="Where the sample data goes; by default the data folder.")
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Ask three questions over sample data and documents and have a report saved, with real parts; check the answers.

    Exit codes: 0 all right, 1 an answer was wrong or a part failed, 2 set-up, 4 no server.
    """
    from motet.server import settings
    from motet.server.terminal import demo as demonstration

    loaded = settings.load()
    data_dir = loaded.data_dir if "data_dir" in loaded.model_fields_set else None
    raise typer.Exit(demonstration.demo(loaded, workspace=workspace, data_dir=data_dir, as_json=as_json))
