"""A trial before it is made: which example, with which target, for which time; and what its runs are called.

All ids follow from that, so a trial that is made again is the one there was.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid5

from motet.graphs.registry import Assistant, GraphRegistry, assistant_of
from motet.memory.asking import Who
from motet.memory.ports import RunRequest
from motet.observability.evaluation.evaluator import Trial
from motet.observability.evaluation.example import Example
from motet.observability.evaluation.experiment import Plan, Target, trial_key
from motet.observability.evaluation.observed import Observed
from motet.observability.spans import current_traceparent
from motet.server.replaced_block import FIELD, ReplacedBlock
from motet.server.run_body import RunConfig, RunCreate
from motet.server.run_create import check_told, checked, payload_of

EXPERIMENT = "experiment"
"""In the metadata of a trial's runs and threads: the id of its experiment."""
DATASET, EXAMPLE, TARGET, REPEAT = "dataset", "example", "target", "repeat"
"""The same: `name@version`, the example's id, the target's name, and the number of the time, from 0."""

_NAMES = UUID("f3b0a6c2-5f0e-5b0c-9c36-5d0c1d8f6a11")


def thread_of(experiment_id: str, key: str) -> str:
    """The thread of the trial `key` of an experiment."""
    return _named(experiment_id, key, "thread")


def _named(experiment_id: str, key: str, what: str) -> str:
    return str(uuid5(_NAMES, f"{experiment_id} {key} {what}"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One example, one target, one time."""

    plan: Plan
    target: Target
    example: Example
    repeat: int

    @property
    def key(self) -> str:
        """Names it in its experiment."""
        return trial_key(self.target.name, self.example.example_id, self.repeat)

    @property
    def thread_id(self) -> str:
        """Its own thread."""
        return thread_of(self.plan.experiment_id, self.key)

    @property
    def who(self) -> Who:
        """Who answers its questions."""
        return Who(actor=f"experiment {self.plan.name}", verified_as="motet")

    @property
    def metadata(self) -> dict[str, Any]:
        """Of its runs and its thread."""
        return {
            EXPERIMENT: self.plan.experiment_id,
            DATASET: f"{self.plan.dataset}@{self.plan.dataset_version}",
            EXAMPLE: self.example.example_id,
            TARGET: self.target.name,
            REPEAT: self.repeat,
        }

    def trial(self, observed: Observed) -> Trial:
        """What is scored of it."""
        return Trial(
            example=self.example,
            observed=observed,
            target=self.target.name,
            repeat=self.repeat,
            seed=self.plan.seed,
        )

    def run_id(self, number: int) -> str:
        """Its first run's for 0; for more, that of the run with the so many-th answers."""
        return _named(self.plan.experiment_id, self.key, f"run {number}")


def request_of(case: Case, graphs: GraphRegistry | None) -> RunRequest:
    """Its first run, checked as a client's would be, as far as graphs are known here.

    What it would remember, or be reminded of, would hang on which trials came before it: it is private, unless its
    target says otherwise.

    Raises:
        InvalidInput: the example or the target can't be worked; names the field.
    """
    target = case.target
    config = RunConfig.model_validate(dict(target.config))
    body = RunCreate(
        assistant_id=target.assistant,
        input=dict(case.example.input),
        config=config.model_copy(update={"configurable": {**_private(target), **config.configurable}}),
        context=dict(target.context) or None,
        metadata=case.metadata,
        if_not_exists="create",
    )
    assistant = _assistant(body, graphs)
    payload = payload_of(body)
    if target.model is not None or target.prompt is not None:
        payload[FIELD] = ReplacedBlock(model=target.model, prompt=target.prompt, agent=target.agent).as_json()
    return RunRequest(
        run_id=case.run_id(0),
        thread_id=case.thread_id,
        assistant_id=assistant.assistant_id,
        graph_id=assistant.graph_id,
        payload=payload,
        metadata=case.metadata,
        traceparent=current_traceparent(),
    )


def _assistant(body: RunCreate, graphs: GraphRegistry | None) -> Assistant:
    if graphs is not None:
        return checked(body, graphs)
    check_told(body)
    return assistant_of(body.assistant_id)


def _private(target: Target) -> dict[str, Any]:
    told = {**(target.config.get("configurable") or {}), **target.context}
    return {} if {"private", "user_id"} & set(told) else {"private": True}
