"""What a draft says is held against its evidence: twenty corrupted drafts are caught, true ones pass."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from motet.errors import ToolFailed
from motet.graphs.crew.wording import plainly
from motet.graphs.state import Claim, Query, Quote
from motet.graphs.verification import Problem, verify
from motet.tools.documents.ports import Documents
from motet.tools.sql import Rows
from motet.tools.workspace import Workspace

KEPT = "Reports are kept for 90 days."
DELETED = "A report is never deleted before its author was asked."
TWO = "Every approval must be given by two people, and each of them signs within 24 hours."
HANDBOOK = "Version 3.11.7 of the handbook\nwas published on 1 March 2010."
NOAA = "Daily precipitation in Seattle, 2012 to 2015, drawn from NOAA data."
COUNT = "SELECT count(*) AS n FROM cars WHERE origin = 'USA'"
BY_ORIGIN = "SELECT origin, count(*) AS n FROM cars GROUP BY origin"
HEAVIEST = "SELECT name, weight FROM cars ORDER BY weight DESC LIMIT 2"
AVERAGE = "SELECT avg(weight) AS weight FROM cars"
FIRST = "SELECT name, year FROM cars WHERE name = 'buick'"


def _claim(text: str, *evidence: Quote | Query) -> Claim:
    return Claim(
        text=text,
        quotes=[one for one in evidence if "file" in one],
        queries=[one for one in evidence if "sql" in one],
    )


class Draft:
    """Makes evidence that is true, from the folder's own files and data."""

    def __init__(self, folder: Path, documents: Documents, workspace: Workspace) -> None:
        self.folder, self.documents, self.workspace = folder, documents, workspace

    def quote(self, text: str, file: str = "RULES.md") -> Quote:
        """The words, where they do stand."""
        start = (self.folder / file).read_text().index(text)
        return Quote(file=file, start=start, end=start + len(text), text=text)

    async def query(self, sql: str, *, keep: int = 50) -> Query:
        """The query with the rows it does give."""
        result = await self.workspace.query(sql)
        rows = [list(row) for row in result.rows]
        return Query(sql=sql, columns=list(result.columns), rows=rows[:keep], truncated=len(rows) > keep)

    async def problems(self, claim: Claim, question: str = "") -> list[str]:
        """What the verifier says of the claim."""
        found = await verify([claim], question=question, documents=self.documents, workspace=self.workspace)
        assert all(problem.claim == 0 for problem in found)
        return [problem.text for problem in found]


@pytest.fixture
def draft(folder: Path, documents: Documents, cars: Workspace) -> Draft:
    """Over the folder's documents and data."""
    return Draft(folder, documents, cars)


def _only(problems: list[str], *words: str) -> None:
    (problem,) = problems
    assert all(word in problem for word in words), problem


@pytest.mark.parametrize(
    ("said", "sql", "words"),
    [
        ("There are 4 cars from the USA.", COUNT, ("the number 4 is in no cited row", "the query gives 3")),
        ("The average weight is 3,190.", AVERAGE, ("the number 3,190 ", "the query gives 3042.6666")),
        ("There are four cars from the USA.", COUNT, ("the number four ", "the query gives 3")),
        ("Of the cars, 3 are from Japan.", BY_ORIGIN, ("the number 3 isn't of (Japan, 2)", "but of (USA, 3)")),
    ],
)
async def test_a_wrong_number_is_caught(draft: Draft, said: str, sql: str, words: tuple[str, ...]) -> None:
    """A number that the rows don't give is named, with what they do give."""
    _only(await draft.problems(_claim(said, await draft.query(sql)), "How many cars are there by origin?"), *words)


@pytest.mark.parametrize(
    ("file", "words"),
    [
        ("SOURCES.md", ("isn't in SOURCES.md at", "there stands: “", "stand in RULES.md at")),
        ("RULES.txt", ("quotes RULES.txt", "no such document; there is RULES.md")),
        ("cars.csv", ("quotes cars.csv", "no such document")),
        ("../RULES.md", ("quotes ../RULES.md", "no such document; there is RULES.md")),
    ],
)
async def test_a_wrong_file_is_caught(draft: Draft, file: str, words: tuple[str, ...]) -> None:
    """A quote must stand in the file it names, and the message says where it does stand."""
    quote = draft.quote(KEPT)
    quote["file"] = file
    _only(await draft.problems(_claim(KEPT, quote)), *words)


