"""What a specialist is sent: a part of the turn, and nothing of the conversation but what that part needs."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TypedDict

from motet.agents.handoff import Handoff
from motet.graphs.crew.parts import leans
from motet.graphs.crew.routing import Decision
from motet.graphs.crew.turn import Answered, Part, Turn
from motet.graphs.state import Brief
from motet.tools.untrusted import as_data

MOST_HANDOFFS = 6
"""Parts of one turn that specialists may add by handing over; two that hand to each other end there."""


class Assignment(TypedDict):
    """One specialist's work."""

    part: int
    attempt: int
    question: str
    brief: Brief
    alone: bool
    """Whether the turn has nothing else to say: then a model that fails ends the run instead of leaving a gap."""


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
    if remembered := state.get("remembered"):
        brief["remembered"] = remembered
    return Assignment(part=number, attempt=attempt, question=part["question"], brief=brief, alone=alone)


def remembered_for(brief: Brief | None) -> str:
    """What the person had remembered, as a line of a prompt that marks it as data; empty if nothing bears on it."""
    texts = "\n".join(brief.get("remembered", [])) if brief else ""
    return f"Remembered of the person:\n{as_data(texts, source='memory')}\n" if texts else ""


def may_be_repeated(state: Turn, number: int) -> str:
    """What a claim about a part may say without evidence: a person's words and what held before.

    The goal and the facts of a handoff are a model's words, so they aren't among that.
    """
    if part_of(number, state)["decision"]["by"] == "handoff":
        return f"{state.get('context', '')} {state.get('question', '')}"
    asked = assignment(state, number)
    return f"{asked['brief']['context']} {asked['question']}"


def handed_over(state: Turn, names: Collection[str]) -> tuple[list[Part], list[Answered]]:
    """The parts that unchecked answers ask others to go on with, and all answers.

    Each handoff is a part, so that none is lost; an answer with one that nobody can take is a failed one.
    """
    parts, answers = state.get("parts", []), list[Answered]()
    room = MOST_HANDOFFS - sum(part["decision"]["by"] == "handoff" for part in parts)
    first = max((part["number"] for part in parts), default=-1) + 1
    added: list[Part] = []
    for one in state.get("answers", []):
        handoffs = [] if one["checked"] else one["finding"].get("handoffs", [])
        taken = [handoff for handoff in handoffs if handoff["agent"] in names][: max(0, room - len(added))]
        added += [_part(first + len(added) + place, one["agent"], handoff) for place, handoff in enumerate(taken)]
        answers.append(one if len(taken) == len(handoffs) else _stranded(one, handoffs))
    return added, answers


def _part(number: int, giver: str, handoff: Handoff) -> Part:
    """The part that a handoff is. Its context is never empty: what is marked as data makes effects ask."""
    reason = f"{giver} handed it over"
    known = [f"{reason}.", *handoff["facts"], *(f"Open: {question}" for question in handoff["open_questions"])]
    return Part(
        number=number,
        question=handoff["goal"],
        decision=Decision(agents=[handoff["agent"]], confidence=1.0, reason=reason, by="handoff", second=""),
        context=" ".join(known),
    )


def _stranded(one: Answered, handoffs: Sequence[Handoff]) -> Answered:
    to = ", ".join(dict.fromkeys(handoff["agent"] for handoff in handoffs))
    finding = one["finding"].copy()
    finding.pop("handoffs", None)
    finding.update(
        status="failed",
        composed="nothing",
        answer=f"I can't answer this: {one['agent']} handed it over to {to}, and nobody could take it.",
    )
    return {**one, "finding": finding}


def part_of(number: int, state: Turn) -> Part:
    """The part with that number."""
    return next(part for part in state.get("parts", []) if part["number"] == number)
