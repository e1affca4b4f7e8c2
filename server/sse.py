"""A run's stored events as Server-Sent Events."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection

import orjson
from sse_starlette import EventSourceResponse, ServerSentEvent

from motet.errors import MotetError
from motet.memory.ports import END, EventReader
from motet.server import wire

HEARTBEAT_S = 5
"""A comment line this often keeps proxies from closing a silent stream; the Agent Server's interval."""


def stream(
    events: EventReader,
    thread_id: str,
    run_id: str,
    *,
    after: str = "0",
    modes: Collection[str] | None = None,
    headers: dict[str, str] | None = None,
) -> EventSourceResponse:
    """The run's events after `after`, until its end. Each frame carries an `id`, so `Last-Event-ID` resumes.

    Args:
        events: where they are read.
        thread_id: the run's thread.
        run_id: the run.
        after: id of the last event the client has.
        modes: names of events to send, of sub-graphs too; None sends all. `metadata` and `error` are always sent.
        headers: further headers of the response.
    """
    return EventSourceResponse(
        _frames(events, thread_id, run_id, after, modes),
        ping=HEARTBEAT_S,
        ping_message_factory=lambda: ServerSentEvent(comment="heartbeat"),
        headers=headers,
    )


async def _frames(
    events: EventReader, thread_id: str, run_id: str, after: str, modes: Collection[str] | None
) -> AsyncIterator[ServerSentEvent]:
    try:
        async for event in events.read(thread_id, run_id, after=after):
            if modes is not None and event.name.partition("|")[0] not in {*modes, "metadata", END}:
                continue
            if event.name != END:
                yield ServerSentEvent(data=event.data.decode(), event=event.name, id=event.event_id)
            elif error := orjson.loads(event.data).get("error"):
                yield ServerSentEvent(data=orjson.dumps(error).decode(), event="error", id=event.event_id)
    except MotetError as error:
        # The status line is long gone: what fails now can only be said inside the stream.
        yield ServerSentEvent(data=orjson.dumps(wire.error(error)).decode(), event="error")
