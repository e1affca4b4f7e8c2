"""Which items and namespaces fit what was asked: filters with operators, and patterns of namespaces."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from langgraph.store.base import ListNamespacesOp, MatchCondition

from motet.errors import InvalidInput

_COMPARING: dict[str, Callable[[float, float], bool]] = {
    "$gt": lambda value, bound: value > bound,
    "$gte": lambda value, bound: value >= bound,
    "$lt": lambda value, bound: value < bound,
    "$lte": lambda value, bound: value <= bound,
}
_OPERATORS = ("$eq", "$ne", *_COMPARING)


def check_filter(asked: object, *, field: str = "filter") -> None:
    """Refuse a filter that `fits` could not judge any item by.

    Raises:
        InvalidInput: a key isn't text, an operator is unknown or stands beside a plain key, or a bound is no number.
    """
    if not isinstance(asked, dict):
        raise InvalidInput(field, asked, "a dict of a value's keys")
    for key, wanted in cast("dict[object, object]", asked).items():
        if not isinstance(key, str):
            raise InvalidInput(field, key, "text for keys")
        _check_wanted(wanted, f"{field}.{key}")


def _check_wanted(wanted: object, field: str) -> None:
    if isinstance(wanted, list | tuple):
        for place, inner in enumerate(cast("Sequence[object]", wanted)):
            _check_wanted(inner, f"{field}[{place}]")
    elif isinstance(wanted, dict):
        told = cast("dict[object, object]", wanted)
        if not _has_operators(told):
            check_filter(told, field=field)
            return
        for name, bound in told.items():
            if name not in _OPERATORS:
                raise InvalidInput(field, name, f"the operators {', '.join(_OPERATORS)}")
            if name in _COMPARING and _number(bound) is None:
                raise InvalidInput(f"{field}.{name}", bound, "a number")


def fits(value: Mapping[str, Any], asked: Mapping[str, Any] | None) -> bool:
    """Whether `value` has all that a checked filter asks for; a key it lacks counts as None.

    Numbers are compared as floats, and text that says a number counts as one; what isn't a number is neither greater
    nor less than one.
    """
    return all(_equal(value.get(key), wanted) for key, wanted in (asked or {}).items())


def _equal(value: object, wanted: object) -> bool:
    if isinstance(wanted, dict):
        told = cast("dict[str, object]", wanted)
        if _has_operators(told):
            return all(_operated(value, name, bound) for name, bound in told.items())
        return isinstance(value, dict) and fits(cast("dict[str, Any]", value), told)
    if isinstance(wanted, list | tuple):
        parts = cast("Sequence[object]", wanted)
        found = cast("Sequence[object]", value)
        return (
            isinstance(value, list)
            and len(found) == len(parts)
            and all(_equal(one, part) for one, part in zip(found, parts, strict=True))
        )
    return value == wanted


def _operated(value: object, operator: str, bound: object) -> bool:
    if operator in {"$eq", "$ne"}:
        return (value == bound) is (operator == "$eq")
    number, limit = _number(value), _number(bound)
    return number is not None and limit is not None and _COMPARING[operator](number, limit)


def _has_operators(told: Mapping[Any, object]) -> bool:
    return any(isinstance(key, str) and key.startswith("$") for key in told)


def _number(value: object) -> float | None:
    if not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return None if math.isnan(number) else number


def check_conditions(op: ListNamespacesOp, *, at: str = "") -> None:
    """Refuse a kind of condition that doesn't exist, and a depth that isn't a positive number. Raises InvalidInput."""
    for place, condition in enumerate(op.match_conditions or ()):
        if condition.match_type not in ("prefix", "suffix"):
            raise InvalidInput(f"{at}match_conditions[{place}].match_type", condition.match_type, "prefix or suffix")
    if op.max_depth is not None and (isinstance(op.max_depth, bool) or op.max_depth < 1):
        raise InvalidInput(f"{at}max_depth", op.max_depth, "a number from 1, or None")


def listed(namespaces: Sequence[tuple[str, ...]], op: ListNamespacesOp) -> list[tuple[str, ...]]:
    """Those that fit `op`, cut to its depth, each once, sorted, from its offset to its limit."""
    fitting = {
        namespace[: op.max_depth]
        for namespace in namespaces
        if all(_matches(namespace, condition) for condition in op.match_conditions or ())
    }
    return sorted(fitting)[op.offset : op.offset + op.limit]


def known_start(op: ListNamespacesOp) -> tuple[str, ...]:
    """The labels that every namespace `op` asks for begins with."""
    longest: tuple[str, ...] = ()
    for condition in op.match_conditions or ():
        if condition.match_type == "prefix":
            path = condition.path
            start = path[: path.index("*")] if "*" in path else path
            longest = max(longest, tuple(start), key=len)
    return longest


def _matches(namespace: Sequence[str], condition: MatchCondition) -> bool:
    path = condition.path
    part = namespace[: len(path)] if condition.match_type == "prefix" else namespace[-len(path) :] if path else ()
    return len(part) == len(path) and all(wanted in ("*", label) for label, wanted in zip(part, path, strict=True))
