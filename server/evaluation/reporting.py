"""Reports over what is kept: experiments by id or from files, with their datasets and trajectories."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

from motet.errors import NotFound
from motet.memory.evaluations import Experiments
from motet.observability.evaluation.example import Dataset
from motet.observability.evaluation.experiment import Experiment, trial_key
from motet.observability.evaluation.report import exported, html, junit, markdown, rows
from motet.observability.evaluation.report.report import Calibrated, Report
from motet.observability.evaluation.report.reported import reported
from motet.observability.evaluation.report.shown import Trajectories
from motet.observability.evaluation.report.table import Placed, laid_out
from motet.observability.trajectory import file
from motet.observability.trajectory.trajectory import Trajectory
from motet.server import settings
from motet.server.operating import Operating, operating

FILE = ".json"
FORMS: Mapping[str, str] = {"html": "html", "markdown": "md", "json": "json", "junit": "xml", "csv": "csv"}
"""Each form of a report, and how its file's name ends."""
_PATIENCE_S = 60.0


async def experiments_of(*named: str) -> Sequence[Experiment]:
    """Each by its id, how this begins, or a `.json` file; of a file all that it holds.

    Raises:
        NotFound, InvalidInput, StoreUnavailable.
    """
    async with AsyncExitStack() as stack:
        return [one for one, _ in await _found(stack, named)]


async def report_of(*named: str, calibration: Sequence[Calibrated] = ()) -> Report:
    """One report over all of them, with the trajectories and datasets that are kept; files alone open no Redis.

    Raises:
        NotFound, InvalidInput, StoreUnavailable.
    """
    async with AsyncExitStack() as stack:
        found = await _found(stack, named)
        experiments = [one for one, _ in found]
        datasets = [one for one in [await _dataset(one, here) for one, here in found] if one is not None]
        kept = [None if here is None else here.experiments for _, here in found]
        trajectories = _trajectories(experiments, kept, asyncio.get_running_loop()) if any(kept) else None
        return await asyncio.to_thread(
            reported, experiments, trajectories=trajectories, datasets=datasets, calibration=calibration
        )


def write(report: Report, form: str, path: Path) -> Sequence[Path]:
    """Write the report in one of the `FORMS`; folders are made. What was written: comparisons have a CSV of their own.

    Raises OSError.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    match form:
        case "html":
            path.write_text(html.page(report), "utf-8")
        case "markdown":
            path.write_text(markdown.written(report), "utf-8")
        case "junit":
            path.write_text(junit.written(report), "utf-8")
        case "csv":
            path.write_text(rows.written(report), "utf-8", newline="")
            if report.comparisons:
                beside = path.with_name(f"{path.stem}.comparisons{path.suffix}")
                beside.write_text(rows.compared(report), "utf-8", newline="")
                return path, beside
        case _:
            path.write_bytes(exported.encoded(report))
    return (path,)


async def _found(stack: AsyncExitStack, named: Sequence[str]) -> Sequence[tuple[Experiment, Operating | None]]:
    here: Operating | None = None
    found: list[tuple[Experiment, Operating | None]] = []
    for one in named:
        if one.endswith(FILE):
            found += [(each, None) for each in exported.read(Path(one))]
            continue
        here = here or await stack.enter_async_context(operating(settings.load()))
        found.append((await here.experiments.load(one), here))
    return found


async def _dataset(experiment: Experiment, here: Operating | None) -> Dataset | None:
    if here is None:
        return None
    try:
        return await here.datasets.load(experiment.plan.dataset, experiment.plan.dataset_version)
    except NotFound:
        return None


def _trajectories(
    experiments: Sequence[Experiment], kept: Sequence[Experiments | None], loop: asyncio.AbstractEventLoop
) -> Trajectories:
    """Asked for from another thread than the loop's: a report's numbers take seconds and wait for nobody."""
    placed: Mapping[str, Placed] = {one.target.name: one for one in laid_out(experiments).targets}

    def trajectory(target: str, example_id: str, repeat: int) -> Trajectory | None:
        at = placed[target]
        store = kept[at.experiment]
        if store is None:
            return None
        key = trial_key(at.told, example_id, repeat)
        asked = store.trajectory(experiments[at.experiment].plan.experiment_id, key)
        try:
            data = asyncio.run_coroutine_threadsafe(asked, loop).result(_PATIENCE_S)
        except NotFound:
            return None
        return file.parsed(data, key) if data else None

    return trajectory
