"""Runs on a thread: accept one, stream it, wait for it, come back to it, end it."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse

from motet.memory.ports import CancelAction
from motet.server import wire
from motet.server.deps import Actor, Authorised, Wired, base_url, services_of
from motet.server.routes.run_queries import LastEventId, RunList, StreamModes
from motet.server.run_answers import awaited, headers_of, path_of, streamed
from motet.server.run_body import RunCreate
from motet.server.run_cancelling import cancel_one, until_forgotten
from motet.server.run_create import accept

router = APIRouter(prefix="/threads/{thread_id}/runs", dependencies=[Authorised])


@router.post("/wait")
async def create_and_wait(thread_id: UUID, body: RunCreate, actor: Actor, request: Request) -> Response:
    """Accept a run and answer with the thread's values at its end."""
    services = services_of(request)
    run = await accept(str(thread_id), body, services, actor, base_url=base_url(request), waited=True)
    return await awaited(services, run, cancels=body.on_disconnect == "cancel", who=actor)


@router.post("/stream")
async def create_and_stream(thread_id: UUID, body: RunCreate, actor: Actor, request: Request) -> Response:
    """Accept a run and stream its events; when the client leaves, it goes on unless asked otherwise."""
    services = services_of(request)
    run = await accept(str(thread_id), body, services, actor, base_url=base_url(request))
    return streamed(services, run, cancels=body.on_disconnect == "cancel", modes=body.asked_modes, who=actor)


@router.post("")
async def create(thread_id: UUID, body: RunCreate, actor: Actor, *, request: Request, response: Response) -> wire.Wire:
    """Accept a run to be worked in the background; durable once this returns."""
    services = services_of(request)
    run = await accept(str(thread_id), body, services, actor, base_url=base_url(request))
    response.headers.update(headers_of(run))
    return wire.run(run)


@router.get("")
async def of_thread(thread_id: UUID, services: Wired, asked: Annotated[RunList, Query()]) -> list[wire.Wire]:
    """The thread's runs, newest first."""
    runs = await services.runs.of_thread(str(thread_id), limit=asked.limit, offset=asked.offset, status=asked.status)
    return [wire.selected(wire.run(one), asked.select) for one in runs]


@router.get("/{run_id}")
async def get(thread_id: UUID, run_id: UUID, services: Wired) -> wire.Wire:
    """The run and how it stands."""
    return wire.run(await services.runs.get(str(thread_id), str(run_id)))


@router.delete("/{run_id}", status_code=HTTPStatus.NO_CONTENT)
async def delete(thread_id: UUID, run_id: UUID, services: Wired) -> None:
    """Forget an ended run, its events, and what was said of it; what it left in the thread's state stays."""
    await services.runs.delete(str(thread_id), str(run_id))
    await services.feedbacks.forget(str(thread_id), str(run_id))


@router.get("/{run_id}/join")
async def join(
    thread_id: UUID, run_id: UUID, services: Wired, actor: Actor, *, cancel_on_disconnect: bool = False
) -> Response:
    """Wait for a run that was accepted before."""
    run = await services.runs.get(str(thread_id), str(run_id))
    return await awaited(services, run, cancels=cancel_on_disconnect, who=actor)


@router.get("/{run_id}/stream")
async def join_stream(
    thread_id: UUID,
    run_id: UUID,
    services: Wired,
    stream_mode: StreamModes = None,
    last_event_id: LastEventId = "0",
    *,
    actor: Actor,
    cancel_on_disconnect: bool = False,
) -> Response:
    """Stream a run's events after `Last-Event-ID`, from the first one without it."""
    run = await services.runs.get(str(thread_id), str(run_id))
    return streamed(
        services, run, cancels=cancel_on_disconnect, after=last_event_id, modes=stream_mode or (), who=actor
    )


@router.post("/{run_id}/cancel")
async def cancel(
    thread_id: UUID,
    run_id: UUID,
    services: Wired,
    actor: Actor,
    *,
    wait: bool = False,
    action: CancelAction = "interrupt",
) -> Response:
    """End a run; that it will end is durable once this returns, and with `wait` it has ended."""
    run = await services.runs.get(str(thread_id), str(run_id))
    await cancel_one(services, str(thread_id), str(run_id), action, actor)
    if not wait:
        return Response(status_code=HTTPStatus.ACCEPTED)
    if action == "interrupt":
        return await awaited(services, run)
    headers = {"Content-Location": path_of(run)}
    return StreamingResponse(until_forgotten(services, run), media_type="application/json", headers=headers)
