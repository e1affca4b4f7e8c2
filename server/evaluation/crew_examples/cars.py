# ruff: noqa: S608 - every value in these queries stands in this file
"""Questions about cars of the seventies."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from statistics import fmean
from typing import Any

from motet.server.evaluation.crew_examples.question import DataQuestion
from motet.server.evaluation.crew_examples.tables import Row, Tables

_TABLE = "cars"
_ORIGINS = ("USA", "Europe")
_POWERS = ("Japan", "USA")
_CYLINDERS = (3, 6, 8)
_YEARS = (1973, 1982)
_MILEAGES = (4, 6, 8)
_STRONG = (("Europe", 100), ("USA", 200))
_WEIGHTS = ("Japan", "Europe")
_EXTREMES: tuple[tuple[str, str, str, Callable[..., Any], str], ...] = (
    ("heaviest", "Weight_in_lbs", "DESC", max, "is the heaviest"),
    ("strongest", "Horsepower", "DESC", max, "has the highest horsepower"),
    ("thriftiest", "Miles_per_Gallon", "DESC", max, "gets the most miles per gallon"),
)


def _known(tables: Tables, column: str) -> list[Row]:
    return [row for row in tables.cars if row[column] is not None]


def _from(origin: str) -> DataQuestion:
    return DataQuestion(
        name=f"from-{origin.lower()}",
        table=_TABLE,
        template="count of an origin",
        text=f"How many of the cars come from {origin}?",
        sql=f"SELECT count(*) FROM cars WHERE Origin = '{origin}'",
        again=lambda tables: Counter(row["Origin"] for row in tables.cars)[origin],
    )


def _power(origin: str) -> DataQuestion:
    return DataQuestion(
        name=f"power-{origin.lower()}",
        table=_TABLE,
        template="mean horsepower of an origin",
        text=f"What is the average horsepower of the cars from {origin}?",
        sql=f"SELECT avg(Horsepower) FROM cars WHERE Origin = '{origin}'",
        again=lambda tables: fmean(
            row["Horsepower"] for row in _known(tables, "Horsepower") if row["Origin"] == origin
        ),
    )


def _cylinders(count: int) -> DataQuestion:
    return DataQuestion(
        name=f"cylinders-{count}",
        table=_TABLE,
        template="count by cylinders",
        text=f"How many cars have {count} cylinders?",
        sql=f"SELECT count(*) FROM cars WHERE Cylinders = {count}",
        again=lambda tables: sum(row["Cylinders"] == count for row in tables.cars),
    )


def _of_year(year: int) -> DataQuestion:
    return DataQuestion(
        name=f"of-{year}",
        table=_TABLE,
        template="count of a year",
        text=f"How many of the cars are from the year {year}?",
        sql=f"SELECT count(*) FROM cars WHERE year(Year) = {year}",
        again=lambda tables: sum(row["Year"].startswith(str(year)) for row in tables.cars),
    )


def _mileage(cylinders: int) -> DataQuestion:
    return DataQuestion(
        name=f"mileage-{cylinders}",
        table=_TABLE,
        template="mean mileage by cylinders",
        text=f"How many miles per gallon do cars with {cylinders} cylinders get on average?",
        sql=f"SELECT avg(Miles_per_Gallon) FROM cars WHERE Cylinders = {cylinders}",
        again=lambda tables: fmean(
            row["Miles_per_Gallon"] for row in _known(tables, "Miles_per_Gallon") if row["Cylinders"] == cylinders
        ),
    )


def _stronger(origin: str, power: int) -> DataQuestion:
    return DataQuestion(
        name=f"over-{power}-{origin.lower()}",
        table=_TABLE,
        template="count by horsepower",
        text=f"How many cars from {origin} have more than {power} horsepower?",
        sql=f"SELECT count(*) FROM cars WHERE Origin = '{origin}' AND Horsepower > {power}",
        again=lambda tables: sum(
            row["Origin"] == origin and row["Horsepower"] > power for row in _known(tables, "Horsepower")
        ),
    )


def _weight(origin: str) -> DataQuestion:
    return DataQuestion(
        name=f"weight-{origin.lower()}",
        table=_TABLE,
        template="greatest weight of an origin",
        text=f"What is the highest weight in lbs of a car from {origin}?",
        sql=f"SELECT max(Weight_in_lbs) FROM cars WHERE Origin = '{origin}'",
        again=lambda tables: max(row["Weight_in_lbs"] for row in tables.cars if row["Origin"] == origin),
    )


def _extreme(name: str, column: str, order: str, of: Callable[..., Any], asked: str) -> DataQuestion:
    return DataQuestion(
        name=name,
        table=_TABLE,
        template="car of an extreme",
        text=f"Which car {asked}?",
        sql=f"SELECT Name FROM cars ORDER BY {column} {order} NULLS LAST LIMIT 1",
        again=lambda tables: of(_known(tables, column), key=lambda row: row[column])["Name"],
    )


QUESTIONS = (
    *(_from(origin) for origin in _ORIGINS),
    *(_power(origin) for origin in _POWERS),
    *(_cylinders(count) for count in _CYLINDERS),
    *(_of_year(year) for year in _YEARS),
    *(_mileage(count) for count in _MILEAGES),
    *(_stronger(*one) for one in _STRONG),
    *(_weight(origin) for origin in _WEIGHTS),
    *(_extreme(*one) for one in _EXTREMES),
    DataQuestion(
        name="origins",
        table=_TABLE,
        template="distinct origins",
        text="How many different origins do the cars have?",
        sql="SELECT count(DISTINCT Origin) FROM cars",
        again=lambda tables: len({row["Origin"] for row in tables.cars}),
    ),
)
"""What the table answers."""
