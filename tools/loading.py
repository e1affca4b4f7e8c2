"""Files of data become tables of a database: CSV, Parquet, JSON and SQLite."""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import duckdb

from motet.tools.schema import quoted

_READERS = {
    ".csv": "read_csv(?)",
    ".tsv": "read_csv(?, delim='\t')",
    ".parquet": "read_parquet(?)",
    ".json": "read_json_auto(?)",
    ".jsonl": "read_json_auto(?, format='newline_delimited')",
    ".ndjson": "read_json_auto(?, format='newline_delimited')",
}
_SQLITE = frozenset({".db", ".sqlite", ".sqlite3"})
_IGNORED = "reports"
_BATCH = 5_000
_DATE_FORMATS = ("%b %d %Y", "%b %d, %Y", "%B %d %Y", "%B %d, %Y", "%d %b %Y", "%d %B %Y")
"""Dates with a month's name, which DuckDB's sniffer leaves as text; none of them is ambiguous."""
_SQLITE_TYPES = {"INT": "BIGINT", "CHAR": "VARCHAR", "CLOB": "VARCHAR", "TEXT": "VARCHAR", "REAL": "DOUBLE"} | {
    "FLOA": "DOUBLE", "DOUB": "DOUBLE", "BLOB": "BLOB",
}  # fmt: skip
"""SQLite's own rule of type affinity: the first name found in the declared type decides."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """A table that was made, and from what."""

    table: str
    source: str
    """The file, relative to the workspace; a SQLite table is named after a `#`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    """A file of a known kind that couldn't be used."""

    source: str
    reason: str


def load(connection: duckdb.DuckDBPyConnection, folder: Path) -> tuple[list[Loaded], list[Skipped]]:
    """Make one table of every file (of every table in a SQLite file) under `folder`; blocks.

    Hidden files and `reports/` are left out, and so are links that lead out of `folder` (these are named as skipped).
    """
    loaded: list[Loaded] = []
    skipped: list[Skipped] = []
    for path in _files(folder):
        source = path.relative_to(folder).as_posix()
        if reason := _unfit(path, folder):
            skipped.append(Skipped(source=source, reason=reason))
            continue
        try:
            names = [item.table for item in loaded]
            loaded += (
                _sqlite(connection, path, source, names)
                if path.suffix.lower() in _SQLITE
                else [_file(connection, path, source, names)]
            )
        except (duckdb.Error, sqlite3.Error, OSError, UnicodeDecodeError) as error:
            skipped.append(Skipped(source=source, reason=first_line(error, folder)))
    return loaded, skipped


def _files(folder: Path) -> Iterator[Path]:
    for root, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name != _IGNORED)
        for name in sorted(files):
            suffix = Path(name).suffix.lower()
            if not name.startswith(".") and (suffix in _READERS or suffix in _SQLITE):
                yield Path(root) / name


def _unfit(path: Path, folder: Path) -> str:
    try:
        if not path.resolve().is_relative_to(folder.resolve()):
            return "it is a link that leads out of the workspace"
        return "" if path.stat().st_size else "it is empty"
    except (OSError, RuntimeError) as error:  # a link to nothing, or to itself
        return f"it can't be read ({getattr(error, 'strerror', None) or 'a link that leads nowhere'})"


def _file(connection: duckdb.DuckDBPyConnection, path: Path, source: str, taken: Sequence[str]) -> Loaded:
    table = table_name(path.stem, taken)
    pattern = re.sub(r"([*?\[])", r"[\1]", str(path))
    reader = _READERS[path.suffix.lower()]
    try:
        connection.execute(f"CREATE OR REPLACE TABLE {quoted(table)} AS SELECT * FROM {reader}", [pattern])  # noqa: S608 - quoted
    except duckdb.InvalidInputException as error:
        if not reader.startswith("read_csv") or "unicode" not in str(error).lower():
            raise
        # Not UTF-8: what older programs write is almost always Latin-1, in which any bytes can be read.
        reader = f"{reader[:-1]}, encoding='latin-1')"
        connection.execute(f"CREATE OR REPLACE TABLE {quoted(table)} AS SELECT * FROM {reader}", [pattern])  # noqa: S608 - quoted
    _settle_dates(connection, table)
    _settle_zones(connection, table)
    return Loaded(table=table, source=source)


