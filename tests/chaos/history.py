"""What clients asked for and what they were told: one line of JSON for each beginning and each end of an operation.

An operation that was answered ends `ok` (2xx) or `fail` (refused, nothing happened); one whose answer never came
ends `info`: it may have happened or not.
"""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

Outcome = Literal["ok", "fail", "info"]
Kind = Literal["create", "cancel", "delete", "stream", "look"]
"""create: a run, `multitask`, `answers` where it answers; cancel: `action`; delete: a thread; stream: events received,
`ids`; look: a run's status as it was told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One thing a client did."""

    number: int
    kind: Kind
    tenant: str
    thread_id: str
    run_id: str = ""
    """The run it was about; of a create, the one that was made, as far as it is known."""
    begun: float = 0.0
    """Seconds, monotonic."""
    ended: float = 0.0
    outcome: Outcome = "info"
    facts: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """What else the kind has; see `Kind`."""
    seen: Sequence[str] = ()
    """Tenants that what was received was made by."""


@dataclass(slots=True)
class Pending:
    """An operation that was begun; nothing was heard of it yet."""

    history: History
    number: int
    kind: Kind
    tenant: str
    thread_id: str
    run_id: str
    facts: dict[str, Any]
    begun: float

    def end(self, outcome: Outcome, *, run_id: str = "", seen: Sequence[str] = (), **facts: Any) -> None:
        """How it ended. Called once."""
        self.history.add(
            Operation(
                number=self.number, kind=self.kind, tenant=self.tenant, thread_id=self.thread_id,
                run_id=run_id or self.run_id, begun=self.begun, ended=time.monotonic(), outcome=outcome,
                facts={**self.facts, **facts}, seen=tuple(seen),
            )
        )  # fmt: skip


class History:
    """All operations of one test, in the order in which they ended; each also a line in `file`."""

    def __init__(self, file: Path | None = None) -> None:
        self._file = file
        self._numbers = itertools.count(1)
        self._ended: list[Operation] = []
        self._open: dict[int, Pending] = {}

    def begin(self, kind: Kind, *, tenant: str, thread_id: str, run_id: str = "", **facts: Any) -> Pending:
        """A client is about to ask."""
        number = next(self._numbers)
        pending = Pending(self, number, kind, tenant, thread_id, run_id, facts, time.monotonic())
        self._open[number] = pending
        self._write("invoke", number=number, kind=kind, tenant=tenant, thread_id=thread_id, run_id=run_id, **facts)
        return pending

    def add(self, operation: Operation) -> None:
        """An operation that is over."""
        self._open.pop(operation.number, None)
        self._ended.append(operation)
        told = {name: getattr(operation, name) for name in Operation.__slots__ if name not in {"outcome", "facts"}}
        self._write(operation.outcome, **told, **operation.facts)

    def __iter__(self) -> Iterator[Operation]:
        """Every operation; one that nothing was heard of as `info`."""
        for pending in list(self._open.values()):
            pending.end("info")
        return iter(sorted(self._ended, key=lambda one: one.number))

    def _write(self, type: str, **facts: Any) -> None:
        if self._file is not None:
            with self._file.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"type": type, "at": time.monotonic(), **facts}, default=str) + "\n")
