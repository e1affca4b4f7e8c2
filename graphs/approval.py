"""Asking a person before something happens.

A request is LangChain's `HITLRequest` with exactly one action, which the common clients can answer,
plus the SHA-256 of the arguments: an answer that carries it is refused when it was made on others.
The run ends while it waits; nothing is held but its checkpoint.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from langgraph.types import interrupt

from motet.graphs.decisions import understood
from motet.graphs.questions import HASH, read
from motet.memory.asking import ALL_DECISIONS, Decision, DecisionType


def ask(
    tool: str,
    arguments: Mapping[str, Any],
    *,
    description: str,
    arguments_schema: Mapping[str, Any],
    tool_call_id: str = "",
    why: str = "",
    evidence: Sequence[Mapping[str, Any]] = (),
    deadline_s: float | None = None,
) -> Decision:
    """Wait for a person's decision on one call of `tool`.

    Ends the run as interrupted the first time; the node runs again from its first line when the
    answer comes, so nothing with an effect may stand before this, and what is asked must be the same then.

    Args:
        tool: name of the tool that would be called.
        arguments: exactly what it would be called with; JSON.
        description: what will happen, for the person.
        arguments_schema: JSON Schema that edited arguments must fit.
        tool_call_id: the model's id of the call.
        why: the agent's own words that came with the call; the person is told that they are its claim.
        evidence: what the call rests on, such as quotes with their places; JSON.
        deadline_s: seconds after which nobody's answer counts as a rejection; None waits for ever.
    """
    digest = arguments_hash(tool, arguments)
    request = request_for(tool, arguments, description=description, allowed=ALL_DECISIONS, digest=digest)
    if tool_call_id:
        request["action_requests"][0]["tool_call_id"] = tool_call_id
    beside = {"why": why, "evidence": [dict(one) for one in evidence], "deadline_s": deadline_s}
    request |= {name: value for name, value in beside.items() if value}
    answer = interrupt(request, response_schema=response_schema(tool, ALL_DECISIONS, arguments_schema))
    _, actions = read(request, None)
    return understood(actions, answer)[0].decision


def request_for(
    tool: str, arguments: Mapping[str, Any], *, description: str, allowed: Sequence[DecisionType], digest: str
) -> dict[str, Any]:
    """LangChain's `HITLRequest` for one call; `digest` names what the person sees."""
    return {
        "action_requests": [{"name": tool, "args": dict(arguments), "description": description, HASH: digest}],
        "review_configs": [{"action_name": tool, "allowed_decisions": list(allowed)}],
    }


def arguments_hash(tool: str, arguments: Mapping[str, Any]) -> str:
    """SHA-256 (hex) of the tool's name and arguments in canonical JSON: sorted keys, no spaces."""
    return hashlib.sha256(orjson.dumps([tool, arguments], option=orjson.OPT_SORT_KEYS)).hexdigest()


def response_schema(
    tool: str, allowed: Sequence[DecisionType], arguments_schema: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """JSON Schema of an answer to one request; edited arguments must fit `arguments_schema`."""

    def kind(name: DecisionType, required: Sequence[str] = (), **properties: Any) -> dict[str, Any]:
        return {
            "type": "object",
            "properties": {"type": {"const": name}, HASH: {"type": "string"}, **properties},
            "required": ["type", *required],
        }

    text = {"type": "string", "maxLength": 10_000}
    edited = {
        "type": "object",
        "properties": {"name": {"const": tool}, "args": dict(arguments_schema or {})},
        "required": ["name", "args"],
    }
    kinds = {
        "approve": kind("approve"),
        "edit": kind("edit", ["edited_action"], edited_action=edited),
        "reject": kind("reject", message=text),
        "respond": kind("respond", ["message"], message=text),
    }
    one_of = [kinds[name] for name in allowed]
    return {
        "type": "object",
        "properties": {"decisions": {"type": "array", "minItems": 1, "maxItems": 1, "items": {"oneOf": one_of}}},
        "required": ["decisions"],
    }
