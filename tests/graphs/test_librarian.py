"""The librarian: an answer that its quotes hold, the quotes alone, or that the documents don't say."""

from __future__ import annotations

import json
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

from motet.errors import BudgetExhausted, InvalidInput, ModelFailed
from motet.graphs.crew.librarian import build_librarian
from motet.graphs.crew.passages import ranked
from motet.graphs.crew.sentences import holding, sentences
from motet.graphs.state import Brief, Finding
from motet.testing import ScriptedModel, Step
from motet.tools.documents.passages import Passage
from motet.tools.documents.ports import Documents

KEPT = "Reports are kept for 90 days."
TWO = "Every approval must be given by two people, and each of them signs within 24 hours."
HOW_LONG = "How long are reports kept?"
WHO_SIGNS = "How many people must give an approval?"
SPENT = BudgetExhausted("model_calls", spent=1, allowed=1)


def _reply(answer: str) -> str:
    return json.dumps({"answer": answer})


async def _asked(
    documents: Documents, question: str, *script: Step, brief: Brief | None = None
) -> tuple[Finding, AIMessage, ScriptedModel]:
    with ScriptedModel(script) as model:

        async def models() -> ScriptedModel:
            return model

        given: Any = {"messages": [HumanMessage(question)], **({"brief": brief} if brief else {})}
        state = await build_librarian(models, documents).compile().ainvoke(given)
    (finding,) = state["findings"]
    message = state["messages"][-1]
    assert isinstance(message, AIMessage)
    assert (message.name, finding["agent"]) == ("librarian", "librarian")
    assert finding["status"] == state["status"]
    return finding, message, model


async def test_a_simple_question_takes_one_call(documents: Documents) -> None:
    """The answer comes with the very words that hold it, and where they stand; a model reads them as data."""
    finding, message, model = await _asked(documents, HOW_LONG, _reply("Reports are kept for 90 days."))
    assert (finding["status"], finding["composed"]) == ("ok", "model")
    (claim,) = finding.get("claims", [])
    (quote,) = claim["quotes"]
    assert claim["text"] == finding["answer"]
    assert await documents.read(quote["file"], start=quote["start"], length=quote["end"] - quote["start"]) == KEPT
    assert "> RULES.md, characters 15 to 44" in message.text
    assert '<data source="RULES.md' in model.calls[0].messages[-1].text


@pytest.mark.parametrize("answer", ["Two people must give an approval.", "two people", "Two people, within 24 hours"])
async def test_the_sentence_that_holds_the_answer_is_its_quote(documents: Documents, answer: str) -> None:
    """However short the answer is, what is quoted is the whole sentence as the file has it."""
    finding, _, _ = await _asked(documents, WHO_SIGNS, _reply(answer))
    assert [quote["text"] for quote in finding.get("claims", [])[0]["quotes"]] == [TWO]


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ("Reports are kept for 60 days.", "the number 60 is in no cited row or quote"),
        ("Reports are not kept for 90 days.", "turns round what the quote says"),
        ("Reports are kept for 90 days. " * 12, "say it in one short sentence"),
    ],
)
async def test_what_doesnt_hold_goes_back(documents: Documents, wrong: str, told: str) -> None:
    """The model is told what is wrong, concretely, and may correct it."""
    finding, _, model = await _asked(documents, HOW_LONG, _reply(wrong), _reply("They are kept for 90 days."))
    assert (finding["status"], finding["composed"], len(finding["attempts"])) == ("ok", "model", 1)
    assert told in model.calls[1].messages[-1].text


async def test_the_quote_answers_where_no_sentence_holds(documents: Documents) -> None:
    """An answer that keeps failing is left out, and the sentence that fits the question is given alone."""
    finding, message, _ = await _asked(
        documents, HOW_LONG, *(_reply(f"Reports are kept for {number} days.") for number in ("60", "30", "ten"))
    )
    assert (finding["status"], finding["composed"]) == ("ok", "quotes")
    assert finding["answer"] == f"RULES.md says: “{KEPT}”"
    assert "60" not in message.text


