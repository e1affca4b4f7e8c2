"""A workspace reads every kind of data, changes nothing, and can't be made to reach anything else."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import math
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from motet.errors import InvalidWorkspace, ToolFailed
from motet.tools.loading import table_name
from motet.tools.values import plain
from motet.tools.workspace import Workspace

CSV = "name,born,height\nAda,1815-12-10,1.65\nGrace,1906-12-09,1.68\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with one file of each kind."""
    data = tmp_path / "data"
    data.mkdir()
    (data / "people.csv").write_text(CSV)
    (data / "lines.jsonl").write_text('{"a": 1, "b": "x"}\n{"a": 2, "b": "y"}\n')
    (data / "array.json").write_text(json.dumps([{"k": 1}, {"k": 2}, {"k": 3}]))
    with duckdb.connect() as maker:
        maker.execute(f"COPY (SELECT range AS n FROM range(5)) TO '{data / 'numbers.parquet'}'")  # noqa: S608 - our own path
    with closing(sqlite3.connect(data / "shop.db")) as database:
        database.execute("CREATE TABLE items (id INTEGER, price REAL, sold DATE)")
        database.execute("CREATE TABLE people (id INTEGER)")
        database.execute("INSERT INTO items VALUES (1, 2.5, '2020-01-02')")
        database.commit()
    return data


@pytest.fixture
async def workspace(folder: Path) -> AsyncIterator[Workspace]:
    """An open workspace over that folder."""
    async with await Workspace.open(folder) as opened:
        yield opened


def _contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


async def test_every_kind_of_file_becomes_a_table(workspace: Workspace) -> None:
    """CSV, JSON lines, JSON arrays, Parquet and each table of a SQLite file can be queried under plain unique names."""
    assert {table.name: (table.source, table.rows) for table in workspace.tables} == {
        "array": ("array.json", 3),
        "items": ("shop.db#items", 1),
        "lines": ("lines.jsonl", 2),
        "numbers": ("numbers.parquet", 5),
        "people": ("people.csv", 2),
        "people_2": ("shop.db#people", 0),
    }


async def test_opening_changes_nothing_in_the_folder(folder: Path) -> None:
    """The folder has the same files with the same bytes after opening, querying and closing."""
    before = _contents(folder)

    async with await Workspace.open(folder) as opened:
        await opened.query("SELECT * FROM people")

    assert _contents(folder) == before


async def test_columns_are_described_by_their_values(workspace: Workspace) -> None:
    """A column knows its type, examples, range, and all its values if it is a text with few."""
    people = workspace.table("PEOPLE")
    assert people is not None
    name, born, height = people.columns
    assert (name.type, name.distinct, name.minimum) == ("VARCHAR", ("Ada", "Grace"), None)
    assert (born.type, born.minimum, born.maximum) == ("DATE", "1815-12-10", "1906-12-09")
    assert set(height.examples) == {1.65, 1.68}


async def test_dates_with_a_months_name_become_dates(tmp_path: Path) -> None:
    """A column of texts such as `Jan 1 2000` is a DATE column."""
    (tmp_path / "prices.csv").write_text("day,price\nJan 1 2000,1\nFeb 29 2000,2\n")
    async with await Workspace.open(tmp_path) as opened:
        assert (await opened.query("SELECT max(day) FROM prices")).rows == (("2000-02-29",),)


async def test_sqlites_loose_values_and_open_log_are_kept(tmp_path: Path) -> None:
    """A number column that holds a text becomes text; what another process hasn't checkpointed yet is seen."""
    with closing(sqlite3.connect(tmp_path / "live.db")) as database:
        database.execute("PRAGMA journal_mode = wal")
        database.execute("CREATE TABLE loose (n INTEGER)")
        database.executemany("INSERT INTO loose VALUES (?)", [(1,), ("many",), (None,)])
        database.commit()
        before = _contents(tmp_path)
        async with await Workspace.open(tmp_path) as opened:
            assert (await opened.query("SELECT n FROM loose")).rows == (("1",), ("many",), (None,))
        assert _contents(tmp_path) == before


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM read_text('{outside}')",
        "SELECT * FROM '{outside}'",
        "COPY people TO '{outside}.copy'",
        "ATTACH '{outside}'",
        "INSTALL httpfs",
        "SET memory_limit = '8GB'",
        "CREATE TABLE x AS SELECT 1",
        "DELETE FROM people",
        "WITH gone AS (DELETE FROM people RETURNING *) SELECT * FROM gone",
        "SELECT 1; DROP TABLE people",
        "PRAGMA database_list",
        "CALL pragma_version()",
        "",
    ],
)
async def test_a_query_reaches_nothing_but_the_tables(workspace: Workspace, tmp_path: Path, sql: str) -> None:
    """Files, other databases, extensions, settings and writes are refused, and the data is as before."""
    outside = tmp_path / "secret.csv"
    outside.write_text("secret\n42\n")

    with pytest.raises(ToolFailed) as refused:
        await workspace.query(sql.format(outside=outside))

    assert str(tmp_path) not in str(refused.value)
    assert (await workspace.query("SELECT count(*) FROM people")).rows == ((2,),)
    assert set(_contents(tmp_path)) == {"secret.csv"}


