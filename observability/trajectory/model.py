"""What a trajectory is made of: one record for each thing that happened in a run, in order.

Records are JSON, one object each, told apart by `type`. `v` grows when a reader of the old shape
would misread the new one; fields may be added without that.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import orjson
from pydantic import Field, TypeAdapter

from motet.calls import Place
from motet.observability.names import Outcome
from motet.observability.trajectory.bounds import bounded, clipped
from motet.observability.trajectory.redact import redacted

Json = Mapping[str, Any]
"""A JSON object."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolRequest:
    """A tool call a model asked for."""

    name: str
    arguments: Any
    call_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A message without what differs from run to run (ids, provider's metadata)."""

    role: str
    """system, human, ai, tool, or the name of another LangChain type."""
    content: Any
    """Text, or LangChain's content blocks."""
    tool_calls: tuple[ToolRequest, ...] = ()
    name: str | None = None
    call_id: str | None = None
    """The tool call that a `tool` message answers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens as the provider counts them."""

    input_tokens: int = 0
    output_tokens: int = 0
    total_tokens: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Happened:
    """What each record says: which run, when, where, and in what order."""

    run_id: str
    index: int
    """Order within one attempt, from 0."""
    at: str
    """When it began; ISO 8601, UTC, with microseconds."""
    place: Place = field(default_factory=Place)
    v: Literal[1] = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStarted(Happened):
    """A worker begins an attempt at the run."""

    type: Literal["run_started"] = "run_started"
    graph_id: str
    thread_id: str
    attempt: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeStarted(Happened):
    """A node begins; `place` is its own."""

    type: Literal["node_started"] = "node_started"


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeFinished(Happened):
    """A node ended; `at` is when."""

    type: Literal["node_finished"] = "node_finished"
    outcome: Outcome
    duration_s: float
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCalled(Happened):
    """One request to a model, with its answer or its failure."""

    type: Literal["model_called"] = "model_called"
    model: str
    messages: tuple[Message, ...]
    params: Json
    response: Message | None
    usage: Usage
    outcome: Outcome
    duration_s: float
    first_token_s: float | None = None
    """Seconds until the first piece; None where the answer came whole or the node streamed it itself."""
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCalled(Happened):
    """One call of a tool, with its result or its failure."""

    type: Literal["tool_called"] = "tool_called"
    tool: str
    arguments: Json
    result: Any
    outcome: Outcome
    duration_s: float
    call_id: str | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What an `interrupt()` asked."""

    interrupt_id: str
    value: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Interrupted(Happened):
    """The run waits for a person."""

    type: Literal["interrupted"] = "interrupted"
    questions: tuple[Question, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """What an attempt spent; calls refused before they were made don't count."""

    model_calls: int = 0
    tool_calls: int = 0
    tokens: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFinished(Happened):
    """The attempt ended; `at` is when."""

    type: Literal["run_finished"] = "run_finished"
    outcome: Outcome
    totals: Totals
    error: str | None = None
    lost: int = 0
    """Records of this attempt that could not be written."""


Record = RunStarted | NodeStarted | NodeFinished | ModelCalled | ToolCalled | Interrupted | RunFinished


def encode(record: Record) -> bytes:
    """`record` as JSON of at most `bounds.RECORD_BYTES`, with secrets and overlong values taken out.

    Raises:
        TypeError: a value is no JSON; `plain` makes it some.
    """
    return bounded(redacted(clipped(record)))


def decode(data: bytes) -> Record:
    """The record that `encode` wrote.

    Raises:
        ValueError: these bytes are no record of a version known here.
    """
    return _records().validate_python(orjson.loads(data))


@functools.cache
def _records() -> TypeAdapter[Record]:
    return TypeAdapter(Annotated[Record, Field(discriminator="type")])
