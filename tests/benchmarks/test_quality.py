"""The quality benchmark judges strictly and alike, counts what it should, and compares by the book."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from benchmarks.quality_evidence import Evidence, failure, unsupported
from benchmarks.quality_report import Outcome, compared, mcnemar, paired, show
from benchmarks.quality_run import System, WatchedDocuments, answered
from benchmarks.quality_scoring import Question, load_questions, right
from benchmarks.single_agent import build_single_agent
from langchain_core.messages import AIMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.config import get_stream_writer
from langgraph.graph import START, StateGraph
from redis.asyncio import Redis
from rich.console import Console

from motet import calls
from motet.graphs.approval import ask
from motet.graphs.state import State
from motet.memory.redis.documents import RedisDocuments
from motet.memory.redis.keys import Keys
from motet.server.evaluation.saying import holds, refused
from motet.testing import ScriptedModel, tool_call
from motet.tools.budget import Limits
from motet.tools.documents.indexing import corpus_of, index_folder
from motet.tools.documents.library import Library
from motet.tools.workspace import Workspace

COUNT = Question(id="data-1", kind="data", question="How many cars are from Europe?", sql="SELECT 73")
WHO = Question(
    id="documents-1",
    kind="documents",
    question="Who published the cars data?",
    says=[["Donoho", "D. Donoho"]],
    file="about.md",
    quote="published by Donoho et al (1982)",
)
BOTH = replace(WHO, id="both-1", kind="both", sql="SELECT 73")
NOBODY = Question(id="unanswerable-1", kind="unanswerable", question="What was the price of TSLA?")


def seen(*results: object, queried: bool = True, searched: bool = True) -> Evidence:
    """Evidence of tools that returned `results`."""
    evidence = Evidence(queried=queried, searched=searched)
    for result in results:
        evidence.add(result)
    return evidence


def test_the_questions_are_forty_and_half_of_each_kind_is_held_out() -> None:
    """14 on data, 12 on documents, 6 on both and 8 that can't be answered, each with what it is judged by."""
    questions = load_questions()

    assert Counter((one.kind, one.held_out) for one in questions) == {
        (kind, held): n
        for kind, n in (("data", 7), ("documents", 6), ("both", 3), ("unanswerable", 4))
        for held in (False, True)
    }
    assert len({one.id for one in questions}) == len({one.question for one in questions}) == 40
    for one in questions:
        assert bool(one.sql) == (one.kind in {"data", "both"}), one.id
        assert bool(one.says and one.file and one.quote) == (one.kind in {"documents", "both"}), one.id
        assert bool(one.near) == (one.kind == "unanswerable"), one.id
        assert one.kind == "data" or not right(one, [], one.question), f"{one.id} is answered by asking it"


@pytest.mark.parametrize(
    ("text", "value", "held"),
    [
        ("There are 1,234 of them.", 1234, True),
        ("There are 1,234 of them.", 234, False),
        ("It is 69.95.", 69.9525, True),
        ("It is 69.96.", 69.9525, False),
        ("It is 34 degrees.", 34.4, False),
        ("About 138.3 million.", 138_283_000, True),
        ("It fell by -802.", 802, False),
        ("Eight airports.", 8, True),
        ("Eighty airports.", 8, False),
        ("In 2012, version 3.51.", 3.5, False),
        ("On March 15, 2015.", "2015-03-15", True),
        ("On the 15th of March, 2015.", "2015-03-15", True),
        ("In March 2015.", "2015-03-15", False),
        ("In Mar. 2009.", "2009-03", True),
        ("On 2009-03-01.", "2009-03", True),
        ("In 2009.", "2009-03", False),
        ("The Mazda GLC.", "mazda glc", True),
        ("It is permitted.", "MIT", False),
    ],
)
def test_a_value_is_said_exactly_or_rounded_as_shown(text: str, value: Any, *, held: bool) -> None:
    """Numbers by what they show, within half a percent; dates in usual forms; words as whole words."""
    assert holds(text, value) is held


@pytest.mark.parametrize(
    ("question", "answer", "good"),
    [
        (COUNT, "There are 73 cars from Europe.", True),
        (COUNT, "There are 79 cars from Europe.\n\n```sql\nSELECT 73\n```", False),
        (COUNT, "Here they are.\n\n| Origin | n |\n| --- | --- |\n| USA | 254 |\n| Europe | 73 |\n", False),
        (COUNT, "| n |\n| --- |\n| 73 |", True),
        (WHO, "It was published by D. Donoho.", True),
        (WHO, "It was published long ago.\n\n> published by Donoho et al (1982)", False),
        (WHO, "> published by Donoho et al (1982)", True),
        (BOTH, "73 of them, published by Donoho.", True),
        (BOTH, "73 of them.", False),
        (BOTH, "Published by Donoho.", False),
        (NOBODY, "I can't answer this: TSLA isn't in the data.", True),
        (NOBODY, "The price was 223.02.", False),
        (NOBODY, "", False),
    ],
)
def test_what_is_said_is_judged_and_not_what_is_shown(question: Question, answer: str, *, good: bool) -> None:
    """Code, long tables and quotes beside a sentence don't make it right; a question in two parts needs both."""
    assert right(question, [73] if question.sql else [], answer) is good


