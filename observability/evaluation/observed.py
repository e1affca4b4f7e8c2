"""What evaluators look at: a run, and those that answered its questions, told plainly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from motet.observability.evaluation.example import Json
from motet.observability.names import Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservedModelCall:
    """One request to a model that was made; of a fork's, those answered from the record aren't there."""

    model: str
    agent: str
    """The innermost named agent, else the node."""
    path: str
    """Of its task, see `records.Happened`."""
    outcome: Outcome
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float | None = None
    """None where its price isn't known."""
    duration_s: float = 0.0
    first_token_s: float | None = None
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservedToolCall:
    """One call of a tool, in the order in which they began."""

    tool: str
    arguments: Json
    result: Any
    """What it returned, as `plain` tells it; None without."""
    text: str
    """The same as the model read it: the ToolMessage's text."""
    agent: str
    path: str
    outcome: Outcome
    effect: str = "none"
    """none, idempotent, once."""
    asked: bool = False
    """Whether it ended by asking a person."""
    handed_to: str | None = None
    duration_s: float = 0.0
    error: str = ""
    is_error: bool = False
    """Whether it failed, or told the model that it did."""
    run: int = 0
    """Which of the runs made it: its position in `Observed.run_ids`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservedQuestion:
    """What a person was asked, and the answer that was given."""

    interrupt_id: str
    value: Any
    answer: Any = None
    decision: str = ""
    """approve, edit, reject, respond; empty while nobody answered, or for an answer of another shape. Of a question
    about several calls, one for each, joined by a comma."""
    run: int = 0
    """Which of the runs asked: its position in `Observed.run_ids`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservedStep:
    """One execution of a node."""

    node: str
    """As `Observed.path` names it."""
    task: str
    """Its place, see `records.Happened.path`."""
    wrote: str
    """A hash of what it wrote, without ids: the same for two that wrote the same. Empty where it wrote nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """What became of one example: all that offline evaluators and reports need, none of it tied to ids of the run."""

    graph_id: str
    run_ids: Sequence[str]
    thread_id: str
    outcome: Outcome
    """Of the last run."""
    error: str = ""
    """Its exception, `class: message`."""
    input: Any = None
    output: Any = None
    """The graph's last values, JSON as `Trajectory.plain` tells it."""
    answer: str = ""
    """Text of the last message that the agent sent to the person; empty where the graph has no messages."""
    messages: Sequence[Json] = ()
    """The conversation at the end, in OpenAI's form: `role`, `content`, `tool_calls` with `function.name` and
    `function.arguments` (a JSON text), `tool_call_id`."""
    path: Sequence[str] = ()
    """Nodes in the order in which they began, nested ones as `outer/inner`, without `__start__`."""
    steps: Sequence[ObservedStep] = ()
    """The same, one for each of `path`. A node that asked a person, and went on with the answer, is there once."""
    model_calls: Sequence[ObservedModelCall] = ()
    tool_calls: Sequence[ObservedToolCall] = ()
    handoffs: Sequence[tuple[str, str]] = ()
    """From agent, to agent; in order."""
    questions: Sequence[ObservedQuestion] = ()
    supersteps: int = 0
    """Of the root graph, all runs together."""
    seconds: float = 0.0
    """That runs worked; not those that a person was waited for."""
    tokens: int = 0
    cost_usd: float | None = None
    first_token_s: float | None = None
    """From the run's begin to the first token of any model."""
    limits: Mapping[str, float] = field(default_factory=dict[str, float])
    """The run's budget: model_calls, tool_calls, tokens, seconds."""
    cut: bool = False
    """Whether the record lacks its end."""
