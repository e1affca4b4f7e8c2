"""What a person is asked before something happens, and what they may decide: values that every layer speaks of."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import orjson

DecisionType = Literal["approve", "edit", "reject", "respond"]
ALL_DECISIONS: tuple[DecisionType, ...] = ("approve", "edit", "reject", "respond")

Shape = Literal["hitl", "tool_approval", "legacy", "raw"]
"""How a graph asked. hitl: LangChain's `HITLRequest`, of one action or several. tool_approval: its per-call request,
`ToolApprovalRequest`. legacy: the older `HumanInterrupt`, alone or in a list. raw: anything else, with or without a
response schema."""


CHANGED_BY_HAND = "the thread's state was changed by hand"
"""Why a question is withdrawn that waits no more in a state that a client changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """One call that waits for a person's word."""

    tool: str
    arguments: Mapping[str, Any]
    """Exactly what it would be called with; JSON."""
    description: str = ""
    allowed: Sequence[DecisionType] = ALL_DECISIONS
    arguments_schema: Mapping[str, Any] | None = None
    """JSON Schema that edited arguments must fit; None where nobody knows the tool."""
    tool_call_id: str = ""
    """The model's id of the call, where the question tells it."""
    effect: str = ""
    """`none`, `idempotent` or `once`, as the tool declares; empty where nobody knows the tool."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A question as it was put, whole: what is recorded of it never changes."""

    interrupt_id: str
    thread_id: str
    run_id: str
    """The run that asked."""
    assistant_id: str
    graph_id: str
    checkpoint_id: str
    """The root graph's checkpoint that it waits on."""
    checkpoint_ns: str
    """LangGraph's namespace of the graph that asked; empty for the root."""
    agent: Sequence[str]
    """The names on the way from the root graph to who asks, without ids."""
    shape: Shape
    actions: Sequence[Action]
    """Empty for `raw`."""
    value: Any
    """What the graph gave to `interrupt()`, JSON."""
    response_schema: Mapping[str, Any] | None
    arguments_sha256: str
    """What a decision is bound to: `actions_hash` of the actions, or of `value` where there are none."""
    why: str = ""
    """The agent's own words that came with the call. They are a claim, not a fact."""
    evidence: Sequence[Mapping[str, Any]] = ()
    """Citations the question carries under `evidence`."""
    deadline_s: float | None = None
    """Seconds after which nobody's answer counts as a rejection; None waits for ever."""
    carried: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """What the run that answers needs of the run that asked: its `config`, `context` and how it was streamed; and
    `traceparent`, W3C, of the request that it came from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What a person decided on one action."""

    type: DecisionType
    arguments: Mapping[str, Any] | None = None
    """For `edit`: what to call the tool with instead."""
    message: str = ""
    """The reason of a rejection, or the answer given instead of the tool's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Who:
    """Who saw or decided something."""

    actor: str
    """The name they go by: what they say they are, or `deadline`, or the grant that decided for them."""
    verified_as: str = ""
    """What the server itself knows of them, such as that they hold its key; empty where it knows nothing."""


_RESERVED = re.compile(r"(?i:deadline|motet(\s.*)?|grant\s+\S+\s+of\s.*)|grant\s.*")


def is_reserved(actor: str) -> bool:
    """Whether Motet itself decides under such a name; Grant as somebody's first name is none."""
    return _RESERVED.fullmatch(actor) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An answer to one question, in the canonical form that all shapes come down to."""

    interrupt_id: str
    native: Any
    """What the graph that asked is resumed with, in the shape it understands."""
    decisions: Sequence[Decision]
    """One for each action; empty for an answer to a `raw` question."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Which calls a person approves on a thread from now on, as they wrote it."""

    tool: str
    arguments: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Calls whose arguments have these values; none: any call of the tool."""
    text: str
    """In the person's words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """What an accepted run answers, for the record."""

    interrupt_id: str
    approval_id: str
    """Empty: the question is meant that has this interrupt's id, whatever it asks."""
    state: Literal["decided", "expired", "withdrawn"]
    who: Who
    decisions: Sequence[Mapping[str, Any]]
    """`Decision`s as JSON; `[{"answer": …}]` for a raw question."""
    reason: str = ""
    scope: Scope | None = None
    when: str = ""
    """ISO 8601, UTC; empty in what was recorded before this was."""


def actions_hash(actions: Sequence[Action], value: Any) -> str:
    """SHA-256 (hex) of the actions' tools and arguments, or of `value` where there are none; canonical JSON."""
    told: Any = [[one.tool, one.arguments] for one in actions] if actions else value
    if len(actions) == 1:
        told = told[0]
    return hashlib.sha256(orjson.dumps(told, option=orjson.OPT_SORT_KEYS)).hexdigest()


def same_json(one: Any, other: Any) -> bool:
    """Whether two values are the same JSON; to Python 1, 1.0 and True are equal, and to a tool they aren't."""
    return orjson.dumps(one, option=orjson.OPT_SORT_KEYS) == orjson.dumps(other, option=orjson.OPT_SORT_KEYS)


def approval_id(thread_id: str, interrupt_id: str, value: Any) -> str:
    """`{thread_id}.{32 hex}`: the same for the same question in the same place, another for other arguments."""
    told = [interrupt_id, value]
    digest = hashlib.sha256(orjson.dumps(told, option=orjson.OPT_SORT_KEYS)).hexdigest()
    return f"{thread_id}.{digest[:32]}"
