"""What lasts, seen from above: the Protocols that everything but `memory/redis/` works with.

What must change in one script is one port: a run's state, its thread's, its terminal event and the
release of the next run belong together, so `RunLifecycle` owns all four. LangGraph's
`BaseCheckpointSaver` needs no wrapper and isn't repeated here.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

Json = Mapping[str, Any]
"""A JSON object."""

ThreadStatus = Literal["idle", "busy", "interrupted", "error"]
RunStatus = Literal["pending", "running", "error", "success", "timeout", "interrupted"]
TerminalStatus = Literal["error", "success", "timeout", "interrupted"]
Multitask = Literal["reject", "enqueue"]


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingInterrupt:
    """A question a graph asked with `interrupt()` and that nobody has answered yet."""

    interrupt_id: str
    task_id: str
    """LangGraph's task that waits; the wire groups interrupts by it."""
    value: Any
    """What was asked, JSON."""
    response_schema: Json | None = None
    """JSON Schema an answer must fit; None where the graph set none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Thread:
    """A conversation: what runs follow one another on, and its state's name in the checkpoints."""

    thread_id: str
    """UUID, lower case with dashes."""
    created_at: str
    """ISO 8601, UTC, as all times here."""
    updated_at: str
    status: ThreadStatus
    metadata: Json
    interrupts: Sequence[WaitingInterrupt] = ()
    error: Json | None = None
    """`{"error": class name, "message": text}` of the last run, if it failed."""
    configurable: Json | None = None
    """`config.configurable` of the last run: a graph made by a factory is made by it again to read the state.
    None before the first run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """A run as it was accepted: all a worker needs, in whatever process."""

    run_id: str
    thread_id: str
    assistant_id: str
    graph_id: str
    payload: Json
    """The run's arguments as JSON: input, command, config, context, stream_mode, stream_subgraphs, …"""
    metadata: Json = field(default_factory=dict[str, Any])
    multitask: Multitask = "enqueue"
    answers: Sequence[str] | None = None
    """Interrupt ids that this run answers: each must be waiting. Empty: answers the one that waits,
    whichever it is. None: a plain input, which must not discard what waits."""
    traceparent: str = ""
    """W3C trace context of the request, so that the worker's spans belong to its trace."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A run as clients see it."""

    request: RunRequest
    status: RunStatus
    created_at: str
    updated_at: str
    attempt: int = 0
    """How often a worker claimed it."""
    error: Json | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A worker's right to write for a run, until another epoch exists."""

    run_id: str
    thread_id: str
    worker: str
    epoch: int
    """Grows with each claim and each sweep; a write with an older one is refused."""
    attempt: int
    """1 for the first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """A run handed to a worker."""

    claim: Claim
    request: RunRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How a run ended, and what it leaves on its thread."""

    status: TerminalStatus
    interrupts: Sequence[WaitingInterrupt] = ()
    """What waits now; only with status `interrupted`."""
    error: Json | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredEvent:
    """One event of a run, as any replica reads it."""

    event_id: str
    """The Redis Stream id, `ms-seq`; the SSE `id`."""
    name: str
    data: bytes
    """JSON."""


END = "__end__"
"""Name of each run's last event; its data is `{"status": …}`, with the run's `error` where it has one.
Internal: never sent to a client."""


class Threads(Protocol):
    """Conversations by id."""

    async def create(self, thread_id: str, metadata: Json, *, if_exists: Literal["raise", "do_nothing"]) -> Thread:
        """Record a thread, or return the one there is under `do_nothing`. One round trip.

        Raises:
            AlreadyExists: the id is taken and `if_exists` is `raise`.
        """
        ...

    async def get(self, thread_id: str) -> Thread:
        """One round trip. Raises NotFound."""
        ...


class RunLifecycle(Protocol):
    """A run from its acceptance to its end. Each method is one script: it happens whole or not at all."""

    async def create(self, request: RunRequest) -> Run:
        """Record the run with its input, apply the multitask rule and mark the thread busy; durable on return.

        A run that answers interrupts takes them off the thread in the same script, so of two
        simultaneous answers exactly one is accepted.

        Raises:
            NotFound: the thread doesn't exist.
            ThreadBusy: a run is active or queued and `multitask` is `reject`.
            ThreadWaits: an interrupt waits and the run is a plain input.
            NoWaitingInterrupt: an answer names something that doesn't wait.
        """
        ...

    async def get(self, thread_id: str, run_id: str) -> Run:
        """Raises NotFound."""
        ...

    async def claim(self, worker: str, *, wait_s: float) -> Claimed | None:
        """The next run that may start, or None when there is none within `wait_s` seconds."""
        ...

    async def beat(self, claim: Claim) -> None:
        """Extend the lease. Raises StaleClaim."""
        ...

    async def append(self, claim: Claim, events: Sequence[tuple[str, bytes]]) -> None:
        """Add events to the run's stream, in order, in one round trip. Raises StaleClaim."""
        ...

    async def finish(self, claim: Claim, ending: Ending) -> None:
        """End the run: last event, run status, thread status and the release of the next run. Raises StaleClaim."""
        ...

    async def release(self, claim: Claim) -> None:
        """Give the run back, unfinished: another worker may claim it at once, and it isn't counted as lost.

        For a worker that is told to stop. Raises StaleClaim.
        """
        ...

    async def sweep(self) -> Sequence[str]:
        """Take runs whose lease ran out from their workers; ids of those made ready again.

        A run that was tried three times ends with an error instead. Also rebuilds ready hints
        that a crash between two scripts lost.
        """
        ...


class EventReader(Protocol):
    """A run's events, from anywhere, as often as wanted."""

    def read(self, thread_id: str, run_id: str, *, after: str = "0") -> AsyncIterator[StoredEvent]:
        """Events after the id `after` as they come, ending with the one named `END`. Raises NotFound."""
        ...


class TrajectoryStore(Protocol):
    """Trajectory records by run; bytes in, bytes out."""

    async def append(self, run_id: str, records: Sequence[bytes]) -> None:
        """Add records in order; they expire together, days after the last. One round trip."""
        ...

    async def read(self, run_id: str) -> Sequence[bytes]:
        """All records in order. Raises NotFound."""
        ...
