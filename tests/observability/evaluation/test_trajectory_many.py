"""Many recorded trajectories, scored by every evaluator that needs no model."""

from __future__ import annotations

import functools
import resource
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Any

import pytest
from tests.models import asked
from tests.observability import patterns
from tests.observability.by_hand import team, weather
from tests.observability.random_graphs import random_graph
from tests.observability.recording import Recording
from tests.observability.weather import supervisor

from motet.observability.evaluation.evaluator import Means
from motet.observability.evaluation.example import Example
from motet.observability.evaluation.observing import observed
from motet.observability.evaluation.registry import evaluators
from motet.observability.evaluation.scoring_many import Recorded, Scored, scored
from motet.observability.trajectory import file
from motet.observability.trajectory.trajectory import Trajectory

TOLD = (
    *("trajectory", "trajectory:mode=unordered", "trajectory_graded", "graph_path", "efficiency", "tool_correctness"),
    *("argument_correctness", "handoffs", "recovery", "budget", "approval", "effects", "outcome"),
    *("exact", "regex:pattern=o", "string_distance"),
)
MAKE = functools.partial(evaluators, TOLD, Means())


async def recorded_runs() -> Sequence[Trajectory]:
    """A handful of real ones, short and long, with tools, sub-agents, questions and errors."""
    graphs = [patterns.agent_with_tools(), patterns.supervisor(), patterns.handing_over(), patterns.asking()]
    graphs += [patterns.failing(), patterns.map_reduce(), supervisor()]
    graphs += [random_graph(shape, Random(shape)) for shape in (5, 11, 13, 17)]  # noqa: S311 - shapes, no secrets
    runs = [await Recording(graph).run(asked("go"), lambda _: "yes") for graph in graphs]
    return [*runs, team(), weather()]


async def written(folder: Path, count: int) -> Sequence[Recorded]:
    """So many files, with what became of each as its example."""
    made: list[Recorded] = []
    for n, run in enumerate(await recorded_runs()):
        path = folder / f"{n}.jsonl"
        with path.open("wb") as opened:
            file.write(run, opened)
        made.append(Recorded(path=path, example=example_of(run, str(n))))
    files: list[Recorded] = []
    for n in range(count):
        one = made[n % len(made)]
        files.append(Recorded(path=Path(shutil.copyfile(one.path, folder / f"copy-{n}.jsonl")), example=one.example))
    return files


def example_of(run: Trajectory, name: str) -> Example:
    """An example whose reference is the run itself."""
    seen = observed(run)
    effects = [one.tool for one in seen.tool_calls if one.effect != "none" and one.outcome == "ok"]
    return Example(
        example_id=name,
        input={},
        reference=seen.answer,
        trajectory=seen.messages,
        path=seen.path,
        expect={"handoffs": [list(one) for one in seen.handoffs], "effects": effects, "outcome": seen.outcome},
    )


def resident_mb() -> float:
    """Of this process, now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 1e6


def cpu_s() -> float:
    """Of this process and of those that it started and that ended: what a busy machine doesn't lengthen."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


async def score_all(files: Sequence[Recorded], **how: Any) -> tuple[int, float, float]:
    """How many were scored, in how many seconds of CPU, and by how many MB this process grew after the first fifth."""
    count, begun, early = 0, cpu_s(), 0.0
    async for one in scored(iter(files), MAKE, **how):
        assert_agrees_with_itself(one)
        count += 1
        early = resident_mb() if count == len(files) // 5 else early
    return count, cpu_s() - begun, resident_mb() - early


def assert_agrees_with_itself(one: Scored) -> None:
    """A run is as expected where what was expected is the run."""
    values = {score.key: score.value for score in one.scores}
    assert one.error == ""
    assert not any(score.error for score in one.scores)
    for key in ("trajectory.strict", "trajectory_graded.strict", "graph_path.strict", "handoffs", "effects", "outcome"):
        assert values.get(key, True) == 1, key
    assert values["efficiency.model_calls"] is not None


async def test_recorded_trajectories_are_scored_with_flat_memory(tmp_path: Path) -> None:
    """A share of the thousand: each is scored, as fast as it must be, and memory doesn't grow with their number."""
    files = await written(tmp_path, 65)

    count, seconds, grown = await score_all(files)

    assert (count, grown < 10) == (65, True)
    assert seconds < 65 * 0.02


@pytest.mark.all(reason="takes ten seconds and more")
@pytest.mark.parametrize("processes", [1, 2])
async def test_a_thousand_are_scored_in_under_twenty_seconds(tmp_path: Path, processes: int) -> None:
    """By all offline evaluators, in this process or in two; even one core would do. Memory stays flat."""
    files = await written(tmp_path, 1000)

    count, seconds, grown = await score_all(files, processes=processes)

    assert (count, grown < 10) == (1000, True)
    assert seconds < 20


@pytest.mark.all(reason="starts processes that import everything")
async def test_other_processes_say_the_same_in_the_same_order(tmp_path: Path) -> None:
    """Whatever the number of processes; a file that can't be read is told in its place."""
    files = await with_a_broken_one(tmp_path)

    here = [one async for one in scored(_lazily(files), MAKE)]
    there = [one async for one in scored(_lazily(files), MAKE, processes=2)]

    assert here == there


async def test_a_file_that_cant_be_read_is_told_in_its_place(tmp_path: Path) -> None:
    """It has no scores, and says why; the others have theirs."""
    files = await with_a_broken_one(tmp_path)

    found = [one async for one in scored(_lazily(files), MAKE)]

    assert [one.path for one in found] == [one.path for one in files]
    assert [one.error == "" for one in found] == [at != 3 for at in range(len(files))]
    assert (found[3].observed, found[3].scores) == (None, ())
    assert "broken.jsonl" in found[3].error


async def with_a_broken_one(folder: Path) -> Sequence[Recorded]:
    """Twenty files, the fourth of which is cut off."""
    files = list(await written(folder, 20))
    broken = folder / "broken.jsonl"
    broken.write_bytes(files[0].path.read_bytes()[:-9])
    files[3] = Recorded(path=broken, example=files[0].example)
    return files


def _lazily(files: Sequence[Recorded]) -> Iterator[Recorded]:
    yield from files
