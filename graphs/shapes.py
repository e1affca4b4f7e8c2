"""One question in the shapes of several clients, and one decision in the shapes of several graphs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal, assert_never, cast

from langgraph.types import Interrupt

from motet.graphs.events import Part, jsonable
from motet.graphs.questions import HASH, LEGACY, Object, digest, own_hashes, read
from motet.memory.asking import Action, Decision, Shape

Shown = Literal["hitl", "legacy", "raw"]
"""What clients are shown. hitl: what Agent Chat UI and its kind read. legacy: what Agent Inbox has always read. raw:
what the graph asked, as it is."""


def native(shape: Shape, value: Any, actions: Sequence[Action], decisions: Sequence[Decision]) -> Any:
    """What the graph that asked is resumed with: one decision for each action, in the shape that it asked in.

    hitl: `{"decisions": […]}`, each with the hash of its request if that carries one. tool_approval: the one decision.
    legacy: a list of `HumanResponse`, also for a question that was no list; a rejection's reason stands in its `args`,
    where the type allows a text and graphs that don't look lose nothing.
    """
    match shape:
        case "hitl":
            hashes = own_hashes(value, actions)
            made = [_decision(action, one) for action, one in zip(actions, decisions, strict=True)]
            return {
                "decisions": [one if not own else {**one, HASH: own} for one, own in zip(made, hashes, strict=True)]
            }
        case "tool_approval":
            return _decision(actions[0], decisions[0])
        case "legacy":
            return [_response(action, one) for action, one in zip(actions, decisions, strict=True)]
        case "raw":
            raise ValueError("a raw question is answered, not decided on")
        case _:
            assert_never(shape)


def shown(value: Any, response_schema: Object | None, shape: Shown) -> Any:
    """The question as clients are shown it; several actions in one question, and raw ones, are shown as they are.

    hitl: a question about one call gets LangChain's `HITLRequest`; a per-call one keeps its own fields beside, so that
    clients of both kinds read it. legacy: a question about one call becomes one `HumanInterrupt`.
    """
    asked, actions = read(value, response_schema)
    if shape == "raw" or len(actions) != 1:
        return value
    action = actions[0]
    if shape == "legacy":
        return _interrupt(action)
    match asked:
        case "tool_approval":
            return {**value, **_request(action, digest(value, actions))}
        case "legacy":
            return _request(action, digest(value, actions))
        case "hitl" | "raw":
            return value


def shown_in(part: Part, shape: Shown) -> Part:
    """A part of a graph's stream with the questions in it as clients are shown them; itself where it holds none."""
    data = part.data
    if shape == "raw" or part.mode not in {"values", "updates"} or not isinstance(data, Mapping):
        return part
    told = cast("Mapping[str, Any]", data)
    if "__interrupt__" not in told:
        return part
    asked = [_shown_interrupt(one, shape) for one in told["__interrupt__"]]
    return replace(part, data={**told, "__interrupt__": asked})


def _shown_interrupt(one: Interrupt, shape: Shown) -> Interrupt:
    value = shown(jsonable(one.value), cast("Object | None", one.response_schema), shape)
    return Interrupt(value, id=one.id, response_schema=one.response_schema)


def _decision(action: Action, decision: Decision) -> dict[str, Any]:
    """LangChain's `Decision`."""
    match decision.type:
        case "approve":
            return {"type": "approve"}
        case "edit":
            return {"type": "edit", "edited_action": {"name": action.tool, "args": dict(decision.arguments or {})}}
        case "reject":
            return {"type": "reject", **({"message": decision.message} if decision.message else {})}
        case "respond":
            return {"type": "respond", "message": decision.message}


def _response(action: Action, decision: Decision) -> dict[str, Any]:
    """The legacy `HumanResponse`."""
    match decision.type:
        case "approve":
            return {"type": "accept", "args": None}
        case "edit":
            return {"type": "edit", "args": {"action": action.tool, "args": dict(decision.arguments or {})}}
        case "reject":
            return {"type": "ignore", "args": decision.message or None}
        case "respond":
            return {"type": "response", "args": decision.message}


def _request(action: Action, sha256: str) -> dict[str, Any]:
    """LangChain's `HITLRequest` for one action."""
    request = {"name": action.tool, "args": action.arguments, "description": action.description, HASH: sha256}
    review = {"action_name": action.tool, "allowed_decisions": list(action.allowed)}
    return {"action_requests": [request], "review_configs": [review]}


def _interrupt(action: Action) -> Mapping[str, Any]:
    """The legacy `HumanInterrupt`."""
    return {
        "action_request": {"action": action.tool, "args": action.arguments},
        "config": {switch: kind in action.allowed for switch, kind in LEGACY.items()},
        "description": action.description,
    }
