"""Threads: conversations."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, Literal
from uuid import UUID

from fastapi import APIRouter
from langchain_core.utils.uuid import uuid7
from pydantic import BaseModel, ConfigDict

from motet.memory.ports import Thread
from motet.server import thread_state, wire
from motet.server.deps import Authorised, Wired, graph_of
from motet.server.services import Services
from motet.server.thread_copy import copied

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
    thread = await services.threads.create(
        str(body.thread_id or uuid7()), body.metadata or {}, if_exists=body.if_exists
    )
    return await _with_values(services, thread)


@router.get("/{thread_id}")
async def get(thread_id: UUID, services: Wired) -> wire.Wire:
    """The thread with its newest values."""
    return await _with_values(services, await services.threads.get(str(thread_id)))


@router.delete("/{thread_id}", status_code=HTTPStatus.NO_CONTENT)
async def delete(thread_id: UUID, services: Wired) -> None:
    """Forget a thread with its state, runs and events; a run at work on it is stopped."""
    await services.threads.delete(str(thread_id))


@router.post("/{thread_id}/copy")
async def copy(thread_id: UUID, services: Wired) -> wire.Wire:
    """A new thread with this one's metadata, history and questions; its runs stay here."""
    return await _with_values(services, await copied(services, str(thread_id)))


async def _with_values(services: Services, thread: Thread) -> wire.Wire:
    """The values need the graph; a thread whose graph isn't served here is told without them."""
    if not services.graphs.serves(graph_of(thread)):
        return wire.thread(thread, values=None)
    snapshot = await thread_state.snapshot(services, thread)
    return wire.thread(thread, wire.values(snapshot) if snapshot.created_at else None)
