"""An experiment: every example, tried with every target so many times, and scored; and what came out of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from motet.observability.evaluation.evaluator import Scale, Score
from motet.observability.evaluation.example import Json
from motet.observability.names import Outcome

VERSION: Literal[1] = 1
"""Of the shape in which experiments are kept and exported."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What is evaluated: an assistant, as it is or with another model or prompt."""

    name: str
    """In tables: letters, digits, `_`, `-`, `.`."""
    assistant: str
    config: Json = field(default_factory=dict[str, Any])
    """As a run's `config`."""
    context: Json = field(default_factory=dict[str, Any])
    model: str | None = None
    """`provider:model` in the place of its own."""
    prompt: str | None = None
    """In the place of its system messages."""
    agent: str | None = None
    """Whose model and prompt; None: all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What was decided before the first trial; it never changes."""

    experiment_id: str
    name: str
    dataset: str
    dataset_version: str
    example_ids: Sequence[str]
    """Those tried, in the order in which they are."""
    clusters: Mapping[str, str]
    """The cluster of each of them."""
    tags: Mapping[str, Sequence[str]]
    """The tags of each of them that has any."""
    targets: Sequence[Target]
    """The baseline first."""
    evaluators: Sequence[Json]
    """Each as it was told: `{"name": …, …arguments}`."""
    scales: Mapping[str, Scale]
    """By metric, of all evaluators."""
    repeats: int
    parallel: int
    seed: int
    mode: Literal["live", "recorded"]
    cap_usd: float | None = None
    """What it may cost; it stops when this is spent."""
    created_at: str
    """ISO 8601, UTC."""
    versions: Json = field(default_factory=dict[str, Any])
    """Of python, motet, langgraph, langchain-core; and `machine`."""
    judge: str | None = None
    """The model that judges, where any does."""
    choice: Json = field(default_factory=dict[str, Any])
    """How examples were chosen of the dataset: `split`, `tags`, `limit`; empty for all of them."""
    v: Literal[1] = VERSION


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialResult:
    """One example, tried once with one target, and scored."""

    target: str
    example_id: str
    repeat: int
    outcome: Outcome
    error: str = ""
    answer: str = ""
    scores: Sequence[Score] = ()
    run_ids: Sequence[str] = ()
    thread_id: str = ""
    seconds: float = 0.0
    first_token_s: float | None = None
    model_calls: int = 0
    tool_calls: int = 0
    tokens: int = 0
    cost_usd: float | None = None
    judge_cost_usd: float | None = None
    """Of the models that judged; None where a price isn't known."""
    scored_at: str = ""

    @property
    def key(self) -> str:
        """Names it in its experiment."""
        return trial_key(self.target, self.example_id, self.repeat)


def trial_key(target: str, example_id: str, repeat: int) -> str:
    """Names a trial in its experiment: its parts can't hold the separator, a space."""
    return f"{target} {example_id} {repeat}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """A plan and what came out of it so far."""

    plan: Plan
    results: Sequence[TrialResult]
    """In the plan's order: target, example, repeat."""
    stopped: str = ""
    """Why it has no more results although it should: the cap, or a person; empty where it is whole or goes on."""

    @property
    def whole(self) -> bool:
        """Whether every trial has its result."""
        return len(self.results) == len(self.plan.example_ids) * len(self.plan.targets) * self.plan.repeats
