"""A conversation as evaluators of trajectories read it: who spoke, and which tools were asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import orjson

from motet.errors import InvalidInput, shortened
from motet.observability.evaluation.example import Json
from motet.observability.evaluation.observed_messages import ROLES


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """A call that a message asks for."""

    tool: str
    arguments: Json

    def __str__(self) -> str:
        return f"{self.tool}({shortened(self.arguments, 120) if self.arguments else ''})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One message; what it says in words doesn't count."""

    role: str
    """user, assistant, system, tool or function."""
    calls: Sequence[Wish] = ()


def turns(messages: Sequence[Json], name: str) -> Sequence[Turn]:
    """The turns of a conversation in OpenAI's form or LangChain's.

    Raises:
        InvalidInput: a message is neither; says where, `name` first.
    """
    return [_turn(one, f"{name}[{n}]") for n, one in enumerate(messages)]


def wishes(told: Sequence[Turn]) -> Sequence[Wish]:
    """All calls, in order."""
    return [call for one in told for call in one.calls]


def _turn(message: Any, name: str) -> Turn:
    if not isinstance(message, Mapping):
        raise InvalidInput(name, message, "a message: an object with `role`")
    told = cast("Mapping[str, Any]", message)
    role: Any = told.get("role") or told.get("type")
    if not isinstance(role, str):
        raise InvalidInput(f"{name}.role", role, "user, assistant, system, tool")
    calls: Any = told.get("tool_calls") or ()
    if not isinstance(calls, list | tuple):
        raise InvalidInput(f"{name}.tool_calls", calls, "a list of calls")
    return Turn(
        role=ROLES.get(role.lower(), role),
        calls=[_wish(one, f"{name}.tool_calls[{n}]") for n, one in enumerate(cast("Sequence[Any]", calls))],
    )


def _wish(call: Any, name: str) -> Wish:
    tool: Any
    arguments: Any
    match call:
        case {"function": {"name": str() as tool, **function}}:
            arguments = function.get("arguments") or "{}"
        case {"name": str() as tool, **rest}:
            arguments = rest.get("args") or {}
        case _:
            raise InvalidInput(name, call, "a call: `function` with `name` and `arguments`, or `name` and `args`")
    try:
        read: Any = orjson.loads(arguments) if isinstance(arguments, str) else arguments
    except ValueError:
        raise InvalidInput(f"{name}.function.arguments", arguments, "the text of a JSON object") from None
    if not isinstance(read, Mapping):
        raise InvalidInput(f"{name}.function.arguments", read, "a JSON object")
    return Wish(tool=tool, arguments=cast("Mapping[str, Any]", read))
