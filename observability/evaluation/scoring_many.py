"""Scores many recorded trajectories, a few in memory at a time."""

from __future__ import annotations

import asyncio
import multiprocessing
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from motet.errors import TrajectoryUnreadable
from motet.observability.evaluation.evaluator import Evaluator, Score, Trial
from motet.observability.evaluation.example import Example
from motet.observability.evaluation.observed import Observed
from motet.observability.evaluation.observing import observed
from motet.observability.trajectory import file

_TOGETHER = 16
"""Files that are handed to a process at once; as many as that, of each process, are in memory."""
_AHEAD = 2
"""How many such portions of each process are under way."""

Make = Callable[[], Sequence[Evaluator]]
"""Makes the evaluators where they score. For other processes it is pickled: a function of a module, or
`functools.partial(evaluators, told, Means())`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """A recorded trajectory, and the example that it is to be scored by."""

    path: Path
    """As `trajectory.file.write` writes it."""
    example: Example


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """What came of it."""

    path: Path
    example_id: str
    observed: Observed | None
    """None where the file can't be read."""
    scores: Sequence[Score]
    error: str = ""
    """Why it can't."""


async def scored(recorded: Iterable[Recorded], make: Make, *, processes: int = 1) -> AsyncIterator[Scored]:
    """The scores of each trajectory, in the order given; whatever their number, a few are in memory.

    Args:
        recorded: read as they are needed.
        make: makes the evaluators, once in each process.
        processes: how many work; 1 is this one. It pays from some hundreds on: each has to be started.
    """
    if processes == 1:
        evaluators = make()
        for one in recorded:
            yield await _scored(one, evaluators)
        return
    # Forking a process that has threads is unsafe, and this one may have any.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=context, initializer=_begin, initargs=(make,)) as pool:
        loop = asyncio.get_running_loop()
        under_way: deque[asyncio.Future[Sequence[Scored]]] = deque()
        for portion in _portions(recorded):
            under_way.append(loop.run_in_executor(pool, _portion_scored, portion))
            if len(under_way) > processes * _AHEAD:
                for one in await under_way.popleft():
                    yield one
        while under_way:
            for one in await under_way.popleft():
                yield one


async def _scored(one: Recorded, evaluators: Sequence[Evaluator]) -> Scored:
    try:
        seen = observed(file.read(one.path))
    except TrajectoryUnreadable as error:
        return Scored(path=one.path, example_id=one.example.example_id, observed=None, scores=(), error=str(error))
    trial = Trial(example=one.example, observed=seen)
    scores = [score for evaluator in evaluators for score in await evaluator.score(trial)]
    return Scored(path=one.path, example_id=one.example.example_id, observed=seen, scores=scores)


def _portions(recorded: Iterable[Recorded]) -> Iterator[Sequence[Recorded]]:
    left = iter(recorded)
    while portion := list(islice(left, _TOGETHER)):
        yield portion


_made: list[Evaluator] = []
"""Of this process, which does nothing else."""


def _begin(make: Make) -> None:
    _made.extend(make())


def _portion_scored(portion: Sequence[Recorded]) -> Sequence[Scored]:
    async def every() -> Sequence[Scored]:
        return [await _scored(one, _made) for one in portion]

    return asyncio.run(every())
