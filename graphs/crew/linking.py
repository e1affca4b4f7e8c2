"""Which tables and columns a question speaks of, found by its words: no model is asked.

A small model writes better SQL when it sees few tables and columns, and the links it was given are what its query
can be checked against.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from motet.tools.schema import FEW, Column, Table
from motet.tools.values import Value
from motet.tools.workspace import Workspace

_TABLES = 2
_COLUMNS = 8
_LEAST = 4
_NEAR = 0.6
_PHRASE = 4
_CODE = 3
_STEM = 4
_ALL = 6

_SMALL_WORDS = frozenset(
    re.split(
        r"\s+",
        """a about above after all among an and any are as at be been before below between by can did do does
        during each ever for from had has have how in into is it its less many me more most much of on
        one only or over per show tell than that the their them there these they this those to under up
        was were what when where which who whose why will with within without you your give list find
        please name number count total average mean median highest lowest largest smallest biggest best
        worst maximum minimum max min least first last top bottom every same year years month months day
        days date dates january february march april may june july august september october november
        december""",
    )
)
_NOUNS: Mapping[str, tuple[str, ...]] = {
    "rain": ("precipitation",), "rainy": ("precipitation",), "rainiest": ("precipitation",),
    "rainfall": ("precipitation",), "wettest": ("precipitation",),
    "hot": ("temp", "temperature"), "hottest": ("temp", "temperature"), "warm": ("temp", "temperature"),
    "warmest": ("temp", "temperature"), "cold": ("temp", "temperature"), "coldest": ("temp", "temperature"),
    "heavy": ("weight",), "heavier": ("weight",), "heaviest": ("weight",), "lightest": ("weight",),
    "expensive": ("price", "cost"), "cheap": ("price", "cost"), "cheapest": ("price", "cost"),
    "tall": ("height",), "tallest": ("height",), "old": ("age",), "oldest": ("age",), "youngest": ("age",),
    "jobs": ("employment",), "workers": ("employment",), "employees": ("employment",),
    "powerful": ("power", "horsepower"), "pounds": ("lbs",),
}  # fmt: skip
"""Nouns that columns are named by, for words that only questions use."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A word of the question, and the columns it most likely means."""

    word: str
    columns: tuple[tuple[str, str], ...]
    """(table, column), all equally likely."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Links:
    """The part of the schema that a question needs."""

    tables: tuple[Table, ...]
    """Most likely first, each cut to the columns worth showing."""
    links: tuple[Link, ...]
    values: tuple[tuple[str, str, str], ...]
    """(table, column, value) for words of the question that are stored values."""
    years: tuple[str, ...]
    """Years that the question names."""


def link(question: str, workspace: Workspace) -> Links:
    """Rank the workspace's tables and columns by the words of `question`; always at least one table."""
    tokens = re.findall(r"[A-Za-z0-9]+", question)
    words = content_words(question)
    values = tuple(_values(tokens, workspace))
    scored = sorted(((_table_score(table, words, values), table) for table in workspace.tables), key=lambda s: -s[0])
    best = scored[0][0]
    kept = [table for score, table in scored if score >= best * _NEAR][:_TABLES]
    names = {table.name for table in kept}
    links = tuple(found for word in words if (found := _link(word, words, kept, values)))
    found_values = tuple(value for value in values if value[0] in names)
    return Links(
        tables=tuple(_slice(table, words, links, found_values) for table in kept),
        links=links,
        values=found_values,
        years=tuple(dict.fromkeys(re.findall(r"\b(1[89]\d\d|20\d\d)\b", question))),
    )


def content_words(question: str) -> list[str]:
    """The words of `question` that carry its subject: lower case, each once, without small words."""
    tokens = [token.lower() for token in re.findall(r"[A-Za-z0-9]+", question)]
    return [word for word in dict.fromkeys(tokens) if word not in _SMALL_WORDS]


def subwords_alike(word: str, name: str) -> bool:
    """Whether `word` is, in some form, one of the words that the name of a table or column is made of."""
    return any(_alike(word, part) for part in _subwords(name))


def described(links: Links) -> str:
    """The linked tables as CREATE TABLE statements, what the values look like in comments."""
    text = "\n".join(_described(table) for table in links.tables)
    notes = [f"-- {table} has {_name(column)} = '{value}'" for table, column, value in links.values]
    notes += [
        f"-- only {year}: WHERE year({_name(column.name)}) = {year}"
        for table in links.tables
        for column in table.columns
        for year in links.years
        if column.is_temporal and str(column.minimum)[:4] <= year <= str(column.maximum)[:4]
    ]
    return "\n".join([text, *notes])


def _described(table: Table) -> str:
    lines = [f"  {_name(column.name)} {column.type}, -- {_look(column)}".rstrip(" -") for column in table.columns]
    return "\n".join([f"CREATE TABLE {table.name} ( -- {table.rows} rows", *lines, ");"])


def _name(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z_]\w*", name) else f'"{name}"'


