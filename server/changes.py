"""What happens to approvals, as Server-Sent Events."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncGenerator
from contextlib import aclosing

import orjson
from fastapi import Response
from sse_starlette import EventSourceResponse, ServerSentEvent

from motet.errors import MotetError
from motet.memory.approvals import Entry, Journal
from motet.server import wire
from motet.server.sse import HEARTBEAT_S, SEND_S


async def streamed_changes(journal: Journal, *, after: str) -> Response:
    """The journal's entries after the one numbered `after`, then each as it is written; from now on without it."""
    frames = _frames(journal, int(after) if after else await journal.last())
    return EventSourceResponse(frames, ping=round(HEARTBEAT_S), send_timeout=SEND_S, sep="\r\n")


async def _frames(journal: Journal, after: int) -> AsyncGenerator[ServerSentEvent]:
    # Without data it is no event, but whoever reconnects before the first one goes on from here.
    yield ServerSentEvent(id=str(after))
    try:
        async with aclosing(journal.follow(after=after)) as entries:
            async for one in entries:
                yield _frame(one)
    except MotetError as error:
        # The status line is long gone: what fails now can only be said inside the stream.
        yield ServerSentEvent(data=orjson.dumps(wire.error(error)).decode(), event="error")


def _frame(one: Entry) -> ServerSentEvent:
    return ServerSentEvent(data=orjson.dumps(dataclasses.asdict(one)).decode(), event=one.event, id=str(one.number))
