"""How much of a JSON answer is the reference's: openevals' JSON match, with partial credit, each difference named."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

from motet.errors import shortened
from motet.observability.evaluation.described import Described
from motet.observability.evaluation.evaluator import Evaluator, Means, Scale, Score, Trial
from motet.observability.evaluation.example import Json
from motet.observability.evaluation.looked_up import output_of, parsed, reference_of, steps
from motet.observability.evaluation.offline import offline
from motet.observability.evaluation.openevals_quietly import untraced
from motet.observability.evaluation.outcome_exact import Compared
from motet.observability.evaluation.telling import named

Aggregator = Literal["average", "all"]
ListMode = Literal["superset", "subset", "same_elements", "ordered"]

_PREFIX = "json_match:"
_ALONE = "value"
"""Under this stands what is neither an object nor a list, and each element of a list that is no object."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JsonMatch(Compared):
    """How keys and lists count, as openevals' `create_json_match_evaluator` has it."""

    aggregator: Aggregator = "average"
    """Of the keys of one object: their share that is right, or 1 only if all are."""
    list_aggregator: Aggregator = "average"
    """The same of the elements of a list."""
    list_match_mode: ListMode = "same_elements"
    """`same_elements`: each has its counterpart, in any order; `ordered`: in this order; `subset`: the answer may lack
    some; `superset`: it may have more."""
    exclude_keys: Sequence[str] = ()
    """Keys that don't count."""


def _json(told: JsonMatch, _: Means) -> Evaluator:
    path, reference, key = steps(told.path, "json.path"), steps(told.reference, "json.reference"), told.key or "json"

    def look(trial: Trial) -> Sequence[Score]:
        wanted = reference_of(trial, reference)
        if wanted.missing:
            return ()
        found = output_of(trial, path)
        if not path and not found.missing:
            found = parsed(found.value)
        if found.missing:
            return (Score(key=key, value=0.0, comment=found.missing),)
        return (_score(key, told, found.value, wanted.value),)

    return offline(named("json", told), {key: Scale(kind="number")}, look)


def _score(key: str, told: JsonMatch, value: Any, wanted: Any) -> Score:
    if isinstance(value, list) is not isinstance(wanted, list):
        is_, should = ("a list", "none") if isinstance(value, list) else ("no list", "one")
        return Score(key=key, value=0.0, comment=f"it is {is_}, the reference is {should}")
    given, right = _comparable(value), _comparable(wanted)
    if isinstance(value, list) and told.list_match_mode != "ordered":
        given, right = _equals_first(given, right), _equals_first(right, given)
    share = matched(told, given, right, aggregator=told.aggregator)
    keys = matched(told, given, right, aggregator=None)
    differences = list(_differences(told, value, wanted))
    value_of = next(iter(share.values()), 1.0)
    return Score(
        key=key,
        value=value_of,
        comment="; ".join(differences),
        details={"keys": {name.removeprefix(_PREFIX): one for name, one in keys.items()}, "differences": differences},
    )


def matched(told: JsonMatch, value: Any, wanted: Any, *, aggregator: Aggregator | None) -> Mapping[str, float]:
    """Openevals' scores of two objects, or two lists of objects, by its names: `json_match:average`, `json_match:a`."""
    from openevals.json import create_json_match_evaluator  # noqa: PLC0415 - it takes more than a second

    match = create_json_match_evaluator(
        aggregator=aggregator,
        list_aggregator=told.list_aggregator,
        exclude_keys=list(told.exclude_keys),
        list_match_mode=told.list_match_mode,
    )
    with untraced():
        found = match(outputs=value, reference_outputs=wanted)
    results = found if isinstance(found, list) else [found]
    return {one["key"]: float(one["score"]) for one in results}


def _comparable(value: Any) -> Any:
    """What openevals can compare: an object, or a list of objects."""
    if isinstance(value, list):
        return [one if isinstance(one, Mapping) else {_ALONE: one} for one in cast("list[Any]", value)]
    return value if isinstance(value, Mapping) else {_ALONE: value}


def _equals_first(some: Sequence[Json], others: Sequence[Json]) -> Sequence[Json]:
    """Plain values that have an equal before those that don't: openevals pairs greedily, in this order."""
    if not all(list(one) == [_ALONE] for one in some):
        return some
    alone = set(_unmatched(some, others, ()))
    return [some[place] for place in sorted(range(len(some)), key=lambda place: place in alone)]


def _differences(told: JsonMatch, value: Any, wanted: Any) -> Iterator[str]:
    if not (isinstance(value, list) and isinstance(wanted, list)):
        yield from _between(value, wanted, "", told.exclude_keys)
        return
    given, right = cast("list[Any]", value), cast("list[Any]", wanted)
    if told.list_match_mode == "ordered":
        yield from _between(given, right, "", told.exclude_keys)
        return
    over, lacking = _unmatched(given, right, told.exclude_keys), _unmatched(right, given, told.exclude_keys)
    if told.list_match_mode != "superset":
        yield from (f"[{place}]: {shortened(given[place])} isn't in the reference" for place in over)
    if told.list_match_mode != "subset":
        yield from (f"{shortened(right[place])} is missing" for place in lacking)


def _between(value: Any, wanted: Any, where: str, left_out: Sequence[str]) -> Iterator[str]:
    """Each difference of two values, with where it is."""
    if isinstance(value, Mapping) and isinstance(wanted, Mapping):
        given, right = cast("Mapping[str, Any]", value), cast("Mapping[str, Any]", wanted)
        for name in dict.fromkeys([*right, *given]):
            inside = f"{where}.{name}".lstrip(".")
            if name in left_out:
                continue
            if name not in given:
                yield f"{inside} is missing"
            elif name not in right:
                yield f"{inside} isn't in the reference"
            else:
                yield from _between(given[name], right[name], inside, ())
    elif isinstance(value, list) and isinstance(wanted, list):
        given, right = cast("list[Any]", value), cast("list[Any]", wanted)
        for place, (one, other) in enumerate(zip(given, right, strict=False)):
            yield from _between(one, other, f"{where}[{place}]", left_out if not where else ())
        yield from (f"{where}[{place}] is missing" for place in range(len(given), len(right)))
        yield from (f"{where}[{place}] isn't in the reference" for place in range(len(right), len(given)))
    elif value != wanted:
        yield f"{where or 'it'} is {shortened(value)}, not {shortened(wanted)}"


def _unmatched(some: Sequence[Any], others: Sequence[Any], left_out: Sequence[str]) -> Sequence[int]:
    """The places of those that have no equal among `others`; each counts once."""
    left = [_without(one, left_out) for one in others]
    alone: list[int] = []
    for place, one in enumerate(some):
        plain = _without(one, left_out)
        if plain in left:
            left.remove(plain)
        else:
            alone.append(place)
    return alone


def _without(value: Any, left_out: Sequence[str]) -> Any:
    if not isinstance(value, Mapping):
        return value
    return {name: one for name, one in cast("Mapping[str, Any]", value).items() if name not in left_out}


JSON = Described(
    name="json",
    arguments=JsonMatch,
    make=_json,
    about="What share of the reference's keys the JSON answer, or a value of the output, has right; names each "
    "difference.",
)
