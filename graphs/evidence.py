"""What a claim rests on, looked up again: the quotes in their files, the queries in the data."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from sqlglot import exp, parse_one
from sqlglot.errors import SqlglotError

from motet.errors import ToolFailed
from motet.graphs.state import Claim, Query, Quote
from motet.tools.documents.ports import Documents, Hit
from motet.tools.sql_check import tables_used
from motet.tools.values import Value
from motet.tools.workspace import ROW_LIMIT, QueryResult, Workspace

MOST_ROWS = 10_000
"""Rows that are read again of a query of which only the first were cited."""

_FEWEST_WORDS = 3
_SHOWN = 120
_AROUND = 80
_LOOKED_THROUGH = 20

Row = Sequence[Value]


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """What was found of a claim's evidence."""

    quotes: tuple[Quote, ...]
    """Those that stand where they are said to."""
    sections: tuple[str, ...]
    """For each of the quotes, the headings it stands under and what is around it in the same section."""
    queries: tuple[Query, ...]
    """Those that give what is cited."""
    totals: tuple[int, ...]
    """How many rows each of the queries gives now; at most MOST_ROWS are counted."""
    problems: tuple[str, ...]
    """What is wrong with the others, a sentence each."""


async def look_up(claim: Claim, *, documents: Documents | None, workspace: Workspace | None) -> Looked:
    """Read each quote at its offset and run each query again; nothing is taken on trust."""
    if not claim["quotes"] and not claim["queries"]:
        return Looked(
            quotes=(),
            sections=(),
            queries=(),
            totals=(),
            problems=("it rests on nothing: no quote and no query is cited",),
        )
    quotes = [(quote, await _quote_problem(quote, documents)) for quote in claim["quotes"]]
    queries = [(query, await _run_again(query, workspace)) for query in claim["queries"]]
    standing = tuple(quote for quote, problem in quotes if not problem)
    sections = [await section(documents, quote) for quote in standing if documents]
    return Looked(
        quotes=standing,
        sections=tuple(sections),
        queries=tuple(query for query, (_, problem) in queries if not problem),
        totals=tuple(total for _, (total, problem) in queries if not problem),
        problems=tuple(
            problem for problem in (*(one for _, one in quotes), *(one for _, (_, one) in queries)) if problem
        ),
    )


async def section(documents: Documents, quote: Quote) -> str:
    """What a quote's words are about: the headings above them, and the passage they stand in.

    Empty if the document went meanwhile.
    """
    there = Hit(
        file=quote["file"], start=quote["start"], end=quote["end"], text=quote["text"], headings=(), page=None,
        score=0.0, similarity=None,
    )  # fmt: skip
    try:
        around = await documents.neighbours(there, before=0, after=0)
    except ToolFailed:
        return ""
    return "\n".join("\n".join([*hit.headings, hit.text]) for hit in around)


async def _quote_problem(quote: Quote, documents: Documents | None) -> str | None:
    said, file, start, end = quote["text"], quote["file"], quote["start"], quote["end"]
    known = {} if documents is None else {info.file: info for info in documents.files}
    if documents is None or file not in known:
        near = difflib.get_close_matches(file, known, n=1) or list(known)[:5]
        there = f"; there is {', '.join(near)}" if near else "; there are no documents"
        return f"it quotes {file}, and there is no such document{there}"
    if not said.strip() or start < 0 or end - start != len(said):
        return f"the quote “{_cut(said)}” is said to stand in {file} at {start} to {end}, which is not its length"
    try:
        stands = await documents.read(file, start=start, length=len(said))
        whole = len(re.findall(r"\S*\w\S*", said)) >= _FEWEST_WORDS or await _is_whole(quote, documents)
    except ToolFailed as error:
        return f"the quote “{_cut(said)}” can't be read in {file} at {start} to {end}: {error}"
    if stands != said:
        elsewhere = await _elsewhere(said, file, documents)
        return (
            f"the quote “{_cut(said)}” isn't in {file} at {start} to {end}; there stands: “{_cut(stands)}”{elsewhere}"
        )
    if not whole:
        return f"the quote “{said}” is too short to mean anything; quote the whole sentence"
    return None


async def _elsewhere(said: str, file: str, documents: Documents) -> str:
    """Where the words do stand, as the rest of a sentence; empty if nowhere that was looked."""
    infos = sorted(documents.files, key=lambda info: info.file != file)[:_LOOKED_THROUGH]
    for info in infos:
        with suppress(ToolFailed):  # a file that went meanwhile holds nothing
            place = (await documents.read(info.file, start=0, length=info.characters)).find(said)
            if place >= 0:
                return f"; these words stand in {info.file} at {place} to {place + len(said)}"
    return ""


