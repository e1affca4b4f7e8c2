"""What a trajectory is made of: one record for each thing that happened in a run, in order.

Records are JSON objects, told apart by `type`. `v` grows when a reader of the old shape would misread the new one;
fields may be added without that. What is large stands beside the records, once, under the hash of its content: a
`Ref` names it (`contents`). Where something happened is told twice: `place` as LangGraph names it, with ids that
differ from run to run, and `path`, which is the same whenever the graph does the same (`paths`).
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

VERSION: Literal[2] = 2
"""Of the records' shape."""

Json = Mapping[str, Any]
"""A JSON object."""

Ref = str
"""The hash of a content, 32 hexadecimal digits; `CUT` for one that was too large to keep."""

CUT: Ref = "cut"


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """An exception."""

    kind: str
    """Its class, `module:qualified name`."""
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens as the provider counts them; `input_tokens` and `output_tokens` include the details."""

    input_tokens: int = 0
    output_tokens: int = 0
    total_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    cache_write_tokens: int = 0
    """Of those read, written to the provider's cache."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Happened:
    """What each record says: which run, when, where, and in what order."""

    run_id: str
    attempt: int = 1
    """1 for the run's first worker; each later one's records follow those of the one before."""
    index: int
    """Order within one attempt, from 0; of what has a length, by its end."""
    at: str
    """When it began; ISO 8601, UTC, with microseconds."""
    place: Place = field(default_factory=Place)
    path: str = ""
    """The innermost task, outermost first: `name@superstep`, `name@superstep[n]` for the n-th of those sent at once,
    joined by `|`; "" for the run itself. `#n` follows in the graph that a task called after n others."""
    v: Literal[2] = VERSION


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStarted(Happened):
    """A worker begins an attempt at the run."""

    type: Literal["run_started"] = "run_started"
    graph_id: str
    thread_id: str
    assistant_id: str = ""
    input: Ref | None = None
    """What the graph was given; None where it goes on, or got a command."""
    command: Ref | None = None
    """`{"resume": …, "update": …, "goto": …}` as LangGraph's Command was given them."""
    answers: Json = field(default_factory=dict[str, Any])
    """Decisions that came with it, by interrupt id: kind, who, when."""
    context: Ref | None = None
    config: Json = field(default_factory=dict[str, Any])
    """`configurable`, `recursion_limit`, `tags`, `interrupt_before`, `interrupt_after`, `modes`, `subgraphs`."""
    follows: str | None = None
    """The run whose questions this one answers."""
    traceparent: str = ""
    """Of the request that asked for it, W3C."""
    copy_of: str | None = None
    """The run that this one replays or was forked from."""
    span: str = ""
    """Of this attempt itself, W3C `traceparent`; empty where nothing was traced."""
    versions: Json = field(default_factory=dict[str, Any])
    """Of `langgraph`, `langchain-core`, `motet`, `python`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StateRead(Happened):
    """What a graph found in its checkpointer when it began: a thread that had a past."""

    type: Literal["state_read"] = "state_read"
    namespace: str
    """As `path`, of the task whose sub-graph it is; "" for the root graph."""
    checkpoint_id: str
    checkpoint: Ref
    """LangGraph's checkpoint without its values."""
    values: Mapping[str, Ref]
    """By channel."""
    metadata: Json = field(default_factory=dict[str, Any])
    writes: tuple[tuple[str, str, Ref], ...] = ()
    """Pending writes: task id, channel, value."""
    deltas: Mapping[str, tuple[Ref | None, ...]] = field(default_factory=dict[str, tuple[Ref | None, ...]])
    """Of channels whose values are made of what was written: the last whole value, if any, and each write since."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StateSaved(Happened):
    """A checkpoint: what a superstep changed."""

    type: Literal["state_saved"] = "state_saved"
    namespace: str
    """As in `StateRead`."""
    checkpoint_id: str
    parent_id: str | None
    step: int
    source: str
    """input, loop, update, fork."""
    values: Mapping[str, Ref]
    """By channel, those that are new in this checkpoint."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeStarted(Happened):
    """A task (one execution of a node) begins; `place` and `path` are its own."""

    type: Literal["node_started"] = "node_started"
    triggers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeFinished(Happened):
    """A task ended; `at` is when."""

    type: Literal["node_finished"] = "node_finished"
    outcome: Outcome
    duration_s: float
    error: Failure | None = None
    writes: tuple[tuple[str, Ref], ...] = ()
    """Channel and value, in order, LangGraph's own channels included; of a task that ended well."""
    goto: tuple[str, ...] = ()
    """Where it sent the run: nodes that its writes trigger, in order."""
    tries: int = 1
    """How often its retry policy had it run."""
    cached: bool = False
    """Its writes came from the node's cache; it did not run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCalled(Happened):
    """One request to a model, with its answer or its failure."""

    type: Literal["model_called"] = "model_called"
    call: int
    """Order among the model calls of this task's execution, by their begin, from 0."""
    model: str
    provider: str = ""
    """openai, anthropic, …; empty where the model doesn't say."""
    request: str
    """Hash of the canonical request: model, settings, params and messages, without ids."""
    messages: tuple[Ref, ...]
    params: Ref
    """Bound to the call: tools, response_format, stop, …"""
    settings: Json = field(default_factory=dict[str, Any])
    """Of the model itself: temperature, max_tokens, …"""
    response: Ref | None
    """LangChain's whole AIMessage; None without an answer."""
    chunks: Ref | None = None
    """Of a streamed answer its pieces, a list of LangChain's AIMessageChunk."""
    chunks_after_s: tuple[float, ...] = ()
    """When each of them came, since the call began."""
    streamed_by_node: bool = False
    """The node read the stream itself, by `astream`."""
    usage: Usage = field(default_factory=Usage)
    cost_usd: float | None = None
    model_used: str | None = None
    """As the provider named it in its answer."""
    finish_reason: str | None = None
    outcome: Outcome
    duration_s: float
    first_token_s: float | None = None
    error: Failure | None = None
    from_run: str | None = None
    """The run from whose record it was answered, in a fork; it cost nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One `interrupt()`."""

    value: Ref
    response_schema: Json | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCalled(Happened):
    """One call of a tool, with its result or its failure."""

    type: Literal["tool_called"] = "tool_called"
    call: int
    """Order among the tool calls of this task's execution, by their begin, from 0."""
    tool: str
    request: str
    """Hash of the tool's name and arguments."""
    arguments: Ref
    call_id: str | None = None
    result: Ref | None
    """What the tool returned: a ToolMessage, a Command, or anything else."""
    asked: tuple[Asked, ...] = ()
    """Where it ended by asking a person."""
    handed_to: str | None = None
    """The agent that it handed over to."""
    effect: str = "none"
    """none, idempotent, once."""
    ledger_key: str | None = None
    outcome: Outcome
    duration_s: float
    error: Failure | None = None
    from_run: str | None = None
    """As of a model's call."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreCalled(Happened):
    """Long-term memory was read or written: one batch of operations."""

    type: Literal["store_called"] = "store_called"
    call: int
    """Order among the store calls of this task's execution."""
    request: str
    """Hash of the operations."""
    operations: Ref
    results: Ref | None
    outcome: Outcome
    duration_s: float
    error: Failure | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Parted(Happened):
    """A fork does something else than the run that it was made from: from here on it goes on live. Once a fork."""

    type: Literal["parted"] = "parted"
    from_run: str
    kind: Literal["model", "tool"]
    """Of which the call is."""
    step: int
    """Superstep of the innermost graph; -1 outside any."""
    agent: str
    """The innermost named agent, else the node."""
    field: str
    """What of it differs: `messages[0].content`, `params.tools[1].function.description`, `call`."""
    expected: Ref | None
    """As it was recorded; None where nothing was."""
    actual: Ref | None
    hint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What waits for a person."""

    interrupt_id: str
    value: Ref


@dataclass(frozen=True, slots=True, kw_only=True)
class Interrupted(Happened):
    """The run ends and waits for a person."""

    type: Literal["interrupted"] = "interrupted"
    questions: tuple[Question, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """What an attempt spent; calls refused before they were made don't count."""

    model_calls: int = 0
    tool_calls: int = 0
    tokens: int = 0
    seconds: float = 0.0
    cost_usd: float | None = None
    """None where the price of any call isn't known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFinished(Happened):
    """The attempt ended; `at` is when."""

    type: Literal["run_finished"] = "run_finished"
    outcome: Outcome
    totals: Totals
    limits: Json = field(default_factory=dict[str, Any])
    """The budget: model_calls, tool_calls, tokens, seconds; of the run, all attempts together."""
    error: Failure | None = None
    lost: int = 0
    """Records of this attempt that could not be written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Truncated(Happened):
    """From here on nothing more was kept: the trajectory had reached its largest size."""

    type: Literal["truncated"] = "truncated"
    limit_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedbackGiven(Happened):
    """Somebody said what they think of the run, during it or days after; `attempt` is the last one then.

    No part of what the run did: replays and comparisons leave it out. `index` is a time in microseconds, so that it
    stands behind all else of its attempt.
    """

    type: Literal["feedback_given"] = "feedback_given"
    feedback_id: str
    """Of several with the same, the last holds."""
    state: Literal["given", "changed", "withdrawn"] = "given"
    key: str
    """What it is about."""
    score: bool | float | None = None
    said: Ref | None = None
    """`value`, `comment` and `correction`, those there are."""
    message_id: str = ""
    """The message that it is about; empty: the whole run."""
    source: Json = field(default_factory=dict[str, Any])
    """`type` and `actor`."""


Record = (
    RunStarted
    | StateRead
    | StateSaved
    | NodeStarted
    | NodeFinished
    | ModelCalled
    | ToolCalled
    | StoreCalled
    | Interrupted
    | Parted
    | FeedbackGiven
    | RunFinished
    | Truncated
)

Call = ModelCalled | ToolCalled | StoreCalled


def encode(record: Record) -> bytes:
    """`record` as JSON; it holds no secrets, because what could is a content. Raises TypeError: a value is no JSON."""
    return orjson.dumps(record)


def decode(data: bytes) -> Record:
    """The record that `encode` wrote.

    Raises:
        ValueError: these bytes are no record of a version known here.
    """
    return _records().validate_python(orjson.loads(data))


@functools.cache
def _records() -> TypeAdapter[Record]:
    return TypeAdapter(Annotated[Record, Field(discriminator="type")])
