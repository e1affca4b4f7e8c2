"""From what people said of runs to a dataset: what they liked as it was, what they corrected as it should have been."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from motet.errors import CallerError, InvalidInput
from motet.memory.evaluations import Datasets, DatasetVersion
from motet.memory.feedback import Feedback
from motet.memory.ports import EventReader, RunLifecycle
from motet.memory.trajectories import TrajectoryStore
from motet.observability.evaluation.example import Example
from motet.observability.evaluation.personal_data import OnPersonalData
from motet.server.evaluation.adding import add_runs
from motet.server.operating import Operating

_PAGE = 1_000
_ONLY = ("answer", "reference", "output")
"""A correction that is an object with one of these names alone means what stands under it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wished:
    """Which feedback makes examples."""

    key: str
    below: float | None = None
    """Only scores less than that; a thumb is 1 or 0."""
    at_least: float | None = None
    """Only scores that are that or more: these runs did well."""
    since: datetime | None = None
    """Only what was said then or later."""

    def fits(self, one: Feedback) -> bool:
        """Whether it is wished for."""
        if self.since is not None and datetime.fromisoformat(one.created_at) < self.since:
            return False
        if self.below is None and self.at_least is None:
            return True
        score = one.score
        if score is None:
            return False
        return (self.below is None or score < self.below) and (self.at_least is None or score >= self.at_least)


async def add_judged(
    here: Operating,
    name: str,
    wished: Wished,
    *,
    tags: Sequence[str] = (),
    split: str = "",
    on_personal_data: OnPersonalData | None = None,
    skipped: Callable[[str, CallerError], None],
) -> DatasetVersion:
    """Make the runs that such feedback was given to examples of a dataset; see `add_runs` for what that does.

    A correction becomes the reference. Without one, the run's own answer and way stay the reference only where
    `at_least` says that it did well; elsewhere there is none. What was said is told in `provenance`; with a thumb, a
    whole number or a category, the run's answer and that label are in `expect`, as a judge's calibration takes them.
    Of several that were given under the key to one run, or to runs that are one example, the newest holds.

    Args:
        here: an installation.
        name: the dataset, which need not be there yet.
        wished: which feedback.
        tags: of all these examples.
        split: of all these examples.
        on_personal_data: what becomes of it; such a run is left out, unless told.
        skipped: is told of each run that can't be added, and why; the others are.

    Raises:
        InvalidInput: there is no such feedback, or no run that it was given to can be added; nothing was changed.
    """
    newest: dict[str, Feedback] = {}
    after = ""
    while True:
        page = await here.feedbacks.page(key=wished.key, limit=_PAGE, after=after)
        for one in page.feedback:
            newest.setdefault(one.run_id, one)
        if not (after := page.after):
            break
    newest = {run_id: one for run_id, one in newest.items() if wished.fits(one)}
    if not newest:
        raise InvalidInput("--key", wished.key, "a key under which such feedback was given")

    def judged(run_id: str, example: Example) -> Example:
        return _judged(example, newest[run_id], well=wished.at_least is not None)

    return await add_runs(
        _Located(
            runs=here.runs,
            events=here.events,
            trajectories=here.trajectories,
            datasets=here.datasets,
            threads={run_id: one.thread_id for run_id, one in newest.items()},
        ),
        name,
        list(reversed(newest)),  # of several runs that are one example, the last holds
        tags=tags,
        split=split,
        on_personal_data=on_personal_data,
        change=judged,
        skipped=skipped,
        note=f"runs with feedback under {wished.key}",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Located:
    """An installation whose runs are found by what their feedback says: a run's record goes before its trajectory."""

    runs: RunLifecycle
    events: EventReader
    trajectories: TrajectoryStore
    datasets: Datasets
    threads: Mapping[str, str] = field(default_factory=dict[str, str])

    async def run(self, told: str) -> tuple[str, str]:
        """Thread and run."""
        return self.threads[told], told


def _judged(example: Example, said: Feedback, *, well: bool) -> Example:
    told = {"id": said.feedback_id, "key": said.key, "score": said.score, "value": said.value}
    told |= {"comment": said.comment, "source": said.source.type, "at": said.created_at}
    known = {name: one for name, one in told.items() if one not in (None, "")}
    label = _label(said)
    example = replace(
        example,
        provenance={**example.provenance, "feedback": known},
        expect={**example.expect, **({} if label is None else {"label": label, "answer": example.reference})},
    )
    if said.correction is not None:
        return replace(example, reference=_corrected(said.correction), trajectory=(), path=())
    return example if well else replace(example, reference=None, trajectory=(), path=())


def _label(said: Feedback) -> bool | int | str | None:
    """As a person labels: a thumb, a whole number, a category."""
    score = said.score
    if isinstance(score, bool):
        return score
    if score is not None:
        return int(score) if score == int(score) else None
    return said.value if isinstance(said.value, str) else None


def _corrected(correction: Any) -> Any:
    if isinstance(correction, Mapping) and len(correction) == 1:
        [(name, value)] = correction.items()
        if name in _ONLY:
            return value
    return correction
