"""Runs a graph and says what happens: the only place where a graph is streamed.

LangGraph's own contract holds inside: `astream` with durability `sync`, one configuration for the
whole tree, `Command(resume=...)` by interrupt id.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, Literal, cast
from uuid import UUID

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.runnables import RunnableConfig
from langgraph._internal._constants import CONFIG_KEY_STRICT_RESUME, NULL_TASK_ID
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph import END
from langgraph.pregel._io import map_command
from langgraph.runtime import RunControl
from langgraph.types import Command, StateSnapshot

from motet.errors import BudgetExhausted, RunTimeout
from motet.graphs.briefly import briefed
from motet.graphs.events import Event, FeedbackAsked, Mode, Part, RunStarted, jsonable
from motet.graphs.inner_events import langgraph_modes, with_events
from motet.graphs.outgoing import Outgoing
from motet.graphs.registry import Graph
from motet.graphs.shapes import Shown, shown_in
from motet.graphs.undecided import answered, end
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
    spent_s: float = 0.0
    """What earlier attempts took of it."""
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
    asks_as: Shown = "raw"
    """How questions about one call stand in the stream."""
    timeout_s: float | None = None
    """Wall clock of this attempt."""
    retry_of: str = ""
    """The ended run that this one tries again."""
    feedback: Mapping[str, str] = field(default_factory=dict[str, str])
    """Links by which whoever reads the stream says what they think of the run, by key."""
    checkpoint: Mapping[str, str] | None = None
    """`checkpoint_id` and `checkpoint_ns` to start from; None starts from the thread's newest."""
    interrupt_before: Sequence[str] | Literal["*"] = ()
    interrupt_after: Sequence[str] | Literal["*"] = ()
    left: str = "the turn was ended"
    """Why what waits is left without a decision, by a run that does nothing but end it."""
    control: RunControl | None = None
    """By which the attempt is asked to stop at the next superstep."""

    @property
    def longest_s(self) -> float:
        """Wall clock that this attempt may take."""
        left = max(self.seconds - self.spent_s, 0.0)
        return left if self.timeout_s is None else min(left, self.timeout_s)

    def overdue(self) -> BudgetExhausted | RunTimeout:
        """What ends an attempt that takes longer."""
        if self.timeout_s is not None and self.timeout_s <= self.longest_s:
            return RunTimeout(self.timeout_s)
        return BudgetExhausted("seconds", spent=self.seconds, allowed=self.seconds)

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


async def stream(graph: Graph, plan: RunPlan) -> AsyncGenerator[Event]:
    """Run `graph` and yield what happens, as it happens.

    Raises whatever the graph raises; BudgetExhausted when `plan.seconds` are over, RunTimeout after `plan.timeout_s`,
    and LangGraph's GraphDrained once `plan.control` was asked to drain and the superstep is over.
    """
    yield RunStarted(run_id=plan.run_id, attempt=plan.attempt)
    if plan.feedback:
        yield FeedbackAsked(links=plan.feedback)
    ends_at = asyncio.get_running_loop().time() + plan.longest_s
    async with aclosing(_parts(graph, plan)) as parts:
        while (part := await _next(parts, plan, ends_at)) is not None:
            yield part


async def _next(parts: AsyncGenerator[Part], plan: RunPlan, ends_at: float) -> Part | None:
    """The next part, or None after the last. A deadline around all of them would cut off whoever takes them instead."""
    deadline = asyncio.timeout_at(ends_at)
    try:
        async with deadline:
            part = await anext(parts, None)
    except TimeoutError:
        if not deadline.expired():
            raise
        raise plan.overdue() from None
    if part is not None and asyncio.get_running_loop().time() > ends_at:
        raise plan.overdue()  # of a graph that never waits, or of one whose parts are taken slowly
    return part


async def stopped_early(graph: Graph, thread_id: str) -> bool:
    """Whether the thread's newest state has nodes that come next: a breakpoint stopped it."""
    return bool((await snapshot_of(graph, thread_id)).next)


async def waiting_interrupts(graph: Graph, thread_id: str) -> Sequence[WaitingInterrupt]:
    """The questions on the thread that nobody has answered, those of sub-graphs included."""
    return waiting_in(await snapshot_of(graph, thread_id))


def waiting_in(snapshot: StateSnapshot) -> Sequence[WaitingInterrupt]:
    """The questions in a state that nobody has answered."""
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


