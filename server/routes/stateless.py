"""Runs without a thread that stays, and what is asked of runs whatever their thread."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Body, Request, Response

from motet.memory.ports import CancelAction
from motet.server import wire
from motet.server.deps import Actor, Authorised, Wired, base_url, services_of
from motet.server.routes.run_queries import LastEventId, StreamModes
from motet.server.run_answers import awaited, streamed
from motet.server.run_body import StatelessRunCreate
from motet.server.run_cancelling import CancelMany, cancel_many
from motet.server.run_create import accept_stateless

router = APIRouter(prefix="/runs", dependencies=[Authorised])

Batch = Annotated[list[StatelessRunCreate], Body(min_length=1, max_length=1_000)]


@router.post("/wait")
async def create_and_wait(body: StatelessRunCreate, request: Request) -> Response:
    """Accept a run and answer with its last values."""
    services = services_of(request)
    [run] = await accept_stateless([body], services, base_url=base_url(request), waited=True)
    return await awaited(services, run, cancels=body.on_disconnect == "cancel")


@router.post("/stream")
async def create_and_stream(body: StatelessRunCreate, request: Request) -> Response:
    """Accept a run and stream its events; when the client leaves, it goes on unless asked otherwise."""
    services = services_of(request)
    [run] = await accept_stateless([body], services, base_url=base_url(request))
    at = f"/runs/{run.request.run_id}"
    return streamed(services, run, cancels=body.on_disconnect == "cancel", at=at)


@router.post("")
async def create(body: StatelessRunCreate, request: Request, response: Response) -> wire.Wire:
    """Accept a run to be worked in the background; durable once this returns."""
    services = services_of(request)
    [run] = await accept_stateless([body], services, base_url=base_url(request))
    response.headers["Content-Location"] = f"/runs/{run.request.run_id}"
    return wire.run(run)


@router.post("/batch")
async def create_batch(bodies: Batch, request: Request) -> list[wire.Wire]:
    """Accept runs to be worked in the background; if one of them can't be accepted, none is."""
    services = services_of(request)
    return [wire.run(run) for run in await accept_stateless(bodies, services, base_url=base_url(request))]


@router.post("/cancel", status_code=HTTPStatus.NO_CONTENT)
async def cancel(asked: CancelMany, services: Wired, actor: Actor, action: CancelAction = "interrupt") -> None:
    """End all runs that are meant and haven't ended."""
    await cancel_many(services, asked, action, actor)


@router.get("/{run_id}/join")
async def join(run_id: UUID, services: Wired, *, cancel_on_disconnect: bool = False) -> Response:
    """Wait for a run without a thread that was accepted before."""
    run = await services.runs.get(str(run_id), str(run_id))
    return await awaited(services, run, cancels=cancel_on_disconnect)


@router.get("/{run_id}/stream")
async def join_stream(
    run_id: UUID,
    services: Wired,
    stream_mode: StreamModes = None,
    last_event_id: LastEventId = "0",
    *,
    cancel_on_disconnect: bool = False,
) -> Response:
    """Stream the events of a run without a thread after `Last-Event-ID`, from the first one without it."""
    run = await services.runs.get(str(run_id), str(run_id))
    at = f"/runs/{run_id}"
    return streamed(services, run, cancels=cancel_on_disconnect, after=last_event_id, modes=stream_mode or (), at=at)
