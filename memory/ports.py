"""What lasts, seen from above: the Protocols that everything but `memory/redis/` works with.

What must change in one script is one port: a run's state, its thread's, its terminal event and the
release of the next run belong together, so `RunLifecycle` owns all four. LangGraph's
`BaseCheckpointSaver`, `BaseStore` and `BaseCache` need no wrapper and aren't repeated here.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.serde.base import SerializerProtocol

from motet.memory.asking import CHANGED_BY_HAND, Asked, Decided, Who

Json = Mapping[str, Any]
"""A JSON object."""

ThreadStatus = Literal["idle", "busy", "interrupted", "error"]
RunStatus = Literal["pending", "running", "error", "success", "timeout", "interrupted"]
TerminalStatus = Literal["error", "success", "timeout", "interrupted"]
Multitask = Literal["reject", "enqueue", "interrupt", "rollback"]
"""What becomes of a run when its thread has others that haven't ended; the Agent Server's names."""
CancelAction = Literal["interrupt", "rollback"]
"""interrupt keeps what the run did so far; rollback takes the thread back to where it was, and forgets the run."""


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
    asked: Asked | None = field(default=None, compare=False)
    """What the approval records, when the question comes up; None when it is read again."""
    approval_id: str = field(default="", compare=False)
    """Where what was asked and decided is recorded; empty before it is."""


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
    decided: Sequence[Decided] = ()
    """What its answers come down to, for the record; one for each of `answers`, or none where nobody says who."""
    behind: bool = False
    """A plain input that waits behind questions, rather than being refused while one waits."""
    traceparent: str = ""
    """W3C trace context of the request, so that the worker's spans belong to its trace."""
    temporary: bool = False
    """The run has its thread for itself, and the thread goes when the run ends. The run can still be read."""
    retry_of: str = ""
    """The ended run that this one tries again: it goes on from that run's last checkpoint, if there is one."""


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
    """Grows over all of the thread's claims, sweeps and ends; a write with another one is refused."""
    attempt: int
    """1 for the first."""
    lost: int = 0
    """How many of the earlier attempts ended with the loss of their worker: the run may be what kills it."""
    answers: bool = False
    """Whether the run answers questions, which its end may bring back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """A run handed to a worker."""

    claim: Claim
    request: RunRequest
    spent: Json = field(default_factory=dict[str, Any])
    """What earlier attempts spent of the run's budget, as they last told it."""
    waited_s: float = 0.0
    """Seconds since the run became ready."""
    follows: str | None = None
    """The run whose questions it answers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """A run that was recorded."""

    run: Run
    claimed: Claimed | None = None
    """The caller's own worker may start it at once; None where it must wait, or is another worker's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How a run ended, and what it leaves on its thread."""

    status: TerminalStatus
    interrupts: Sequence[WaitingInterrupt] = ()
    """What waits now; only with status `interrupted`."""
    error: Json | None = None
    cancelled: CancelAction | None = None
    """The run was ended by a person or a client, with status `interrupted`; nothing of it waits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredEvent:
    """One event of a run, as any replica reads it."""

    event_id: str
    """The Redis Stream id, `ms-n`; the SSE `id`. `n` counts the run's events from 1 without a gap."""
    name: str
    data: bytes
    """JSON."""


END = "__end__"
"""Name of each run's last event; its data is `{"status": …}`, with the run's `error` where it has one.
Internal: never sent to a client."""

GAP = "resume_gap"
"""Name of the event that a reader gets in place of events that are gone: the stream kept only the newest.
Its data is `{"after": id asked for, "next": id of the first event there is, "lost": how many}`."""


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

    async def copy(self, source_id: str, target_id: str) -> Thread:
        """Record a new thread like another: metadata, configuration and what waits; runs stay with their own.

        Raises NotFound, AlreadyExists, and ThreadBusy while a run works on the source.
        """
        ...

    async def link(self, thread_id: str, name: str, other_id: str, *, most: int) -> None:
        """Add another thread's id to the list under `name` in a thread's metadata, of which the newest `most` stay.

        Two round trips; more where others change the metadata meanwhile. Raises NotFound.
        """
        ...

    async def delete(self, thread_id: str, *, who: Who | None = None) -> None:
        """Forget a thread with its checkpoints, runs and events; a worker on it is shut out. Raises NotFound.

        `who` withdraws what waits on it.
        """
        ...

    async def hold(self, thread_id: str, *, asked_by: str = "") -> Claim:
        """The right to write to a thread that no run works on, until one is claimed or an answer is accepted.

        Raises NotFound, ThreadBusy; NoWaitingInterrupt where nothing waits that the run `asked_by` asked.
        """
        ...

    async def settle(
        self,
        held: Claim,
        waiting: Sequence[WaitingInterrupt],
        *,
        who: Who | None = None,
        reason: str = CHANGED_BY_HAND,
        cancelled: str = "",
    ) -> None:
        """Record what waits after the thread's state was changed; what doesn't any more is withdrawn by `who`.

        `cancelled`: the ended run that is cancelled by the change. Raises StaleClaim.
        """
        ...


class ThreadIndex(Protocol):
    """Which threads a tenant has. A hint: what a thread is stands in the thread itself."""

    async def add(self, thread_id: str) -> None:
        """Note a thread that is about to be made. One round trip."""
        ...

    def all(self) -> AsyncGenerator[Sequence[Thread]]:
        """The tenant's threads in parts, in no order; without those that go with their run."""
        ...

    async def named(self, thread_ids: Sequence[str]) -> Sequence[Thread]:
        """Those of the threads that exist."""
        ...


