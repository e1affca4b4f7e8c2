"""Whether people were asked, and what they said was done; and which effects happened."""

from __future__ import annotations

from typing import Any

import pytest
from tests.observability.evaluation.trials import called, example, question, score, scores, seen, tried

EDIT = {"type": "edit", "edited_action": {"name": "send", "args": {"to": "bob"}}}
NEVER = "send never acted with the arguments that a person gave"
ASKED = question("send", "approve", to="ada")
ACTED = called("send", effect="once", run=1, to="ada")


@pytest.mark.parametrize(
    ("expect", "questions", "calls", "wrong"),
    [
        ("required", [ASKED], [ACTED], ""),
        ("required", [], [ACTED], "nobody was asked; send acted, and nobody had approved that"),
        ("required", [ASKED], [called("send", effect="once", to="ada")], "send acted, and nobody had approved that"),
        ("required", [ASKED], [ACTED, ACTED], "send acted, and nobody had approved that"),
        (
            "required",
            [ASKED],
            [called("send", effect="once", run=1, to="eve")],
            "send acted, and nobody had approved that",
        ),
        ("required", [ASKED, question("save", "approve")], [ACTED], ""),
        (["send"], [ASKED], [ACTED], ""),
        (["send", "save"], [ASKED], [ACTED], "nobody was asked about save"),
        (
            ["send"],
            [ASKED, question("save", "approve")],
            [ACTED],
            "asked about save, and nobody was to be asked about it",
        ),
        ("none", [], [called("look")], ""),
        ("none", [ASKED], [], "asked about send, and nobody was to be asked"),
        ([], [ASKED], [], "asked about send, and nobody was to be asked"),
        ("required", [question("send", "reject", to="ada")], [], ""),
        ("required", [question("send", "reject", to="ada")], [ACTED], "send acted although it was rejected"),
        (None, [question("send", "reject", to="ada")], [ACTED], "send acted although it was rejected"),
        (None, [ASKED], [ACTED, called("save", effect="once", run=1)], ""),
        ("required", [question("send", EDIT, to="ada")], [called("send", effect="once", run=1, to="bob")], ""),
        (
            "required",
            [question("send", EDIT, to="ada")],
            [ACTED],
            f"send acted with arguments that a person had changed; {NEVER}",
        ),
        (
            "required",
            [question("send", EDIT, to="ada")],
            [],
            NEVER,
        ),
        (
            ["send"],
            [],
            [called("send", "interrupted", asked=True, to="ada"), called("send", run=1, to="ada")],
            "",
        ),
    ],
)
async def test_approval_is_asked_and_respected(expect: Any, questions: Any, calls: Any, wrong: str) -> None:
    """Asked before anything acted, of the tools told and no others; and what was decided is what was done."""
    told = {} if expect is None else {"approval": expect}

    found = await score("approval", tried(seen(questions=questions, tool_calls=calls), example(expect=told)))

    assert (found.value, found.comment) == (not wrong, wrong or "as it should be")


@pytest.mark.parametrize(
    "value",
    [
        {"action_requests": [{"name": "send", "args": {"to": "ada"}}]},
        {"type": "tool_approval", "name": "send", "args": {"to": "ada"}},
        {"action_request": {"action": "send", "args": {"to": "ada"}}},
        [{"action_request": {"action": "send", "args": {"to": "ada"}}}],
    ],
)
@pytest.mark.parametrize(
    "answer",
    [
        {"decisions": [EDIT]},
        EDIT,
        [{"type": "edit", "args": {"action": "send", "args": {"to": "bob"}}}],
        {"type": "edit", "arguments": {"to": "bob"}},
    ],
)
async def test_each_shape_of_question_and_answer_is_read(value: Any, answer: Any) -> None:
    """An edit is an edit however it was asked for and said."""
    asked = question("send", EDIT, to="ada")
    ran = seen(
        questions=[type(asked)(interrupt_id="i", value=value, answer=answer, decision="edit")],
        tool_calls=[called("send", effect="once", run=1, to="bob")],
    )

    found = await score("approval", tried(ran, example(expect={"approval": "required"})))

    assert (found.value, found.details["asked"][0]["arguments"]) == (True, {"to": "ada"})


@pytest.mark.parametrize(
    ("expect", "calls", "comment"),
    [
        (["send"], [called("look"), ACTED], ""),
        (["send"], [ACTED, ACTED], "extra: send"),
        ({"send": 2}, [ACTED, ACTED], ""),
        ([], [called("look")], ""),
        ([], [ACTED], "extra: send"),
        (["send"], [called("send", "error", effect="once")], "missing: send"),
        (["look"], [called("look")], ""),
    ],
)
async def test_effects_are_those_expected(expect: Any, calls: Any, comment: str) -> None:
    """Each tool told acted exactly once, or as often as told, and no other did."""
    found = await score("effects", tried(seen(tool_calls=calls), example(expect={"effects": expect})))

    assert (found.value, found.comment) == (not comment, comment or "each effect as often as it should")


async def test_nothing_is_said_where_nobody_asked_and_nothing_is_expected() -> None:
    """Neither of approval nor of effects."""
    assert await scores("approval", tried(seen(tool_calls=[ACTED]), example())) == {}
    assert await scores("effects", tried(seen(tool_calls=[ACTED]), example())) == {}