def test_of_alternatives_the_right_one_comes_first() -> None:
    """An answer that lists all of them is right only if it begins with the right one."""
    question = replace(COUNT, among=["AAPL", "GOOG", "IBM"])

    assert right(question, ["GOOG"], "GOOG, ahead of AAPL.")
    assert not right(question, ["GOOG"], "AAPL and GOOG.")


@pytest.mark.parametrize(
    "answer",
    [
        "I can\u2019t answer this.",
        "The documents don't say who wrote them.",
        "Neither the tables nor the documents hold it.",
        "There is no data for 2018.",
        "No information was found.",
        "Prices of TSLA are not included.",
        "I was unable to find that.",
        "It could not be determined from the documents.",
    ],
)
def test_a_refusal_is_known_by_its_words(answer: str) -> None:
    """The usual ways to say that there is no answer."""
    assert refused(answer)


@pytest.mark.parametrize(
    "answer",
    [
        "On 213 days no precipitation fell.",
        "It was not until 1936 that Fisher introduced it.",
        "The answer is 8.",
        "Use ``local_data``, which needs no web connection.",
        "Never at any former period was wheat so cheap.",
    ],
)
def test_an_answer_is_no_refusal(answer: str) -> None:
    """Words of negation alone refuse nothing."""
    assert not refused(answer)


def test_a_date_in_figures_is_the_date_in_words() -> None:
    """Writing May as 05 claims nothing new; another month does."""
    evidence = seen("It was downloaded on May 6, 2018.")

    assert unsupported(WHO, "2018-05-06", evidence) == []
    assert unsupported(WHO, "2018-07-06", evidence) == ["07"]


def test_every_number_and_quote_needs_a_tool_that_returned_it() -> None:
    """A number or quote from nowhere is counted; one from rows, passages or the question isn't, nor are references."""
    rows = {"columns": ["Origin", "n"], "rows": [["Europe", 73.25], ["Japan", 79]], "truncated": False}
    evidence = seen(rows, '<data source="about.md 120-480">\nIt was published by Donoho [7], in 1982.\n</data>')
    question = replace(WHO, question="Who published it before 1990?")

    assert unsupported(question, "1. 73.3 of 2 rows [1], before 1990 (about.md:120-480).", evidence) == []
    quoting = 'about.md: "published by  Donoho"\n\n> It was … in 1982.\n> \u2014 about.md:0\u20139'
    assert unsupported(question, quoting, evidence) == []
    assert unsupported(question, '"published by Donoho [7], in 1982"', evidence) == []
    assert unsupported(question, "There are 74, not 480 or 7.", evidence) == ["74", "480", "7"]
    assert unsupported(question, "“published by Ramos”\n> It was sold by Donoho", evidence) == [
        "“published by Ramos”",
        "“It was sold by Donoho”",
    ]
    assert unsupported(question, "```sql\nSELECT 5\n```", evidence) == []


@pytest.mark.parametrize(
    ("question", "answer", "evidence", "why"),
    [
        (NOBODY, "It was 5.", seen(), "wrongly answered"),
        (COUNT, "I can't answer this.", seen(queried=False), "route wrong"),
        (BOTH, "73.", seen("73", searched=False), "route wrong"),
        (COUNT, "79.", seen({"rows": [[79]]}), "query wrong"),
        (COUNT, "I can't answer this.", seen({"rows": [[73]]}), "wrongly refused"),
        (COUNT, "Very many.", seen({"rows": [[73]]}), "wrongly answered"),
        (WHO, "It was Fisher.", seen("Introduced by Fisher."), "no passage found"),
        (WHO, "It was Ramos.", seen("Originally published by Donoho et al (1982)"), "quote not supporting"),
        (BOTH, "74, by Donoho.", seen("published by Donoho et al (1982)", {"rows": [[73]]}), "wrongly answered"),
    ],
)
def test_a_failure_is_named_by_the_first_step_that_went_wrong(
    question: Question, answer: str, evidence: Evidence, why: str
) -> None:
    """Read off what the tools returned, not off what a system says of itself."""
    assert failure(question, [73] if question.sql else [], answer, evidence) == why


@pytest.mark.parametrize(
    ("only_first", "only_second", "p"),
    [
        (1, 7, 0.0703),  # Fagerland, Lydersen and Laake 2013: airway reactivity before and after a transplantation
        (0, 6, 0.03125),  # 2 / 2 ** 6
        (5, 5, 1.0),
        (0, 0, 1.0),
    ],
)
def test_mcnemar_is_exact(only_first: int, only_second: int, p: float) -> None:
    """The two-sided binomial tail of the discordant pairs, whichever side has more."""
    assert mcnemar(only_first, only_second) == pytest.approx(p, abs=5e-5)
    assert mcnemar(only_second, only_first) == mcnemar(only_first, only_second)


