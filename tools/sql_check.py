"""What can be known to be wrong with a query before it runs, each finding a sentence that says what to write instead.

A wrong query often runs without an error and returns rows, so the query itself is looked at: its safety, its names,
and the comparisons that small models get wrong. DuckDB's own binder comes after this and has the last word.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence

import sqlglot
from sqlglot import exp
from sqlglot.errors import OptimizeError, SqlglotError
from sqlglot.optimizer.annotate_types import annotate_types
from sqlglot.optimizer.qualify import qualify
from sqlglot.optimizer.scope import Scope, traverse_scope

from motet.tools.schema import FEW, Column, Table, quoted

Values = Mapping[tuple[str, str], Sequence[str]]
"""Distinct texts by (table, column), as Workspace.values."""

_DIALECT = "duckdb"
_HARMLESS = frozenset({"range", "generate_series", "unnest"})
_PRYING = frozenset({"current_setting", "getenv", "getvariable", "query", "query_table"})
_WRITES = (exp.Insert, exp.Update, exp.Delete, exp.Merge, exp.Create, exp.Copy, exp.Drop, exp.Command, exp.Into)
_DATE = re.compile(r"\d{4}-\d{1,2}-\d{1,2}([ T].*)?")
_YEAR = re.compile(r"\b(1[89]\d\d|20\d\d)\b")
_MONTHS = re.compile(r"\b(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\b|\d{4}-\d\d", re.IGNORECASE)
_CODE = re.compile(r"[A-Z]{2,4}")
_SHOWN = 300


def check(sql: str, tables: Sequence[Table], *, question: str = "", values: Values | None = None) -> list[str]:
    """What is wrong with `sql`, worst first; empty if nothing is.

    With `question`, years that it names are compared with the query's; with `values`, so are the texts the query
    looks for. A query that isn't one safe SELECT gets only that finding.
    """
    try:
        statements = [statement for statement in sqlglot.parse(sql, dialect=_DIALECT) if statement is not None]
    except SqlglotError as error:
        return [f"This is not SQL that DuckDB can parse: {_line(error)}"]
    if len(statements) != 1:
        return ["Write exactly one statement."]
    tree = statements[0]
    if unsafe := _unsafe(tree):
        return [unsafe]
    if unknown := list(_unknown_tables(tree, tables)) or _no_table(sql, tables):
        return unknown
    scopes, unknown = _scopes(tree, tables)
    if unknown:
        return unknown
    return [
        *_literal_problems(scopes, tables, question, values or {}),
        *_missing_years(tree, scopes, tables, question),
    ]


def corrected(sql: str, tables: Sequence[Table], *, question: str = "", values: Values | None = None) -> str | None:
    """`sql` with the comparisons put right whose meaning is beyond doubt; None if nothing could be.

    A date LIKE '2014%' becomes its year (and month); a date equal to 1 January becomes its year if `question` asks
    about that year; a text written in another case than the only stored one that fits takes the stored one.
    """
    try:
        tree = sqlglot.parse_one(sql, dialect=_DIALECT)
    except SqlglotError:
        return None
    read = [table for table in tables if table.name in tables_used(sql, tables)]
    asked = set() if _MONTHS.search(question) else set(_YEAR.findall(question))
    changed = False
    for node in list(tree.find_all(exp.Like, exp.ILike, exp.EQ)):
        for column, literal in _compared(node):
            stored = [(table, found) for table in read if (found := table.column(column.name))]
            better = _better(node, column, literal, stored=stored, asked=asked, values=values or {})
            if better is not None:
                node.replace(better)
                changed = True
    return tree.sql(dialect=_DIALECT) if changed else None


def _better(
    node: exp.Expr,
    column: exp.Column,
    literal: str,
    *,
    stored: Sequence[tuple[Table, Column]],
    asked: set[str],
    values: Values,
) -> exp.Expr | None:
    if stored and all(found.is_temporal for _, found in stored):
        part = re.fullmatch(r"%?(\d{4})(?:-(\d\d))?-?%?", literal)
        first = literal[:4] if isinstance(node, exp.EQ) and literal[4:10] == "-01-01" else ""
        if first not in asked and (part is None or (isinstance(node, exp.EQ) and part[2])):
            return None
        year, month = (first, None) if first in asked else (part[1], part[2]) if part else ("", None)
        written = column.sql(dialect=_DIALECT)
        text = (
            f"(year({written}) = {year} AND month({written}) = {int(month)})" if month else f"year({written}) = {year}"
        )
        return sqlglot.parse_one(text, dialect=_DIALECT)
    known = [value for table, found in stored for value in values.get((table.name, found.name), ())]
    same = [value for value in known if value.lower() == literal.lower()]
    if isinstance(node, exp.EQ) and literal not in known and len(same) == 1:
        return exp.EQ(this=column.copy(), expression=exp.Literal.string(same[0]))
    return None


def columns_used(sql: str, tables: Sequence[Table]) -> frozenset[tuple[str, str]]:
    """(table, column) of each stored column a query reads, in the tables' own spelling; empty if it can't be read."""
    try:
        tree = sqlglot.parse_one(sql, dialect=_DIALECT)
    except SqlglotError:
        return frozenset()
    scopes, _ = _scopes(tree, tables)
    found = (_stored(scope, column, tables) for scope in scopes for column in scope.columns)
    return frozenset((table.name, column.name) for table, column in (item for item in found if item))


def tables_used(sql: str, tables: Sequence[Table]) -> frozenset[str]:
    """Names of the stored tables a query reads; empty if it can't be parsed."""
    try:
        tree = sqlglot.parse_one(sql, dialect=_DIALECT)
    except SqlglotError:
        return frozenset()
    named = {node.name.lower() for node in tree.find_all(exp.Table)}
    return frozenset(table.name for table in tables if table.name in named)


