"""Trials that are made now: runs on the installation's queue."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from io import BytesIO

from motet.errors import DataDamaged, InvalidInput, NotFound, TrajectoryUnreadable
from motet.observability.evaluation.observed import Observed
from motet.observability.evaluation.observing import observed
from motet.observability.trajectory import file
from motet.server.evaluation.bench import Bench
from motet.server.evaluation.case import Case, request_of
from motet.server.evaluation.driving import Seen
from motet.server.evaluation.trying import Ended, Trying
from motet.server.evaluation.unworked import Unworked


class Live:
    """Makes trials, or takes up those that were made."""

    def __init__(self, bench: Bench, warn: Callable[[str], None], *, timeout_s: float | None = None) -> None:
        """`warn` is told when nobody works the runs; a run that is worked for longer than `timeout_s` is ended."""
        self._bench = bench
        self._timeout_s = timeout_s
        self._unworked = Unworked(bench.inspection, warn)

    @asynccontextmanager
    async def underway(self, at_once: int) -> AsyncGenerator[None]:
        """Work runs where graphs are loaded, and look whether anybody does."""
        async with self._bench.working(at_once):
            watch = asyncio.create_task(self._unworked.watch())
            try:
                yield
            finally:
                watch.cancel()
                await asyncio.gather(watch, return_exceptions=True)

    def check(self, case: Case) -> None:
        """Refuse what a client would be refused, as far as that is known here. Raises InvalidInput."""
        request_of(case, self._bench.graphs)

    async def seen(self, case: Case) -> Seen:
        """What became of a trial.

        Raises:
            InvalidInput: its worker doesn't know the assistant, so no trial of this target can go better.
            StoreUnavailable: Redis was away for too long.
        """
        trying = Trying(self._bench, case, timeout_s=self._timeout_s)
        with self._unworked.during(case):
            ended = await trying.to_end()
        if ended.known_graphs:
            raise InvalidInput("--target", case.target.assistant, ended.known_graphs)
        try:
            trajectory = await trying.trajectory()
            whole = BytesIO()
            file.write(trajectory, whole)
            told = observed(trajectory)
        except (NotFound, TrajectoryUnreadable, DataDamaged) as error:
            why = ended.failed or f"{type(error).__name__}: {error}"
            return Seen(observed=_unseen(case, ended, why))
        if ended.failed:
            told = replace(told, outcome="error", error=ended.failed)
        return Seen(observed=told, trajectory=whole.getvalue(), span=trajectory.started.span)


def _unseen(case: Case, ended: Ended, why: str) -> Observed:
    return Observed(
        graph_id=case.target.assistant,
        run_ids=tuple(ended.run_ids),
        thread_id=case.thread_id,
        outcome="error",
        error=why,
        input=case.example.input,
    )
