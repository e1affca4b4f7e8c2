"""Evaluators by the names that they are asked for by."""

from __future__ import annotations

import ast
import dataclasses
import importlib
import inspect
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any, Literal, cast, get_args, get_origin, get_type_hints

import orjson
from pydantic import TypeAdapter, ValidationError

from motet.errors import InvalidConfig, shortened
from motet.observability.evaluation import custom
from motet.observability.evaluation.described import Described
from motet.observability.evaluation.evaluator import Evaluator, Means
from motet.observability.evaluation.telling import Told, read

_OURS: Mapping[str, str] = {
    "exact": "outcome_exact.EXACT",
    "numeric": "outcome_numeric.NUMERIC",
    "json": "outcome_json.JSON",
    "regex": "outcome_exact.REGEX",
    "string_distance": "outcome_distance.STRING_DISTANCE",
    "embedding_distance": "outcome_distance.EMBEDDING_DISTANCE",
    "citations": "outcome_citations.CITATIONS",
    "sql": "outcome_sql.SQL",
    "judge": "judged.JUDGE",
    "pairwise": "judged_pairwise.PAIRWISE",
}
"""Module and constant of each evaluator of outcomes, so that only those asked for are imported."""

_ROOM = "motet.observability.evaluation"


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribedArgument:
    """An argument of an evaluator, for its documentation."""

    name: str
    kind: str
    """Its type, as Python writes it; `choice` of those that are `allowed`."""
    default: Any
    allowed: Sequence[Any]
    """The values that it can have; empty where these can't be counted."""
    about: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribedEvaluator:
    """An evaluator, for its documentation."""

    name: str
    about: str
    arguments: Sequence[DescribedArgument]


def evaluators(told: Sequence[str | Mapping[str, Any]], means: Means) -> Sequence[Evaluator]:
    """The evaluators asked for, in this order: `name`, `name:argument=value,…`, or `{"name": …, **arguments}`.

    A name is one of `names()`, of an entry point in the group `motet.evaluators`, or `module:attr` or `FILE.py:attr`
    for a function of one's own.

    Raises:
        InvalidConfig: a name or an argument is unknown, a value isn't allowed, or two give the same metric; names what
            is allowed.
    """
    made = [_made(as_told(one), means) for one in told]
    by_metric: dict[str, str] = {}
    for one in made:
        for metric in one.scales:
            if metric in by_metric:
                raise InvalidConfig(
                    f"evaluator {one.name}",
                    f"its metric {metric} is {by_metric[metric]}'s already: tell one of them another key, key=…",
                )
            by_metric[metric] = one.name
    return made


def as_told(told: str | Mapping[str, Any]) -> Told:
    """What was asked for, taken apart; `Plan.evaluators` keeps it as JSON. Raises InvalidConfig: it can't be read."""
    return read(told, [*names(), *custom.installed()])


def names() -> Sequence[str]:
    """Those that are built in."""
    return [*_OURS, *_trajectory()]


def described() -> Sequence[DescribedEvaluator]:
    """Every evaluator that is built in, with its arguments."""
    return [
        DescribedEvaluator(name=name, about=one.about, arguments=list(_arguments(one.arguments)))
        for name in names()
        if (one := _described(name)) is not None
    ]


def _made(told: Told, means: Means) -> Evaluator:
    one = _described(told.name)
    if one is not None:
        return one.make(_filled(told, one), means)
    if ":" not in told.name and not custom.is_entry_point(told.name):
        allowed = [*names(), *custom.installed(), "module:function", "FILE.py:function"]
        raise InvalidConfig(f"evaluator {told.name}", f"there is none of that name; there are {', '.join(allowed)}")
    return custom.custom(told, _as_text(told), means.folder)


def _described(name: str) -> Described | None:
    if name in _OURS:
        module, _, constant = _OURS[name].partition(".")
        return cast("Described", getattr(importlib.import_module(f"{_ROOM}.{module}"), constant))
    return _trajectory().get(name)


@cache
def _trajectory() -> Mapping[str, Described]:
    """Those that look at how a run went."""
    return cast("Mapping[str, Described]", importlib.import_module(f"{_ROOM}.trajectory_evaluators").TRAJECTORY)


def _filled(told: Told, one: Described) -> Any:
    """The arguments' dataclass, filled; strictly, but a number may stand for a text."""
    fields = {field.name: field for field in dataclasses.fields(one.arguments)}
    where = f"evaluator {told.name}"
    unknown = [name for name in told.arguments if name not in fields]
    if unknown:
        raise InvalidConfig(where, f"it takes no {', '.join(unknown)}; it takes {', '.join(fields) or 'no arguments'}")
    hints = _hints(one.arguments)
    given = {
        name: orjson.dumps(value).decode() if hints[name] == "str" and not isinstance(value, str) else value
        for name, value in told.arguments.items()
    }
    try:
        return TypeAdapter[Any](one.arguments).validate_json(orjson.dumps(given), strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        raise InvalidConfig(where, f"{name}: {shortened(first['input'])} is not allowed: {first['msg']}") from None


def _hints(arguments: type[Any]) -> Mapping[str, str]:
    return {field.name: str(field.type) for field in dataclasses.fields(arguments)}


def _as_text(told: Told) -> str:
    said = ",".join(f"{name}={orjson.dumps(value).decode()}" for name, value in told.arguments.items())
    return f"{told.name}:{said}" if said else told.name


def _arguments(arguments: type[Any]) -> Iterator[DescribedArgument]:
    about = {name: text for one in reversed(arguments.__mro__) for name, text in _field_docs(one).items()}
    hints = get_type_hints(arguments)
    for field in dataclasses.fields(arguments):
        choice = get_origin(hints[field.name]) is Literal
        yield DescribedArgument(
            name=field.name,
            kind="choice" if choice else str(field.type),
            default=_default(field),
            allowed=get_args(hints[field.name]) if choice else (),
            about=about.get(field.name, ""),
        )


def _default(field: dataclasses.Field[Any]) -> Any:
    return field.default if field.default_factory is dataclasses.MISSING else field.default_factory()


def _field_docs(one: type[Any]) -> Mapping[str, str]:
    """The text under each field of a class."""
    if not dataclasses.is_dataclass(one):
        return {}
    [body] = ast.parse(textwrap.dedent(inspect.getsource(one))).body
    statements = cast("ast.ClassDef", body).body
    return {
        said.target.id: " ".join(text.value.value.split())
        for said, text in pairwise(statements)
        if isinstance(said, ast.AnnAssign)
        and isinstance(said.target, ast.Name)
        and isinstance(text, ast.Expr)
        and isinstance(text.value, ast.Constant)
        and isinstance(text.value.value, str)
    }
