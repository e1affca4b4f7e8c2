"""Numbers that follow from cited rows, worked out by us: the short list of ways there are.

A way is only taken if the sentence says so; else any number would be the difference of some two cells.

| way | the sentence says |
|---|---|
| how many rows a query gave, unless it gave one row of numbers alone | nothing |
| the sum of a column | total, sum, altogether, together, combined, in all, overall |
| the average of a column | average, mean |
| the difference of two cells of a column, or of two single results | more, less, than, difference, rose, fell, … |
| a cell's share of its column or of another cell, in percent | %, percent, share, fraction, proportion, part |
| a cell up to 1, in percent | the same |
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import permutations

from motet.graphs.state import Query
from motet.tools.values import Value

MOST_CELLS = 12
"""Cells of a column up to which differences and shares are worked out."""

_SUM = re.compile(r"\b(total|sum|altogether|together|combined|in all|overall)\b", re.IGNORECASE)
_AVERAGE = re.compile(r"\b(average|averages|averaged|mean)\b", re.IGNORECASE)
_DIFFERENCE = re.compile(
    r"\b(more|less|fewer|than|differ\w*|gap|higher|lower|heavier|lighter|warmer|colder|longer|shorter|rose|fell|grew|"
    r"gain\w*|lost|dropp?\w*|increas\w*|decreas\w*|declin\w*|chang\w*|up by|down by)\b",
    re.IGNORECASE,
)
_SHARE = re.compile(r"%|\b(per ?cent|share|fraction|proportion|part)\b", re.IGNORECASE)


def recomputed(sentence: str, queries: Sequence[Query]) -> Iterator[float]:
    """The numbers that the cells of `queries` give by a way that `sentence` speaks of."""
    found = [column for query in queries for column in _columns(query)]
    singles = [column[0] for query in queries for column in _columns(query) if len(query["rows"]) == 1]
    columns = [*found, singles] if singles else found
    if _SUM.search(sentence):
        yield from (sum(column) for column in columns)
    if _AVERAGE.search(sentence):
        yield from (sum(column) / len(column) for column in columns)
    small = [column for column in columns if len(column) <= MOST_CELLS]
    if _DIFFERENCE.search(sentence):
        yield from (abs(a - b) for column in small for a, b in permutations(column, 2))
    if _SHARE.search(sentence):
        yield from _shares(small)


def number_of(cell: Value) -> float | None:
    """The cell as a number; None if it is something else, True and False among that."""
    return float(cell) if isinstance(cell, int | float) and not isinstance(cell, bool) else None


def counts(query: Query) -> bool:
    """Whether its number of rows means something: one row of numbers is a result, not one thing found."""
    return len(query["rows"]) != 1 or any(number_of(cell) is None for cell in query["rows"][0])


def _shares(columns: Sequence[Sequence[float]]) -> Iterator[float]:
    for column in columns:
        whole = sum(column)
        yield from (100 * cell / whole for cell in column if whole)
        yield from (100 * a / b for a, b in permutations(column, 2) if b)
        yield from (100 * cell for cell in column if abs(cell) <= 1)


def _columns(query: Query) -> list[list[float]]:
    """The columns that hold nothing but numbers; NULL is left out."""
    if query["truncated"]:
        return []
    cells = [[row[place] for row in query["rows"]] for place in range(len(query["columns"]))]
    held = [[number_of(cell) for cell in column if cell is not None] for column in cells]
    return [[cell for cell in column if cell is not None] for column in held if column and None not in column]