async def test_a_sentence_that_surely_answers_is_given_where_the_model_has_nothing(documents: Documents) -> None:
    """A model that overlooks what fits the question in all its words isn't believed."""
    finding, _, _ = await _asked(documents, "For which days are reports kept?", _reply(""), _reply(""))
    assert finding["composed"] == "quotes"
    assert finding.get("claims", [])[0]["quotes"][0]["text"] == KEPT


async def test_the_same_reply_twice_ends_the_attempts(documents: Documents) -> None:
    """Without progress there is no third try."""
    wrong = _reply("Reports are kept for 60 days.")
    finding, _, _ = await _asked(documents, HOW_LONG, wrong, wrong)
    assert finding["composed"] == "quotes"
    assert [one["action"] for one in finding["attempts"]] == ["Reports are kept for 60 days."] * 2


@pytest.mark.parametrize("question", ["What is the capital of France?", "Which colour do squirrels prefer?"])
async def test_what_no_passage_is_near_is_said_without_a_model(documents: Documents, question: str) -> None:
    """Nothing fits: the documents don't say, and no model is asked."""
    finding, message, _ = await _asked(documents, question)
    assert (finding["status"], finding["composed"]) == ("failed", "nothing")
    assert message.text.startswith(f"The documents don't say: “{question}”.")


async def test_what_the_passages_dont_answer_is_said(documents: Documents) -> None:
    """The model may say that nothing answers; the files that were looked at are named."""
    finding, message, _ = await _asked(documents, "Who keeps the reports?", _reply(""))
    assert finding["status"] == "failed"
    assert message.text.startswith("The documents don't say: “Who keeps the reports?”. I looked in RULES.md")


async def test_a_passage_about_something_else_is_no_answer(documents: Documents) -> None:
    """A true sentence from another data set's section is none: the question names one that a passage speaks of."""
    question = "Which licence does weather.csv state?"
    finding, _, _ = await _asked(documents, question, _reply("The package doesn't state the data's own licence."))
    assert finding["status"] == "failed"
    assert not finding.get("claims")


async def test_a_question_for_a_number_needs_one(documents: Documents) -> None:
    """A sentence about deletion doesn't say when, though it has the question's words."""
    said = "A report is never deleted before its author was asked."
    finding, _, _ = await _asked(documents, "When is a report deleted?", _reply(said))
    assert finding["status"] == "failed"


async def test_a_sentence_without_a_number_of_the_question_is_no_answer(documents: Documents) -> None:
    """What is said of 90 days says nothing about 2031."""
    finding, _, _ = await _asked(documents, "How long are reports of 2031 kept?")
    assert finding["status"] == "failed"


async def test_a_brief_reaches_the_search_and_the_model(documents: Documents) -> None:
    """What was said before helps to find the passage, and what a check found wrong is told."""
    brief = Brief(context="We spoke about how reports are kept.", problems=["the number 60 is in no quote"])
    finding, _, model = await _asked(
        documents, "For how many days?", _reply("Reports are kept for 90 days."), brief=brief
    )
    assert finding["status"] == "ok"
    asked = model.calls[0].messages[-1].text
    assert 'Said before:\n<data source="conversation">\nWe spoke about' in asked
    assert 'An earlier answer was wrong:\n<data source="check">\nthe number 60' in asked


async def test_a_spent_budget_ends_with_what_was_found(documents: Documents) -> None:
    """Before a quote stands it can't answer, after that it gives the quote; either way the status says why."""
    finding, _, _ = await _asked(documents, HOW_LONG, SPENT)
    assert (finding["status"], finding["composed"]) == ("budget_exhausted", "nothing")
    finding, _, _ = await _asked(documents, HOW_LONG, _reply("Kept for 60 days."), SPENT)
    assert (finding["status"], finding["composed"]) == ("budget_exhausted", "quotes")


