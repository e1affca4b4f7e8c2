"""Writes down what a run does, as it does it, without ever standing in its way."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from langchain_core.messages import AIMessageChunk
from langchain_core.outputs import ChatResult
from langgraph.checkpoint.base import CheckpointTuple

from motet.calls import ModelCall, ModelNext, NodeCall, NodeNext, Place, ToolCall, ToolNext
from motet.errors import OperatorError
from motet.observability.instants import now
from motet.observability.names import Outcome
from motet.observability.prices import Prices
from motet.observability.trajectory import state_found
from motet.observability.trajectory.contents import Contents
from motet.observability.trajectory.ended import ModelEnded, asked_of, node_ended, tool_ended
from motet.observability.trajectory.paths import Paths
from motet.observability.trajectory.records import (
    Failure,
    Interrupted,
    ModelCalled,
    NodeFinished,
    NodeStarted,
    Question,
    Record,
    Ref,
    RunFinished,
    RunStarted,
    StateRead,
    StateSaved,
    StoreCalled,
    ToolCalled,
    Totals,
    encode,
)
from motet.observability.trajectory.sink import Batch, TrajectorySink
from motet.observability.trajectory.underway import Underway, as_streaming, failure_of, streaming

__all__ = ["BUFFER_BYTES", "Batch", "Recorder", "TrajectorySink"]

_logger = logging.getLogger(__name__)

BUFFER_BYTES = 16 * 1024 * 1024
"""What waits for a sink that doesn't answer; what comes after it is counted as lost."""


_OF_THE_RUN = Place()
"""Where a record stands that is of the run itself."""


