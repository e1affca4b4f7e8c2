"""What the first target made of each example, for evaluators that compare others with it."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from motet.errors import NotFound
from motet.memory.evaluations import Experiments
from motet.observability.evaluation.evaluator import Trial
from motet.observability.evaluation.experiment import Experiment
from motet.observability.evaluation.observed import Observed
from motet.observability.evaluation.observing import observed
from motet.observability.trajectory import file
from motet.server.evaluation.case import Case
from motet.server.evaluation.patience import patiently


class Baselines:
    """Trials of the first target, as they were kept."""

    def __init__(self, experiment: Experiment, experiments: Experiments, *, wanted: bool) -> None:
        """Without `wanted` nobody asks for any."""
        self._plan = experiment.plan
        self._experiments = experiments
        self._wanted = wanted and len(experiment.plan.targets) > 1
        self._kept: dict[str, asyncio.Event] = {}
        for one in experiment.results:
            self.kept(one.key)

    def kept(self, key: str) -> None:
        """The trial `key` has its result."""
        if self._wanted:
            self._kept.setdefault(key, asyncio.Event()).set()

    async def beside(self, case: Case) -> Trial | None:
        """The first target's trial of the same example at the same time, once that is kept; None for its own.

        That trial begins before: whoever waits here holds up nobody.
        """
        baseline = self._plan.targets[0]
        if not self._wanted or case.target == baseline:
            return None
        other = replace(case, target=baseline)
        await self._kept.setdefault(other.key, asyncio.Event()).wait()
        return other.trial(await self._seen(other))

    async def _seen(self, case: Case) -> Observed:
        try:
            data = await patiently(lambda: self._experiments.trajectory(self._plan.experiment_id, case.key))
        except NotFound:
            data = b""
        if not data:
            return Observed(graph_id=case.target.assistant, run_ids=(), thread_id=case.thread_id, outcome="error")
        return observed(file.parsed(data, case.key))
