# ruff: noqa: S608 - every value in these queries stands in this file
"""Questions about the weather in Seattle."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from statistics import fmean
from typing import Any

from motet.server.evaluation.crew_examples.question import DataQuestion
from motet.server.evaluation.crew_examples.tables import Row, Tables

_TABLE = "seattle_weather"
_KINDS = ("drizzle", "snow", "fog")
_KINDS_OF = (("rain", 2013), ("sun", 2015), ("fog", 2014))
_HOTTEST = (2012, 2013, 2015)
_COLDEST = (2013, 2014)
_TOTALS = (2012, 2014, 2015)
_WINDS = ((2012, 12, "December"), (2015, 7, "July"))
_DAYS = (("2012-08-16", "16 August 2012"), ("2014-02-06", "6 February 2014"))
_EXTREMES: tuple[tuple[str, str, str, str, Callable[..., Any]], ...] = (
    ("wettest", "precipitation", "DESC", "was the precipitation highest", max),
    ("windiest", "wind", "DESC", "was the wind strongest", max),
    ("coldest", "temp_min", "ASC", "was the lowest temperature measured", min),
)


def _of_year(tables: Tables, year: int) -> list[Row]:
    return [row for row in tables.weather if row["date"].startswith(f"{year}-")]


def _days(kind: str) -> DataQuestion:
    return DataQuestion(
        name=f"days-{kind}",
        table=_TABLE,
        template="days of a kind",
        text=f"On how many days was the weather in Seattle recorded as {kind}?",
        sql=f"SELECT count(*) FROM seattle_weather WHERE weather = '{kind}'",
        again=lambda tables: Counter(row["weather"] for row in tables.weather)[kind],
    )


def _days_of(kind: str, year: int) -> DataQuestion:
    return DataQuestion(
        name=f"days-{kind}-{year}",
        table=_TABLE,
        template="days of a kind in a year",
        text=f"How many days with the weather {kind} did Seattle have in {year}?",
        sql=f"SELECT count(*) FROM seattle_weather WHERE weather = '{kind}' AND year(date) = {year}",
        again=lambda tables: sum(row["weather"] == kind for row in _of_year(tables, year)),
    )


def _hottest(year: int) -> DataQuestion:
    return DataQuestion(
        name=f"hottest-{year}",
        table=_TABLE,
        template="highest temperature of a year",
        text=f"What was the highest temperature in Seattle in {year}?",
        sql=f"SELECT max(temp_max) FROM seattle_weather WHERE year(date) = {year}",
        again=lambda tables: max(row["temp_max"] for row in _of_year(tables, year)),
    )


def _coldest(year: int) -> DataQuestion:
    return DataQuestion(
        name=f"coldest-{year}",
        table=_TABLE,
        template="lowest temperature of a year",
        text=f"What was the lowest temperature in Seattle in {year}?",
        sql=f"SELECT min(temp_min) FROM seattle_weather WHERE year(date) = {year}",
        again=lambda tables: min(row["temp_min"] for row in _of_year(tables, year)),
    )


def _total(year: int) -> DataQuestion:
    return DataQuestion(
        name=f"rain-{year}",
        table=_TABLE,
        template="precipitation of a year",
        text=f"What was the total precipitation in Seattle in {year}?",
        sql=f"SELECT sum(precipitation) FROM seattle_weather WHERE year(date) = {year}",
        again=lambda tables: sum(row["precipitation"] for row in _of_year(tables, year)),
    )


def _wind(year: int, month: int, named: str) -> DataQuestion:
    begins = f"{year}-{month:02d}-"
    return DataQuestion(
        name=f"wind-{year}-{month:02d}",
        table=_TABLE,
        template="mean wind of a month",
        text=f"What was the average wind in Seattle in {named} {year}?",
        sql=f"SELECT avg(wind) FROM seattle_weather WHERE year(date) = {year} AND month(date) = {month}",
        again=lambda tables: fmean(row["wind"] for row in tables.weather if row["date"].startswith(begins)),
    )


def _on(day: str, named: str) -> DataQuestion:
    return DataQuestion(
        name=f"day-{day}",
        table=_TABLE,
        template="temperature of a day",
        text=f"What was the highest temperature in Seattle on {named}?",
        sql=f"SELECT temp_max FROM seattle_weather WHERE date = '{day}'",
        again=lambda tables: {row["date"]: row["temp_max"] for row in tables.weather}[day],
    )


def _extreme(name: str, column: str, order: str, asked: str, of: Callable[..., Any]) -> DataQuestion:
    return DataQuestion(
        name=name,
        table=_TABLE,
        template="day of an extreme",
        text=f"On which day {asked} in Seattle?",
        sql=f"SELECT strftime(date, '%Y-%m-%d') FROM seattle_weather ORDER BY {column} {order} LIMIT 1",
        again=lambda tables: of(tables.weather, key=lambda row: row[column])["date"],
    )


QUESTIONS = (
    *(_days(kind) for kind in _KINDS),
    *(_days_of(*one) for one in _KINDS_OF),
    *(_hottest(year) for year in _HOTTEST),
    *(_coldest(year) for year in _COLDEST),
    *(_total(year) for year in _TOTALS),
    *(_wind(*one) for one in _WINDS),
    *(_on(*one) for one in _DAYS),
    *(_extreme(*one) for one in _EXTREMES),
    DataQuestion(
        name="driest-days",
        table=_TABLE,
        template="days without precipitation",
        text="On how many days of 2013 did no precipitation fall in Seattle?",
        sql="SELECT count(*) FROM seattle_weather WHERE precipitation = 0 AND year(date) = 2013",
        again=lambda tables: sum(not row["precipitation"] for row in _of_year(tables, 2013)),
    ),
)
"""What the table answers."""
