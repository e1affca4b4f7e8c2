"""What is known to be wrong with a query before it runs."""

from __future__ import annotations

import re

import pytest

from motet.tools.schema import Column, Table
from motet.tools.sql_check import check, columns_used, corrected, has_loose_join, tables_used


def _column(name: str, kind: str, *, ends: tuple[str, str] | None = None, distinct: tuple[str, ...] = ()) -> Column:
    low, high = ends or (None, None)
    return Column(name=name, type=kind, examples=distinct[:3], minimum=low, maximum=high, distinct=distinct)


CARS = Table(
    name="cars",
    source="cars.json",
    rows=406,
    columns=(
        _column("Name", "VARCHAR"),
        _column("Weight_in_lbs", "BIGINT"),
        _column("Year", "DATE", ends=("1970-01-01", "1982-01-01")),
        _column("Origin", "VARCHAR", distinct=("Europe", "Japan", "USA")),
        _column("State", "VARCHAR", distinct=("CA", "CO", "NY", "TX")),
    ),
)
STOCKS = Table(
    name="stocks",
    source="stocks.csv",
    rows=560,
    columns=(_column("symbol", "VARCHAR"), _column("date", "DATE"), _column("price", "DOUBLE")),
)
TABLES = (CARS, STOCKS)
VALUES = {("cars", "Origin"): ("Europe", "Japan", "USA"), ("cars", "State"): ("CA", "CO", "NY", "TX")}


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT avg(weight_in_lbs) FROM cars WHERE year(Year) = 1970",
        'SELECT "Weight_in_lbs" AS w FROM main.cars ORDER BY w DESC LIMIT 1',
        "WITH heavy AS (SELECT Name AS n FROM cars) SELECT n FROM heavy UNION SELECT symbol FROM stocks",
        "SELECT count(*) FROM (SELECT DISTINCT Origin o FROM cars) t WHERE t.o <> 'USA'",
        "SELECT c.Name, s.price FROM cars c JOIN stocks s ON c.Year = s.date",
        "FROM cars SELECT max(Year)",
        "SELECT r.range, c.Name FROM range(3) r CROSS JOIN cars c",
        "SELECT Origin, count(*) AS n FROM cars GROUP BY Origin HAVING n > 3",
        "SELECT Name, (SELECT max(price) FROM stocks WHERE date > cars.Year) FROM cars",
        "SELECT count(*) FROM cars WHERE CAST(Year AS VARCHAR) LIKE '1970%'",
    ],
)
def test_a_good_query_passes(sql: str) -> None:
    """Aliases, CTEs, subqueries, unions and quoted names aren't mistaken for errors."""
    assert check(sql, TABLES, values=VALUES) == []


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("SELEC 1 FRM", "not SQL"),
        ("", "exactly one"),
        ("SELECT 1; SELECT 2", "exactly one"),
        ("DELETE FROM cars", "Only reading"),
        ("COPY cars TO 'x.csv'", "Only reading"),
        ("ATTACH 'x.db'", "Only reading"),
        ("INSTALL httpfs", "Only reading"),
        ("PRAGMA version", "Only reading"),
        ("SET threads = 1", "Only reading"),
        ("SELECT 1 INTO x", "Only reading"),
        ("WITH x AS (INSERT INTO cars SELECT * FROM cars RETURNING *) SELECT * FROM x", "Only reading"),
        ("SELECT * FROM read_csv('x')", r"read_csv\(\) can't be used"),
        ("SELECT * FROM parquet_scan('x')", "can't be used"),
        ("SELECT * FROM duckdb_settings()", "can't be used"),
        ("SELECT * FROM (SELECT * FROM glob('*'))", "can't be used"),
        ("SELECT current_setting('threads')", "can't be used"),
        ("SELECT * FROM 'file.csv'", "no table file.csv"),
        ("SELECT * FROM information_schema.tables", "without a prefix"),
        ("SELECT * FROM car", "Use cars"),
        ("SELECT count(*)", "reads no table"),
        ("SELECT * FROM range(3)", "reads no table"),
        ("SELECT Weight FROM cars", "no column Weight in cars. Use Weight_in_lbs"),
        ("SELECT c.Weight FROM cars c", "Use Weight_in_lbs"),
        ("SELECT price FROM cars", "It is a column of stocks"),
        (
            "SELECT c.price FROM cars c JOIN stocks s ON c.Year = s.date",
            "no column price in cars. It is a column of stocks",
        ),
        ('SELECT price FROM stocks WHERE symbol = "MSFT"', "single quotes: 'MSFT'"),
        ("SELECT Name FROM cars WHERE Year LIKE '1970%'", r"Use year\(year\) = 1970"),
        ("SELECT Name FROM cars WHERE Year = '1970'", "'1970' is none"),
        ("SELECT Name FROM cars WHERE Origin = 'japan'", "Use 'Japan'"),
        ("SELECT Name FROM cars WHERE Origin IN ('USA', 'Mars')", "Its values are: 'Europe', 'Japan', 'USA'"),
        ("SELECT Name FROM cars WHERE Origin <> 'Texas'", "Use State = 'TX'"),
        ("SELECT Name FROM cars WHERE Origin = 'California'", "Use State = 'CA' or State = 'CO'"),
    ],
)
def test_a_bad_query_is_told_what_to_use(sql: str, said: str) -> None:
    """Each finding is a sentence that names what is wrong and what to write instead."""
    findings = check(sql, TABLES, values=VALUES)
    assert findings
    assert re.search(said, findings[0]), findings


