"""Answers models and tools from the record, and stops at the first call that has no answer there."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from langchain_core.messages import AIMessage, AIMessageChunk, ToolMessage
from langchain_core.outputs import ChatResult
from langgraph.types import interrupt

from motet.calls import Answer, ModelCall, ModelNext, NodeCall, NodeNext, ToolCall, ToolNext
from motet.observability.trajectory.ended import asked_of
from motet.observability.trajectory.records import ModelCalled, ToolCalled
from motet.observability.trajectory.replay.asking import Questions
from motet.observability.trajectory.replay.failures import raised_again
from motet.observability.trajectory.replay.gate import Gate
from motet.observability.trajectory.replay.halting import Lacking, RecordEnds, here
from motet.observability.trajectory.replay.passing import Pass
from motet.observability.trajectory.replay.recorded import CallKind, at_tool
from motet.observability.trajectory.replay.standing import stand_in

_HEADER: dict[str, Any] = {"run_id": "", "index": 0, "at": ""}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pace:
    """One call's pieces at the gate."""

    gate: Gate
    path: str
    kind: CallKind
    call: int
    pieces: int

    async def piece(self, position: int) -> None:
        """Wait until what came before it came."""
        await self.gate.turn(self._turn(position))

    def piece_blocking(self, position: int) -> None:
        """The same in a thread."""
        self.gate.turn_blocking(self._turn(position))

    def _turn(self, position: int) -> tuple[str, str, int, int]:
        return self.path, self.kind, self.call, position if position < self.pieces else -1


class Answering:
    """The interceptor in the place of record, budget, policy and ledger: what they decided is part of the answers."""

    def __init__(self, pass_: Pass, *, stands_in: Callable[[str], bool], questions: Questions) -> None:
        """`stands_in` says of a path whether its node isn't to run."""
        self._stands_in = stands_in
        self._questions = questions
        self._recorded = pass_.recorded
        self._contents = pass_.contents
        self._restored = pass_.restored
        self._paths = pass_.paths
        self._gate = pass_.gate
        self._parting = pass_.parting
        self._halt = pass_.halt
        self._counts = pass_.counts

    async def model(self, call: ModelCall, proceed: ModelNext) -> ChatResult:
        """Have the model say what it said. Raises Diverged."""
        path = self._paths.of(call.place.namespace)
        asked = asked_of(self._contents, call)
        found = self._recorded.find(path, "model", asked.request)
        if not isinstance(found, ModelCalled):
            made = ModelCalled(
                **_HEADER,
                call=0,
                model=call.model,
                request=asked.request,
                messages=asked.messages,
                params=asked.params,
                settings=asked.settings,
                response=None,
                outcome="ok",
                duration_s=0,
            )
            self._parting.request(call.place, path, made, self._recorded)
        self._parting.order(call.place, path, found, self._recorded)
        if found.outcome == "cancelled" and self._recorded.cut:
            self._halt.stop(RecordEnds())
        self._counts.model_calls += 1
        return await proceed(replace(call, answer=self._answer(found)))

    async def tool(self, call: ToolCall, proceed: ToolNext) -> object:
        """Have the tool return, raise or ask what it did, without its own code. Raises Diverged."""
        path = self._paths.of(call.place.namespace)
        arguments, request = self._contents.put_told(dict(call.arguments), call.tool)
        found = self._recorded.find(path, "tool", request)
        if not isinstance(found, ToolCalled):
            made = ToolCalled(
                **_HEADER,
                call=0,
                tool=call.tool,
                request=request,
                arguments=arguments,
                result=None,
                outcome="ok",
                duration_s=0,
            )
            self._parting.request(call.place, path, made, self._recorded)
        self._parting.order(call.place, path, found, self._recorded)
        if found.outcome == "cancelled" and self._recorded.cut:
            self._halt.stop(RecordEnds())
        self._counts.tool_calls += 1
        if self._recorded.opens(found):
            return await self._opened(call, proceed, found)
        return await proceed(replace(call, body=self._body(call, found)))

    async def _opened(self, call: ToolCall, proceed: ToolNext, found: ToolCalled) -> object:
        """Have a tool run that did nothing but run a graph, and compare what it came to."""
        token = here.set(at_tool(found))
        try:
            result = await proceed(call)
        finally:
            here.reset(token)
            if not call.synchronous:
                await self._gate.turn((found.path, "tool", found.call, -1))
        self._parting.result(call.place, found, self._contents.put(result))
        return result

    async def node(self, call: NodeCall, proceed: NodeNext) -> object:
        """Have the node run, or what it wrote stand in for it."""
        path = self._paths.of(call.place.namespace)
        execution = self._recorded.segment.executions.get(path)
        if execution is not None and not call.cached and (execution.finished.cached or self._stands_in(path)):
            segment = self._recorded.segment
            if execution.finished.outcome == "cancelled":
                await asyncio.get_running_loop().create_future()
            return stand_in(
                call, execution, self._halt, self._restored, self._questions.of(path, segment, self._restored)
            )
        token = here.set(path)
        try:
            return await proceed(call)
        finally:
            here.reset(token)

    def _answer(self, found: ModelCalled) -> Answer:
        message = None if found.response is None else self._restored(found.response)
        pieces = [] if found.chunks is None else self._restored(found.chunks)
        if not isinstance(message, AIMessage | None) or not all(isinstance(one, AIMessageChunk) for one in pieces):
            self._halt.stop(Lacking(f"the model's answer at {found.path} isn't one"))
        return Answer(
            message=message,
            chunks=pieces,
            error=None if found.error is None else raised_again(found.error),
            pace=_Pace(gate=self._gate, path=found.path, kind="model", call=found.call, pieces=len(pieces)),
        )

    def _body(self, call: ToolCall, found: ToolCalled) -> Callable[[], object]:
        asked = (*self._recorded.asked_before(found), *found.asked)
        before = self._questions.before(found.path) if self._recorded.only_tool(found) else ()
        pace = _Pace(gate=self._gate, path=found.path, kind="tool", call=found.call, pieces=0)

        def told() -> object:
            for unknown in before:
                interrupt(self._restored(unknown))
            for one in asked:
                interrupt(self._restored(one.value), response_schema=dict(one.response_schema or {}) or None)
            if found.error is not None:
                raise raised_again(found.error)
            result = None if found.result is None else self._restored(found.result)
            return _addressed(result, call.call_id)

        async def awaited() -> object:
            await pace.piece(0)
            if found.outcome == "cancelled":
                await asyncio.get_running_loop().create_future()
            return told()

        def waited() -> object:
            pace.piece_blocking(0)
            return told()

        return waited if call.synchronous else awaited


def _addressed(result: object, call_id: str | None) -> object:
    """A tool's message answers the call that was made now, whose id a node may have made up."""
    if isinstance(result, ToolMessage) and call_id and result.tool_call_id != call_id:
        return result.model_copy(update={"tool_call_id": call_id})
    return result
