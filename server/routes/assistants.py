"""Assistants: each graph has one of its own."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from motet.server import wire
from motet.server.deps import Authorised, Wired

router = APIRouter(prefix="/assistants", dependencies=[Authorised])


class AssistantSearch(BaseModel):
    """Which assistants to list."""

    model_config = ConfigDict(extra="forbid")

    graph_id: str | None = None
    name: str | None = None
    metadata: dict[str, Any] | None = None
    limit: Annotated[int, Field(ge=1, le=1000)] = 10
    offset: Annotated[int, Field(ge=0)] = 0


@router.post("/search")
async def search(body: AssistantSearch, services: Wired, request: Request, response: Response) -> list[wire.Wire]:
    """The assistants that fit, in the order of declaration."""
    found = [wire.assistant(one, request.app.state.started_at) for one in services.graphs.assistants()]
    fitting = [one for one in found if _fits(one, body)]
    end = body.offset + body.limit
    response.headers["X-Pagination-Total"] = str(len(fitting))
    if end < len(fitting):
        response.headers["X-Pagination-Next"] = str(end)
    return fitting[body.offset : end]


def _fits(one: wire.Wire, body: AssistantSearch) -> bool:
    return (
        (body.graph_id is None or one["graph_id"] == body.graph_id)
        and (body.name is None or body.name.lower() in one["name"].lower())
        and all(one["metadata"].get(key) == value for key, value in (body.metadata or {}).items())
    )
