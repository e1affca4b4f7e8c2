"""Threads: conversations and their state."""

from __future__ import annotations

from typing import Any, Literal
from uuid import UUID

from fastapi import APIRouter
from langchain_core.runnables import RunnableConfig
from langchain_core.utils.uuid import uuid7
from langgraph.types import StateSnapshot
from pydantic import BaseModel, ConfigDict

from motet.graphs.runtime import snapshot_of
from motet.memory.ports import Thread
from motet.server import wire
from motet.server.deps import Authorised, Wired, graph_of
from motet.server.services import Services

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


@router.get("/{thread_id}/state")
async def state(thread_id: UUID, services: Wired, *, subgraphs: bool = False) -> wire.Wire:
    """The thread's newest state, with the tasks and questions that wait."""
    thread = await services.threads.get(str(thread_id))
    return wire.state(await _snapshot(services, thread, subgraphs=subgraphs), thread.thread_id)


async def _with_values(services: Services, thread: Thread) -> wire.Wire:
    """The values need the graph; a thread whose graph isn't served here is told without them."""
    if not services.graphs.serves(graph_of(thread)):
        return wire.thread(thread, values=None)
    snapshot = await _snapshot(services, thread)
    return wire.thread(thread, wire.values(snapshot) if snapshot.created_at else None)


async def _snapshot(services: Services, thread: Thread, *, subgraphs: bool = False) -> StateSnapshot:
    graph_id = graph_of(thread)
    if graph_id is None:
        config: Any = {"configurable": {"thread_id": thread.thread_id}}
        return StateSnapshot({}, (), config, None, None, None, (), ())
    made_by = RunnableConfig(configurable={**(thread.configurable or {}), "thread_id": thread.thread_id})
    async with services.graphs.open(graph_id, made_by) as graph:
        return await snapshot_of(graph, thread.thread_id, subgraphs=subgraphs)
