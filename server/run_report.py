"""What is known of a run, as JSON without secrets: the one source of what `motet runs` prints and draws."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from motet.errors import NotFound
from motet.memory.ports import Run
from motet.memory.redis.inspection import RunState, ThreadState
from motet.observability.trajectory.redact import redacted
from motet.server.operating import Operating
from motet.server.standing import of_run

ENDED = frozenset({"success", "error", "timeout", "interrupted"})


def row(run: Run, now_ms: float) -> dict[str, Any]:
    """A run in a list; `now_ms` is Redis' time, as the run's own times are."""
    created, updated = (datetime.fromisoformat(one).timestamp() for one in (run.created_at, run.updated_at))
    ended = run.status in ENDED
    return {
        "run_id": run.request.run_id,
        "thread_id": run.request.thread_id,
        "graph_id": run.request.graph_id,
        "status": run.status,
        "attempt": run.attempt,
        "created_at": run.created_at,
        "updated_at": run.updated_at,
        "age_s": round(max(0.0, now_ms / 1000 - created), 3),
        "took_s": round(updated - created, 3) if ended else None,
        "error": redacted(run.error),
    }


async def report(here: Operating, thread_id: str, run_id: str) -> dict[str, Any]:
    """All that is known of a run, its request included. Raises NotFound."""
    run = await here.runs.get(thread_id, run_id)
    now_ms = await here.inspection.now_ms()
    [thread] = await here.inspection.look([(thread_id, run_id)])
    state = thread.runs[run_id]
    if not state.status:
        raise NotFound("run", run_id)
    return {**row(run, now_ms), **standing(state, thread), "request": _request(run)}


def standing(run: RunState, thread: ThreadState) -> dict[str, Any]:
    """Where a run stands: its status, why, and who holds it."""
    running = run.status == "running"
    return {
        "run_id": run.run_id,
        "thread_id": run.thread_id,
        "status": run.status,
        "why": of_run(run, thread),
        "since_s": round(run.since_s, 3),
        "age_s": round(run.age_s, 3),
        "attempt": run.attempt,
        "lost": run.lost,
        "worker": run.worker or None,
        "lease_left_s": round(run.lease_left_s, 3) if running else None,
        "position": run.position if run.status == "pending" else None,
        "to_be_cancelled": run.cancel if running and run.cancel else None,
        "cancelled": run.cancelled,
        "events": run.events,
        "spent": dict(run.spent),
    }


def _request(run: Run) -> dict[str, Any]:
    request = run.request
    answers: Sequence[str] | None = request.answers
    return {
        "assistant_id": request.assistant_id,
        "multitask": request.multitask,
        "answers": None if answers is None else list(answers),
        "temporary": request.temporary,
        "retry_of": request.retry_of or None,
        "metadata": redacted(request.metadata),
        **redacted({name: value for name, value in request.payload.items() if value is not None}),
    }
