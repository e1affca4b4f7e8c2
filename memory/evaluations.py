"""Where datasets and experiments are kept: two ports."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from motet.observability.evaluation.example import Dataset, Example
from motet.observability.evaluation.experiment import Experiment, Plan, TrialResult


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetVersion:
    """One version of a dataset, without its examples."""

    name: str
    version: str
    examples: int
    created_at: str
    note: str = ""


class Datasets(Protocol):
    """Named sets of examples, whose versions never change."""

    async def save(
        self, name: str, examples: Sequence[Example], *, note: str = "", after: str | None = None
    ) -> DatasetVersion:
        """Make these the newest version; the one there is where an older one says the same. One round trip.

        With `after` only while that is the newest version, "": there is none; nothing else comes in between.

        Raises:
            InvalidInput: a name or an id isn't allowed, or two examples have one id.
            DatasetMovedOn: `after` isn't the newest version. Nothing was changed.
        """
        ...

    async def load(self, name: str, version: str = "") -> Dataset:
        """A version by its hash, or how this begins; "": the newest. Raises NotFound; InvalidInput: several do."""
        ...

    async def versions(self, name: str) -> Sequence[DatasetVersion]:
        """The newest first. Raises NotFound."""
        ...

    async def all(self) -> Sequence[DatasetVersion]:
        """The newest version of each dataset, by name."""
        ...

    async def delete(self, name: str) -> None:
        """Forget it with all its versions. Raises NotFound."""
        ...


class Experiments(Protocol):
    """Experiments, with the trajectory of each trial: they stay until they are deleted."""

    async def create(self, plan: Plan) -> None:
        """Raises AlreadyExists."""
        ...

    async def load(self, experiment_id: str) -> Experiment:
        """By its id or how this begins, with the results so far. Raises NotFound; InvalidInput: several begin so."""
        ...

    async def all(self) -> Sequence[tuple[Plan, int]]:
        """Each with how many results it has, the newest first."""
        ...

    async def record(self, experiment_id: str, result: TrialResult, trajectory: bytes = b"") -> bool:
        """Keep a trial's result with its exported trajectory, once: False where it has one, which stays.

        One round trip. Raises NotFound.
        """
        ...

    async def stop(self, experiment_id: str, reason: str) -> None:
        """Say why it goes on no more; "": it goes on again. Raises NotFound."""
        ...

    async def trajectory(self, experiment_id: str, key: str) -> bytes:
        """The exported trajectory of the trial `key`, as `motet trace export` writes it. Raises NotFound."""
        ...

    async def delete(self, experiment_id: str) -> None:
        """Forget it. Raises NotFound."""
        ...
