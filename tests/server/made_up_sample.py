"""A workspace with the sample's tables and documents, and made-up values in them: nothing is fetched."""

from __future__ import annotations

import csv
import json
import sqlite3
from contextlib import closing
from datetime import date, timedelta
from itertools import product
from pathlib import Path
from random import Random
from typing import Any

import duckdb

from motet.server.evaluation.crew_examples.injections import DOCUMENT, FILE
from motet.server.evaluation.crew_examples.making import DATA, DOCUMENTS

STATES = ("AK", "TX", "HI", "FL", "OR", "NV", "CO", "ME", "CA")
NAMED = (
    ("GUC", "Gunnison County", "Gunnison", "CO"),
    ("ABQ", "Albuquerque International", "Albuquerque", "NM"),
    ("SEA", "Tacoma", "Seattle", "WA"),
    ("JFK", "Kennedy", "New York", "NY"),
    ("BOI", "Boise Air", "Boise", "ID"),
    ("HOU", "Hobby", "Houston", "TX"),
    ("ORD", "O'Hare", "Chicago", "IL"),
    ("DEN", "Stapleton", "Denver", "CO"),
)
SECTORS = ("nonfarm", "construction", "manufacturing", "government", "retail_trade", "information")
MORE_SECTORS = ("leisure_and_hospitality", "durable_goods", "nonfarm_change")


def made_up_sample(folder: Path, seed: int) -> Path:
    """The workspace, in a `folder` that it makes."""
    folder.mkdir()
    draw = Random(seed)  # noqa: S311 - made-up values, no secret
    _airports(folder / "airports.csv", draw)
    _weather(folder / "seattle_weather.csv", draw)
    _stocks(folder / "stocks.sqlite", draw)
    _employment(folder / "us_employment.parquet", draw)
    _cars(folder / "cars.jsonl", draw)
    for name in ("README.md", "LICENSE.txt", "SOURCES.md"):
        (folder / name).write_text("\n\n".join(_quotes(name)))
    (folder / "catalogue.html").write_text("".join(f"<p>{quote}</p>\n" for quote in _quotes("catalogue.html")))
    (folder / FILE).write_text(DOCUMENT)
    return folder


def _quotes(file: str) -> list[str]:
    return list(dict.fromkeys(one.quote for one in DOCUMENTS.values() if one.file == file))


def _table(file: Path, columns: str, rows: list[tuple[Any, ...]]) -> None:
    with file.open("w", newline="") as lines:
        writer = csv.writer(lines)
        writer.writerow(columns.split())
        writer.writerows(rows)


def _airports(file: Path, draw: Random) -> None:
    others = [
        (f"X{number:03}", f"Field {number}", "Nowhere", draw.choice(STATES[: 4 + number % 5]))
        for number in range(len(NAMED), 700)
    ]
    rows = [(*one, "USA", draw.uniform(0, 80), draw.uniform(-180, 180)) for one in (*NAMED, *others)]
    _table(file, "iata name city state country latitude longitude", rows)


def _weather(file: Path, draw: Random) -> None:
    days = [date(2012, 1, 1) + timedelta(days=number) for number in range(1461)]
    kinds = ("drizzle", "rain", "sun", "snow", "fog")
    rows = [
        (
            f"{day:%Y/%m/%d}",
            draw.choice((0.0, draw.random() * 50)),
            draw.uniform(5, 35),
            draw.uniform(-9, 15),
            draw.uniform(0, 9),
            draw.choice(kinds),
        )
        for day in days
    ]
    _table(file, "date precipitation temp_max temp_min wind weather", rows)


def _stocks(file: Path, draw: Random) -> None:
    months = [date(year, month, 1) for year, month in product(range(2000, 2011), range(1, 13))][:123]
    rows = [
        (symbol, f"{month}", draw.uniform(5, 700))
        for symbol in ("AAPL", "AMZN", "GOOG", "IBM", "MSFT")
        for month in months[55 if symbol == "GOOG" else 0 :]
    ]
    with closing(sqlite3.connect(file)) as database, database:
        database.execute("CREATE TABLE stocks (symbol TEXT NOT NULL, date DATE NOT NULL, price REAL NOT NULL)")
        database.executemany("INSERT INTO stocks VALUES (?, ?, ?)", rows)


def _employment(file: Path, draw: Random) -> None:
    columns = (*SECTORS, *MORE_SECTORS)
    assert {one.sql.split()[1] for one in DATA.values() if one.template == "a sector in a month"} <= set(columns)
    lines = [
        ", ".join(
            [
                f"DATE '{date(year, month, 1)}' AS month",
                *(
                    f"{'NULL' if not number and name == 'nonfarm_change' else _jobs(name, draw)}::BIGINT AS {name}"
                    for name in columns
                ),
            ]
        )
        for number, (year, month) in enumerate(product(range(2006, 2016), range(1, 13)))
    ]
    with duckdb.connect() as memory:
        memory.sql(" UNION ALL ".join(f"SELECT {line}" for line in lines)).write_parquet(str(file))


def _jobs(name: str, draw: Random) -> int:
    return draw.randint(-900, 900) if name == "nonfarm_change" else draw.randint(1_000, 200_000)


def _cars(file: Path, draw: Random) -> None:
    powers = [*draw.sample(range(40, 400), 299), None]
    rows = [
        {
            "Name": f"car {number}",
            "Miles_per_Gallon": draw.choice((None, draw.uniform(9, 47), draw.uniform(9, 47))),
            "Cylinders": draw.choice((3, 4, 5, 6, 8)),
            "Displacement": draw.uniform(60, 500),
            "Horsepower": power,
            "Weight_in_lbs": 1600 + 7 * draw.randint(0, 300) + number * 3000,
            "Acceleration": draw.uniform(8, 25),
            "Year": f"{draw.randint(1970, 1982)}-01-01",
            "Origin": draw.choice(("USA", "Europe", "Japan")),
        }
        for number, power in enumerate(powers)
    ]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
