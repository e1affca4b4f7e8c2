"""Queries: whether a run's gives the rows of the reference's, and whether it ran at all."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
from tests.observability.evaluation.trials import called, scores, trial

from motet.observability.evaluation.evaluator import Means, Score
from motet.observability.evaluation.outcome_sql import differs, orders
from motet.server.evaluation.means import means
from motet.server.settings import Settings


@pytest.fixture
async def data(tmp_path: Path) -> AsyncIterator[Means]:
    """A workspace with one small table."""
    (tmp_path / "cars.csv").write_text("name,mpg,origin\nA,18.0,USA\nB,31.5,Japan\nC,,Japan\nD,27.0,Europe\n")
    async with means(Settings(data_dir=tmp_path / "data"), workspace=tmp_path) as given:
        yield given


async def _asked(data: Means, sql: str, wanted: str, **told: Any) -> dict[str, Score]:
    tried = trial(expect={"sql": wanted}, calls=[called("query_workspace", result={}, sql=sql)])
    return await scores({"name": "sql", **told}, tried, data)


@pytest.mark.parametrize(
    ("sql", "wanted", "same", "comment"),
    [
        ("SELECT count(*) AS n FROM cars", "SELECT count(name) FROM cars", True, ""),
        ("SELECT name FROM cars ORDER BY 1 DESC", "SELECT name FROM cars", True, ""),
        (
            "SELECT name FROM cars ORDER BY 1 DESC",
            "SELECT name FROM cars ORDER BY 1",
            False,
            "row 1 is ('D',), not ('A',)",
        ),
        ("SELECT name, mpg FROM cars", "SELECT name, mpg + 1e-9 FROM cars", True, ""),
        ("SELECT avg(mpg) FROM cars", "SELECT 25.5000001", True, ""),
        ("SELECT avg(mpg) FROM cars", "SELECT 25.6", False, "(25.6,) is missing; (25.5,) isn't in the reference"),
        ("SELECT mpg FROM cars WHERE mpg IS NULL", "SELECT NULL", True, ""),
        ("SELECT name FROM cars LIMIT 3", "SELECT name FROM cars", False, "it gives 3 rows, not 4; ('D',) is missing"),
        ("SELECT name, origin FROM cars", "SELECT name FROM cars", False, "it gives 2 columns, not 1"),
        ("SELECT 1 WHERE false", "SELECT 2 WHERE false", True, ""),
        ("SELECT nothing FROM cars", "SELECT 1", False, "the run's query can't be run again: "),
    ],
)
async def test_results_are_compared_not_words(data: Means, sql: str, wanted: str, same: bool, comment: str) -> None:  # noqa: FBT001 - a table's value
    """Order counts only where the reference asks for one, names never, numbers by tolerance; NULL is NULL."""
    found = (await _asked(data, sql, wanted))["sql"]
    assert (found.value, found.error) == (same, "")
    assert found.comment.startswith(comment)


async def test_a_tolerance_of_ones_own(data: Means) -> None:
    """Rows whose numbers are off by less than what is allowed are the same."""
    told: dict[str, Any] = {"sql": "SELECT name, mpg * 1.005 FROM cars", "wanted": "SELECT name, mpg FROM cars"}
    assert (await _asked(data, **told))["sql"].value is False
    assert (await _asked(data, **told, relative=0.01))["sql"].value is True


async def test_a_query_that_failed_is_told(data: Means) -> None:
    """The last query that ran counts; those that failed are named, and so is a run that asked none."""
    broken = called("query_workspace", error="no column x", sql="SELECT x")
    good = called("query_workspace", result={}, sql="SELECT 1")
    expect = {"sql": "SELECT 1"}
    both = await scores("sql", trial(expect=expect, calls=[good, broken]), data)
    none = await scores("sql", trial(expect=expect, calls=[broken]), data)
    silent = await scores("sql", trial(expect=expect), data)
    assert (both["sql"].value, both["sql.ran"].value) == (True, True)
    assert both["sql.ran"].comment == "the query 'SELECT x' failed: 'no column x'"
    assert (none["sql"].value, none["sql.ran"].value) == (False, False)
    assert (silent["sql"].value, silent["sql"].comment) == (False, "it asked no query")


async def test_what_cant_be_compared_is_an_error(data: Means) -> None:
    """A reference that fails, and an installation without data, aren't the run's fault."""
    assert "the reference's query can't be run" in (await _asked(data, "SELECT 1", "SELECT x"))["sql"].error
    assert (await _asked(Means(), "SELECT 1", "SELECT 1"))["sql"].error == "there is no data here to run queries on"


async def test_another_tool_may_be_the_one_that_queries(data: Means) -> None:
    """Which calls are queries can be told."""
    tried = trial(expect={"sql": "SELECT 1"}, calls=[called("ask_db", result={}, sql="SELECT 1")])
    assert (await scores("sql:tool=ask_db", tried, data))["sql"].value is True


def test_rows_compare_as_sorted_lists_do() -> None:
    """Over 1,000 random tables, without tolerance, the verdict is that of sorting both, or of the lists themselves."""
    draw = Random(5)  # noqa: S311 - drawn for a test
    told: dict[str, Any] = {"relative": 0.0, "absolute": 0.0}
    equal = 0
    for _ in range(1000):
        some = [(draw.randint(0, 1), draw.choice([None, "x"])) for _ in range(draw.randint(0, 4))]
        other = draw.choice([draw.sample(some, len(some)), [(draw.randint(0, 1), "x") for _ in some]])
        same = sorted(some, key=repr) == sorted(other, key=repr)
        equal += same
        assert (differs(some, other, ordered=False, **told) == "") is same
        assert (differs(some, other, ordered=True, **told) == "") is (some == other)
    assert 300 < equal < 900


def test_order_counts_at_the_top_only() -> None:
    """An ORDER BY within a part of the query says nothing of the result."""
    assert orders("SELECT a FROM t ORDER BY a") is True
    assert orders("SELECT a FROM (SELECT a FROM t ORDER BY a LIMIT 3)") is False


def test_rows_count_as_often_as_they_come() -> None:
    """Doubled rows aren't one, and true isn't 1."""
    told: dict[str, Any] = {"ordered": False, "relative": 1e-6, "absolute": 0.0}
    assert differs([(1,), (1,)], [(1,), (2,)], **told) != ""
    assert differs([(1,), (2,)], [(2.0,), (1.0000001,)], **told) == ""
    assert differs([(True,)], [(1,)], **told) != ""
    assert differs([(float("nan"),)], [(float("nan"),)], **told) == ""
