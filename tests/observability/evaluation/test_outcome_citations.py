"""Citations: what an answer names as proof was returned in the run, and holds what is said."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import HumanMessage
from redis.asyncio import Redis
from tests.observability.evaluation.trials import called, scores, trial

from motet.errors import InvalidConfig
from motet.graphs.crew.composing import evidence
from motet.graphs.crew.librarian import build_librarian
from motet.graphs.state import Claim, Query, Quote
from motet.memory.redis.documents import RedisDocuments
from motet.memory.redis.keys import Keys
from motet.observability.evaluation.evaluator import Means
from motet.observability.evaluation.observed import ObservedToolCall
from motet.observability.evaluation.registry import evaluators
from motet.testing import FunctionModel
from motet.tools.documents.indexing import corpus_of, index_folder
from motet.tools.documents.library import Library
from motet.tools.documents.passages import passages_tool
from motet.tools.values import Value

_TEXT = "The tower was built in 1889 by Gustave Eiffel. It is 330 metres high."


def _passage(text: str = _TEXT, *, file: str = "docs/tower.md", start: int = 100) -> ObservedToolCall:
    found = {"file": file, "start": start, "end": start + len(text), "text": text, "headings": [], "page": None}
    return called("find_passages", result=[found], question="q")


def _quote(text: str, *, file: str = "docs/tower.md", start: int = 100) -> Quote:
    return Quote(file=file, start=start, end=start + len(text), text=text)


def _answer(said: str, quotes: Sequence[Quote] = (), queries: Sequence[Query] = ()) -> str:
    """As the crew writes it."""
    return f"{said}\n\n{evidence([Claim(text=said, quotes=list(quotes), queries=list(queries))])}"


async def test_a_quote_that_a_tool_returned_is_support() -> None:
    """The crew's own form of a quote is read: the passage was returned, and holds the sentence's words and numbers."""
    answer = _answer("The tower was built in 1889.", [_quote("The tower was built in 1889 by Gustave Eiffel.")])
    found = await scores("citations", trial(answer, calls=[_passage()], question="When was the tower built?"))
    assert (found["citations"].value, found["citations.cited"].value) == (1.0, 1.0)


async def test_the_librarians_own_answer_is_read(tmp_path: Path, redis: Redis, keys: Keys) -> None:
    """What the librarian itself answers is taken apart, and found supported by what its tool returned."""
    (tmp_path / "RULES.md").write_text("# House rules\n\nReports are kept for 90 days. Nobody deletes them before.\n")
    index = RedisDocuments(redis, keys)
    await index_folder(tmp_path, index, None, lambda *_: None)
    library = await Library.open(index, None, corpus_of(tmp_path))
    question = "How many days are reports kept?"

    async def chat() -> BaseChatModel:
        return FunctionModel(lambda *_: '{"answer": "Reports are kept for 90 days."}')

    state: Any = {"messages": [HumanMessage(question)]}
    answered = await build_librarian(chat, library).compile().ainvoke(state)
    returned = await passages_tool(library).ainvoke({"question": question})
    answer = answered["messages"][-1].text
    found = await scores(
        "citations",
        trial(answer, calls=[called("find_passages", result=returned, question=question)], question=question),
    )
    assert "RULES.md, characters" in answer
    assert (found["citations"].value, found["citations.cited"].value) == (1.0, 1.0)
    assert found["citations"].details["citations"] == 1


@pytest.mark.parametrize(
    ("said", "quote", "calls", "problem"),
    [
        ("Built in 1889.", _quote(_TEXT[:46], file="else.md"), [_passage()], "no tool returned else.md:100-146"),
        ("Built in 1889.", _quote(_TEXT[:46], start=900), [_passage()], "no tool returned characters 900 to 946"),
        (
            "Built in 1889.",
            _quote("Built in 1889 by Batman."),
            [_passage()],
            "the quote “Built in 1889 by Batman.”",
        ),
        ("Built in 1890.", _quote(_TEXT[:46]), [_passage()], "1890 of “Built in 1890.” isn't in what is cited"),
        ("Penguins love cheese.", _quote(_TEXT[:46]), [_passage()], "penguins, love, cheese of “Penguins"),
        ("Built in 1889.", _quote(_TEXT[:46]), [], "no tool returned docs/tower.md:100-146"),
        ("Built in 1889.", _quote(_TEXT[:46]), [called("find_passages", error="x")], "no tool returned"),
    ],
)
async def test_what_isnt_supported_is_named(said: str, quote: Quote, calls: Any, problem: str) -> None:
    """Each citation that nothing supports is named with the reason."""
    found = await scores("citations", trial(_answer(said, [quote]), calls=calls))
    assert found["citations"].value == 0.0
    [wrong] = found["citations"].details["unsupported"]
    assert problem in wrong["problem"]


async def test_a_query_is_a_citation() -> None:
    """Rows that the cited query gave in this run are evidence; a query that wasn't run is none."""
    found: list[list[Value]] = [["Japan", 79], ["Europe", 73]]
    rows = {"columns": ["origin", "n"], "rows": found, "truncated": False}
    sql = "SELECT origin, count(*) AS n\nFROM cars GROUP BY 1"
    cited = Query(sql=sql, columns=["origin", "n"], rows=found, truncated=False)
    call = called("query_workspace", result=rows, sql="select origin, count(*) as n from cars group by 1;")
    answer = _answer("There are 79 cars from Japan.", queries=[cited])
    right = await scores("citations", trial(answer, calls=[call], question="How many cars are from Japan?"))
    wrong = await scores("citations", trial(answer, calls=[called("query_workspace", result=rows, sql="select 1")]))
    assert (right["citations"].value, right["citations.cited"].value) == (1.0, 1.0)
    assert "no tool returned the query SELECT origin" in wrong["citations"].comment


