"""An answer in words that says nothing its rows don't."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from motet.graphs.numbers import numbers, same
from motet.tools.sql import Rows
from motet.tools.values import Value

_UNIT = re.compile(
    r"[$€£%]|(?<=\d)\s?(?:mph|km/h|m/s|knots|km|miles|mm|cm|inches|inch|feet|meters|kg|lbs|pounds|tons|"
    r"degrees|°[CF]|°|celsius|fahrenheit|dollars|usd|euros|percent)\b",
    re.IGNORECASE,
)
_SHOWN = 10
_LISTED = 5
_CELL = 60


def unsupported(sentence: str, rows: Rows, question: str) -> str | None:
    """Why `sentence` can't be said of `rows`, as a phrase; None if it can.

    Each number in it must be in the rows (rounded as far as the sentence shows), in the question, or the number of
    rows. Units must come from the question or the columns' names. A result of one value must be in the sentence, and
    of several rows the first column of each.
    """
    if not sentence.strip():
        return "it is empty"
    known = {*row_numbers(rows["rows"]), *(number.value for number in numbers(question)), float(len(rows["rows"]))}
    for number in numbers(sentence):
        if not any(same(number, value) for value in known):
            return f"{number.value:g} is not in the rows"
    said = f"{question} {' '.join(rows['columns'])}".lower()
    for unit in (found.strip() for found in _UNIT.findall(sentence)):
        if unit.lower() not in said:
            return f"the data names no unit {unit}"
    if len(rows["rows"]) == 1 and len(rows["rows"][0]) == 1 and not _says(sentence, rows["rows"][0][0]):
        return "it leaves out the value found"
    if len(rows["rows"]) > 1 and not all(_says(sentence, row[0]) for row in rows["rows"]):
        return "it leaves out rows"
    return None


def plainly(rows: Rows) -> str:
    """The rows as a sentence, for when no better one holds."""
    found, columns = rows["rows"], rows["columns"]
    if len(found) == 1 and len(columns) == 1:
        return f"The answer is {cell(found[0][0])}."
    if len(found) == 1:
        return f"{_pairs(columns, found[0])}."
    more = "more than " if rows["truncated"] else ""
    listed = "; ".join(cell(row[0]) if len(columns) == 1 else _pairs(columns, row) for row in found[:_LISTED])
    return f"There are {more}{len(found)} rows{', the first' if len(found) > _LISTED else ''}: {listed}."


def table(rows: Rows, *, limit: int = _SHOWN) -> str:
    """The first rows as a Markdown table, with a line that says how many more there are."""
    lines = [
        _line(rows["columns"]),
        _line(["---"] * len(rows["columns"])),
        *(_line([cell(value) for value in row]) for row in rows["rows"][:limit]),
    ]
    left = len(rows["rows"]) - limit
    if left > 0 or rows["truncated"]:
        more = f"at least {left + 1}" if rows["truncated"] else str(left)
        lines += ["", f"({more} more rows)"]
    return "\n".join(lines)


def cell(value: Value) -> str:
    """One value for a person: thousands apart only in the data, no more than four decimals, long texts cut."""
    if value is None:
        return "NULL"
    text = f"{round(value, 4):g}" if isinstance(value, float) and abs(value) < 1 else str(value)
    if isinstance(value, float) and abs(value) >= 1:
        text = f"{value:.4f}".rstrip("0").rstrip(".")
    text = re.sub(r"\s+", " ", text).replace("|", "\\|")
    return f"{text[:_CELL]}…" if len(text) > _CELL else text


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _pairs(columns: Sequence[str], row: Sequence[Value]) -> str:
    return ", ".join(f"{column}: {cell(value)}" for column, value in zip(columns, row, strict=True))


def row_numbers(rows: Sequence[Sequence[Value]]) -> Iterator[float]:
    """Every number of some rows, those inside texts and dates too."""
    for row in rows:
        for value in row:
            if isinstance(value, bool) or value is None:
                continue
            if isinstance(value, int | float):
                yield float(value)
            else:
                yield from (number.value for number in numbers(str(value)))


def _says(sentence: str, value: Value) -> bool:
    if isinstance(value, bool) or value is None:
        return True
    if isinstance(value, int | float):
        return any(same(number, value) for number in numbers(sentence))
    words = re.findall(r"\w+", str(value).lower())
    said = {number.value for number in numbers(sentence)}
    dated = re.fullmatch(r"\d{4}-\d\d-\d\d(T.*)?", str(value))
    if dated:
        return {number.value for number in numbers(str(value)[:10])} - {float(str(value)[5:7])} <= said
    return all(word in sentence.lower() for word in words)
