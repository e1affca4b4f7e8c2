"""What an example's `expect` says, read: a message names the field, the value and what is allowed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from motet.errors import InvalidInput
from motet.observability.evaluation.example import Example


def listed(example: Example, name: str, of: str) -> Sequence[Any] | None:
    """The list at `expect[name]`; None where it isn't told.

    Raises:
        InvalidInput: it is no list; `of` says what of.
    """
    told: Any = example.expect.get(name)
    if told is None:
        return None
    if not isinstance(told, list | tuple):
        raise InvalidInput(f"expect.{name}", told, f"a list of {of}")
    return list(cast("Sequence[Any]", told))


def numbers(told: Any, name: str, known: Sequence[str]) -> Mapping[str, float]:
    """Numbers by one of the names that are `known`.

    Raises:
        InvalidInput: it is no object of numbers with these names.
    """
    allowed = f"an object of numbers: {', '.join(known)}"
    if not isinstance(told, Mapping):
        raise InvalidInput(name, told, allowed)
    held = cast("Mapping[str, Any]", told)
    for field, value in held.items():
        if field not in known or isinstance(value, bool) or not isinstance(value, int | float):
            raise InvalidInput(f"{name}.{field}", value, allowed)
    return {field: float(value) for field, value in held.items()}
