"""The part of a run's answer, or of a reference, that an outcome evaluator compares."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast
from unicodedata import normalize

from motet.errors import InvalidConfig
from motet.observability.evaluation.evaluator import Trial
from motet.observability.evaluation.example import Example

_STEP = re.compile(r"\.?([^.\[\]]+)|\[(-?\d+)\]|\[\"([^\"]*)\"\]")
_PAIR = 2
_FENCED = re.compile(r"\s*```(?:json)?\s*\n(.*?)\n?```\s*", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What stands at a path."""

    value: Any = None
    missing: str = ""
    """What isn't there, for a sentence; empty where there is a value."""


def steps(path: str, argument: str) -> Sequence[str | int]:
    """`findings[0].rows` as its steps; a `$.` before it may stand.

    Raises:
        InvalidConfig: it is no such path; names `argument`.
    """
    plain = re.sub(r"^\$\.?", "", path)
    found = list(_STEP.finditer(plain))
    if "".join(one[0] for one in found) != plain:
        raise InvalidConfig(argument, f"{path!r} is no path: names with dots, and [number], such as findings[0].answer")
    return [one[1] or one[3] if one[2] is None else int(one[2]) for one in found]


def at(value: Any, path: Sequence[str | int]) -> Found:
    """What stands in `value` at `path`."""
    for place, step in enumerate(path):
        if isinstance(step, int) and isinstance(value, list | tuple):
            items = cast("Sequence[Any]", value)
            inside = -len(items) <= step < len(items)
        else:
            inside = isinstance(value, Mapping) and step in value
        if not inside:
            return Found(missing=_shown(path[: place + 1]))
        value = cast("Any", value)[step]
    return Found(value=value)


def output_of(trial: Trial, path: Sequence[str | int]) -> Found:
    """The answer's text where `path` is empty, else what stands there in the graph's output; `composed`."""
    if not path:
        return Found(value=composed(trial.observed.answer))
    found = at(trial.observed.output, path)
    return Found(missing=f"the output has no {found.missing}") if found.missing else _composed(found)


def reference_of(trial: Trial, path: Sequence[str | int]) -> Found:
    """The reference, or what stands in it at `path`; `composed`."""
    if trial.example.reference is None:
        return Found(missing="no reference")
    return _composed(at(trial.example.reference, path))


def composed(value: Any) -> Any:
    """JSON with its texts in NFC: é is é, whether it was typed as one character or as an e with an accent.

    They are composed where they are compared and not where they are kept: to a model the two are different inputs.
    """
    match value:
        case str():
            return normalize("NFC", value)
        case Mapping():
            told = cast("Mapping[Any, Any]", value)
            return {composed(name): composed(inner) for name, inner in told.items()}
        case list() | tuple():
            return [composed(one) for one in cast("Sequence[Any]", value)]
        case _:
            return value


def as_text(value: Any) -> str:
    """A text as it is, anything else as JSON, as openevals compares it."""
    return value if isinstance(value, str) else json.dumps(value)


def question_of(example: Example) -> str:
    """What the person asked: the text of the input's last human message, else all of the input as JSON."""
    for message in reversed(_messages(example.input)):
        if message.get("role", message.get("type")) in {"user", "human"}:
            return text_of(message.get("content"))
    return json.dumps(example.input, ensure_ascii=False, default=str) if example.input else ""


def text_of(content: Any) -> str:
    """The text of a message's content, be it one text or blocks."""
    if isinstance(content, str):
        return content
    blocks = cast("Sequence[Any]", content) if isinstance(content, list | tuple) else ()
    texts = [one if isinstance(one, str) else one.get("text") for one in blocks if isinstance(one, str | Mapping)]
    return "\n".join(text for text in texts if isinstance(text, str))


def parsed(text: str) -> Found:
    """The JSON that a text is, a fence of Markdown around it left away."""
    fenced = _FENCED.fullmatch(text)
    try:
        return Found(value=composed(json.loads(fenced[1] if fenced else text)))
    except json.JSONDecodeError as error:
        return Found(missing=f"the answer is no JSON: {error}")


def _composed(found: Found) -> Found:
    return found if found.missing else Found(value=composed(found.value))


def _messages(given: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """The messages of an input, those told as `[role, text]` as well."""
    told: Any = given.get("messages")
    found: list[Mapping[str, Any]] = []
    for one in cast("Sequence[Any]", told if isinstance(told, list | tuple) else [told]):
        if isinstance(one, Mapping):
            found.append(cast("Mapping[str, Any]", one))
        elif isinstance(one, str):
            found.append({"role": "user", "content": one})
        elif isinstance(one, list | tuple) and len(cast("Sequence[Any]", one)) == _PAIR:
            role, content = cast("Sequence[Any]", one)
            found.append({"role": role, "content": content})
    return found


def _shown(path: Sequence[str | int]) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).removeprefix(".")
