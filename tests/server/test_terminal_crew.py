"""What the terminal shows of an assistant that has others work: who, why, what was checked, and one answer."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import pytest
from rich.console import Console

from motet.server.terminal import approvals
from motet.server.terminal.account import Account, citations
from motet.server.terminal.conversation import Event, Waiting
from motet.server.terminal.screen import Screen
from motet.server.terminal.turn import Turn

ROOT: tuple[str, ...] = ()
ANALYST, LIBRARIAN = ("sql_analyst:1",), ("librarian:2",)
QUOTE = {"file": "notes/cars.md", "start": 10, "text": "Cars got lighter after 1973."}
ROUTED = [
    {"question": "How many?", "agents": ["sql_analyst"], "confidence": 0.93, "reason": "names cars", "by": "rules"},
    {"question": "Why?", "agents": ["librarian"], "confidence": 0.6, "reason": "asks why", "by": "exemplars"},
]
CHOICE = Waiting(
    interrupt_id="1" * 32,
    value={
        "action_requests": [
            {
                "name": "route",
                "args": {"agent": "librarian", "question": "What of cars?"},
                "description": "Nobody is sure.",
                "arguments_sha256": "f" * 64,
            }
        ],
        "review_configs": [{"action_name": "route", "allowed_decisions": ["approve", "edit", "reject", "respond"]}],
    },
)


def step(agent: str, namespace: tuple[str, ...], name: str, **told: Any) -> Event:
    """A step of one of our graphs."""
    return Event(name="custom", namespace=namespace, data={"type": "step", "agent": agent, "step": name, **told})


def own(name: str, **told: Any) -> Event:
    """A step of the assistant."""
    return step("assistant", ROOT, name, **told)


def said(namespace: tuple[str, ...], text: str, *, message_id: str = "m", last: bool = False) -> Event:
    """A streamed piece of a message."""
    more = {"chunk_position": "last"} if last else {}
    message = {"type": "AIMessageChunk", "id": message_id, "content": text, **more}
    return Event(name="messages", namespace=namespace, data=[message, {}])


def shown(*events: Event, composer: str = "") -> list[str]:
    """The lines a person without colours sees of a turn, blank ones left out."""
    written = io.StringIO()
    turn = Turn(Screen(Console(file=written, width=100)), "assistant", composer=composer)
    for event in events:
        turn.show(event)
    turn.end()
    return [line.rstrip() for line in written.getvalue().splitlines() if line.strip()]


def test_a_person_sees_why_a_question_goes_where() -> None:
    """One question: who, the reason, how it was decided and how sure that is."""
    lines = shown(own("recall", notes=0, context=""), own("route", parts=[ROUTED[0]]))

    assert lines == ["  ● assistant", "    → sql_analyst: names cars (by rules, 93% sure)"]


def test_the_parts_of_a_question_are_told_one_by_one() -> None:
    """Several questions are numbered, each with who takes it."""
    assert shown(own("recall", notes=2, context="Cars."), own("route", parts=ROUTED))[1:] == [
        "    remembers 2 earlier turns: Cars.",
        "    1. How many?",
        "       → sql_analyst: names cars (by rules, 93% sure)",
        "    2. Why?",
        "       → librarian: asks why (by similar questions, 60% sure)",
    ]


def test_what_is_recalled_is_shown() -> None:
    """Each memory that goes to the specialists, in the person's own words."""
    recalled = own("recall", notes=0, context="", memories=1, remembered=["I report in euros"])

    assert shown(recalled) == ["  ● assistant", "    recalls “I report in euros”"]


def test_the_answer_is_shown_once_and_last() -> None:
    """A specialist's words are findings among the steps; only the assistant's are the answer, whoever repeats them."""
    lines = shown(
        own("route", parts=[ROUTED[0]]),
        said(ANALYST, "There are 406.", last=True),
        step("sql_analyst", ANALYST, "ended", status="ok", answer="There are 406."),
        Event(name="messages", namespace=ANALYST, data=[{"type": "ai", "content": "There are 406.\n\nSELECT"}, {}]),
        own("verify", of="sql_analyst", claims=1, held=1),
        own("ended", status="ok", answer="There are 406 cars."),
        Event(name="messages", namespace=ROOT, data=[{"type": "ai", "content": "There are 406 cars."}, {}]),
        Event(
            name="updates",
            namespace=ROOT,
            data={"guard_out": {"messages": [{"type": "ai", "content": "There are 406 cars."}]}},
        ),
    )

    assert lines[2:] == [
        "  ● sql_analyst",
        "    says: There are 406.",
        "  ● assistant",
        "    checked sql_analyst: the claim holds",
        "  There are 406 cars.",
    ]


