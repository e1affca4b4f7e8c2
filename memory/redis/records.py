"""How threads and runs stand in their Redis hashes: names of fields, JSON in, the ports' values out."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, cast

import orjson

from motet.errors import InvalidInput
from motet.memory.ports import Run, RunRequest, RunStatus, Thread, ThreadStatus, WaitingInterrupt

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


def interrupts_to_json(waiting: Sequence[WaitingInterrupt]) -> bytes:
    """Pairs of an id and the interrupt as JSON text: scripts move them without decoding what was asked."""
    return to_json("interrupts", [(one.interrupt_id, to_json("interrupts", one).decode()) for one in waiting])


def thread_of(thread_id: str, fields: Sequence[bytes]) -> Thread:
    """The thread that `THREAD_FIELDS` of its hash tell; its metadata names the graph of its last run, if any."""
    created, updated, status, metadata, interrupts, error, graph_id, assistant_id, configurable = fields
    stamped = {"graph_id": graph_id.decode(), "assistant_id": assistant_id.decode()} if graph_id else {}
    return Thread(
        thread_id=thread_id,
        created_at=_iso(created),
        updated_at=_iso(updated),
        status=cast("ThreadStatus", status.decode()),
        metadata={**orjson.loads(metadata), **stamped},
        interrupts=tuple(WaitingInterrupt(**orjson.loads(text)) for _, text in orjson.loads(interrupts)),
        error=orjson.loads(error) if error else None,
        configurable=orjson.loads(configurable) if configurable else None,
    )


def configurable_of(request: RunRequest) -> Any:
    """What the run was configured with; its graph may be made by it."""
    return (request.payload.get("config") or {}).get("configurable") or {}


def request_of(text: bytes) -> RunRequest:
    """The request as it was recorded."""
    told: dict[str, Any] = orjson.loads(text)
    answers = told.pop("answers")
    return RunRequest(**told, answers=None if answers is None else tuple(answers))


def run_of(fields: Sequence[bytes]) -> Run:
    """The run that `RUN_FIELDS` of its hash tell."""
    request, status, created, updated, attempt, error = fields
    return Run(
        request=request_of(request),
        status=cast("RunStatus", status.decode()),
        created_at=_iso(created),
        updated_at=_iso(updated),
        attempt=int(attempt),
        error=orjson.loads(error) if error else None,
    )


def _iso(microseconds: bytes) -> str:
    seconds, rest = divmod(int(microseconds), 1_000_000)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest).isoformat()