async def test_a_model_that_fails_after_a_quote_doesnt_lose_it(documents: Documents) -> None:
    """The quote is given; a failure before there is one is the run's error."""
    finding, _, _ = await _asked(documents, HOW_LONG, _reply("Kept for 60 days."), TimeoutError("slow"))
    assert (finding["status"], finding["answer"]) == ("ok", f"RULES.md says: “{KEPT}”")
    with pytest.raises(ModelFailed):
        await _asked(documents, HOW_LONG, TimeoutError("slow"))


async def test_no_question_is_refused(documents: Documents) -> None:
    """A conversation without a question is the caller's mistake, and no model is called."""
    with pytest.raises(InvalidInput, match="question"):
        await _asked(documents, "  ")


async def test_steps_are_streamed_and_the_state_is_plain(documents: Documents) -> None:
    """What is searched, read and answered is told as it happens; a strict serialiser keeps two turns of a thread."""
    with ScriptedModel([_reply("Reports are kept for 90 days."), SPENT]) as model:

        async def models() -> ScriptedModel:
            return model

        strict = JsonPlusSerializer(allowed_msgpack_modules=None)
        graph = build_librarian(models, documents).compile(checkpointer=InMemorySaver(serde=strict))
        thread: Any = {"configurable": {"thread_id": "1"}}
        question: Any = {"messages": [HumanMessage(HOW_LONG)]}
        steps: list[Any] = [part async for part in graph.astream(question, thread, stream_mode="custom")]
        state = await graph.ainvoke(question, thread)
    assert [part["step"] for part in steps if part["step"] != "read"] == ["search", "ended"]
    assert steps[1]["file"] == "RULES.md"
    assert steps[-1]["quotes"] == [{"file": "RULES.md", "start": 15, "text": KEPT}]
    assert [finding["status"] for finding in state["findings"]] == ["ok", "budget_exhausted"]


def test_passages_that_speak_of_what_is_named_come_first() -> None:
    """The name decides between passages that are otherwise alike; a name that none holds leaves nothing."""
    cars = Passage(file="a.md", start=0, end=9, text="Data by Donoho", headings=["Cars"], page=None, similarity=0.9)
    planes = cars.copy()
    planes.update(headings=["Planes"], similarity=0.5)
    assert ranked("Who made the data called Planes?", [cars, planes]) == [planes, cars]
    assert ranked("Who made the data called Trains?", [cars, planes]) == []


def test_sentences_end_where_people_end_them() -> None:
    """Initials, months and other abbreviations don't end one; lines of lists and rows of tables do."""
    said = "It was made by R.A. Fisher on Nov. 3 (see e.g. Smith et al. 1934). It has 150 rows."
    text = f"{said}\n\n- first of all this\n- then that one"
    passage = Passage(file="a.md", start=100, end=100 + len(text), text=text, headings=[], page=None, similarity=None)
    found = list(sentences([passage]))
    assert [one["text"] for one in found] == [
        "It was made by R.A. Fisher on Nov. 3 (see e.g. Smith et al. 1934).",
        "It has 150 rows.",
        "- first of all this",
        "- then that one",
    ]
    assert all(text[one["start"] - 100 : one["end"] - 100] == one["text"] for one in found)


def test_the_fewest_sentences_hold_an_answer() -> None:
    """Those that add nothing are no evidence, and an answer that stands nowhere has none."""
    text = "Apples are red in autumn. Pears are green in autumn. Plums are blue."
    passage = Passage(file="a.md", start=0, end=len(text), text=text, headings=[], page=None, similarity=None)
    offered = list(sentences([passage]))
    assert [one["text"] for one in holding("Pears are green", offered)] == ["Pears are green in autumn."]
    assert len(holding("Pears are green, plums are blue", offered)) == 2
    assert holding("Nothing of it", offered) == []
