# ruff: noqa: INP001 - a script's part, no package
"""A client that costs next to nothing: HTTP/1.1 over one kept connection, so that what is measured is the server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import orjson


class Connection:
    """One connection; one request at a time."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str) -> None:
        self._reader = reader
        self._writer = writer
        self._host = host
        self._left = False

    async def call(self, method: str, path: str, body: Any = None) -> Any:
        """The whole answer, as JSON."""
        whole = b"".join([part async for part in self.stream(method, path, body)])
        return orjson.loads(whole) if whole.strip() else None

    async def stream(self, method: str, path: str, body: Any = None) -> AsyncIterator[bytes]:
        """The answer's body, as its parts arrive."""
        sent = b"" if body is None else orjson.dumps(body)
        head = f"{method} {path} HTTP/1.1\r\nhost: {self._host}\r\ncontent-length: {len(sent)}\r\n"
        self._writer.write(head.encode() + b"content-type: application/json\r\n\r\n" + sent)
        status, headers = await self._head()
        if status >= 400:  # noqa: PLR2004 - HTTP's border
            raise AssertionError(f"{method} {path}: {status}, {await self._reader.read(500)!r}")
        if headers.get(b"transfer-encoding") == b"chunked":
            while size := int(await self._reader.readline(), 16):
                yield await self._reader.readexactly(size)
                await self._reader.readexactly(2)
            await self._reader.readline()
        elif length := int(headers.get(b"content-length", b"0")):
            yield await self._reader.readexactly(length)

    async def _head(self) -> tuple[int, dict[bytes, bytes]]:
        status = int((await self._reader.readline()).split()[1])
        headers: dict[bytes, bytes] = {}
        while (line := await self._reader.readline()) != b"\r\n":
            name, _, value = line.partition(b":")
            headers[name.lower()] = value.strip()
        return status, headers

    async def close(self) -> None:
        """Leave, whatever is still to come."""
        self._writer.close()
        try:
            await self._writer.wait_closed()
        except ConnectionError:
            return


@asynccontextmanager
async def connection(url: str) -> AsyncGenerator[Connection]:
    """A connection to the server at `url`."""
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    made = Connection(reader, writer, parts.netloc)
    try:
        yield made
    finally:
        await made.close()
