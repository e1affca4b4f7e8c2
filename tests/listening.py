"""An HTTP server in the test's own process."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from tests.support import wait_until


@asynccontextmanager
async def served(app: Any, **settings: Any) -> AsyncGenerator[int]:
    """An ASGI application on a loopback port until the context ends; the port, which nobody can take meanwhile."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, lifespan="off", ws="none", **settings))
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    await wait_until(lambda: server.started, description="the server listens")
    try:
        yield int(listener.getsockname()[1])
    finally:
        server.should_exit = True
        await serving
