# ruff: noqa: INP001 - a script, no package
"""What the server adds to a graph, in milliseconds, events a second and bytes.

`python -m benchmarks.server [--rounds 3] [--quick] [--long] [--json FILE]`

A real `motet serve` with its embedded Redis, on loopback, in processes of its own; the floor is the same graph in this
process, without a server, measured in turns with it. Numbers are medians over the rounds; a 99th percentile is of all
rounds together. The table names the Python: one that was built without optimisation is slower in all of it. `--quick`
measures a tenth, to see that all of it works; `--long` adds the growth over 10,000 runs. Exits 1 if a target is missed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import statistics
import sys
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks import server_measures as measure
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from tests.server.running import Running, serving

PROJECT = Path(__file__).parent / "server_project" / "langgraph.json"
console = Console(highlight=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One number with what it should be."""

    what: str
    value: float
    unit: str
    target: str
    met: bool
    beside: str = ""
    """What helps to read it: the floor, the spread."""


def p(values: Sequence[float], share: float) -> float:
    """The value below which that share of `values` lies."""
    return sorted(values)[min(int(len(values) * share), len(values) - 1)]


def most(what: str, value: float, unit: str, limit: float, beside: str = "") -> Figure:
    """A figure that should be at most `limit`."""
    return Figure(what=what, value=value, unit=unit, target=f"≤ {limit:g}", met=value <= limit, beside=beside)


def least(what: str, value: float, unit: str, limit: float, beside: str = "") -> Figure:
    """A figure that should be at least `limit`."""
    return Figure(what=what, value=value, unit=unit, target=f"≥ {limit:,.0f}", met=value >= limit, beside=beside)


class Rounds:
    """The measures of one server, taken in turns."""

    def __init__(self, server: Running, scale: float) -> None:
        self._url = server.url
        self._pid = server.process.pid
        self._scale = scale
        self.found: dict[str, list[list[float]]] = {}

    async def once(self, tick: Callable[[str], None]) -> None:
        """One round of all."""
        url, scale = self._url, self._scale
        times = round(300 * scale)
        await self._add("first", measure.first_event(url, times), tick)
        await self._add("first floor", measure.first_event_floor(times), tick)
        before = measure.cpu_s(self._pid)
        await self._add("stateless", measure.stateless(url, times), tick)
        self._keep("stateless cpu", [(measure.cpu_s(self._pid) - before) / times * 1000])
        await self._add("stateless floor", measure.stateless_floor(times), tick)
        taken, history = await measure.turns(url, max(round(52 * scale), 12))
        self._keep("turn 5", taken[3:7])
        self._keep("turn 50", taken[-4:])
        self._keep("history", history)
        tick("turns")
        floor = await measure.turns_floor(max(round(52 * scale), 12))
        self._keep("turn floor", floor[-4:])
        self._keep("at once", [await measure.at_once(url, clients=50, seconds=10 * scale)])
        tick("at once")
        each = round(1000 * scale)
        rate, _ = await measure.events(url, "ticks", "custom", streams=20, each=each)
        self._keep("events", [rate])
        rate, frames = await measure.events(url, "tokens", "messages-tuple", streams=8, each=each)
        self._keep("chunks", [rate])
        self._keep("frames", [frames / (8 * each)])
        tick("events")

        approved, sent_on = await measure.approvals(url, round(100 * scale))
        self._keep("approved", approved)
        self._keep("sent on", sent_on)
        tick("approvals")

    async def _add(self, name: str, measured: Awaitable[list[float]], tick: Callable[[str], None]) -> None:
        self._keep(name, await measured)
        tick(name)

    def _keep(self, name: str, values: Sequence[float]) -> None:
        self.found.setdefault(name, []).append(list(values))

    def median(self, name: str) -> float:
        """Of the rounds' medians."""
        return statistics.median(statistics.median(values) for values in self.found[name])

    def all(self, name: str) -> list[float]:
        """Every value."""
        return [value for values in self.found[name] for value in values]


