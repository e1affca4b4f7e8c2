"""Writes down what a run does, as it does it, without ever standing in its way."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from langchain_core.messages import ToolMessage
from langchain_core.outputs import ChatResult

from motet.calls import ModelCall, ModelNext, Place, ToolCall, ToolNext
from motet.errors import BudgetExhausted, OperatorError
from motet.observability.names import Outcome
from motet.observability.signals import described, outcome_of
from motet.observability.trajectory.model import (
    Interrupted,
    ModelCalled,
    NodeFinished,
    NodeStarted,
    Question,
    Record,
    RunFinished,
    RunStarted,
    ToolCalled,
    Totals,
    encode,
)
from motet.observability.trajectory.plain import message_of, plain, response_of

_logger = logging.getLogger(__name__)

BUFFER_BYTES = 16 * 1024 * 1024
"""What waits for a sink that doesn't answer; what comes after it is counted as lost."""


class TrajectorySink(Protocol):
    """Where records go; `memory.ports.TrajectoryStore` is one."""

    async def append(self, run_id: str, records: Sequence[bytes]) -> None:
        """Add records in order."""
        ...


@dataclass(slots=True)
class _Underway:
    """One call, while it is made."""

    at: str
    began: float
    first_token_s: float | None = None
    duration_s: float = 0.0
    result: object = None
    outcome: Outcome = "ok"
    error: str | None = None
    made: bool = True
    """False for a call the budget refused."""


_current: ContextVar[_Underway | None] = ContextVar("motet_underway", default=None)


class Recorder:
    """The trajectory of one attempt at a run: an interceptor, and a listener of its nodes.

    It only buffers encoded records; `flush` writes them, from the run's worker, as often as it
    likes. Recording never fails a run: what can't be written is logged and counted.
    """

    def __init__(self, run_id: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.run_id = run_id
        self.lost = 0
        """Records that could not be encoded or kept."""
        self._clock = clock
        self._buffer: list[bytes] = []
        self._buffered = 0
        self._index = 0
        self._began = clock()
        self._model_calls = self._tool_calls = self._tokens = 0

    async def model(self, call: ModelCall, proceed: ModelNext) -> ChatResult:
        """Record the call with its answer or error, and pass either on unchanged."""
        with self._underway(lambda underway: self._model_called(call, underway)) as underway:
            underway.result = result = await proceed(call)
            return result

    async def tool(self, call: ToolCall, proceed: ToolNext) -> object:
        """Record the call with its result or error, and pass either on unchanged."""
        with self._underway(lambda underway: self._tool_called(call, underway)) as underway:
            underway.result = result = await proceed(call)
            return result

    def token_seen(self) -> None:
        """A piece of the answer to this context's model call arrived."""
        underway = _current.get()
        if underway is not None and underway.first_token_s is None:
            underway.first_token_s = self._clock() - underway.began

    def run_started(self, *, graph_id: str, thread_id: str, attempt: int) -> None:
        """The attempt begins."""
        self._began = self._clock()
        self._keep(lambda: RunStarted(**self._header(), graph_id=graph_id, thread_id=thread_id, attempt=attempt))

    def node_started(self, place: Place) -> None:
        """The node at `place` begins."""
        self._keep(lambda: NodeStarted(**self._header(place)))

    def node_finished(self, place: Place, *, outcome: Outcome, duration_s: float, error: str | None) -> None:
        """The node at `place` ended."""
        self._keep(lambda: NodeFinished(**self._header(place), outcome=outcome, duration_s=duration_s, error=error))

    def interrupted(self, questions: Iterable[tuple[str, Any]]) -> None:
        """The run waits; each question is an interrupt's id and value."""
        asked = tuple(Question(interrupt_id=interrupt_id, value=plain(value)) for interrupt_id, value in questions)
        self._keep(lambda: Interrupted(**self._header(), questions=asked))

    def run_finished(self, outcome: Outcome, *, error: str | None = None) -> None:
        """The attempt ended."""
        totals = self.totals
        self._keep(lambda: RunFinished(**self._header(), outcome=outcome, totals=totals, error=error, lost=self.lost))

    @property
    def totals(self) -> Totals:
        """What the attempt spent until now."""
        return Totals(
            model_calls=self._model_calls,
            tool_calls=self._tool_calls,
            tokens=self._tokens,
            seconds=self._clock() - self._began,
        )

    def take(self) -> list[bytes]:
        """The records kept since the last time, in order."""
        taken, self._buffer, self._buffered = self._buffer, [], 0
        return taken

    async def flush(self, sink: TrajectorySink) -> None:
        """Write what was kept. If the sink can't be reached it is kept for the next time."""
        taken = self.take()
        if not taken:
            return
        try:
            await sink.append(self.run_id, taken)
        except (OperatorError, OSError) as error:
            _logger.warning("trajectory of run %s: %d records not written yet: %s", self.run_id, len(taken), error)
            self._buffer[:0] = taken
            self._buffered += sum(map(len, taken))
        except Exception:
            self.lost += len(taken)
            _logger.exception("trajectory of run %s: %d records are lost", self.run_id, len(taken))

    def _model_called(self, call: ModelCall, ended: _Underway) -> Record:
        result = ended.result if isinstance(ended.result, ChatResult) else ChatResult(generations=[])
        response, usage = response_of(result)
        self._model_calls += ended.made
        self._tokens += usage.total_tokens
        return ModelCalled(
            **self._header(call.place, ended.at),
            model=call.model,
            messages=tuple(message_of(message) for message in call.messages),
            params=plain(call.params),
            response=response,
            usage=usage,
            outcome=ended.outcome,
            duration_s=ended.duration_s,
            first_token_s=ended.first_token_s,
            error=ended.error,
        )

    def _tool_called(self, call: ToolCall, ended: _Underway) -> Record:
        failed = isinstance(ended.result, ToolMessage) and ended.result.status == "error"
        self._tool_calls += ended.made
        return ToolCalled(
            **self._header(call.place, ended.at),
            tool=call.tool,
            arguments=plain(call.arguments),
            result=plain(ended.result),
            outcome="error" if failed else ended.outcome,
            duration_s=ended.duration_s,
            call_id=call.call_id,
            error=ended.error,
        )

    def _header(self, place: Place | None = None, at: str | None = None) -> dict[str, Any]:
        index, self._index = self._index, self._index + 1
        return {"run_id": self.run_id, "index": index, "at": at or _now(), "place": place or Place()}

    @contextmanager
    def _underway(self, record: Callable[[_Underway], Record]) -> Generator[_Underway]:
        underway = _Underway(at=_now(), began=self._clock())
        token = _current.set(underway)
        try:
            yield underway
        except BaseException as error:
            underway.outcome = outcome_of(error)
            underway.error = described(error) if underway.outcome == "error" else None
            underway.made = not isinstance(error, BudgetExhausted)
            raise
        finally:
            underway.duration_s = self._clock() - underway.began
            # A stream may be closed from another context than the one it began in.
            with suppress(ValueError):
                _current.reset(token)
            self._keep(lambda: record(underway))

    def _keep(self, make: Callable[[], Record]) -> None:
        try:
            data = encode(make())
        except (TypeError, ValueError, AttributeError, KeyError, RecursionError) as error:
            self.lost += 1
            _logger.warning("trajectory of run %s: a record can't be written: %s", self.run_id, error)
            return
        if self._buffered + len(data) > BUFFER_BYTES:
            self.lost += 1
            return
        self._buffer.append(data)
        self._buffered += len(data)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds")
