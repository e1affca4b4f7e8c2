"""What an attempt knows of approvals: who asks, in which words, and what came of those it acts on."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, cast

import orjson
from langchain_core.messages import AIMessage, ToolMessage
from langchain_core.messages import ToolCall as MadeCall
from langchain_core.outputs import ChatResult
from langchain_core.tools import BaseTool
from langgraph.errors import GraphBubbleUp, GraphInterrupt
from langgraph.types import Interrupt, StateSnapshot

from motet.calls import ModelCall, ModelNext, NodeCall, NodeNext, ToolCall, ToolNext
from motet.errors import EffectUnknown, OperatorError, StaleClaim
from motet.graphs import ambiguous
from motet.graphs.questions import digest, read, told
from motet.graphs.tools_of import with_schemas
from motet.memory.approvals import Approval, Approvals
from motet.memory.asking import Action, Asked, Decided, same_json
from motet.memory.ports import Claimed, Json, WaitingInterrupt
from motet.observability.trajectory.redact import redacted, without_secrets

_LONGEST = 2_000
"""Characters of a result or of an agent's words that are kept with an approval."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Expected:
    """A call that a person approved."""

    places: Sequence[tuple[str, int]]
    """Approval and number of the action: its own, and those of earlier approvals of the same call, left in doubt."""
    tool: str
    arguments: Json
    tool_call_id: str

    def is_it(self, call: ToolCall) -> bool:
        """Whether `call` is it: by the model's id of it where the question told that, else by its arguments."""
        if call.tool != self.tool:
            return False
        if self.tool_call_id and call.call_id:
            return call.call_id == self.tool_call_id
        return _canonical(call.arguments) == _canonical(self.arguments)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Made:
    """A tool call that a model made."""

    graph: str
    """The namespace of the graph in which it did."""
    call: MadeCall
    words: str
    """What it said beside it."""

    def is_of(self, action: Action, graph: str) -> bool:
        """Whether it is what `action`, asked about in `graph`, is about."""
        if action.tool_call_id:
            return action.tool_call_id == self.call["id"]
        same = (graph, action.tool, _canonical(action.arguments))
        return same == (self.graph, self.call["name"], _canonical(self.call["args"]))


