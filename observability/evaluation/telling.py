"""How evaluators are told: `name`, `name:argument=value,…`, or a mapping with a `name`."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from motet.errors import InvalidConfig

WHERE = "evaluator"
"""What an InvalidConfig about one names as its source, with the evaluator's name."""

_ASSIGNED = re.compile(r"\s*([A-Za-z_]\w*)\s*=")
_BARE = re.compile(r"[^\s,=\"\[\]{}]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One evaluator, as it was asked for."""

    name: str
    arguments: Mapping[str, Any]

    def as_json(self) -> dict[str, Any]:
        """As `Plan.evaluators` keeps it."""
        return {"name": self.name, **self.arguments}


def read(told: str | Mapping[str, Any], known: Sequence[str]) -> Told:
    """What was told; a name that isn't `known` may hold one colon itself, as `module:attr` and `FILE.py:attr` do.

    Raises:
        InvalidConfig: it has no name, or its arguments aren't `argument=value`.
    """
    if isinstance(told, str):
        return _of_text(told.strip(), known)
    name = told.get("name")
    if not isinstance(name, str) or not name.strip():
        raise InvalidConfig(WHERE, f"{json.dumps(dict(told), default=str)} has no name")
    return Told(name=name.strip(), arguments={key: value for key, value in told.items() if key != "name"})


def named(name: str, arguments: object) -> str:
    """`name` with those of `arguments`, a dataclass, that aren't as they would be anyway: what `read` reads."""
    said = [
        f"{field.name}={_written(value)}"
        for field in dataclasses.fields(arguments)  # pyright: ignore[reportArgumentType] - any dataclass
        if (value := getattr(arguments, field.name)) != _default(field)
    ]
    return f"{name}:{','.join(said)}" if said else name


def _of_text(text: str, known: Sequence[str]) -> Told:
    name, colon, rest = text.partition(":")
    if name not in known and colon and not _ASSIGNED.match(rest):
        attribute, more, rest = rest.partition(":")
        name, colon = f"{name}:{attribute}", more
    if not name.strip(" :"):
        raise InvalidConfig(WHERE, f"{text!r} has no name")
    return Told(name=name.strip(), arguments=dict(_arguments(rest, text)) if colon else {})


def _arguments(rest: str, text: str) -> Iterator[tuple[str, Any]]:
    at = 0
    while at < len(rest):
        found = _ASSIGNED.match(rest, at)
        if found is None:
            raise InvalidConfig(
                f"{WHERE} {text}",
                f"{rest[at:]!r} is not argument=value; a value with a comma stands in double quotes, as JSON",
            )
        value, at = _value(rest, found.end())
        yield found[1], value


def _value(rest: str, at: int) -> tuple[Any, int]:
    """The value that begins at `at`, JSON where it is, else the text up to the next argument; and where that begins."""
    at += len(rest[at:]) - len(rest[at:].lstrip())
    try:
        value, end = json.JSONDecoder().raw_decode(rest, at)
    except json.JSONDecodeError:
        value, end = None, -1
    if end < 0 or not re.match(r"\s*(,|$)", rest[end:]):
        following = re.compile(r",(?=\s*[A-Za-z_]\w*\s*=)").search(rest, at)
        end = following.start() if following else len(rest)
        value = rest[at:end].strip()
    comma = re.compile(r"\s*,?").match(rest, end)
    return value, comma.end() if comma else end


def _written(value: object) -> str:
    if isinstance(value, str) and _BARE.fullmatch(value) and not _is_json(value):
        return value
    return json.dumps(_plain(value), ensure_ascii=False)


def _plain(value: object) -> object:
    return dataclasses.asdict(value) if dataclasses.is_dataclass(value) and not isinstance(value, type) else value


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except json.JSONDecodeError:
        return False
    return True


def _default(field: dataclasses.Field[Any]) -> object:
    made = field.default_factory
    return made() if callable(made) else field.default
