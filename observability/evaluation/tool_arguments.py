"""When the arguments of two calls of a tool are the same, and where they differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from motet.errors import shortened
from motet.observability.evaluation.example import Json

ArgumentsMode = Literal["exact", "ignore", "subset", "superset"]
"""exact: the same. ignore: any. subset: those of the call are among the expected. superset: the expected are among
those of the call."""

Override = ArgumentsMode | Sequence[str]
"""A mode of a tool's own, or the only arguments that count, `a.b` for `b` in `a`; each must be there, on both sides."""

_CUT = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class ArgumentsRule:
    """What of a tool's arguments must agree, as openevals means its `tool_args_match_mode` and its overrides."""

    mode: ArgumentsMode = "exact"
    by_tool: Mapping[str, Override] = field(default_factory=dict[str, Override])

    def differences(self, tool: str, called: Json, expected: Json) -> Sequence[str]:
        """Where `called` isn't what it should be, one text for each argument; empty where the two agree."""
        return [text for _, text in self._compared(tool, called, expected) if text]

    def share(self, tool: str, called: Json, expected: Json) -> float:
        """How many of the arguments that count agree: 1 only where all do."""
        compared = self._compared(tool, called, expected)
        return sum(not text for _, text in compared) / len(compared) if compared else 1.0

    def _compared(self, tool: str, called: Json, expected: Json) -> Sequence[tuple[str, str]]:
        """Each argument that counts, with what is wrong with it; empty where it is right."""
        told = self.by_tool.get(tool) or self.mode
        names: Mapping[str, Sequence[str]] = {
            "exact": list(dict.fromkeys((*expected, *called))),
            "superset": list(expected),
            "subset": list(called),
            "ignore": (),
        }
        own = names[told] if isinstance(told, str) else None
        if own is not None:
            return [(name, _difference(name, called.get(name, _NOTHING), expected.get(name, _NOTHING))) for name in own]
        return [(name, _of_both(name, _within(called, name), _within(expected, name))) for name in told]


class _Nothing:
    """An argument that isn't there."""


_NOTHING = _Nothing()


def _difference(name: str, called: Any, expected: Any) -> str:
    if called is _NOTHING:
        return f"argument {name}: expected {_told(expected)}, got none"
    if expected is _NOTHING:
        return f"argument {name}: not expected, got {_told(called)}"
    return "" if called == expected else f"argument {name}: expected {_told(expected)}, got {_told(called)}"


def _of_both(name: str, called: Any, expected: Any) -> str:
    if expected is _NOTHING:
        return f"argument {name}: the expected call doesn't say it"
    return _difference(name, called, expected)


def _within(arguments: Json, name: str) -> Any:
    found: Any = arguments
    for part in name.split("."):
        if not isinstance(found, Mapping) or part not in found:
            return _NOTHING
        found = found[part]
    return found


def _told(value: Any) -> str:
    return shortened(value, _CUT)
