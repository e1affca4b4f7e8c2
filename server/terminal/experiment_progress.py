"""How an experiment goes, on standard error: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from motet.observability.evaluation.experiment import Experiment, TrialResult
from motet.server.durations import spelled
from motet.server.evaluation.driving import Pace
from motet.server.evaluation.estimate import by_results
from motet.server.evaluation.standing import passed
from motet.server.evaluation.trials import spent

_LINES = 10
"""So often it says how far it is, where there is no terminal."""
_ENOUGH = 5
"""Trials from which the rest is estimated."""


class ExperimentProgress:
    """Hears of each trial; a context."""

    def __init__(
        self,
        experiment: Experiment,
        pace: Pace,
        *,
        estimated: bool,
        also: Callable[[TrialResult], None] | None = None,
    ) -> None:
        """`estimated`: what it takes was told before; `also` hears of each trial, too."""
        self._also = also
        plan = experiment.plan
        self._plan = plan
        self._pace = pace
        self._unpriced = False
        """Whether it was told that the cap can't count all."""
        self._estimated = estimated
        self._total = len(plan.example_ids) * len(plan.targets) * plan.repeats
        self._results: list[TrialResult] = list(experiment.results)
        self._before = len(self._results)
        self._console = Console(stderr=True, highlight=False)
        self._bar: Progress | None = None
        self._task = TaskID(0)

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            told = TextColumn("{task.fields[told]}")
            columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(elapsed_when_finished=True), told)
            self._bar = Progress(*columns, console=self._console)
            self._bar.start()
            self._task = self._bar.add_task("", total=self._total, completed=self._before, told=self._told())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def scored(self, result: TrialResult) -> None:
        """A trial has its result."""
        self._results.append(result)
        if self._also is not None:
            self._also(result)
        done = len(self._results)
        if self._bar is not None:
            self._bar.update(self._task, completed=done, told=self._told())
        elif done == self._total or done * _LINES // self._total > (done - 1) * _LINES // self._total:
            self._say(f"{done}/{self._total}  {self._told()}")
        if self._pace.cap_usd is not None and result.cost_usd is None and not self._unpriced:
            self._unpriced = True
            self.warned("a model has no price: the cap counts only what those cost that have one; see MOTET_PRICES")
        if not self._estimated and len(self._new) >= _ENOUGH and done < self._total:
            self._estimate()

    def warned(self, text: str) -> None:
        """Something that a person should see to."""
        self._say(f"motet: {text}")

    @property
    def _new(self) -> Sequence[TrialResult]:
        return self._results[self._before :]

    def _say(self, text: str) -> None:
        # As it is: neither folded nor read as markup.
        self._console.print(text, markup=False, soft_wrap=True)

    def _estimate(self) -> None:
        done = Counter(one.target for one in self._results)
        each = len(self._plan.example_ids) * self._plan.repeats
        left = {one.name: each - done[one.name] for one in self._plan.targets}
        found = by_results(self._new, left, self._pace.parallel)
        if found is None:
            return
        self._estimated = True
        cost = "" if found.cost_usd is None else f", ${found.cost_usd:.4g}"
        self._say(f"The rest will take about {found.tokens:,} tokens, {spelled(found.seconds)}{cost}, {found.basis}")

    def _told(self) -> str:
        told = [passed(one, self._plan.scales) for one in self._results]
        known = [one for one in told if one is not None]
        failed = sum(1 for one in self._results if one.outcome == "error")
        cost = spent(self._results)
        parts = [
            f"{sum(known) / len(known):.0%} pass" if known else "",
            f"{failed} failed" if failed else "",
            f"${cost:.4g}" if cost else "",
        ]
        return "  ".join(one for one in parts if one)