def test_words_that_no_step_told_of_are_an_answer_too() -> None:
    """What a later node of the assistant adds to the conversation is read, though its own steps ended before."""
    added = {"report": {"messages": [{"type": "tool", "content": "x"}, {"type": "ai", "content": "Saved to r.md."}]}}

    lines = shown(
        own("ended", status="ok", answer="406."),
        Event(name="updates", namespace=ROOT, data=added),
        composer="assistant",
    )

    assert lines[-2:] == ["  406.", "  Saved to r.md."]


def test_specialists_side_by_side_stay_readable() -> None:
    """Each stands above its own lines, whoever comes in between, and a query that is sent back is its own."""
    lines = shown(
        step("sql_analyst", ANALYST, "draft", attempt=1, sql="SELECT wrong"),
        step("librarian", LIBRARIAN, "search", question="Why?", files=["a.md", "b.md"], passages=3),
        step("sql_analyst", ANALYST, "static_check", problem="There is no column wrong."),
        step("librarian", LIBRARIAN, "read", file="a.md", start=0, end=90),
    )

    assert lines == [
        "  ● sql_analyst",
        "  ● librarian",
        "    searches for Why?",
        "    → 3 passages in a.md, b.md",
        "  ● sql_analyst",
        "    a query",
        "      SELECT wrong",
        "    static check: There is no column wrong.",
        "  ● librarian",
        "    reads a.md:0\u201390",
    ]


def test_two_of_one_name_are_told_apart() -> None:
    """The second of two that work at once has a number; one that comes after another's end has none."""
    other, third = ("sql_analyst:7",), ("sql_analyst:8",)
    lines = shown(
        own("route", parts=ROUTED),
        step("sql_analyst", ANALYST, "link_schema", tables=["cars"]),
        step("sql_analyst", other, "link_schema", tables=["airports"]),
        step("sql_analyst", ANALYST, "ended", status="ok", answer="One."),
        step("sql_analyst", other, "ended", status="ok", answer="Two."),
        step("sql_analyst", third, "link_schema", tables=["stocks"]),
    )

    assert [line for line in lines if "●" in line][1:] == [
        "  ● sql_analyst",
        "  ● sql_analyst 2",
        "  ● sql_analyst",
        "  ● sql_analyst 2",
        "  ● sql_analyst",
    ]


def test_of_two_who_speak_at_once_each_is_heard_whole() -> None:
    """Where nobody composes, words are the answer as they come, and never mixed with another's."""
    first, second = ("one:1",), ("two:2",)
    lines = shown(
        said(first, "The first ", message_id="a"),
        said(second, "The second ", message_id="b"),
        said(first, "speaks.", message_id="a", last=True),
        said(second, "waits.", message_id="b", last=True),
    )

    assert lines == ["  ● one", "  The first speaks.", "  ● two", "  The second waits."]


def test_quotes_stand_with_their_place() -> None:
    """File and offsets, and the very words below."""
    lines = shown(
        own("route", parts=[ROUTED[1]]),
        step("librarian", LIBRARIAN, "ended", status="partial", answer="They got lighter.", quotes=[QUOTE]),
    )

    assert lines[3:] == [
        "    says: They got lighter.",
        "    notes/cars.md:10\u201338",
        "      Cars got lighter after 1973.",
        "    ended partial",
    ]


