"""What is counted and timed in this process, for Prometheus."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Response

from motet.server.deps import Authorised, Wired

router = APIRouter(dependencies=[Authorised])


@router.get("/metrics")
def metrics(services: Wired, accept: Annotated[str, Header()] = "") -> Response:
    """This process's metrics in the text format that `Accept` asks for; a thread's work, not the loop's."""
    told, media_type = services.telemetry.exposed(accept)
    return Response(told, media_type=media_type)
