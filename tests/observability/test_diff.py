"""Two trajectories side by side: what is aligned with what, where they part, and how alike they are."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, HumanMessage
from rich.cells import cell_len
from tests.models import asked
from tests.observability.by_hand import ByHand, says, team, weather
from tests.observability.recording import Recording
from tests.observability.weather import supervisor, travel

from motet.observability.trajectory.diff.align import moves
from motet.observability.trajectory.diff.comparable import MISSING, comparable, words
from motet.observability.trajectory.diff.compare import Diff, compare
from motet.observability.trajectory.diff.document import as_json
from motet.observability.trajectory.diff.parting import Parting, first_parting
from motet.observability.trajectory.diff.similarity import ANSWERS, CALLS, PATH, REQUESTS, STATE
from motet.observability.trajectory.diff.steps import steps_of
from motet.observability.trajectory.records import Failure
from motet.observability.trajectory.trajectory import Trajectory
from motet.server.terminal.runs_diff import drawn

Did = tuple[str, str, int]
"""A node or a tool, its name, and what it wrote or was given."""

DEEDS = st.tuples(st.sampled_from(["node", "tool"]), st.sampled_from("abc"), st.integers(0, 2))
RUNS = st.lists(DEEDS, max_size=8)


def run_of(deeds: Sequence[Did]) -> Trajectory:
    """A run that did that, one after the other."""
    told = ByHand()
    told.begins(given={"q": 1})
    for step, (kind, name, value) in enumerate(deeds, 1):
        if kind == "node":
            with told.node(f"{name}@{step}", writes={"x": value}):
                pass
        else:
            told.calls(name, {"n": value, "why": "because"}, f"result {value}")
    told.ends()
    return told.done()


def parting(diff: Diff) -> Parting:
    """Where they part first."""
    found = first_parting(diff.a.steps, diff.b.steps, diff.state)
    assert found is not None
    return found


def changes(diff: Diff) -> dict[str, int]:
    """How many rows of each kind but `same`."""
    return {name: count for name, count in diff.counts.items() if count and name != "same"}


def screen(diff: Diff, width: int | None = 100) -> str:
    """What a terminal of that width shows."""
    return "\n".join(line.plain for line in drawn(diff, width=width))


@settings(max_examples=60)
@given(RUNS)
def test_a_run_differs_in_nothing_from_itself(deeds: Sequence[Did]) -> None:
    """No difference, no parting, similarity 1."""
    diff = compare(run_of(deeds), run_of(deeds))

    assert diff.same
    assert diff.similarity == 1
    assert changes(diff) == {}
    assert first_parting(diff.a.steps, diff.b.steps, diff.state) is None


@settings(max_examples=100)
@given(RUNS, RUNS)
def test_the_order_of_the_two_makes_no_difference(one: Sequence[Did], other: Sequence[Did]) -> None:
    """The similarity is the same, what was inserted is deleted, and 1 is said of equal runs only."""
    diff, turned = compare(run_of(one), run_of(other)), compare(run_of(other), run_of(one))

    assert diff.similarity == turned.similarity
    assert 0 <= diff.similarity <= 1
    assert (diff.similarity == 1) == diff.same == (list(one) == list(other))
    assert diff.counts["inserted"] == turned.counts["deleted"]
    assert [diff.counts[name] for name in ("same", "changed", "moved")] == [
        turned.counts[name] for name in ("same", "changed", "moved")
    ]


@settings(max_examples=60)
@given(RUNS, RUNS)
def test_each_step_stands_in_one_row(one: Sequence[Did], other: Sequence[Did]) -> None:
    """All of both runs are shown, each once, B's in order."""
    diff = compare(run_of(one), run_of(other))

    assert sorted(row.a for row in diff.rows if row.a is not None) == list(range(len(diff.a.steps)))
    assert [row.b for row in diff.rows if row.b is not None] == list(range(len(diff.b.steps)))


@settings(max_examples=100)
@given(RUNS, DEEDS, st.data())
def test_an_inserted_step_is_one_insertion(deeds: Sequence[Did], more: Did, data: st.DataObject) -> None:
    """Whatever stands around it, and however alike it is to that."""
    at = data.draw(st.integers(0, len(deeds)))
    longer = [*deeds[:at], more, *deeds[at:]]

    assert changes(compare(run_of(deeds), run_of(longer))) == {"inserted": 1}
    assert changes(compare(run_of(longer), run_of(deeds))) == {"deleted": 1}