async def test_only_the_passage_that_is_cited_counts() -> None:
    """A number that stands elsewhere in the same document, in another passage, is no support."""
    other = _passage("It was painted in 1907.", start=900)
    answer = _answer("The tower was built in 1907.", [_quote(_TEXT[:46])])
    found = await scores("citations", trial(answer, calls=[_passage(), other]))
    assert "1907 of “The tower" in found["citations"].comment


async def test_sentences_without_a_citation_are_counted() -> None:
    """A paragraph with evidence below it is cited, one without isn't; tables, quotes and queries are no sentences."""
    cited = _answer("The tower was built in 1889. Gustave Eiffel built it.", [_quote(_TEXT[:46])])
    answer = f"{cited}\n\n| a | b |\n| 1 | 2 |\n\nIt is painted every week. So they say."
    found = (await scores("citations", trial(answer, calls=[_passage()])))["citations.cited"]
    assert found.value == 0.5
    assert found.details["uncited"] == ["It is painted every week.", "So they say."]


async def test_two_quotes_support_one_sentence_together() -> None:
    """Each holds a part of the sentence, so both are good."""
    second = _passage("The tower is painted every 7 years.", file="paint.md", start=0)
    quotes = [_quote(_TEXT[:46]), _quote("The tower is painted every 7 years.", file="paint.md", start=0)]
    answer = _answer("The tower of 1889 is painted every 7 years.", quotes)
    assert (await scores("citations", trial(answer, calls=[_passage(), second])))["citations"].value == 1.0


async def test_text_marked_as_data_and_passages_that_meet() -> None:
    """What read_document returns is read by its marks; a quote over the end of one passage stands in two that meet."""
    read = called(
        "read_document", text=f'<data source="docs/tower.md 100-146 of 900">\n{_TEXT[:46]}\n</data>', file="x"
    )
    rest = _passage(_TEXT[40:], start=140)
    quote = Quote(file="docs/tower.md", start=110, end=100 + len(_TEXT), text=_TEXT[10:])
    found = await scores("citations", trial(_answer("Eiffel's is 330 metres high.", [quote]), calls=[read, rest]))
    assert found["citations"].value == 1.0


async def test_a_pattern_of_ones_own() -> None:
    """Citations within a line prove the sentence they stand in or behind."""
    call = called("fetch", text="Rates rose by 3 percent in May.", url="https://bank.example/may")
    answer = "Rates rose by 3 % in May [https://bank.example/may]. They fell in June. [https://bank.example/june]"
    told = {"name": "citations", "pattern": r"\[(?P<source>[^\]]+)\]"}
    found = await scores(told, trial(answer, calls=[call]))
    assert (found["citations"].value, found["citations.cited"].value) == (0.5, 1.0)
    assert found["citations"].details["unsupported"] == [
        {"citation": "https://bank.example/june", "problem": "no tool returned https://bank.example/june"}
    ]
    with pytest.raises(InvalidConfig, match="source"):
        evaluators([{"name": "citations", "pattern": r"\[\d+\]"}], Means())


async def test_expected_sources_must_be_cited() -> None:
    """expect.sources says what a good answer rests on."""
    answer = _answer("Built in 1889.", [_quote(_TEXT[:46])])
    found = await scores("citations", trial(answer, calls=[_passage()], expect={"sources": ["tower.md", "paint.md"]}))
    assert (found["citations.sources"].value, found["citations.sources"].comment) == (0.5, "not cited: paint.md")


async def test_an_answer_that_cites_nothing_has_no_precision() -> None:
    """Without citations there is no share of good ones, and no sentence is cited."""
    found = await scores("citations", trial("The sky is blue."))
    assert (found["citations"].value, found["citations"].error) == (None, "")
    assert found["citations.cited"].value == 0.0
