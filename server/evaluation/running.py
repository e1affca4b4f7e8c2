"""An experiment from what a person asks for to its end: planned or taken up again, told, driven."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from motet import calls
from motet.agents.models import EMBEDDED
from motet.errors import InvalidConfig
from motet.observability import setup
from motet.observability.evaluation import dataset_file
from motet.observability.evaluation.events import EvaluationEvents
from motet.observability.evaluation.example import Dataset, Example, Json
from motet.observability.evaluation.experiment import Experiment, Plan, Target
from motet.observability.evaluation.registry import as_told, evaluators
from motet.observability.prices import load
from motet.server.evaluation.bench import bench
from motet.server.evaluation.driving import Listener, Pace, Scoring, Source, drive
from motet.server.evaluation.estimate import Estimate, estimate
from motet.server.evaluation.fitting import fitting
from motet.server.evaluation.live import Live
from motet.server.evaluation.means import means
from motet.server.evaluation.planning import Asked, Choice, chosen, plan_of
from motet.server.evaluation.recorded import Recorded, Recordings, matched, named
from motet.server.evaluation.trials import open_cases
from motet.server.operating import Operating
from motet.server.services import Services

_FILES = (".jsonl", ".csv")
_JUDGES = ("judge", "pairwise")
_PARALLEL = 4
_NAMED = 10
"""Examples that a note names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What a person asks for."""

    dataset: str = ""
    """`name[@version]`, or a file, which becomes the dataset that is called like it."""
    resume: str = ""
    """An experiment to go on with, by its id or how this begins; then what it is isn't asked anew."""
    targets: Sequence[Target] = ()
    evaluators: Sequence[str | Json] = ()
    """None: those that fit the dataset, and ask no model."""
    recorded: Sequence[str] = ()
    """Folders, files or runs; none: trials are made."""
    choice: Choice = field(default_factory=Choice)
    repeats: int = 1
    parallel: int | None = None
    """None: as planned, or 4."""
    seed: int = 0
    cap_usd: float | None = None
    timeout_s: float | None = None
    name: str = ""
    config: Path | None = None
    workspace: Path | None = None
    folder: Path | None = None
    """Where files named in evaluators' arguments lie."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """An experiment that can begin, or go on."""

    experiment: Experiment
    examples: Mapping[str, Example]
    scoring: Scoring
    source: Source
    pace: Pace
    is_new: bool
    """Whether it is still to be recorded."""
    estimate: Estimate | None = None
    """None where nothing is known, or nothing is made."""
    notes: Sequence[str] = ()
    """What a person should know, a line each."""

    @property
    def plan(self) -> Plan:
        """What it is."""
        return self.experiment.plan

    async def run(self, listener: Listener) -> str:
        """Record it, and drive it; why it stopped before its end, or "". Raises as `driving.drive` does."""
        if self.is_new:
            await self.scoring.experiments.create(self.plan)
        elif self.experiment.stopped:
            await self.scoring.experiments.stop(self.plan.experiment_id, "")
        return await drive(
            self.experiment,
            self.examples,
            source=self.source,
            scoring=self.scoring,
            pace=self.pace,
            listener=listener,
        )


@asynccontextmanager
async def prepared(here: Operating, order: Order, warn: Callable[[str], None]) -> AsyncGenerator[Prepared]:
    """All that the experiment needs, until the context ends; nothing of it is recorded yet but a file's dataset.

    `warn` is told when nobody works its runs.

    Raises:
        InvalidConfig, InvalidInput, NotFound: what is asked for can't be; says what can.
        SetupError, StoreUnavailable.
    """
    calls.install()
    async with AsyncExitStack() as resources:
        known = await here.experiments.load(order.resume) if order.resume else None
        dataset = await _dataset(here, order, known)
        given = await resources.enter_async_context(
            means(here.settings, workspace=order.workspace, folder=order.folder)
        )
        asked = order.evaluators or fitting(dataset.examples, asks_data=order.workspace is not None)
        told = [as_told(one).as_json() for one in asked] if known is None else known.plan.evaluators
        scoring = Scoring(
            evaluators=evaluators(told, given), experiments=here.experiments, prices=load(here.settings.prices)
        )
        preparing = _Preparing(here=here, order=order, known=known, dataset=dataset, told=told, scoring=scoring)
        recorded = bool(order.recorded) if known is None else known.plan.mode == "recorded"
        yield await (preparing.recorded(resources) if recorded else preparing.live(resources, warn))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Preparing:
    here: Operating
    order: Order
    known: Experiment | None
    """The one that goes on."""
    dataset: Dataset
    told: Sequence[Json]
    """Evaluators, as `Plan.evaluators` has them."""
    scoring: Scoring

    async def live(self, resources: AsyncExitStack, warn: Callable[[str], None]) -> Prepared:
        order = self.order
        if self.known is None and not order.targets:
            raise InvalidConfig("--target", "name at least one assistant")
        experiment = self.known or self._planned(order.targets, chosen(self.dataset, order.choice, order.seed))
        pace, examples = self._pace(experiment.plan), self._examples(experiment.plan)
        table = await resources.enter_async_context(bench(self.here, config=order.config, workspace=order.workspace))
        live = Live(table, warn, timeout_s=order.timeout_s)
        left = open_cases(experiment, examples)
        for case in left:
            live.check(case)
        by_target = Counter(case.target.name for case in left)
        return Prepared(
            experiment=experiment,
            examples=examples,
            scoring=replace(self.scoring, events=self._events(resources, table.services)),
            source=live,
            pace=pace,
            is_new=self.known is None,
            estimate=await estimate(table, experiment.plan, by_target, pace.parallel) if left else None,
        )

    async def recorded(self, resources: AsyncExitStack) -> Prepared:
        order, known, dataset = self.order, self.known, self.dataset
        if not order.recorded:
            raise InvalidConfig("--recorded", "it is an experiment on recordings: name them again")
        recordings = await resources.enter_async_context(Recordings.opened(self.here.settings))
        facts = [await recordings.facts(one) for one in named(order.recorded)]
        wanted = (order.targets, order.repeats) if known is None else (known.plan.targets, known.plan.repeats)
        found = matched(facts, dataset, *wanted)
        examples = [one for one in chosen(dataset, order.choice, order.seed) if one.example_id in found.example_ids]
        experiment = known or self._planned(found.targets, examples)
        more = len(found.missing) - _NAMED
        lacking = ", ".join(found.missing[:_NAMED]) + (f" and {more} more" if more > 0 else "")
        missing = f"left out, as they lack a recording of some target: {lacking}"
        return Prepared(
            experiment=experiment,
            examples=self._examples(experiment.plan),
            scoring=replace(self.scoring, events=self._events(resources)),
            source=Recorded(recordings, found),
            pace=self._pace(experiment.plan),
            is_new=known is None,
            notes=[*(f"not used: {one}" for one in found.unmatched), *([missing] if found.missing else [])],
        )

    def _events(self, resources: AsyncExitStack, services: Services | None = None) -> EvaluationEvents:
        """Where scores are told of, as the settings say."""
        if services is not None:
            return services.telemetry.evaluations
        telemetry = setup.install(setup.TelemetrySettings(evaluations=self.here.settings.sends_evaluations))
        resources.push_async_callback(asyncio.to_thread, telemetry.shutdown)
        return telemetry.evaluations

    def _planned(self, targets: Sequence[Target], examples: Sequence[Example]) -> Experiment:
        order = self.order
        asked = Asked(
            targets=targets,
            evaluators=self.told,
            repeats=order.repeats,
            parallel=order.parallel or _PARALLEL,
            seed=order.seed,
            mode="recorded" if order.recorded else "live",
            cap_usd=order.cap_usd,
            name=order.name,
            judge=self._judge(),
            choice=order.choice,
        )
        return Experiment(plan=plan_of(self.dataset, examples, asked, self.scoring.evaluators), results=())

    def _judge(self) -> str | None:
        """The models that judge, where any does."""
        own = self.here.settings.model or EMBEDDED
        models = dict.fromkeys(str(one.get("model") or own) for one in self.told if one["name"] in _JUDGES)
        return ", ".join(models) or None

    def _pace(self, plan: Plan) -> Pace:
        """As it was planned, unless it is asked for otherwise when it goes on."""
        order = self.order
        cap_usd = plan.cap_usd if order.cap_usd is None else order.cap_usd
        return Pace(parallel=order.parallel or plan.parallel, cap_usd=cap_usd)

    def _examples(self, plan: Plan) -> Mapping[str, Example]:
        wanted = set(plan.example_ids)
        return {one.example_id: one for one in self.dataset.examples if one.example_id in wanted}


async def _dataset(here: Operating, order: Order, known: Experiment | None) -> Dataset:
    """The dataset as it is tried: the version that the experiment began with, or what is asked for."""
    if known is not None:
        return await here.datasets.load(known.plan.dataset, known.plan.dataset_version)
    path = Path(order.dataset)
    if path.suffix.lower() in _FILES:
        saved = await here.datasets.save(path.stem, dataset_file.read(path), note=f"from {path.name}")
        return await here.datasets.load(saved.name, saved.version)
    name, _, version = order.dataset.partition("@")
    return await here.datasets.load(name, version)
