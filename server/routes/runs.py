"""Runs: accept one, stream it, wait for it, come back to it."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Query, Response
from fastapi.responses import StreamingResponse
from sse_starlette import EventSourceResponse

from motet.errors import InvalidInput
from motet.memory.ports import Run
from motet.server import sse, wire
from motet.server.deps import Authorised, Wired
from motet.server.run_create import MODES, RunCreate, WireMode, accept
from motet.server.waiting import final_values

router = APIRouter(prefix="/threads/{thread_id}/runs", dependencies=[Authorised])


def _goes_on(*, cancel_on_disconnect: bool = False) -> None:
    """Cancelling isn't supported yet, so a client that relies on it is refused."""
    if cancel_on_disconnect:
        raise InvalidInput("cancel_on_disconnect", cancel_on_disconnect, "false")


GoesOn = Depends(_goes_on)
LastEventId = Annotated[str, Header(alias="Last-Event-ID", pattern=r"^(\d{1,20}(-\d{1,20})?|-1)$")]


@router.post("")
async def create(thread_id: UUID, body: RunCreate, services: Wired, response: Response) -> wire.Wire:
    """Accept a run to be worked in the background; durable once this returns."""
    run = await accept(str(thread_id), body, services)
    response.headers["Content-Location"] = _path(run)
    return wire.run(run)


@router.post("/stream")
async def create_and_stream(thread_id: UUID, body: RunCreate, services: Wired) -> EventSourceResponse:
    """Accept a run and stream its events; it goes on when the client leaves."""
    run = await accept(str(thread_id), body, services)
    return sse.stream(services.events, str(thread_id), run.request.run_id, headers=_places(run))


@router.post("/wait")
async def create_and_wait(thread_id: UUID, body: RunCreate, services: Wired) -> StreamingResponse:
    """Accept a run and answer with the thread's values at its end."""
    run = await accept(str(thread_id), body, services)
    headers = {"Location": f"{_path(run)}/join", "Content-Location": _path(run)}
    return StreamingResponse(final_values(services, run), media_type="application/json", headers=headers)


@router.get("/{run_id}")
async def get(thread_id: UUID, run_id: UUID, services: Wired) -> wire.Wire:
    """The run and how it stands."""
    return wire.run(await services.runs.get(str(thread_id), str(run_id)))


@router.get("/{run_id}/join", dependencies=[GoesOn])
async def join(thread_id: UUID, run_id: UUID, services: Wired) -> StreamingResponse:
    """Wait for a run that was accepted before."""
    run = await services.runs.get(str(thread_id), str(run_id))
    return StreamingResponse(final_values(services, run), media_type="application/json")


@router.get("/{run_id}/stream", dependencies=[GoesOn])
async def join_stream(
    thread_id: UUID,
    run_id: UUID,
    services: Wired,
    stream_mode: Annotated[list[WireMode] | None, Query()] = None,
    last_event_id: LastEventId = "-1",
) -> EventSourceResponse:
    """Stream a run's events after `Last-Event-ID`, from the first one without it; of those the run was asked for."""
    run = await services.runs.get(str(thread_id), str(run_id))
    return sse.stream(
        services.events,
        str(thread_id),
        str(run_id),
        after="0" if last_event_id == "-1" else last_event_id,
        modes=[MODES[mode] for mode in stream_mode] if stream_mode else None,
        headers=_places(run),
    )


def _places(run: Run) -> dict[str, str]:
    """Where a client comes back to when its stream breaks off."""
    return {"Location": f"{_path(run)}/stream", "Content-Location": _path(run)}


def _path(run: Run) -> str:
    return f"/threads/{run.request.thread_id}/runs/{run.request.run_id}"