class Approving:
    """Interceptor of one attempt; see the module. Stands around the ledger, so it sees its doubts.

    It never fails a run: what it can't tell stays empty.
    """

    def __init__(self, approvals: Approvals, claimed: Claimed, *, deadline_s: float | None) -> None:
        """Watch the attempt at `claimed`; questions that say nothing of it wait for `deadline_s`, None for ever."""
        self._approvals = approvals
        self._claimed = claimed
        self._deadline_s = deadline_s
        self._made: list[_Made] = []
        """The tool calls that models made; of several messages the newest first."""
        self._places: dict[str, str] = {}
        """The namespace of the node that raised each interrupt."""
        self._checkpoint_id = ""
        """Of the root graph, where it stopped."""
        self._expected: list[_Expected] = []
        self._loop = asyncio.get_running_loop()

    async def begin(self) -> None:
        """Learn which calls were approved. Two round trips where the run answers a question, none elsewhere."""
        decided = {one.approval_id: one for one in self._claimed.request.decided if one.state == "decided"}
        if not decided:
            return
        doubts = await self._approvals.in_doubt(self._claimed.claim.thread_id)
        for approval in await self._approvals.several([one for one in decided if one]):
            answer = decided[approval.approval_id]
            for at, (action, decision) in enumerate(zip(approval.asked.actions, answer.decisions, strict=False)):
                doubted = [place for one in doubts if one != approval for place in _doubted(one, action)]
                if decision["type"] in {"approve", "edit"} or (doubted and decision["type"] == "respond"):
                    self._expected.append(_expected([(approval.approval_id, at), *doubted], action, decision))

    async def void(self, changed: Sequence[Decided]) -> None:
        """Record of decisions that nothing is done by them: what they were on isn't what waits."""
        for one in changed:
            outcome = _outcome("void", "", "what waited had changed before it was acted on: look again")
            await self._recorded([(one.approval_id, 0)], outcome)

    async def node(self, call: NodeCall, proceed: NodeNext) -> object:
        """Remember where each interrupt came from: LangGraph tells nobody. It passes the node that raised it first."""
        try:
            return await proceed(call)
        except BaseException as error:
            for one in _interrupts(error):
                self._places.setdefault(one.id, call.place.namespace)
            raise

    async def model(self, call: ModelCall, proceed: ModelNext) -> ChatResult:
        """Remember what is said beside a tool call."""
        result = await proceed(call)
        for generation in result.generations:
            self._made = [*_made(generation.message, _graph_of(call.place.namespace)), *self._made]
        return result

    def stopped(self, snapshot: StateSnapshot) -> None:
        """Learn where the root graph stopped, from its state there."""
        self._checkpoint_id = snapshot.config.get("configurable", {}).get("checkpoint_id", "")

    def recall(self, snapshot: StateSnapshot, graph: str = "") -> None:
        """Learn from a state and those of its sub-graphs where it stopped, and what was said before this attempt."""
        if not self._checkpoint_id:
            self.stopped(snapshot)
        values: Any = snapshot.values
        messages = cast("dict[str, Any]", values).get("messages") if isinstance(values, dict) else None
        for message in reversed(cast("list[Any]", messages) if isinstance(messages, list) else []):
            self._made += _made(message, graph)
        for task in snapshot.tasks:
            if isinstance(task.state, StateSnapshot):
                self.recall(task.state, task.state.config.get("configurable", {}).get("checkpoint_ns", ""))
            for one in task.interrupts:
                self._places.setdefault(one.id, f"{graph}|{task.name}:{task.id}".lstrip("|"))

    async def tool(self, call: ToolCall, proceed: ToolNext) -> object:
        """Record what comes of an approved call."""
        expected = next((one for one in self._expected if one.is_it(call)), None)
        if expected is None:
            return await proceed(call)
        self._expected.remove(expected)  # an equal call beside it is another one
        try:
            result = await proceed(call)
        except BaseException as error:
            self._expected.insert(0, expected)  # it may be made again
            if (status := _left_as(error)) is not None:
                await self._came(call, expected, status, f"{type(error).__name__}: {error}")
            raise
        failed = isinstance(result, ToolMessage) and result.status == "error"
        await self._came(call, expected, "failed" if failed else "done", result)
        return result

    def asked(self, waiting: Sequence[WaitingInterrupt], tools: Mapping[str, BaseTool]) -> Sequence[WaitingInterrupt]:
        """What waits, each with all that is to be recorded of it."""
        return [replace(one, asked=self._asked(one, tools)) for one in waiting]

    def _asked(self, one: WaitingInterrupt, tools: Mapping[str, BaseTool]) -> Asked:
        request, payload = self._claimed.request, self._claimed.request.payload
        shape, actions = read(one.value, one.response_schema)
        graph = _graph_of(self._places.get(one.interrupt_id, ""))
        actions, words = self._with_calls(with_schemas(actions, tools), graph)
        rejectable = bool(actions) and all("reject" in action.allowed for action in actions)
        beside = told(one.value)
        # Nobody's silence says whether something happened.
        default_s = None if ambiguous.is_doubt(one.value) else self._deadline_s
        return Asked(
            interrupt_id=one.interrupt_id,
            thread_id=request.thread_id,
            run_id=request.run_id,
            assistant_id=request.assistant_id,
            graph_id=request.graph_id,
            checkpoint_id=self._checkpoint_id,
            checkpoint_ns=graph,
            agent=[part.partition(":")[0] for part in graph.split("|") if part and not part.isdecimal()],
            shape=shape,
            actions=actions,
            value=one.value,
            response_schema=one.response_schema,
            arguments_sha256=digest(one.value, actions),
            why=beside.why or words,
            evidence=beside.evidence,
            deadline_s=(beside.deadline_s or default_s) if rejectable else None,
            carried={
                name: payload[name]
                for name in ("config", "context", "stream_mode", "modes", "stream_subgraphs", "fork", "replaced")
                if name in payload
            }
            | ({"traceparent": request.traceparent} if request.traceparent else {}),
        )

    def _with_calls(self, actions: Sequence[Action], graph: str) -> tuple[Sequence[Action], str]:
        """The actions with the ids of their calls, where the question leaves them out; and what was said beside one."""
        left, known, said = list(self._made), list[Action](), ""
        for action in actions:
            made = next((one for one in left if one.is_of(action, graph)), None)
            if made is not None:
                left.remove(made)
                said = said or made.words
            known.append(action if made is None else replace(action, tool_call_id=made.call["id"] or ""))
        return known, said

    async def _came(self, call: ToolCall, expected: _Expected, status: str, result: object) -> None:
        """Record it before the call's own checkpoint, so that a crash after that loses nothing."""
        text = result.text if isinstance(result, ToolMessage) else str(result)
        recorded = self._recorded(expected.places, _outcome(status, expected.tool, text))
        here = _running_loop()
        if here is self._loop and not call.synchronous:
            await recorded
            return
        future = asyncio.run_coroutine_threadsafe(recorded, self._loop)
        if here is None:
            future.result()
        elif here is not self._loop:
            await asyncio.wrap_future(future)

    async def _recorded(self, places: Sequence[tuple[str, int]], outcome: Json) -> None:
        for approval_id, at in places:
            await self._approvals.came_of(self._claimed.claim, approval_id, {**outcome, "action": at})