@settings(max_examples=100)
@given(st.lists(DEEDS, min_size=2, max_size=8), st.data())
def test_a_moved_step_is_one_move(deeds: Sequence[Did], data: st.DataObject) -> None:
    """Taken out at one place and put in at another."""
    taken = data.draw(st.integers(0, len(deeds) - 1))
    rest = [*deeds[:taken], *deeds[taken + 1 :]]
    put = data.draw(st.integers(0, len(rest)))
    other = [*rest[:put], deeds[taken], *rest[put:]]

    diff = compare(run_of(deeds), run_of(other))

    assert changes(diff) == ({} if other == list(deeds) else {"moved": 1})


async def test_two_recorded_runs_of_one_graph_are_the_same() -> None:
    """Ids, times and tokens of two runs differ, and nothing else does."""
    runs = [await Recording(supervisor()).run(asked("Oslo?")) for _ in range(2)]
    diff = compare(*runs)

    assert diff.same, screen(diff)


async def test_other_answers_of_a_person_are_the_difference() -> None:
    """Not the ids of the questions that they answer."""
    yes, no = [await Recording(travel("approve")).run(asked("hi"), lambda _, said=said: said) for said in ("yes", "no")]
    found = parting(compare(yes, no))

    assert (found.field, found.expected, found.actual) == ("command.resume[0]", "yes", "no")


def test_another_graph_is_the_first_difference() -> None:
    """Though it did the same."""
    told = ByHand(graph="other")
    told.begins(given={"q": 1})
    told.ends()
    found = parting(compare(run_of([]), told.done()))

    assert (found.field, found.expected, found.actual) == ("graph", "assistant", "other")


def test_a_word_in_a_prompt_is_found() -> None:
    """Which message of which request, and which word; the requests after it say the same."""
    diff = compare(weather(), weather(prompt="Be very brief."))
    found = parting(diff)

    assert (found.step.kind, found.step.path, found.field) == ("model", "model@1", "messages[0].content")
    assert list(found.words) == [("=", "Be "), ("+", "very "), ("=", "brief.")]
    assert changes(diff) == {"changed": 2}


def test_arguments_are_compared_field_by_field() -> None:
    """A tool's argument is named; so is what it wrote, in its channel."""
    diff = compare(weather(), weather("Rome"))
    fields = {difference.field for row in diff.rows for difference in row.differences}

    assert {"input.messages[0].content", "arguments.city", "writes.messages[0].content"} <= fields
    assert [one.field for one in diff.state][:1] == ["messages[0].content"]


def test_the_cause_comes_before_what_followed() -> None:
    """A node's writes differ because its model said something else: that is where they part."""

    def run(answer: str) -> Trajectory:
        told = ByHand()
        told.begins()
        with told.node("model@1", writes={"messages": [AIMessage(answer)]}):
            told.model([HumanMessage("hi")], says(answer))
        told.ends()
        return told.done()

    found = parting(compare(run("yes"), run("no")))

    assert (found.step.kind, found.field, found.expected, found.actual) == ("model", "response.content", "yes", "no")


def test_another_tool_in_its_place_is_a_replacement() -> None:
    """One tool instead of another one, between equal steps."""
    a, b = (
        [("node", "a", 0), ("tool", "a", 1), ("node", "b", 0)],
        [("node", "a", 0), ("tool", "b", 1), ("node", "b", 0)],
    )
    diff = compare(run_of(a), run_of(b))
    found = parting(diff)

    assert changes(diff) == {"replaced": 1}
    assert (found.field, found.expected, found.actual) == ("", "tool a", "tool b")


def test_the_end_of_one_run_is_where_they_part() -> None:
    """One goes on where the other one ended."""
    told = ByHand()
    told.begins(given={"q": 1})
    found = parting(compare(run_of([]), told.done()))

    assert (found.expected, found.actual) == ("end ok", MISSING)


def test_outcomes_and_errors_are_compared() -> None:
    """A node that fails in one run and not in the other."""

    def run(error: Failure | None) -> Trajectory:
        told = ByHand()
        told.begins()
        with told.node("a@1", outcome="error" if error else "ok", error=error):
            pass
        told.ends()
        return told.done()

    found = parting(compare(run(None), run(Failure(kind="builtins:ValueError", message="no"))))

    assert (found.step.name, found.field, found.expected, found.actual) == ("a", "outcome", "ok", "error")


def test_an_attempt_that_was_lost_does_not_count() -> None:
    """Of a run that another worker finished, what counted is compared."""
    diff = compare(team(), team())

    assert diff.same
    assert [step.path for step in diff.a.steps if step.kind == "node" and step.name == "mailer"] == ["mailer@4"] * 2


