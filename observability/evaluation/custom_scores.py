"""What a user's evaluator returns, read as scores on the scales that it declares."""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

from motet.errors import InvalidConfig, shortened
from motet.observability.evaluation.evaluator import Scale, Score

_KEY = re.compile(r"[\w.:-]+", re.ASCII)
_SHARE = Scale(kind="number")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scales:
    """The scales of one evaluator's metrics."""

    by_key: Mapping[str, Scale]
    keyed: bool
    """Whether each key was declared, so that no other may come; else there is one, whatever it calls itself."""
    lenient: bool = field(default=False)
    """Whether none was declared: True and False are 1 and 0 then."""

    @classmethod
    def declared(cls, own: str, told: object, function: Callable[..., Any]) -> Scales:
        """What `told`, a scale, a mapping of scales or None, declares for the metric `own` or for its own keys.

        Raises:
            InvalidConfig: it is none of these.
        """
        if told is None:
            yes_or_no = _returns(function) is bool
            return cls(by_key={own: Scale() if yes_or_no else _SHARE}, keyed=False, lenient=not yes_or_no)
        if isinstance(told, Scale):
            return cls(by_key={own: _checked(own, told)}, keyed=False)
        if isinstance(told, Mapping) and told:
            by_key = cast("Mapping[Any, Any]", told)
            return cls(by_key={_key(own, key): _checked(own, scale) for key, scale in by_key.items()}, keyed=True)
        raise InvalidConfig(f"evaluator {own}", f"its scales are {shortened(told)}, not a Scale or a mapping of them")


def read(returned: Any, scales: Scales, own: str) -> Sequence[Score]:
    """The scores in what was returned: a value, a dict with `score`, a Score, a list of these, or None for nothing."""
    if returned is None:
        return ()
    several = cast("Sequence[Any]", returned) if isinstance(returned, list | tuple) else [returned]
    given = [_given(one, own) for one in several]
    if not scales.keyed and len(given) > 1:
        said = f"it returned {len(given)} scores and declares one scale: declare one for each key, by scored({{…}})"
        return [Score(key=key, value=None, error=said) for key in scales.by_key]
    return list(_on(given, scales, own))


def _on(given: Sequence[Score], scales: Scales, own: str) -> Iterator[Score]:
    for one in given:
        told = one
        if not scales.keyed:
            more = {} if one.key == own else {"key": one.key}
            told = replace(one, key=own, details={**one.details, **more})
        scale = scales.by_key.get(told.key)
        if scale is None:
            first = next(iter(scales.by_key))
            said = f"it gave {told.key!r}, which it doesn't declare; it declares {', '.join(scales.by_key)}"
            yield Score(key=first, value=None, error=said)
        elif told.error or told.value is None:
            yield told
        else:
            yield _fitted(told, scale, lenient=scales.lenient)


def _given(one: Any, own: str) -> Score:
    if isinstance(one, Score):
        return one
    if not isinstance(one, Mapping):
        return Score(key=own, value=_plain(one))
    told = cast("Mapping[str, Any]", one)
    if "score" not in told and "value" not in told:
        return Score(key=own, value=None, error=f"it returned {shortened(dict(told))}, which has no score")
    details = told.get("metadata") or told.get("details") or {}
    return Score(
        key=str(told.get("key") or own),
        value=_plain(told["score"] if told.get("score") is not None else told.get("value")),
        comment=str(told.get("comment") or ""),
        details=cast("Mapping[str, Any]", details) if isinstance(details, Mapping) else {"metadata": details},
    )


def _plain(value: Any) -> Any:
    """A number of numpy's as Python's."""
    item = getattr(value, "item", None)
    return item() if callable(item) and not isinstance(value, str | bool | int | float) else value


def _fitted(score: Score, scale: Scale, *, lenient: bool) -> Score:
    """The score, or an error where its value isn't on the scale."""
    value: Any = score.value
    match scale.kind:
        case "boolean":
            fits = isinstance(value, bool)
            allowed = "true or false"
        case "category":
            fits = isinstance(value, str) and value in scale.categories
            allowed = ", ".join(scale.categories)
        case "number":
            if isinstance(value, bool) and lenient:
                value = float(value)
            low, high = -math.inf if scale.low is None else scale.low, math.inf if scale.high is None else scale.high
            fits = isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high
            allowed = f"a number from {low:g} to {high:g}"
    if fits:
        return replace(score, value=value)
    said = f"its value {shortened(value)} isn't on its scale: {allowed}"
    return replace(score, value=None, error=said)


def _checked(own: str, scale: object) -> Scale:
    if not isinstance(scale, Scale):
        raise InvalidConfig(f"evaluator {own}", f"its scale is {shortened(scale)}, not a Scale")
    if scale.kind == "category" and not scale.categories:
        raise InvalidConfig(f"evaluator {own}", "its scale is a category and names none")
    return scale


def _key(own: str, key: object) -> str:
    if not isinstance(key, str) or not _KEY.fullmatch(key):
        raise InvalidConfig(f"evaluator {own}", f"{key!r} is no key: letters, digits, _ - . :")
    return key


def _returns(function: Callable[..., Any]) -> object:
    """What a function is annotated to return, `bool` also where annotations are texts."""
    told = inspect.signature(function).return_annotation
    return bool if told is bool or told == "bool" else told
