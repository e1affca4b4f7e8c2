"""Records runs of a graph in this process, as a worker does it, and replays them."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from typing import Any
from uuid import uuid4

import orjson
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.store.base import BaseStore
from langgraph.types import Command
from tests.observability.heard import pieces_for

from motet import calls
from motet.calls import intercepted
from motet.graphs.events import Mode, encode
from motet.graphs.registry import GraphRegistry
from motet.graphs.runtime import RunPlan, stream, waiting_interrupts
from motet.memory.serde import state_serializer
from motet.observability.trajectory.contents import Contents
from motet.observability.trajectory.record import Recorder
from motet.observability.trajectory.recording_saver import RecordingSaver
from motet.observability.trajectory.recording_store import RecordingStore
from motet.observability.trajectory.records import NodeFinished, RunFinished, decode
from motet.observability.trajectory.replay.replay import replay
from motet.observability.trajectory.replay.verdict import Verdict
from motet.observability.trajectory.trajectory import Event, Trajectory, assembled
from motet.server.replaying import player

calls.install()

SERDE = state_serializer()
MODES: Sequence[Mode] = ("values", "updates", "messages")
Graph = Any
Answers = Callable[[Any], Any]


class Recording:
    """One thread of a graph, and what was recorded of its runs."""

    def __init__(
        self, graph: Graph, *, store: BaseStore | None = None, modes: Sequence[Mode] = MODES, recursion_limit: int = 60
    ) -> None:
        self._graph = graph
        self._store = store
        self._modes = modes
        self._recursion_limit = recursion_limit
        self.thread_id = str(uuid4())
        self.saver = InMemorySaver(serde=SERDE)
        self._kept: list[bytes] = []
        self._contents: dict[str, bytes] = {}
        self._events: list[Event] = []
        self.error: Exception | None = None

    async def run(self, given: Any, answer: Answers | None = None) -> Trajectory:
        """Run once, and once more for each time it asks; what was recorded of all."""
        waits = await self._run(given)
        while waits and answer is not None:
            waits = await self._run(Command(resume={key: answer(value) for key, value in waits}))
        return self.trajectory()

    def trajectory(self) -> Trajectory:
        """What was recorded since the last time it was forgotten."""
        return assembled(self._kept, self._contents, events=self._events)

    def forget(self) -> None:
        """What was recorded until now belongs to another trajectory."""
        self._kept, self._contents, self._events = [], {}, []

    async def waiting(self) -> Sequence[tuple[str, Any]]:
        """Id and value of what waits now."""
        registry = GraphRegistry({"graph": self._graph}, self.saver)
        async with registry.open("graph", checkpointer=self.saver) as graph:
            return [(one.interrupt_id, one.value) for one in await waiting_interrupts(graph, self.thread_id)]

    async def killed(self, given: Any, when: asyncio.Event) -> None:
        """Run until `when`; then the worker is gone, with all that it hadn't written, and nobody said how it ended."""
        running = asyncio.create_task(self._run(given))
        await when.wait()
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
        self._kept = [one for one in self._kept if not _of_the_end(one)]
        self._events = []

    async def taken_over(self, answer: Answers | None = None) -> Trajectory:
        """Another worker goes on with the run that was killed."""
        waits = await self._run(None, again=decode(self._kept[-1]).run_id)
        while waits and answer is not None:
            waits = await self._run(Command(resume={key: answer(value) for key, value in waits}))
        return self.trajectory()

    async def _run(self, given: Any, *, again: str = "") -> Sequence[tuple[str, Any]]:
        run_id = again or str(uuid4())
        attempt = 2 if again else 1
        recorder = Recorder(run_id, contents=Contents(SERDE), thread_id=self.thread_id, attempt=attempt)
        config = {"modes": list(self._modes), "subgraphs": True, "recursion_limit": self._recursion_limit}
        command = {"resume": given.resume} if isinstance(given, Command) else None
        recorder.run_started(graph_id="graph", input=None if command else given, command=command, config=config)
        registry = GraphRegistry({"graph": self._graph}, self.saver)
        async with registry.open("graph", checkpointer=RecordingSaver(self.saver, recorder)) as opened:
            graph = copy.copy(opened)
            if self._store is not None:
                graph.store = RecordingStore(self._store, recorder)
            plan = RunPlan(
                run_id=run_id,
                thread_id=self.thread_id,
                attempt=attempt,
                input=given,
                modes=self._modes,
                subgraphs=True,
                seconds=60,
                name="graph",
                recursion_limit=self._recursion_limit,
                callbacks=[pieces_for(recorder)],
            )
            try:
                return await self._told(graph, plan, recorder)
            finally:
                taken = recorder.take()
                self._kept += taken.records
                self._contents |= taken.contents

    async def _told(self, graph: Graph, plan: RunPlan, recorder: Recorder) -> Sequence[tuple[str, Any]]:
        self.error = None
        try:
            with intercepted([recorder]):
                async with aclosing(stream(graph, plan)) as events:
                    async for event in events:
                        name, data = encode(event)
                        at = str(len(self._events))
                        self._events.append(Event(run_id=plan.run_id, event_id=at, name=name, data=orjson.loads(data)))
        except Exception as error:  # noqa: BLE001 - a graph is anybody's code
            self.error = error
            recorder.run_finished("error", error=error)
            return ()
        except asyncio.CancelledError:
            recorder.run_finished("cancelled")
            raise
        waits = [(one.interrupt_id, one.value) for one in await waiting_interrupts(graph, plan.thread_id)]
        if waits:
            recorder.interrupted(waits)
        recorder.run_finished("interrupted" if waits else "ok")
        return waits


def _of_the_end(kept: bytes) -> bool:
    """Whether a worker that is killed doesn't come to write that."""
    record = decode(kept)
    return isinstance(record, RunFinished) or (isinstance(record, NodeFinished) and record.outcome != "ok")


async def replayed(trajectory: Trajectory, graph: Graph, **options: Any) -> Verdict:
    """Replay with that graph."""

    @asynccontextmanager
    async def opened(graph_id: str, config: Any, saver: BaseCheckpointSaver[Any]) -> AsyncGenerator[Graph]:
        async with GraphRegistry({graph_id: graph}, saver).open(graph_id, config, checkpointer=saver) as found:
            yield found

    return await replay(trajectory, player(opened), SERDE, **options)
