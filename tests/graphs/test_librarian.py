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
from motet.graphs.crew.passages import quoted, ranked
from motet.graphs.state import Brief, Finding
from motet.testing import ScriptedModel, Step
from motet.tools.documents.passages import Passage
from motet.tools.documents.ports import Documents

KEPT = "Reports are kept for 90 days."
TWO = "Every approval must be given by two people, and each of them signs within 24 hours."
HOW_LONG = "How long are reports kept?"
WHO_SIGNS = "How many people must give an approval?"
SPENT = BudgetExhausted("model_calls", spent=1, allowed=1)


def _reply(answer: str, *quotes: str, passage: int = 1, found: bool = True) -> str:
    return json.dumps(
        {"quotes": [{"passage": passage, "text": one} for one in quotes], "answer": answer, "found": found}
    )


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
    """The answer comes with the very words that hold it, and where they stand; the passages reach the model as data."""
    finding, message, model = await _asked(documents, HOW_LONG, _reply("Reports are kept for 90 days.", KEPT))
    assert (finding["status"], finding["composed"]) == ("ok", "model")
    (claim,) = finding.get("claims", [])
    (quote,) = claim["quotes"]
    assert claim["text"] == finding["answer"]
    assert await documents.read(quote["file"], start=quote["start"], length=quote["end"] - quote["start"]) == KEPT
    assert "> RULES.md, characters 15 to 44" in message.text
    assert '<data source="RULES.md' in model.calls[0].messages[-1].text


async def test_a_quote_is_cited_as_the_file_has_it(documents: Documents) -> None:
    """Spacing and typography may differ in what the model writes; a quote of two words grows to its sentence."""
    said = "Every approval must be given by two people,  and each of them signs within 24 hours."
    finding, _, _ = await _asked(documents, WHO_SIGNS, _reply("Two people must give an approval.", said))
    assert finding.get("claims", [])[0]["quotes"][0]["text"] == TWO
    finding, _, _ = await _asked(documents, WHO_SIGNS, _reply("Two people must give an approval.", "two people"))
    assert finding.get("claims", [])[0]["quotes"][0]["text"] == TWO


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (
            _reply("Reports are kept for 90 days.", "Reports are held for 90 days."),
            f"no passage; there stands: “{KEPT}”",
        ),
        (_reply("Reports are kept for 60 days.", KEPT), "the number 60 is in no cited row or quote"),
        (_reply("Reports are not kept for 90 days.", KEPT), "turns round what the quote says"),
    ],
)
async def test_what_doesnt_hold_goes_back(documents: Documents, wrong: str, told: str) -> None:
    """The model is told what is wrong, concretely, and may correct it."""
    finding, _, model = await _asked(documents, HOW_LONG, wrong, _reply("They are kept for 90 days.", KEPT))
    assert (finding["status"], finding["composed"], len(finding["attempts"])) == ("ok", "model", 1)
    assert told in model.calls[1].messages[-1].text


async def test_a_quote_that_was_left_out_is_added(documents: Documents) -> None:
    """A true sentence beside the wrong quote gets the words it was taken from, with no further call."""
    wrong = "A report is never deleted before its author was asked."
    finding, _, _ = await _asked(documents, HOW_LONG, _reply("Reports are kept for 90 days.", wrong))
    assert finding["composed"] == "model"
    assert [quote["text"] for quote in finding.get("claims", [])[0]["quotes"]] == [KEPT, wrong]


async def test_the_quote_answers_where_no_sentence_holds(documents: Documents) -> None:
    """A sentence that keeps failing is left out, and the quote is given alone."""
    finding, message, _ = await _asked(
        documents,
        HOW_LONG,
        _reply("Reports are kept for 60 days.", KEPT),
        _reply("Reports are kept for 30 days.", KEPT),
        _reply("Reports are kept for ten days.", KEPT),
    )
    assert (finding["status"], finding["composed"]) == ("ok", "quotes")
    assert finding["answer"] == f"RULES.md says: “{KEPT}”"
    assert "60" not in message.text


@pytest.mark.parametrize("found", [True, False])
async def test_words_copied_into_the_answer_are_the_quote(documents: Documents, found: bool) -> None:  # noqa: FBT001 - what the model says
    """A small model may quote nothing, copy what answers, and deny it: what stands there and answers is given."""
    finding, _, _ = await _asked(documents, HOW_LONG, _reply(KEPT, found=found))
    assert (finding["status"], finding["composed"]) == ("ok", "quotes")
    assert finding.get("claims", [])[0]["quotes"][0]["text"] == KEPT


