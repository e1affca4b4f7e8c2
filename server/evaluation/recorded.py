"""Trials that were recorded: exported trajectories, or runs that are still known, matched to examples. Nothing runs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, Self

import orjson

from motet.errors import InvalidConfig, NotFound
from motet.observability.evaluation.example import Dataset, Example
from motet.observability.evaluation.experiment import Target
from motet.observability.evaluation.observing import observed
from motet.observability.trajectory import file
from motet.observability.trajectory.redact import redacted
from motet.observability.trajectory.trajectory import Trajectory
from motet.server.evaluation.case import EXAMPLE, REPEAT, TARGET, Case
from motet.server.evaluation.driving import Seen
from motet.server.operating import Operating, operating
from motet.server.replaced_block import ReplacedBlock
from motet.server.settings import Settings
from motet.server.trajectories import found
from motet.server.trajectory_source import FILE

FIELD = "--recorded"


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a recording is matched by."""

    source: str
    """Its file, or its run."""
    run_ids: Sequence[str]
    graph_id: str
    assistants: frozenset[str]
    """What a target may call its assistant."""
    replaced: ReplacedBlock
    metadata: Mapping[str, Any]
    input: bytes
    at: str
    """When it began, ISO 8601, UTC."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Matched:
    """Which recording is which trial."""

    targets: Sequence[Target]
    repeats: int
    sources: Mapping[tuple[str, str, int], str]
    """By target, example and repeat."""
    unmatched: Sequence[str]
    """Recordings that are no example's, or one too many of it; each with the reason."""
    missing: Sequence[str]
    """Ids of examples that not every target has enough recordings of: they are left out."""

    @property
    def example_ids(self) -> frozenset[str]:
        """Examples that every target has all its trials of."""
        return frozenset(example_id for _, example_id, _ in self.sources)


class Recordings:
    """Reads trajectories by their file or run."""

    def __init__(self, here: Operating) -> None:
        self._here = here

    @classmethod
    @asynccontextmanager
    async def opened(cls, settings: Settings) -> AsyncGenerator[Self]:
        """With Redis open meanwhile. Raises StoreUnavailable, InvalidConfig."""
        async with operating(settings) as here:
            yield cls(here)

    async def read(self, source: str) -> tuple[Trajectory, bytes]:
        """The trajectory, and how it is exported. Raises NotFound, TrajectoryUnreadable, InvalidConfig."""
        if source.endswith(FILE):
            data = await asyncio.to_thread(_bytes, source)
            return file.parsed(data, source), data
        trajectory = await found(self._here, source, events=False)
        whole = BytesIO()
        file.write(trajectory, whole)
        return trajectory, whole.getvalue()

    async def facts(self, source: str) -> Facts:
        """What the recording is matched by."""
        trajectory, _ = await self.read(source)
        started = trajectory.started
        return Facts(
            source=source,
            run_ids=tuple(trajectory.run_ids),
            graph_id=started.graph_id,
            assistants=frozenset({started.graph_id, started.assistant_id}),
            replaced=ReplacedBlock.of(started.config) or ReplacedBlock(),
            metadata=started.config.get("metadata") or {},
            input=b"" if started.input is None else _canonical(trajectory.plain(started.input)),
            at=trajectory.records[0].at,
        )


class Recorded:
    """Gives trials from recordings; no graph, model or tool is asked."""

    def __init__(self, recordings: Recordings, matched: Matched) -> None:
        self._recordings = recordings
        self._matched = matched

    def check(self, case: Case) -> None:
        """Each trial of the plan has its recording. Raises InvalidConfig: it hasn't."""
        self._source(case)

    def underway(self, at_once: int) -> AbstractAsyncContextManager[None]:
        """Nothing need be."""
        del at_once
        return nullcontext()

    async def seen(self, case: Case) -> Seen:
        """What was recorded of it."""
        trajectory, data = await self._recordings.read(self._source(case))
        return Seen(observed=observed(trajectory), trajectory=data, span=trajectory.started.span)

    def _source(self, case: Case) -> str:
        source = self._matched.sources.get((case.target.name, case.example.example_id, case.repeat))
        if source is None:
            raise InvalidConfig(FIELD, f"nothing that is named is a recording of the trial {case.key}")
        return source


def named(told: Sequence[str]) -> Sequence[str]:
    """The files in the folders, the files and the runs that were told, each once.

    Raises:
        InvalidConfig: a folder holds no exported trajectory.
    """
    sources: list[str] = []
    for one in told:
        path = Path(one)
        if path.is_dir():
            inside = sorted(str(each) for each in path.glob(f"*{FILE}"))
            if not inside:
                raise InvalidConfig(FIELD, f"{one} holds no {FILE} file, as `motet trace export` writes them")
            sources += inside
        else:
            sources.append(one)
    return list(dict.fromkeys(sources))


