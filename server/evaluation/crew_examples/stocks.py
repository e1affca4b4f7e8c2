# ruff: noqa: S608 - every value in these queries stands in this file
"""Questions about the prices of stocks."""

from __future__ import annotations

from collections.abc import Callable
from statistics import fmean
from typing import Any

from motet.server.evaluation.crew_examples.question import DataQuestion
from motet.server.evaluation.crew_examples.tables import Row, Tables

_TABLE = "stocks"
_SYMBOLS = ("AAPL", "AMZN", "GOOG", "IBM", "MSFT")
_PRICES = (("IBM", "2005-01", "January 2005"), ("MSFT", "2003-06", "June 2003"), ("AAPL", "2008-10", "October 2008"))
_MEANS = (("AMZN", 2007), ("GOOG", 2009), ("AAPL", 2004))
_BOUNDS: tuple[tuple[str, str, str, Callable[..., Any]], ...] = (
    ("GOOG", "highest", "max", max),
    ("AMZN", "lowest", "min", min),
    ("IBM", "highest", "max", max),
)
_DEAREST = (("2010-03", "March 2010"), ("2001-05", "May 2001"))
_COUNTS = ("GOOG", "MSFT")
_PEAKS = ("MSFT", "IBM")


def _of(tables: Tables, symbol: str) -> list[Row]:
    return [row for row in tables.stocks if row["symbol"] == symbol]


def _price(symbol: str, month: str, named: str) -> DataQuestion:
    year, number = map(int, month.split("-"))
    return DataQuestion(
        name=f"price-{symbol.lower()}-{month}",
        table=_TABLE,
        template="price of a month",
        text=f"What was the price of {symbol} in {named}?",
        sql=f"SELECT price FROM stocks WHERE symbol = '{symbol}' AND year(date) = {year} AND month(date) = {number}",
        again=lambda tables: next(row["price"] for row in _of(tables, symbol) if row["date"].startswith(month)),
    )


def _mean(symbol: str, year: int) -> DataQuestion:
    return DataQuestion(
        name=f"mean-{symbol.lower()}-{year}",
        table=_TABLE,
        template="mean of a year",
        text=f"What was the average price of {symbol} in {year}?",
        sql=f"SELECT avg(price) FROM stocks WHERE symbol = '{symbol}' AND year(date) = {year}",
        again=lambda tables: fmean(row["price"] for row in _of(tables, symbol) if row["date"][:4] == str(year)),
    )


def _bound(symbol: str, named: str, function: str, of: Callable[..., Any]) -> DataQuestion:
    return DataQuestion(
        name=f"{named}-{symbol.lower()}",
        table=_TABLE,
        template="extreme of a symbol",
        text=f"What is the {named} price that {symbol} ever had?",
        sql=f"SELECT {function}(price) FROM stocks WHERE symbol = '{symbol}'",
        again=lambda tables: of(row["price"] for row in _of(tables, symbol)),
    )


def _dearest(month: str, named: str) -> DataQuestion:
    return DataQuestion(
        name=f"dearest-{month}",
        table=_TABLE,
        template="dearest of a month",
        text=f"Which stock had the highest price in {named}?",
        sql=f"SELECT symbol FROM stocks WHERE date = '{month}-01' ORDER BY price DESC LIMIT 1",
        again=lambda tables: max(
            (row["price"], row["symbol"]) for row in tables.stocks if row["date"].startswith(month)
        )[1],
        among=_SYMBOLS,
    )


def _count(symbol: str) -> DataQuestion:
    return DataQuestion(
        name=f"count-{symbol.lower()}",
        table=_TABLE,
        template="count of a symbol",
        text=f"How many prices of {symbol} are there in the table stocks?",
        sql=f"SELECT count(*) FROM stocks WHERE symbol = '{symbol}'",
        again=lambda tables: len(_of(tables, symbol)),
    )


def _peak(symbol: str) -> DataQuestion:
    return DataQuestion(
        name=f"peak-{symbol.lower()}",
        table=_TABLE,
        template="month of a peak",
        text=f"In which month was the price of {symbol} highest?",
        sql=f"SELECT strftime(date, '%Y-%m') FROM stocks WHERE symbol = '{symbol}' ORDER BY price DESC LIMIT 1",
        again=lambda tables: max((row["price"], row["date"][:7]) for row in _of(tables, symbol))[1],
    )


QUESTIONS = (
    *(_price(*one) for one in _PRICES),
    *(_mean(*one) for one in _MEANS),
    *(_bound(*one) for one in _BOUNDS),
    *(_dearest(*one) for one in _DEAREST),
    *(_count(symbol) for symbol in _COUNTS),
    *(_peak(symbol) for symbol in _PEAKS),
)
"""What the table answers."""
