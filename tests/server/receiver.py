"""An HTTP receiver on loopback that answers as a test says and keeps what it was sent."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

HANG = 0
"""An answer that never comes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """A request."""

    line: str
    headers: dict[str, str]
    body: bytes
    at: float = field(default_factory=time.monotonic)


@dataclass(slots=True)
class Receiver:
    """What to answer and what came."""

    answers: list[int]
    """Statuses in turn, or `HANG`; then 204."""
    further: str
    """Header lines of each answer."""
    size: int
    """Bytes of each answer's body."""
    port: int = 0
    requests: list[Received] = field(default_factory=list[Received])
    written: int = 0
    """Bytes of bodies that left."""
    cut_off: int = 0
    """Answers whose bodies weren't wanted whole."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take one request and answer it."""
        try:
            await self._exchange(reader, writer)
            writer.close()
            await writer.wait_closed()
        except (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            writer.close()
        except asyncio.CancelledError:
            writer.transport.abort()
            raise

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        line, *fields = head.strip().split("\r\n")
        headers = {name.lower(): value for name, _, value in (one.partition(": ") for one in fields)}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        self.requests.append(Received(line=line, headers=headers, body=body))
        await self._answer(writer, self.answers.pop(0) if self.answers else 204)

    async def _answer(self, writer: asyncio.StreamWriter, status: int) -> None:
        if status == HANG:
            await asyncio.get_running_loop().create_future()
        length = "" if status == 204 else f"content-length: {self.size}\r\n"
        writer.write(f"HTTP/1.1 {status} so\r\n{self.further}{length}\r\n".encode())
        piece = b"x" * 65_536
        try:
            while self.written < self.size:
                writer.write(piece)
                await writer.drain()
                self.written += len(piece)
        except ConnectionError:
            self.cut_off += 1


@asynccontextmanager
async def receiving(
    *,
    answers: Sequence[int] = (),
    further: str = "",
    size: int = 0,
    host: str = "127.0.0.1",
    port: int = 0,
    tls: ssl.SSLContext | None = None,
) -> AsyncGenerator[Receiver]:
    """A receiver for as long as the context lasts."""
    receiver = Receiver(list(answers), further, size)
    tasks: set[asyncio.Task[None]] = set()

    def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(receiver.serve(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(serve, host, port, ssl=tls)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()
