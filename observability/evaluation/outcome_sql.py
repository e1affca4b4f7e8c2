"""Whether the query that a run asked gives the rows of the reference's query."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from motet.errors import InvalidConfig, MotetError, shortened
from motet.observability.evaluation.by_function import ByFunction
from motet.observability.evaluation.described import Described
from motet.observability.evaluation.evaluator import Evaluator, Means, Scale, Score, Trial
from motet.observability.evaluation.observed import ObservedToolCall
from motet.observability.evaluation.telling import named

Row = Sequence[Any]
Query = Callable[[str], Awaitable[Sequence[Row]]]

_MOST_COMPARED = 1_000
"""Rows of each side without an equal that are compared with each other by tolerance."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Queried:
    """Which calls are queries, and how far off a number may be."""

    tool: str = "query_workspace"
    """The tool whose argument `sql` is the run's query; its last call that succeeded counts."""
    relative: float = 1e-6
    """Largest difference of two numbers, as a share of the reference's."""
    absolute: float = 1e-9
    """Largest difference of two numbers; the larger of the two tolerances counts."""
    key: str = ""
    """Name of the metrics; empty: the evaluator's."""


def _sql(told: Queried, means: Means) -> Evaluator:
    key, query = told.key or "sql", means.query
    if not (0 <= told.relative < math.inf and 0 <= told.absolute < math.inf):
        raise InvalidConfig("sql", f"relative={told.relative} and absolute={told.absolute}: both must be 0 or more")

    async def look(trial: Trial) -> Sequence[Score]:
        wanted = trial.example.expect.get("sql")
        if not isinstance(wanted, str) or not wanted.strip():
            return ()
        calls = [one for one in trial.observed.tool_calls if one.tool == told.tool]
        ran = _ran(f"{key}.ran", calls)
        if query is None:
            return (Score(key=key, value=None, error="there is no data here to run queries on"), ran)
        good = [one for one in calls if not _failed(one)]
        if not good:
            return (Score(key=key, value=False, comment=ran.comment, details=ran.details), ran)
        return (await _compared(key, str(good[-1].arguments.get("sql", "")), wanted, told, query), ran)

    scales = {key: Scale(), f"{key}.ran": Scale()}
    return ByFunction(name=named("sql", told), scales=scales, look=look)


def _ran(key: str, calls: Sequence[ObservedToolCall]) -> Score:
    failed = [{"sql": one.arguments.get("sql", ""), "error": one.error or one.text} for one in calls if _failed(one)]
    told = "; ".join(f"the query {shortened(one['sql'])} failed: {shortened(one['error'], 200)}" for one in failed)
    comment = told if calls else "it asked no query"
    return Score(key=key, value=len(failed) < len(calls), comment=comment, details={"failed": failed})


def _failed(call: ObservedToolCall) -> bool:
    return call.is_error or call.outcome != "ok"


async def _compared(key: str, asked: str, wanted: str, told: Queried, query: Query) -> Score:
    details = {"sql": asked, "reference": wanted}
    try:
        right = await query(wanted)
    except MotetError as error:
        return Score(key=key, value=None, error=f"the reference's query can't be run: {error}", details=details)
    try:
        given = await query(asked)
    except MotetError as error:
        comment = f"the run's query can't be run again: {error}"
        return Score(key=key, value=False, comment=comment, details=details)
    try:
        ordered = orders(wanted)
    except ValueError as error:
        return Score(key=key, value=None, error=f"the reference's query can't be read: {error}", details=details)
    difference = differs(given, right, ordered=ordered, relative=told.relative, absolute=told.absolute)
    counted = {**details, "rows": len(given), "reference_rows": len(right), "ordered": ordered}
    return Score(key=key, value=not difference, comment=difference, details=counted)


def orders(sql: str) -> bool:
    """Whether the order of a query's rows is asked for: its outermost SELECT has ORDER BY. Raises ValueError."""
    from sqlglot import parse_one  # noqa: PLC0415 - only who compares queries pays for it
    from sqlglot.errors import SqlglotError  # noqa: PLC0415 - as above

    try:
        return parse_one(sql, dialect="duckdb").args.get("order") is not None
    except SqlglotError as error:
        raise ValueError(str(error).splitlines()[0]) from error


def differs(given: Sequence[Row], right: Sequence[Row], *, ordered: bool, relative: float, absolute: float) -> str:
    """How two results differ, as a sentence; empty if they don't. Columns count by their place, NULL equals NULL."""

    def same(one: Row, other: Row) -> bool:
        return len(one) == len(other) and all(map(same_value, one, other))

    def same_value(one: Any, other: Any) -> bool:
        if isinstance(one, bool) or isinstance(other, bool):
            return one is other
        if isinstance(one, int | float) and isinstance(other, int | float):
            both_nan = math.isnan(one) and math.isnan(other)
            off = max(relative * abs(other), absolute)
            return both_nan or one == other or abs(one - other) <= off
        return one == other

    widths = {len(row) for row in given}, {len(row) for row in right}
    if given and right and widths[0] != widths[1]:
        return f"it gives {len(given[0])} columns, not {len(right[0])}"
    if ordered:
        pairs = zip(given, right, strict=False)
        first = next((at for at, (one, other) in enumerate(pairs) if not same(one, other)), None)
        if first is not None:
            return f"row {first + 1} is {_shown(given[first])}, not {_shown(right[first])}"
        over, lacking = given[len(right) :], right[len(given) :]
    else:
        over, lacking = _unpaired(given, right, same)
    if over or lacking:
        told = [f"it gives {len(given)} rows, not {len(right)}"] if len(given) != len(right) else []
        told += [f"{_shown(lacking[0])} is missing"] if lacking else []
        told += [f"{_shown(over[0])} isn't in the reference"] if over else []
        return "; ".join(told)
    return ""


def _unpaired(
    given: Sequence[Row], right: Sequence[Row], same: Callable[[Row, Row], bool]
) -> tuple[Sequence[Row], Sequence[Row]]:
    """The rows of each side that have no equal on the other; each counts once."""
    counted = Counter(map(_hashed, right))
    over: list[Row] = []
    for row in given:
        name = _hashed(row)
        if counted[name]:
            counted[name] -= 1
        else:
            over.append(row)
    lacking: list[Row] = []
    for row in right:
        name = _hashed(row)
        if counted[name]:
            counted[name] -= 1
            lacking.append(row)
    if max(len(over), len(lacking)) > _MOST_COMPARED:
        return over, lacking
    alone: list[Row] = []
    for row in over:
        place = next((at for at, other in enumerate(lacking) if same(row, other)), None)
        if place is None:
            alone.append(row)
        else:
            del lacking[place]
    return alone, lacking


def _hashed(row: Row) -> tuple[object, ...]:
    return tuple(_plain(value) for value in row)


def _plain(value: Any) -> object:
    if isinstance(value, bool):
        return ("bool", value)
    if isinstance(value, int | float):
        return ("number", "nan" if math.isnan(value) else value)
    return repr(value)


def _shown(row: Row) -> str:
    return shortened(tuple(row), 120)


SQL = Described(
    name="sql",
    arguments=Queried,
    make=_sql,
    about="Whether the run's last query gives the rows of the example's expect.sql, and whether its queries ran; needs "
    "the workspace.",
)
