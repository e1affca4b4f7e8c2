# ruff: noqa: INP001 - a script, no package
"""What a saved turn costs, in milliseconds and bytes, beside four other savers.

`python -m benchmarks.checkpoints [--turns 100] [--rounds 3] [--long] [--only NAME …] [--json FILE] [--plot FILE]`

The graph has three nodes in a row; each adds a message of 350 letters to a thread that begins with 50. Every saver
goes the same way in the same process, ten turns at a time, and each has a server or file of its own: Valkey for ours
and for langgraph-checkpoint-plainredis, both with `appendfsync everysec`; SQLite and PostgreSQL as they come. Bytes
are weighed in a run of their own, turn by turn, with `durability="sync"`: ours for 400 turns, the others for as many as
the rounds have (`--long`: all for 400). "Kept" is RAM (of SQLite and PostgreSQL: files), "written" is what the
append-only file or the write-ahead log grew by. Exits 1 if a target is missed.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict
from pathlib import Path

from benchmarks.checkpoints_report import WEIGHED_AT, plot, show
from benchmarks.checkpoints_run import BLOCK, DURABILITIES, Result, timed_rounds, weighed_turns
from benchmarks.checkpoints_savers import OURS, SAVERS, Opener, Subject
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from tests.engines import EngineMissing

console = Console(highlight=False)


async def opened(
    stack: AsyncExitStack, folder: Path, openers: Mapping[str, Opener]
) -> tuple[list[Subject], dict[str, str]]:
    """The savers that can be had here, and why the others can't."""
    subjects: list[Subject] = []
    missing: dict[str, str] = {}
    for name, opener in openers.items():
        home = folder / name
        home.mkdir()
        try:
            subjects.append(await stack.enter_async_context(opener(home)))
        except (ImportError, EngineMissing) as reason:
            missing[name] = str(reason)
    return subjects, missing


async def measured(
    names: Sequence[str], *, turns: int, rounds: int, long: bool = False
) -> tuple[list[Result], dict[str, str]]:
    """Measure the savers of these names; the results, and why some are left out."""
    most = max(WEIGHED_AT)
    with tempfile.TemporaryDirectory(prefix="motet-benchmark-") as private:
        folder = Path(private)
        folder.chmod(0o711)  # noqa: ASYNC240 - takes no time; PostgreSQL's user must be able to pass
        async with AsyncExitStack() as stack:
            subjects, missing = await opened(stack, folder, {name: SAVERS[name] for name in names})
            weighed = {
                subject.name: most if long or (subject.name == OURS and turns >= min(most, 100)) else turns
                for subject in subjects
                if subject.weigh
            }
            progress = Progress(
                TextColumn("{task.description:44}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
                console=console, transient=True, disable=not console.is_terminal,
            )  # fmt: skip
            blocks = rounds * len(DURABILITIES) * len(subjects) * -(-turns // BLOCK)
            with progress:
                task = progress.add_task("", total=blocks + sum(count // BLOCK for count in weighed.values()))

                def tick(what: str) -> None:
                    progress.update(task, advance=1, description=what)

                weights = {name: Result(name=name) for name in weighed}
                for subject in subjects:
                    if subject.name in weighed:
                        await weighed_turns(subject, weights[subject.name], turns=weighed[subject.name], tick=tick)
                gc.collect()
                results = await timed_rounds(subjects, turns=turns, rounds=rounds, tick=tick)
    for result in results:
        if result.name in weights:
            result.kept[:] = weights[result.name].kept
            result.written[:] = weights[result.name].written
    return results, missing


def main() -> None:
    """Read the arguments and measure; exits 1 if a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--long", action="store_true", help="weigh the other savers for 400 turns, too")
    parser.add_argument("--only", nargs="+", choices=list(SAVERS), default=list(SAVERS), metavar="NAME")
    parser.add_argument("--json", type=Path, help="write every number here")
    parser.add_argument("--plot", type=Path, help="write a picture here")
    told = parser.parse_args()
    if told.turns < 1 or told.rounds < 1:
        parser.error("--turns and --rounds must be at least 1")
    results, missing = asyncio.run(measured(told.only, turns=told.turns, rounds=told.rounds, long=told.long))
    met = show(console, results, missing)
    if told.json:
        told.json.write_text(json.dumps([asdict(result) for result in results]), encoding="utf-8")
    if told.plot:
        plot(results, told.plot)
    if not met:
        sys.exit(1)


if __name__ == "__main__":
    main()
