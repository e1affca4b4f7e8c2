"""`motet graph`: what a graph looks like."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from motet.server.cli import options

if TYPE_CHECKING:
    from motet.graphs.registry import Assistant

app = typer.Typer(help="What a graph looks like.", no_args_is_help=True)


class Format(StrEnum):
    """How a graph is drawn."""

    MERMAID = "mermaid"
    SVG = "svg"


@app.callback()
def graph() -> None:
    """What a graph looks like."""


@app.command()
def show(
    graph_id: Annotated[str, typer.Argument(metavar="GRAPH", help="Its name, as `motet graph list` says it.")],
    *,
    config: options.Config = None,
    workspace: options.Workspace = None,
    depth: Annotated[int, typer.Option(min=0, help="Levels of sub-graphs that are opened.")] = 1,
    drawn_as: Annotated[Format | None, typer.Option("--format", help="Mermaid unless --out says .svg.")] = None,
    out: Annotated[Path | None, typer.Option(help="The file it goes to; by default it is printed.")] = None,
    as_json: options.Json = False,
) -> None:
    """Draw a graph, as Mermaid text or as an SVG. Needs no model, no Redis and no network.

    Without --config and --workspace, Motet's own graphs can be drawn: assistant and its specialists.
    """
    import asyncio

    import orjson

    from motet.errors import InvalidConfig
    from motet.graphs.drawing import mermaid, svg
    from motet.server import settings
    from motet.server.shapes import shape, shapes

    form = drawn_as or (Format.SVG if out and out.suffix.lower() == ".svg" else Format.MERMAID)

    async def draw() -> str:
        async with shapes(settings.load(), config=config, workspace=workspace) as graphs, shape(graphs, graph_id) as it:
            return svg(it, title=graph_id, depth=depth) if form is Format.SVG else mermaid(it, depth=depth)

    drawing = asyncio.run(draw())
    if out is not None:
        try:
            out.write_text(drawing, encoding="utf-8")
        except OSError as error:
            raise InvalidConfig(f"--out {out}", f"can't be written: {error.strerror}") from None
    if as_json:
        file = str(out) if out else None
        typer.echo(orjson.dumps({"graph": graph_id, "format": form, "file": file, "drawing": drawing}))
    elif out is not None:
        typer.echo(f"Drawn: {out}")
    else:
        typer.echo(drawing, nl=not drawing.endswith("\n"))


@app.command("list")
def list_(*, config: options.Config = None, workspace: options.Workspace = None, as_json: options.Json = False) -> None:
    """Name the graphs there are, the default first."""
    import asyncio

    import orjson

    from motet.server import settings
    from motet.server.shapes import shapes

    async def read() -> list[Assistant]:
        async with shapes(settings.load(), config=config, workspace=workspace) as graphs:
            return graphs.assistants()

    for one in asyncio.run(read()):
        if as_json:
            typer.echo(orjson.dumps({"graph": one.graph_id, "description": one.description or None}))
        else:
            typer.echo(f"{one.graph_id}  {one.description}" if one.description else one.graph_id)