async def _is_whole(quote: Quote, documents: Documents) -> bool:
    """Whether the quote is all of a line or of a table's cell."""
    first = max(0, quote["start"] - _AROUND)
    around = await documents.read(quote["file"], start=first, length=quote["end"] - first + _AROUND)
    before, after = around[: quote["start"] - first], around[quote["end"] - first :]
    return bool(re.search(r"(?:^|[\n|])[\s>#*+-]*$", before) and re.match(r"[\s.;,]*(?:$|[\n|])", after))


async def _run_again(query: Query, workspace: Workspace | None) -> tuple[int, str | None]:
    """How many rows the query gives now, and what is wrong with what is cited of it."""
    sql = query["sql"]
    if workspace is None:
        return 0, f"the query {_cut(sql)} can't be run: there is no data"
    if not tables_used(sql, workspace.tables) or not _reads(sql):
        return 0, f"the query {_cut(sql)} reads no table: its result is made up"
    limit = MOST_ROWS if query["truncated"] else max(ROW_LIMIT, len(query["rows"]))
    try:
        now = await workspace.query(sql, row_limit=limit)
    except ToolFailed as error:
        return 0, f"the query {_cut(sql)} can't be run: {error}"
    return len(now.rows), _stale(query, now, ordered=_orders(sql))


def _stale(query: Query, now: QueryResult, *, ordered: bool) -> str | None:
    """How the cited rows differ from those that the query gives now; None if they don't."""
    if list(now.columns) != query["columns"]:
        return f"the query gives the columns {', '.join(now.columns)}, not {', '.join(query['columns'])}"
    cited, left = query["rows"], list(now.rows)
    if ordered:
        pairs = zip(cited, left, strict=False)
        moved = next(((old, new) for old, new in pairs if not same_row(old, new)), None)
        if moved:
            return f"the query gives {row_text(moved[1])} where the row {row_text(moved[0])} is cited"
        missing, left = cited[len(left) :], left[len(cited) :]
    else:
        missing, left = _unmatched(cited, left)
    if missing:
        gives = f"it gives {'; '.join(row_text(row) for row in left[:3])}" if left else "it gives no further row"
        return f"the query doesn't give the cited row {row_text(missing[0])}; {gives}"
    if left and not query["truncated"]:
        return f"the query gives {len(now.rows)} rows, and {len(cited)} are cited; {row_text(left[0])} is left out"
    return None


def _unmatched(cited: Sequence[Row], now: Sequence[Row]) -> tuple[list[Row], list[Row]]:
    """The cited rows that aren't among `now`, and those of `now` that aren't cited; each counts once."""
    left, missing = list(now), list[Row]()
    for row in cited:
        place = next((at for at, other in enumerate(left) if same_row(row, other)), None)
        if place is None:
            missing.append(row)
        else:
            del left[place]
    return missing, left


def same_row(first: Row, second: Row) -> bool:
    """Whether two rows hold the same values, floats but for the last digits."""
    return len(first) == len(second) and all(_same_value(a, b) for a, b in zip(first, second, strict=True))


def _same_value(first: Value, second: Value) -> bool:
    if isinstance(first, bool) or isinstance(second, bool):
        return first is second
    if isinstance(first, int | float) and isinstance(second, int | float):
        return math.isclose(first, second, rel_tol=1e-9, abs_tol=1e-12)
    return first == second


def row_text(row: Row) -> str:
    """A row for a sentence."""
    return f"({', '.join('NULL' if value is None else _cut(str(value), 40) for value in row)})"


def _parsed(sql: str) -> exp.Expr | None:
    try:
        return parse_one(sql, dialect="duckdb")
    except SqlglotError:
        return None


def _orders(sql: str) -> bool:
    tree = _parsed(sql)
    return tree is not None and tree.args.get("order") is not None


def _reads(sql: str) -> bool:
    """Whether each value of the result comes from data: `SELECT 264 FROM cars` gives what it was told."""
    tree = _parsed(sql)
    given = tree.selects if isinstance(tree, exp.Query) else []
    return bool(given) and all(one.find(exp.Column, exp.Star, exp.AggFunc, exp.Null) for one in given)


def _cut(text: str, most: int = _SHOWN) -> str:
    line = re.sub(r"\s+", " ", text).strip()
    return line if len(line) <= most else f"{line[:most]}…"
