"""What an agent may call: at once, after a person's word, or not at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from langchain_core.messages import BaseMessage, ToolMessage
from langchain_core.tools import BaseTool

Verdict = Literal["allow", "ask", "deny"]

EFFECT = {"effect": "write"}
"""The metadata of a tool that changes something; a tool without it only reads."""


def has_effect(tool: BaseTool) -> bool:
    """Whether calling `tool` changes something."""
    return (tool.metadata or {}).get("effect") == "write"


def verdict(tool: BaseTool, approvals: Mapping[str, Verdict], *, untrusted: bool) -> Verdict:
    """Whether `tool` may be called.

    Args:
        tool: what the model asked for.
        approvals: what the agent's declaration says, by tool.
        untrusted: whether text that isn't the person's has been read. A tool with an effect then asks, whatever the
            declaration allows: the call may be that text's wish.
    """
    if not has_effect(tool):
        return approvals.get(tool.name, "allow")
    declared = approvals.get(tool.name, "ask")
    return "ask" if declared == "allow" and untrusted else declared


def holds_untrusted(messages: Sequence[BaseMessage]) -> bool:
    """Whether a tool has answered in `messages`, or one of them holds text marked as data (`untrusted.as_data`)."""
    return any(isinstance(one, ToolMessage) or "<data source=" in one.text for one in messages)
