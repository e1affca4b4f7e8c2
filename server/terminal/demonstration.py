"""What `motet demo` asks, and how it checks the answers: its own queries, and words it knows to stand in a document."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isclose
from typing import Any

from motet.server.terminal.conversation import Json
from motet.tools.workspace import Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A question about the sample workspace, and what is known to answer it."""

    text: str
    reference: str = ""
    """A query that finds the answer in the data; empty if documents alone hold it."""
    words: str = ""
    """Words of the document's sentence that answers it; empty if the data alone does."""


QUESTIONS = (
    Question(
        text="How many airports are there in Alaska?",
        reference="SELECT count(*) FROM airports WHERE state = 'AK'",
    ),
    Question(
        text="Who gathered the data set about antibiotics?",
        words="Will Burtin",
    ),
    Question(
        text=(
            "What is the average horsepower of cars from Japan, and who originally published the data about cars? "
            "Save a report of this with citations."
        ),
        reference="SELECT avg(Horsepower) FROM cars WHERE Origin = 'Japan'",
        words="Donoho",
    ),
)
"""One for the data, one for the documents, one for both, whose report waits for an approval."""

MODEL_CALLS = 14
"""Most calls of the model that the whole demonstration may take."""


async def wrong(question: Question, findings: Sequence[Json], workspace: Workspace) -> str:
    """What is wrong about what was found for a question, as a sentence; empty if it is what is known."""
    problems: list[str] = []
    if question.reference:
        expected = (await workspace.query(question.reference)).rows
        found = [one.get("rows") or [] for one in findings if one.get("sql") and one.get("status") == "ok"]
        if not any(_same_rows(expected, rows) for rows in found):
            told = "; ".join(_told(rows) for rows in found) or "nothing"
            problems.append(f"the data says {_told(expected)}, the answer rests on {told}")
    if question.words:
        quotes = [str(quote.get("text")) for quote in quotes_of(findings)]
        if not any(question.words in quote for quote in quotes):
            problems.append(f"no quote holds “{question.words}”; there are {len(quotes)}")
    return "; ".join(problems)


def quotes_of(findings: Sequence[Json]) -> list[Json]:
    """Every quote that the findings' claims rest on."""
    return [quote for one in findings for claim in one.get("claims") or () for quote in claim.get("quotes") or ()]


def _same_rows(expected: Sequence[Sequence[Any]], found: Sequence[Sequence[Any]]) -> bool:
    return len(found) == len(expected) and all(
        all(any(_same(value, cell) for cell in row) for value in wanted)
        for wanted, row in zip(expected, found, strict=True)
    )


def _same(wanted: object, cell: object) -> bool:
    if isinstance(wanted, float) and isinstance(cell, int | float):
        return isclose(wanted, cell, rel_tol=1e-6)
    return wanted == cell


def _told(rows: Sequence[Sequence[Any]]) -> str:
    shown = "; ".join(", ".join(str(value) for value in row) for row in rows[:3])
    return f"{shown} … ({len(rows)} rows)" if len(rows) > len(rows[:3]) else shown or "no rows"
