"""A folder of data that can be queried and not harmed."""

from __future__ import annotations

import asyncio
import re
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import duckdb

from motet.errors import InvalidWorkspace, ToolFailed
from motet.tools.loading import Skipped, first_line, load
from motet.tools.schema import Table, profile, quoted
from motet.tools.values import Value, plain

ROW_LIMIT = 200
"""Rows a query returns unless told otherwise."""

TIME_LIMIT_S = 20.0
"""Seconds a query may take unless told otherwise."""

_MEMORY = "512MB"
_THREADS = 2
_ERROR_LINES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryResult:
    """The rows of one query, as JSON values."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Value, ...], ...]
    """In the order of the query; at most the row limit."""
    truncated: bool
    """Whether there were more rows than the limit."""
    elapsed_s: float


class Workspace:
    """The tables of a folder, for reading only.

    Opening copies the folder's data into a private database file in the system's temporary folder and reopens it
    read-only with everything locked: no file, network, extension or setting can be reached from a query. Copying
    costs disk and time in the size of the data, once; views over the files would cost neither, but would need the
    folder readable to every query, re-read JSON and CSV each time, and change under a run's feet. The folder itself
    is never written to. Data larger than memory works: DuckDB pages from the private file.
    """

    def __init__(
        self,
        folder: Path,
        *,
        connection: duckdb.DuckDBPyConnection,
        private: tempfile.TemporaryDirectory[str],
        tables: tuple[Table, ...],
        skipped: tuple[Skipped, ...],
        values: Mapping[tuple[str, str], tuple[str, ...]],
    ) -> None:
        self.folder = folder
        self.tables = tables
        """Sorted by name."""
        self.skipped = skipped
        """Files of a known kind that couldn't be used, with the reason."""
        self.values = values
        """Distinct texts by (table, column), for columns that have at most schema.FINDABLE."""
        self._connection = connection
        self._private = private

    @classmethod
    async def open(cls, folder: Path, *, may_be_empty: bool = False) -> Self:
        """Load the data of `folder`; close it with `close` or by `async with`.

        Raises:
            InvalidWorkspace: the folder doesn't exist, or nothing in it can be queried, unless it `may_be_empty`;
                says which files failed.
        """
        return await asyncio.to_thread(cls._open, folder, may_be_empty)

    @classmethod
    def _open(cls, folder: Path, may_be_empty: bool) -> Self:  # noqa: FBT001 - handed on from a keyword
        if not folder.is_dir():
            raise InvalidWorkspace(str(folder), "it is not a folder")
        private = tempfile.TemporaryDirectory(prefix="motet-workspace-")
        try:
            return cls._fill(folder, private, may_be_empty)
        except BaseException:
            private.cleanup()
            raise

    @classmethod
    def _fill(cls, folder: Path, private: tempfile.TemporaryDirectory[str], may_be_empty: bool) -> Self:  # noqa: FBT001 - as above
        file = str(Path(private.name) / "workspace.duckdb")
        with duckdb.connect(file, config=_settings(private.name)) as writer:
            loaded, skipped = load(writer, folder)
            profiles: list[tuple[Table, dict[str, tuple[str, ...]]]] = []
            for item in loaded:
                try:
                    profiles.append(profile(writer, item.table, item.source))
                except (duckdb.Error, ValueError, OverflowError) as error:  # a value that Python can't hold
                    writer.execute(f"DROP TABLE {quoted(item.table)}")
                    zoned = "pytz" in str(error)  # DuckDB's reason is a package that nobody needs to know of
                    reason = "a list or record in it holds times with a zone" if zoned else first_line(error, folder)
                    skipped.append(Skipped(source=item.source, reason=reason))
        tables = sorted((table for table, _ in profiles if table.columns), key=lambda table: table.name)
        if not tables and not may_be_empty:
            failed = "; ".join(f"{item.source}: {item.reason}" for item in skipped)
            raise InvalidWorkspace(
                str(folder), failed or "it holds no data (CSV, TSV, Parquet, JSON, JSON lines or SQLite)"
            )
        values = {(table.name, column): texts for table, found in profiles for column, texts in found.items()}
        reader = duckdb.connect(file, read_only=True, config=_settings(private.name))
        reader.execute("SET enable_external_access = false")
        reader.execute("SET lock_configuration = true")
        return cls(
            folder, connection=reader, private=private, tables=tuple(tables), skipped=tuple(skipped), values=values
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Forget the data and remove the private copy; queries still running are ended first."""
        await asyncio.to_thread(self._close)

    def _close(self) -> None:
        self._connection.interrupt()
        self._connection.close()
        self._private.cleanup()

    def table(self, name: str) -> Table | None:
        """The table of that name; DuckDB's names have no case."""
        return next((table for table in self.tables if table.name == name.lower()), None)

    async def query(self, sql: str, *, row_limit: int = ROW_LIMIT, time_limit_s: float = TIME_LIMIT_S) -> QueryResult:
        """Run one SELECT.

        Raises:
            ToolFailed: it is no single SELECT, DuckDB refuses it, or it takes longer than `time_limit_s` seconds.
        """
        return await self._on_cursor(sql, row_limit=row_limit, time_limit_s=time_limit_s)

    async def explain(self, sql: str) -> str:
        """DuckDB's plan of one SELECT, without running it.

        Raises:
            ToolFailed: as `query`; a wrong name or type is found here already.
        """
        plan = await self._on_cursor(sql, row_limit=1, time_limit_s=TIME_LIMIT_S, prefix="EXPLAIN ")
        return str(plan.rows[0][-1])

    async def _on_cursor(self, sql: str, *, row_limit: int, time_limit_s: float, prefix: str = "") -> QueryResult:
        cursor = self._connection.cursor()
        work = asyncio.create_task(asyncio.to_thread(self._run, cursor, sql, prefix, row_limit))
        try:
            done, _ = await asyncio.wait({work}, timeout=time_limit_s)
            if done:
                return await work
            raise ToolFailed(f"the query took longer than {time_limit_s:g} seconds and was stopped; ask for less")
        finally:
            if not work.done():
                cursor.interrupt()
                await asyncio.wait({work})
                work.exception()
            cursor.close()

    def _run(self, cursor: duckdb.DuckDBPyConnection, sql: str, prefix: str, row_limit: int) -> QueryResult:
        started = time.perf_counter()
        try:
            statements = cursor.extract_statements(sql)
            if len(statements) != 1 or statements[0].type is not duckdb.StatementType.SELECT:
                raise ToolFailed("only one SELECT statement can be run")
            cursor.execute(prefix + statements[0].query)
            found = cursor.fetchmany(row_limit + 1)
            names = tuple(str(column[0]) for column in cursor.description or ())
        except duckdb.Error as error:
            raise ToolFailed(self._said(error)) from error
        return QueryResult(
            columns=names,
            rows=tuple(tuple(plain(value) for value in row) for row in found[:row_limit]),
            truncated=len(found) > row_limit,
            elapsed_s=time.perf_counter() - started,
        )

    def _said(self, error: duckdb.Error) -> str:
        lines = [line for line in str(error).splitlines() if line.strip()][:_ERROR_LINES]
        return re.sub(r"(?<![\w'])/(?:[^\s/'\"]+/)+[^\s'\"]*", "…", "\n".join(lines))


def _settings(folder: str) -> dict[str, str | bool | int | float | list[str]]:
    return {
        "threads": _THREADS,
        "memory_limit": _MEMORY,
        "temp_directory": f"{folder}/spill",
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "python_enable_replacements": False,
    }
