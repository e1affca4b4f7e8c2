"""Taking a turn apart into its questions."""

from __future__ import annotations

import time

import pytest

from motet.graphs.crew.parts import MOST_PARTS, leans, taken_apart


@pytest.mark.parametrize(
    ("text", "questions"),
    [
        ("How many airports are there?", ["How many airports are there?"]),
        ("How many cars are there, and who listed them?", ["How many cars are there?", "Who listed them?"]),
        ("What is the mean price? Which year was best?", ["What is the mean price?", "Which year was best?"]),
        ("How many cars are from Japan and Europe?", ["How many cars are from Japan and Europe?"]),
        ("I look at cars. How many are heavy?", ["I look at cars. How many are heavy?"]),
        ("Tell me about the U.S. economy.", ["Tell me about the U.S. economy."]),
        ("airports in Alaska", ["airports in Alaska"]),
        ("What was the price in Mar. 2004; why did it fall?", ["What was the price in Mar. 2004?", "Why did it fall?"]),
    ],
)  # fmt: skip
def test_a_turn_is_split_where_another_question_begins(text: str, questions: list[str]) -> None:
    """Each question stands alone, and a list inside one question stays whole."""
    assert list(taken_apart(text).questions) == questions


@pytest.mark.parametrize("text", ["Save a report of this.", "Please write it into a report", "save the report"])
def test_a_wish_for_a_report_alone_asks_nothing(text: str) -> None:
    """What was found before is meant; nobody is sent to look for anything."""
    asked = taken_apart(text)
    assert asked.report
    assert asked.questions == ()


def test_a_question_and_a_wish_for_a_report_are_both_heard() -> None:
    """The question is worked on without the words about the report."""
    asked = taken_apart("How many cars are there, and who published them? Save a report of it with citations.")
    assert asked.report
    assert asked.questions == ("How many cars are there?", "Who published them?")


def test_a_long_list_of_questions_is_kept_whole() -> None:
    """What goes beyond the most parts stays in the last one, so nothing asked is lost."""
    text = " ".join(f"What is number {one}?" for one in range(7))
    questions = taken_apart(text).questions
    assert len(questions) == MOST_PARTS
    assert "number 6" in questions[-1]


@pytest.mark.parametrize(("question", "expected"), [
    ("And in Texas?", True), ("Who collected it?", True), ("What about Japan?", True),
    ("How many airports are in Texas?", False),
])  # fmt: skip
def test_a_question_that_leans_on_another_is_noticed(question: str, expected: bool) -> None:  # noqa: FBT001 - a table
    """Only such a question needs to be told what was said before."""
    assert leans(question) is expected


@pytest.mark.parametrize("text", [
    "In which file is the incident report?", "What does the report say about file formats?", "How do I write a report?",
    "Don't save a report.",
])  # fmt: skip
def test_a_question_about_a_report_is_a_question(text: str) -> None:
    """Nothing is taken out of it, and nobody is asked whether to save one."""
    asked = taken_apart(text)
    assert asked.questions == (text,)
    assert not asked.report


def test_a_turn_full_of_blanks_costs_no_time() -> None:
    """A pasted table may hold thousands side by side; whoever else is served must not wait for it."""
    began = time.process_time()
    questions = taken_apart(f"What is{' ' * 30_000}that?").questions

    assert questions == ("What is that?",)
    assert time.process_time() - began < 1


def test_a_turn_without_words_is_asked_as_it_is() -> None:
    """Nobody asked for nothing: who is to take it is found out, or asked."""
    assert taken_apart(" ?? ").questions == ("??",)