def has_loose_join(sql: str) -> bool:
    """Whether two tables are joined without an equality between them."""
    try:
        tree = sqlglot.parse_one(sql, dialect=_DIALECT)
    except SqlglotError:
        return False
    for select in tree.find_all(exp.Select):
        joins: list[exp.Join] = select.args.get("joins") or []
        where = select.args.get("where")
        tied = where is not None and any(_ties(equality) for equality in where.find_all(exp.EQ))
        for join in joins:
            if not isinstance(join.this, exp.Table):
                continue
            on = join.args.get("on")
            if not tied and not join.args.get("using") and not (on is not None and on.find(exp.EQ)):
                return True
    return False


def _ties(equality: exp.EQ) -> bool:
    return isinstance(equality.this, exp.Column) and isinstance(equality.expression, exp.Column)


def _unsafe(tree: exp.Expr) -> str | None:
    if not isinstance(tree, exp.Query) or tree.find(*_WRITES):
        return "Only reading is allowed: write one SELECT (WITH and UNION are fine)."
    for node in tree.find_all(exp.Table):
        if isinstance(node.this, exp.Func) and _function(node.this) not in _HARMLESS:
            return f"{_function(node.this)}() can't be used as a table: name a table of the schema."
        if node.db and node.db.lower() != "main":
            return f"{node.db}.{node.name} can't be read: name a table of the schema, without a prefix."
    for node in tree.find_all(exp.Func):
        if _function(node) in _PRYING:
            return f"{_function(node)}() can't be used."
    return None


def _function(node: exp.Expr) -> str:
    if isinstance(node, exp.Anonymous):
        return node.name.lower()
    return node.sql_name().lower() if isinstance(node, exp.Func) else ""


def _unknown_tables(tree: exp.Expr, tables: Sequence[Table]) -> Iterator[str]:
    known = [table.name for table in tables]
    defined = {cte.alias_or_name.lower() for cte in tree.find_all(exp.CTE)}
    for node in tree.find_all(exp.Table):
        name = node.name
        if isinstance(node.this, exp.Identifier) and name.lower() not in defined and name.lower() not in known:
            yield f"There is no table {name}. {_nearest(name, known, 'tables')}"


