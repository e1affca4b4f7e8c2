"""A TCP proxy that misbehaves: what networks do to connections, on loopback."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Literal

Behaviour = Literal["pass", "blackhole", "slow", "slice", "late close"]
"""pass hands on; blackhole swallows both ways and keeps connections open (half-open TCP); slow delays each piece;
slice hands on in pieces of a few bytes; late close tells the one side long after the other has closed."""

_PIECE = 65_536


class FaultProxy:
    """Connections to `port` go on to `host:to`, as `behaviour` says from then on, those open already too."""

    def __init__(self, host: str, to: int, *, delay_s: float = 0.2) -> None:
        """`delay_s`: of each piece under `slow`, and of the close under `late close`."""
        self.behaviour: Behaviour = "pass"
        self.port = 0
        self.delay_s = delay_s
        self._to = (host, to)
        self._open: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    def reset(self) -> int:
        """Cut every open connection by RST, as a firewall or a crashed host does; how many there were."""
        cut = list(self._open)
        for writer in cut:
            sock: socket.socket = writer.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()
        return len(cut)

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection to its end."""
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._open.add(writer)
        back: asyncio.StreamWriter | None = None
        try:
            if self.behaviour == "blackhole":
                await self._while_black()
                return
            there, back = await asyncio.open_connection(*self._to)
            self._open.add(back)
            await asyncio.gather(self._pump(reader, back), self._pump(there, writer))
        except (OSError, asyncio.CancelledError):
            # Only `close` cancels; asyncio's own callback takes a cancelled one for a mistake.
            pass
        finally:
            self._tasks.discard(task)
            for one in filter(None, (writer, back)):
                self._open.discard(one)
                one.close()

    async def close(self) -> None:
        """Drop every connection."""
        for writer in self._open:
            writer.transport.abort()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        # A transport tells its socket in the loop's next turn.
        await asyncio.sleep(0.01)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while piece := await reader.read(_PIECE):
                await self._hand_on(piece, writer)
        except OSError:
            writer.transport.abort()
            return
        await self._while_black()
        if self.behaviour == "late close":
            await asyncio.sleep(self.delay_s)
        writer.close()

    async def _hand_on(self, piece: bytes, writer: asyncio.StreamWriter) -> None:
        match self.behaviour:
            case "blackhole":
                await self._while_black()
                raise ConnectionResetError
            case "slow":
                await asyncio.sleep(self.delay_s)
                writer.write(piece)
            case "slice":
                for start in range(0, len(piece), 7):
                    writer.write(piece[start : start + 7])
                    await writer.drain()
                    await asyncio.sleep(0)
            case _:
                writer.write(piece)
        await writer.drain()

    async def _while_black(self) -> None:
        while self.behaviour == "blackhole":  # noqa: ASYNC110 - a test sets it; nobody tells
            await asyncio.sleep(0.05)


@asynccontextmanager
async def proxy(to: int, *, host: str = "127.0.0.1", delay_s: float = 0.2) -> AsyncGenerator[FaultProxy]:
    """A proxy on a free loopback port before `host:to`, until the context ends."""
    one = FaultProxy(host, to, delay_s=delay_s)
    listener = await asyncio.start_server(one.accept, "127.0.0.1", 0)
    one.port = listener.sockets[0].getsockname()[1]
    try:
        yield one
    finally:
        listener.close()
        await one.close()
        await listener.wait_closed()