def _settle_dates(connection: duckdb.DuckDBPyConnection, table: str) -> None:
    for name, kind, *_ in connection.execute(f"DESCRIBE {quoted(table)}").fetchall():
        for pattern in _DATE_FORMATS if kind == "VARCHAR" else ():
            column, target = quoted(name), quoted(table)
            misfit = connection.execute(
                f"SELECT count({column}), count(*) FILTER ({column} IS NOT NULL "  # noqa: S608 - quoted
                f"AND try_strptime({column}, ?) IS NULL) FROM {target}",
                [pattern],
            ).fetchone()
            if misfit and misfit[0] and not misfit[1]:
                connection.execute(
                    f"ALTER TABLE {target} ALTER {column} TYPE DATE USING strptime({column}, '{pattern}')::DATE"
                )
                break


def _settle_zones(connection: duckdb.DuckDBPyConnection, table: str) -> None:
    """Times with a zone become times in UTC: DuckDB needs another package to hand the former to Python."""
    for name, kind, *_ in connection.execute(f"DESCRIBE {quoted(table)}").fetchall():
        if kind == "TIMESTAMP WITH TIME ZONE":
            column = quoted(name)
            connection.execute(
                f"ALTER TABLE {quoted(table)} ALTER {column} TYPE TIMESTAMP USING make_timestamp(epoch_us({column}))"
            )


def _sqlite(connection: duckdb.DuckDBPyConnection, path: Path, source: str, taken: Sequence[str]) -> list[Loaded]:
    """Load each table of a SQLite file; one with a write-ahead log is read from a copy, as reading it would write."""
    found: list[Loaded] = []
    with tempfile.TemporaryDirectory(prefix="motet-sqlite-") as private:
        readable, log = path.resolve(), path.with_name(f"{path.name}-wal")
        if log.exists():
            readable = Path(shutil.copy(path, private))
            shutil.copy(log, private)
        how = "mode=rw" if log.exists() else "mode=ro&immutable=1"
        with closing(sqlite3.connect(f"{readable.as_uri()}?{how}", uri=True)) as database:
            tables = database.execute(
                "SELECT name FROM sqlite_master WHERE type = 'table' AND substr(name, 1, 7) <> 'sqlite_' ORDER BY name"
            ).fetchall()
            for (name,) in tables:
                table = table_name(name, [*taken, *(item.table for item in found)])
                _copy(database, name, connection, table)
                found.append(Loaded(table=table, source=f"{source}#{name}"))
    return found


def _copy(database: sqlite3.Connection, name: str, connection: duckdb.DuckDBPyConnection, table: str) -> None:
    described = database.execute(f"PRAGMA table_info({quoted(name)})").fetchall()
    columns = {str(column): _type(str(declared)) for _, column, declared, *_ in described}
    try:
        _fill(database, name, connection, table, columns)
    except duckdb.ConversionException:  # SQLite keeps any value in any column: a text, then, holds them all
        texts = {column: "BLOB" if kind == "BLOB" else "VARCHAR" for column, kind in columns.items()}
        _fill(database, name, connection, table, texts)


def _fill(
    database: sqlite3.Connection,
    name: str,
    connection: duckdb.DuckDBPyConnection,
    table: str,
    columns: Mapping[str, str],
) -> None:
    declared = ", ".join(f"{quoted(column)} {kind}" for column, kind in columns.items())
    connection.execute(f"CREATE OR REPLACE TABLE {quoted(table)} ({declared})")
    lists = ", ".join(f"unnest(?::{kind}[])" for kind in columns.values())
    cursor = database.execute(f"SELECT * FROM {quoted(name)}")  # noqa: S608 - quoted
    while rows := cursor.fetchmany(_BATCH):
        values = [list(column) for column in zip(*rows, strict=True)]
        connection.execute(f"INSERT INTO {quoted(table)} SELECT {lists}", values)


def _type(declared: str) -> str:
    if declared.upper() in {"DATE", "TIMESTAMP", "DATETIME", "BOOLEAN"}:
        return declared.upper()
    return next((ours for theirs, ours in _SQLITE_TYPES.items() if theirs in declared.upper()), "VARCHAR")


def table_name(stem: str, taken: Sequence[str]) -> str:
    """A plain, lower-case name of letters, digits and underscores that isn't in `taken`."""
    plain = re.sub(r"\W+", "_", stem.lower(), flags=re.ASCII).strip("_") or "data"
    name = f"t_{plain}" if plain[0].isdigit() else plain
    numbered = (f"{name}_{count}" for count in range(2, len(taken) + 3))
    return name if name not in taken else next(candidate for candidate in numbered if candidate not in taken)


def first_line(error: Exception, folder: Path) -> str:
    """What is wrong with a file, as a line without the folder's own path."""
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0].replace(f"{folder}/", "")
