"""The SQL analyst: right at once, right after a correction, doubtful and saying so, or unable and saying so."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.graph import END, START, StateGraph

from motet.errors import BudgetExhausted, InvalidInput, ModelFailed
from motet.graphs.crew.linking import described, link
from motet.graphs.crew.sql_analyst import build_sql_analyst
from motet.graphs.crew.wording import plainly, unsupported
from motet.graphs.state import Brief, Finding, State
from motet.testing import ScriptedModel, Step
from motet.tools.sql import Rows
from motet.tools.workspace import Workspace

CARS = """Name,Displacement,Weight_in_lbs,Year,Origin
ford,307.5,3504,1970-01-01,USA
buick,350.5,3693,1970-01-01,USA
datsun,97.5,2130,1971-01-01,Japan
"""
PLANES = "tail,seats\nN1,180\nN2,220\n"


@pytest.fixture
async def workspace(tmp_path: Path) -> AsyncIterator[Workspace]:
    """Cars and planes."""
    (tmp_path / "cars.csv").write_text(CARS)
    (tmp_path / "planes.csv").write_text(PLANES)
    async with await Workspace.open(tmp_path) as opened:
        yield opened


def _sql(text: str) -> str:
    return json.dumps({"sql": text})


async def _asked(workspace: Workspace, question: str, *script: Step) -> tuple[Finding, AIMessage, ScriptedModel]:
    model = ScriptedModel(script)

    async def models() -> ScriptedModel:
        return model

    state = await build_sql_analyst(models, workspace).compile().ainvoke({"messages": [HumanMessage(question)]})
    (finding,) = state["findings"]
    message = state["messages"][-1]
    assert isinstance(message, AIMessage)
    assert message.name == "sql_analyst"
    assert finding["status"] == state["status"]
    model.assert_complete()
    return finding, message, model


async def test_a_simple_question_takes_two_calls(workspace: Workspace) -> None:
    """Query and sentence; the message carries the sentence, the query and the rows."""
    finding, message, model = await _asked(
        workspace,
        "How many cars are from Japan?",
        _sql("SELECT count(*) AS n FROM cars WHERE Origin = 'Japan'"),
        "There is 1 car from Japan.",
    )
    assert (finding["status"], finding["composed"], finding["rows"]) == ("ok", "model", [[1]])
    assert message.text.startswith("There is 1 car from Japan.\n\n```sql\nSELECT count(*)")
    assert message.text.endswith("| n |\n| --- |\n| 1 |")
    assert "CREATE TABLE cars" in model.calls[0].messages[-1].text
    assert "planes" not in model.calls[0].messages[-1].text
    (claim,) = finding.get("claims", [])
    assert (claim["text"], claim["queries"][0]["rows"]) == ("There is 1 car from Japan.", [[1]])


async def test_a_brief_reaches_the_draft(workspace: Workspace) -> None:
    """What was said before and what a check found wrong are told to the model that drafts."""
    brief = Brief(context="We spoke of cars.", problems=["the number 4 is in no cited row"])
    given: Any = {"messages": [HumanMessage("How many are from Japan?")], "brief": brief}
    with ScriptedModel([_sql("SELECT count(*) FROM cars WHERE Origin = 'Japan'"), "There is 1."]) as model:

        async def models() -> ScriptedModel:
            return model

        await build_sql_analyst(models, workspace).compile().ainvoke(given)
    asked = model.calls[0].messages[-1].text
    assert (
        "We spoke of cars.\n</data>\nQuestion: How many are from Japan?\nAn earlier answer was wrong:\n<data" in asked
    )


async def test_an_error_goes_back_with_its_message(workspace: Workspace) -> None:
    """A query that can't run is drafted again, and the model is told what is wrong."""
    finding, _, model = await _asked(
        workspace,
        "What is the average weight of cars?",
        _sql("SELECT avg(Weight) FROM cars"),
        _sql("SELECT avg(Weight_in_lbs) FROM cars"),
        "The average weight is 3109.",
    )
    assert (finding["status"], finding["rows"]) == ("ok", [[3109.0]])
    assert finding["attempts"] == [
        {"action": "SELECT avg(Weight) FROM cars", "problem": "There is no column Weight in cars. Use Weight_in_lbs."}
    ]
    assert "Use Weight_in_lbs" in model.calls[1].messages[-1].text


