"""A tap on the wire between a client and Redis: how often the client waits for an answer, and how long answers are."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit


@dataclass(slots=True)
class Wire:
    """One tap; clients connect to `url`."""

    url: str
    trips: int = 0
    """Round trips so far: how often somebody spoke after the server had answered, on each connection."""
    answered: int = 0
    """Bytes that the server said so far."""


@asynccontextmanager
async def tapped(redis_url: str, folder: Path) -> AsyncGenerator[Wire]:
    """A tap on the server at `redis_url` (unix://), at a socket in `folder`."""
    wire = Wire(f"unix://{folder / 'tap'}")
    open_now: set[asyncio.Task[None]] = set()

    async def serve(client_says: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        server_says, to_server = await asyncio.open_unix_connection(urlsplit(redis_url).path)
        spoke = asyncio.Event()
        for source, target, counts in ((client_says, to_server, True), (server_says, to_client, False)):
            task = asyncio.create_task(_pass_on(wire, source, target, spoke, counts=counts))
            open_now.add(task)
            task.add_done_callback(open_now.discard)

    tap = await asyncio.start_unix_server(serve, folder / "tap")
    try:
        yield wire
    finally:
        tap.close()
        for task in open_now:
            task.cancel()
        await asyncio.gather(*open_now, return_exceptions=True)


async def _pass_on(
    wire: Wire, source: asyncio.StreamReader, target: asyncio.StreamWriter, spoke: asyncio.Event, *, counts: bool
) -> None:
    """Hand on what `source` says. `spoke` is set while the client has spoken and the server hasn't answered yet."""
    try:
        while said := await source.read(1 << 20):
            if counts and not spoke.is_set():
                spoke.set()
                wire.trips += 1
            if not counts:
                spoke.clear()
                wire.answered += len(said)
            target.write(said)
            await target.drain()
    finally:
        target.close()
