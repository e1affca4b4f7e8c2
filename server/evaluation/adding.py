"""From runs to a dataset: all of them, or none."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from motet.errors import CallerError, DatasetMovedOn, InvalidInput, NotFound
from motet.memory.evaluations import Datasets, DatasetVersion
from motet.observability.evaluation.example import Dataset, Example
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

    A run's example takes the place of the one that it is already. Where one run can't be added, none is. What somebody
    else adds at the same time stays.

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
    while True:
        try:
            return await _added(here.datasets, name, new, note)
        except DatasetMovedOn:
            continue


async def _added(datasets: Datasets, name: str, new: Mapping[str, Example], note: str) -> DatasetVersion:
    """The version with these and all that there were; raises DatasetMovedOn where somebody else added meanwhile."""
    try:
        before = await datasets.load(name)
    except NotFound:
        before = Dataset(name=name, version="", examples=())
    ids = {one.example_id for one in before.examples}
    kept = [new.get(one.example_id, one) for one in before.examples]
    added = [one for one in new.values() if one.example_id not in ids]
    return await datasets.save(name, [*kept, *added], note=note, after=before.version)


async def _trajectory(here: Addable, run: str) -> Trajectory:
    return file.read(Path(run)) if run.endswith(FILE) else await found(here, run, events=False)
