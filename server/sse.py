"""A run's stored events as Server-Sent Events."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Collection, Iterator, Sequence
from contextlib import aclosing, suppress

import orjson
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.types import Receive, Scope, Send

from motet.errors import MotetError
from motet.graphs.events import FEEDBACK
from motet.memory.ports import END, GAP, EventReader, StoredEvent
from motet.observability.metrics import QueueMetrics
from motet.server import wire

logger = logging.getLogger(__name__)

HEARTBEAT_S = 5.0
"""A comment line this often keeps proxies from closing a silent stream; the Agent Server's interval."""

SEND_S = 20.0
"""A client that takes nothing for so long is cut off; it resumes after the last id it has."""

_WRITE_BYTES = 1 << 18
"""Frames that are ready go out in one write, about so many bytes at most."""

_HEARTBEAT = b": heartbeat\r\n\r\n"


def stream(
    events: EventReader,
    thread_id: str,
    run_id: str,
    *,
    after: str = "0",
    modes: Collection[str] | None = None,
    headers: dict[str, str] | None = None,
    metrics: QueueMetrics | None = None,
) -> EventSourceResponse:
    """The run's events after `after`, until its end. Each frame carries an `id`, so `Last-Event-ID` resumes.

    Args:
        events: where they are read.
        thread_id: the run's thread.
        run_id: the run.
        after: id of the last event the client has.
        modes: names of events to send, of sub-graphs too; None sends all. `metadata`, `feedback`, `error` and
            `resume_gap` are always sent.
        headers: further headers of the response.
        metrics: told when the client begins to read and when it is gone.
    """
    wanted = None if modes is None else frozenset((*modes, "metadata", FEEDBACK, GAP, END))
    return _Stream(_writes(events, thread_id, run_id, after, wanted), headers, metrics)


def written(writes: AsyncGenerator[bytes], *, metrics: QueueMetrics | None = None) -> EventSourceResponse:
    """Frames that are made elsewhere, as many at a time as are ready; none is asked for before the last was taken.

    `metrics` is told when the client begins to read and when it is gone.
    """
    return _Stream(writes, None, metrics)


def open_streams() -> int:
    """How many clients this process streams to."""
    return len(_open)


async def _writes(
    events: EventReader, thread_id: str, run_id: str, after: str, wanted: frozenset[str] | None
) -> AsyncGenerator[bytes]:
    try:
        async with aclosing(events.batches(thread_id, run_id, after=after)) as batches:
            async for batch in batches:
                for write in _together(batch, wanted):
                    yield write
    except MotetError as error:
        # The status line is long gone: what fails now can only be said inside the stream.
        yield ServerSentEvent(data=orjson.dumps(wire.error(error)).decode(), event="error").encode()


def _together(batch: Sequence[StoredEvent], wanted: frozenset[str] | None) -> Iterator[bytes]:
    frames: list[bytes] = []
    size = 0
    for event in batch:
        if (wanted is None or event.name.partition("|")[0] in wanted) and (frame := _frame(event)):
            frames.append(frame)
            size += len(frame)
            if size >= _WRITE_BYTES:
                yield b"".join(frames)
                frames, size = [], 0
    if frames:
        yield b"".join(frames)


def _frame(event: StoredEvent) -> bytes:
    """One event on the wire; nothing for the end of a run without an error."""
    name, data = event.name, event.data
    if name == END:
        error = orjson.loads(data).get("error")
        if not error:
            return b""
        name, data = "error", orjson.dumps(error)
    if b"\n" in data or b"\r" in data or not name.isprintable():
        return ServerSentEvent(data=data.decode(), event=name, id=event.event_id).encode()
    return b"id: %b\r\nevent: %b\r\ndata: %b\r\n\r\n" % (event.event_id.encode(), name.encode(), data)


_open: set[_Stream] = set()
_watching: list[asyncio.Task[None]] = []
"""The one task that ends all open streams when the process is told to stop; none while none is open."""


class _Stream(EventSourceResponse):
    """Streams with two tasks, a timer and no group of tasks: many thousands may wait at a time.

    What sse-starlette adds to a response stays: headers, HEAD, the end at shutdown.
    """

    def __init__(
        self, writes: AsyncGenerator[bytes], headers: dict[str, str] | None, metrics: QueueMetrics | None
    ) -> None:
        super().__init__(writes, headers=headers)
        self._writes = writes
        self._metrics = metrics
        self._task: asyncio.Task[object] | None = None
        self._ends = False
        """The client left, takes nothing, or the process stops: the task was cancelled for that."""
        self._sent_at = 0.0
        self._beat_timer: asyncio.TimerHandle | None = None
        self._beating: asyncio.Task[None] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] == "HEAD":
            await super().__call__(scope, receive, send)
            return
        task = self._task = asyncio.current_task()
        assert task is not None, "an application is called in a task"
        leaving = asyncio.create_task(self._until_left(receive))
        self._enter(send)
        try:
            async with aclosing(self._writes):
                await self._send_all(send)
        except asyncio.CancelledError:
            if not self._ends or task.uncancel():
                raise
        finally:
            leaving.cancel()
            self._leave()

    def end(self) -> None:
        """Stop streaming, at once."""
        if not self._ends and self._task is not None:
            self._ends = True
            self._task.cancel()

    async def _send_all(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        async for write in self._writes:
            await self._send(send, write)
        if self._beating is not None:
            self._beating.cancel()
            await asyncio.wait({self._beating})
        self._stop_timer()
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _send(self, send: Send, body: bytes) -> None:
        try:
            async with asyncio.timeout(SEND_S):
                await send({"type": "http.response.body", "body": body, "more_body": True})
        except TimeoutError:
            logger.info("a client of a stream took nothing for %g s and is cut off", SEND_S)
            self.end()
        self._sent_at = asyncio.get_running_loop().time()

    async def _until_left(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self.end()

    def _enter(self, send: Send) -> None:
        _open.add(self)
        if self._metrics is not None:
            self._metrics.stream_opened()
        if not _watching:
            _watching.append(asyncio.create_task(_end_all_at_exit()))
        self._sent_at = asyncio.get_running_loop().time()
        self._time_beat(send)

    def _leave(self) -> None:
        self._stop_timer()
        if self._beating is not None:
            self._beating.cancel()
        self._task = None
        _open.discard(self)
        if self._metrics is not None:
            self._metrics.stream_closed()
        if not _open and _watching:
            _watching.pop().cancel()

    def _time_beat(self, send: Send) -> None:
        loop = asyncio.get_running_loop()
        self._beat_timer = loop.call_at(self._sent_at + HEARTBEAT_S, self._beat, send)

    def _stop_timer(self) -> None:
        if self._beat_timer is not None:
            self._beat_timer.cancel()
            self._beat_timer = None

    def _beat(self, send: Send) -> None:
        """Say something if nothing was said for a while; not while the client still has to take what was said."""
        now = asyncio.get_running_loop().time()
        if now - self._sent_at >= HEARTBEAT_S and (self._beating is None or self._beating.done()):
            self._beating = asyncio.create_task(self._send(send, _HEARTBEAT))
            self._sent_at = now
        self._time_beat(send)


async def _end_all_at_exit() -> None:
    await EventSourceResponse._listen_for_exit_signal()  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]  # no other way
    with suppress(IndexError):
        _watching.pop()
    for one in list(_open):
        one.end()
