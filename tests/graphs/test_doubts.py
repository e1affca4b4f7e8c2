"""What rows can't be the answer to a question."""

from __future__ import annotations

import pytest

from motet.graphs.crew.doubts import result_problem
from motet.tools.schema import Column, Table
from motet.tools.sql import Rows
from motet.tools.values import Value


def _table(name: str, rows: int) -> Table:
    column = Column(name="k", type="BIGINT", examples=(1,), minimum="1", maximum="9", distinct=())
    return Table(name=name, source=f"{name}.csv", rows=rows, columns=(column,))


TABLES = (_table("a", 3), _table("b", 2))
JOIN = "SELECT a.k FROM a JOIN b ON a.k = b.k"


@pytest.mark.parametrize(
    ("sql", "rows", "said"),
    [
        ("SELECT k FROM a WHERE k > 9", [], "returned no rows"),
        ("SELECT max(k) FROM a WHERE k > 9", [[None]], "returned only NULL"),
        ("SELECT count(*) FROM a WHERE k > 9", [[0]], "counted nothing"),
        (JOIN, [[1]] * 4, "more rows than either table"),
    ],
)
def test_rows_that_can_not_be_the_answer_are_told(sql: str, rows: list[list[Value]], said: str) -> None:
    """Nothing, only NULL, a count of nothing, and a join that multiplied rows go back with the reason."""
    found = Rows(columns=["k"], rows=rows, truncated=False, elapsed_s=0)

    problem = result_problem(found, sql, TABLES)

    assert problem is not None
    assert said in problem


@pytest.mark.parametrize(
    ("sql", "rows"),
    [("SELECT k FROM a", [[1], [None]]), ("SELECT count(*) FROM a", [[0]]), (JOIN, [[1]] * 3)],
)
def test_rows_that_may_be_the_answer_pass(sql: str, rows: list[list[Value]]) -> None:
    """A NULL among values, a count without a condition, and a join that keeps to its tables' size are no problem."""
    assert result_problem(Rows(columns=["k"], rows=rows, truncated=False, elapsed_s=0), sql, TABLES) is None
