"""Answers a fork from the record of the run that it was made from, until it does something else; then all is live."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from langchain_core.messages import AIMessage, AIMessageChunk, ToolMessage
from langchain_core.outputs import ChatResult
from langgraph.checkpoint.serde.base import SerializerProtocol
from langgraph.store.base import Op, Result

from motet.calls import Answer, ModelCall, ModelNext, Place, ToolCall, ToolNext, current_place
from motet.errors import NotRestorable, TypeNotAllowed
from motet.observability.trajectory.contents import Contents
from motet.observability.trajectory.ended import asked_of
from motet.observability.trajectory.record import Recorder
from motet.observability.trajectory.recording_store import results_of, told_operations
from motet.observability.trajectory.records import Call, ModelCalled, Parted, Ref, StoreCalled, ToolCalled
from motet.observability.trajectory.replay.divergence import Diverged, Divergence
from motet.observability.trajectory.replay.failures import raised_again
from motet.observability.trajectory.replay.halting import Halt
from motet.observability.trajectory.replay.parting import Parting
from motet.observability.trajectory.replay.recorded import CallKind, Recorded, kind_of, name_at, step_at
from motet.observability.trajectory.replay.sameness import Sameness
from motet.observability.trajectory.restoring import plain, restore
from motet.observability.trajectory.trajectory import Trajectory

_logger = logging.getLogger(__name__)

_HEADER: dict[str, Any] = {"run_id": "", "index": 0, "at": "", "call": 0, "outcome": "ok", "duration_s": 0}

_ENDS = frozenset({"ok", "error"})
"""How calls ended that can stand for others: one that asked a person, or was cut off, is made anew."""


class FromRecord:
    """The interceptor next to a fork's recorder, on the inside.

    A call is found by the path of its task and what it asks, in the run that the fork was made from and in those that
    answered its questions. What is answered so is no call: it costs nothing, and no budget, policy or ledger sees it.
    The first model or tool call that isn't found is noted in the fork's own record as `Parted`, and everything from
    there on is live, in branches beside it, too. Safe from any thread.
    """

    def __init__(
        self,
        trajectory: Trajectory | None,
        recorder: Recorder,
        serde: SerializerProtocol,
        *,
        source: str,
        parted: bool = False,
        opens: bool = False,
        answering: Callable[[Answer], object] = lambda _: None,
    ) -> None:
        """Answer from `trajectory`.

        Args:
            trajectory: of the run with the id `source`; None where nothing is kept of it: all is live.
            recorder: the fork's own.
            serde: by which answers are made again; set the graph's own once it is open.
            source: that run.
            parted: an attempt before this one has parted from the record: nothing is answered any more.
            opens: tools without an effect that ran a graph run, so that what differs inside them shows.
            answering: hears of each answer before it is given in a model's place.
        """
        self._source = source
        self._trajectory = trajectory
        self._recorder = recorder
        self.serde = serde
        self._opens = opens
        self._answering = answering
        self._lock = threading.RLock()
        segments = [] if trajectory is None else trajectory.segments()
        self._runs = [Recorded(segment, segments[:position]) for position, segment in enumerate(segments)]
        self._made: Contents | None = None
        self._tools: dict[str, list[ToolCalled]] = {}
        for one in (call for run in self._runs for call in run.calls()):
            if isinstance(one, ToolCalled) and one.outcome in _ENDS and one.result is not None:
                self._tools.setdefault(one.request, []).append(one)
        self.live = parted
        """Whether it has parted from the record."""

    async def model(self, call: ModelCall, proceed: ModelNext) -> ChatResult:
        """Have the model say what it said then, by LangChain's own way; or ask it."""
        if self.live:
            return await proceed(call)
        asked = asked_of(self._contents, call)
        found = self._find(call.place, "model", asked.request)
        if isinstance(found, ModelCalled):
            answer = self._answer(found)
            if answer is not None:
                call.told["from_run"] = self._source
                self._answering(answer)
                return await proceed(replace(call, answer=answer))
        made = ModelCalled(
            **_HEADER,
            model=call.model,
            request=asked.request,
            messages=asked.messages,
            params=asked.params,
            settings=asked.settings,
            response=None,
        )
        self._part(call.place, made)
        return await proceed(call)

    async def tool(self, call: ToolCall, proceed: ToolNext) -> object:
        """What the tool returned or raised then, without its code, its budget or its effect; or its own code."""
        if self.live:
            return await proceed(call)
        arguments, request = self._contents.put_told(dict(call.arguments), call.tool)
        found = self._find(call.place, "tool", request)
        if isinstance(found, ToolCalled) and (found.asked or self._is_open(found)):
            return await proceed(call)
        if isinstance(found, ToolCalled) and found.outcome in _ENDS:
            if found.error is not None:
                call.told["from_run"] = self._source
                raise raised_again(found.error)
            try:
                return self._told(call, found)
            except (NotRestorable, TypeNotAllowed) as error:
                _logger.warning("the result of %s can't be restored: %s", call.tool, error)
        made = ToolCalled(**_HEADER, tool=call.tool, request=request, arguments=arguments, result=None)
        self._part(call.place, made)
        return await proceed(call)

    def anywhere(self, call: ToolCall) -> object | None:
        """What an equal call of the tool returned, wherever in the record; None where there is none, or it failed."""
        _, request = self._contents.put_told(dict(call.arguments), call.tool)
        for found in self._tools.get(request, ()):
            try:
                return self._told(call, found)
            except (NotRestorable, TypeNotAllowed):
                continue
        return None

    def memory(self, operations: Sequence[Op]) -> list[Result] | None:
        """What long-term memory gave then; None once all is live, or where it wasn't asked so."""
        if self.live:
            return None
        _, request = self._contents.put_told(told_operations(operations))
        found = self._find(current_place(), "memory", request)
        if not isinstance(found, StoreCalled) or found.results is None:
            return None
        try:
            return results_of(self._restored(found.results))
        except (NotRestorable, TypeNotAllowed):
            return None

    def _find(self, place: Place, kind: CallKind, request: str) -> Call | None:
        path = self._recorder.paths.of(place.namespace)
        with self._lock:
            return next((one for run in self._runs if (one := run.find(path, kind, request)) is not None), None)

    def _is_open(self, found: ToolCalled) -> bool:
        return self._opens and any(run.opens(found) for run in self._runs)

    def _answer(self, found: ModelCalled) -> Answer | None:
        """None where nothing can be made of it that answers."""
        if found.outcome not in _ENDS:
            return None
        try:
            message = None if found.response is None else self._restored(found.response)
            pieces = [] if found.chunks is None else self._restored(found.chunks)
        except (NotRestorable, TypeNotAllowed) as error:
            _logger.warning("the model's answer at %s can't be restored: %s", found.path, error)
            return None
        error = None if found.error is None else raised_again(found.error)
        if not isinstance(message, AIMessage | None) or not all(isinstance(one, AIMessageChunk) for one in pieces):
            return None
        return None if message is None and error is None else Answer(message=message, chunks=pieces, error=error)

    def _told(self, call: ToolCall, found: ToolCalled) -> object:
        result = None if found.result is None else self._restored(found.result)
        call.told["from_run"] = self._source
        if isinstance(result, ToolMessage) and call.call_id and result.tool_call_id != call.call_id:
            return result.model_copy(update={"tool_call_id": call.call_id})
        return result

    def _restored(self, ref: Ref) -> Any:
        return restore(ref, self._kept, self.serde)

    @property
    def _contents(self) -> Contents:
        """Of what is asked, to be compared: the recorder's own are on their way to the store."""
        with self._lock:
            if self._made is None:
                self._made = Contents(self.serde)
            return self._made

    @property
    def _kept(self) -> Mapping[Ref, bytes]:
        return {} if self._trajectory is None else self._trajectory.contents

    def _part(self, place: Place, made: ModelCalled | ToolCalled) -> None:
        """Note in what the fork differs, and answer nothing from the record any more."""
        with self._lock:
            if self.live:
                return
            self.live = True
            found = self._difference(place, made)
        put = self._recorder.contents.put

        def record(header: dict[str, Any]) -> Parted:
            return Parted(
                **header,
                from_run=self._source,
                kind="model" if isinstance(made, ModelCalled) else "tool",
                step=found.step,
                agent=found.agent,
                field=found.field,
                expected=None if found.only == "actual" else put(found.expected),
                actual=None if found.only == "expected" else put(found.actual),
                hint=found.hint,
            )

        self._recorder.note(place, record)

    def _difference(self, place: Place, made: ModelCalled | ToolCalled) -> Divergence:
        path = self._recorder.paths.of(place.namespace)
        asked = self._contents.take()
        sides = (lambda ref: plain(ref, self._kept), lambda ref: plain(ref, asked))
        parting = Parting(self._source, Sameness(self._kept, asked, sides), Halt())
        expecting = [run for run in self._runs if run.expected(path, kind_of(made)) is not None]
        left = [run for run in self._runs if run.left_at(path) is not None]
        try:
            for run in [*expecting, *left, *self._runs][:1]:
                parting.request(place, path, made, run)
        except Diverged as diverged:
            return diverged.divergence
        return Divergence(
            run_id=self._source,
            step=step_at(path),
            path=path,
            agent=place.agent or place.node or name_at(path),
            kind=kind_of(made),
            field="call",
            expected=None,
            actual=f"model {made.model}" if isinstance(made, ModelCalled) else f"tool {made.tool}",
            only="actual",
            hint="nothing is kept of what the run did",
        )
