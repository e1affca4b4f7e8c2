"""What a person was asked and answered, in whichever of the common shapes a graph asks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from motet.observability.evaluation.example import Json
from motet.observability.evaluation.observed import ObservedQuestion
from motet.observability.trajectory.trajectory import Segment, Trajectory

_KINDS: Mapping[str, str] = {
    "approve": "approve",
    "edit": "edit",
    "reject": "reject",
    "respond": "respond",
    "accept": "approve",
    "ignore": "reject",
    "response": "respond",
}
"""What is decided, by LangChain's words and those of its older `HumanResponse`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedCall:
    """A call that a person was asked about, and what became of the question."""

    tool: str
    arguments: Json
    """As they were asked about."""
    decision: str = ""
    """approve, edit, reject, respond; empty where nobody decided."""
    edited: Json | None = None
    """What to call it with instead."""
    run: int = 0
    """The run that asked."""


def questions(trajectory: Trajectory, segments: Sequence[Segment]) -> list[ObservedQuestion]:
    """Each question once, in order, with the answer that a later run of the trajectory was given."""
    told: list[ObservedQuestion] = []
    for position, segment in enumerate(segments):
        if segment.interrupted is None:
            continue
        after = segments[position + 1] if position + 1 < len(segments) else None
        alone = len(segment.interrupted.questions) == 1
        for one in segment.interrupted.questions:
            answer, decision = _answer(trajectory, after, one.interrupt_id, alone=alone)
            told.append(
                ObservedQuestion(
                    interrupt_id=one.interrupt_id,
                    value=trajectory.plain(one.value),
                    answer=answer,
                    decision=decision,
                    run=position,
                )
            )
    return told


def asked_calls(question: ObservedQuestion) -> Sequence[AskedCall]:
    """The calls that a question is about, with what was decided of each; none for a question of another shape."""
    actions = list(_actions(question.value))
    given = _decisions(question.answer)
    kinds = question.decision.split(", ")
    told: list[AskedCall] = []
    for at, (tool, arguments) in enumerate(actions):
        one = given[at] if at < len(given) else {}
        said = kinds[at] if at < len(kinds) else kinds[-1]
        kind = _KINDS.get(str(one.get("type")), said)
        edited = _edited(one) if kind == "edit" else None
        told.append(AskedCall(tool=tool, arguments=arguments, decision=kind, edited=edited, run=question.run))
    return told


def _answer(trajectory: Trajectory, after: Segment | None, interrupt_id: str, *, alone: bool) -> tuple[Any, str]:
    """The answer in the run that came after, and the decision in it."""
    if after is None:
        return None, ""
    command: Any = None if after.started.command is None else trajectory.plain(after.started.command)
    resume: Any = cast("Mapping[str, Any]", command).get("resume") if isinstance(command, Mapping) else None
    recorded: Any = after.started.answers.get(interrupt_id)
    if isinstance(resume, Mapping) and interrupt_id in resume:
        answer = cast("Mapping[str, Any]", resume)[interrupt_id]
    else:
        answer = resume if alone else None
    said = ", ".join(kind for one in _decisions(answer) if (kind := _KINDS.get(str(one.get("type")))))
    if not said and isinstance(recorded, Mapping):
        kinds = str(cast("Mapping[str, Any]", recorded).get("kind", "")).split(", ")
        said = ", ".join(_KINDS[kind] for kind in kinds if kind in _KINDS)
    return answer, said


def _decisions(answer: Any) -> Sequence[Mapping[str, Any]]:
    given: Any
    match answer:
        case {"decisions": [*given]} | [*given]:
            return [cast("Mapping[str, Any]", one) if isinstance(one, Mapping) else {} for one in given]
        case {"type": str()}:
            return [cast("Mapping[str, Any]", answer)]
        case _:
            return []


def _actions(value: Any) -> Iterator[tuple[str, Json]]:
    several: Any
    match value:
        case {"action_requests": [*several]}:
            for one in several:
                yield from _action(one)
        case {"action_request": one}:
            yield from _action(one)
        case {"type": "tool_approval"}:
            yield from _action(value)
        case [*several]:
            for one in several:
                yield from _actions(one)
        case _:
            pass


def _action(one: Any) -> Iterator[tuple[str, Json]]:
    if isinstance(one, Mapping):
        told = cast("Mapping[str, Any]", one)
        yield str(told.get("name") or told.get("action")), told.get("args") or {}


def _edited(decision: Mapping[str, Any]) -> Json | None:
    for place in ("arguments", "edited_action", "args"):
        held: Any = decision.get(place)
        if isinstance(held, Mapping):
            return held if place == "arguments" else cast("Mapping[str, Any]", held).get("args", held)
    return None
