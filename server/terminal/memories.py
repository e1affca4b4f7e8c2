"""Draws what is remembered of a user as a table."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from motet.memory.recall import Memory, Provenance


def drawn(memories: Sequence[Memory], user: str) -> RenderableType:
    """A row for each memory, with its latest source; a sentence if there are none."""
    if not memories:
        return Text(f"Nothing is remembered of {user}.")
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("id", "remembered", "when", "thread", "by"):
        table.add_column(title, no_wrap=title in {"id", "when"}, overflow="fold")
    for one in memories:
        latest = max(one.sources, key=lambda source: source.at, default=None)
        more = f" (said {len(one.sources)} times)" if len(one.sources) > 1 else ""
        # As Text, so that no word of a memory is taken for markup.
        table.add_row(*map(Text, (one.memory_id, f"{one.text}{more}", *_place(latest))))
    return table


def _place(source: Provenance | None) -> tuple[str, str, str]:
    if source is None:
        return "", "", "the API"
    return source.at[:16].replace("T", " "), source.thread_id or "none", source.by