@pytest.mark.parametrize(
    ("true", "altered"),
    [
        (KEPT, "Reports are kept for 60 days."),
        (DELETED, "A report is always deleted before its author was asked."),
        (TWO, "Every approval may be given by two people, and each of them signs within 24 hours."),
        (HANDBOOK, "Version 3.11.8 of the handbook\nwas published on 1 March 2010."),
    ],
)
async def test_a_quote_altered_by_one_word_is_caught(draft: Draft, true: str, altered: str) -> None:
    """Words that don't stand there are shown beside those that do."""
    quote = draft.quote(true)
    quote.update(text=altered, end=quote["start"] + len(altered))
    said = " ".join(altered.split())
    _only(
        await draft.problems(_claim(said, quote)),
        "isn't in RULES.md at",
        "there stands: “" + " ".join(true.split())[:20],
    )


@pytest.mark.parametrize(
    ("evidence", "words"),
    [
        (Quote(file="HANDBOOK.pdf", start=10, end=39, text=KEPT), ("quotes HANDBOOK.pdf", "no such document")),
        (Quote(file="RULES.md", start=9_000, end=9_029, text=KEPT), ("at 9000 to 9029", "Reports are kept")),
        (Query(sql="SELECT 90 AS days", columns=["days"], rows=[[90]], truncated=False), ("reads no table",)),
        (Query(sql="SELECT days FROM rules", columns=["days"], rows=[[90]], truncated=False), ("no table", "rules")),
    ],
)
async def test_an_invented_citation_is_caught(draft: Draft, evidence: Any, words: tuple[str, ...]) -> None:
    """A file, a place, a result or a table that there isn't is no evidence."""
    problems = await draft.problems(_claim(KEPT, evidence))
    _only(problems, *words)


@pytest.mark.parametrize(
    ("sql", "rows", "words"),
    [
        (COUNT, [[2]], ("doesn't give the cited row (2)", "it gives (3)")),
        (BY_ORIGIN, [["USA", 3], ["Japan", 2]], ("gives 3 rows, and 2 are cited", "(Sweden, 1) is left out")),
        (HEAVIEST, [["ford", 3504], ["buick", 3693]], ("gives (buick, 3693) where the row (ford, 3504) is cited",)),
        (AVERAGE, [[3042.6]], ("doesn't give the cited row (3042.6)", "3042.666")),
    ],
)
async def test_a_stale_row_is_caught(draft: Draft, sql: str, rows: list[list[Any]], words: tuple[str, ...]) -> None:
    """The query is run again, and must give the very rows that are cited, in its order if it has one."""
    query = await draft.query(sql)
    query["rows"] = rows
    _only(await draft.problems(_claim("There are such cars.", query)), *words)


@pytest.mark.parametrize(
    ("said", "sql"),
    [
        ("There are 3 cars from the USA.", COUNT),
        ("Three cars are from the USA.", COUNT),
        ("The average weight is 3,043 pounds, or 3,042.67 exactly.", AVERAGE),
        ("The average weight is about 3.04 thousand.", AVERAGE),
        ("USA has 3 cars, Japan 2 and Sweden 1, 6 in total.", BY_ORIGIN),
        ("The query gives 3 origins; 50% of the cars are from the USA.", BY_ORIGIN),
        ("The heaviest is the buick with 3693, which is 189 more than the ford.", HEAVIEST),
        ("The buick is of March 1, 1970.", FIRST),
        ("The buick dates from March 1970.", FIRST),
    ],
)
async def test_a_true_claim_about_data_passes(draft: Draft, said: str, sql: str) -> None:
    """Rounded, grouped, spelled out or recomputed: what the rows give may be said."""
    question = "How many cars are from where, which is heaviest, what is the average weight in pounds?"
    assert await draft.problems(_claim(said, await draft.query(sql)), question) == []


