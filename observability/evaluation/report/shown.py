"""Which examples are worth a look: where targets did worst, and where they differ most."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from statistics import fmean

from motet.errors import TrajectoryUnreadable
from motet.observability.evaluation.example import Example
from motet.observability.evaluation.experiment import TrialResult
from motet.observability.evaluation.report import figures
from motet.observability.evaluation.report.estimates import bounds_of
from motet.observability.evaluation.report.metrics import Metric, score_of, value_of
from motet.observability.evaluation.report.report import Parted, Shown, Side
from motet.observability.evaluation.report.side_by_side import asked, parted, question, shortened, steps_alone
from motet.observability.evaluation.report.table import Table
from motet.observability.trajectory.trajectory import Trajectory

Trajectories = Callable[[str, str, int], Trajectory | None]
"""By the target's name in the report, the example's id and the repeat."""

WORST, CHANGED = 5, 5
"""How many are shown."""
_TEXT = 4000
"""Characters of an answer, an input, a reference."""


class Looked:
    """Chooses examples of a table, and lays their trials side by side."""

    def __init__(
        self, table: Table, trajectories: Trajectories | None, examples: Mapping[str, Example] | None = None
    ) -> None:
        self._table = table
        self._trajectories = trajectories
        self._examples = examples or {}
        self._quality = [one for one in table.metrics if one.of == "quality"]
        self._spans = {one.key: self._span(one) for one in self._quality}

    def worst(self) -> Sequence[Shown]:
        """Those with the lowest scores over all targets, the worst first; not those that lost nothing."""
        losses = {one: self._loss(trials) or 0.0 for one, trials in self._trials().items()}
        chosen = sorted((one for one, loss in losses.items() if loss > 0), key=lambda one: (-losses[one], one))
        return [
            self._shown(one, f"lacks {100 * losses[one]:.0f} % of the best possible, over all targets and metrics")
            for one in chosen[:WORST]
        ]

    def changed(self) -> Sequence[Shown]:
        """Those on which a target and the baseline differ most, the largest difference first."""
        baseline, *others = self._table.names
        found: list[tuple[float, str, str]] = []
        for example in self._table.examples:
            before = self._loss(self._table.trials[baseline].get(example, ()))
            for name in others:
                after = self._loss(self._table.trials[name].get(example, ()))
                if before is not None and after is not None and before != after:
                    found.append((before - after, example, name))
        found.sort(key=lambda one: (-abs(one[0]), one[1], one[2]))
        shown: dict[str, Shown] = {}
        for gain, example, name in found:
            if example not in shown and len(shown) < CHANGED:
                word = "better" if gain > 0 else "worse"
                why = f"{name} is {100 * abs(gain):.0f} points {word} than {baseline}, over all metrics of quality"
                shown[example] = self._shown(example, why, beside=name)
        return list(shown.values())

    def _trials(self) -> Mapping[str, Sequence[TrialResult]]:
        return {
            example: [one for name in self._table.names for one in self._table.trials[name].get(example, ())]
            for example in self._table.examples
        }

    def _loss(self, trials: Sequence[TrialResult]) -> float | None:
        """What trials lack of the best in all metrics of quality: 0 to 1; None without values."""
        lost: list[float] = []
        for trial in trials:
            for metric in self._quality:
                found, (low, high) = value_of(trial, metric), self._spans[metric.key]
                if found.status == "value" and high > low:
                    share = (found.number - low) / (high - low)
                    lost.append(1 - share if metric.better > 0 else share)
        return fmean(lost) if lost else None

    def _span(self, metric: Metric) -> tuple[float, float]:
        """The scale's bounds; what was seen where it has none."""
        told = bounds_of(metric)
        seen = [one for name in self._table.names for one in self._table.means(name, metric.key).values()]
        low, high = (min(seen), max(seen)) if seen else (0.0, 0.0)
        return (told[0] if told[0] > float("-inf") else low), (told[1] if told[1] < float("inf") else high)

    def _shown(self, example: str, why: str, *, beside: str = "") -> Shown:
        trials = self._chosen(example, beside)
        told = self._examples.get(example)
        laid, without = self._laid(trials)
        return Shown(
            example_id=example,
            why=why,
            tags=self._table.tags.get(example, ()),
            input=shortened(question(told.input), _TEXT) if told is not None else self._input(trials),
            reference="" if told is None or told.reference is None else shortened(told.reference, _TEXT),
            sides=[self._side(name, trial) for name, trial in trials],
            parted=laid,
            without=without,
        )

    def _chosen(self, example: str, beside: str) -> Sequence[tuple[str, TrialResult]]:
        """Two trials: the baseline's and the target's, as unlike in score as they come; of one target its extremes."""
        baseline, *others = self._table.names
        if not others:
            ordered = self._ordered(baseline, example)
            pair = [ordered[0], ordered[-1]] if len(ordered) > 1 else ordered
            return [(baseline, one) for one in pair]
        name = beside or max(others, key=lambda one: self._loss(self._table.trials[one].get(example, ())) or 0.0)
        mine, other = self._ordered(name, example), self._ordered(baseline, example)
        worse = (self._loss(mine) or 0.0) > (self._loss(other) or 0.0)
        picked = ((baseline, other, 0 if worse else -1), (name, mine, -1 if worse else 0))
        return [(who, trials[at]) for who, trials, at in picked if trials]

    def _ordered(self, target: str, example: str) -> Sequence[TrialResult]:
        """The best first."""
        trials = self._table.trials[target].get(example, ())
        return sorted(trials, key=lambda one: (self._loss([one]) or 0.0, one.repeat))

    def _side(self, target: str, trial: TrialResult) -> Side:
        scores: list[tuple[str, str, str]] = []
        for metric in self._quality:
            score = score_of(trial, metric)
            if score is None:
                continue
            value = "yes" if score.value is True else "no" if score.value is False else score.value
            text = figures.plain(value) if isinstance(value, float) else figures.NONE if value is None else str(value)
            scores.append((metric.key, text, shortened(score.error or score.comment, _TEXT)))
        return Side(
            target=target,
            repeat=trial.repeat,
            outcome=trial.outcome,
            error=shortened(trial.error, _TEXT),
            answer=shortened(trial.answer, _TEXT),
            scores=scores,
            seconds=trial.seconds,
            tokens=trial.tokens,
            cost_usd=trial.cost_usd,
            run_ids=trial.run_ids,
        )

    def _laid(self, trials: Sequence[tuple[str, TrialResult]]) -> tuple[Parted | None, str]:
        if self._trajectories is None:
            return None, "The trajectories weren't at hand when this report was made."
        found = [self._trajectories(name, one.example_id, one.repeat) for name, one in trials]
        kept = [one for one in found if one is not None]
        if len(kept) < len(found) or not kept:
            return None, "No trajectory is kept of one of these trials."
        try:
            return (parted(kept[0], kept[1]) if len(kept) > 1 else steps_alone(kept[0])), ""
        except TrajectoryUnreadable as error:
            return None, str(error)

    def _input(self, trials: Sequence[tuple[str, TrialResult]]) -> str:
        if self._trajectories is None:
            return ""
        for name, one in trials:
            found = self._trajectories(name, one.example_id, one.repeat)
            if found is not None:
                try:
                    given = asked(found)
                except TrajectoryUnreadable:
                    continue
                return "" if given is None else shortened(question(given), _TEXT)
        return ""