@pytest.mark.parametrize(
    ("question", "sql", "said"),
    [
        ("How many in 1971?", "SELECT count(*) FROM cars WHERE Year = '1971-01-01'", "single day"),
        ("How many in January 1971?", "SELECT count(*) FROM cars WHERE Year = '1971-01-01'", None),
        ("How many in 1971?", "SELECT count(*) FROM cars", "The question says 1971"),
        ("How many in 1999?", "SELECT count(*) FROM cars", None),
    ],
)
def test_the_questions_years_are_looked_for(question: str, sql: str, said: str | None) -> None:
    """A year of the question that the data covers must be in the query, as a year and not as its first day."""
    findings = check(sql, TABLES, question=question)
    assert (said in findings[0]) if said else not findings


@pytest.mark.parametrize(
    ("sql", "better"),
    [
        ("SELECT Name FROM cars WHERE Year LIKE '1970%'", "SELECT Name FROM cars WHERE YEAR(Year) = 1970"),
        (
            "SELECT Name FROM cars WHERE Year LIKE '1970-03%'",
            "SELECT Name FROM cars WHERE (YEAR(Year) = 1970 AND MONTH(Year) = 3)",
        ),
        ("SELECT Name FROM cars WHERE Year = '1971-01-01'", "SELECT Name FROM cars WHERE YEAR(Year) = 1971"),
        ("SELECT Name FROM cars WHERE Year = '1970-01-01'", None),
        ("SELECT Name FROM cars WHERE Origin = 'japan'", "SELECT Name FROM cars WHERE Origin = 'Japan'"),
        ("SELECT Name FROM cars WHERE Origin = 'Mars'", None),
        ("SELECT Name FROM cars WHERE Name LIKE '1970%'", None),
        ("SELEC", None),
    ],
)
def test_only_what_is_beyond_doubt_is_put_right(sql: str, better: str | None) -> None:
    """Comparisons with one possible meaning are rewritten, all others are left to the model."""
    assert corrected(sql, TABLES, question="in 1971?", values=VALUES) == better


def test_the_columns_and_tables_of_a_query_are_known() -> None:
    """Stored columns are found through aliases and CTEs, in the tables' own spelling."""
    sql = "WITH x AS (SELECT c.name n, price FROM cars c JOIN stocks s ON c.year = s.date) SELECT max(n) FROM x"
    assert columns_used(sql, TABLES) == {("cars", "Name"), ("cars", "Year"), ("stocks", "price"), ("stocks", "date")}
    assert tables_used(sql, TABLES) == {"cars", "stocks"}
    assert columns_used("nonsense (", TABLES) == tables_used("nonsense (", TABLES) == frozenset()


@pytest.mark.parametrize(
    ("sql", "loose"),
    [
        ("SELECT * FROM cars, stocks", True),
        ("SELECT * FROM cars JOIN stocks ON cars.Year < stocks.date", True),
        ("SELECT * FROM cars, stocks WHERE cars.Year = stocks.date", False),
        ("SELECT * FROM cars JOIN stocks USING (date)", False),
        ("SELECT * FROM (SELECT max(price) FROM stocks) a, (SELECT count(*) FROM cars) b", False),
    ],
)
def test_a_join_without_an_equality_is_seen(sql: str, loose: bool) -> None:  # noqa: FBT001 - an expected value
    """Only stored tables that are joined without an equality count."""
    assert has_loose_join(sql) is loose