@pytest.mark.parametrize(
    ("said", "quoted"),
    [
        ("Reports are kept for 90 days.", KEPT),
        ("You keep a report 90 days.", KEPT),
        ("A report isn't deleted before asking its author.", DELETED),
        ("An approval needs two people, who sign within 24 hours.", TWO),
        ("An approval needs 2 people.", TWO),
        ("The handbook's version 3.11.7 was published on 2010-03-01.", HANDBOOK),
        ("“Reports are kept for 90 days.”", KEPT),
    ],
)
async def test_a_true_claim_about_documents_passes(draft: Draft, said: str, quoted: str) -> None:
    """In other forms of its words, and with dates and numbers written otherwise, what a quote says may be said."""
    assert await draft.problems(_claim(said, draft.quote(quoted)), "What are the rules?") == []


@pytest.mark.parametrize(
    ("said", "quoted", "words"),
    [
        ("Reports are kept for 60 days.", KEPT, "the number 60 is in no cited row or quote; the quote says 90"),
        ("Reports are kept for 90 months.", KEPT, "the unit months"),
        ("Reports are not kept for 90 days.", KEPT, "turns round what the quote says"),
        ("A report is deleted before its author was asked.", DELETED, "turns round what the quote says"),
        ("The handbook was published on 3 January 2010.", HANDBOOK, "the date 3 January 2010"),
        ("The handbook has version 3.11.8.", HANDBOOK, "3.11.8 stands in no cited"),
        ("The handbook by Miller was published in 2010.", HANDBOOK, "Miller is named in no cited"),
        ("The rule calls them “signed twice”.", TWO, "“signed twice” stands in no cited"),
        ("Backups run nightly onto encrypted tapes.", KEPT, "most of what it says"),
        ("Backups need insurance.", KEPT, "doesn't speak of it"),
        ("Miller signs within 24 hours.", TWO, "Miller is named"),
        ("Yes, it is.", KEPT, "says nothing that could be held"),
        ("", KEPT, "says nothing"),
    ],
)
async def test_what_a_quote_doesnt_say_is_caught(draft: Draft, said: str, quoted: str, words: str) -> None:
    """Numbers, units, dates, codes, names, words and a "not" must be the evidence's own."""
    problems = await draft.problems(
        _claim(said, draft.quote(quoted)), "Do backups need insurance, and does Miller sign?"
    )
    assert any(words in problem for problem in problems), problems


async def test_no_evidence_is_refused(draft: Draft) -> None:
    """A claim must rest on something, and on more than a word or two, unless that is all of a cell."""
    _only(await draft.problems(_claim("There are 3 cars.")), "rests on nothing")
    _only(await draft.problems(_claim("It is kept.", draft.quote("90 days"))), "too short")
    cell = draft.quote("1,461", "SOURCES.md")
    assert await draft.problems(_claim("weather.csv has 1,461 rows.", cell), "How many rows has weather.csv?") == []


async def test_other_orders_and_cut_results_are_no_stale_rows(draft: Draft) -> None:
    """Without ORDER BY the order doesn't matter, and of a long result the first rows may be cited."""
    query = await draft.query(BY_ORIGIN)
    query["rows"].reverse()
    assert await draft.problems(_claim("Cars by origin.", query)) == []
    cut = await draft.query("SELECT name FROM cars", keep=2)
    assert cut["truncated"]
    assert await draft.problems(_claim("Some cars: ford and buick.", cut)) == []
    _only(await draft.problems(_claim("Of all cars, 2 are named.", cut)), "the number 2")


async def test_each_problem_names_its_claim(draft: Draft) -> None:
    """Of three claims the wrong one is named, and the others pass."""
    true = _claim(KEPT, draft.quote(KEPT))
    wrong = _claim("Reports are kept for 60 days.", draft.quote(KEPT))
    found = await verify([true, wrong, true], question="", documents=draft.documents, workspace=None)
    assert [(type(problem), problem.claim) for problem in found] == [(Problem, 1)]


