"""`python -m tests.chaos`: the long run from the command line, and its table."""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import json
import secrets
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table
from tests.chaos.endurance import Report, endure


def main(arguments: Sequence[str] | None = None) -> int:
    """Break things for as long as asked, and tell; 1 when anything that must hold didn't."""
    parser = argparse.ArgumentParser(prog="make chaos", description="Breaks a fleet at random and checks what is left.")
    parser.add_argument("--minutes", type=float, default=20.0, help="how long faults happen (20)")
    parser.add_argument("--seed", type=int, default=None, help="repeats the choices of a run that printed it")
    parser.add_argument("--visitors", type=int, default=5, help="clients of each of the two tenants (5)")
    parser.add_argument("--folder", type=Path, default=None, help="for logs and histories; kept (a new one in /tmp)")
    parser.add_argument("--json", action="store_true", help="the report as one JSON object, progress on standard error")
    asked = parser.parse_args(arguments)
    seed = secrets.randbelow(1_000_000) if asked.seed is None else asked.seed
    folder = Path(asked.folder or tempfile.mkdtemp(prefix="motet-chaos-"))
    folder.mkdir(parents=True, exist_ok=True)
    console = Console(stderr=asked.json)
    console.print(f"seed {seed}, logs in {folder}", highlight=False)
    report = asyncio.run(
        endure(
            folder, seconds=asked.minutes * 60, seed=seed, visitors=asked.visitors,
            tell=lambda line: console.print(f"  {line}", highlight=False),
        )
    )  # fmt: skip
    if asked.json:
        sys.stdout.write(json.dumps(dataclasses.asdict(report)) + "\n")
    else:
        show(report, console)
    return 1 if report.violations else 0


def show(report: Report, console: Console) -> None:
    """The report as tables."""
    table = Table("Fault", "Times", "Recovered p50", "max", title="Faults, and how long until a new run succeeded")
    for fault in sorted(report.recoveries):
        middle, longest = report.recovered(fault)
        times = str(len(report.recoveries[fault]))
        table.add_row(fault.replace("_", " "), times, f"{middle:.1f} s", f"{longest:.1f} s")
    console.print(table)
    ended = ", ".join(f"{count} {status}" for status, count in sorted(report.outcomes.items()))
    console.print(f"{report.runs} runs accepted in {report.seconds:.0f} s: {ended}")
    console.print(f"{report.kills} SIGKILLs, {report.deaths} processes started again")
    if report.handovers:
        middle, longest = median(report.handovers), max(report.handovers)
        console.print(f"{len(report.handovers)} handovers of a run, after p50 {middle:.1f} s, max {longest:.1f} s")
    for line in (*report.notes, *report.violations[:50]):
        console.print(line, style="red" if line in report.violations else "", markup=False)
    console.print(f"violations: {len(report.violations)} (seed {report.seed})", style="bold")


if __name__ == "__main__":
    sys.exit(main())
