"""Draws runs: a table of them, and all about one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from motet.server.durations import spelled
from motet.server.terminal.plain import line

STYLES = {
    "pending": "cyan",
    "running": "blue",
    "success": "green",
    "error": "red",
    "timeout": "red",
    "interrupted": "yellow",
}
_SHORTEST = 8
_ERROR, _INPUT = 60, 600

Row = Mapping[str, Any]


def drawn(rows: Sequence[Row], known: Iterable[str], *, whole: bool) -> RenderableType:
    """A row for each run; a sentence if there are none.

    Args:
        rows: as `run_report.row` gives them.
        known: ids of runs and threads from which a beginning that is shown must tell them apart.
        whole: ids are shown whole.
    """
    if not rows:
        return Text("No runs.")
    known = list(known)
    runs, threads = ([str(one[name]) for one in rows] for name in ("run_id", "thread_id"))
    length = {name: None if whole else distinct(ids, known) for name, ids in (("run", runs), ("thread", threads))}
    cells = [
        (
            Text(one["run_id"][: length["run"]], "bold"),
            Text(one["thread_id"][: length["thread"]]),
            Text(line(one["graph_id"], 24)),
            Text(one["status"], STYLES.get(one["status"], "")),
            Text(str(one["attempt"] or "")),
            Text(spelled(one["age_s"])),
            Text("" if one["took_s"] is None else spelled(one["took_s"])),
            Text(_error(one["error"], _ERROR), "red"),
        )
        for one in rows
    ]
    return table(("run", "thread", "graph", "status", "attempt", "age", "took", "error"), cells)


def table(titles: Sequence[str], rows: Sequence[Sequence[Text]]) -> Table:
    """Of one line a row: only the last column gives way where the terminal is too narrow."""
    made = Table(box=None, pad_edge=False, header_style="bold")
    *firm, last = titles
    for at, title in enumerate(firm):
        width = max(len(title), *(row[at].cell_len for row in rows))
        made.add_column(title, no_wrap=True, min_width=width, justify="right" if title == "attempt" else "left")
    made.add_column(last, no_wrap=True, overflow="ellipsis")
    for row in rows:
        made.add_row(*row)
    return made


def distinct(ids: Sequence[str], known: Iterable[str]) -> int:
    """How many characters tell each of `ids` from all that are `known`; eight at least."""
    everything = sorted({*ids, *known})
    place = {one: at for at, one in enumerate(everything)}
    needed = _SHORTEST
    for one in set(ids):
        for neighbour in everything[max(place[one] - 1, 0) : place[one] + 2]:
            if neighbour != one:
                needed = max(needed, _alike(one, neighbour) + 1)
    return needed


def _alike(one: str, other: str) -> int:
    """With how many characters both begin."""
    return next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def about(run: Row) -> RenderableType:
    """All about one run, as `run_report.report` tells it."""
    facts = Table.grid(padding=(0, 2))
    facts.add_column(style="bright_black", no_wrap=True)
    facts.add_column(overflow="fold")
    request: Mapping[str, Any] = run["request"]
    status = Text(run["status"], STYLES.get(run["status"], ""))
    status.append(f" for {spelled(run['since_s'])}" if run["took_s"] is None else f" {spelled(run['since_s'])} ago")
    for name, value in (
        ("run", Text(run["run_id"], "bold")),
        ("thread", run["thread_id"]),
        ("status", status),
        ("why", Text(run["why"], "yellow" if run["took_s"] is None or run["status"] == "interrupted" else "")),
        ("error", Text(_error(run["error"], _INPUT), "red")),
        ("accepted", f"{run['created_at'][:19].replace('T', ' ')} UTC, {spelled(run['age_s'])} ago"),
        ("took", "" if run["took_s"] is None else f"{spelled(run['took_s'])}, waiting included"),
        ("attempts", _attempts(run)),
        ("worker", run["worker"] or ""),
        ("events", str(run["events"])),
        ("spent", ", ".join(f"{value:g} {name.replace('_', ' ')}" for name, value in run["spent"].items())),
        *_asked(run["graph_id"], request),
    ):
        if value:
            facts.add_row(name, value if isinstance(value, Text) else Text(value))
    return Group(facts)


def _attempts(run: Row) -> str:
    lost = f", {run['lost']} of them lost their worker" if run["lost"] else ""
    return f"{run['attempt']}{lost}" if run["attempt"] else ""


def _asked(graph_id: str, request: Mapping[str, Any]) -> Sequence[tuple[str, str]]:
    """What was asked for, in rows."""
    temporary = ", on a thread of its own" if request["temporary"] else ""
    shown = [
        ("graph", f"{line(graph_id)} (assistant {line(request['assistant_id'])}{temporary})"),
        ("multitask", request["multitask"]),
        ("retry of", request["retry_of"] or ""),
    ]
    told = {name: request.get(name) for name in ("input", "command", "context", "metadata")}
    told["config"] = {name: value for name, value in (request.get("config") or {}).items() if value}
    return [*shown, *((name, line(value, _INPUT)) for name, value in told.items() if value)]


def _error(error: Mapping[str, Any] | None, limit: int) -> str:
    return line(f"{error.get('error', 'Error')}: {error.get('message', '')}", limit) if error else ""
