"""The sample workspace's data as plain Python values, read without the workspace's own loading."""

from __future__ import annotations

import csv
import json
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

Row = dict[str, Any]
"""By column; dates as texts, YYYY-MM-DD."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tables:
    """Every row of every table."""

    airports: Sequence[Row]
    weather: Sequence[Row]
    stocks: Sequence[Row]
    employment: Sequence[Row]
    cars: Sequence[Row]


def read(folder: Path) -> Tables:
    """The tables of the sample workspace in `folder`; blocking, some 40 ms. Raises OSError."""
    with closing(sqlite3.connect(folder / "stocks.sqlite")) as database:
        database.row_factory = sqlite3.Row
        stocks = [dict(row) for row in database.execute("SELECT symbol, date, price FROM stocks")]
    with duckdb.connect() as memory:
        months = memory.read_parquet(str(folder / "us_employment.parquet"))
        employment = [dict(zip(months.columns, row, strict=True)) for row in months.fetchall()]
    return Tables(
        airports=[_numbered(row, "latitude", "longitude") for row in _csv(folder / "airports.csv")],
        weather=[
            {**_numbered(row, "precipitation", "temp_max", "temp_min", "wind"), "date": row["date"].replace("/", "-")}
            for row in _csv(folder / "seattle_weather.csv")
        ],
        stocks=stocks,
        employment=[{**row, "month": row["month"].isoformat()} for row in employment],
        cars=[json.loads(line) for line in (folder / "cars.jsonl").read_text("utf-8").splitlines()],
    )


def _csv(file: Path) -> list[Row]:
    with file.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def _numbered(row: Row, *columns: str) -> Row:
    return {**row, **{column: float(row[column]) for column in columns}}
