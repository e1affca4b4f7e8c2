"""Drives an experiment: so many trials at once, each kept as soon as it is scored, until all are or it must stop."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Protocol

from motet.errors import InvalidInput
from motet.memory.evaluations import Experiments
from motet.observability.evaluation.evaluator import Evaluator
from motet.observability.evaluation.events import EvaluationEvents
from motet.observability.evaluation.example import Example
from motet.observability.evaluation.experiment import Experiment, TrialResult
from motet.observability.evaluation.observed import Observed
from motet.observability.prices import Prices
from motet.server.evaluation.baselines import Baselines
from motet.server.evaluation.case import Case
from motet.server.evaluation.patience import patiently
from motet.server.evaluation.scoring import compares, scored
from motet.server.evaluation.trials import open_cases, spent


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What became of a trial."""

    observed: Observed
    trajectory: bytes = b""
    """As it is exported; empty where none is left."""
    span: str = ""
    """W3C traceparent of the first run's span, where it has one."""


class Source(Protocol):
    """Where trials come from: they are made, or were recorded."""

    def check(self, case: Case) -> None:
        """Refuse what can't be tried, before anything is. Raises InvalidInput."""
        ...

    def underway(self, at_once: int) -> AbstractAsyncContextManager[None]:
        """What must be while trials are made, so many at once."""
        ...

    async def seen(self, case: Case) -> Seen:
        """What became of it. Raises InvalidInput: it can't be tried, nor can others of its target; says what can."""
        ...


class Listener(Protocol):
    """Hears how an experiment goes."""

    def scored(self, result: TrialResult) -> None:
        """A trial has its result."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How it is driven, which changes nothing about what comes out."""

    parallel: int
    """Trials at once."""
    cap_usd: float | None = None
    """No trial starts when so much is spent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scoring:
    """What scores trials, and where the scores are kept."""

    evaluators: Sequence[Evaluator]
    experiments: Experiments
    prices: Prices
    events: EvaluationEvents = field(default_factory=EvaluationEvents)
    """Where scores are told of besides."""


async def drive(
    experiment: Experiment,
    examples: Mapping[str, Example],
    *,
    source: Source,
    scoring: Scoring,
    pace: Pace,
    listener: Listener,
) -> str:
    """Make the trials that have no result yet; why it stopped before the last of them, or "".

    Cancelled, it leaves what it has: whoever drives it again takes up the runs that were made.

    Raises:
        InvalidInput: an example or a target can't be worked. Nothing was made; or, where workers elsewhere said so,
            the experiment is stopped, and the trial that showed it has no result.
        SetupError: what an evaluator needs can't be had here.
        StoreUnavailable: Redis was away for too long.
    """
    left = open_cases(experiment, examples, baseline_first=compares(scoring.evaluators))
    for case in left:
        source.check(case)
    driver = _Driver(experiment, source, scoring, pace, listener)

    async def stop(reason: str) -> str:
        await patiently(lambda: scoring.experiments.stop(experiment.plan.experiment_id, reason))
        return reason

    async with source.underway(pace.parallel):
        try:
            await driver.all(deque(left))
        except InvalidInput as error:
            await stop(str(error))
            raise
    return await stop(driver.stopped)


class _Driver:
    def __init__(
        self, experiment: Experiment, source: Source, scoring: Scoring, pace: Pace, listener: Listener
    ) -> None:
        self.stopped = ""
        """Why no further trial starts."""
        self._plan = experiment.plan
        self._source = source
        self._scoring = scoring
        self._pace = pace
        self._listener = listener
        self._spent = spent(experiment.results)
        self._baselines = Baselines(experiment, scoring.experiments, wanted=compares(scoring.evaluators))

    async def all(self, left: deque[Case]) -> None:
        """Take one after the other, so many at once."""
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(self._pace.parallel):
                    group.create_task(self._some(left))
        except ExceptionGroup as several:
            raise several.exceptions[0] from None

    async def _some(self, left: deque[Case]) -> None:
        while left and not self._capped():
            case = left.popleft()
            seen = await self._source.seen(case)
            result = await self._scored(case, seen)
            await self._kept(result, seen)
            self._baselines.kept(case.key)
            self._spent += spent([result])
            self._listener.scored(result)

    async def _scored(self, case: Case, seen: Seen) -> TrialResult:
        trial = case.trial(seen.observed)
        baseline = await self._baselines.beside(case)
        return await scored(trial, self._scoring.evaluators, self._scoring.prices, baseline=baseline)

    async def _kept(self, result: TrialResult, seen: Seen) -> None:
        experiment_id, scoring = self._plan.experiment_id, self._scoring
        if await patiently(lambda: scoring.experiments.record(experiment_id, result, seen.trajectory)):
            for score in result.scores:
                scoring.events.tell(score, parent=seen.span)

    def _capped(self) -> bool:
        cap = self._pace.cap_usd
        if cap is not None and self._spent >= cap:
            self.stopped = f"the cap of ${cap:g} is reached: ${self._spent:.4g} were spent"
        return bool(self.stopped)