def _look(column: Column) -> str:
    if column.minimum is not None:
        return f"{column.minimum} to {column.maximum}"
    if column.distinct and len(column.distinct) <= _ALL:
        return f"one of {', '.join(_literal(value) for value in column.distinct)}"
    return f"such as {', '.join(_literal(value) for value in column.examples)}" if column.examples else "always NULL"


def _literal(value: Value) -> str:
    return f"'{value}'" if isinstance(value, str) else str(value)


def _values(tokens: Sequence[str], workspace: Workspace) -> Iterator[tuple[str, str, str]]:
    known = {
        (table, column): {value.lower(): value for value in reversed(values)}
        for (table, column), values in workspace.values.items()
    }
    named = {_stem(part) for table in workspace.tables for part in _subwords(table.name)}
    taken = {place for place, token in enumerate(tokens) if _stem(token.lower()) in named}
    for length in range(_PHRASE, 0, -1):
        for start in range(len(tokens) - length + 1):
            span = range(start, start + length)
            phrase = " ".join(tokens[start : start + length])
            if taken & set(span) or phrase.lower() in _SMALL_WORDS:
                continue
            for (table, column), lowered in known.items():
                few = len(lowered) <= FEW
                value = lowered.get(phrase.lower()) or (lowered.get(_stem(phrase.lower())) if few else None)
                if value and (value == phrase or (few and len(phrase) > _CODE) or length > 1):
                    taken |= set(span)
                    yield table, column, value


def _table_score(table: Table, words: Sequence[str], values: Sequence[tuple[str, str, str]]) -> float:
    parts = _subwords(table.name)
    named = sum(1.5 * max(_alike(word, part) for part in parts) for word in words)
    columns = [(column, _column_score(column.name, words)) for column in table.columns]
    meant = sum(max((score for column, score in columns if _means(word, column.name)), default=0.0) for word in words)
    return named + meant + len({value for name, _, value in values if name == table.name})


def _link(
    word: str, words: Sequence[str], tables: Sequence[Table], values: Sequence[tuple[str, str, str]]
) -> Link | None:
    if any(_alike(word, part) for table in tables for part in _subwords(table.name)):
        return None
    scored = {
        (table.name, column.name): _column_score(column.name, words)
        for table in tables
        for column in table.columns
        if not column.is_temporal and _means(word, column.name)
    }
    best = max(scored.values(), default=0.0)
    chosen = [key for key, score in scored.items() if score == best]
    names = {table.name for table in tables}
    chosen += [(table, column) for table, column, value in values if word in value.lower().split() and table in names]
    return Link(word=word, columns=tuple(dict.fromkeys(chosen))) if chosen else None


def _column_score(name: str, words: Sequence[str]) -> float:
    parts = _subwords(name)
    matched = [max((_alike(word, part) for word in words), default=0.0) for part in parts]
    if _initials(name) in words:
        return float(len(parts))
    return sum(matched) * sum(1 for match in matched if match) / len(parts)


def _means(word: str, column: str) -> bool:
    return word == _initials(column) or any(_alike(word, part) for part in _subwords(column))


def _initials(name: str) -> str:
    parts = re.findall(r"[a-z]+", name.lower())
    return "".join(part[0] for part in parts) if len(parts) >= _CODE else ""


@cache
def _alike(word: str, part: str) -> float:
    if part in _NOUNS.get(word, ()):
        return 0.9
    first, second = _stem(word), _stem(part)
    if first == second:
        return 1.0
    short, long = sorted((first, second), key=len)
    return 0.8 if len(short) >= _STEM and long.startswith(short) else 0.0


def _stem(word: str) -> str:
    word = re.sub(r"([bdfgmnprt])\1y$", r"\1", word)
    for ending, instead in (("iest", "y"), ("ies", "y"), ("ing", ""), ("est", ""), ("ed", ""), ("es", ""), ("s", "")):
        if word.endswith(ending) and len(word) - len(ending) >= _STEM - 1 and not word.endswith("ss"):
            return (word[: -len(ending)] + instead).rstrip("e")
    return word.rstrip("e") if len(word) > _STEM else word


@cache
def _subwords(name: str) -> tuple[str, ...]:
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name)
    parts = [part.lower() for part in re.findall(r"[A-Za-z]+|\d+", spaced)]
    return (
        tuple(part for part in parts if part not in _SMALL_WORDS or part in {"max", "min"}) or tuple(parts) or (name,)
    )


def _slice(table: Table, words: Sequence[str], links: Sequence[Link], values: Sequence[tuple[str, str, str]]) -> Table:
    if len(table.columns) <= _COLUMNS + 2:
        return table
    linked = {column for item in links for name, column in item.columns if name == table.name}
    linked |= {column for name, column, _ in values if name == table.name}

    def worth(column: Column) -> float:
        kind = 3.0 if column.is_temporal else 1.0 if column.distinct else 0.0
        return kind + _column_score(column.name, words) + (5.0 if column.name in linked else 0.0)

    ranked = sorted(table.columns, key=worth, reverse=True)[:_COLUMNS]
    kept = [column for place, column in enumerate(ranked) if place < _LEAST or worth(column)]
    return Table(
        name=table.name,
        source=table.source,
        rows=table.rows,
        columns=tuple(column for column in table.columns if column in kept),
    )
