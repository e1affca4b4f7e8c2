"""What a workspace holds: tables, their columns, and enough about the values to write a query that fits them."""

from __future__ import annotations

from dataclasses import dataclass

import duckdb

from motet.tools.values import Value, plain

EXAMPLES = 3
"""Example values kept a column."""

FEW = 64
"""A text column with at most so many distinct values is described by all of them."""

FINDABLE = 5_000
"""A text column with at most so many distinct values can be found by its values."""

_SHORT = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column and what its values look like."""

    name: str
    type: str
    """DuckDB's name of the type, such as DOUBLE or DATE."""
    examples: tuple[Value, ...]
    """Up to three distinct values, long texts shortened."""
    minimum: Value
    """Smallest value of a number, date or time column; None for others or if all is null."""
    maximum: Value
    distinct: tuple[str, ...]
    """All values of a text column that has few (see FEW), sorted; empty for others."""

    @property
    def is_temporal(self) -> bool:
        """Whether it holds dates or timestamps."""
        return self.type == "DATE" or self.type.startswith("TIMESTAMP")

    @property
    def is_number(self) -> bool:
        """Whether it holds numbers."""
        return self.type in _NUMBERS or self.type.startswith("DECIMAL")


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table and where it came from."""

    name: str
    source: str
    """The file, relative to the workspace; a SQLite table is named after a `#`."""
    rows: int
    columns: tuple[Column, ...]

    def column(self, name: str) -> Column | None:
        """The column of that name; DuckDB's names have no case."""
        return next((column for column in self.columns if column.name.lower() == name.lower()), None)


_NUMBERS = frozenset({
    "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT",
    "FLOAT", "DOUBLE",
})  # fmt: skip


def quoted(name: str) -> str:
    """A SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def profile(connection: duckdb.DuckDBPyConnection, name: str, source: str) -> tuple[Table, dict[str, tuple[str, ...]]]:
    """Describe a table, and the values by which its text columns can be found (see FINDABLE). Blocks."""
    described = connection.execute(f"DESCRIBE {quoted(name)}").fetchall()
    counted = connection.execute(f"SELECT count(*) FROM {quoted(name)}").fetchone()  # noqa: S608 - quoted
    texts = {
        column: values
        for column, kind, *_ in described
        if kind == "VARCHAR" and (values := _texts(connection, name, column))
    }
    columns = tuple(_column(connection, name, column, kind, texts.get(column, ())) for column, kind, *_ in described)
    return Table(name=name, source=source, rows=int(counted[0]) if counted else 0, columns=columns), texts


def _column(connection: duckdb.DuckDBPyConnection, table: str, name: str, kind: str, texts: tuple[str, ...]) -> Column:
    source, column = quoted(table), quoted(name)
    seen = connection.execute(
        f"SELECT {column} FROM {source} WHERE {column} IS NOT NULL "  # noqa: S608 - quoted
        f"GROUP BY {column} ORDER BY count(*) DESC, {column} LIMIT {EXAMPLES}"
    ).fetchall()
    bare = Column(name=name, type=kind, examples=(), minimum=None, maximum=None, distinct=())
    low, high = None, None
    if bare.is_number or bare.is_temporal:
        ends = connection.execute(f"SELECT min({column}), max({column}) FROM {source}").fetchone()  # noqa: S608 - quoted
        low, high = (plain(ends[0]), plain(ends[1])) if ends else (None, None)
    return Column(
        name=name,
        type=kind,
        examples=tuple(_short(plain(value)) for (value,) in seen),
        minimum=low,
        maximum=high,
        distinct=texts if len(texts) <= FEW else (),
    )


def _texts(connection: duckdb.DuckDBPyConnection, table: str, name: str) -> tuple[str, ...]:
    rows = connection.execute(
        f"SELECT DISTINCT {quoted(name)} FROM {quoted(table)} "  # noqa: S608 - quoted
        f"WHERE {quoted(name)} IS NOT NULL ORDER BY 1 LIMIT {FINDABLE + 1}"
    ).fetchall()
    return tuple(str(value) for (value,) in rows) if len(rows) <= FINDABLE else ()


def _short(value: Value) -> Value:
    return f"{value[:_SHORT]}…" if isinstance(value, str) and len(value) > _SHORT else value
