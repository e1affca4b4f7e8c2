"""Follows what runs do, record by record, while they do it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass, field

from motet.errors import NotFound, TrajectoryUnreadable
from motet.memory.trajectories import StoredTrajectory
from motet.observability.trajectory.records import Record, Ref, RunFinished, decode
from motet.observability.trajectory.trajectory import Trajectory
from motet.observability.trajectory.tree_detail import Telling
from motet.server.operating import Operating
from motet.server.run_report import ENDED

LEAST_S = 0.25
"""Between two looks."""
_SHARE = 20
"""A look that takes long is followed by a pause so many times as long."""
_LATE_S = 5.0
"""A run's last records are written a moment after its end."""


@dataclass(slots=True)
class Followed:
    """One run, as far as it was told."""

    run_id: str
    told: int = 0
    ended: bool = False
    contents: dict[Ref, bytes] = field(default_factory=dict[Ref, bytes])

    def __post_init__(self) -> None:
        self.telling = Telling(Trajectory(records=(), contents=self.contents))
        """Says what is particular to each record."""

    telling: Telling = field(init=False)

    def take(self, stored: StoredTrajectory) -> list[Record]:
        """The records that are new. Raises TrajectoryUnreadable: one isn't of a version known here."""
        self.contents |= stored.contents
        new, self.told = stored.records[self.told :], len(stored.records)
        try:
            records = [decode(one) for one in new]
        except ValueError as error:
            raise TrajectoryUnreadable(f"run {self.run_id}", f"a record can't be read: {error}") from error
        self.ended = self.ended or any(isinstance(one, RunFinished) for one in records)
        return records


async def of_run(
    here: Operating, thread_id: str, run_id: str, waits: Callable[[], None]
) -> AsyncGenerator[tuple[Followed, Record]]:
    """What a run does, from its first record until it has ended; `waits` hears once that nothing is there yet.

    Raises:
        NotFound: the run ended, and nothing is kept of what it did.
    """
    followed = Followed(run_id)
    ended_at: float | None = None
    silent = True
    while True:
        began = time.monotonic()
        over = await _over(here, thread_id, run_id)
        for record in await _look(here, thread_id, followed):
            silent = False
            yield followed, record
        ended_at = None if not over else ended_at or time.monotonic()
        if ended_at is not None and (followed.ended or time.monotonic() - ended_at > _LATE_S):
            if not followed.told:
                raise NotFound("trajectory", run_id)
            return
        if silent:
            waits()
            silent = False
        await _pause(began)


async def of_thread(
    here: Operating, thread_id: str, follows: Callable[[], None]
) -> AsyncGenerator[tuple[Followed, Record]]:
    """What the thread's runs do from now on, those that begin later too; without end.

    `follows` hears once what "now" is: no run that begins after that is missed, however short it is.

    Raises:
        StoreUnavailable.
    """
    done = {one for one in await here.trajectories.runs(thread_id) if await _over(here, thread_id, one)}
    follows()
    watched: dict[str, Followed] = {}
    while True:
        began = time.monotonic()
        kept: Mapping[str, str] = await here.trajectories.runs(thread_id)
        for run_id in kept:
            if run_id in done:
                continue
            followed = watched.setdefault(run_id, Followed(run_id))
            over = await _over(here, thread_id, run_id)
            for record in await _look(here, thread_id, followed):
                yield followed, record
            if over and followed.ended:
                done.add(run_id)
                del watched[run_id]
        await _pause(began)


async def _look(here: Operating, thread_id: str, followed: Followed) -> list[Record]:
    try:
        return followed.take(await here.trajectories.read(thread_id, followed.run_id))
    except NotFound:
        return []


async def _over(here: Operating, thread_id: str, run_id: str) -> bool:
    try:
        return (await here.runs.get(thread_id, run_id)).status in ENDED
    except NotFound:
        return True


async def _pause(began: float) -> None:
    await asyncio.sleep(max(LEAST_S, _SHARE * (time.monotonic() - began)))