async def test_a_slow_query_is_stopped(workspace: Workspace) -> None:
    """A query over its time limit ends with an error, and the next one runs."""
    endless = "SELECT sum(a.range * b.range) FROM range(10000000) a, range(10000000) b"
    with pytest.raises(ToolFailed, match="took longer than"):
        await workspace.query(endless, time_limit_s=0.2)
    assert (await workspace.query("SELECT 1")).rows == ((1,),)


async def test_a_cancelled_query_is_stopped(workspace: Workspace) -> None:
    """Cancelling the caller interrupts the database too: closing doesn't wait for an endless query."""
    endless = "SELECT sum(a.range * b.range) FROM range(10000000) a, range(10000000) b"
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(workspace.query(endless), 0.2)
    assert (await workspace.query("SELECT 1")).rows == ((1,),)


async def test_rows_over_the_limit_are_cut_and_said(workspace: Workspace) -> None:
    """A result has at most the limit's rows and says whether there were more."""
    cut = await workspace.query("SELECT n FROM numbers ORDER BY n", row_limit=3)
    whole = await workspace.query("SELECT n FROM numbers ORDER BY n", row_limit=5)
    assert (cut.rows, cut.truncated) == (((0,), (1,), (2,)), True)
    assert (len(whole.rows), whole.truncated) == (5, False)


async def test_queries_run_at_the_same_time(workspace: Workspace) -> None:
    """Each query has its own cursor: concurrent ones don't see each other's rows."""
    found = await asyncio.gather(*(workspace.query(f"SELECT {number}") for number in range(20)))
    assert [result.rows[0][0] for result in found] == list(range(20))


async def test_older_encodings_are_read(tmp_path: Path) -> None:
    """A CSV file that isn't UTF-8 is read as Latin-1, which is what such files almost always are."""
    (tmp_path / "menu.csv").write_bytes("id,name\n1,éclair\n2,café\n".encode("latin-1"))

    async with await Workspace.open(tmp_path) as opened:
        found = await opened.query("SELECT name FROM menu ORDER BY id")

    assert found.rows == (("éclair",), ("café",))


async def test_an_empty_file_is_no_table(tmp_path: Path) -> None:
    """A file of no bytes is named and left out: a table without columns would only mislead."""
    (tmp_path / "nothing.csv").touch()
    (tmp_path / "some.csv").write_text("a\n1\n")

    async with await Workspace.open(tmp_path) as opened:
        assert [table.name for table in opened.tables] == ["some"]
        assert [(one.source, one.reason) for one in opened.skipped] == [("nothing.csv", "it is empty")]


async def test_links_that_lead_nowhere_are_named(tmp_path: Path) -> None:
    """A link to itself and one to nothing are skipped with a reason; the rest is loaded."""
    (tmp_path / "itself.csv").symlink_to("itself.csv")
    (tmp_path / "lost.db").symlink_to("gone.db")
    (tmp_path / "some.csv").write_text("a\n1\n")

    async with await Workspace.open(tmp_path) as opened:
        assert [table.name for table in opened.tables] == ["some"]
        assert {one.source for one in opened.skipped} == {"itself.csv", "lost.db"}
        assert all("can't be read" in one.reason for one in opened.skipped)


