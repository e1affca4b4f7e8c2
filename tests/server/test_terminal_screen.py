"""What the terminal shows: words stay whole, and a specialist's work is told in order."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import pytest
from rich.console import Console

from motet.server.terminal.conversation import Event
from motet.server.terminal.flow import Flow
from motet.server.terminal.screen import Screen
from motet.server.terminal.turn import Turn

ANALYST = ("sql_analyst:1",)
FOUND = {
    "sql_analyst": {
        "findings": [{"columns": ["state", "n"], "rows": [["AK", 263]], "truncated": False}],
        "messages": [{"type": "ai", "content": "There are 263.\n\nThis may not be what was asked. No year is in it."}],
    },
}


@pytest.mark.parametrize("size", [1, 3, 100])
def test_words_stay_whole(size: int) -> None:
    """However a text is cut into pieces, lines break between words and keep their indent."""
    text = "one two three four five\n\nsix sevenseveneight"
    written = io.StringIO()
    flow = Flow(Console(file=written, width=12), indent="  ", style="")
    for start in range(0, len(text), size):
        flow.write(text[start : start + size])
    flow.end()

    lines = [line.rstrip() for line in written.getvalue().split("\n")]
    assert lines == ["  one two", "  three four", "  five", "", "  six", "  sevenseveneight", ""]


def shown(*events: Event) -> str:
    """What a person without colours sees of a turn, blank lines left out."""
    written = io.StringIO()
    turn = Turn(Screen(Console(file=written, width=100)), "assistant")
    for event in events:
        turn.show(event)
    turn.end()
    return "\n".join(line.rstrip() for line in written.getvalue().splitlines() if line.strip())


def step(name: str, **told: Any) -> Event:
    """A step of the analyst."""
    return Event(name="custom", namespace=ANALYST, data={"type": "step", "agent": "sql_analyst", "step": name, **told})


@pytest.mark.parametrize(("status", "unanswered"), [("ok", False), ("partial", False), ("failed", True)])
def test_a_question_without_an_answer_is_known(status: str, *, unanswered: bool) -> None:
    """A script that asks one question learns from the exit code that the specialist has no answer."""
    turn = Turn(Screen(Console(file=io.StringIO())), "assistant")

    turn.show(step("ended", status=status, answer="said"))

    assert turn.unanswered is unanswered


def tokens(*pieces: str) -> Sequence[Event]:
    """A streamed answer."""
    data = [{"type": "AIMessageChunk", "id": "m", "content": piece} for piece in pieces]
    return [Event(name="messages", namespace=ANALYST, data=[one, {}]) for one in data]


def test_an_analysis_is_told_in_order() -> None:
    """Tables, the query as it runs, its rows, the streamed answer once, and what is doubted of it, once."""
    screen = shown(
        Event(name="metadata", namespace=(), data={"run_id": "r", "attempt": 1}),
        step("link_schema", tables=["airports"]),
        step("draft", attempt=1, sql="SELECT 1"),
        step("execute", sql="SELECT 1"),
        step("check_result", rows=1, truncated=False, columns=["state", "n"], first=[["AK", 263]]),
        *tokens("There are ", "263."),
        step("ended", status="ok", answer="There are 263.", sql="SELECT 1"),
        Event(name="updates", namespace=ANALYST, data=FOUND),
        Event(name="updates", namespace=(), data=FOUND),
    )

    assert screen.splitlines() == [
        "  ● sql_analyst",
        "    looks at airports",
        "    query_workspace",
        "      SELECT 1",
        "    → 1 row",
        "      state    n",
        "      AK     263",
        "  There are 263.",
        "    This may not be what was asked. No year is in it.",
    ]


def test_of_many_rows_the_first_are_shown_as_such() -> None:
    """A person is told how many there are, and that the shown ones are not all."""
    screen = shown(step("check_result", rows=200, truncated=True, columns=["n"], first=[[1], [2]]))

    assert screen.splitlines()[1:] == ["    → 200 rows or more, the first 2:", "      n", "      1", "      2"]


def test_a_query_that_was_sent_back_is_shown_with_its_problem() -> None:
    """A person sees what was tried and why it didn't do."""
    screen = shown(
        step("draft", attempt=1, sql="SELECT nothing"),
        step("static_check", attempt=1, problem="There is no column nothing."),
        step("draft", attempt=2, sql="SELECT 1"),
    )

    assert screen.splitlines() == [
        "  ● sql_analyst",
        "    a query",
        "      SELECT nothing",
        "    static check: There is no column nothing.",
        "    writes another query (attempt 2)",
    ]


def test_a_sentence_that_does_not_hold_is_replaced_before_the_eyes() -> None:
    """The streamed sentence stays, with why it doesn't hold; what holds follows."""
    screen = shown(
        *tokens("There are 99."),
        step("answer", problem="99 is not in the rows"),
        step("ended", status="ok", answer="The answer is 263.", sql=""),
    )

    assert screen.index("There are 99.") < screen.index("99 is not in the rows") < screen.index("The answer is 263.")


def test_streamed_tool_calls_are_shown_whole() -> None:
    """A call that arrives in pieces is one line, with its arguments; its result follows."""

    def piece(last: str, **call: Any) -> Event:
        chunk = {"type": "AIMessageChunk", "id": "m", "content": "", "tool_call_chunks": [{"index": 0, **call}]}
        return Event(name="messages", namespace=(), data=[{**chunk, "chunk_position": last}, {}])

    answer = {"type": "tool", "content": "sunny", "status": "success"}
    screen = shown(
        piece("", name="weather", args='{"city": '),
        piece("last", args='"Seattle"}'),
        Event(name="messages", namespace=(), data=[answer, {}]),
    )

    assert screen.splitlines() == ["  ● assistant", '    weather({"city": "Seattle"})', "    → sunny"]


def test_an_answer_is_drawn_at_a_terminal_and_kept_in_a_pipe() -> None:
    """A person sees a table and a query; a program gets the Markdown that was said."""
    said = "There are 3.\n\n```sql\nSELECT 3\n```\n\n| n |\n| --- |\n| 3 |"
    drawn, kept = io.StringIO(), io.StringIO()

    Screen(Console(file=drawn, force_terminal=True, width=60, color_system=None)).answer(said)
    Screen(Console(file=kept, width=60)).answer(said)

    assert "SELECT 3" in drawn.getvalue()
    assert "```" not in drawn.getvalue()
    assert "| --- |" not in drawn.getvalue()
    assert "```sql" in kept.getvalue()
