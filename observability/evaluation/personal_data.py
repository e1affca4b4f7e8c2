"""Looks for personal data and secrets in what is to become an example: examples are kept and passed around for long.

Found is what has a form of its own. Names of people have none, nor have addresses: whoever adds an example of people's
conversations looks at it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import orjson

from motet.errors import HoldsPersonalData, InvalidInput
from motet.observability.evaluation.example import Example, decoded, encoded
from motet.observability.evaluation.personal_kinds import KINDS, Span, found
from motet.observability.trajectory.redact import REDACTED, is_secret_name

_BY_NAME = "secret"
_DEEPEST = 250
"""Levels of JSON, in one text or in texts inside texts; a text that goes on deeper is looked at as a text."""
_LONGEST_NAME = 80
_DIGITS = 12
"""A number of fewer says nothing of a person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OnPersonalData:
    """What becomes of it. Raises InvalidInput: `allow` names a kind that there isn't."""

    redact: bool = False
    """Put `[REDACTED_EMAIL]` and the like in its place; else the example is refused."""
    allow: Collection[str] = ()
    """Kinds, of `KINDS`, that stay as they are."""

    def __post_init__(self) -> None:
        for one in self.allow:
            if one not in KINDS:
                raise InvalidInput("allow", one, ", ".join(KINDS))


def treated(example: Example, on: OnPersonalData) -> Example:
    """`example` as it may be kept; its id isn't looked at.

    Raises:
        HoldsPersonalData: it holds some, and nobody said to redact it; says in which fields, which kinds, how often.
    """
    look = _Look(frozenset(on.allow))
    told = orjson.loads(encoded(example))
    clean = {name: value if name == "example_id" else look.value(value, name) for name, value in told.items()}
    if not look.times:
        return example
    if on.redact:
        return decoded(orjson.dumps(clean))
    places = [(place, kind, times) for (place, kind), times in look.times.items()]
    raise HoldsPersonalData(f"example {example.example_id}", places)


@dataclass(slots=True)
class _Look:
    """Goes through JSON; counts what it finds, by field and kind."""

    allowed: frozenset[str]
    times: Counter[tuple[str, str]] = field(default_factory=Counter[tuple[str, str]])

    def value(self, value: Any, at: str) -> Any:
        """`value` without what was found."""
        match value:
            case str():
                return self._text(value, at)
            case bool():
                return value
            case int() if abs(value) >= 10**_DIGITS:
                clean = self._plain_text(str(value), at)
                return value if clean == str(value) else clean
            case list():
                return [self.value(one, f"{at}.{n}") for n, one in enumerate(cast("list[Any]", value))]
            case dict():
                return self._object(cast("dict[str, Any]", value), at)
            case _:
                return value

    def _object(self, told: Mapping[str, Any], at: str) -> dict[str, Any]:
        clean: dict[str, Any] = {}
        for key, inner in told.items():
            name = self._plain_text(key, f"{at} (a name)")
            place = f"{at}.{_shown(name)}"
            if self._is_secret(key, inner):
                self.times[place, _BY_NAME] += 1
                clean[name] = _mark(_BY_NAME)
            else:
                clean[name] = self.value(inner, place)
        return clean

    def _is_secret(self, name: str, value: Any) -> bool:
        if _BY_NAME in self.allowed or not isinstance(value, str) or value in {"", REDACTED, _mark(_BY_NAME)}:
            return False
        return is_secret_name(name)

    def _text(self, text: str, at: str) -> str:
        """JSON in a text, such as a tool call's arguments, stays JSON."""
        if text.lstrip().startswith(("{", "[")):
            try:
                told = orjson.loads(text)
            except orjson.JSONDecodeError:
                return self._plain_text(text, at)
            if at.count(".") + _levels(told) > _DEEPEST:
                return self._plain_text(text, at)
            clean = self.value(told, at)
            return text if clean == told else orjson.dumps(clean).decode()
        return self._plain_text(text, at)

    def _plain_text(self, text: str, at: str) -> str:
        spans = [one for one in found(text) if one.kind not in self.allowed]
        for one in spans:
            self.times[at, one.kind] += 1
        return _without(text, spans)


def _shown(name: str) -> str:
    """A field's name, which is anybody's word, as an error may show it."""
    return "".join(one if one.isprintable() else "�" for one in name[:_LONGEST_NAME])


def _levels(told: Any) -> int:
    """How many lists and objects stand in each other."""
    inside = [told]
    levels = 0
    while inside := [one for one in inside if isinstance(one, list | dict)]:
        inside = [one for outer in inside for one in (outer.values() if isinstance(outer, dict) else outer)]
        levels += 1
    return levels


def _without(text: str, spans: list[Span]) -> str:
    """What several kinds are found in is marked as the first."""
    kinds: dict[tuple[int, int], str] = {}
    for one in spans:
        kinds.setdefault((one.start, one.end), one.kind)
    for (start, end), kind in sorted(kinds.items(), reverse=True):
        text = f"{text[:start]}{_mark(kind)}{text[end:]}"
    return text


def _mark(kind: str) -> str:
    return f"[REDACTED_{kind.upper()}]"