class Recorder:
    """The trajectory of one attempt at a run: an interceptor of its models, tools and nodes.

    It only buffers; `flush` writes, as often as it is called. Safe from any thread. Recording never fails a run: what
    can't be written down is logged and counted.
    """

    def __init__(
        self,
        run_id: str,
        *,
        contents: Contents,
        thread_id: str,
        attempt: int = 1,
        prices: Prices | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Record for one attempt.

        Args:
            run_id: of the run.
            contents: takes what records name; by the serializer of the graph.
            thread_id: of the run.
            attempt: 1 for the first worker.
            prices: tell what a model call costs; None leaves costs out.
            clock: seconds, from anywhere.
        """
        self.run_id = run_id
        self.thread_id = thread_id
        self.contents = contents
        self.paths = Paths()
        self.lost = 0
        """Records that could not be made or kept."""
        self._attempt = attempt
        self._ended_models = ModelEnded(contents, prices)
        self._clock = clock
        self._lock = threading.RLock()
        self._buffer: list[bytes] = []
        self._buffered = 0
        self._index = 0
        self._full = False
        self._calls = self._calls_taken = self._calls_written = 0
        self._flushing = asyncio.Lock()
        self._counts: dict[tuple[str, str], int] = {}
        """Calls of each kind in the current execution of the task with each path."""
        self._began = clock()
        self._model_calls = self._tool_calls = self._tokens = 0
        self._cost: float | None = 0.0

    async def model(self, call: ModelCall, proceed: ModelNext) -> ChatResult:
        """Record the call with its answer or error, and pass either on unchanged."""
        if self._full:
            return await proceed(call)
        number = self._number(call.place, "model")
        with self._underway(lambda underway: self._model_called(call, number, underway)) as underway:
            self._careful(lambda: setattr(underway, "asked", asked_of(self.contents, call)))
            with as_streaming(underway):
                underway.result = result = await proceed(call)
            return result

    async def tool(self, call: ToolCall, proceed: ToolNext) -> object:
        """Record the call with its result or error, and pass either on unchanged."""
        if self._full:
            return await proceed(call)
        number = self._number(call.place, "tool")
        with self._underway(lambda underway: self._tool_called(call, number, underway)) as underway:
            # As they are now: a tool may change them.
            self._careful(lambda: setattr(underway, "asked", self.contents.put_told(dict(call.arguments), call.tool)))
            underway.result = result = await proceed(call)
            return result

    async def node(self, call: NodeCall, proceed: NodeNext) -> object:
        """Record that the task runs, and what it wrote."""
        if self._full:
            return await proceed(call)
        self._careful(lambda: self._node_started(call))
        with self._underway(lambda underway: self._node_finished(call, underway)):
            return await proceed(call)

    @contextmanager
    def store_call(self, place: Place, operations: Sequence[Any]) -> Generator[Underway]:
        """Around a batch of operations on long-term memory, told as JSON-like values; set `result` to theirs."""
        number = self._number(place, "store")
        with self._underway(lambda underway: self._store_called(place, number, underway)) as underway:
            self._careful(lambda: setattr(underway, "asked", self.contents.put_told(operations)))
            yield underway

    def token_seen(self, chunk: Any) -> None:
        """A piece of the answer to this context's model call arrived: LangChain's ChatGenerationChunk."""
        underway = streaming()
        message = getattr(chunk, "message", None)
        if underway is not None and isinstance(message, AIMessageChunk):
            underway.pieces.append((time.monotonic(), message))

    def run_started(
        self, *, graph_id: str, input: Any = None, command: Any = None, context: Any = None, **told: Any
    ) -> None:
        """The attempt begins; `told` are further fields of `RunStarted`."""
        self._began = self._clock()

        def put(value: Any) -> Ref | None:
            return None if value is None else self.contents.put(value)

        def make() -> Record:
            mappings = {name: value for name, value in told.items() if isinstance(value, dict)}
            others = {name: value for name, value in told.items() if name not in mappings}
            return RunStarted(
                **self._header(),
                graph_id=graph_id,
                thread_id=self.thread_id,
                input=put(input),
                command=put(command),
                context=put(context),
                **{name: self.contents.shown_again(value) for name, value in mappings.items()},
                **self.contents.shown_again(others),
            )

        self._keep(make)

    def state_read(self, namespace: str, found: CheckpointTuple, histories: state_found.Histories) -> None:
        """A graph found its past in its checkpointer; `namespace` is LangGraph's."""

        def make() -> Record:
            told = state_found.told(found, histories, self.contents, thread_id=self.thread_id, namespace=namespace)
            return StateRead(**self._header(), namespace=self.paths.of(namespace), **told)

        self._keep(make)

    def state_saved(
        self,
        namespace: str,
        *,
        checkpoint_id: str,
        parent_id: str | None,
        metadata: Mapping[str, Any],
        values: Mapping[str, Any],
    ) -> None:
        """A checkpoint is about to be saved; `values`: of the channels that are new in it."""
        put = self.contents.put

        def make() -> Record:
            return StateSaved(
                **self._header(),
                namespace=self.paths.of(namespace),
                checkpoint_id=checkpoint_id,
                parent_id=parent_id,
                step=metadata.get("step", -1),
                source=metadata.get("source", ""),
                values={channel: put(value, (self.thread_id, namespace, channel)) for channel, value in values.items()},
            )

        self._keep(make)

    def interrupted(self, questions: Iterable[tuple[str, Any]]) -> None:
        """The run waits; each question is an interrupt's id and value."""

        def make() -> Record:
            asked = tuple(Question(interrupt_id=one, value=self.contents.put(value)) for one, value in questions)
            return Interrupted(**self._header(), questions=asked)

        self._keep(make)

    def note(self, place: Place, make: Callable[[dict[str, Any]], Record]) -> None:
        """Something else happened there; `make` is given what all records have in common."""
        self._keep(lambda: make(self._header(place)))

    def run_finished(
        self,
        outcome: Outcome,
        *,
        error: BaseException | Failure | None = None,
        limits: Mapping[str, Any] | None = None,
    ) -> None:
        """The attempt ended. `limits`: the budget of the run."""

        def make() -> Record:
            return RunFinished(
                **self._header(),
                outcome=outcome,
                totals=self.totals,
                limits=dict(limits or {}),
                error=failure_of(error) if isinstance(error, BaseException) else error,
                lost=self.lost,
            )

        self._keep(make)

    @property
    def totals(self) -> Totals:
        """What the attempt spent until now."""
        return Totals(
            model_calls=self._model_calls,
            tool_calls=self._tool_calls,
            tokens=self._tokens,
            seconds=self._clock() - self._began,
            cost_usd=self._cost,
        )

    @property
    def calls_waiting(self) -> bool:
        """Whether calls were recorded that `flush` didn't write yet, or is about to."""
        return self._calls != self._calls_written

    @property
    def waits(self) -> bool:
        """Whether anything was recorded that nobody took yet."""
        return bool(self._buffer)

    def take(self) -> Batch:
        """What was recorded since the last time."""
        with self._lock:
            records, self._buffer, self._buffered, self._calls_taken = self._buffer, [], 0, self._calls
            return Batch(records=records, contents=self.contents.take() if records else {})

    async def flush(self, sink: TrajectorySink) -> None:
        """Write what was recorded. If the sink can't be reached it is kept for the next time.

        One at a time: who waits for another's flush finds written what was recorded before.
        """
        async with self._flushing:
            taken = self.take()
            if taken and not self._full:
                await self._written(taken, sink)
            self._calls_written = self._calls_taken

    async def _written(self, taken: Batch, sink: TrajectorySink) -> None:
        try:
            self._full = not await sink.append(self.thread_id, self.run_id, taken)
        except (OperatorError, OSError) as error:
            told = "trajectory of run %s: %d records not written yet: %s"
            _logger.warning(told, self.run_id, len(taken.records), error)
            self._take_back(taken)
        except asyncio.CancelledError:
            self._take_back(taken)
            raise
        except Exception:
            self.lost += len(taken.records)
            _logger.exception("trajectory of run %s: %d records are lost", self.run_id, len(taken.records))

    def _take_back(self, taken: Batch) -> None:
        with self._lock:
            self._buffer[:0] = taken.records
            self._buffered += sum(map(len, taken.records))
            self.contents.take_back(taken.contents)

    def _model_called(self, call: ModelCall, number: int, ended: Underway) -> Record:
        told = self._ended_models.told(call, ended)
        with self._lock:
            made = ended.made and told["from_run"] is None
            self._model_calls += made
            self._tokens += told["usage"].total_tokens if made else 0
            if made and ended.outcome == "ok":
                cost = told["cost_usd"]
                self._cost = None if cost is None or self._cost is None else self._cost + cost
            self._calls += 1
        return ModelCalled(**self._header(call.place, ended), call=number, **told)

    def _tool_called(self, call: ToolCall, number: int, ended: Underway) -> Record:
        told = tool_ended(self.contents, call, ended)
        with self._lock:
            self._tool_calls += ended.made and told["from_run"] is None
            self._calls += 1
        return ToolCalled(**self._header(call.place, ended), call=number, **told)

    def _store_called(self, place: Place, number: int, ended: Underway) -> Record:
        operations, request = ended.asked
        self._calls += 1
        return StoreCalled(
            **self._header(place, ended),
            call=number,
            request=request,
            operations=operations,
            results=self.contents.put(ended.result) if ended.outcome == "ok" else None,
            outcome=ended.outcome,
            duration_s=ended.duration_s,
            error=ended.failure,
        )

    def _node_started(self, call: NodeCall) -> None:
        with self._lock:
            place = call.place
            path = self.paths.learn(place.namespace, name=call.name, step=place.step, path=call.path)
            for kind in ("model", "tool", "store"):
                self._counts.pop((path, kind), None)
            self._keep(lambda: NodeStarted(**self._header(place), triggers=call.triggers))

    def _node_finished(self, call: NodeCall, ended: Underway) -> Record:
        told = node_ended(self.contents, call, ended)
        return NodeFinished(**self._header(call.place), **told)

    def _number(self, place: Place, kind: str) -> int:
        with self._lock:
            key = (self.paths.of(place.namespace), kind)
            number = self._counts.get(key, 0)
            self._counts[key] = number + 1
            return number

    def _header(self, place: Place = _OF_THE_RUN, ended: Underway | None = None) -> dict[str, Any]:
        index, self._index = self._index, self._index + 1
        return {
            "run_id": self.run_id,
            "attempt": self._attempt,
            "index": index,
            "at": ended.at if ended else now(),
            "place": place,
            "path": self.paths.of(place.namespace),
        }

    @contextmanager
    def _underway(self, record: Callable[[Underway], Record]) -> Generator[Underway]:
        underway = Underway(began=self._clock())
        try:
            yield underway
        except BaseException as error:
            underway.ended(error, self._clock)
            raise
        else:
            underway.ended(None, self._clock)
        finally:
            self._keep(lambda: record(underway))

    def _careful(self, do: Callable[[], object]) -> None:
        """Do it, and nothing that goes wrong in it may reach the run."""
        try:
            do()
        except Exception as error:  # noqa: BLE001 - values are anybody's, and so is their code
            self.lost += 1
            _logger.warning("trajectory of run %s: a record can't be written: %r", self.run_id, type(error))

    def _keep(self, make: Callable[[], Record]) -> None:
        if self._full:
            return
        with self._lock:
            self._careful(lambda: self._add(encode(make())))

    def _add(self, data: bytes) -> None:
        if self._buffered + self.contents.new_bytes + len(data) > BUFFER_BYTES:
            self.lost += 1
            return
        self._buffer.append(data)
        self._buffered += len(data)
