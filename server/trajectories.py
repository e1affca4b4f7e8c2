"""From a run's id to what it did, with the runs around it: those whose questions it answered, and that answered its."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import orjson

from motet.errors import NotFound
from motet.graphs.events import FEEDBACK
from motet.memory.ports import END, EventReader, RunLifecycle
from motet.memory.trajectories import TrajectoryStore
from motet.observability.trajectory.redact import redacted
from motet.observability.trajectory.trajectory import Event, Trajectory, assembled


class Kept(Protocol):
    """What is read: a process' services, or what an operator's commands work with."""

    @property
    def runs(self) -> RunLifecycle:
        """Whether a run has ended."""
        ...

    @property
    def events(self) -> EventReader:
        """What its clients were told."""
        ...

    @property
    def trajectories(self) -> TrajectoryStore:
        """What it did."""
        ...


class Findable(Kept, Protocol):
    """What also knows runs by how their ids begin."""

    async def run(self, told: str) -> tuple[str, str]:
        """Thread and run."""
        ...


async def found(here: Findable, told: str, *, events: bool = True) -> Trajectory:
    """The trajectory of the one run whose id is, or begins with, `told`; as `trajectory_of`.

    Raises:
        InvalidConfig: several runs begin so.
        NotFound: none does, or nothing is kept of what it did.
        TrajectoryUnreadable, DataDamaged: see there.
    """
    try:
        thread_id, run_id = await here.run(told)
    except NotFound:
        # A run without a thread of its own has one with its id, and its record goes long before its trajectory.
        if told not in await here.trajectories.runs(told):
            raise
        thread_id = run_id = told
    return await trajectory_of(here, thread_id, run_id, events=events)


async def trajectory_of(here: Kept, thread_id: str, run_id: str, *, events: bool = True) -> Trajectory:
    """What a run did, from the run that asked first to the last that answered, as far as it is kept.

    Two round trips; with `events`, which are there for runs that have ended and not long ago, two more for each run.

    Raises:
        NotFound: nothing is kept of what the run did.
        TrajectoryUnreadable: a record isn't one of a version that is known here.
        DataDamaged: what is kept isn't what was written.
    """
    follows = await here.trajectories.runs(thread_id)
    if run_id not in follows:
        raise NotFound("trajectory", run_id)
    run_ids = episode(follows, run_id)
    kept = await here.trajectories.read(thread_id, *run_ids)
    told = [one for each in run_ids for one in await _events(here, thread_id, each)] if events else []
    return assembled(kept.records, kept.contents, events=told, name=f"run {run_id}")


def episode(follows: Mapping[str, str], run_id: str) -> Sequence[str]:
    """The runs that belong together with `run_id`, each after the one whose questions it answers.

    `follows` names for each of a thread's runs, in their order, the one that it follows, or "".
    """
    first, passed = run_id, {run_id}
    while (before := follows.get(first, "")) in follows and before not in passed:
        first = before
        passed.add(first)
    together = [first]
    while more := [one for one, before in follows.items() if before in together and one not in together]:
        together += more
    return together


async def _events(here: Kept, thread_id: str, run_id: str) -> list[Event]:
    """What the run's clients were told; nothing where that is gone, or the run goes on."""
    told: list[Event] = []
    try:
        if (await here.runs.get(thread_id, run_id)).status in {"pending", "running"}:
            return told
        async for one in here.events.read(thread_id, run_id):
            if one.name not in {
                END,
                FEEDBACK,
            }:  # links are their reader's alone, and the run's graph told nothing of them
                data = redacted(orjson.loads(one.data))
                told.append(Event(run_id=run_id, event_id=one.event_id, name=one.name, data=data))
    except NotFound:
        pass
    return told
