"""What a run did, against what it should: its efficiency, tools, handoffs, errors, budget and end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from tests.observability.evaluation.published_trajectories import asked
from tests.observability.evaluation.trials import asked_model, called, example, score, scores, seen, tried

from motet.observability.evaluation.efficiency import Round, loops
from motet.observability.evaluation.observed import ObservedStep

LOOK = ("look", {"city": "Oslo"})


def step(task: str, wrote: str = "") -> ObservedStep:
    """One execution of the node that the task's last part names."""
    return ObservedStep(node=task.rpartition("|")[2].partition("@")[0], task=task, wrote=wrote)


@pytest.mark.parametrize(
    ("steps", "rounds"),
    [
        ([step("a@1", "x"), step("b@2", "y"), step("a@3", "z")], []),
        ([step("a@1", "x"), step("a@2", "x"), step("a@3", "x")], [Round(nodes=["a"], times=2)]),
        (
            [step("a@1", "x"), step("b@2", "y"), step("a@3", "x"), step("b@4", "y"), step("c@5", "z")],
            [Round(nodes=["a", "b"], times=1)],
        ),
        ([step("a@1", "x"), step("b@2", "y"), step("a@3", "x"), step("b@4", "w")], []),
        ([step("a@1[0]", "x"), step("a@1[1]", "x"), step("b@2", "y")], []),
        ([step("a@1", "x"), step("a@1|n@1", "y"), step("a@1|n@2", "y")], [Round(nodes=["n"], times=1)]),
    ],
    ids=["none", "one node", "two nodes", "something changed", "side by side", "inside a node"],
)
def test_a_loop_is_a_round_that_changes_nothing(steps: Sequence[ObservedStep], rounds: Sequence[Round]) -> None:
    """Nodes that run again at once and write what they wrote; not those of one superstep, nor those that write anew."""
    assert list(loops(steps)) == rounds


async def test_efficiency_counts_what_it_took() -> None:
    """Calls, supersteps and loops as they are, a call that asks a person once; all of them better where less."""
    calls = [called("send", "interrupted", asked=True), called("send", run=1), called("look", city="Oslo")]
    found = await scores(
        "efficiency",
        tried(
            seen(
                model_calls=[asked_model()] * 3,
                tool_calls=calls,
                supersteps=4,
                steps=[step("a@1", "x"), step("a@2", "x")],
            ),
            example(),
        ),
    )

    assert {key.removeprefix("efficiency."): one.value for key, one in found.items()} == {
        "model_calls": 3,
        "tool_calls": 2,
        "supersteps": 4,
        "loops": 1,
        "redundant_calls": 0,
    }
    assert found["efficiency.loops"].comment == "a: 1 times more with nothing changed"


@pytest.mark.parametrize(
    ("calls", "count"),
    [
        ([called("look", city="Oslo"), called("look", city="Oslo")], 1),
        ([called("look", city="Oslo"), called("look", city="Rome")], 0),
        ([called("look", "error", city="Oslo"), called("look", city="Oslo")], 0),
        ([called("look", city="Oslo"), called("send", effect="once"), called("look", city="Oslo")], 0),
        ([called("send", effect="once"), called("send", effect="once")], 0),
    ],
    ids=["again", "another", "after an error", "after an effect", "an effect again"],
)
async def test_a_call_is_redundant_that_can_tell_nothing_new(calls: Any, count: int) -> None:
    """The same tool and arguments again, with no effect in between and no error before."""
    assert (await scores("efficiency", tried(seen(tool_calls=calls), example())))[
        "efficiency.redundant_calls"
    ].value == count


@pytest.mark.parametrize(("took", "value"), [([[LOOK]], 1.0), ([[LOOK], [LOOK]], 3 / 5), ([], 1.0)])
async def test_efficiency_is_held_against_the_reference(took: Any, value: float) -> None:
    """The reference's turns and calls as a share of those taken, 1 where no more were."""
    found = await scores("efficiency", tried(seen(messages=asked(*took)), example(trajectory=asked([LOOK]))))

    assert found["efficiency"].value == pytest.approx(value)


