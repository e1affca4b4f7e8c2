"""Partial credit: what each fault costs, what is said of it, and when nothing is at fault."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.observability.evaluation.published_trajectories import asked, calling
from tests.observability.evaluation.trials import example, score, scores, seen, tried

from motet.observability.evaluation.example import Json
from motet.observability.evaluation.graded import Mode, graded
from motet.observability.evaluation.tool_arguments import ArgumentsMode, ArgumentsRule, Override
from motet.observability.evaluation.trajectory_match import Matching, openevals_match
from motet.observability.evaluation.turns import turns

ONE, TWO, THREE = ("look", {"city": "Oslo"}), ("look", {"city": "Rome"}), ("send", {"to": "ada", "times": 1})

_arguments = st.dictionaries(st.sampled_from("ab"), st.sampled_from([1, 2, True, None, "x"]), max_size=2)
_calls = st.lists(st.tuples(st.sampled_from(["f", "g"]), _arguments), max_size=3)
_plain = st.sampled_from(["user", "assistant", "tool", "system"]).map(
    lambda role: {"role": role, "content": "words", **({"tool_call_id": "1"} if role == "tool" else {})}
)
_messages = st.lists(_plain | _calls.map(lambda calls: calling(*calls)), max_size=5)
_told = st.builds(
    Matching,
    mode=st.sampled_from(get_args(Mode)),
    arguments=st.sampled_from(get_args(ArgumentsMode)),
    tools=st.dictionaries(
        st.just("f"), st.sampled_from(get_args(ArgumentsMode)) | st.lists(st.sampled_from("ab"), min_size=1)
    ),
)


@settings(max_examples=200)
@given(st.data(), _messages, _told)
def test_nothing_is_lost_exactly_where_openevals_says_true(data: Any, outputs: Sequence[Json], told: Matching) -> None:
    """For any two conversations and any modes: the share is 1, without a loss, if and only if the boolean is true."""
    reference = data.draw(st.permutations(outputs) | st.just(outputs) | _messages)

    found = graded(turns(outputs, "outputs"), turns(reference, "reference"), mode=told.mode, rule=told.rule)

    true = openevals_match(told)(outputs, reference)
    assert ((found.share == 1) is true, not found.losses) == (True, true)
    assert 0 <= found.share <= 1


@pytest.mark.parametrize(
    ("outputs", "reference", "mode", "share", "reasons"),
    [
        pytest.param(
            asked([ONE]),
            asked([ONE, THREE]),
            "superset",
            1 / 2,
            ["missing call: send({'to': 'ada', 'times': 1})"],
            id="missing",
        ),
        pytest.param(
            asked([ONE], [THREE]),
            asked([ONE]),
            "subset",
            1 / 2,
            ["extra call: send({'to': 'ada', 'times': 1})"],
            id="extra",
        ),
        pytest.param(
            asked([ONE]),
            asked([TWO]),
            "unordered",
            1 / 2,
            ["look: argument city: expected 'Rome', got 'Oslo'"],
            id="argument",
        ),
        pytest.param(
            asked([("send", {"to": "ada", "cc": "eve"})]),
            asked([THREE]),
            "superset",
            1 / 2 + 1 / 2 * 1 / 3,
            ["send: argument times: expected 1, got none; argument cc: not expected, got 'eve'"],
            id="arguments",
        ),
        pytest.param(
            asked([ONE], [THREE], ends=False),
            asked([THREE], [ONE], ends=False),
            "strict",
            # Of 2 calls and 5 turns on each side one call counts half, and two turns nothing.
            1 - (1 / 2 + 2 / 4) / (2 + 5 / 4),
            [
                "extra turn 2: assistant",
                "extra turn 3: tool",
                "missing turn 3: tool",
                "missing turn 4: assistant",
                "wrong order: look({'city': 'Oslo'}) in turn 2, expected in turn 4",
            ],
            id="order",
        ),
        pytest.param(
            asked([ONE, TWO], [THREE]),
            asked([ONE], [TWO, THREE]),
            "unordered",
            1.0,
            [],
            id="no order",
        ),
        pytest.param(
            [*asked(), {"role": "user", "content": "more"}],
            asked(),
            "strict",
            4 / 5,
            ["extra turn 3: user"],
            id="turn",
        ),
    ],
)
async def test_a_fault_costs_its_share_and_is_told(
    outputs: Sequence[Json], reference: Sequence[Json], mode: Mode, share: float, reasons: Sequence[str]
) -> None:
    """What is missing, extra, in the wrong order or called with other arguments is named, and weighs what it should."""
    found = await score(f"trajectory_graded:mode={mode}", tried(seen(messages=outputs), example(trajectory=reference)))

    assert found.value == pytest.approx(share)
    assert [one["text"] for one in found.details["losses"]] == reasons
    assert found.comment == ("; ".join(reasons) or "as expected")


@given(_messages, _messages, _told)
@settings(max_examples=100)
def test_what_is_lost_adds_up(outputs: Sequence[Json], reference: Sequence[Json], told: Matching) -> None:
    """Each loss has a weight and a reason; two conversations that share nothing have nothing."""
    found = graded(turns(outputs, "outputs"), turns(reference, "reference"), mode=told.mode, rule=told.rule)

    assert all(one.weight > 0 and one.text and not one.text.endswith(": ") for one in found.losses)


@pytest.mark.parametrize(
    ("rule", "worth"),
    [("exact", False), ("ignore", True), ("superset", True), ("subset", False), (["city"], True), (["far.x"], False)],
)
def test_a_tool_may_have_a_rule_of_its_own(rule: Override, worth: Any) -> None:
    """A mode or the names of arguments, for one tool, in the place of what holds for all."""
    found = graded(
        turns(asked([("look", {"city": "Oslo", "far": True})]), "a"),
        turns(asked([ONE]), "b"),
        mode="strict",
        rule=ArgumentsRule(mode="exact", by_tool={"look": rule}),
    )

    assert (found.share == 1) is worth


@pytest.mark.parametrize("told", ["trajectory", "trajectory_graded", "graph_path"])
async def test_an_example_without_a_trajectory_has_no_score(told: str) -> None:
    """Nothing is said of what the example doesn't speak of."""
    assert await scores(told, tried(seen(messages=asked([ONE]), path=["n"]), example())) == {}


@pytest.mark.parametrize(
    ("calls", "said"),
    [
        ([{"function": {"name": "f", "arguments": "{"}}], "trajectory[0].tool_calls[0].function.arguments: '{' is not"),
        (5, "trajectory[0].tool_calls: 5 is not"),
        ({"name": "f"}, "trajectory[0].tool_calls: {'name': 'f'} is not"),
    ],
)
async def test_a_reference_that_is_no_conversation_is_an_error_that_says_where(calls: Any, said: str) -> None:
    """The score names the field, the value and what is allowed."""
    wrong = [{"role": "assistant", "tool_calls": calls}]

    found = await score("trajectory", tried(seen(messages=asked()), example(trajectory=wrong)))

    assert found.value is None
    assert found.error.startswith(f"{said} allowed; allowed: ")
