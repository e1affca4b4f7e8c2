"""Makes one trial's runs and follows them to their end, or takes up those that were made before."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import dataclass, field
from functools import partial

from motet.errors import Conflict, InvalidInput, NotFound, RunOver
from motet.memory.ports import Json, Run
from motet.observability.trajectory.trajectory import Trajectory
from motet.server.evaluation.answering import answered
from motet.server.evaluation.bench import Bench
from motet.server.evaluation.case import Case, request_of
from motet.server.evaluation.patience import patiently
from motet.server.trajectories import trajectory_of


@dataclass(slots=True, kw_only=True)
class Ended:
    """How a trial ended."""

    run_ids: list[str] = field(default_factory=list[str])
    failed: str = ""
    """Why, where its last run failed or the trial couldn't go on; empty where it ended well, or with a question."""
    known_graphs: str = ""
    """Where its worker didn't know the assistant: which ones it does."""
    waits: bool = False
    """Its last run asked what nobody answers."""


class Trying:
    """One trial."""

    def __init__(self, bench: Bench, case: Case, *, timeout_s: float | None = None) -> None:
        """`timeout_s`: a run that is worked for longer is ended, and its trial failed."""
        self._bench = bench
        self._case = case
        self._timeout_s = timeout_s
        self._given = 0
        """How many of the example's answers were given."""

    async def to_end(self) -> Ended:
        """Have its runs worked, and answer their questions.

        Raises:
            StoreUnavailable: Redis was away for longer than is waited for.
        """
        ended = Ended()
        try:
            run = await self._first()
            while run is not None:
                ended.run_ids.append(run)
                if await self._followed(run, ended):
                    return ended
                run = await self._next(len(ended.run_ids))
        except (InvalidInput, Conflict, NotFound) as error:
            ended.failed = f"{type(error).__name__}: {error}"
            return ended
        ended.waits = True
        await self._ask_end(ended.run_ids[-1])
        return ended

    async def trajectory(self) -> Trajectory:
        """What all its runs did. Raises NotFound, TrajectoryUnreadable, DataDamaged, StoreUnavailable."""
        case = self._case
        return await patiently(lambda: trajectory_of(self._bench, case.thread_id, case.run_id(0), events=False))

    async def _first(self) -> str:
        """The id of its first run, which is made unless it was; one whose record is gone isn't made again."""
        case, bench = self._case, self._bench
        if case.run_id(0) not in await patiently(lambda: bench.trajectories.runs(case.thread_id)):
            request = request_of(case, bench.graphs)
            await patiently(lambda: bench.create(request, new_thread=case.metadata))
        return case.run_id(0)

    async def _next(self, number: int) -> str | None:
        """The id of the run that gives the next answers; None where there are no more answers, or no question."""
        case, bench = self._case, self._bench
        left = case.example.answers[self._given :]

        async def answer() -> Run | None:
            return await self._run(case.run_id(number)) or await answered(bench, case, number, left)

        run = await patiently(answer)
        if run is None:
            return None
        self._given += len(run.request.answers or ())
        return case.run_id(number)

    async def _followed(self, run_id: str, ended: Ended) -> bool:
        """Wait for a run's end; whether it is the trial's."""
        if not await self._over(run_id):
            ended.failed = f"Timeout: it was worked for more than {self._timeout_s:g} s"
            await self._cancelled(run_id)
            return True
        run = await self._run(run_id)
        if run is None:
            return True  # so long ago that only its trajectory is left
        if run.status in {"error", "timeout"}:
            ended.known_graphs = _known_graphs(run)
            ended.failed = _named(run.error) or run.status
        return run.status != "interrupted"

    async def _over(self, run_id: str) -> bool:
        """Wait for a run's end; False: it was worked for too long. How long it waits to be worked doesn't count."""
        while True:
            limit = asyncio.timeout(None)
            try:
                async with limit:
                    await patiently(partial(self._end, run_id, limit))
            except TimeoutError:
                run = await self._run(run_id)
                if run is not None and run.status == "pending":
                    continue  # its worker was lost
                return run is None or run.status != "running"
            return True

    async def _end(self, run_id: str, limit: asyncio.Timeout | None = None) -> None:
        """Read a run's events to the last one; from the first one on there is a limit."""
        try:
            async with aclosing(self._bench.events.batches(self._case.thread_id, run_id)) as batches:
                async for _ in batches:
                    if limit is not None and limit.when() is None and self._timeout_s is not None:
                        limit.reschedule(asyncio.get_running_loop().time() + self._timeout_s)
        except NotFound:
            return

    async def _run(self, run_id: str) -> Run | None:
        try:
            return await patiently(lambda: self._bench.runs.get(self._case.thread_id, run_id))
        except NotFound:
            return None

    async def _cancelled(self, run_id: str) -> None:
        """Have a run end, and wait until it has: what it did belongs to the trial."""
        await self._ask_end(run_id)
        await patiently(lambda: self._end(run_id))

    async def _ask_end(self, run_id: str) -> None:
        """Nobody is to work it further, nor to be asked what it asked."""
        case, bench = self._case, self._bench
        try:
            await patiently(lambda: bench.runs.cancel(case.thread_id, run_id, "interrupt", who=case.who))
        except (RunOver, NotFound):
            return


def _known_graphs(run: Run) -> str:
    """Which there are, where its error is what `GraphRegistry.open` says of one that it hasn't."""
    refused, told = str(InvalidInput("graph_id", run.request.graph_id, "")), run.error or {}
    said = str(told.get("message")) if told.get("error") == InvalidInput.__name__ else ""
    return said.removeprefix(refused) if said.startswith(refused) else ""


def _named(error: Json | None) -> str:
    return "" if error is None else f"{error.get('error', 'error')}: {error.get('message', '')}"