@pytest.mark.parametrize(
    ("told", "expect", "value", "comment"),
    [
        ("tool_correctness", ["look", "send"], 1.0, "extra: weigh"),
        ("tool_correctness", ["look", "look", "send"], 2 / 3, "missing: look; extra: weigh"),
        ("tool_correctness:extra=false", ["look", "send"], 2 / 3, "extra: weigh"),
        ("tool_correctness:extra=false", ["send", "weigh", "look"], 1.0, "the expected tools were called"),
        ("tool_correctness:extra=false", [], 0.0, "extra: look; extra: send; extra: weigh"),
    ],
)
async def test_tools_are_correct_as_far_as_expected(told: str, expect: Any, value: float, comment: str) -> None:
    """The share of the expected calls that were made; others count only where that is told."""
    calls = [called("look"), called("send", "interrupted"), called("send", run=1), called("weigh")]

    found = await score(told, tried(seen(tool_calls=calls), example(expect={"tools": expect})))

    assert (found.value, found.comment) == (pytest.approx(value), comment)


@pytest.mark.parametrize(
    ("told", "expect", "value", "comment"),
    [
        ("argument_correctness", [{"name": "look", "args": {"city": "Oslo"}}], 1.0, "all arguments are right"),
        ("argument_correctness", [{"name": "look", "args": {"city": "Rome", "far": 3}}], 1 / 2, "expected 'Rome'"),
        ("argument_correctness:arguments=exact", [{"name": "look", "args": {"city": "Oslo"}}], 1 / 2, "not expected"),
        ("argument_correctness", [{"name": "send", "args": {"to": "ada"}}, "look"], 0.0, "send: it was not called"),
        ("argument_correctness", [{"name": "look", "schema": {"required": ["city"]}}], 1.0, "all arguments"),
        ("argument_correctness", [{"name": "look", "schema": {"required": ["town"]}}], 0.0, "don't fit the schema"),
    ],
)
async def test_arguments_are_correct_as_far_as_expected(told: str, expect: Any, value: float, comment: str) -> None:
    """Of each expected call the share of its arguments that are right, or whether they fit its schema."""
    calls = [called("look", city="Paris", far=1), called("look", city="Oslo", far=3)]

    found = await score(told, tried(seen(tool_calls=calls), example(expect={"tools": expect})))

    assert found.value == pytest.approx(value)
    assert comment in found.comment


async def test_the_trajectory_tells_the_tools_where_nothing_else_does() -> None:
    """Without `expect.tools` its calls are those expected, with their arguments."""
    by = example(trajectory=asked([LOOK], [("send", {"to": "ada"})]))
    ran = seen(tool_calls=[called("look", city="Rome"), called("send", to="ada")])

    assert (await score("tool_correctness", tried(ran, by))).value == 1
    assert (await score("argument_correctness", tried(ran, by))).value == 1 / 2


@pytest.mark.parametrize(
    ("told", "expect", "value", "comment"),
    [
        ("handoffs", ["sql", "writer"], True, "as expected"),
        ("handoffs", [["head", "sql"], ["sql", "writer"]], True, "as expected"),
        ("handoffs", [["head", "sql"], ["head", "writer"]], False, "missing: head to writer; extra: sql to writer"),
        ("handoffs", ["writer", "sql"], False, "wrong order: sql in place 1, expected writer"),
        ("handoffs:mode=unordered", ["writer", "sql"], True, "wrong order: sql in place 1, expected writer"),
        ("handoffs", [], False, "extra: sql; extra: writer"),
    ],
)
async def test_handoffs_are_those_expected(told: str, expect: Any, value: Any, comment: str) -> None:
    """Agents, or pairs of agents, as the mode says; an empty list expects none."""
    ran = seen(handoffs=[("head", "sql"), ("sql", "writer")])

    found = await score(told, tried(ran, example(expect={"handoffs": expect})))

    assert (found.value, found.comment) == (value, comment)


