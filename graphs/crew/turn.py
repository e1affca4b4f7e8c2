"""What the assistant knows while it works on one turn, and what it keeps for the next ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, NotRequired, TypedDict

from motet.graphs.correction import Attempt
from motet.graphs.crew.routing import Decision
from motet.graphs.state import Claim, Finding, State

MOST_NOTES = 20
"""Turns that are remembered; a line is kept of older ones, and all of them stay in the thread's history."""

MOST_EARLIER = 200
"""Such lines; even older turns stay in the thread's history only."""

REPEATS = 2
"""How often one answer goes back to its specialist."""


class Note(TypedDict):
    """What is remembered of a turn."""

    question: str
    answer: str
    """Without queries and rows."""
    agents: list[str]


class Part(TypedDict):
    """One question of the turn, and who takes it."""

    number: int
    """Its place in the turn, from 0."""
    question: str
    decision: Decision
    context: NotRequired[str]
    """What whoever handed it over knows already."""


class Unsupported(TypedDict):
    """What a check found wrong with one claim of an answer."""

    claim: int
    """Its place among the finding's claims."""
    text: str


class Answered(TypedDict):
    """What a specialist found for a part, and whether it was checked."""

    part: int
    agent: str
    attempt: int
    """0 for the first answer; one more each time it went back."""
    finding: Finding
    checked: bool
    problems: list[Unsupported]
    """Empty if all of it holds, or nothing was checked yet."""


class Summary(TypedDict):
    """A sentence that joins what several specialists found for one part."""

    part: int
    claim: Claim
    attempts: list[Attempt]
    held: bool


def newest(known: Sequence[Answered], added: Sequence[Answered]) -> list[Answered]:
    """Reducer: one answer a part and specialist, the latest; a check replaces the answer it checked."""
    merged = {(one["part"], one["agent"]): one for one in known}
    for one in added:
        before = merged.get((one["part"], one["agent"]))
        if before is None or (one["attempt"], one["checked"]) >= (before["attempt"], before["checked"]):
            merged[one["part"], one["agent"]] = one
    return [merged[key] for key in sorted(merged)]


class Turn(State):
    """The assistant's own state. What begins with a turn is reset by guard_in."""

    question: NotRequired[str]
    """The person's words as specialists may see them: without secrets and, by setting, without personal data."""
    refused: NotRequired[str]
    """Why the turn isn't worked on; empty if it is."""
    context: NotRequired[str]
    """What was said before that the question leans on; empty if it stands alone."""
    remembered: NotRequired[list[str]]
    """What the person had remembered in other conversations that bears on the question, best first."""
    told: NotRequired[list[str]]
    """What was done on the person's wish to remember, forget or recall; said before any answer."""
    undoable: NotRequired[str]
    """The id of the memory that “forget that” means; empty if there is none."""
    report: NotRequired[bool]
    """Whether what is found shall be saved."""
    parts: NotRequired[list[Part]]
    answers: NotRequired[Annotated[list[Answered], newest]]
    summaries: NotRequired[list[Summary]]
    notes: NotRequired[list[Note]]
    """Earlier turns, oldest first; at most MOST_NOTES."""
    earlier: NotRequired[list[str]]
    """A line of each turn before those, oldest first; at most MOST_EARLIER."""
