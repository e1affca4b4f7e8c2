"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Config = Annotated[Path | None, typer.Option(help="A project's langgraph.json; its graphs are served.")]
Workspace = Annotated[
    Path | None,
    typer.Option(help="A folder to ask about: data and documents."),
]
Json = Annotated[bool, typer.Option("--json", help="One JSON object a line, for machines.")]