@pytest.mark.parametrize(
    ("calls", "more", "value"),
    [
        ([called("look", "error", error="no"), called("look")], {}, 1.0),
        ([called("look", "error", error="no")], {"answer": "I could not look."}, 1.0),
        ([called("look", "error", error="no")], {"outcome": "error", "answer": "x"}, 0.0),
        ([called("look", "error"), called("look"), called("send", "error")], {}, 1 / 2),
    ],
    ids=["again", "an answer", "no answer that counts", "one of two"],
)
async def test_a_run_recovers_from_its_tools_errors(calls: Any, more: Mapping[str, Any], value: float) -> None:
    """The tool worked later, or the run came to an answer; without an error there is no score."""
    assert (await score("recovery", tried(seen(tool_calls=calls, **more), example()))).value == value
    assert await scores("recovery", tried(seen(tool_calls=[called("look")]), example())) == {}


@pytest.mark.parametrize(
    ("limits", "expect", "more", "kept", "used"),
    [
        ({"model_calls": 4, "tokens": 100}, {}, {}, True, 1 / 2),
        ({"model_calls": 4}, {"budget": {"tokens": 20}}, {}, False, 3 / 2),
        ({"model_calls": 1}, {}, {"run_ids": ["r", "s"]}, True, 1.0),
        ({"model_calls": 9}, {}, {"outcome": "error", "error": "BudgetExhausted: tokens"}, False, 2 / 9),
    ],
    ids=["kept", "the example's", "of two runs", "ended by it"],
)
async def test_a_budget_is_kept(limits: Any, expect: Any, more: Mapping[str, Any], kept: Any, used: float) -> None:
    """Of the run, or of the example; the share is that of what was used most."""
    ran = seen(**{"model_calls": [asked_model()] * 2, "tokens": 30, "limits": limits, **more})

    found = await scores("budget", tried(ran, example(expect=expect)))

    assert (found["budget.kept"].value, found["budget.used"].value) == (kept, pytest.approx(used))
    assert await scores("budget", tried(seen(), example())) == {}


@pytest.mark.parametrize(
    ("ran", "expect", "value"),
    [
        ({"outcome": "ok"}, {}, True),
        ({"outcome": "error", "error": "Timeout: 3 s"}, {}, False),
        ({"outcome": "error", "error": "Timeout: 3 s"}, {"error": "Timeout"}, True),
        ({"outcome": "error", "error": "Refused: no"}, {"error": "Timeout"}, False),
        ({"outcome": "interrupted"}, {"outcome": "interrupted"}, True),
    ],
)
async def test_a_run_ends_as_it_should(ran: Any, expect: Any, value: Any) -> None:
    """Well, unless the example says how else."""
    assert (await score("outcome", tried(seen(**ran), example(expect=expect)))).value is value


@pytest.mark.parametrize(
    ("told", "expect", "field"),
    [
        ("outcome", {"outcome": "fine"}, "expect.outcome: 'fine'"),
        ("budget", {"budget": {"calls": 3}}, "expect.budget.calls: 3"),
        ("handoffs", {"handoffs": "sql"}, "expect.handoffs: 'sql'"),
        ("handoffs", {"handoffs": ["a", ["a", "b"]]}, "expect.handoffs: "),
        ("tool_correctness", {"tools": [{"tool": "look"}]}, "expect.tools[0]: "),
        ("argument_correctness", {"tools": [{"name": "a", "schema": {"type": 3}}]}, "expect.tools[0].schema: "),
        ("approval", {"approval": "always"}, "expect.approval: 'always'"),
        ("effects", {"effects": {"send": -1}}, "expect.effects: "),
    ],
)
async def test_an_expectation_that_cant_be_read_is_an_error(told: str, expect: Any, field: str) -> None:
    """The score says which field holds what, and what is allowed."""
    found = list((await scores(told, tried(seen(), example(expect=expect)))).values())

    assert all(one.value is None and one.error.startswith(field) and "allowed: " in one.error for one in found)
    assert found