class RunLifecycle(Protocol):
    """A run from its acceptance to its end. Each method is one script: it happens whole or not at all."""

    async def create(
        self, request: RunRequest, *, new_thread: Json | None = None, worker: str | None = None
    ) -> Accepted:
        """Record the run with its input, apply the multitask rule and mark the thread busy; durable on return.

        A run that answers interrupts takes them off the thread in the same script, so of two
        simultaneous answers exactly one is accepted. It may come while another answer is worked: it is
        queued behind that and in front of plain inputs, whatever its multitask strategy.

        Args:
            request: what was asked for. With a run id that exists: that run is returned, and nothing changes.
            new_thread: metadata of the thread to make if it doesn't exist; None refuses instead.
            worker: claims the run in the same round trip if it may start now; None leaves it to whoever comes.

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

    async def of_thread(
        self, thread_id: str, *, limit: int, offset: int = 0, status: RunStatus | None = None
    ) -> Sequence[Run]:
        """The thread's runs, newest first. Raises NotFound for a thread that doesn't exist."""
        ...

    async def recent(self, *, limit: int, status: RunStatus | None = None) -> Sequence[Run]:
        """The tenant's runs, newest first."""
        ...

    async def claim(self, worker: str, *, wait_s: float) -> Claimed | None:
        """The next run that may start, or None when there is none within `wait_s` seconds."""
        ...

    async def wait(self, seconds: float) -> None:
        """Return when a run may have become ready, or after `seconds` or so."""
        ...

    async def beat(self, claim: Claim, spent: Json | None = None) -> CancelAction | None:
        """Extend the lease and record what was spent; how the run must be ended, if it must. Raises StaleClaim."""
        ...

    async def append(self, claim: Claim, events: Sequence[tuple[str, bytes]]) -> None:
        """Add events to the run's stream, in order, in one round trip. Raises StaleClaim."""
        ...

    async def finish(self, claim: Claim, ending: Ending, events: Sequence[tuple[str, bytes]] = ()) -> None:
        """End the run: last events, run status, thread status and the release of the next run. Raises StaleClaim."""
        ...

    async def release(self, claim: Claim, spent: Json | None = None) -> None:
        """Give the run back, unfinished: another worker may claim it at once, and it isn't counted as lost.

        For a worker that is told to stop. Raises StaleClaim.
        """
        ...

    async def lose(self, claim: Claim, reason: str) -> None:
        """Take the run from a worker that is known to be dead, as `sweep` does once its lease ran out.

        `reason` says what was seen, and is told if the run ends by it. Raises StaleClaim.
        """
        ...

    async def cancel(self, thread_id: str, run_id: str, action: CancelAction, *, who: Who | None = None) -> bool:
        """Have a run end; durable on return. True: it has ended. False: a worker will end it within a beat.

        Once this has returned False the run ends as cancelled, even if its graph comes to its end first.

        A run that waits for a person ends too: its questions are withdrawn, by `who`. Raises NotFound, and RunOver
        for a run that ended before.
        """
        ...

    async def delete(self, thread_id: str, run_id: str) -> None:
        """Forget an ended run and its events; its checkpoints stay. Raises NotFound, RunActive."""
        ...

    async def signalled(self, after: str, wait_s: float) -> tuple[str, Sequence[str]]:
        """Runs that are to be cancelled, as they are told, after the signal `after`; a hint only.

        Returns the id of the last signal, to go on from, and the runs; after `wait_s` seconds without any. For "$", at
        once and without runs.
        """
        ...

    async def depth(self) -> tuple[int, int]:
        """How many runs may start, and how many haven't ended."""
        ...

    async def sweep(self, *, spare: bool = False) -> Sequence[str]:
        """Take runs whose lease ran out from their workers; ids of those made ready again. `spare` takes none now.

        A run that was tried three times ends with an error instead, and one that was to be cancelled ends so.
        Also rebuilds ready hints that a crash between two scripts lost.
        """
        ...


class FencedCheckpoints(Protocol):
    """Checkpointers for claims; LangGraph's `BaseCheckpointSaver` says what one does."""

    @property
    def serde(self) -> SerializerProtocol:
        """How states are written."""
        ...

    def for_claim(self, claim: Claim, *, new: bool = False) -> BaseCheckpointSaver[Any]:
        """A checkpointer whose every write carries the claim's epoch: any but the thread's is StaleClaim.

        `new`: nobody has written to the claim's thread.
        """
        ...

    async def acopy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        """Replace the target's checkpoints by the source's whole history; nothing if that has none."""
        ...

    async def adelete_thread(self, thread_id: str) -> None:
        """Forget the thread's checkpoints."""
        ...


class EventReader(Protocol):
    """A run's events, from anywhere, as often as wanted."""

    def read(self, thread_id: str, run_id: str, *, after: str = "0") -> AsyncIterator[StoredEvent]:
        """Events after the id `after` as they come, ending with the one named `END`. Raises NotFound.

        One named `GAP` comes first where events after `after` are gone.
        """
        ...

    def batches(self, thread_id: str, run_id: str, *, after: str = "0") -> AsyncGenerator[Sequence[StoredEvent]]:
        """As `read`, with the events that are there given together; never an empty batch."""
        ...
