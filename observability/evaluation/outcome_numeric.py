"""Whether an answer says the reference's number, within a tolerance; it says which number it took."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from motet.errors import InvalidConfig, shortened
from motet.observability.evaluation.citing import prose
from motet.observability.evaluation.described import Described
from motet.observability.evaluation.evaluator import Evaluator, Means, Scale, Score, Trial
from motet.observability.evaluation.looked_up import as_text, output_of, question_of, reference_of, steps
from motet.observability.evaluation.offline import offline
from motet.observability.evaluation.outcome_exact import Compared
from motet.observability.evaluation.telling import named

_SCALES = {"thousand": 1e3, "million": 1e6, "billion": 1e9}
_NUMBER = re.compile(
    r"(?<![^\W_])(?<!\w_)(?<!\.)(?:(?P<sign>[-+]|\u2212\s?)[$\u20ac\u00a3\u00a5]?)?(?P<digits>\d{1,3}(?:,\d{3})+(?:\.\d+)?(?!,?\d)|\d+(?:\.\d+)?|\.\d+)"
    r"(?P<power>[eE][-+]?\d+)?(?!\d|[eE]\d)"
    r"(?:\s?(?P<percent>%|per ?cent\b)|\s+(?P<scale>thousand|million|billion)\b)?",
    re.IGNORECASE,
)
_BETWEEN = re.compile(r"(?<=\d)[-\u2013/](?=\d)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tolerance(Compared):
    """How far off a number may be, and which of several counts."""

    relative: float = 1e-9
    """Largest difference as a share of the reference."""
    absolute: float = 0.0
    """Largest difference as a number; the larger of the two tolerances counts."""
    take: Literal["nearest", "first", "last", "only"] = "nearest"
    """Of several numbers in the answer. `nearest` passes over those of the question while there are others; `only`
    refuses an answer with several."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Number:
    """A number that a text says."""

    value: float
    written: str
    percent: bool = False


def numbers(text: str) -> Iterator[Number]:
    """The numbers written in digits, in order: 1,234.5, -3 %, 1e6, .5, 1.2 million; of `3-5` both, none negative.

    A `-` and a space before a number are a list's bullet, or a minus between two: they make nothing negative.
    """
    for found in _NUMBER.finditer(_BETWEEN.sub(" ", text)):
        sign = -1.0 if (found["sign"] or "").strip() in {"-", "\u2212"} else 1.0
        value = sign * float(found["digits"].replace(",", "") + (found["power"] or ""))
        scaled = value * _SCALES.get((found["scale"] or "").lower(), 1.0)
        yield Number(value=scaled, written=found[0].strip(), percent=bool(found["percent"]))


def _numeric(told: Tolerance, _: Means) -> Evaluator:
    path, reference = steps(told.path, "numeric.path"), steps(told.reference, "numeric.reference")
    key = told.key or "numeric"
    for name in ("relative", "absolute"):
        if not 0 <= getattr(told, name) < math.inf:
            raise InvalidConfig(f"numeric.{name}", f"{getattr(told, name)} is not allowed: 0 or more")

    def look(trial: Trial) -> Sequence[Score]:
        stands = reference_of(trial, reference)
        if stands.missing:
            return ()
        wanted = _as_number(stands.value)
        if wanted is None:
            return (Score(key=key, value=None, error=f"the reference {shortened(stands.value)} is no number"),)
        found = output_of(trial, path)
        if found.missing:
            return (Score(key=key, value=False, comment=found.missing),)
        there = _said(found.value)
        taken = _taken(there, wanted.value, told, list(numbers(question_of(trial.example))))
        return (_scored(key, taken, there, wanted.value, told),)

    return offline(named("numeric", told), {key: Scale()}, look)


def _scored(key: str, taken: Number | None, there: Sequence[Number], wanted: float, told: Tolerance) -> Score:
    details = {"numbers": [one.written for one in there], "taken": taken.written if taken else None, "wanted": wanted}
    if taken is None:
        several = f"it says {len(there)} numbers: {', '.join(one.written for one in there[:9])}"
        return Score(key=key, value=False, comment=several if there else "it says no number", details=details)
    meant = min(_meant(taken), key=lambda value: abs(value - wanted))
    near = math.isclose(meant, wanted, rel_tol=0.0, abs_tol=max(told.relative * abs(wanted), told.absolute))
    comment = f"took {taken.written}" + ("" if near else f", which is not {wanted:g}")
    return Score(key=key, value=near, comment=comment, details={**details, "value": meant})


def _taken(there: Sequence[Number], wanted: float, told: Tolerance, asked: Sequence[Number]) -> Number | None:
    if not there or (told.take == "only" and len(there) > 1):
        return None
    if told.take != "nearest":
        return there[-1 if told.take == "last" else 0]
    given = {one.value for one in asked} - {wanted}
    own = [one for one in there if one.value not in given] or there
    return min(own, key=lambda one: min(abs(value - wanted) for value in _meant(one)))


def _meant(number: Number) -> Sequence[float]:
    """3 % is 3, and 0.03."""
    return (number.value, number.value / 100) if number.percent else (number.value,)


def _said(value: Any) -> Sequence[Number]:
    """What a text says in its sentences, else in its quotes and tables; a JSON number is itself."""
    one = _as_json_number(value)
    if one is not None:
        return (one,)
    text = as_text(value)
    return list(numbers(prose(text))) or list(numbers(text))


def _as_number(value: Any) -> Number | None:
    one = _as_json_number(value)
    if one is not None or not isinstance(value, str):
        return one
    there = list(numbers(value))
    return there[0] if len(there) == 1 else None


def _as_json_number(value: Any) -> Number | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return Number(value=float(value), written=f"{value}")


NUMERIC = Described(
    name="numeric",
    arguments=Tolerance,
    make=_numeric,
    about="Whether the answer says the reference's number, within a relative or absolute tolerance; finds it in a "
    "sentence.",
)
