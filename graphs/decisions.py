"""Reading the decisions in an answer, in whatever shape the client gave them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import orjson

from motet.errors import InvalidInput
from motet.graphs.questions import HASH
from motet.memory.asking import Action, Decision, DecisionType

_KINDS: Mapping[str, DecisionType] = {
    "approve": "approve",
    "edit": "edit",
    "reject": "reject",
    "respond": "respond",
    "accept": "approve",
    "ignore": "reject",
    "response": "respond",
}
"""LangChain's names of decisions, and those of the legacy `HumanResponse`."""

_EDITS = (("arguments", None), ("edited_action", "name"), ("args", "action"))
"""Where an edit has its arguments, and what the tool's name is called beside them: ours, LangChain's, the legacy's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """One decision as a client said it."""

    decision: Decision
    sha256: str = ""
    """The hash of what the person saw, if it came along."""
    field: str
    """Where it stands in what the client sent."""


def understood(actions: Sequence[Action], answer: Any, *, field: str = "command.resume") -> Sequence[Said]:
    """The decisions in an answer, one for each action, in their order.

    An answer is LangChain's `HITLResponse`, one decision alone, a legacy `HumanResponse`, or a list of these. Agent
    Inbox mixes them: to a `HITLRequest` it sends `decisions` with the legacy's `args`. A legacy `response` rejects with
    its text as the reason where the action can't be answered for, as there it is feedback, and `ignore` rejects.

    Raises:
        InvalidInput: it is none of these, or one for another number of actions.
    """
    given: Sequence[Any]
    whole, place = None, field
    match answer:
        case {"decisions": [*given]}:
            whole, place = cast("Mapping[str, Any]", answer).get(HASH), f"{field}.decisions"
        case [*given]:
            pass
        case {**alone}:
            check_number(1, actions, field)
            return [_said(alone, actions[0], field, None)]
        case _:
            raise InvalidInput(field, answer, '{"decisions": […]}, one decision, or a list of human responses')
    check_number(len(given), actions, place)
    return [
        _said(one, action, f"{place}[{n}]", whole) for n, (one, action) in enumerate(zip(given, actions, strict=True))
    ]


def check_number(given: int, actions: Sequence[Action], field: str) -> None:
    """Refuse another number of decisions than there are actions."""
    if given != len(actions):
        raise InvalidInput(field, f"{given} given", f"a decision for each action, in their order: {len(actions)}")


def _said(given: Any, action: Action, field: str, whole: Any) -> Said:
    if not isinstance(given, Mapping):
        raise InvalidInput(field, given, 'a decision, such as {"type": "approve"}')
    one = cast("Mapping[str, Any]", given)
    name, sha256 = one.get("type"), one.get(HASH, whole)
    kind = _KINDS.get(name) if isinstance(name, str) else None
    if kind is None:
        raise InvalidInput(f"{field}.type", name, ", ".join(action.allowed))
    if name == "response" and "respond" not in action.allowed and "reject" in action.allowed:
        kind = "reject"
    if not isinstance(sha256, str | None):
        raise InvalidInput(f"{field}.{HASH}", sha256, "the hash that the question carries")
    if kind == "edit":
        decision = Decision(type=kind, arguments=_edited(one, action, field))
    else:
        decision = Decision(type=kind, message="" if kind == "approve" else _message(one, field))
    return Said(decision=decision, sha256=sha256 or "", field=field)


def _edited(one: Mapping[str, Any], action: Action, field: str) -> Mapping[str, Any]:
    for place, named in _EDITS:
        if place not in one:
            continue
        edited: Any = one[place]
        arguments = edited if named is None else edited.get("args") if isinstance(edited, Mapping) else None
        path = f"{field}.{place}" if named is None else f"{field}.{place}.args"
        if not isinstance(arguments, Mapping):
            raise InvalidInput(path, arguments, f"an object: what to call {action.tool} with instead")
        tool = action.tool if named is None else edited.get(named, action.tool)
        if tool != action.tool:
            raise InvalidInput(f"{field}.{place}.{named}", tool, f"{action.tool}: an edit doesn't change the tool")
        return cast("Mapping[str, Any]", arguments)
    raise InvalidInput(f"{field}.edited_action", None, f'{{"name": "{action.tool}", "args": {{…}}}}')


def _message(one: Mapping[str, Any], field: str) -> str:
    """The person's words: `message`, or the legacy's `args`, whose action request is given as the JSON it is."""
    place = "message" if "message" in one else "args"
    match one.get(place):
        case None:
            return ""
        case str(text):
            return text
        case {"args": words} if place == "args":
            return orjson.dumps(words).decode()
        case other:
            raise InvalidInput(f"{field}.{place}", other, "a text")