async def test_two_results_may_be_compared(draft: Draft) -> None:
    """The difference of two queries' single results follows from them; a number that doesn't is caught."""
    japan = await draft.query("SELECT count(*) AS n FROM cars WHERE origin = 'Japan'")
    usa = await draft.query(COUNT)
    question = "How many more cars come from the USA than from Japan?"
    assert await draft.problems(_claim("The USA has 1 more car than Japan.", usa, japan), question) == []
    _only(await draft.problems(_claim("The USA has 7 more cars than Japan.", usa, japan), question), "the number 7")


async def test_a_folder_without_documents_or_data_is_said(draft: Draft) -> None:
    """What can't be looked up doesn't hold."""
    quote, query = draft.quote(NOAA, "SOURCES.md"), await draft.query(COUNT)
    claims = [_claim(NOAA, quote), _claim("There are 3 cars.", query)]
    found = await verify(claims, question="", documents=None, workspace=None)
    assert [problem.claim for problem in found] == [0, 1]
    assert "there are no documents" in found[0].text
    assert "there is no data" in found[1].text


async def test_a_name_must_be_where_the_quote_stands(draft: Draft) -> None:
    """A true quote from another thing's section doesn't speak of this one, though the question does."""
    quote = draft.quote("The package doesn't state the data's own licence.", "SOURCES.md")
    question = "What is the licence of the Seattle data, and of the cars by Donoho?"
    assert (
        await draft.problems(_claim("The licence of Donoho's cars isn't stated by the package.", quote), question) == []
    )
    _only(
        await draft.problems(_claim("The licence of the Seattle data isn't stated by the package.", quote), question),
        "Seattle",
    )


@pytest.mark.parametrize(
    "sql",
    [
        COUNT,
        BY_ORIGIN,
        HEAVIEST,
        AVERAGE,
        FIRST,
        "SELECT name, NULL AS owner FROM cars WHERE origin = 'Japan'",
        "SELECT repeat('long ', 40) || name AS story FROM cars",
        "SELECT a.name FROM cars a, cars b, cars c, cars d",
    ],
)
async def test_what_is_composed_from_rows_holds(draft: Draft, sql: str) -> None:
    """The sentence that rows are told by, where no model's holds, passes for any of them, cut or not."""
    query = await draft.query(sql)
    rows = Rows(columns=query["columns"], rows=query["rows"], truncated=query["truncated"], elapsed_s=0.0)
    assert await draft.problems(_claim(plainly(rows), query)) == []


@pytest.mark.parametrize("text", [DELETED, "Reports"])
async def test_a_document_that_goes_while_it_is_checked_fails_no_run(
    draft: Draft, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    """Another process may index the folder meanwhile: what is gone proves nothing, and the check ends."""
    quote, read = draft.quote(text), draft.documents.read

    async def once(file: str, *, start: int = 0, length: int = 4_000) -> str:
        monkeypatch.setattr(draft.documents, "read", gone)
        return await read(file, start=start, length=length)

    async def gone(*_: object, **__: object) -> Any:
        raise ToolFailed("there is no such document")

    monkeypatch.setattr(draft.documents, "read", once)
    monkeypatch.setattr(draft.documents, "neighbours", gone)
    problems = await draft.problems(_claim(text, quote))

    assert problems == [] if text == DELETED else "can't be read" in problems[0]


async def test_a_number_that_the_question_presumes_is_not_simply_said_again(draft: Draft) -> None:
    """It may be repeated beside what the query gives, not in its place; a "no" says that there are 0."""
    query, none = await draft.query(COUNT), await draft.query(COUNT.replace("USA", "Peru"))
    asked = "Are there 7 cars from the USA, or from Peru, in 1971?"

    _only(await draft.problems(_claim("Yes, there are 7 cars from the USA.", query), asked), "the query gives 3")
    assert await draft.problems(_claim("There are not 7 but 3 cars from the USA.", query), asked) == []
    assert await draft.problems(_claim("There are no cars from Peru in 1971.", none), asked) == []