def test_the_parts_say_why() -> None:
    """Five parts, weighing 1 together; one that neither run has counts for nothing."""
    diff = compare(run_of([("node", "a", 0)]), run_of([("node", "a", 1)]))
    by_name = {part.name: part for part in diff.parts}

    assert pytest.approx(1) == PATH + REQUESTS + CALLS + ANSWERS + STATE
    assert sum(part.weight for part in diff.parts) == pytest.approx(1)
    assert by_name["calls"].value is None
    assert by_name["calls"].why.endswith("none in either")
    assert by_name["path"].value == 1
    assert by_name["path"].why == "steps taken in the same order: 3 of 3 and 3"
    assert by_name["state"].value == 0
    assert diff.similarity == pytest.approx((PATH + REQUESTS + ANSWERS) / (1 - CALLS))


def test_runs_that_share_nothing_are_unlike() -> None:
    """Near 0: what they share is that they began and ended well."""
    assert compare(run_of([("node", "a", 0), ("tool", "b", 0), ("node", "c", 0)]), weather()).similarity < 0.3


def test_the_json_has_the_documented_shape() -> None:
    """One object: what both were, how alike, where they part, each row."""
    told: Any = orjson.loads(orjson.dumps(as_json(compare(weather(), weather("Rome")))))

    assert list(told) == [
        *("v", "same", "similarity", "parts", "counts", "a", "b", "first_divergence", "rows", "state"),
    ]
    assert told["a"]["tokens"] == 24
    assert told["first_divergence"]["words"] == [["=", "Weather in "], ["-", "Paris"], ["+", "Rome"], ["=", "?"]]
    assert set(told["rows"][0]) == {"change", "a", "b", "differences"}
    assert {"at", "kind", "name", "path", "tokens", "cost_usd", "duration_s"} <= set(told["rows"][0]["a"])


@given(st.text(max_size=60), st.text(max_size=60))
def test_words_give_both_texts_again(a: str, b: str) -> None:
    """What they share and what each says makes each of them."""
    pieces = words(a, b)

    assert "".join(piece for change, piece in pieces if change in "=-") == a
    assert "".join(piece for change, piece in pieces if change in "=+") == b


def test_ids_of_messages_are_left_out_and_nothing_else() -> None:
    """What a message says stays; an id in a tool's arguments stays, too."""
    message = {"type": "ai", "content": "hi", "id": "1", "usage_metadata": {"total_tokens": 3}, "tool_calls": []}

    assert comparable([message, {"id": "order-1"}]) == [{"type": "ai", "content": "hi"}, {"id": "order-1"}]


@pytest.mark.parametrize("width", [50, 80, 100, 160])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    """Two columns of any width."""
    assert max(map(cell_len, screen(compare(weather(), weather(thorough=True)), width).splitlines())) <= width


def test_the_terminal_folds_what_is_the_same() -> None:
    """A summary, the first divergence, then the steps: equal ones in a row are one line."""
    said = screen(compare(weather(), weather(thorough=True)))

    assert "7 same · 1 changed · 4 inserted" in said
    assert "first divergence  model small-1 at model@3" in said
    assert "= … 5 steps are the same" in said


def test_a_pipe_gets_a_line_for_each_step() -> None:
    """One column; the changes of words in brackets."""
    said = screen(compare(weather(), weather("Rome")), None)

    assert "~ A0 B0  run assistant" in said
    assert "input.messages[0].content Weather in [-Paris-][+Rome+]?" in said


def test_runs_too_long_to_compare_each_step_with_each_are_divided() -> None:
    """At the steps that are equal: two runs of 1,500 steps that differ at their ends and every 50th step."""
    a = [("tool", "abc"[n % 3], n) for n in range(1_500)]
    b = [
        ("tool", "x", 0),
        *(("tool", "abc"[n % 3], n - 10_000 * (n % 50 == 49)) for n in range(1_500)),
        ("tool", "y", 0),
    ]
    diff = compare(run_of(a), run_of(b))

    assert changes(diff) == {"changed": 30, "inserted": 2}


def test_long_runs_that_share_nothing_are_compared_in_time() -> None:
    """A step that stands elsewhere is found among any number; those that are merely alike aren't looked for then."""
    words = " ".join(f"word{at}" for at in range(100))
    one = steps_of(run_of([("tool", "search", at) for at in range(1_000)]))[1:-1]
    other = [replace(step, answer={"result": f"{words} {at}"}) for at, step in enumerate(one)]
    other[7] = one[900]
    places = [*((at, None) for at in range(1_000)), *((None, at) for at in range(1_000))]

    began = time.process_time()
    assert moves(one, other, places) == {900: 7}
    assert time.process_time() - began < 5
