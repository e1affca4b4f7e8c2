"""The gate: what is worse doesn't pass, what is unchanged does, and what can't be compared says why."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.observability.evaluation.experiments_made import SCALES, Made, changed, dataset, experiment

from motet.errors import InvalidInput
from motet.observability.evaluation.evaluator import Score
from motet.observability.evaluation.experiment import Experiment
from motet.observability.evaluation.report.gate import Terms, gate

CORRECT = {"correct": SCALES["correct"]}


def tried(seed: int, *, skill: float = 0.0, examples: int = 60, repeats: int = 1, **more: object) -> Experiment:
    """A scripted model of so much skill, drawn by seed, example and repeat."""
    scales = {"correct": SCALES["correct"], "similarity": SCALES["similarity"]} if more.get("two") else CORRECT
    made = experiment(
        [Made(name="assistant", skill=skill)], seed=seed, examples=examples, repeats=repeats, scales=scales
    )
    return replace(made, plan=replace(made.plan, clusters={one: one for one in made.plan.example_ids}))


def test_a_worse_prompt_is_caught() -> None:
    """The reason names metric, both rates, the difference and the p-value."""
    verdict = gate(tried(2, skill=-1.8), tried(1), Terms())

    assert not verdict.passed
    assert "assistant is worse than the baseline in correct" in verdict.reasons[0]
    assert "one-sided p" in verdict.reasons[0]


def test_an_unchanged_prompt_passes() -> None:
    """In at least 88 of 100 seeded repeats; a gate that never fails would be none, so a worse one fails in as many."""
    passed = sum(gate(tried(seed), tried(1000 + seed), Terms()).passed for seed in range(100))
    caught = sum(not gate(tried(seed, skill=-2.0), tried(1000 + seed), Terms()).passed for seed in range(100))

    assert passed >= 88
    assert caught >= 88


def test_what_passes_says_what_it_could_not_have_noticed() -> None:
    """A detectable loss for each metric; more examples make it smaller."""
    few, many = gate(tried(7), tried(8), Terms()), gate(tried(7, examples=240), tried(8, examples=240), Terms())

    assert few.passed
    assert "would be noticed four times out of five" in few.notes[0]
    assert few.gated[0].detectable is not None
    assert many.gated[0].detectable is not None
    assert many.gated[0].detectable < few.gated[0].detectable


def test_better_is_never_worse() -> None:
    """A large gain passes, with a one-sided p near 1."""
    verdict = gate(tried(2, skill=3.0), tried(1), Terms())

    assert verdict.passed
    assert verdict.gated[0].p_value is not None
    assert verdict.gated[0].p_value > 0.95


def test_a_margin_forgives_that_much() -> None:
    """The same loss fails without, and passes with a margin above it."""
    now, before = tried(2, skill=-1.8, repeats=3), tried(1, repeats=3)

    assert not gate(now, before, Terms()).passed
    assert not gate(now, before, Terms(margin=0.02)).passed
    assert gate(now, before, Terms(margin=0.5)).passed


def test_a_bound_is_kept() -> None:
    """Whatever the baseline did, less than --min doesn't pass."""
    verdict = gate(tried(5), tried(5), Terms(least={"correct": 0.99}))

    assert [one for one in verdict.reasons if "under 99.0 %" in one]
    assert gate(tried(5), tried(5), Terms(least={"correct": 0.01})).passed


def test_a_bound_of_what_should_be_little_is_an_upper_one() -> None:
    """`--min seconds=…` doesn't pass what takes longer."""
    assert gate(tried(5), tried(5), Terms(least={"seconds": 60})).passed
    assert "over" in gate(tried(5), tried(5), Terms(least={"seconds": 0.1})).reasons[0]


def test_other_data_do_not_pass() -> None:
    """Both versions are named, and the examples that are missing."""
    now = tried(2, examples=40)

    verdict = gate(now, tried(1), Terms())

    said = " ".join(verdict.reasons)
    assert dataset(60).version in said
    assert dataset(40).version in said
    assert "q-040, q-041" in said


def test_missing_trials_do_not_pass_unless_allowed() -> None:
    """They are named; allowed, the rest is judged."""
    made = tried(2)
    cut = replace(made, results=made.results[1:], stopped="a person stopped it")

    verdict = gate(cut, tried(1), Terms())

    assert "lacks 1 of 60 trials (a person stopped it), of q-000" in verdict.reasons[0]
    assert gate(cut, tried(1), Terms(allow_missing=True)).gated[0].n == 59


def test_values_that_evaluators_could_not_give_do_not_pass() -> None:
    """A target that crashes where it is bad would otherwise look good."""
    lost = changed(tried(2), ("assistant", "q-007", 0), scores=[Score(key="correct", value=None, error="no answer")])

    verdict = gate(lost, tried(1), Terms())

    assert "correct has no value where it should have one, in q-007" in verdict.reasons[0]
    assert gate(lost, tried(1), Terms(allow_missing=True)).gated[0].n == 59


def test_many_metrics_are_adjusted() -> None:
    """Holm over all that is gated: each adjusted p is at least the plain one."""
    verdict = gate(tried(2, skill=-0.6, two=True), tried(1, two=True), Terms())

    assert len(verdict.gated) == 2
    assert min(one.adjusted or 0 for one in verdict.gated) == pytest.approx(
        2 * min(one.p_value or 0 for one in verdict.gated)
    )


@pytest.mark.parametrize(
    ("terms", "names"),
    [
        (Terms(metrics=["corect"]), "--metric.*corect.*correct"),
        (Terms(least={"corect": 1}), "--min.*corect"),
        (Terms(alpha=5), "--alpha.*5"),
        (Terms(margin=-1), "--margin.*-1"),
    ],
)
def test_terms_that_can_not_be_are_refused(terms: Terms, names: str) -> None:
    """The error names the option, the value and what is allowed."""
    with pytest.raises(InvalidInput, match=names):
        gate(tried(1), tried(2), terms)