def _no_table(sql: str, tables: Sequence[Table]) -> list[str]:
    if tables_used(sql, tables):
        return []
    known = _listed([table.name for table in tables])
    return [f"The query reads no table, so its result isn't from the data. Add a FROM; the tables are: {known}."]


def _nearest(name: str, known: Sequence[str], what: str) -> str:
    lowered = {item.lower(): item for item in known}
    close = [lowered[item] for item in difflib.get_close_matches(name.lower(), lowered, n=3, cutoff=0.5)]
    return f"Use {' or '.join(close)}." if close else f"The {what} are: {_listed(known)}."


def _listed(items: Sequence[str]) -> str:
    text = ""
    for item in items:
        if len(text) + len(item) > _SHOWN:
            return f"{text}, …"
        text = f"{text}, {item}" if text else item
    return text


def _scopes(tree: exp.Expr, tables: Sequence[Table]) -> tuple[list[Scope], list[str]]:
    schema: dict[str, object] = {
        table.name: {column.name: _typed(column) for column in table.columns} for table in tables
    }
    try:
        qualified = qualify(tree.copy(), schema=schema, dialect=_DIALECT, validate_qualify_columns=False)
        annotated = annotate_types(qualified, schema=schema, dialect=_DIALECT)
        scopes = traverse_scope(annotated)
    except OptimizeError as error:
        named = re.match(r"Unknown column: (\S+)", str(error))
        return [], [_unknown_column(named[1], tree, tables)] if named else []
    names = dict.fromkeys(column.name for scope in scopes for column in scope.unqualified_columns)
    aliases = {alias.alias.lower() for alias in tree.find_all(exp.Alias)}
    return scopes, [_unknown_column(name, tree, tables) for name in names if name not in aliases]


def _typed(column: Column) -> str:
    try:
        exp.DataType.build(column.type, dialect=_DIALECT)
    except SqlglotError:
        return "VARCHAR"
    return column.type


def _unknown_column(name: str, tree: exp.Expr, tables: Sequence[Table]) -> str:
    written = next((node for node in tree.find_all(exp.Column) if node.name.lower() == name.lower()), None)
    shown = written.name if written else name
    used = _meant(written.table if written else "", tree, tables)
    elsewhere = [table.name for table in tables if table not in used and table.column(name)]
    sentence = f"There is no column {shown} in {' or '.join(table.name for table in used) or 'the query'}."
    if elsewhere:
        return f"{sentence} It is a column of {' and '.join(elsewhere)}."
    if written and isinstance(written.this, exp.Identifier) and written.this.quoted:
        sentence = f"{sentence} If it is a text and not a column, write it in single quotes: '{shown}'."
    return f"{sentence} {_nearest(name, [column.name for table in used for column in table.columns], 'columns')}"


def _meant(qualifier: str, tree: exp.Expr, tables: Sequence[Table]) -> list[Table]:
    """The tables that a column written with `qualifier` could be of: one, if that names a table or its alias."""
    named = list(tree.find_all(exp.Table))
    meant = {node.name.lower() for node in named if qualifier.lower() in {node.alias_or_name.lower(), ""}}
    names = meant or {node.name.lower() for node in named}
    return [table for table in tables if table.name in names]


def _stored(scope: Scope, column: exp.Column, tables: Sequence[Table]) -> tuple[Table, Column] | None:
    source = scope.sources.get(column.table)
    if not isinstance(source, exp.Table):
        return None
    table = next((table for table in tables if table.name == source.name.lower()), None)
    stored = table.column(column.name) if table else None
    return (table, stored) if table and stored else None


def _literal_problems(scopes: Sequence[Scope], tables: Sequence[Table], question: str, values: Values) -> Iterator[str]:
    for scope in scopes:
        for node in scope.find_all(exp.Like, exp.ILike, exp.EQ, exp.NEQ, exp.In):
            for column, literal in _compared(node):
                stored = _stored(scope, column, tables)
                if column.is_type(*exp.DataType.TEMPORAL_TYPES):
                    if problem := _date_problem(node, column, literal, question):
                        yield problem
                elif (
                    stored
                    and not isinstance(node, exp.Like | exp.ILike)
                    and (problem := _text_problem(*stored, literal, values))
                ):
                    yield problem


