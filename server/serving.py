"""One server process: services, workers and the HTTP door, until it is told to stop."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

import uvicorn
from sse_starlette.sse import AppStatus

from motet.errors import AddressInUse, InvalidConfig
from motet.server.app import create_app
from motet.server.auth import require_safe_address
from motet.server.contained import contain_tasks
from motet.server.logs import log_progress
from motet.server.services import Services, opened
from motet.server.settings import Settings
from motet.server.stopping import CLOSING_S, ended_by_signal
from motet.server.worker import working
from motet.server.zygote import Zygote
from motet.tools.index import Progress

_BACKLOG = 2048
_GRACE_S = 5


class _Server(uvicorn.Server):
    """Uvicorn without its own signal handling, which ends the process before services are closed."""

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        yield

    def stop(self) -> None:
        """End the streams, let other requests finish, at most `_GRACE_S` seconds long, then return from `serve`."""
        # Uvicorn's own signal handling would have told sse-starlette, by this switch.
        AppStatus.should_exit = True
        self.should_exit = True


async def serve(
    settings: Settings,
    *,
    host: str,
    port: int,
    workers: int,
    insecure: bool,
    config: Path | None,
    workspace: Path | None,
    opening: Callable[[Services, str], None],
    progress: Progress = log_progress,
    zygote: Zygote | None = None,
) -> None:
    """Serve until SIGTERM or Ctrl-C.

    Args:
        settings: from the environment.
        host: address to listen on.
        port: port to listen on; 0 takes a free one.
        workers: runs worked at a time in this process; 0 leaves them to `motet worker`.
        insecure: allow another address than loopback without a key.
        config: a project's `langgraph.json`.
        workspace: a folder of data and documents for the built-in assistant.
        opening: called with the services and the URL as soon as requests are answered.
        progress: told of what takes long before that.
        zygote: where runs that lost a worker get a process of their own; None works them here.

    Raises:
        AddressInUse, InvalidConfig, InvalidWorkspace, ModelUnavailable, StoreUnavailable.
    """
    require_safe_address(host, settings, insecure=insecure)
    contain_tasks()
    with ended_by_signal(settings.drain_seconds + CLOSING_S) as end_by, _listening(host, port) as listener:
        async with (
            opened(settings, config=config, workspace=workspace, progress=progress, zygote=zygote) as services,
            working(services, workers),
        ):
            server = _Server(
                uvicorn.Config(
                    create_app(services, host=host),
                    lifespan="off",
                    # Its lines go through our own logging, which takes secrets out.
                    log_config=None,
                    log_level="warning",
                    access_log=False,  # below that level, and made all the same
                    timeout_graceful_shutdown=_GRACE_S,
                )
            )
            end_by(server.stop)
            serving = asyncio.create_task(server.serve(sockets=[listener]))
            while not server.started and not serving.done():  # noqa: ASYNC110 - uvicorn tells it by nothing else
                await asyncio.sleep(0.01)
            if server.started:
                opening(services, _url(listener))
            await serving


def _listening(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise AddressInUse(host, port) from None
        raise InvalidConfig("--host", f"{host}:{port} can't be listened on: {error.strerror}") from None
    return listener


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
