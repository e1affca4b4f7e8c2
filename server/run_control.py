"""Ending a run and trying one again, as an operator does it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import orjson
from langchain_core.utils.uuid import uuid7

from motet.errors import InvalidInput, NotFound, RunActive, ThreadWaits
from motet.memory.asking import Who
from motet.memory.ports import END, CancelAction, Json, Run, RunRequest, StoredEvent, Thread
from motet.memory.redis.inspection import RunState, ThreadState
from motet.server.operating import Operating
from motet.server.run_report import ENDED

_LOOK_S = 0.2
_GRACE_S = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a run ended."""

    status: str
    """As `ports.RunStatus`; empty for a run that was rolled back, and so forgotten."""
    waits: bool
    """A person must answer what it asked."""
    cancelled: bool
    """A person or a client ended it."""
    error: Json | None = None


async def cancel(here: Operating, thread_id: str, run_id: str, action: CancelAction, *, wait: bool) -> bool:
    """Have a run end; whether it has. With `wait` that is waited for, as long as a lost worker may take to be noticed.

    Raises:
        NotFound, RunOver.
    """
    ended = await here.runs.cancel(thread_id, run_id, action, who=Who(actor="motet runs cancel", verified_as="motet"))
    if ended or not wait:
        return ended
    settings = here.settings
    deadline = (
        time.monotonic() + settings.lease_seconds + settings.heartbeat_seconds + settings.sweep_seconds + _GRACE_S
    )
    while time.monotonic() < deadline:
        _, run = await _state(here, thread_id, run_id)
        if run.status not in {"pending", "running"}:
            return True
        await asyncio.sleep(_LOOK_S)
    return False


async def retry(here: Operating, thread_id: str, run_id: str) -> Run:
    """A new run with an ended one's request on the same thread; it goes on from that run's last checkpoint, if any.

    Raises:
        NotFound: the run is gone.
        RunActive: it hasn't ended.
        InvalidInput: it ended well, or with a question that was answered since.
        ThreadWaits: a person must answer its question, or another run's, first.
    """
    old = await here.runs.get(thread_id, run_id)
    thread_state, state = await _state(here, thread_id, run_id)
    _check(old, state, thread_state)
    new_id = str(uuid7())
    operator = Who(actor="motet runs retry", verified_as="motet")
    now, reason = datetime.now(UTC).isoformat(), f"retry of run {run_id}"
    decided = [replace(one, who=operator, reason=reason, scope=None, when=now) for one in old.request.decided]
    request = replace(old.request, run_id=new_id, retry_of=run_id, multitask="enqueue", traceparent="", decided=decided)
    if request.temporary:
        return (await here.runs.create(replace(request, thread_id=new_id), new_thread={})).run
    request = replace(request, answers=_answers(request, await here.threads.get(thread_id)))
    return (await here.runs.create(request)).run


async def followed(
    here: Operating, thread_id: str, run_id: str, told: Callable[[StoredEvent], None] | None = None
) -> Outcome:
    """Read a run's events to its end, `told` of each but the last. Raises NotFound if run or events are gone."""
    last: Json = {}
    async for event in here.events.read(thread_id, run_id):
        if event.name == END:
            last = orjson.loads(event.data)
        elif told is not None:
            told(event)
    thread, run = await _state(here, thread_id, run_id)
    status = run.status or str(last.get("status", ""))
    waits = status == "interrupted" and not run.cancelled and thread.last == run_id and bool(thread.waiting)
    cancelled = run.cancelled or not run.status
    return Outcome(status=status, waits=waits, cancelled=cancelled, error=last.get("error"))


async def _state(here: Operating, thread_id: str, run_id: str) -> tuple[ThreadState, RunState]:
    [thread] = await here.inspection.look([(thread_id, run_id)])
    return thread, thread.runs[run_id]


def _check(old: Run, state: RunState, thread: ThreadState) -> None:
    """Refuse what isn't to be tried again."""
    run_id = state.run_id
    if not state.status:
        raise NotFound("run", run_id)
    if state.status not in ENDED:
        raise RunActive(run_id)
    if old.status in {"error", "timeout"} or state.cancelled:
        return
    if state.status == "interrupted" and thread.waiting and thread.last == run_id:
        raise ThreadWaits(state.thread_id, thread.waiting)
    raise InvalidInput(f"status of run {run_id}", state.status, "error, timeout, or interrupted by a cancel")


def _answers(request: RunRequest, thread: Thread) -> tuple[str, ...] | None:
    """The questions that the run answers again: those that wait again. None where its answers were taken."""
    waiting = [one.interrupt_id for one in thread.interrupts]
    named = request.answers
    if named is None or not waiting or not set(named) <= set(waiting):
        return None
    return tuple(named)
