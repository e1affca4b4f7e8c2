"""All numbers and sentences of a report: what every form of it shows, and what its JSON is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from motet.observability.evaluation.experiment import Experiment
from motet.observability.evaluation.report.metrics import Metric
from motet.observability.evaluation.statistics.paired import Check

VERSION: Literal[1] = 1
"""Of the JSON; fields may be added without a new one."""

Meaning = Literal["better", "worse", "unclear", "untested"]
"""What a comparison allows to say: `unclear` is never `equal`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """A share with its interval."""

    mean: float
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Passing:
    """Of a boolean metric with repeats: an example's chance of passing `k` tries."""

    k: int
    examples: int
    """Tried at least k times."""
    all_of_k: Rate
    """pass^k: all of k tries pass."""
    any_of_k: Rate
    """pass@k: at least one of k tries passes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """One metric of one target."""

    target: str
    metric: str
    trials: int
    """With a value."""
    failed: int
    """Trials without a value although there should be one: evaluators' errors."""
    empty: int
    """Trials that the metric doesn't apply to, or whose measure isn't known."""
    absent: int
    """Trials that were planned and have no result."""
    examples: int
    clusters: int
    mean: float | None
    """The share of trials that passed, or the mean; None without values."""
    low: float | None
    high: float | None
    method: str
    """How the interval was had."""
    note: str
    """What must be said beside it; why there is none."""
    percentiles: Mapping[str, float]
    """p5, p25, p50, p75, p90, p95, p99 of trials; of numbers alone."""
    passing: Sequence[Passing] = ()
    counts: Mapping[str, int] | None = None
    """Trials by category."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One metric of one target beside the baseline's, over the examples that both have."""

    target: str
    baseline: str
    metric: str
    meaning: Meaning
    """By the adjusted p-value."""
    n: int
    """Examples with a value in both."""
    clusters: int
    left_out: int
    """Examples with a value in one of the two alone."""
    target_mean: float | None
    """Over those n, each counting once."""
    baseline_mean: float | None
    difference: float | None
    """Target minus baseline."""
    low: float | None
    high: float | None
    test: str
    """The one that decides: what the values are says which, before there are any."""
    reason: str
    """Why this one, and how it was done."""
    checks: Sequence[Check]
    """Other tests of the same pairs, which decide nothing and aren't adjusted; none where nothing was tested."""
    p_value: float | None
    adjusted: float | None
    """By Holm, within the family."""
    family: int
    """How many comparisons it was adjusted over."""
    effect: float | None
    effect_name: str
    detectable: float | None
    """The least difference that is found four times out of five; None where that can't be computed."""
    improved: int
    """Examples on which the target was better."""
    worsened: int
    equal: int
    says: str
    """The same in words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """Numbers of one target, for a plot."""

    target: str
    values: Sequence[float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    """How a metric's values spread."""

    metric: str
    labels: Sequence[str]
    """Of bins: their lower edges and the last one's upper edge, as texts; or passes, or categories."""
    edges: Sequence[float]
    """Of bins; empty for passes and categories."""
    counts: Sequence[Series]
    """Trials, or of passes examples, in each bin."""
    counted: Literal["trials", "examples"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Failures:
    """How often something went wrong, by what it was."""

    kind: str
    """An outcome with its error's class, a boolean metric that failed, or an evaluator's error."""
    counts: Mapping[str, int]
    """Trials, by target."""
    sample: str
    """The first one's words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One line of the comparison of two trajectories."""

    change: str
    """same, changed, replaced, moved, deleted, inserted."""
    depth: int
    a: str
    """Kind and name; empty where that side has no such step."""
    b: str
    notes: Sequence[str] = ()
    """What differs in it, shortened."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parted:
    """Two trajectories side by side."""

    same: bool
    similarity: float
    where: str
    """The first divergence: step and field; empty where there is none."""
    expected: str
    actual: str
    steps: Sequence[Step]
    unshown: int
    """Steps beyond those."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One trial of an example that is shown."""

    target: str
    repeat: int
    outcome: str
    error: str
    answer: str
    scores: Sequence[tuple[str, str, str]]
    """Metric, value as text, comment."""
    seconds: float
    tokens: int
    cost_usd: float | None
    run_ids: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """An example worth a look."""

    example_id: str
    why: str
    tags: Sequence[str]
    input: str
    """Empty where neither the dataset nor a trajectory is at hand."""
    reference: str
    sides: Sequence[Side]
    """Two, or one where there is nothing to lay beside it."""
    parted: Parted | None
    """None where a trajectory isn't at hand."""
    without: str = ""
    """Why there is no comparison of trajectories."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExampleRow:
    """One example in the list of all: how it did, target by target, in the metrics of quality."""

    example_id: str
    tags: Sequence[str]
    split: str
    means: Mapping[str, Mapping[str, float | None]]
    """By metric, then by target."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where an experiment's numbers come from: enough to do it again."""

    experiment_id: str
    name: str
    dataset: str
    dataset_version: str
    examples: int
    clusters: int
    of_all: int | None
    """How many examples the dataset has; None where it isn't at hand."""
    splits: Mapping[str, int] | None
    """Examples by split; None where the dataset isn't at hand."""
    repeats: int
    parallel: int
    seed: int
    mode: str
    created_at: str
    ended_at: str
    """When the last score was given; empty without."""
    evaluators: Sequence[str]
    judge: str
    versions: Mapping[str, Any]
    machine: str
    planned: int
    done: int
    stopped: str
    seconds: float
    """That runs worked, all together."""
    cost_usd: float | None
    """Of the runs; None where any price isn't known."""
    judge_cost_usd: float | None
    tokens: int
    command: str
    """Starts it again; what a shell needs quoted is quoted."""
    targets_file: str
    """What the command's `targets.json` holds; empty where it names none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibrated:
    """How far one metric of a judge agrees with people."""

    metric: str
    evaluator: str
    kappa: float | None
    low: float | None
    high: float | None
    n: int
    """Examples that people labelled."""
    p_value: float
    better_than_chance: bool
    warnings: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """What only plots need besides the tables."""

    distributions: Sequence[Distribution]
    differences: Mapping[str, Sequence[Series]]
    """By metric: each example's difference from the baseline, ascending."""
    quality: str
    """The metric that stands for quality: the first told; empty without any."""
    spent: str
    """cost, or tokens where no price is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What came out of experiments, and what can be concluded."""

    title: str
    made_at: str
    """ISO 8601, UTC."""
    level: float
    seed: int
    """Of what the statistics draw."""
    targets: Sequence[str]
    """The baseline first."""
    metrics: Sequence[Metric]
    conclusions: Sequence[str]
    """What can be said."""
    open: Sequence[str]
    """What can't be told."""
    cautions: Sequence[str]
    """What weakens all of it: few clusters, missing values, a judge that nobody checked."""
    estimates: Sequence[Estimate]
    comparisons: Sequence[Comparison]
    drawn: Drawn
    failures: Sequence[Failures]
    worst: Sequence[Shown]
    changed: Sequence[Shown]
    examples: Sequence[ExampleRow]
    sources: Sequence[Source]
    calibration: Sequence[Calibrated]
    """Of the judge; empty where nobody told of one."""
    experiments: Sequence[Experiment]
    """Every trial's values: what a gate needs of a baseline."""
    v: Literal[1] = VERSION

    def estimate(self, target: str, metric: str) -> Estimate:
        """One of the estimates."""
        return next(one for one in self.estimates if (one.target, one.metric) == (target, metric))

    def comparison(self, target: str, metric: str) -> Comparison | None:
        """One of the comparisons; None for the baseline itself."""
        return next((one for one in self.comparisons if (one.target, one.metric) == (target, metric)), None)
