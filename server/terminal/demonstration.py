"""What `motet demo` asks, and how it checks the answers: its own queries over the same data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isclose
from typing import Any

from motet.server.terminal.conversation import Json
from motet.tools.workspace import Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A question about the sample data and a query that is known to answer it."""

    text: str
    reference: str


QUESTIONS = (
    Question(
        text="How many airports are there in Alaska?",
        reference="SELECT count(*) FROM airports WHERE state = 'AK'",
    ),
    Question(
        text="What is the average horsepower of cars from Japan?",
        reference="SELECT avg(Horsepower) FROM cars WHERE Origin = 'Japan'",
    ),
)

REPORT = "Save a report of this."

MODEL_CALLS = 8
"""Most calls of the model that the whole demonstration may take."""


async def wrong(question: Question, finding: Json | None, workspace: Workspace) -> str:
    """What is wrong about an answer, as a sentence; empty if its rows hold what the reference query finds."""
    expected = (await workspace.query(question.reference)).rows
    if finding is None:
        return "there is no answer"
    if finding.get("status") != "ok":
        return f"the analyst itself says {finding.get('status')}"
    found: Sequence[Sequence[Any]] = finding.get("rows") or []
    if len(found) == len(expected) and all(
        all(any(_same(value, cell) for cell in row) for value in wanted)
        for wanted, row in zip(expected, found, strict=True)
    ):
        return ""
    return f"the data says {_told(expected)}, the answer rests on {_told(found)}"


def _same(wanted: object, cell: object) -> bool:
    if isinstance(wanted, float) and isinstance(cell, int | float):
        return isclose(wanted, cell, rel_tol=1e-6)
    return wanted == cell


def _told(rows: Sequence[Sequence[Any]]) -> str:
    shown = "; ".join(", ".join(str(value) for value in row) for row in rows[:3])
    return f"{shown} … ({len(rows)} rows)" if len(rows) > len(rows[:3]) else shown or "no rows"