def matched(facts: Sequence[Facts], dataset: Dataset, targets: Sequence[Target], repeats: int) -> Matched:
    """Which recordings are which trials; where no target is named, each graph is one.

    A recording is an example's if its run was made for it, else if the example was made from the run, else if both
    have one input, and no other example has. Of several of one example and target the oldest `repeats` count.

    Raises:
        InvalidConfig: no example has a recording for each target.
    """
    whole = targets or _of(facts)
    examples = _Examples(dataset.examples)
    by_trial: dict[tuple[str, str], list[Facts]] = {}
    unmatched: list[str] = []
    for one in sorted(facts, key=lambda one: (one.at, one.source)):
        example, target = examples.of(one), _target(one, whole)
        if example is None or target is None:
            unmatched.append(f"{one.source}: {'no example is like it' if example is None else 'no target is like it'}")
        elif len(those := by_trial.setdefault((target, example), [])) == repeats:
            unmatched.append(f"{one.source}: {example} has its {repeats} already")
        else:
            those.append(one)
    wanted = {example for _, example in by_trial}
    complete = {one for one in wanted if all(len(by_trial.get((t.name, one), ())) == repeats for t in whole)}
    if not complete:
        raise InvalidConfig(FIELD, f"no example of {dataset.name} has {repeats} recordings of each target")
    return Matched(
        targets=whole,
        repeats=repeats,
        sources={
            (target, example, at): one.source
            for (target, example), those in by_trial.items()
            if example in complete
            for at, one in enumerate(_in_their_order(those))
        },
        unmatched=unmatched,
        missing=[one.example_id for one in dataset.examples if one.example_id not in complete],
    )


class _Examples:
    """Examples by what a recording may know of them."""

    def __init__(self, examples: Sequence[Example]) -> None:
        self._ids = {one.example_id for one in examples}
        self._by_run = {str(one.provenance["run_id"]): one.example_id for one in examples if "run_id" in one.provenance}
        self._by_input: dict[bytes, list[str]] = {}
        for one in examples:
            self._by_input.setdefault(_canonical(one.input), []).append(one.example_id)

    def of(self, facts: Facts) -> str | None:
        told = facts.metadata.get(EXAMPLE)
        if isinstance(told, str) and told in self._ids:
            return told
        by_run = next((self._by_run[one] for one in facts.run_ids if one in self._by_run), None)
        alike = self._by_input.get(facts.input, ())
        return by_run or (alike[0] if len(alike) == 1 else None)


def _target(facts: Facts, targets: Sequence[Target]) -> str | None:
    told = facts.metadata.get(TARGET)
    like = [
        one.name
        for one in targets
        if one.assistant in facts.assistants and (one.model, one.prompt, one.agent) == _replaced(facts.replaced)
    ]
    if told in like:
        return str(told)
    return like[0] if like else None


def _of(facts: Sequence[Facts]) -> Sequence[Target]:
    """A target for each graph that was recorded, under each model and prompt."""
    targets: dict[tuple[str, ReplacedBlock], Target] = {}
    for one in facts:
        told = one.metadata.get(TARGET)
        model, prompt, agent = _replaced(one.replaced)
        name = told if isinstance(told, str) else one.graph_id
        if any(other.name == name for key, other in targets.items() if key != (one.graph_id, one.replaced)):
            name = f"{name}-{len(targets) + 1}"
        target = Target(name=name, assistant=one.graph_id, model=model, prompt=prompt, agent=agent)
        targets.setdefault((one.graph_id, one.replaced), target)
    return sorted(targets.values(), key=lambda one: one.name)


def _replaced(block: ReplacedBlock) -> tuple[str | None, str | None, str | None]:
    return block.model, block.prompt, block.agent


def _in_their_order(those: Sequence[Facts]) -> Sequence[Facts]:
    """As often as they say themselves, where they do."""

    def time(one: Facts) -> int:
        told = one.metadata.get(REPEAT)
        return told if isinstance(told, int) else 0

    return sorted(those, key=lambda one: (time(one), one.at))


def _canonical(value: Any) -> bytes:
    return orjson.dumps(redacted(value), option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS, default=str)


def _bytes(source: str) -> bytes:
    try:
        return Path(source).read_bytes()
    except OSError:
        raise NotFound("trajectory", source) from None