async def test_times_with_a_zone_are_times_in_utc(tmp_path: Path) -> None:
    """An ISO time with an offset can be loaded and asked for, without a package of time zones."""
    (tmp_path / "log.csv").write_text("moment,what\n2026-01-01T10:00:00+02:00,on\n2026-01-01T12:30:00Z,off\n")

    async with await Workspace.open(tmp_path) as opened:
        found = await opened.query("SELECT moment FROM log ORDER BY moment")
        assert opened.skipped == ()
        assert [str(row[0]).replace("T", " ") for row in found.rows] == ["2026-01-01 08:00:00", "2026-01-01 12:30:00"]


async def test_a_table_that_python_can_not_hold_is_named(tmp_path: Path) -> None:
    """A value that can't be handed over costs its table, not the workspace."""
    with duckdb.connect() as connection:
        made = "COPY (SELECT [TIMESTAMPTZ '2026-01-01 10:00:00+00'] AS times) TO ? (FORMAT parquet)"
        connection.execute(made, [str(tmp_path / "odd.parquet")])
    (tmp_path / "some.csv").write_text("a\n1\n")

    async with await Workspace.open(tmp_path) as opened:
        assert [table.name for table in opened.tables] == ["some"]
        assert [(one.source, "zone" in one.reason) for one in opened.skipped] == [("odd.parquet", True)]
        with pytest.raises(ToolFailed):
            await opened.query("SELECT * FROM odd")


async def test_files_that_dont_fit_are_named(folder: Path, tmp_path: Path) -> None:
    """A broken file and a link out of the folder are skipped with a reason; hidden files and reports are ignored."""
    (folder / "broken.parquet").write_bytes(b"nothing")
    (folder / ".hidden.csv").write_text(CSV)
    (folder / "reports").mkdir()
    (folder / "reports" / "old.csv").write_text(CSV)
    (tmp_path / "outside.csv").write_text(CSV)
    (folder / "link.csv").symlink_to(tmp_path / "outside.csv")

    async with await Workspace.open(folder) as opened:
        assert [item.source for item in opened.skipped] == ["broken.parquet", "link.csv"]
        assert "leads out" in opened.skipped[1].reason
        assert not {"hidden", "old", "link", "outside"} & {table.name for table in opened.tables}


@pytest.mark.parametrize(("name", "said"), [("notes.txt", "no data"), ("broken.parquet", "broken.parquet: ")])
async def test_a_folder_without_data_is_refused(tmp_path: Path, name: str, said: str) -> None:
    """Nothing usable is an error that names the folder and what failed."""
    (tmp_path / name).write_text("x")
    with pytest.raises(InvalidWorkspace, match=said):
        await Workspace.open(tmp_path)


async def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    """A path that is no folder is an error."""
    with pytest.raises(InvalidWorkspace, match="not a folder"):
        await Workspace.open(tmp_path / "missing")


async def test_an_error_says_what_duckdb_said(workspace: Workspace) -> None:
    """A wrong name comes back with DuckDB's own suggestion, by query and by explain."""
    with pytest.raises(ToolFailed, match="height"):
        await workspace.query("SELECT heigth FROM people")
    with pytest.raises(ToolFailed, match="height"):
        await workspace.explain("SELECT heigth FROM people")
    assert "people" in await workspace.explain("SELECT * FROM people")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (dt.date(2020, 1, 2), "2020-01-02"),
        (dt.datetime(2020, 1, 2, 3, 4, tzinfo=dt.UTC), "2020-01-02T03:04:00+00:00"),
        (Decimal("3.00"), 3),
        (Decimal("0.5"), 0.5),
        (2**63 - 1, 2**63 - 1),
        (2**63, "9223372036854775808"),
        (Decimal(2**63), "9223372036854775808"),
        (Decimal("0.12345678901234567890"), "0.12345678901234567890"),
        (math.nan, None),
        (math.inf, None),
        (b"abc", "<3 bytes>"),
        ({"a": [Decimal(1)]}, {"a": [1]}),
    ],
)
def test_values_are_json(value: object, expected: object) -> None:
    """Every value becomes JSON without a silent loss."""
    assert plain(value) == expected
    json.dumps(plain(value))


@pytest.mark.parametrize(
    ("stem", "taken", "expected"),
    [("US Jobs-2020", [], "us_jobs_2020"), ("2020", [], "t_2020"), ("ä", [], "data"), ("a", ["a", "a_2"], "a_3")],
)
def test_table_names_are_plain_and_unique(stem: str, taken: list[str], expected: str) -> None:
    """A table's name is made of letters, digits and underscores and is taken once."""
    assert table_name(stem, taken) == expected