async def test_a_neighbouring_column_is_doubted_once(workspace: Workspace) -> None:
    """A query that leaves out the column the question means is sent back; the better one is taken without a doubt."""
    finding, _, model = await _asked(
        workspace,
        "Which car has the highest weight?",
        _sql("SELECT Name, Displacement FROM cars ORDER BY Displacement DESC LIMIT 1"),
        _sql("SELECT Name, Weight_in_lbs FROM cars ORDER BY Weight_in_lbs DESC LIMIT 1"),
        "The buick, with 3693.",
    )
    assert (finding["status"], finding["rows"]) == ("ok", [["buick", 3693]])
    assert 'says "weight", which is cars.Weight_in_lbs' in model.calls[1].messages[-1].text


async def test_a_doubt_that_stays_is_said(workspace: Workspace) -> None:
    """If the model insists, the answer is given, marked partial and with the doubt."""
    insisted = _sql("SELECT Name, Displacement FROM cars ORDER BY Displacement DESC LIMIT 1")
    finding, message, _ = await _asked(
        workspace, "Which car has the highest weight?", insisted, insisted, "The buick, with 350.5."
    )
    assert finding["status"] == "partial"
    assert "may not be what was asked" in message.text


async def test_a_doubted_query_is_better_than_none(workspace: Workspace) -> None:
    """If what comes after a doubt can't run, the doubted query is run after all, and said to be doubtful."""
    broken = _sql("SELECT Wait FROM cars")
    finding, _, _ = await _asked(
        workspace,
        "Which car has the highest weight?",
        _sql("SELECT Name, Displacement FROM cars ORDER BY Displacement DESC LIMIT 1"),
        broken,
        broken,
        "The buick, with 350.5.",
    )
    assert (finding["status"], finding["rows"]) == ("partial", [["buick", 350.5]])


async def test_what_is_beyond_doubt_is_put_right_without_the_model(workspace: Workspace) -> None:
    """LIKE on a date becomes its year, and the finding shows what was drafted."""
    finding, _, _ = await _asked(
        workspace,
        "How many cars are of 1970?",
        _sql("SELECT count(*) FROM cars WHERE Year LIKE '1970%'"),
        "There are 2 cars.",
    )
    assert (finding["status"], finding["rows"]) == ("ok", [[2]])
    assert finding["sql"] == "SELECT COUNT(*) FROM cars WHERE YEAR(Year) = 1970"
    assert "can't be matched with LIKE" in finding["attempts"][0]["problem"]


async def test_an_empty_result_goes_back_with_what_the_column_holds(workspace: Workspace) -> None:
    """No rows is no answer: the model is told the range of the column it compared."""
    finding, _, model = await _asked(
        workspace,
        "Which car weighs most?",
        _sql("SELECT Name FROM cars WHERE Weight_in_lbs > 9000"),
        _sql("SELECT Name FROM cars ORDER BY Weight_in_lbs DESC LIMIT 1"),
        "The buick.",
    )
    assert (finding["status"], finding["rows"]) == ("ok", [["buick"]])
    assert "Weight_in_lbs goes from 2130 to 3693" in model.calls[1].messages[-1].text


async def test_a_cross_join_is_sent_back(workspace: Workspace) -> None:
    """Two tables joined without a condition are doubted."""
    finding, _, _ = await _asked(
        workspace,
        "How many cars and planes?",
        _sql("SELECT count(*) FROM cars, planes"),
        _sql("SELECT (SELECT count(*) FROM cars) + (SELECT count(*) FROM planes) AS n"),
        "There are 5.",
    )
    assert (finding["status"], finding["rows"]) == ("ok", [[5]])
    assert "joined without an equality" in finding["attempts"][0]["problem"]