def _outcome(status: str, tool: str, text: str) -> Json:
    told = {
        "status": status,
        "tool": tool,
        "at": datetime.now(UTC).isoformat(),
        "result": without_secrets(text)[:_LONGEST],
        "result_sha256": hashlib.sha256(text.encode()).hexdigest(),
    }
    return redacted(told)


def _expected(places: Sequence[tuple[str, int]], action: Action, decision: Json) -> _Expected:
    edited = decision.get("arguments") if decision["type"] == "edit" else None
    return _Expected(
        places=tuple(places),
        tool=action.tool,
        arguments=action.arguments if edited is None else edited,
        tool_call_id=action.tool_call_id,
    )


def _doubted(approval: Approval, action: Action) -> Sequence[tuple[str, int]]:
    """The actions of an approval in doubt that are the same call."""
    if not action.tool_call_id:
        return ()
    return [
        (approval.approval_id, at)
        for at, one in enumerate(approval.asked.actions)
        if one.tool_call_id == action.tool_call_id
        or (not one.tool_call_id and one.tool == action.tool and same_json(one.arguments, action.arguments))
    ]


def _left_as(error: BaseException) -> str | None:
    """What is to be recorded of a call that raised; None: it is made again, and that will tell."""
    if any(ambiguous.is_doubt(one.value) for one in _interrupts(error)) or isinstance(error, EffectUnknown):
        return "ambiguous"
    passes = isinstance(error, GraphBubbleUp | OperatorError | StaleClaim) or not isinstance(error, Exception)
    return None if passes else "failed"


def _interrupts(error: BaseException) -> Sequence[Interrupt[Any]]:
    return error.args[0] if isinstance(error, GraphInterrupt) and error.args else ()


def _made(message: object, graph: str) -> Sequence[_Made]:
    """The tool calls in what a model said."""
    if not isinstance(message, AIMessage):
        return ()
    words = without_secrets(message.text)[:_LONGEST]
    return [_Made(graph=graph, call=one, words=words) for one in message.tool_calls]


def _graph_of(node: str) -> str:
    """The namespace of the graph that a node with this namespace is in."""
    return node.rpartition("|")[0]


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _canonical(arguments: Mapping[str, Any]) -> bytes:
    return orjson.dumps(dict(arguments), option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS, default=str)
