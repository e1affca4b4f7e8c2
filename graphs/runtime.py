"""Runs a graph and says what happens: the only place where a graph is streamed.

LangGraph's own contract holds inside: `astream` with durability `sync`, one configuration for the
whole tree, `Command(resume=...)` by interrupt id.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast
from uuid import UUID

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.runnables import RunnableConfig
from langgraph.types import Command, StateSnapshot

from motet.errors import BudgetExhausted
from motet.graphs.events import Event, Mode, Part, RunStarted, jsonable
from motet.graphs.outgoing import Outgoing
from motet.graphs.registry import Graph
from motet.memory.ports import WaitingInterrupt


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPlan:
    """One attempt at a run, ready to be streamed."""

    run_id: str
    thread_id: str
    attempt: int
    input: Any
    """The graph's input; `Command` for a resume; None goes on from the last checkpoint."""
    modes: Sequence[Mode]
    subgraphs: bool
    """Whether the parts of sub-graphs are streamed too."""
    seconds: float
    """Wall clock the run may take in all."""
    context: Any = None
    configurable: Mapping[str, Any] = field(default_factory=dict[str, Any])
    metadata: Mapping[str, Any] = field(default_factory=dict[str, Any])
    name: str
    """What traces call the run: the graph's id."""
    tags: Sequence[str] = ()
    recursion_limit: int | None = None
    callbacks: Sequence[BaseCallbackHandler] = ()
    outgoing: Outgoing | None = None
    """Redacts this attempt's stream; None lets everything pass as it is."""

    def config(self) -> RunnableConfig:
        """LangGraph's configuration of this run; `run_id` in the metadata marks its checkpoints."""
        config = RunnableConfig(
            configurable={**self.configurable, "thread_id": self.thread_id},
            metadata={**self.metadata, "run_id": self.run_id, "thread_id": self.thread_id},
            tags=list(self.tags),
            callbacks=list(self.callbacks),
            run_name=self.name,
        )
        if self.attempt == 1:
            # The root of LangSmith's trace; a second attempt is a trace of its own, and ids must not repeat.
            config["run_id"] = UUID(self.run_id)
        if self.recursion_limit is not None:
            config["recursion_limit"] = self.recursion_limit
        return config


async def stream(graph: Graph, plan: RunPlan) -> AsyncIterator[Event]:
    """Run `graph` and yield what happens, as it happens.

    Raises whatever the graph raises; BudgetExhausted when `plan.seconds` are over.
    """
    yield RunStarted(run_id=plan.run_id, attempt=plan.attempt)
    deadline = asyncio.timeout(plan.seconds)
    try:
        async with deadline:
            async for part in _parts(graph, plan, await _input(graph, plan)):
                yield part
    except TimeoutError:
        if not deadline.expired():
            raise
        raise BudgetExhausted("seconds", spent=plan.seconds, allowed=plan.seconds) from None


async def waiting_interrupts(graph: Graph, thread_id: str) -> Sequence[WaitingInterrupt]:
    """The questions on the thread that nobody has answered, those of sub-graphs included."""
    snapshot = await snapshot_of(graph, thread_id)
    return [
        WaitingInterrupt(
            interrupt_id=interrupt.id,
            task_id=task.id,
            value=jsonable(interrupt.value),
            response_schema=cast("Mapping[str, Any] | None", interrupt.response_schema),
        )
        for task in snapshot.tasks
        if task.result is None
        for interrupt in task.interrupts
    ]


async def snapshot_of(graph: Graph, thread_id: str, *, subgraphs: bool = False) -> StateSnapshot:
    """The thread's newest state; empty for a thread that no run has touched."""
    return await graph.aget_state({"configurable": {"thread_id": thread_id}}, subgraphs=subgraphs)


async def _input(graph: Graph, plan: RunPlan) -> Any:
    """What to start with: after a lost worker, input or answers may be in the checkpoints already."""
    if plan.attempt == 1:
        return plan.input
    if isinstance(plan.input, Command) and isinstance(plan.input.resume, dict):
        waiting = {one.interrupt_id for one in await waiting_interrupts(graph, plan.thread_id)}
        unanswered = {key: answer for key, answer in plan.input.resume.items() if key in waiting}
        return Command(resume=unanswered) if unanswered else None
    snapshot = await snapshot_of(graph, plan.thread_id)
    return None if (snapshot.metadata or {}).get("run_id") == plan.run_id else plan.input


async def _parts(graph: Graph, plan: RunPlan, graph_input: Any) -> AsyncIterator[Part]:
    parts = graph.astream(
        graph_input,
        plan.config(),
        context=plan.context,
        stream_mode=list(plan.modes),
        subgraphs=plan.subgraphs,
        durability="sync",
    )
    async for part in parts:
        namespace, mode, data = cast("tuple[tuple[str, ...], Mode, Any]", part if plan.subgraphs else ((), *part))
        told = Part(mode=mode, namespace=namespace, data=data)
        yield told if plan.outgoing is None else plan.outgoing.part(told)
