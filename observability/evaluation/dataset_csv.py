"""Datasets as tables: a row an example, for whoever keeps them in a spreadsheet.

Columns: `example_id`, `question` (a person's words) or `input` (JSON) or one `input.NAME` for each of its fields,
`reference`, `tags` (with `;` between them), `split`, `group`, `rubric`, `expect.NAME`, and the rest of an example's
fields as JSON. A cell that begins with `{` or `[` is JSON, but for those columns that are only text; in a column whose
name ends in `:json` every cell is. An empty cell says nothing. What a spreadsheet would take for a formula is written
as JSON, so that none that opens a table computes what a person wrote to an agent.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import orjson

from motet.errors import InvalidInput
from motet.observability.evaluation.dataset_rows import FIELDS, examples_of
from motet.observability.evaluation.example import Example, encoded

_TEXTS = ("example_id", "question", "split", "group", "rubric")
"""Columns that hold nothing but text."""

_JSON = ":json"
_ALLOWED = (
    "example_id, question, input, input.NAME, reference, tags, split, group, rubric, expect, expect.NAME, "
    f"trajectory, path, answers or provenance, each once; `{_JSON}` may follow"
)
_FORMULA = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""How a cell begins that a spreadsheet computes; the last four are the same signs in full width."""
_MOST = 2**31 - 1
"""Characters of a cell; csv's own limit is for the whole process and smaller than a conversation."""


def parsed(data: str, name: str) -> Sequence[Example]:
    """The examples of a table. Raises InvalidInput: names file, line, column and value."""
    limit = csv.field_size_limit(_MOST)
    try:
        return examples_of(_rows(data, name))
    except csv.Error as error:
        raise InvalidInput(name, str(error), "a table of comma separated values") from None
    finally:
        csv.field_size_limit(limit)


def written(examples: Sequence[Example]) -> bytes:
    """A table that `parsed` reads as the same examples."""
    rows = [_cells(orjson.loads(encoded(one))) for one in examples]
    columns: dict[str, None] = {}
    for one in ("example_id", "question", "input", "reference"):
        if any(one in row for row in rows):
            columns[one] = None
    columns |= dict.fromkeys(sorted({column for row in rows for column in row} - columns.keys()))
    out = io.StringIO(newline="")
    table = csv.DictWriter(out, list(columns), restval="", lineterminator="\r\n")
    table.writeheader()
    table.writerows(rows)
    return out.getvalue().encode()


def _rows(data: str, name: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    reader = csv.reader(io.StringIO(data, newline=""), strict=True)
    columns: list[str] = []
    line = 1
    for cells in reader:
        place, line = f"{name}, line {line}", reader.line_num + 1
        if not any(cells):
            continue
        if not columns:
            columns = _columns(place, cells)
            continue
        if len(cells) > len(columns):
            raise InvalidInput(
                place, f"{len(cells)} cells", f"no more than the {len(columns)} columns of the first row"
            )
        yield place, _told(place, {column: cell for column, cell in zip(columns, cells, strict=False) if cell})


def _columns(place: str, cells: Sequence[str]) -> list[str]:
    columns = [one.strip() for one in cells]
    for column in columns:
        name, dot, inner = column.removesuffix(_JSON).partition(".")
        known = name in {"input", "expect"} and inner if dot else name == "question" or name in FIELDS
        if not known or columns.count(column) > 1:
            raise InvalidInput(place, column, _ALLOWED)
    return columns


def _told(place: str, cells: Mapping[str, str]) -> Mapping[str, Any]:
    """An example's fields, from a row's cells."""
    told: dict[str, Any] = {}
    for column, cell in cells.items():
        value = _value(place, column, cell)
        name, dot, inner = column.removesuffix(_JSON).partition(".")
        if name == "question":
            name, value = "input", {"messages": [{"role": "user", "content": value}]}
        if not dot:
            clash = name in told
            told[name] = value
        else:
            parts = told.setdefault(name, _Parts())
            clash = not isinstance(parts, _Parts) or inner in parts
            parts[inner] = value
        if clash:
            raise InvalidInput(f"{place}, {column}", cell, f"one column that tells {name} in a row")
    return {name: dict(value) if isinstance(value, _Parts) else value for name, value in told.items()}


class _Parts(dict[str, Any]):
    """A field that columns tell part by part."""


def _value(place: str, column: str, cell: str) -> Any:
    if column in _TEXTS:
        return cell
    if column.endswith(_JSON) or cell.lstrip().startswith(("{", "[")):
        try:
            return orjson.loads(cell)
        except orjson.JSONDecodeError as error:
            allowed = f"JSON ({error}), or a text that doesn't begin with {{ or ["
            raise InvalidInput(f"{place}, {column}", cell, allowed) from None
    if column == "tags":
        return [one.strip() for one in cell.split(";") if one.strip()]
    return cell


def _cells(told: dict[str, Any]) -> dict[str, str]:
    """The cells of an example, by column."""
    cells: dict[str, str] = {}
    for name, value in told.items():
        if name == "input" and (question := _question(value)):
            cells |= dict([_cell("question", question, _is_harmless)])
        elif name == "expect" and all(_is_column(key) for key in value):
            cells |= dict(_cell(f"expect.{key}", inner, _is_plain) for key, inner in value.items())
        elif name == "tags":
            joined = ";".join(value)
            is_told_so = _is_plain(joined) and _value("", name, joined) == value
            cells |= dict([_cell(name, joined if is_told_so else value, _is_plain)])
        else:
            cells |= dict([_cell(name, value, _is_harmless if name in _TEXTS else _is_plain)])
    return cells


def _question(value: Any) -> str:
    match value:
        case {"messages": [{"role": "user", "content": str(text), **others}], **more} if not others and not more:
            return text
        case _:
            return ""


def _cell(column: str, value: Any, is_plain: Callable[[str], bool]) -> tuple[str, str]:
    if isinstance(value, str):
        return (column, value) if is_plain(value) else (f"{column}{_JSON}", orjson.dumps(value).decode())
    text = orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()
    return (column if isinstance(value, dict | list) else f"{column}{_JSON}", text)


def _is_plain(text: str) -> bool:
    """Whether a cell can hold it as it is."""
    return _is_harmless(text) and not text.lstrip().startswith(("{", "["))


def _is_harmless(text: str) -> bool:
    """Whether a cell of text can hold it as it is."""
    return text != "" and not text.lstrip().startswith(_FORMULA)


def _is_column(key: str) -> bool:
    """Whether a column can be named by it."""
    return key != "" and key == key.strip() and not key.endswith(_JSON)
