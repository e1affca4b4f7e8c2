"""The proxy misbehaves as told, and only then."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import suppress

import pytest
import pytest_asyncio
from tests.chaos.proxy import Behaviour, FaultProxy, proxy

PIECE = b"what is said comes back whole" * 100


async def _echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while piece := await reader.read(65_536):
            writer.write(piece)
    writer.close()


@pytest_asyncio.fixture
async def before_echo() -> AsyncGenerator[FaultProxy]:
    """A proxy before a server that says what it hears."""
    server = await asyncio.start_server(_echo, "127.0.0.1", 0)
    async with server, proxy(server.sockets[0].getsockname()[1], delay_s=0.1) as one:
        yield one


async def _said(one: FaultProxy) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", one.port)
    try:
        writer.write(PIECE)
        return await reader.readexactly(len(PIECE))
    finally:
        writer.close()


@pytest.mark.parametrize(("behaviour", "least_s"), [("pass", 0.0), ("slice", 0.0), ("slow", 0.2), ("late close", 0.0)])
async def test_bytes_come_through_whole(before_echo: FaultProxy, behaviour: Behaviour, least_s: float) -> None:
    """Whatever is done to pieces, none is lost and their order stays."""
    before_echo.behaviour = behaviour
    begun = time.monotonic()

    assert await _said(before_echo) == PIECE
    assert time.monotonic() - begun >= least_s


async def test_a_black_hole_says_nothing_and_closes_nothing(before_echo: FaultProxy) -> None:
    """An open connection and a new one both hang; once the hole is gone they end, and a new one works."""
    reader, writer = await asyncio.open_connection("127.0.0.1", before_echo.port)
    before_echo.behaviour = "blackhole"
    writer.write(PIECE)
    late, other = await asyncio.open_connection("127.0.0.1", before_echo.port)
    for hanging in (reader, late):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(hanging.read(1), 0.2)

    before_echo.behaviour = "pass"
    ended = [await asyncio.wait_for(_rest(one), 5) for one in (reader, late)]
    writer.close()
    other.close()

    assert ended == [b"", b""]
    assert await _said(before_echo) == PIECE


async def _rest(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.read()
    except ConnectionError:
        return b""


async def test_a_reset_cuts_what_is_open(before_echo: FaultProxy) -> None:
    """Both ends see an error, not an end; the next connection works."""
    reader, writer = await asyncio.open_connection("127.0.0.1", before_echo.port)
    writer.write(b"x")
    assert await reader.readexactly(1) == b"x"

    assert before_echo.reset() == 2
    with pytest.raises(ConnectionResetError):
        await asyncio.wait_for(reader.read(), 5)
    writer.close()

    assert await _said(before_echo) == PIECE


async def test_a_late_close_is_told_late(before_echo: FaultProxy) -> None:
    """Who waits for the end of the other side waits as long as was asked."""
    before_echo.behaviour = "late close"
    reader, writer = await asyncio.open_connection("127.0.0.1", before_echo.port)
    writer.write_eof()
    begun = time.monotonic()

    assert await reader.read() == b""
    assert time.monotonic() - begun >= 0.2
    writer.close()