def test_what_a_check_found_is_told() -> None:
    """Counts, each failure, who works on it again, what was left out, and what the guard took out."""
    lines = shown(
        own("verify", of="librarian", claims=2, held=1),
        own("verify", of="librarian", claim="It is 5.", problem="5 is in no row"),
        own("sent_back", to="librarian", attempt=1, problem="5 is in no row"),
        own("left_out", claim="It is 5.", problem="5 is in no row"),
        own("compose", problem="the budget is spent"),
        own("guard", redacted=["email", "phone"]),
    )

    assert lines[1:] == [
        "    checked librarian: 1 of 2 claims hold",
        "    “It is 5.” doesn't hold: 5 is in no row",
        "    sent back to librarian (attempt 1): 5 is in no row",
        "    left out “It is 5.”: 5 is in no row",
        "    nothing could be put together: the budget is spent",
        "    taken out before it is told on: email, phone",
    ]


def test_a_search_that_finds_nothing_says_so() -> None:
    """Instead of a list of no files."""
    lines = shown(step("librarian", LIBRARIAN, "search", question="Why?", files=[], passages=0))

    assert lines[-1] == "    → nothing found"


@pytest.mark.parametrize(
    ("typed", "decision"),
    [
        ([""], {"type": "approve"}),
        (["a"], {"type": "approve"}),
        (["x", "r"], {"type": "reject"}),
        (["s", "Which cars?"], {"type": "respond", "message": "Which cars?"}),
        (
            ["e", "sql_analyst"],
            {
                "type": "edit",
                "edited_action": {"name": "route", "args": {"agent": "sql_analyst", "question": "What of cars?"}},
            },
        ),
    ],
)
def test_who_takes_a_question_is_asked_as_a_question(typed: Sequence[str], decision: dict[str, Any]) -> None:
    """It isn't called an approval, Enter takes the suggestion, and the answer is bound to what was shown."""
    written, lines = io.StringIO(), iter(typed)

    answer = approvals.decide(Screen(Console(file=written, width=100)), CHOICE, lambda _: next(lines))

    assert answer == {"decisions": [{**decision, "arguments_sha256": "f" * 64}]}
    assert "Who should take this?" in written.getvalue()
    assert "Suggested: librarian" in written.getvalue()
    assert "Approval needed" not in written.getvalue()


def test_a_handoff_is_told_to_a_person_and_to_a_program() -> None:
    """Who goes on with what, and who said so."""
    handed = own("handoff", to="librarian", question="Who made them?", reason="buyer handed it over")
    account = Account()
    account.take(handed)

    assert shown(handed) == ["  ● assistant", "    → librarian: buyer handed it over", "      Who made them?"]
    assert account.route == [
        {"question": "Who made them?", "agents": ["librarian"], "reason": "buyer handed it over", "by": "handoff"}
    ]


def test_a_program_is_told_route_and_verification() -> None:
    """All that was routed and checked in a turn, and how the one who answers ended."""
    account = Account()
    for event in (
        own("route", parts=ROUTED),
        step("librarian", LIBRARIAN, "ended", status="failed", answer="Nothing."),
        own("verify", of="sql_analyst", claims=2, held=1),
        own("verify", of="sql_analyst", claim="It is 5.", problem="no"),
        own("sent_back", to="sql_analyst", attempt=1, problem="no"),
        own("verify", of="sql_analyst", claims=2, held=2),
        own("ended", status="ok", answer="It is 6."),
    ):
        account.take(event)

    assert account.route == ROUTED
    assert account.ended is not None
    assert account.ended["answer"] == "It is 6."
    assert account.verification == {
        "claims": 4,
        "held": 3,
        "problems": [{"claim": "It is 5.", "problem": "no"}],
        "sent_back": [{"to": "sql_analyst", "attempt": 1, "problem": "no"}],
        "left_out": [],
    }


def test_citations_are_named_once() -> None:
    """Quotes and queries of all claims; a finding without claims is cited by its query."""
    query = {"sql": "SELECT 1", "columns": ["n"], "rows": [[1]], "truncated": False}
    claims = [{"text": "a", "quotes": [QUOTE], "queries": [query]}, {"text": "b", "quotes": [QUOTE], "queries": []}]
    old = {"sql": "SELECT 2", "columns": ["n"], "rows": [[2]], "truncated": False}

    found = citations([{**query, "claims": claims}, {**old, "claims": []}])

    assert found == {"quotes": [QUOTE], "queries": [query, old]}
