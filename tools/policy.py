"""What a tool does to the world, and what an agent may call: at once, after a person's word, or not at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast, get_args

from langchain_core.messages import BaseMessage, ToolMessage
from langchain_core.tools import BaseTool

from motet.errors import InvalidConfig, shortened

Verdict = Literal["allow", "ask", "deny"]

Effect = Literal["none", "idempotent", "once"]
"""none: the tool only reads. idempotent: called twice with one key (`motet.tools.ledger.effect_key`), it acts once.
once: each call acts."""

OnDoubt = Literal["ask", "fail"]
"""What becomes of a `once` call of which nobody knows whether it took effect: a person is asked, or the run fails."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Effects:
    """What a tool declares in its metadata, as `{"effect": ..., "ambiguous": ...}`; nothing is `none`."""

    effect: Effect = "none"
    ambiguous: OnDoubt = "ask"


def declared_effects(tool: str, metadata: Mapping[str, Any] | None) -> Effects:
    """What the tool of that name declares.

    Raises:
        InvalidConfig: a value is none of those allowed, or `ambiguous` stands beside another effect than `once`.
    """
    if not metadata or "effect" not in metadata:
        return Effects()
    effect, ambiguous = metadata["effect"], metadata.get("ambiguous", "ask")
    for field, value, kind in (("effect", effect, Effect), ("ambiguous", ambiguous, OnDoubt)):
        if value not in get_args(kind):
            _refuse(tool, f"metadata.{field} is {shortened(value)}; allowed: {', '.join(get_args(kind))}")
    if "ambiguous" in metadata and effect != "once":
        _refuse(tool, f"metadata.ambiguous is for effect 'once', and the effect is {effect!r}")
    return Effects(effect=cast("Effect", effect), ambiguous=cast("OnDoubt", ambiguous))


def _refuse(tool: str, reason: str) -> None:
    raise InvalidConfig(f"tool {tool}", reason)


def has_effect(tool: BaseTool) -> bool:
    """Whether calling `tool` changes something. Raises InvalidConfig as `declared_effects` does."""
    return declared_effects(tool.name, tool.metadata).effect != "none"


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