async def test_the_same_query_twice_ends_the_attempts(workspace: Workspace) -> None:
    """Without progress there is no third try: it says that it can't, with what was tried."""
    wrong = _sql("SELECT wings FROM cars")
    finding, message, _ = await _asked(workspace, "How many cars have wings?", wrong, wrong)
    assert (finding["status"], finding["composed"], len(finding["attempts"])) == ("failed", "nothing", 2)
    assert message.text.startswith("I can't answer this: the same was tried twice. The last problem: There is no")


async def test_at_most_three_repairs(workspace: Workspace) -> None:
    """Four different failures are the end."""
    drafts = [_sql(f"FROM cars SELECT {name}") for name in ("wings", "tails", "rudders", "flaps")]
    finding, message, _ = await _asked(workspace, "What is this?", *drafts)
    assert (finding["status"], len(finding["attempts"])) == ("failed", 4)
    assert "no attempt worked" in message.text


async def test_a_sentence_that_the_rows_dont_hold_is_replaced(workspace: Workspace) -> None:
    """A wrong number never reaches the person: the rows speak instead."""
    finding, message, _ = await _asked(
        workspace,
        "What is the average weight of cars?",
        _sql("SELECT avg(Weight_in_lbs) FROM cars"),
        "The average weight is 3190.",
    )
    assert (finding["status"], finding["composed"], finding["answer"]) == ("ok", "rows", "The answer is 3109.")
    assert "3190" not in message.text


async def test_a_model_that_fails_after_the_rows_doesnt_lose_them(workspace: Workspace) -> None:
    """The answer is composed from the rows; a failure before there are any is the run's error."""
    finding, _, _ = await _asked(workspace, "How many cars?", _sql("SELECT count(*) FROM cars"), TimeoutError("slow"))
    assert (finding["status"], finding["answer"]) == ("ok", "The answer is 3.")
    with pytest.raises(ModelFailed):
        await _asked(workspace, "How many cars?", TimeoutError("slow"))


@pytest.mark.parametrize(
    ("before", "rows", "said"),
    [([], [], "I can't answer this"), (["SELECT count(*) FROM cars"], [[3]], "The answer is 3.")],
)
async def test_a_spent_budget_ends_with_what_was_found(
    workspace: Workspace, before: list[str], rows: list[list[int]], said: str
) -> None:
    """Before the rows it can't answer, after them it gives them; either way the status says why."""
    spent = BudgetExhausted("model_calls", spent=1, allowed=1)
    finding, message, _ = await _asked(workspace, "How many cars?", *[_sql(sql) for sql in before], spent)
    assert (finding["status"], finding["rows"]) == ("budget_exhausted", rows)
    assert said in message.text


async def test_a_budget_spent_in_one_turn_is_forgotten_in_the_next(workspace: Workspace) -> None:
    """How a turn ended doesn't colour the next one on the same thread."""
    wrong = _sql("SELECT wings FROM cars")
    model = ScriptedModel([BudgetExhausted("model_calls", spent=1, allowed=1), wrong, wrong])

    async def models() -> ScriptedModel:
        return model

    graph = build_sql_analyst(models, workspace).compile(checkpointer=InMemorySaver())
    question: Any = {"messages": [HumanMessage("How many cars have wings?")]}
    thread: Any = {"configurable": {"thread_id": "1"}}
    statuses = [(await graph.ainvoke(question, thread))["status"] for _ in range(2)]
    assert statuses == ["budget_exhausted", "failed"]


async def test_no_question_is_refused(workspace: Workspace) -> None:
    """A conversation without a question is the caller's mistake, and no model is called."""
    with pytest.raises(InvalidInput, match="question"):
        await _asked(workspace, "  ")