def _compared(node: exp.Expr) -> Iterator[tuple[exp.Column, str]]:
    left = node.this
    others = node.expressions if isinstance(node, exp.In) else [node.expression]
    if isinstance(left, exp.Literal) and others and isinstance(others[0], exp.Column):
        left, others = others[0], [left]
    if not isinstance(left, exp.Column):
        return
    for other in others:
        literal = other.this if isinstance(other, exp.Cast) else other
        if isinstance(literal, exp.Literal) and literal.is_string:
            yield left, literal.name


def _date_problem(node: exp.Expr, column: exp.Column, literal: str, question: str) -> str | None:
    name = quoted(column.name) if not re.fullmatch(r"\w+", column.name) else column.name
    year = _YEAR.search(literal)
    use = f"year({name}) = {year[0]}" if year else f"year({name}) = 2000, month({name}) = 1 or a range of dates"
    if isinstance(node, exp.Like | exp.ILike):
        return f"{name} is a date and can't be matched with LIKE. Use {use}."
    if not _DATE.fullmatch(literal):
        return f"{name} is a date and '{literal}' is none. Use {use}."
    asked = set(_YEAR.findall(question))
    if year and year[0] in asked and not _MONTHS.search(question):
        return f"{name} = '{literal}' is a single day, but the question asks about the year {year[0]}. Use {use}."
    return None


def _text_problem(table: Table, column: Column, literal: str, values: Values) -> str | None:
    known = values.get((table.name, column.name), ())
    if not known or literal in known:
        return None
    lowered = {value.lower(): value for value in known}
    close = [lowered[item] for item in difflib.get_close_matches(literal.lower(), lowered, n=3, cutoff=0.6)]
    short = [
        f"{other.name} = {_text(value)}" for other in table.columns for value in _abbreviations(literal, other.distinct)
    ]
    if short and len(known) > FEW and literal.lower() not in lowered:
        use = f"Use {' or '.join(short[:4])}."
    elif close:
        use = f"Use {' or '.join(_text(value) for value in close)}."
    elif short:
        use = f"Use {' or '.join(short[:4])}."
    elif column.distinct:
        use = f"Its values are: {_listed([_text(value) for value in known])}."
    else:
        use = f"Its values look like {_listed([_text(str(value)) for value in column.examples])}."
    return f"{column.name} is never {_text(literal)}. {use}"


def _abbreviations(word: str, codes: Sequence[str]) -> list[str]:
    """Those of `codes` that may stand for `word`: its letters in order, from the first one; of many none is known."""
    spelled = ".*".join
    short = [code for code in codes if _CODE.fullmatch(code)]
    initials = "".join(part[0] for part in word.upper().split())
    return [code for code in short if code == initials] or [
        code for code in short if re.match(spelled(code), word.upper())
    ]


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _missing_years(tree: exp.Expr, scopes: Sequence[Scope], tables: Sequence[Table], question: str) -> Iterator[str]:
    written = tree.sql(dialect=_DIALECT)
    for year in dict.fromkeys(_YEAR.findall(question)):
        if year in written:
            continue
        dated = _dated(scopes, tables, int(year))
        if dated:
            yield f"The question says {year}, but the query doesn't. Use WHERE year({dated.name}) = {year}."


def _dated(scopes: Sequence[Scope], tables: Sequence[Table], year: int) -> Column | None:
    for scope in scopes:
        for source in scope.sources.values():
            table = next((t for t in tables if isinstance(source, exp.Table) and t.name == source.name.lower()), None)
            for column in table.columns if table else ():
                if column.is_temporal and _spans(column, year):
                    return column
    return None


def _spans(column: Column, year: int) -> bool:
    return str(column.minimum)[:4] <= str(year) <= str(column.maximum)[:4]


def _line(error: SqlglotError) -> str:
    return str(error).replace("\x1b[4m", "").replace("\x1b[0m", "").splitlines()[0]
