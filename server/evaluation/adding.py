"""From runs to a dataset: all of them, or none."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Protocol

from motet.errors import CallerError, InvalidInput, NotFound
from motet.memory.evaluations import Datasets, DatasetVersion
from motet.observability.evaluation.example import Example
from motet.observability.evaluation.from_trajectory import example_of
from motet.observability.evaluation.observing import observed
from motet.observability.evaluation.personal_data import OnPersonalData, treated
from motet.observability.trajectory import file
from motet.observability.trajectory.trajectory import Trajectory
from motet.server.trajectories import Findable, found
from motet.server.trajectory_source import FILE


class Addable(Findable, Protocol):
    """What knows runs, and where datasets are kept."""

    @property
    def datasets(self) -> Datasets:
        """Where they are kept."""
        ...


async def add_runs(
    here: Addable,
    name: str,
    runs: Sequence[str],
    *,
    tags: Iterable[str] = (),
    split: str = "",
    on_personal_data: OnPersonalData | None = None,
    change: Callable[[str, Example], Example] | None = None,
    skipped: Callable[[str, CallerError], None] | None = None,
    note: str = "",
) -> DatasetVersion:
    """Make what runs did examples of a dataset: its newest version has them and all that the one before had.

    A run's example takes the place of the one that it is already. Where one run can't be added, none is.

    Args:
        here: an installation.
        name: the dataset, which need not be there yet.
        runs: their ids, or how these begin, or exported `.jsonl` files; any of those that belong together.
        tags: of all their examples.
        split: of all their examples.
        on_personal_data: what becomes of it; refused, unless told.
        change: makes of a run, as it is told in `runs`, and its example the one that is added; it is looked through
            for personal data as it is then.
        skipped: is told of each run that can't be added, and why; the others are.
        note: what the version is.

    Raises:
        InvalidInput, HoldsPersonalData, NotFound, TrajectoryUnreadable: a run can't be added, or, with `skipped`, none.
        InvalidConfig: several runs begin so.
    """
    on = on_personal_data or OnPersonalData()
    new: dict[str, Example] = {}
    told = list(tags)
    for run in runs:
        try:
            trajectory = await _trajectory(here, run)
            example = example_of(trajectory, observed(trajectory), tags=told, split=split)
            example = treated(change(run, example) if change else example, on)
        except CallerError as error:
            if skipped is None:
                raise
            skipped(run, error)
        else:
            new[example.example_id] = example
    if not new:
        raise InvalidInput("RUN", list(runs), "at least one run that can be added")
    try:
        before = (await here.datasets.load(name)).examples
    except NotFound:
        before = ()
    kept = [new.pop(one.example_id, one) for one in before]
    return await here.datasets.save(name, [*kept, *new.values()], note=note)


async def _trajectory(here: Addable, run: str) -> Trajectory:
    return file.read(Path(run)) if run.endswith(FILE) else await found(here, run, events=False)