def figures(rounds: Rounds) -> list[Figure]:
    """What the rounds say."""
    floor, floor_99 = rounds.median("first floor"), p(rounds.all("first floor"), 0.99)
    stateless, turn = (f"floor {rounds.median(f'{name} floor'):.1f} ms" for name in ("stateless", "turn"))
    first_99 = p(rounds.all("first"), 0.99) - floor_99
    return [
        most("first event over the floor, p50", rounds.median("first") - floor, "ms", 10, f"floor {floor:.1f} ms"),
        most("first event over the floor, p99", first_99, "ms", 30, f"floor {floor_99:.1f} ms"),
        most("stateless wait, p50", rounds.median("stateless"), "ms", 12, stateless),
        most("CPU of the server for it", rounds.median("stateless cpu"), "ms", 7),
        most("turn 5 of a thread, p50", rounds.median("turn 5"), "ms", 25, turn),
        most("turn 50 of a thread, p50", rounds.median("turn 50"), "ms", 25),
        most("history(10) of it, p50", rounds.median("history"), "ms", 15),
        least("runs a second, 50 clients", rounds.median("at once"), "/s", 120),
        least("custom events, 20 streams", rounds.median("events"), "/s", 5000),
        most(
            "approving, over a resume without it, p50", rounds.median("approved") - rounds.median("sent on"), "ms", 20,
            f"resume {rounds.median('sent on'):.1f} ms",
        ),
        least(
            "model chunks, 8 streams", rounds.median("chunks"), "/s", 2500,
            f"{rounds.median('frames'):.2f} frames a chunk",
        ),
    ]  # fmt: skip


async def measured(rounds: int, *, scale: float, long: bool) -> list[Figure]:
    """Everything."""
    with (
        tempfile.TemporaryDirectory(prefix="motet-benchmark-") as folder,
        Progress(console=console, transient=True) as bar,
    ):
        task = bar.add_task("", total=rounds * 8)

        def tick(what: str) -> None:
            bar.update(task, advance=1, description=what)

        where = ["--config", str(PROJECT)]
        async with serving(*where, data_dir=Path(folder) / "busy", fresh=True) as server:
            taken = Rounds(server, scale)
            for _ in range(rounds):
                await taken.once(tick)
            found = figures(taken)
            if long:
                grown = await measure.growth(
                    server.url, server.process.pid, runs=round(10_000 * scale), warm_up=round(1000 * scale)
                )
                found.append(most("growth a run", grown, "bytes", 1024))
        async with serving(*where, "--workers", "0", data_dir=Path(folder) / "idle", fresh=True) as server:
            streams = round(2000 * scale)
            weight, asked = await measure.idle(server.url, server.process.pid, streams=streams)
        found.append(most(f"one of {streams} idle streams", weight, "KB", 60))
        found.append(most("GET /ok meanwhile, p99", p(asked, 0.99), "ms", 100))
    return found


def show(console: Console, found: Sequence[Figure]) -> bool:
    """Print the figures; whether all targets are met."""
    title = f"Python {platform.python_version()} at {sys.base_prefix}, {os.cpu_count()} processors"
    table = Table("what", "measured", "target", "", "beside", title=title)
    for one in found:
        mark = "[green]met[/]" if one.met else "[red]missed[/]"
        table.add_row(one.what, f"{one.value:,.1f} {one.unit}", one.target, mark, one.beside)
    console.print(table)
    return all(one.met for one in found)


def main() -> None:
    """Read the arguments and measure; exits 1 if a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="measure a tenth")
    parser.add_argument("--long", action="store_true", help="measure the growth over 10,000 runs, too")
    parser.add_argument("--json", type=Path, help="write every number here")
    told = parser.parse_args()
    if told.rounds < 1:
        parser.error("--rounds must be at least 1")
    found = asyncio.run(measured(told.rounds, scale=0.1 if told.quick else 1.0, long=told.long))
    if told.json:
        told.json.write_text(json.dumps([asdict(one) for one in found]), encoding="utf-8")
    if not show(console, found):
        sys.exit(1)


if __name__ == "__main__":
    main()
