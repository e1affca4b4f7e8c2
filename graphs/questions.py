"""Reading what a graph asked: whatever it gave to `interrupt()`, as calls that a person decides on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeGuard, cast

from motet.graphs.response_schemas import offered
from motet.memory.asking import ALL_DECISIONS, Action, DecisionType, Shape, actions_hash

HASH = "arguments_sha256"
"""Field of an action request, and of a decision, that holds the hash of the arguments."""

LEGACY: Mapping[str, DecisionType] = {
    "allow_accept": "approve",
    "allow_edit": "edit",
    "allow_ignore": "reject",
    "allow_respond": "respond",
}
"""What each switch of a legacy `HumanInterruptConfig` allows."""

LONGEST_S = 10 * 365 * 24 * 3600.0
"""No deadline is further away."""

Object = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a question tells beside its actions."""

    why: str = ""
    """The agent's own words. They are a claim, not a fact."""
    evidence: Sequence[Object] = ()
    deadline_s: float | None = None
    """Seconds, more than none and at most `LONGEST_S`; what asks for longer counts as asking for none."""


def read(value: Any, response_schema: Object | None) -> tuple[Shape, Sequence[Action]]:
    """How a graph asked, and the calls it asks about; none for `raw`, which is all that isn't wholly well formed.

    Raises nothing, whatever the value.

    Args:
        value: what was given to `interrupt()`, as JSON.
        response_schema: JSON Schema of an answer; where the question itself doesn't say, it says which decisions are
            allowed and what edited arguments must fit.
    """
    if _is_object(value) and value.get("type") == "tool_approval" and _names_call(value, "name"):
        return "tool_approval", [_approval(value, response_schema)]
    if _is_object(value) and (actions := _requests(value, response_schema)):
        return "hitl", actions
    listed = value if isinstance(value, list | tuple) else [value]
    older = [_interrupt(one) for one in cast("Sequence[Any]", listed)]
    if older and None not in older:
        return "legacy", [one for one in older if one is not None]
    return "raw", ()


def told(value: Any) -> Told:
    """What a question tells under `why`, `evidence` and `deadline_s`; whatever is of another kind isn't told."""
    if not _is_object(value):
        return Told()
    why, evidence, deadline = value.get("why"), value.get("evidence"), value.get("deadline_s")
    return Told(
        why=why if isinstance(why, str) else "",
        evidence=_objects(evidence) or (),
        deadline_s=deadline if _is_number(deadline) and 0 < deadline <= LONGEST_S else None,
    )


def digest(value: Any, actions: Sequence[Action]) -> str:
    """The hash that a decision on the whole question is bound to: the question's own, or its actions' and value's."""
    own = own_hashes(value, actions)
    return own[0] if len(own) == 1 and own[0] else actions_hash(actions, value)


def own_hashes(value: Any, actions: Sequence[Action]) -> Sequence[str]:
    """For each action the hash that its request carries itself; empty where it carries none."""
    requests = _objects(value.get("action_requests")) if _is_object(value) else None
    if requests is None or len(requests) != len(actions):
        return ["" for _ in actions]
    return [one[HASH] if isinstance(one.get(HASH), str) else "" for one in requests]


def _approval(value: Object, response_schema: Object | None) -> Action:
    """LangChain's `ToolApprovalRequest`."""
    found = offered(response_schema)
    return Action(
        tool=value["name"],
        arguments=value["args"],
        description=_text(value.get("description")),
        allowed=found.allowed or ALL_DECISIONS,
        arguments_schema=found.arguments_schema,
        tool_call_id=_text(value.get("tool_call_id")),
    )


def _requests(value: Object, response_schema: Object | None) -> Sequence[Action]:
    """LangChain's `HITLRequest`, if it is one: each action has a configuration of its name."""
    requests, reviews = _objects(value.get("action_requests")), _objects(value.get("review_configs"))
    if not requests or not reviews or not all(_names_call(one, "name") for one in requests):
        return ()
    allowed, schemas = dict[str, Sequence[DecisionType]](), dict[str, Object]()
    for one in reviews:
        name, listed = one.get("action_name"), one.get("allowed_decisions")
        if not isinstance(name, str) or not isinstance(listed, list | tuple):
            return ()
        allowed[name] = tuple(kind for kind in ALL_DECISIONS if kind in listed)
        if _is_object(schema := one.get("args_schema")):
            schemas[name] = schema
    if not all(allowed.get(one["name"]) for one in requests):
        return ()
    whole = response_schema or {}
    decision = _within(_within(whole, "properties", "decisions"), "items")
    # One schema for the decisions of all: whose arguments an edit has, it says only where there is one.
    common = offered(decision, root=whole).arguments_schema if len(requests) == 1 else None
    return [
        Action(
            tool=one["name"],
            arguments=one["args"],
            description=_text(one.get("description")),
            allowed=allowed[one["name"]],
            arguments_schema=schemas.get(one["name"], common) if "edit" in allowed[one["name"]] else None,
            tool_call_id=_text(one.get("tool_call_id")),
        )
        for one in requests
    ]


def _interrupt(value: Any) -> Action | None:
    """A legacy `HumanInterrupt`, if it is one and allows anything."""
    if not _is_object(value):
        return None
    request, config = value.get("action_request"), value.get("config")
    if not _is_object(request) or not _names_call(request, "action") or not _is_object(config):
        return None
    allowed = tuple(kind for switch, kind in LEGACY.items() if config.get(switch) is True)
    if not allowed:
        return None
    return Action(
        tool=request["action"],
        arguments=request["args"],
        description=_text(value.get("description")),
        allowed=tuple(kind for kind in ALL_DECISIONS if kind in allowed),
    )


def _names_call(value: Object, name: str) -> bool:
    return isinstance(value.get(name), str) and bool(value[name]) and _is_object(value.get("args"))


def _within(value: Object, *names: str) -> Object:
    for name in names:
        inner = value.get(name)
        value = inner if _is_object(inner) else {}
    return value


def _objects(value: Any) -> Sequence[Object] | None:
    """The list, if it is one of nothing but objects."""
    if not isinstance(value, list | tuple):
        return None
    items = cast("Sequence[Any]", value)
    return cast("Sequence[Object]", items) if all(_is_object(one) for one in items) else None


def _is_object(value: Any) -> TypeGuard[Object]:
    return isinstance(value, Mapping)


def _is_number(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
