# ruff: noqa: INP001 - part of a script, no package
"""One system is asked one question, and everything that its tools return is kept."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks.quality_evidence import Evidence, failure, unsupported
from benchmarks.quality_report import Outcome
from benchmarks.quality_scoring import Question, right
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.outputs import ChatResult
from langchain_core.runnables import RunnableConfig
from langgraph.types import Command, Interrupt

from motet.calls import ModelCall, ModelNext, ToolCall, ToolNext, intercepted
from motet.graphs.registry import Graph
from motet.tools.budget import Budget, Limits
from motet.tools.documents.passages import NAME as FIND
from motet.tools.documents.ports import DocumentInfo, Documents, Hit
from motet.tools.documents.tools import READ, SEARCH
from motet.tools.sql import NAME as QUERY

LIMITS = Limits(model_calls=24, tool_calls=24, tokens=100_000, seconds=300.0)
"""Of every question, for every system."""

_SUPERSTEPS = 200
_MOST_ASKED = 5
_RETURNED = 500
"""Characters of a tool's result that the report file keeps."""


@dataclass(slots=True)
class WatchedDocuments:
    """`Documents` that keeps what is read of them past the tools; searching past them is how questions are routed."""

    documents: Documents
    evidence: Evidence = field(default_factory=Evidence)
    """Where to; another one for each question."""

    @property
    def files(self) -> Sequence[DocumentInfo]:
        return self.documents.files

    async def search(self, question: str, *, limit: int = 8, file: str | None = None) -> Sequence[Hit]:
        return await self.documents.search(question, limit=limit, file=file)

    async def similarities(self, question: str, texts: Sequence[str]) -> Sequence[float] | None:
        return await self.documents.similarities(question, texts)

    async def neighbours(self, hit: Hit, *, before: int = 1, after: int = 1) -> Sequence[Hit]:
        hits = await self.documents.neighbours(hit, before=before, after=after)
        self.evidence.add([one.text for one in hits])
        return hits

    async def read(self, file: str, *, start: int = 0, length: int = 4_000) -> str:
        text = await self.documents.read(file, start=start, length=length)
        self.evidence.add(text)
        return text


@dataclass(frozen=True, slots=True)
class _Watch:
    """An interceptor that keeps what tools return."""

    evidence: Evidence
    used: list[Mapping[str, Any]] = field(default_factory=list[Mapping[str, Any]])

    async def model(self, call: ModelCall, proceed: ModelNext) -> ChatResult:
        return await proceed(call)

    async def tool(self, call: ToolCall, proceed: ToolNext) -> object:
        if call.tool == QUERY:
            self.evidence.queried = True
        if call.tool in {SEARCH, READ, FIND}:
            self.evidence.searched = True
        told = {"tool": call.tool, "arguments": call.arguments, "returned": ""}
        self.used.append(told)
        result = await proceed(call)
        told["returned"] = str(getattr(result, "content", result))[:_RETURNED]
        self.evidence.add(result)
        return result


@dataclass(slots=True)
class _Ended:
    """What came of a run, as far as it came."""

    state: Mapping[str, Any] = field(default_factory=dict[str, Any])
    steps: int = 0
    events: list[Mapping[str, Any]] = field(default_factory=list[Mapping[str, Any]])
    asked: int = 0
    """Times a person was asked who shall take the question."""
    asked_back: bool = False
    """Whether the run waits for a person who must decide more than that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """Something that answers questions."""

    name: str
    graph: Graph
    """Compiled; its state has `messages`."""


async def answered(
    system: System,
    question: Question,
    expected: Sequence[Any],
    *,
    documents: WatchedDocuments,
    names: Sequence[str],
    limits: Limits = LIMITS,
) -> Outcome:
    """Ask and score; an error ends the run, not the benchmark.

    Args:
        system: whom to ask.
        question: what to ask.
        expected: the row of the question's reference query.
        documents: what `system` was built with.
        names: of tables, columns and files.
        limits: of model calls, tool calls, tokens and seconds.
    """
    evidence, budget, ended = Evidence(names=names), Budget(limits), _Ended()
    watch, documents.evidence = _Watch(evidence), evidence
    started = time.perf_counter()
    with intercepted([watch, budget]):
        (raised,) = await asyncio.gather(_follow(system.graph, question, ended), return_exceptions=True)
    seconds = time.perf_counter() - started
    answer = "" if raised or ended.asked_back else _last_answer(ended.state)
    good = right(question, expected, answer)
    return Outcome(
        system=system.name,
        question=question,
        expected=expected,
        answer=answer,
        right=good,
        failure=None if good else _why(question, expected, answer, evidence, raised=bool(raised), ended=ended),
        error=f"{type(raised).__name__}: {raised}" if raised else "",
        unsupported=unsupported(question, answer, evidence),
        model_calls=budget.model_calls,
        tool_calls=budget.tool_calls,
        tokens=budget.tokens,
        steps=ended.steps,
        asked=ended.asked,
        seconds=seconds,
        events=ended.events,
        used=watch.used,
    )


async def _follow(graph: Graph, question: Question, ended: _Ended) -> None:
    """Run to the end; where a person is asked who shall take the question, the system's own proposal is approved."""
    config = RunnableConfig(recursion_limit=_SUPERSTEPS, configurable={"thread_id": question.id})
    given: Any = {"messages": [HumanMessage(question.question)]}
    for _ in range(_MOST_ASKED):
        waiting: dict[str, Interrupt] = {}
        async for namespace, mode, data in graph.astream(
            given, config, stream_mode=["updates", "values", "custom"], subgraphs=True
        ):
            assert isinstance(data, Mapping), "each of these modes gives one"
            if "__interrupt__" in data:
                waiting |= {one.id: one for one in data["__interrupt__"]}
            elif mode == "custom":
                ended.events.append(data)
            elif mode == "updates":
                ended.steps += len(data)
            elif not namespace:
                ended.state = data
        ended.asked_back = not all(map(_asks_who, waiting.values()))
        if not waiting or ended.asked_back:
            return
        ended.asked += len(waiting)
        given = Command(resume={key: {"decisions": [{"type": "approve"}]} for key in waiting})
    ended.asked_back = True


def _asks_who(waiting: Interrupt) -> bool:
    match waiting.value:
        case {"action_requests": [{"name": "route"}]}:
            return True
        case _:
            return False


def _last_answer(state: Mapping[str, Any]) -> str:
    messages = state.get("messages", [])
    return messages[-1].text if messages and isinstance(messages[-1], AIMessage) else ""


def _why(
    question: Question, expected: Sequence[Any], answer: str, evidence: Evidence, *, raised: bool, ended: _Ended
) -> Any:
    if raised:
        return "error"
    return "asked back" if ended.asked_back else failure(question, expected, answer, evidence)
