"""What commands print to."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from typing import IO, TextIO

    from rich.console import Console

_ENDLESS = 10**9
"""Columns: no line is so long."""


def console() -> Console:
    """A terminal's width for a terminal; a pipe gets each line as long as its text, neither folded nor padded."""
    from rich.console import Console

    if sys.stdout.isatty():
        return Console(highlight=False)
    return Console(highlight=False, width=_ENDLESS, file=cast("IO[str]", _Unpadded(sys.stdout)))


def json_line(value: object) -> None:
    """One JSON value on a line of its own; dataclasses are objects."""
    import orjson
    import typer

    typer.echo(orjson.dumps(value, default=repr))


class _Unpadded:
    """A text file whose lines end with their last letter; tables fill theirs with blanks."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def write(self, text: str) -> int:
        """Write whole lines."""
        return self._out.write("\n".join(line.rstrip(" ") for line in text.split("\n")))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._out, name)
