"""Whether an answer is the reference, letter by letter or value by value; and whether it matches a pattern."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from motet.errors import InvalidConfig, shortened
from motet.observability.evaluation.bounded_pattern import BoundedPattern
from motet.observability.evaluation.described import Described
from motet.observability.evaluation.evaluator import Evaluator, Means, Scale, Score, Trial
from motet.observability.evaluation.looked_up import as_text, output_of, parsed, reference_of, steps
from motet.observability.evaluation.offline import offline
from motet.observability.evaluation.openevals_quietly import untraced
from motet.observability.evaluation.telling import named

_PATTERN = "regex.pattern"


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """What is compared with what, and what that is called."""

    path: str = ""
    """Where in the graph's output what is compared stands, such as `findings[0].answer`; empty: the answer's text."""
    reference: str = ""
    """Where in the example's reference its counterpart stands; empty: all of it."""
    key: str = ""
    """Name of the metric, where two evaluators of one kind are asked for; empty: the evaluator's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pattern:
    """What must occur."""

    pattern: str = ""
    """Python's regular expression; empty: the example's `expect.regex`, one or a list of which each must match."""
    ignore_case: bool = False
    whole: bool = False
    """Whether the pattern must be all of the text, not only occur in it."""
    path: str = ""
    """Where in the graph's output the text stands; empty: the answer."""
    key: str = ""
    """Name of the metric; empty: the evaluator's."""


def _exact(told: Compared, _: Means) -> Evaluator:
    path, reference, key = steps(told.path, "exact.path"), steps(told.reference, "exact.reference"), told.key or "exact"

    def look(trial: Trial) -> Sequence[Score]:
        wanted = reference_of(trial, reference)
        if wanted.missing:
            return ()
        found = output_of(trial, path)
        if found.missing:
            return (Score(key=key, value=False, comment=found.missing),)
        value: Any = found.value
        if not path and not isinstance(wanted.value, str):
            read = parsed(value)
            value = value if read.missing else read.value
        equal = equals(value, wanted.value)
        return (Score(key=key, value=equal, comment="" if equal else _differs(value, wanted.value)),)

    return offline(named("exact", told), {key: Scale()}, look)


def equals(value: Any, wanted: Any) -> bool:
    """Whether two JSON values are one, as openevals' `exact_match` compares them: objects whatever their order."""
    from openevals.exact import exact_match  # noqa: PLC0415 - importing openevals takes more than a second

    if value is None or wanted is None:
        return value is wanted
    with untraced():
        return bool(exact_match(outputs=value, reference_outputs=wanted)["score"])


def _regex(told: Pattern, _: Means) -> Evaluator:
    path, key = steps(told.path, "regex.path"), told.key or "regex"
    flags = re.IGNORECASE if told.ignore_case else re.NOFLAG
    if told.pattern:
        BoundedPattern(_PATTERN, told.pattern, flags)

    def look(trial: Trial) -> Sequence[Score]:
        told_here = told.pattern or trial.example.expect.get("regex")
        patterns: Sequence[str] = [told_here] if isinstance(told_here, str) else told_here or ()
        if not patterns:
            return ()
        found = output_of(trial, path)
        if found.missing:
            return (Score(key=key, value=False, comment=found.missing),)
        text = as_text(found.value)
        try:
            compiled = [BoundedPattern(_PATTERN, pattern, flags) for pattern in patterns]
        except InvalidConfig as wrong:
            return (Score(key=key, value=None, error=str(wrong)),)
        hits = [one.fullmatch(text) if told.whole else one.search(text) for one in compiled]
        lacking = [pattern for pattern, hit in zip(patterns, hits, strict=True) if hit is None]
        matched = [hit[0] for hit in hits if hit]
        comment = "; ".join(f"nothing matches {pattern}" for pattern in lacking)
        return (Score(key=key, value=not lacking, comment=comment, details={"matched": matched, "lacking": lacking}),)

    return offline(named("regex", told), {key: Scale()}, look)


def _differs(value: Any, wanted: Any) -> str:
    return f"{shortened(value)}, not {shortened(wanted)}"


EXACT = Described(
    name="exact",
    arguments=Compared,
    make=_exact,
    about="Whether the answer, or a value of the output, is the example's reference; JSON whatever its keys' order.",
)
REGEX = Described(
    name="regex",
    arguments=Pattern,
    make=_regex,
    about="Whether the answer matches a regular expression: the one told, or the example's expect.regex.",
)
