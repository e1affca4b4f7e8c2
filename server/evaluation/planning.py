"""What an experiment will be: which examples in which order, decided by a seed before the first trial."""

from __future__ import annotations

import math
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from typing import Any, Literal

from langchain_core.utils.uuid import uuid7

from motet.errors import InvalidConfig
from motet.observability.evaluation.evaluator import Evaluator, Scale
from motet.observability.evaluation.example import Dataset, Example, Json
from motet.observability.evaluation.experiment import Plan, Target
from motet.server.recording import versions


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Which examples of a dataset are tried."""

    split: str = ""
    """Only those of this split; "": all."""
    tags: Sequence[str] = ()
    """Only those that have all of these."""
    limit: int | None = None
    """At most so many, drawn by the seed; of each first tag as large a share as it has of all."""

    def as_json(self) -> dict[str, Any]:
        """What was asked for, by its name."""
        told = {"split": self.split, "tags": list(self.tags), "limit": self.limit}
        return {name: value for name, value in told.items() if value}


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """How an experiment is to be."""

    targets: Sequence[Target]
    """The baseline first."""
    evaluators: Sequence[Json]
    """Each as it was told."""
    repeats: int = 1
    parallel: int = 1
    seed: int = 0
    mode: Literal["live", "recorded"] = "live"
    cap_usd: float | None = None
    name: str = ""
    judge: str | None = None
    choice: Choice = field(default_factory=Choice)


def chosen(dataset: Dataset, choice: Choice, seed: int) -> Sequence[Example]:
    """The examples that are tried, in an order drawn by the seed.

    Raises:
        InvalidConfig: none is left; says which splits and tags there are.
    """
    wanted = [one for one in dataset.examples if choice.split in ("", one.split) and set(choice.tags) <= set(one.tags)]
    if not wanted:
        raise InvalidConfig(dataset.name, _none(dataset, choice))
    draw = Random(f"{seed} {dataset.version}")  # noqa: S311 - an order, no secret
    wanted = sorted(wanted, key=lambda one: one.example_id)
    if choice.limit is not None and choice.limit < len(wanted):
        wanted = _stratified(wanted, choice.limit, draw)
    draw.shuffle(wanted)
    return wanted


def plan_of(dataset: Dataset, examples: Sequence[Example], asked: Asked, evaluators: Sequence[Evaluator]) -> Plan:
    """The plan over these examples of the dataset."""
    experiment_id = str(uuid7())
    return Plan(
        experiment_id=experiment_id,
        name=asked.name or f"{dataset.name}-{experiment_id[-6:]}",
        dataset=dataset.name,
        dataset_version=dataset.version,
        example_ids=[one.example_id for one in examples],
        clusters={one.example_id: one.cluster for one in examples},
        tags={one.example_id: list(one.tags) for one in examples if one.tags},
        targets=asked.targets,
        evaluators=asked.evaluators,
        scales=_scales(evaluators),
        repeats=asked.repeats,
        parallel=asked.parallel,
        seed=asked.seed,
        mode=asked.mode,
        cap_usd=asked.cap_usd,
        created_at=datetime.now(UTC).isoformat(),
        versions={**versions(), "machine": machine()},
        judge=asked.judge,
        choice=asked.choice.as_json(),
    )


def machine() -> Mapping[str, Any]:
    """On what trials are driven: times hang on it."""
    return {"system": platform.system(), "architecture": platform.machine(), "cores": os.cpu_count() or 0}


def _scales(evaluators: Sequence[Evaluator]) -> dict[str, Scale]:
    return {key: scale for one in evaluators for key, scale in one.scales.items()}


def _stratified(examples: Sequence[Example], limit: int, draw: Random) -> list[Example]:
    """`limit` of the examples: of each first tag its share, by the largest remainders."""
    strata: dict[str, list[Example]] = {}
    for one in examples:
        strata.setdefault(one.tags[0] if one.tags else "", []).append(one)
    exact = {tag: limit * len(those) / len(examples) for tag, those in strata.items()}
    shares = {tag: math.floor(share) for tag, share in exact.items()}
    ties = {tag: draw.random() for tag in sorted(strata)}
    rest = sorted(strata, key=lambda tag: (shares[tag] - exact[tag], ties[tag]))
    for tag in rest[: limit - sum(shares.values())]:
        shares[tag] += 1
    return [one for tag, those in sorted(strata.items()) for one in draw.sample(those, shares[tag])]


def _none(dataset: Dataset, choice: Choice) -> str:
    splits = sorted({one.split for one in dataset.examples if one.split})
    tags = sorted({tag for one in dataset.examples for tag in one.tags})
    wanted = ", ".join([*([f"split {choice.split}"] if choice.split else []), *(f"tag {one}" for one in choice.tags)])
    known = f"splits: {', '.join(splits) or 'none'}; tags: {', '.join(tags) or 'none'}"
    return f"none of its {len(dataset.examples)} examples has {wanted or 'been kept'}; {known}"
