"""One thing that a run does, while it does it: when it began, how it ended."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from langchain_core.messages import AIMessageChunk

from motet.errors import BudgetExhausted
from motet.observability.instants import now
from motet.observability.names import Outcome
from motet.observability.signals import outcome_of
from motet.observability.trajectory.records import Failure
from motet.observability.trajectory.redact import without_secrets
from motet.observability.trajectory.trees import utf8

_LONGEST = 4_000
"""Characters of an error's message."""


@dataclass(slots=True, kw_only=True)
class Underway:
    """A call or a node, from its beginning to its end."""

    began: float
    at: str = field(default_factory=now)
    since: float = field(default_factory=time.monotonic)
    pieces: list[tuple[float, AIMessageChunk]] = field(default_factory=list[tuple[float, AIMessageChunk]])
    """Of the answer, as they come; each with its `time.monotonic()`."""
    asked: Any = None
    """What was noted of the request before it was made."""
    result: object = None
    outcome: Outcome = "ok"
    error: BaseException | None = None
    duration_s: float = 0.0

    @property
    def failure(self) -> Failure | None:
        """The error, if it is one: control signals and cancellations aren't."""
        return failure_of(self.error) if self.error is not None and self.outcome == "error" else None

    @property
    def made(self) -> bool:
        """Whether it was done at all: False for a call that the budget refused."""
        return not isinstance(self.error, BudgetExhausted)

    def ended(self, error: BaseException | None, clock: Callable[[], float]) -> None:
        """It is over, by `error` if by any."""
        self.duration_s = clock() - self.began
        if error is not None:
            self.error, self.outcome = error, outcome_of(error)


_streaming: ContextVar[Underway | None] = ContextVar("motet_underway", default=None)


def streaming() -> Underway | None:
    """The model call of this context."""
    return _streaming.get()


@contextmanager
def as_streaming(underway: Underway) -> Generator[None]:
    """Have pieces of an answer that arrive in this context belong to `underway`."""
    token = _streaming.set(underway)
    try:
        yield
    finally:
        # A stream may be closed from another context than the one it began in, which is gone.
        with suppress(ValueError):
            _streaming.reset(token)


def failure_of(error: BaseException) -> Failure:
    """`error` as a record tells it, without secrets."""
    kind = type(error)
    try:
        told = str(error)
    except Exception:  # noqa: BLE001 - an exception's own code may raise anything
        told = "an error that can't say what it is"
    message = without_secrets(utf8(told[:_LONGEST]))
    return Failure(kind=f"{kind.__module__}:{kind.__qualname__}", message=message)
