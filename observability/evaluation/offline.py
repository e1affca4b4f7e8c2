"""Evaluators that need nothing but the trial: the same trial has the same scores, whenever and wherever."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from motet.errors import InvalidInput
from motet.observability.evaluation.evaluator import Scale, Score, Trial

Look = Callable[[Trial], Sequence[Score]]
"""Raises InvalidInput where the example, or the run, says something that can't be understood."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Offline:
    """Scores by `look`."""

    name: str
    scales: Mapping[str, Scale]
    look: Look

    async def score(self, trial: Trial) -> Sequence[Score]:
        """As `look` does; what it can't understand is the error of each metric."""
        try:
            return self.look(trial)
        except InvalidInput as error:
            return [Score(key=key, value=None, error=str(error)) for key in self.scales]


def offline(name: str, scales: Mapping[str, Scale], look: Look) -> Offline:
    """An evaluator that scores by `look`."""
    return Offline(name=name, scales=scales, look=look)


def because(reasons: Sequence[str], otherwise: str) -> str:
    """A comment: each reason, or `otherwise` where there is none."""
    return "; ".join(reasons) if reasons else otherwise
