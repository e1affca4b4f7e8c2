"""How far a judge agrees with people, on examples that people labelled."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from motet.errors import InvalidInput
from motet.observability.evaluation.evaluator import Evaluator, Scale, Trial
from motet.observability.evaluation.example import Example
from motet.observability.evaluation.looked_up import text_of
from motet.observability.evaluation.observed import Observed

if TYPE_CHECKING:
    from motet.observability.evaluation.statistics.agreement import Agreement

Label = str | bool | int

FEW = 30
"""Labelled examples below which a calibration says little."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Disagreement:
    """An example on which the judge says otherwise than people."""

    example_id: str
    person: Label
    judge: Label
    why: str
    """The judge's reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """How far one metric of a judge agrees with people."""

    metric: str
    evaluator: str
    agreement: Agreement
    disagreements: Sequence[Disagreement]
    failed: Mapping[str, str]
    """Examples that the judge couldn't judge, with why; they don't count in the agreement."""
    warnings: Sequence[str]
    """What whoever relies on this judge should know; empty if nothing."""


async def calibrated(evaluator: Evaluator, examples: Sequence[Example], *, seed: int = 0) -> Sequence[Calibration]:
    """Judge the labelled examples among `examples`, and compare; one Calibration for each of the judge's metrics.

    A person's label is `expect.label`, on the judge's scale; the answer that was labelled is `expect.answer`, else the
    last message of `trajectory` that the assistant wrote.

    Raises:
        InvalidInput: none is labelled, or one has no answer, or a label that isn't on the scale; names the example.
    """
    labelled = [one for one in examples if "label" in one.expect]
    if not labelled:
        raise InvalidInput("expect.label", None, "a person's label in at least one example")
    trials = [Trial(example=one, observed=_observed(one), target="calibration", seed=seed) for one in labelled]
    wanted = {metric: [_label(one, scale) for one in labelled] for metric, scale in evaluator.scales.items()}
    given = [{score.key: score for score in await evaluator.score(trial)} for trial in trials]
    found: list[Calibration] = []
    for metric in evaluator.scales:
        failed: dict[str, str] = {}
        pairs: list[tuple[str, Label, Label, str]] = []
        for example, label, scores in zip(labelled, wanted[metric], given, strict=True):
            score = scores.get(metric)
            if score is None or score.value is None:
                failed[example.example_id] = score.error or score.comment if score else "it says nothing of it"
            else:
                pairs.append((example.example_id, label, _as_label(score.value), score.comment))
        found.append(_compared(metric, evaluator.name, pairs, failed, seed))
    return found


def _compared(
    metric: str, name: str, pairs: Sequence[tuple[str, Label, Label, str]], failed: Mapping[str, str], seed: int
) -> Calibration:
    from motet.observability.evaluation.statistics.agreement import kappa  # noqa: PLC0415 - scipy takes a second

    agreement = kappa([person for _, person, _, _ in pairs], [judge for _, _, judge, _ in pairs], seed=seed)
    return Calibration(
        metric=metric,
        evaluator=name,
        agreement=agreement,
        disagreements=[
            Disagreement(example_id=example_id, person=person, judge=judge, why=why)
            for example_id, person, judge, why in pairs
            if person != judge
        ],
        failed=failed,
        warnings=list(_warnings(metric, agreement, failed)),
    )


def _warnings(metric: str, agreement: Agreement, failed: Mapping[str, str]) -> Sequence[str]:
    said: list[str] = []
    if not agreement.better_than_chance:
        kappa = "can't be told" if agreement.kappa is None else f"is {agreement.kappa:.2f}"
        said.append(
            f"{metric}: this judge is no better than chance on these {agreement.n} examples: Cohen's kappa {kappa}, "
            f"p = {agreement.p_value:.3g}. Don't decide anything by it."
        )
    if agreement.n < FEW:
        said.append(f"{metric}: {agreement.n} labelled examples are few; from {FEW} on its agreement means something.")
    if failed:
        said.append(f"{metric}: {len(failed)} of {agreement.n + len(failed)} examples couldn't be judged.")
    return said


def _observed(example: Example) -> Observed:
    answer = _answer(example)
    messages = [{"role": "assistant", "content": answer}]
    return Observed(
        graph_id="", run_ids=(), thread_id="", outcome="ok", input=example.input, answer=answer, messages=messages
    )


def _answer(example: Example) -> str:
    told = example.expect.get("answer")
    if isinstance(told, str):
        return told
    said = [text_of(one.get("content")) for one in example.trajectory if one.get("role") == "assistant"]
    if not any(said):
        raise InvalidInput(
            f"{example.example_id}: expect.answer", told, "the answer that was labelled, as a text, or a trajectory"
        )
    return [one for one in said if one][-1]


def _label(example: Example, scale: Scale) -> Label:
    label: Any = example.expect["label"]
    low, high = -math.inf if scale.low is None else scale.low, math.inf if scale.high is None else scale.high
    match scale.kind:
        case "boolean":
            fits, allowed = isinstance(label, bool), "true or false"
        case "category":
            fits, allowed = label in scale.categories, ", ".join(scale.categories)
        case "number":
            fits = isinstance(label, int) and not isinstance(label, bool) and low <= label <= high
            allowed = f"a whole number from {low:g} to {high:g}"
    if not fits:
        raise InvalidInput(f"{example.example_id}: expect.label", label, allowed)
    return label


def _as_label(value: float | str) -> Label:
    """A score's value as people write labels: whole numbers, since kappa knows categories alone."""
    return value if isinstance(value, str | bool) else round(value)
