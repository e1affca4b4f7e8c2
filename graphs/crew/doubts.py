"""Reasons to doubt a query that runs: it may answer another question than the one asked."""

from __future__ import annotations

import re
from collections.abc import Sequence

from motet.graphs.crew.linking import Link
from motet.tools.schema import Table
from motet.tools.sql import Rows
from motet.tools.sql_check import columns_used, has_loose_join, tables_used

_ASKED = (
    (r"\bhow many\b", r"\b(count|sum)\s*\(", "asks how many", "count(*)"),
    (r"\b(average|mean)\b", r"\b(avg|mean)\s*\(", "asks for an average", "avg(...)"),
    (r"\b(highest|largest|maximum|hottest)\b", r"\bmax\s*\(|\border\s+by\b|\barg_max\s*\(|\bmax_by\s*\(",
     "asks for the highest", "max(...) or ORDER BY ... DESC LIMIT 1"),
    (r"\b(lowest|smallest|coldest)\b", r"\bmin\s*\(|\border\s+by\b|\barg_min\s*\(|\bmin_by\s*\(",
     "asks for the lowest", "min(...) or ORDER BY ... LIMIT 1"),
)  # fmt: skip


def doubts(question: str, sql: str, links: Sequence[Link], tables: Sequence[Table]) -> list[str]:
    """What in `question` the query leaves out: a column, an aggregate, a join's condition."""
    used = columns_used(sql, tables)
    read = tables_used(sql, tables)
    found: list[str] = []
    for link in links:
        near = [f"{table}.{column}" for table, column in link.columns if table in read]
        if near and not used & set(link.columns):
            found.append(
                f'The question says "{link.word}", which is {" or ".join(near)}, but the query doesn\'t use it.'
            )
    for asked, written, said, use in _ASKED:
        if re.search(asked, question, re.IGNORECASE) and not re.search(written, sql, re.IGNORECASE):
            found.append(f"The question {said}, but the query doesn't compute it. Use {use}.")
    if has_loose_join(sql):
        found.append("Tables are joined without an equality between them. Add ON, or read one table only.")
    return found


def result_problem(rows: Rows, sql: str, tables: Sequence[Table]) -> str | None:
    """Why the rows can't be the answer, with what the columns do hold; None if they may be."""
    if not rows["rows"]:
        return f"The query returned no rows. {_held(sql, tables)}".strip()
    if all(value is None for row in rows["rows"] for value in row):
        return f"The query returned only NULL: nothing matched. {_held(sql, tables)}".strip()
    if rows["rows"] == [[0]] and re.search(r"\bwhere\b", sql, re.IGNORECASE):
        return f"The query counted nothing: no row matched. {_held(sql, tables)}".strip()
    read = [table for table in tables if table.name in tables_used(sql, tables)]
    if len(read) > 1 and len(rows["rows"]) > max(table.rows for table in read):
        return "The join returned more rows than either table has. Join on columns that match one to one, or aggregate."
    return None


def _held(sql: str, tables: Sequence[Table]) -> str:
    where = re.split(r"\bwhere\b", sql, maxsplit=1, flags=re.IGNORECASE)[-1].lower()
    sentences: list[str] = []
    for name, used in sorted(columns_used(sql, tables)):
        column = next(
            column for table in tables if table.name == name for column in table.columns if column.name == used
        )
        if used.lower() not in where:
            continue
        if column.minimum is not None:
            sentences.append(f"{used} goes from {column.minimum} to {column.maximum}.")
        elif column.examples:
            held = [f"'{value}'" for value in (column.distinct or column.examples)][:20]
            sentences.append(f"{used} holds {', '.join(held)}.")
    return " ".join(sentences)