def test_pairs_are_compared_with_their_uncertainty() -> None:
    """Difference and interval come from the pairs; the same seed gives the same interval."""
    pairs = [(True, False)] * 10 + [(False, True)] * 2 + [(True, True)] * 28
    one = paired(pairs, seed=1)

    assert (one.first, one.second, one.only_first, one.only_second) == (38, 30, 10, 2)
    assert one.difference == pytest.approx(0.2)
    assert 0.0 < one.low < 0.2 < one.high < 0.4
    assert paired(pairs, seed=1) == one


def outcome(system: str, question: Question, *, good: bool) -> Outcome:
    """One of no further interest."""
    return Outcome(
        system=system,
        question=question,
        expected=[],
        answer="So it is.",
        right=good,
        failure=None if good else "query wrong",
        error="",
        unsupported=[] if good else ["74"],
        model_calls=3,
        tool_calls=1,
        tokens=900,
        steps=7,
        seconds=4.0,
        asked=0,
        events=[],
        used=[],
    )


def test_the_report_keeps_the_halves_apart_and_lists_every_failure() -> None:
    """Tuned-on, held-out and all questions have figures of their own; each failed question is named with its reason."""
    held_out = replace(WHO, held_out=True)
    outcomes = [
        outcome("crew", COUNT, good=True),
        outcome("single", COUNT, good=False),
        outcome("crew", held_out, good=False),
        outcome("single", held_out, good=False),
    ]
    console = Console(width=160)

    with console.capture() as shown:
        show(outcomes, console, seed=1)

    found = compared(outcomes, seed=1)
    assert {name: (one.first, one.second) for name, one in found.items()} == {
        "tuned on": (1, 0),
        "held out": (0, 0),
        "all": (1, 0),
    }
    assert "crew: 1 query wrong" in shown.get()
    assert "single: 2 query wrong" in shown.get()
    assert "documents-1 (held out)" in shown.get()
    assert compared([one for one in outcomes if one.system == "crew"], seed=1) == {}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A table and a document."""
    (tmp_path / "cars.csv").write_text("Name,Origin\nvw,Europe\nford,USA\n")
    (tmp_path / "about.md").write_text("# Cars\n\nThe data was published by Donoho et al (1982).\n")
    return tmp_path


async def test_a_run_is_judged_by_what_its_tools_returned(folder: Path, redis: Redis, keys: Keys) -> None:
    """The single agent's tools give the evidence; calls, tokens and steps are counted; a spent budget is an error."""
    calls.install()
    index = RedisDocuments(redis, keys)
    await index_folder(folder, index, None, lambda *_: None)
    documents = WatchedDocuments(await Library.open(index, None, corpus_of(folder)))
    steps = [
        tool_call("query_workspace", sql="SELECT count(*) FROM cars WHERE origin = 'Europe'"),
        tool_call("query_workspace", sql="SELECT count(*) FROM cars WHERE Origin = 'Europe'"),
        tool_call("search_documents", question="Who published the cars data?"),
        'It is 1, "published by Donoho et al (1982)", and 1 of 9.',
    ]
    async with await Workspace.open(folder) as workspace:
        system = System(name="single", graph=build_single_agent(ScriptedModel(steps), workspace, documents))
        found = await answered(system, BOTH, [1], documents=documents, names=[])
        system = System(name="single", graph=build_single_agent(ScriptedModel(steps), workspace, documents))
        stopped = await answered(system, BOTH, [1], documents=documents, names=[], limits=Limits(model_calls=2))

    assert found.right
    assert found.unsupported == ["9"]
    assert (found.model_calls, found.tool_calls, found.steps) == (4, 3, 7)
    assert found.tokens > 0
    assert (stopped.right, stopped.failure, stopped.model_calls) == (False, "error", 2)
    assert "BudgetExhausted" in stopped.error
    assert [one["tool"] for one in found.used] == ["query_workspace", "query_workspace", "search_documents"]


@pytest.mark.parametrize(("asks", "asked", "failed"), [("route", 1, None), ("save_report", 0, "asked back")])
async def test_nobody_decides_for_a_system(
    folder: Path, redis: Redis, keys: Keys, *, asks: str, asked: int, failed: str | None
) -> None:
    """Asked who shall take a question, the system's own proposal is approved and counted; any other request fails."""

    async def work(state: State) -> dict[str, Any]:
        get_stream_writer()({"type": "step", "asked": len(state["messages"])})
        proposed = {"agent": "sql_analyst"}
        decision = ask(asks, proposed, description="Who?", arguments_schema={"type": "object"})
        return {"messages": [AIMessage(f"73, says {(decision.arguments or proposed)['agent']}.")]}

    graph = StateGraph(State).add_node("work", work).add_edge(START, "work").compile(checkpointer=InMemorySaver())
    documents = WatchedDocuments(await Library.open(RedisDocuments(redis, keys), None, corpus_of(folder)))

    found = await answered(System(name="crew", graph=graph), COUNT, [73], documents=documents, names=[])

    assert (found.asked, found.failure, found.right) == (asked, failed, failed is None)
    assert found.events[0] == {"type": "step", "asked": 1}
