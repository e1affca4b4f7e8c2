# ruff: noqa: INP001 - a script, no package
"""What the checkpoint benchmark shows: two tables, what was to be reached, and a picture."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.checkpoints_run import DURABILITIES, WINDOW, Durability, Result
from benchmarks.checkpoints_savers import MEMORY, OURS, PLAIN, POSTGRES, SQLITE
from rich.console import Console
from rich.table import Table

WEIGHED_AT = (20, 100, 400)
"""Turns whose bytes are in the table."""
LIMITS: Mapping[Durability, float] = {"sync": 2.0, "async": 1.6}
"""Times InMemorySaver's turn that ours may take."""
FEWER = 10
"""Times fewer bytes a turn than plainredis, at turn 100."""
GROWTH = 1.2
"""Times the bytes of turn 20 that turn 400 may cost."""
LABELLED = {OURS, PLAIN}
"""Lines of the picture that end in a number."""
COLOURS = {MEMORY: "#7f7f7f", OURS: "#d62728", SQLITE: "#2ca02c", POSTGRES: "#1f77b4", PLAIN: "#9467bd"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Something that was to be reached."""

    text: str
    found: str
    met: bool


def ms(result: Result, durability: Durability) -> float:
    """Milliseconds a turn: the median of the rounds' medians."""
    return statistics.median(result.medians(durability))


def ratio(result: Result, to: Result, durability: Durability) -> float:
    """How many times `to`'s turn a turn takes: the median of the rounds' ratios."""
    pairs = zip(result.medians(durability), to.medians(durability), strict=True)
    return statistics.median(one / other for one, other in pairs)


def targets(results: Sequence[Result]) -> list[Target]:
    """What was to be reached, as far as what it compares was measured."""
    by_name = {result.name: result for result in results}
    ours = by_name.get(OURS)
    if ours is None:
        return []
    found: list[Target] = []
    for durability in DURABILITIES:
        if MEMORY in by_name:
            times = ratio(ours, by_name[MEMORY], durability)
            limit = LIMITS[durability]
            found.append(
                Target(text=f"{durability}: at most {limit:g} x {MEMORY}", found=f"{times:.2f} x", met=times <= limit)
            )
        for name in (SQLITE, POSTGRES, PLAIN):
            if name in by_name:
                times = ratio(by_name[name], ours, durability)
                found.append(Target(text=f"{durability}: faster than {name}", found=f"{times:.1f} x", met=times > 1))
    return found + _byte_targets(ours, by_name.get(PLAIN))


def _byte_targets(ours: Result, plain: Result | None) -> list[Target]:
    found: list[Target] = []
    early, usual, late = WEIGHED_AT
    for what in ("kept", "written"):
        series: list[float] = getattr(ours, what)
        peer: list[float] = getattr(plain, what) if plain else []
        if len(series) >= usual <= len(peer):
            times = peer[usual - 1] / series[usual - 1]
            text = f"bytes {what} at turn {usual}: at least {FEWER} times fewer than {PLAIN}"
            found.append(Target(text=text, found=f"{times:.1f} x", met=times >= FEWER))
        if len(series) >= late:
            times = series[late - 1] / series[early - 1]
            text = f"bytes {what}: turn {late} at most {GROWTH:g} x turn {early}"
            found.append(Target(text=text, found=f"{times:.2f} x", met=times <= GROWTH))
    return found


def show(console: Console, results: Sequence[Result], missing: Mapping[str, str]) -> bool:
    """Print everything; whether all targets were met."""
    console.print(_times(results))
    console.print(_bytes(results))
    for name, reason in missing.items():
        console.print(f"left out: {name}: {reason}", style="yellow")
    aims = targets(results)
    for aim in aims:
        mark = "[green]met[/]" if aim.met else "[red]MISSED[/]"
        console.print(f"{mark:>6}  {aim.text}: {aim.found}")
    return all(aim.met for aim in aims)


def _times(results: Sequence[Result]) -> Table:
    table = _table("Milliseconds (x: times InMemorySaver's, in the same round)")
    for heading in ("sync", "x", "async", "x", "get", "list", "delete"):
        table.add_column(heading, justify="right", no_wrap=True)
    memory = next((result for result in results if result.name == MEMORY), None)
    for result in results:
        cells: list[str] = []
        for durability in DURABILITIES:
            cells += [f"{ms(result, durability):.1f}", f"{ratio(result, memory, durability):.2f}" if memory else ""]
        cells += [f"{statistics.median(times):.1f}" for times in (result.reading, result.listing, result.deleting)]
        table.add_row(result.name, *cells, style="bold" if result.name == OURS else "")
    return table


def _bytes(results: Sequence[Result]) -> Table:
    table = _table("Kilobytes that a turn keeps, and writes to the log, at turn")
    for what in ("keeps", "writes"):
        for turn in WEIGHED_AT:
            table.add_column(f"{what}\n{turn}", justify="right", no_wrap=True)
    for result in results:
        if result.kept:
            cells = [
                f"{series[turn - 1] / 1000:.1f}" if turn <= len(series) else ""
                for series in (result.kept, result.written)
                for turn in WEIGHED_AT
            ]
            table.add_row(result.name, *cells, style="bold" if result.name == OURS else "")
    return table


def _table(title: str) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column("saver", no_wrap=True)
    return table


def plot(results: Sequence[Result], file: Path) -> None:
    """Draw bytes and milliseconds against the turn's number."""
    import matplotlib as mpl  # noqa: PLC0415 - heavy, and a peer that may be missing

    mpl.use("Agg")
    import matplotlib.pyplot as plt  # noqa: PLC0415 - heavy, and a peer that may be missing
    from matplotlib.ticker import FuncFormatter  # noqa: PLC0415 - heavy, and a peer that may be missing

    figure, (left, right) = plt.subplots(1, 2, figsize=(12, 5), layout="constrained")
    for result in results:
        colour, width = COLOURS.get(result.name, "#000000"), 2.6 if result.name == OURS else 1.6
        if result.kept:
            kilobytes = [size / 1000 for size in result.kept]
            _line(left, kilobytes, colour, width, result.name)
            if result.name in LABELLED:
                end = (len(kilobytes), kilobytes[-1])
                left.annotate(f"{end[1]:.0f} KB", end, (0, 7), textcoords="offset points", color=colour, ha="right")
        times = [min(rounds) for rounds in zip(*result.turns["sync"], strict=True)]
        _line(right, [statistics.median(times[max(0, end - WINDOW) : end]) for end in range(1, len(times) + 1)],
              colour, width, result.name)  # fmt: skip
    left.set_title("What a turn adds: RAM (SQLite and PostgreSQL: files)", loc="left", fontweight="bold")
    left.set_ylabel("kilobytes a turn (log scale)")
    left.set_yscale("log")
    for axis_formatter in (left.yaxis.set_major_formatter, left.yaxis.set_minor_formatter):
        axis_formatter(FuncFormatter(_plain_number))
    right.set_title("How long a turn takes: sync, best of the rounds", loc="left", fontweight="bold")
    right.set_ylabel("milliseconds a turn")
    right.set_ylim(bottom=0)
    for axes in (left, right):
        axes.set_xlabel("turn: 4 messages of 350 letters, after 50 others")
        axes.set_xlim(left=0)
        axes.grid(visible=True, alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
    handles, labels = right.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), frameon=False)
    figure.savefig(file, dpi=140)
    plt.close(figure)


def _plain_number(value: float, _: object) -> str:
    """1, 2 and 5 times a power of ten, as people write them; the other marks stay without a number."""
    return f"{value:g}" if f"{value:e}"[0] in "125" else ""


def _line(axes: Any, series: Sequence[float], colour: str, width: float, name: str) -> None:
    axes.plot(range(1, len(series) + 1), series, color=colour, linewidth=width, label=name)
