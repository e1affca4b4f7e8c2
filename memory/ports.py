"""What lasts, seen from above: the Protocols that everything but `memory/redis/` works with.

What must change in one script is one port: a run's state, its thread's, its terminal event and the
release of the next run belong together, so `RunLifecycle` owns all four. LangGraph's
`BaseCheckpointSaver`, `BaseStore` and `BaseCache` need no wrapper and aren't repeated here.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from langgraph.checkpoint.base import BaseCheckpointSaver

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
    """Grows over all of the thread's claims, sweeps and ends; a write with an older one is refused."""
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


class FencedCheckpoints(Protocol):
    """Checkpointers for claims; LangGraph's `BaseCheckpointSaver` says what one does."""

    def for_claim(self, claim: Claim) -> BaseCheckpointSaver[Any]:
        """A checkpointer whose every write carries the claim's epoch: an older one than the thread's is StaleClaim."""
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """A stretch of a document's text that is found as one."""

    start: int
    """Character of the document's text where it begins."""
    end: int
    headings: tuple[str, ...] = ()
    """The headings it stands under, outermost first."""
    page: int | None = None
    """Page of a PDF, from 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexedFile:
    """What the index remembers of a file: enough to tell whether it changed, and to list it."""

    file: str
    """Path in the folder, with `/`."""
    title: str
    revision: str
    """Changes with the file's bytes, and with the way in which files are read."""
    size: int
    """Bytes."""
    mtime_ns: int
    characters: int
    """Length of its text."""
    passages: int


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexedText:
    """A document's text with its passages, of one revision. Secrets in it were masked before."""

    revision: str
    text: str
    passages: tuple[Passage, ...]
    """In the text's order."""


class DocumentIndex(Protocol):
    """Documents by corpus, for every process that knows the corpus' id.

    A corpus has a version, which grows with every change that a search could see. Vectors are kept by the name of
    the embedding model and the id of the embedded text, so equal texts share one. Writes are idempotent and each
    document is replaced whole: two writers at once do double work and no harm; `writing` spares them the work.
    """

    def writing(self, corpus: str, waits: Callable[[], None]) -> AbstractAsyncContextManager[None]:
        """Hold the corpus' writer's lock, waiting for whoever has it; `waits` is called once, before waiting.

        The lock of a process that died runs out within a minute.
        """
        ...

    async def version(self, corpus: str) -> int:
        """0 before anything was indexed. One round trip."""
        ...

    async def files(self, corpus: str) -> Mapping[str, IndexedFile]:
        """Every file, by path. One round trip."""
        ...

    async def texts(self, corpus: str, files: Sequence[str]) -> Mapping[str, IndexedText]:
        """The documents of `files`, of those that there are."""
        ...

    async def vector_ids(self, corpus: str, model: str) -> AbstractSet[bytes]:
        """Ids of all vectors that `model` made. One round trip."""
        ...

    async def wanted_ids(self, corpus: str) -> Mapping[str, Sequence[bytes]]:
        """By file, the vector id of each of its passages. One round trip."""
        ...

    async def vectors(self, corpus: str, model: str, ids: Sequence[bytes]) -> Mapping[bytes, bytes]:
        """The vectors that there are: unit length, float16, little endian."""
        ...

    async def put(self, corpus: str, documents: Sequence[tuple[IndexedFile, IndexedText, Sequence[bytes]]]) -> None:
        """Record documents with the vector ids of their passages, whole or not at all. One round trip."""
        ...

    async def put_vectors(self, corpus: str, model: str, vectors: Mapping[bytes, bytes]) -> None:
        """Record vectors. One round trip."""
        ...

    async def touch(self, corpus: str, files: Sequence[IndexedFile]) -> None:
        """Record new times of files whose text is the same; no search sees a difference. One round trip."""
        ...

    async def remove(self, corpus: str, files: Sequence[str]) -> None:
        """Forget documents; their vectors stay until `sweep`. One round trip."""
        ...

    async def sweep(self, corpus: str, model: str | None) -> None:
        """Forget vectors that no passage wants and, if `model` is given, those of all other models."""
        ...
