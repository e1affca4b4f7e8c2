# ruff: noqa: S608 - every value in these queries stands in this file
"""Questions about employment in the United States."""

from __future__ import annotations

from collections.abc import Callable
from statistics import fmean
from typing import Any

from motet.server.evaluation.crew_examples.question import DataQuestion

_TABLE = "us_employment"
_MONTHS = (
    ("construction", "2015-12", "December 2015"),
    ("manufacturing", "2009-06", "June 2009"),
    ("government", "2010-05", "May 2010"),
    ("retail_trade", "2008-01", "January 2008"),
)
_BOUNDS: tuple[tuple[str, str, str, Callable[..., Any]], ...] = (
    ("nonfarm", "highest", "max", max),
    ("manufacturing", "lowest", "min", min),
    ("information", "highest", "max", max),
)
_MEANS = (("construction", 2010), ("leisure_and_hospitality", 2012), ("durable_goods", 2006))
_CHANGES: tuple[tuple[str, str, Callable[..., Any]], ...] = (("lowest", "ASC", min), ("highest", "DESC", max))
_FALLS = (2008, 2010)


def _named(column: str) -> str:
    return column.replace("_", " ")


def _in_month(column: str, month: str, named: str) -> DataQuestion:
    year, number = map(int, month.split("-"))
    return DataQuestion(
        name=f"{column.replace('_', '-')}-{month}",
        table=_TABLE,
        template="a sector in a month",
        text=f"How many thousands of people worked in {_named(column)} in the US in {named}?",
        sql=f"SELECT {column} FROM us_employment WHERE year(month) = {year} AND month(month) = {number}",
        again=lambda tables: {row["month"][:7]: row[column] for row in tables.employment}[month],
    )


def _bound(column: str, named: str, function: str, of: Callable[..., Any]) -> DataQuestion:
    return DataQuestion(
        name=f"{named}-{column}",
        table=_TABLE,
        template="extreme of a sector",
        text=f"What is the {named} {_named(column)} employment in the table us_employment?",
        sql=f"SELECT {function}({column}) FROM us_employment",
        again=lambda tables: of(row[column] for row in tables.employment),
    )


def _mean(column: str, year: int) -> DataQuestion:
    return DataQuestion(
        name=f"mean-{column.replace('_', '-')}-{year}",
        table=_TABLE,
        template="mean of a year",
        text=f"What was the average {_named(column)} employment in the US in {year}?",
        sql=f"SELECT avg({column}) FROM us_employment WHERE year(month) = {year}",
        again=lambda tables: fmean(row[column] for row in tables.employment if row["month"].startswith(str(year))),
    )


def _change(named: str, order: str, of: Callable[..., Any]) -> DataQuestion:
    return DataQuestion(
        name=f"{named}-change",
        table=_TABLE,
        template="month of a change",
        text=f"In which month was the nonfarm change {named}?",
        sql=f"SELECT strftime(month, '%Y-%m') FROM us_employment ORDER BY nonfarm_change {order} NULLS LAST LIMIT 1",
        again=lambda tables: of(
            (row for row in tables.employment if row["nonfarm_change"] is not None),
            key=lambda row: row["nonfarm_change"],
        )["month"][:7],
    )


def _falls(year: int) -> DataQuestion:
    return DataQuestion(
        name=f"falls-{year}",
        table=_TABLE,
        template="months of losses",
        text=f"In how many months of {year} was the nonfarm change negative?",
        sql=f"SELECT count(*) FROM us_employment WHERE nonfarm_change < 0 AND year(month) = {year}",
        again=lambda tables: sum(
            (row["nonfarm_change"] or 0) < 0 for row in tables.employment if row["month"].startswith(str(year))
        ),
    )


QUESTIONS = (
    *(_in_month(*one) for one in _MONTHS),
    *(_bound(*one) for one in _BOUNDS),
    *(_mean(*one) for one in _MEANS),
    *(_change(*one) for one in _CHANGES),
    *(_falls(year) for year in _FALLS),
)
"""What the table answers."""
