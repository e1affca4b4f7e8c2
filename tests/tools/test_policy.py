"""What may be called: reading at once, writing after a word, and never on a text's wish."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, ToolMessage
from langchain_core.tools import BaseTool, tool

from motet.errors import InvalidConfig
from motet.tools.policy import Effects, Verdict, declared_effects, has_effect, holds_untrusted, verdict
from motet.tools.reports import build_save_report
from motet.tools.untrusted import as_data


@tool
def look() -> str:
    """Look."""
    return "rain"


@tool
def act() -> str:
    """Act."""
    return "done"


act.metadata = {"effect": "once"}


@pytest.mark.parametrize(
    ("asked", "declared", "untrusted", "expected"),
    [
        (look, None, True, "allow"),
        (look, "ask", False, "ask"),
        (look, "deny", False, "deny"),
        (look, "allow", True, "allow"),
        (act, None, False, "ask"),
        (act, None, True, "ask"),
        (act, "allow", False, "allow"),
        (act, "allow", True, "ask"),
        (act, "ask", False, "ask"),
        (act, "deny", False, "deny"),
        (act, "deny", True, "deny"),
    ],
)
def test_the_effect_and_the_declaration_decide(
    asked: BaseTool,
    declared: Verdict | None,
    untrusted: bool,  # noqa: FBT001 - a column of the table
    expected: Verdict,
) -> None:
    """Reading is allowed and writing asks unless declared otherwise; after untrusted text, writing never just runs."""
    approvals: dict[str, Verdict] = {asked.name: declared} if declared else {}

    assert verdict(asked, approvals, untrusted=untrusted) == expected


def test_another_tools_approval_changes_nothing() -> None:
    """A declaration is about the tool it names."""
    assert verdict(act, {"look": "allow"}, untrusted=False) == "ask"


@pytest.mark.parametrize(
    ("messages", "untrusted"),
    [
        ([HumanMessage("Save it")], False),
        ([HumanMessage("Save it"), AIMessage("Shall I?"), HumanMessage("Yes")], False),
        ([HumanMessage("Save it"), ToolMessage("rain", tool_call_id="1")], True),
        ([HumanMessage(f"Before:\n{as_data('rain', source='a.md')}")], True),
    ],
)
def test_untrusted_is_what_a_tool_or_a_file_said(messages: list[AnyMessage], untrusted: bool) -> None:  # noqa: FBT001 - a column of the table
    """Any tool's answer, and any text marked as data."""
    assert holds_untrusted(messages) is untrusted


def test_saving_a_report_is_an_effect(tmp_path: Path) -> None:
    """The one tool of ours that writes says so."""
    assert has_effect(build_save_report(tmp_path))
    assert not has_effect(look)


@pytest.mark.parametrize(
    ("metadata", "declared"),
    [
        (None, Effects()),
        ({"origin": "here", "ambiguous": "anything of a stranger's"}, Effects()),
        ({"effect": "none"}, Effects()),
        ({"effect": "idempotent"}, Effects(effect="idempotent")),
        ({"effect": "once"}, Effects(effect="once", ambiguous="ask")),
        ({"effect": "once", "ambiguous": "fail"}, Effects(effect="once", ambiguous="fail")),
    ],
)
def test_a_tool_declares_what_it_does(metadata: dict[str, Any] | None, declared: Effects) -> None:
    """Nothing said is no effect; a `once` tool in doubt asks unless it says otherwise."""
    assert declared_effects("act", metadata) == declared


@pytest.mark.parametrize(
    ("metadata", "told"),
    [
        ({"effect": "write"}, "metadata.effect is 'write'; allowed: none, idempotent, once"),
        ({"effect": None}, "metadata.effect is None; allowed: none"),
        ({"effect": ["once"]}, r"metadata.effect is \['once'\]; allowed: none"),
        ({"effect": "once", "ambiguous": "guess"}, "metadata.ambiguous is 'guess'; allowed: ask, fail"),
        ({"effect": "idempotent", "ambiguous": "ask"}, "metadata.ambiguous is for effect 'once'"),
    ],
)
def test_another_declaration_is_refused(metadata: dict[str, Any], told: str) -> None:
    """With the tool, the value and what is allowed."""
    with pytest.raises(InvalidConfig, match=f"tool act: {told}"):
        declared_effects("act", metadata)