async def _start(graph: Graph, plan: RunPlan) -> tuple[Any, RunnableConfig]:
    """Input and configuration to start with; after a lost worker, what was given may be in the checkpoints already."""
    config = plan.config()
    chosen: RunnableConfig = {
        **config,
        "configurable": {**config.get("configurable", {}), **(plan.checkpoint or {})},
    }
    again = plan.attempt > 1 or bool(plan.retry_of)
    begun = again and await _has_begun(graph, plan)
    if _only_ends(plan.input):
        await (answered(graph, config, plan.left) if begun else end(graph, chosen, plan.left))
        return None, config
    if not again:
        if isinstance(plan.input, Command) and isinstance(plan.input.resume, dict):
            # An answer that waited behind another may find its question gone: that is an error, and no answer to none.
            chosen["configurable"][CONFIG_KEY_STRICT_RESUME] = True
        return plan.input, chosen
    if not isinstance(plan.input, Command):
        return (None, config) if begun else (plan.input, chosen)
    rest = await _rest(graph, plan, plan.input, begun=begun)
    return rest, config if begun or rest is None else chosen


async def _has_begun(graph: Graph, plan: RunPlan) -> bool:
    """Whether the thread's newest checkpoint is the run's, or that of the one it tries again."""
    return ((await snapshot_of(graph, plan.thread_id)).metadata or {}).get("run_id") in {plan.run_id, plan.retry_of}


def _only_ends(given: Any) -> bool:
    """Whether what comes next is to be left undone: as a command, LangGraph doesn't know the jump to its end."""
    return isinstance(given, Command) and not given.update and given.resume is None and given.goto in (END, [END])


async def _rest(graph: Graph, plan: RunPlan, command: Command[Any], *, begun: bool) -> Command[Any] | None:
    """What of a command has not been taken in yet. Its answers stay until their node ends, the rest until its step."""
    resume = command.resume
    if isinstance(resume, dict):
        answers = cast("dict[str, Any]", resume)
        waiting = {one.interrupt_id for one in await waiting_interrupts(graph, plan.thread_id)}
        resume = {key: answer for key, answer in answers.items() if key in waiting} or None
    elif begun:
        resume = None
    written = begun or await _is_written(graph, plan, command)
    update, goto = (None, ()) if written else (command.update, command.goto)
    return Command(resume=resume, update=update, goto=goto) if resume is not None or update or goto else None


async def _is_written(graph: Graph, plan: RunPlan, command: Command[Any]) -> bool:
    """Whether what the command changes waits on the newest checkpoint; given again, it would be done twice."""
    changes = Command(update=command.update, goto=command.goto)
    wanted = Counter(channel for _, channel, _ in map_command(changes))
    if not wanted or plan.checkpoint or not isinstance(graph.checkpointer, BaseCheckpointSaver):
        return False
    found = await graph.checkpointer.aget_tuple({"configurable": {"thread_id": plan.thread_id, "checkpoint_ns": ""}})
    writes = (found.pending_writes if found else None) or ()
    return wanted <= Counter(channel for task_id, channel, _ in writes if task_id == NULL_TASK_ID)


async def _parts(graph: Graph, plan: RunPlan) -> AsyncGenerator[Part]:
    """The parts that were asked for, as they may leave."""
    graph_input, config = await _start(graph, plan)
    modes = langgraph_modes(plan.modes)
    options: dict[str, Any] = {
        "context": plan.context,
        "stream_mode": modes,
        "subgraphs": plan.subgraphs,
        "durability": "sync",
        "interrupt_before": plan.interrupt_before or None,
        "interrupt_after": plan.interrupt_after or None,
        "control": plan.control,
    }
    if "events" in plan.modes:
        parts = with_events(graph, graph_input, config, options)
    else:
        parts = cast("AsyncGenerator[Any]", graph.astream(graph_input, config, **options))
    async with aclosing(parts) as told:
        async for one in told:
            part = one if isinstance(one, Part) else briefed(_part(one, subgraphs=plan.subgraphs), plan.modes)
            if plan.outgoing is None:
                yield shown_in(part, plan.asks_as)
            elif plan.outgoing.lets(part):
                if (rest := plan.outgoing.before(part)) is not None:
                    yield rest
                yield shown_in(plan.outgoing.part(part), plan.asks_as)


def _part(told: Any, *, subgraphs: bool) -> Part:
    namespace, mode, data = cast("tuple[tuple[str, ...], Mode, Any]", told if subgraphs else ((), *told))
    return Part(mode=mode, namespace=namespace, data=data)
