"""Asking a person before something happens, and reading what they decided.

A request is LangChain's `HITLRequest` with exactly one action, which the common clients can answer,
plus the SHA-256 of the arguments: an answer that carries it is refused when it was made on others.
The run ends while it waits; nothing is held but its checkpoint.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

import orjson
from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match
from langgraph.types import interrupt

from motet.errors import ArgumentsChanged, InvalidInput, NoWaitingInterrupt
from motet.memory.ports import WaitingInterrupt

DecisionType = Literal["approve", "edit", "reject", "respond"]
ALL_DECISIONS: tuple[DecisionType, ...] = ("approve", "edit", "reject", "respond")
HASH = "arguments_sha256"
"""Field of an action request, and of a decision, that holds the hash of the arguments."""

_INTERRUPT_ID_LENGTH = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What a person decided on one action."""

    type: DecisionType
    arguments: Mapping[str, Any]
    """What to call the tool with: as asked, or as edited."""
    message: str = ""
    """The reason of a rejection, or the answer given instead of the tool's."""


def ask(tool: str, arguments: Mapping[str, Any], *, description: str, arguments_schema: Mapping[str, Any]) -> Decision:
    """Wait for a person's decision on one call of `tool`.

    Ends the run as interrupted the first time; the node runs again from its first line when the
    answer comes, so nothing with an effect may stand before this.

    Args:
        tool: name of the tool that would be called.
        arguments: exactly what it would be called with; JSON.
        description: what will happen, for the person.
        arguments_schema: JSON Schema that edited arguments must fit.
    """
    digest = arguments_hash(tool, arguments)
    request = request_for(tool, arguments, description=description, allowed=ALL_DECISIONS, digest=digest)
    answer = interrupt(request, response_schema=response_schema(tool, ALL_DECISIONS, arguments_schema))
    decision = cast("Mapping[str, Any]", answer["decisions"][0])
    edited = cast("Mapping[str, Any]", decision.get("edited_action") or {})
    return Decision(
        type=decision["type"],
        arguments=edited.get("args", arguments),
        message=str(decision.get("message") or ""),
    )


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


def answers_by_id(thread_id: str, resume: Any, waiting: Sequence[WaitingInterrupt]) -> dict[str, Any]:
    """The answers in a `command.resume`, by interrupt id, each checked against what waits.

    A resume is either a mapping of interrupt ids to answers, or one answer for the one interrupt
    that waits. Each decision is given the hash of the request that it answers, if that has one.

    Raises:
        NoWaitingInterrupt: nothing waits, or an id isn't among what waits.
        InvalidInput: several wait and no id says which is meant, or an answer doesn't fit its schema.
        ArgumentsChanged: a decision was made on other arguments.
    """
    answers = _named(thread_id, resume, waiting)
    by_id = {one.interrupt_id: one for one in waiting}
    for interrupt_id, answer in answers.items():
        _check_answer(by_id[interrupt_id], answer)
    return {interrupt_id: _with_hash(by_id[interrupt_id], answer) for interrupt_id, answer in answers.items()}


def _named(thread_id: str, resume: Any, waiting: Sequence[WaitingInterrupt]) -> dict[str, Any]:
    ids = [one.interrupt_id for one in waiting]
    if (
        isinstance(resume, Mapping)
        and resume
        and all(_is_interrupt_id(key) for key in cast("Mapping[Any, Any]", resume))
    ):
        named = dict(cast("Mapping[str, Any]", resume))
        if unknown := [interrupt_id for interrupt_id in named if interrupt_id not in ids]:
            raise NoWaitingInterrupt(thread_id, unknown, ids)
        return named
    if not ids:
        raise NoWaitingInterrupt(thread_id, (), ids)
    if len(ids) > 1:
        raise InvalidInput("command.resume", resume, f"an object from interrupt id to answer, ids: {', '.join(ids)}")
    return {ids[0]: resume}


def _is_interrupt_id(key: object) -> bool:
    return isinstance(key, str) and len(key) == _INTERRUPT_ID_LENGTH and all(c in "0123456789abcdef" for c in key)


def _check_answer(waiting: WaitingInterrupt, answer: Any) -> None:
    """Refuse what would only fail inside the graph, where the question is gone by then."""
    field = f"command.resume[{waiting.interrupt_id}]"
    requests, decisions = _items(waiting.value, "action_requests"), _items(answer, "decisions")
    allowed = {
        str(one.get("action_name")): one.get("allowed_decisions", ()) for one in _items(waiting.value, "review_configs")
    }
    if allowed and len(decisions) != len(requests):
        raise InvalidInput(f"{field}.decisions", answer, f"a decision for each action, in their order: {len(requests)}")
    for request, decision in zip(requests, decisions, strict=False):
        kinds = allowed.get(str(request.get("name")))
        if kinds and decision.get("type") not in kinds:
            raise InvalidInput(f"{field}.decisions.type", decision.get("type"), ", ".join(kinds))
    if waiting.response_schema is not None:
        problem = best_match(Draft202012Validator(dict(waiting.response_schema)).iter_errors(answer))
        if problem is not None:
            place = "".join(f".{part}" for part in problem.absolute_path)
            raise InvalidInput(f"{field}{place}", problem.instance, problem.message[:300])
    for request, decision in zip(requests, decisions, strict=False):
        seen = decision.get(HASH)
        if seen is not None and seen != request.get(HASH):
            raise ArgumentsChanged(waiting.interrupt_id, seen=str(seen), waiting=str(request.get(HASH)))


def _with_hash(waiting: WaitingInterrupt, answer: Any) -> Any:
    requests, decisions = _items(waiting.value, "action_requests"), _items(answer, "decisions")
    if len(requests) != len(decisions) or not any(HASH in request for request in requests):
        return answer
    told = [{**one, HASH: request.get(HASH)} for request, one in zip(requests, decisions, strict=True)]
    return {**answer, "decisions": told}


def _items(value: Any, field: str) -> Sequence[Mapping[str, Any]]:
    """The objects listed under `field`, if `value` is an object that has it; anything else has none."""
    listed = cast("Mapping[str, Any]", value).get(field) if isinstance(value, Mapping) else None
    items = cast("list[Any]", listed) if isinstance(listed, list) else []
    return [one for one in items if isinstance(one, Mapping)]


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
