# ruff: noqa: S608 - every value in these queries stands in this file
"""Questions about the US airports."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from statistics import fmean
from typing import Any

from motet.server.evaluation.crew_examples.question import DataQuestion
from motet.server.evaluation.crew_examples.tables import Tables

_TABLE = "airports"
_STATES = {"AK": "Alaska", "TX": "Texas", "HI": "Hawaii", "FL": "Florida", "OR": "Oregon", "NV": "Nevada"}
_CITIES = (("Houston", "TX", "Texas"), ("Chicago", "IL", "Illinois"), ("Denver", "CO", "Colorado"))
_CODES = ("SEA", "JFK", "BOI")
_NAMED = ("Gunnison County", "Albuquerque International")
_MEANS = {"CO": "Colorado", "ME": "Maine"}
_ENDS: tuple[tuple[str, str, str, Callable[..., Any]], ...] = (
    ("north", "latitude", "DESC", max),
    ("south", "latitude", "ASC", min),
    ("west", "longitude", "ASC", min),
)


def _in_state(code: str) -> DataQuestion:
    return DataQuestion(
        name=f"state-{code.lower()}",
        table=_TABLE,
        template="count of a state",
        text=f"How many airports are there in {_STATES[code]} ({code})?",
        sql=f"SELECT count(*) FROM airports WHERE state = '{code}'",
        again=lambda tables: sum(row["state"] == code for row in tables.airports),
    )


def _in_city(city: str, code: str, state: str) -> DataQuestion:
    return DataQuestion(
        name=f"city-{city.lower()}",
        table=_TABLE,
        template="count of a city",
        text=f"How many airports does the city of {city} in {state} have?",
        sql=f"SELECT count(*) FROM airports WHERE city = '{city}' AND state = '{code}'",
        again=lambda tables: sum((row["city"], row["state"]) == (city, code) for row in tables.airports),
    )


def _at_the_end(side: str, column: str, order: str, of: Callable[..., Any]) -> DataQuestion:
    return DataQuestion(
        name=f"furthest-{side}",
        table=_TABLE,
        template="furthest",
        text=f"What is the name of the airport that lies furthest {side}?",
        sql=f"SELECT name FROM airports ORDER BY {column} {order} LIMIT 1",
        again=lambda tables: of(tables.airports, key=lambda row: row[column])["name"],
    )


def _of_code(code: str) -> DataQuestion:
    return DataQuestion(
        name=f"code-{code.lower()}",
        table=_TABLE,
        template="city of a code",
        text=f"In which city is the airport with the code {code}?",
        sql=f"SELECT city FROM airports WHERE iata = '{code}'",
        again=lambda tables: {row["iata"]: row["city"] for row in tables.airports}[code],
    )


def _code_of(name: str) -> DataQuestion:
    return DataQuestion(
        name=f"named-{name.split(maxsplit=1)[0].lower()}",
        table=_TABLE,
        template="code of a name",
        text=f"Which iata code does the airport {name} have?",
        sql=f"SELECT iata FROM airports WHERE name = '{name}'",
        again=lambda tables: next(row["iata"] for row in tables.airports if row["name"] == name),
    )


def _mean(code: str) -> DataQuestion:
    return DataQuestion(
        name=f"latitude-{code.lower()}",
        table=_TABLE,
        template="mean latitude of a state",
        text=f"What is the average latitude of the airports in {_MEANS[code]} ({code})?",
        sql=f"SELECT avg(latitude) FROM airports WHERE state = '{code}'",
        again=lambda tables: fmean(row["latitude"] for row in tables.airports if row["state"] == code),
    )


def _per_state(tables: Tables) -> Counter[str]:
    return Counter(row["state"] for row in tables.airports)


QUESTIONS = (
    *(_in_state(code) for code in _STATES),
    *(_in_city(*city) for city in _CITIES),
    *(_at_the_end(*end) for end in _ENDS),
    *(_of_code(code) for code in _CODES),
    *(_code_of(name) for name in _NAMED),
    *(_mean(code) for code in _MEANS),
    DataQuestion(
        name="most",
        table=_TABLE,
        template="state with the most",
        text="Which state has the most airports?",
        sql="SELECT state FROM airports GROUP BY state ORDER BY count(*) DESC LIMIT 1",
        again=lambda tables: _per_state(tables).most_common(1)[0][0],
        among=("AK", "TX", "CA", "OK", "FL"),
    ),
    DataQuestion(
        name="big-states",
        table=_TABLE,
        template="states with many",
        text="How many states have more than 100 airports?",
        sql="SELECT count(*) FROM (SELECT state FROM airports GROUP BY state HAVING count(*) > 100)",
        again=lambda tables: sum(many > 100 for many in _per_state(tables).values()),  # noqa: PLR2004 - as it is asked
    ),
    DataQuestion(
        name="north-of-60",
        table=_TABLE,
        template="count by latitude",
        text="How many airports have a latitude above 60?",
        sql="SELECT count(*) FROM airports WHERE latitude > 60",
        again=lambda tables: len([row for row in tables.airports if row["latitude"] > 60]),  # noqa: PLR2004 - as it is asked
    ),
)
"""What the table answers."""
