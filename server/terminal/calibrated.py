"""How far a judge agrees with people, for a person."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.table import Table
from rich.text import Text

from motet.observability.evaluation.calibration import Calibration
from motet.server.terminal.plain import line

_WHY = 160


def table(found: Sequence[Calibration]) -> Table:
    """A line for each metric: the agreement, what chance alone would give, and whether it is more."""
    told = Table(box=box.SIMPLE)
    for column in ("Metric", "Examples", "Agree", "By chance", "Kappa", "95 %", "p", "Better than chance"):
        told.add_column(column, overflow="fold")
    for one in found:
        agreement = one.agreement
        style = "green" if agreement.better_than_chance else "red"
        told.add_row(
            Text(line(one.metric)),
            f"{agreement.n}" + (f" (+{len(one.failed)} not judged)" if one.failed else ""),
            _share(agreement.observed),
            _share(agreement.expected),
            "-" if agreement.kappa is None else f"{agreement.kappa:.2f}",
            f"{agreement.interval.low:.2f} to {agreement.interval.high:.2f}",
            f"{agreement.p_value:.3g}",
            Text("yes" if agreement.better_than_chance else "no", style=style),
        )
    return told


def disagreements(found: Sequence[Calibration]) -> Table:
    """A line for each example on which a judge says otherwise than people."""
    told = Table(box=box.SIMPLE)
    for column in ("Example", "Metric", "A person", "The judge", "Because"):
        told.add_column(column, overflow="fold")
    for one in found:
        for other in one.disagreements:
            told.add_row(
                Text(line(other.example_id)),
                Text(line(one.metric)),
                Text(line(f"{other.person}")),
                Text(line(f"{other.judge}")),
                Text(line(other.why, _WHY)),
            )
    return told


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.0%}"
