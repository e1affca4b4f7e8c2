"""What a route asks for."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request

from motet.memory.ports import Thread
from motet.server.auth import authorise
from motet.server.services import Services


def _services(request: Request) -> Services:
    services: Services = request.app.state.services
    return services


Wired = Annotated[Services, Depends(_services)]
"""The process's services."""

Authorised = Depends(authorise)
"""On every router but the one that says whether the server is up."""


def graph_of(thread: Thread) -> str | None:
    """The graph whose state the thread holds; None before its first run."""
    graph_id = thread.metadata.get("graph_id")
    return graph_id if isinstance(graph_id, str) else None
