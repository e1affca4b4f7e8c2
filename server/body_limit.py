"""Refuses a request body that is too large, without reading all of it."""

from __future__ import annotations

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class BodyLimit:
    """ASGI middleware: 413 for a body over `max_bytes`.

    A body that announces its length is refused unread; one that doesn't is read here, up to the
    limit, and handed on whole.
    """

    def __init__(self, app: ASGIApp, *, max_bytes: int) -> None:
        self._app = app
        self._max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        # Chunks win over an announced length, so beside them it says nothing.
        announced = None if b"transfer-encoding" in headers else headers.get(b"content-length")
        body = None if announced is not None else await self._read(receive)
        too_large = int(announced) > self._max_bytes if announced is not None else body is None
        if too_large:
            detail = f"body: too large; allowed: {self._max_bytes} bytes"
            await JSONResponse({"detail": detail}, 413)(scope, receive, send)
            return
        await self._app(scope, receive if body is None else _replaying(body, receive), send)

    async def _read(self, receive: Receive) -> bytes | None:
        """The whole body, or None once it is too large."""
        pieces: list[bytes] = []
        size = 0
        more = True
        while more:
            message = await receive()
            pieces.append(message.get("body", b""))
            size += len(pieces[-1])
            if size > self._max_bytes:
                return None
            more = message.get("more_body", False)
        return b"".join(pieces)


def _replaying(body: bytes, receive: Receive) -> Receive:
    """Says `body` once, then whatever comes next, such as the client's leaving."""
    said = False

    async def replay() -> Message:
        nonlocal said
        if said:
            return await receive()
        said = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay
