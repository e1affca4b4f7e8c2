"""What a specialist is sent: a part of the turn, and nothing of the conversation but what that part needs."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TypedDict

from motet.graphs.crew.parts import leans
from motet.graphs.crew.routing import Decision
from motet.graphs.crew.turn import Part, Turn
from motet.graphs.state import Brief

MOST_HANDOFFS = 6
"""Parts of one turn that specialists may add by handing over; two that hand to each other end there."""


class Assignment(TypedDict):
    """One specialist's work."""

    part: int
    attempt: int
    question: str
    brief: Brief
    alone: bool
    """Whether nobody else works on the turn: then a model that fails ends the run instead of leaving a gap."""


def assignment(
    state: Turn, number: int, *, attempt: int = 0, problems: Sequence[str] = (), alone: bool = False
) -> Assignment:
    """What the specialist for a part is told: its question, what that leans on, and what was wrong before."""
    part = part_of(number, state)
    before = [one["question"] for one in state.get("parts", []) if one["number"] < number]
    context = part.get("context", "") or (
        state.get("context", "") if not before else before[-1] if leans(part["question"]) else ""
    )
    brief = Brief(context=context, problems=list(problems))
    return Assignment(part=number, attempt=attempt, question=part["question"], brief=brief, alone=alone)


def handed_over(state: Turn, names: Collection[str]) -> list[Part]:
    """The parts that unchecked answers ask others to go on with: each handoff one, so that none is lost."""
    parts = state.get("parts", [])
    handoffs = [
        (one["agent"], handoff)
        for one in state.get("answers", [])
        if not one["checked"]
        for handoff in one["finding"].get("handoffs", [])
        if handoff["agent"] in names
    ]
    room = MOST_HANDOFFS - sum(part["decision"]["by"] == "handoff" for part in parts)
    first = max((part["number"] for part in parts), default=-1) + 1
    return [
        Part(
            number=number,
            question=handoff["goal"],
            decision=Decision(
                agents=[handoff["agent"]], confidence=1.0, reason=f"{agent} handed it over", by="handoff", second=""
            ),
            context=" ".join([*handoff["facts"], *(f"Open: {question}" for question in handoff["open_questions"])]),
        )
        for number, (agent, handoff) in enumerate(handoffs[: max(0, room)], start=first)
    ]


def part_of(number: int, state: Turn) -> Part:
    """The part with that number."""
    return next(part for part in state.get("parts", []) if part["number"] == number)