async def test_steps_and_tokens_are_streamed(workspace: Workspace) -> None:
    """Each step is told as it happens; of the model's text only the answer is shown, in pieces, under one id."""
    model = ScriptedModel([_sql("SELECT count(*) FROM cars"), "There are 3 cars."])

    async def models() -> ScriptedModel:
        return model

    graph = build_sql_analyst(models, workspace).compile()
    steps: list[str] = []
    tokens: list[Any] = []
    final: Any = None
    question: Any = {"messages": [HumanMessage("How many cars?")]}
    async for mode, part in graph.astream(question, stream_mode=["custom", "messages", "values"]):
        if mode == "custom":
            assert isinstance(part, dict)
            steps.append(part["step"])
        elif mode == "messages":
            tokens.append(part[0])
        else:
            final = part
    assert steps == ["link_schema", "draft", "execute", "check_result", "ended"]
    assert "".join(token.text for token in tokens) == "There are 3 cars."
    assert {token.id for token in tokens} == {final["messages"][-1].id}


async def test_it_works_as_a_node_of_another_graph(workspace: Workspace) -> None:
    """Findings of two turns on one thread are two, its own state stays inside, and a strict serialiser keeps all."""
    script = [_sql("SELECT count(*) FROM cars"), "There are 3 cars."]
    model = ScriptedModel(script * 2)

    async def models() -> ScriptedModel:
        return model

    outer: StateGraph[State, None, State, State] = StateGraph(State)
    outer.add_node("sql_analyst", build_sql_analyst(models, workspace).compile())
    outer.add_edge(START, "sql_analyst")
    outer.add_edge("sql_analyst", END)
    strict = JsonPlusSerializer(allowed_msgpack_modules=None)
    graph = outer.compile(checkpointer=InMemorySaver(serde=strict))
    thread: Any = {"configurable": {"thread_id": "1"}}

    await graph.ainvoke({"messages": [HumanMessage("How many cars?")]}, thread)
    state = await graph.ainvoke({"messages": [HumanMessage("And how many cars now?")]}, thread)

    assert [finding["question"] for finding in state["findings"]] == ["How many cars?", "And how many cars now?"]
    assert [type(message).__name__ for message in state["messages"]] == ["HumanMessage", "AIMessage"] * 2
    assert set(state) == {"messages", "findings", "status"}


async def test_the_words_of_a_question_choose_the_schema(workspace: Workspace) -> None:
    """Tables by name, columns by parts of their names, values by their text, years by the dates that cover them."""
    found = link("What is the weight of the heaviest car from Japan in 1971?", workspace)
    assert [table.name for table in found.tables] == ["cars"]
    assert ("weight", (("cars", "Weight_in_lbs"),)) in [(item.word, item.columns) for item in found.links]
    assert found.values == (("cars", "Origin", "Japan"),)
    text = described(found)
    assert "Weight_in_lbs BIGINT, -- 2130 to 3693" in text
    assert "Origin VARCHAR, -- one of 'Japan', 'USA'" in text
    assert "-- only 1971: WHERE year(Year) = 1971" in text


@pytest.mark.parametrize(
    ("sentence", "rows", "holds"),
    [
        ("The average was 15.58.", [[15.583333]], True),
        ("The average was 15.59.", [[15.583333]], False),
        ("In 2010 it was 1,234.", [[1234]], True),
        ("About 1.2 million.", [[1234567]], True),
        ("It was 1234 dollars.", [[1234]], False),
        ("It was high.", [[1234]], False),
        ("It was on March 1, 2010.", [["2010-03-01"]], True),
        ("The heaviest is the ford pinto 5.", [["ford pinto 5"]], True),
        ("The heaviest is the ford.", [["ford pinto"]], False),
        ("Those are a and b.", [["a"], ["b"]], True),
        ("It is a.", [["a"], ["b"]], False),
        ("", [[1]], False),
    ],
)
def test_a_sentence_is_held_against_the_rows(sentence: str, rows: list[list[Any]], holds: bool) -> None:  # noqa: FBT001 - an expected value
    """Numbers may be rounded, scaled or the question's; others don't pass, nor units or values left out."""
    found = Rows(columns=["x"], rows=rows, truncated=False, elapsed_s=0.0)
    assert (unsupported(sentence, found, "What was it in 2010?") is None) is holds
    assert unsupported(plainly(found), found, "") is None
