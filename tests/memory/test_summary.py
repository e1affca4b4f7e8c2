"""Shortening a conversation without a model: what is kept, in which order, and how much of it."""

from __future__ import annotations

from langchain_core.messages import AIMessage, HumanMessage, ToolMessage

from motet.memory.summary import LONGEST, extracted, first_sentence, newest


def call(number: int, **arguments: object) -> AIMessage:
    """A model's call of `look`."""
    return AIMessage("", tool_calls=[{"name": "look", "args": arguments, "id": str(number)}])


def test_each_thing_said_or_done_is_a_line() -> None:
    """Questions and answers by their first sentences, a tool's result with the call it answers, failures named."""
    told = extracted(
        [
            HumanMessage("How many cars are there? I ask for a friend."),
            call(1, sql="SELECT 1"),
            ToolMessage('<data source="look">\nThree rows. And more.\n</data>', tool_call_id="1", name="look"),
            call(2, sql="SELECT 2"),
            ToolMessage("It is broken.", tool_call_id="2", name="look", status="error"),
            AIMessage("There are 3 cars.\n\nMore of it here."),
        ]
    )

    assert told.splitlines() == [
        "Asked: How many cars are there?",
        "look(SELECT 1): Three rows.",
        "look(SELECT 2) failed: It is broken.",
        "Said: There are 3 cars.",
    ]


def test_the_same_messages_give_the_same_summary() -> None:
    """Nothing is drawn by lot, and the messages stay as they were."""
    messages = [HumanMessage(f"Question {number}. More.") for number in range(50)]

    assert extracted(messages) == extracted(messages)
    assert messages[0].text == "Question 0. More."


def test_a_summary_is_bounded_and_keeps_the_newest() -> None:
    """However long the conversation, the summary isn't; it says how much it leaves out."""
    told = extracted([HumanMessage(f"Question {number} {'x' * 1000}") for number in range(500)])

    assert len(told) <= LONGEST
    assert "Question 499" in told
    assert told.startswith("(4")
    assert "earlier left out)" in told.splitlines()[0]
    assert newest([]) == ""


def test_a_sentence_is_one_line_without_marks() -> None:
    """What marks data isn't said again, and no line breaks the summary's form."""
    assert first_sentence('<data source="a">\nOne\ntwo. Three.\n</data>') == "One two."
    assert first_sentence("") == ""
    assert len(first_sentence("x" * 1000)) == 300
