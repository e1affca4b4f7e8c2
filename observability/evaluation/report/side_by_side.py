"""Two trajectories laid side by side, shortened to what a reader of a report looks at."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, cast

from motet.observability.evaluation.report.report import Parted
from motet.observability.evaluation.report.report import Step as Line
from motet.observability.trajectory.diff.comparable import MISSING, Difference
from motet.observability.trajectory.diff.compare import Diff, Row, compare
from motet.observability.trajectory.diff.parting import Parting, first_parting
from motet.observability.trajectory.diff.steps import Step
from motet.observability.trajectory.trajectory import Trajectory

LINES = 60
"""Steps shown of one comparison."""
_NOTES = 4
"""Differences shown of one step."""
_NOTE, _VALUE = 160, 600
"""Characters of each, and of the first divergence."""


def parted(a: Trajectory, b: Trajectory) -> Parted:
    """What B does otherwise than A, and where first.

    Raises TrajectoryUnreadable.
    """
    diff = compare(a, b)
    first = first_parting(diff.a.steps, diff.b.steps, diff.state)
    lines = [_line(diff, row) for row in diff.rows]
    return Parted(
        same=diff.same,
        similarity=round(diff.similarity, 4),
        where="" if first is None else _where(first),
        expected="" if first is None else shortened(first.expected, _VALUE),
        actual="" if first is None else shortened(first.actual, _VALUE),
        steps=lines[:LINES],
        unshown=max(len(lines) - LINES, 0),
    )


def steps_alone(trajectory: Trajectory) -> Parted:
    """One trajectory, with nothing beside it. Raises TrajectoryUnreadable."""
    steps = compare(trajectory, trajectory).a.steps
    lines = [Line(change="same", depth=one.depth, a=_name(one), b="") for one in steps]
    return Parted(
        same=True,
        similarity=1.0,
        where="",
        expected="",
        actual="",
        steps=lines[:LINES],
        unshown=max(len(lines) - LINES, 0),
    )


def asked(trajectory: Trajectory) -> Any:
    """What the run was given, JSON; None where that isn't recorded. Raises TrajectoryUnreadable."""
    given = trajectory.started.input
    return None if given is None else trajectory.plain(given)


def question(given: Any) -> str:
    """An input as a person reads it: the messages alone where there is nothing else."""
    messages = cast("Any", given).get("messages") if isinstance(given, Mapping) and len(given) == 1 else None
    if not isinstance(messages, list) or not all(isinstance(one, Mapping) for one in cast("list[Any]", messages)):
        return given if isinstance(given, str) else json.dumps(given, ensure_ascii=False, default=repr)
    told = [cast("Mapping[str, Any]", one) for one in cast("list[Any]", messages)]
    texts = [one.get("content") for one in told]
    if len(told) == 1 and isinstance(texts[0], str):
        return texts[0]
    return "\n".join(f"{one.get('role') or one.get('type')}: {shortened(one.get('content'), 2000)}" for one in told)


def shortened(value: Any, limit: int) -> str:
    """`value` as text or JSON, of `limit` characters at most; a message by what it says."""
    if value is MISSING:
        return "nothing"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=repr)
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def _where(first: Parting) -> str:
    step = first.step
    place = f"{step.kind} {step.name}" + (f" at {step.path}" if step.path else "")
    return place + (f", {first.field}" if first.field else ", another step")


def _line(diff: Diff, row: Row) -> Line:
    a, b = diff.steps(row)
    either = b or a
    return Line(
        change=row.change,
        depth=0 if either is None else either.depth,
        a=_name(a),
        b=_name(b),
        notes=_notes(row.differences),
    )


def _name(step: Step | None) -> str:
    if step is None:
        return ""
    outcome = step.answer.get("outcome", "ok")
    ended = "" if outcome == "ok" or step.kind == "end" else f" ({outcome})"
    return f"{step.kind} {step.name}{ended}"


def _notes(differences: Sequence[Difference]) -> Sequence[str]:
    told = [f"{one.field}: {shortened(one.a, _NOTE)} → {shortened(one.b, _NOTE)}" for one in differences[:_NOTES]]
    more = len(differences) - _NOTES
    return [*told, *([f"{more} more differ"] if more > 0 else [])]
