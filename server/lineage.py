"""What a run goes on from, for its trace: the runs whose questions it answers, or the one it is a retry of."""

from __future__ import annotations

from collections.abc import Sequence

from motet.errors import NotFound
from motet.memory.ports import Claimed
from motet.observability.spans import approval_wait_span
from motet.server.services import Services


async def came_from(services: Services, claimed: Claimed) -> Sequence[str]:
    """The `traceparent` of each run that this one goes on from, as far as they can still be read.

    The first attempt also leaves the `approval wait` spans of what it acts on. A question keeps what it takes to link
    to the run that asked it, however long ago. No round trip where nothing is traced or the run begins by itself; else
    one for the approvals and one for each run that isn't known by them.
    """
    request, ids = claimed.request, [one.approval_id for one in claimed.request.decided if one.approval_id]
    earlier = [run_id for run_id in (claimed.follows, request.retry_of) if run_id]
    if services.telemetry.provider is None or not (ids or earlier):
        return ()
    found: dict[str, str] = {}
    for approval in await services.desk.approvals.several(ids) if ids else ():
        asked, asked_by = approval.asked, approval.asked.run_id
        if asked_by not in found:
            kept = asked.carried.get("traceparent")
            found[asked_by] = kept or await _traceparent(services, asked.thread_id, asked_by)
        if claimed.claim.attempt == 1:
            approval_wait_span(
                services.telemetry.tracer,
                approval_id=approval.approval_id,
                state=approval.state,
                opened_at=approval.created_at,
                ended_at=approval.changed_at,
                traceparent=request.traceparent,
                asked_by=found[asked_by],
            )
    for run_id in earlier:
        if run_id not in found:
            found[run_id] = await _traceparent(services, request.thread_id, run_id)
    return [one for one in found.values() if one]


async def _traceparent(services: Services, thread_id: str, run_id: str) -> str:
    try:
        return (await services.runs.get(thread_id, run_id)).request.traceparent
    except NotFound:  # its time was over; the question may have waited longer than a run is kept
        return ""
