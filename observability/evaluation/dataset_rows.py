"""Examples as somebody wrote them down: checked row by row, and what is wrong is named with its place."""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

from pydantic import TypeAdapter, ValidationError

from motet.errors import InvalidInput
from motet.observability.evaluation.example import Example, encoded

ALLOWED: Mapping[str, str] = {
    "example_id": "1 to 200 characters without spaces, which no other example has",
    "input": "a JSON object, what the graph is given",
    "reference": "any JSON",
    "trajectory": "a list of messages, JSON objects",
    "path": "a list of the names of nodes",
    "rubric": "a text",
    "answers": "a list of answers, any JSON",
    "expect": "a JSON object",
    "tags": "a list of texts",
    "split": "a text",
    "group": "a text",
    "provenance": "a JSON object",
}
"""What each field of an example may hold."""

FIELDS = tuple(one.name for one in fields(Example))


def examples_of(rows: Iterable[tuple[str, Mapping[str, Any]]]) -> Sequence[Example]:
    """The examples that rows tell: their places, such as `cars.csv, line 3`, and their fields.

    One that has no id is named by the hash of what it says.

    Raises:
        InvalidInput: a field is unknown, missing, or of another kind, or two examples have one id; names the place.
    """
    found: list[Example] = []
    places: dict[str, str] = {}
    for place, told in rows:
        example = _example_of(place, told)
        if (other := places.get(example.example_id)) is not None:
            allowed = f"an id that no other example has; it is that of {other}"
            raise InvalidInput(f"{place}, example_id", example.example_id, allowed)
        places[example.example_id] = place
        found.append(example)
    return found


def _example_of(place: str, told: Mapping[str, Any]) -> Example:
    for name in told:
        if name not in FIELDS:
            raise InvalidInput(f"{place}, {name}", told[name], f"no field of this name; there are {', '.join(FIELDS)}")
    if "input" not in told:
        raise InvalidInput(f"{place}, input", None, ALLOWED["input"])
    try:
        example = _adapter().validate_python({"example_id": "", **told})
    except ValidationError as error:
        wrong = error.errors()[0]
        field = ".".join(str(part) for part in wrong["loc"])
        allowed = ALLOWED[str(wrong["loc"][0])]
        raise InvalidInput(f"{place}, {field}", wrong["input"], allowed) from None
    try:
        line = encoded(example)
    except InvalidInput as error:
        raise InvalidInput(place, told.get("example_id", "a row"), error.allowed) from None
    if "example_id" not in told:
        return replace(example, example_id=hashlib.sha256(line).hexdigest()[:12])
    if not re.fullmatch(r"\S{1,200}", example.example_id):
        raise InvalidInput(f"{place}, example_id", example.example_id, ALLOWED["example_id"])
    return example


@functools.cache
def _adapter() -> TypeAdapter[Example]:
    return TypeAdapter(Example)
