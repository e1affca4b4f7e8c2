"""Threads: conversations."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, Literal
from uuid import UUID

from fastapi import APIRouter, Response
from langchain_core.utils.uuid import uuid7
from pydantic import BaseModel, ConfigDict

from motet.memory.ports import Thread
from motet.server import thread_search, thread_state, wire
from motet.server.deps import Actor, Authorised, Wired, graph_of
from motet.server.services import Services
from motet.server.thread_copy import copied
from motet.server.thread_search import ThreadFilter, ThreadSearch

router = APIRouter(prefix="/threads", dependencies=[Authorised])


class ThreadCreate(BaseModel):
    """A thread to be made."""

    model_config = ConfigDict(extra="forbid")

    thread_id: UUID | None = None
    metadata: dict[str, Any] | None = None
    if_exists: Literal["raise", "do_nothing"] = "raise"


@router.post("")
async def create(body: ThreadCreate, services: Wired) -> wire.Wire:
    """Make a thread, by default with a new time-ordered id; or answer with the one that has the id."""
    thread_id = str(body.thread_id or uuid7())
    await services.thread_index.add(thread_id)
    thread = await services.threads.create(thread_id, body.metadata or {}, if_exists=body.if_exists)
    return await _with_values(services, thread)


@router.post("/search")
async def search(body: ThreadSearch, services: Wired, response: Response) -> list[wire.Wire]:
    """The threads that fit, those changed last first, each with its newest values."""
    page = await thread_search.search(services, body)
    response.headers["X-Pagination-Total"] = str(page.total)
    if body.offset + body.limit < page.total:
        response.headers["X-Pagination-Next"] = str(body.offset + body.limit)
    return list(page.rows)


@router.post("/count")
async def count(body: ThreadFilter, services: Wired) -> int:
    """How many threads fit."""
    return await thread_search.count(services, body)


@router.get("/{thread_id}")
async def get(thread_id: UUID, services: Wired) -> wire.Wire:
    """The thread with its newest values."""
    return await _with_values(services, await services.threads.get(str(thread_id)))


@router.delete("/{thread_id}", status_code=HTTPStatus.NO_CONTENT)
async def delete(thread_id: UUID, services: Wired, actor: Actor) -> None:
    """Forget a thread with its state, runs, events and what was said of them; a run at work on it is stopped."""
    try:
        await services.threads.delete(str(thread_id), who=actor)
    finally:  # also where it is gone already: who deleted it may have been killed here
        await services.feedbacks.forget(str(thread_id))
    services.attending.nudge(str(thread_id))


@router.post("/{thread_id}/copy")
async def copy(thread_id: UUID, services: Wired) -> wire.Wire:
    """A new thread with this one's metadata, history and questions; its runs stay here."""
    return await _with_values(services, await copied(services, str(thread_id)))


async def _with_values(services: Services, thread: Thread) -> wire.Wire:
    """The values need the graph; a thread whose graph isn't served here is told without them."""
    if not services.graphs.serves(graph_of(thread)):
        return wire.thread(thread, None, services.settings.approval_shape)
    snapshot = await thread_state.snapshot(services, thread)
    values = wire.values(snapshot) if snapshot.created_at else None
    return wire.thread(thread, values, services.settings.approval_shape)