async def test_the_same_reply_twice_ends_the_attempts(documents: Documents) -> None:
    """Without progress there is no third try, and without a quote that stands no answer."""
    wrong = _reply("Reports are kept for ever.", "Reports are held for ever.")
    finding, message, _ = await _asked(documents, HOW_LONG, wrong, wrong)
    assert (finding["status"], finding["composed"], finding.get("claims")) == ("failed", "nothing", [])
    assert message.text.startswith(
        "I can't answer this from the documents: the same was tried twice. “Reports are held"
    )


@pytest.mark.parametrize("question", ["What is the capital of France?", "Which colour do squirrels prefer?"])
async def test_what_no_passage_is_near_is_said_without_a_model(documents: Documents, question: str) -> None:
    """Nothing fits: the documents don't say, and no model is asked."""
    finding, message, _ = await _asked(documents, question)
    assert (finding["status"], finding["composed"]) == ("failed", "nothing")
    assert message.text.startswith(f"The documents don't say: “{question}”.")


async def test_what_the_passages_dont_answer_is_said(documents: Documents) -> None:
    """The model may say that nothing answers; the files that were looked at are named."""
    finding, message, _ = await _asked(documents, "Who keeps the reports?", _reply("", found=False))
    assert finding["status"] == "failed"
    assert message.text.startswith("The documents don't say: “Who keeps the reports?”. I looked in RULES.md")


async def test_a_passage_about_something_else_is_no_answer(documents: Documents) -> None:
    """A true quote from another data set's section goes back: the question names one that a passage speaks of."""
    question = "What is the licence of the data weather.csv?"
    finding, _, model = await _asked(
        documents,
        question,
        _reply("The licence isn't stated.", "The package doesn't state the data's own licence."),
        _reply("It is in the Public domain.", "Public domain, says the package."),
    )
    assert "doesn't speak of weather.csv" in model.calls[1].messages[-1].text
    assert finding.get("claims", [])[0]["quotes"][0]["text"] == "Public domain, says the package."


async def test_a_brief_reaches_the_search_and_the_model(documents: Documents) -> None:
    """What was said before helps to find the passage, and what a check found wrong is told."""
    brief = Brief(context="We spoke about how reports are kept.", problems=["the number 60 is in no quote"])
    finding, _, model = await _asked(
        documents, "For how many days?", _reply("Reports are kept for 90 days.", KEPT), brief=brief
    )
    assert finding["status"] == "ok"
    asked = model.calls[0].messages[-1].text
    assert "Said before: We spoke about" in asked
    assert "An earlier answer was wrong: the number 60" in asked


async def test_a_spent_budget_ends_with_what_was_found(documents: Documents) -> None:
    """Before a quote stands it can't answer, after that it gives the quote; either way the status says why."""
    finding, _, _ = await _asked(documents, HOW_LONG, SPENT)
    assert (finding["status"], finding["composed"]) == ("budget_exhausted", "nothing")
    finding, _, _ = await _asked(documents, HOW_LONG, _reply("Kept for 60 days.", KEPT), SPENT)
    assert (finding["status"], finding["composed"]) == ("budget_exhausted", "quotes")


async def test_a_model_that_fails_after_a_quote_doesnt_lose_it(documents: Documents) -> None:
    """The quote is given; a failure before there is one is the run's error."""
    finding, _, _ = await _asked(documents, HOW_LONG, _reply("Kept for 60 days.", KEPT), TimeoutError("slow"))
    assert (finding["status"], finding["answer"]) == ("ok", f"RULES.md says: “{KEPT}”")
    with pytest.raises(ModelFailed):
        await _asked(documents, HOW_LONG, TimeoutError("slow"))


async def test_no_question_is_refused(documents: Documents) -> None:
    """A conversation without a question is the caller's mistake, and no model is called."""
    with pytest.raises(InvalidInput, match="question"):
        await _asked(documents, "  ")


async def test_steps_are_streamed_and_the_state_is_plain(documents: Documents) -> None:
    """What is searched, read and answered is told as it happens; a strict serialiser keeps two turns of a thread."""
    with ScriptedModel([_reply("Reports are kept for 90 days.", KEPT), SPENT]) as model:

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


def test_a_quote_is_never_matched_loosely() -> None:
    """Case, another word or a left-out one is no quote of the passage; marks of emphasis are none of its words."""
    text = "Run `motet serve` with **two** workers.\nThen wait."
    passage = Passage(file="a.md", start=100, end=150, text=text, headings=[], page=None, similarity=None)
    found = quoted("Run motet serve with two workers.", [passage])
    assert found is not None
    assert (found["start"], found["text"]) == (100, "Run `motet serve` with **two** workers.")
    for other in (
        "run motet serve with two workers",
        "Run motet serve with three workers",
        "Run serve with two workers",
    ):
        assert quoted(other, [passage]) is None
