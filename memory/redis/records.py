"""How threads and runs stand in their Redis hashes: names of fields, JSON in, the ports' values out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import orjson

from motet.errors import InvalidInput
from motet.memory.ports import Run, RunRequest, RunStatus, Thread, ThreadStatus, WaitingInterrupt
from motet.memory.redis.approval_records import decided_of
from motet.observability.instants import iso

THREAD_FIELDS = (
    *("created_us", "updated_us", "status", "metadata", "interrupts", "error"),
    *("graph_id", "assistant_id", "configurable"),
)
"""Fields of a thread's hash, in the order `thread_of` takes them."""

RUN_FIELDS = ("request", "status", "created_us", "updated_us", "attempt", "error")
"""Fields of a run's hash, in the order `run_of` takes them."""


def to_json(field: str, value: object) -> bytes:
    """`value` as JSON.

    Raises:
        InvalidInput: JSON can't hold it: an integer past 64 bits, half a surrogate pair, nesting without end.
    """
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError as error:
        raise InvalidInput(field, value, f"what JSON can hold ({error})") from error


def thread_of(thread_id: str, fields: Sequence[bytes]) -> Thread:
    """The thread that `THREAD_FIELDS` of its hash tell; its metadata names the graph of its last run, if any."""
    created, updated, status, metadata, interrupts, error, graph_id, assistant_id, configurable = fields
    stamped = {"graph_id": graph_id.decode(), "assistant_id": assistant_id.decode()} if graph_id else {}
    return Thread(
        thread_id=thread_id,
        created_at=iso(int(created)),
        updated_at=iso(int(updated)),
        status=cast("ThreadStatus", status.decode()),
        metadata={**orjson.loads(metadata), **stamped},
        interrupts=interrupts_of(thread_id, interrupts),
        error=orjson.loads(error) if error else None,
        configurable=orjson.loads(configurable) if configurable else None,
    )


def interrupts_of(thread_id: str, listed: bytes) -> tuple[WaitingInterrupt, ...]:
    """What waits, as a field of a thread's hash lists it."""
    return tuple(_interrupt(thread_id, *one) for one in orjson.loads(listed))


def _interrupt(thread_id: str, interrupt_id: str, text: str, approval: str = "") -> WaitingInterrupt:
    """One entry of a thread's list of what waits."""
    told: dict[str, Any] = orjson.loads(text)
    return WaitingInterrupt(
        interrupt_id=interrupt_id, **told, approval_id=f"{thread_id}.{approval}" if approval else ""
    )


def configurable_of(request: RunRequest) -> Any:
    """What the run was configured with; its graph may be made by it."""
    return (request.payload.get("config") or {}).get("configurable") or {}


def request_of(text: bytes) -> RunRequest:
    """The request as it was recorded."""
    told: dict[str, Any] = orjson.loads(text)
    answers, decided = told.pop("answers"), told.pop("decided", ())
    return RunRequest(
        **told,
        answers=None if answers is None else tuple(answers),
        decided=tuple(decided_of(one) for one in decided),
    )


def run_of(fields: Sequence[bytes]) -> Run:
    """The run that `RUN_FIELDS` of its hash tell."""
    request, status, created, updated, attempt, error = fields
    return Run(
        request=request_of(request),
        status=cast("RunStatus", status.decode()),
        created_at=iso(int(created)),
        updated_at=iso(int(updated)),
        attempt=int(attempt),
        error=orjson.loads(error) if error else None,
    )
