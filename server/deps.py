"""What a route asks for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from fastapi import Depends, Header, Request

from motet.errors import InvalidInput
from motet.memory.asking import Who, is_reserved
from motet.memory.ports import Thread
from motet.server.auth import authorise
from motet.server.services import Services
from motet.server.settings import Settings


def services_of(request: Request) -> Services:
    """The process's services, for routes by which runs are accepted: `Wired` costs them 20 µs more."""
    services: Services = request.app.state.services
    return services


async def _services(request: Request) -> Services:
    # One that doesn't wait is async all the same: FastAPI sends any other to a thread, which costs more than it does.
    return services_of(request)


_LONGEST_NAME = 80

Wired = Annotated[Services, Depends(_services)]
"""The process's services."""


async def _actor(
    request: Request, named: Annotated[str, Header(alias="X-Motet-Actor", max_length=4 * _LONGEST_NAME)] = ""
) -> Who:
    settings: Settings = request.app.state.settings
    # The bytes of a header come as Latin-1; whoever has other letters in their name sends UTF-8.
    name = named.encode("latin-1").decode(errors="replace").strip()
    if len(name) > _LONGEST_NAME or not name.isprintable():
        raise InvalidInput("X-Motet-Actor", name, f"a name of at most {_LONGEST_NAME} printable characters, in UTF-8")
    if is_reserved(name):
        allowed = "a person's or a service's name; Motet itself acts as deadline, as grant … of …, and as motet …"
        raise InvalidInput("X-Motet-Actor", name, allowed)
    return Who(actor=name or "somebody", verified_as="" if settings.auth is None else "api-key")


Actor = Annotated[Who, Depends(_actor)]
"""Who asks: by the name they give themselves, and whether they hold the server's key."""


def base_url(request: Request) -> Callable[[], str]:
    """Says where the client reached this server, with a slash at the end; a proxy in front must pass `Host` on.

    To be asked where it is needed: few requests do.
    """
    return lambda: str(request.base_url)


Authorised = Depends(authorise)
"""On every router but the one that says whether the server is up."""


def graph_of(thread: Thread) -> str | None:
    """The graph whose state the thread holds; None before its first run."""
    graph_id = thread.metadata.get("graph_id")
    return graph_id if isinstance(graph_id, str) else None
