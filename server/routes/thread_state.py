"""A thread's states: the newest, an older one, all of them; and changing it by hand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated
from uuid import UUID

import orjson
from fastapi import APIRouter, Query, Response
from langgraph.types import StateSnapshot
from pydantic import BaseModel, ConfigDict, Field

from motet.memory.ports import Thread
from motet.server import thread_state, wire
from motet.server.checkpoint_ref import CheckpointId, CheckpointRef, meant
from motet.server.deps import Actor, Authorised, Wired
from motet.server.services import Services
from motet.server.thread_state import HistorySearch, StateUpdate

router = APIRouter(prefix="/threads/{thread_id}", dependencies=[Authorised])

Select = Sequence[wire.StateField]


class StateQuery(BaseModel):
    """What of a state."""

    model_config = ConfigDict(extra="forbid")

    subgraphs: bool = False
    """Whether tasks carry the states of their sub-graphs."""
    select: Select = []


class StateAt(StateQuery):
    """What of which state."""

    checkpoint: CheckpointRef


class HistoryQuery(BaseModel):
    """A page of a thread's history."""

    model_config = ConfigDict(extra="forbid")

    limit: Annotated[int, Field(ge=1, le=1_000)] = 10
    before: CheckpointId | None = None


class History(HistorySearch):
    """Which of a thread's states, and what of them."""

    select: Select = Field(default_factory=list[wire.StateField])


@router.get("/state")
async def newest(thread_id: UUID, services: Wired, asked: Annotated[StateQuery, Query()]) -> Response:
    """The thread's newest state, with the tasks and questions that wait."""
    thread = await services.threads.get(str(thread_id))
    found = await thread_state.snapshot(services, thread, subgraphs=asked.subgraphs)
    return _state(found, thread, services, asked.select)


@router.get("/state/{checkpoint_id}")
async def at_id(
    thread_id: UUID, checkpoint_id: CheckpointId, services: Wired, asked: Annotated[StateQuery, Query()]
) -> Response:
    """The thread's state at a checkpoint of the root graph."""
    thread = await services.threads.get(str(thread_id))
    at = CheckpointRef(checkpoint_id=checkpoint_id)
    found = await thread_state.snapshot(services, thread, at, subgraphs=asked.subgraphs)
    return _state(found, thread, services, asked.select)


@router.post("/state/checkpoint")
async def at(thread_id: UUID, body: StateAt, services: Wired) -> Response:
    """The thread's state at a checkpoint of any of its graphs."""
    thread = await services.threads.get(str(thread_id))
    place = meant(thread.thread_id, body.checkpoint)
    found = await thread_state.snapshot(services, thread, place, subgraphs=body.subgraphs)
    return _state(found, thread, services, body.select)


@router.post("/state")
async def update(thread_id: UUID, body: StateUpdate, services: Wired, actor: Actor) -> wire.Wire:
    """Change the thread's state by hand, at its newest checkpoint or an older one."""
    thread = await services.threads.get(str(thread_id))
    return wire.updated(await thread_state.update(services, thread, body, actor), thread.thread_id)


@router.get("/history")
async def history(thread_id: UUID, services: Wired, asked: Annotated[HistoryQuery, Query()]) -> Response:
    """The thread's states, newest first."""
    thread = await services.threads.get(str(thread_id))
    before = None if asked.before is None else CheckpointRef(checkpoint_id=asked.before)
    search = HistorySearch(limit=asked.limit, before=before)
    return _states(await thread_state.history(services, thread, search), thread, services, ())


@router.post("/history")
async def search(thread_id: UUID, body: History, services: Wired) -> Response:
    """The thread's states that fit, newest first."""
    thread = await services.threads.get(str(thread_id))
    found = await thread_state.history(services, thread, body)
    return _states(found, thread, services, body.select)


def _state(found: StateSnapshot, thread: Thread, services: Services, select: Select) -> Response:
    return _written(_shapes([found], thread, services, select)[0])


def _states(found: Sequence[StateSnapshot], thread: Thread, services: Services, select: Select) -> Response:
    return _written(_shapes(found, thread, services, select))


def _shapes(found: Sequence[StateSnapshot], thread: Thread, services: Services, select: Select) -> Sequence[wire.Wire]:
    """Whole states may be long, and there are many: their values are written once, by nothing but `orjson`."""
    whole = None if select else wire.Written(services.written).values
    shape = services.settings.approval_shape
    return [wire.selected(wire.state(one, thread.thread_id, shape, told=whole), select) for one in found]


def _written(shapes: wire.Wire | Sequence[wire.Wire]) -> Response:
    return Response(orjson.dumps(shapes, option=orjson.OPT_NON_STR_KEYS), media_type="application/json")
