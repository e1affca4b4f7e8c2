"""An evaluator that is an asynchronous function of a trial: it asks a model, a database or somebody's code."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from motet.observability.evaluation.evaluator import Scale, Score, Trial


@dataclass(frozen=True, slots=True, kw_only=True)
class ByFunction:
    """Scores by `look`; the rest says what its scores are."""

    name: str
    scales: Mapping[str, Scale]
    look: Callable[[Trial], Awaitable[Sequence[Score]]]
    """Raises nothing: what can't be found out is a Score with `error`."""

    async def score(self, trial: Trial) -> Sequence[Score]:
        """As `look` does."""
        return await self.look(trial)
