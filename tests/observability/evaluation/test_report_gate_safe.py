"""The gate where there is little to go by, or nothing: it never passes because it could not look."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from math import inf, nan
from typing import Any

import orjson
import pytest
from tests.observability.evaluation.experiments_made import SCALES, Made, experiment

from motet.errors import InvalidInput
from motet.observability.evaluation.evaluator import Scale, Score
from motet.observability.evaluation.experiment import Experiment
from motet.observability.evaluation.report import exported
from motet.observability.evaluation.report.gate import Terms, gate
from motet.observability.evaluation.report.reported import reported

CORRECT = {"correct": SCALES["correct"]}


def tried(*names: str, seed: int = 1, examples: int = 12, scales: Mapping[str, Scale] = CORRECT) -> Experiment:
    """Targets that are all alike, each example tried once and alone."""
    made = experiment(
        [Made(name=one) for one in names or ("assistant",)],
        seed=seed,
        examples=examples,
        repeats=1,
        scales=dict(scales),
    )
    return replace(made, plan=replace(made.plan, clusters={one: one for one in made.plan.example_ids}))


def scoring(made: Experiment, **values: Score | None) -> Experiment:
    """`made`, with these scores in the place of those of each trial, or without them."""
    results = [
        replace(one, scores=[found for score in one.scores if (found := values.get(score.key, score)) is not None])
        for one in made.results
    ]
    return replace(made, results=results)


@pytest.mark.parametrize("terms", [Terms(least={"correct": nan}), Terms(margin=nan), Terms(margin=inf)])
def test_a_number_that_nothing_falls_short_of_is_refused(terms: Terms) -> None:
    """NaN compares false with everything: as a bound it would pass whatever comes."""
    with pytest.raises(InvalidInput, match=r"--(min|margin)"):
        gate(tried(), tried(), terms)


def test_a_metric_of_the_baseline_that_is_not_scored_any_more_does_not_pass() -> None:
    """It is named; who names the metrics that count says so on purpose, and other metrics pass."""
    before = tried(scales={"correct": SCALES["correct"], "similarity": SCALES["similarity"]})

    verdict = gate(tried(), before, Terms())

    assert "similarity" in verdict.reasons[0]
    assert gate(tried(), before, Terms(metrics=["correct"])).passed


def test_a_target_without_a_counterpart_is_told_of() -> None:
    """It isn't gated, and the verdict says so."""
    verdict = gate(tried("assistant", "new"), tried("assistant", "old"), Terms())

    assert any("new" in one and "isn't gated" in one for one in verdict.notes)
    assert any("old" in one for one in verdict.notes)


def test_so_few_examples_that_no_loss_could_be_found_do_not_pass() -> None:
    """Of four examples all may turn wrong without a p-value of 0.05; a bound is a word on them nonetheless."""
    right, wrong = Score(key="correct", value=True), Score(key="correct", value=False)
    now, before = scoring(tried(examples=4), correct=wrong), scoring(tried(examples=4), correct=right)

    assert not gate(now, before, Terms()).passed
    assert "too few" in gate(before, before, Terms()).reasons[0]
    assert gate(before, before, Terms(least={"correct": 0.9})).passed
    assert not gate(now, before, Terms(least={"correct": 0.9})).passed


def test_values_that_are_none_on_the_scale_count_as_missing() -> None:
    """A category that the scale lacks, a text where a number should be, and what is no number at all."""
    scales = {"tone": Scale(kind="category", categories=("good", "bad")), "similarity": Scale(kind="number")}
    made = tried(scales=CORRECT)
    made = replace(made, plan=replace(made.plan, scales=scales))
    for key, value in (("tone", "ugly"), ("similarity", "much"), ("similarity", nan)):
        other = {"tone": "good", "similarity": 0.5} | {key: value}
        scores = [Score(key=one, value=told) for one, told in other.items()]
        now = replace(made, results=[replace(one, scores=scores) for one in made.results])
        verdict = gate(now, now, Terms())
        assert f"{key} has no value where it should have one" in verdict.reasons[0]


def test_trials_that_are_there_twice_do_not_stand_for_others() -> None:
    """Results are counted by what they are of."""
    now = tried()
    twice = replace(now, results=[now.results[0], *now.results[:-1]])

    assert "lacks 1 of 12 trials" in gate(twice, now, Terms()).reasons[0]


def test_what_applies_to_nothing_on_both_sides_is_told_of_and_passes_beside_others() -> None:
    """Where no metric applies to anything, there is nothing to pass."""
    scales = {"correct": SCALES["correct"], "recovery": Scale()}
    now = tried(scales=CORRECT)
    now = replace(now, plan=replace(now.plan, scales=scales))

    beside = gate(now, now, Terms())

    assert beside.passed
    assert any("recovery" in one for one in beside.notes)
    assert not gate(scoring(now, correct=None), scoring(now, correct=None), Terms()).passed
    assert not gate(now, now, Terms(metrics=["recovery"])).passed
    assert not gate(scoring(now, correct=None), now, Terms()).passed


@pytest.mark.parametrize(
    "broken",
    [
        lambda told: told["results"][0].update(example_id="elsewhere"),
        lambda told: told["results"][0].update(target="nobody"),
        lambda told: told["plan"]["clusters"].clear(),
    ],
)
def test_a_baseline_whose_parts_do_not_fit_is_refused(broken: Callable[[dict[str, Any]], None]) -> None:
    """Somebody edited the file: what is named is where."""
    told = orjson.loads(orjson.dumps(tried()))
    broken(told)

    with pytest.raises(InvalidInput, match=r"baseline\.json: experiments\.0"):
        exported.decoded(orjson.dumps(told), "baseline.json")


def test_a_report_of_nothing_says_that_nothing_was_compared() -> None:
    """Not that nothing stood out."""
    made = tried("old", "new")

    report = reported([replace(made, results=[])])

    assert report.conclusions == ["Nothing could be compared: no metric has values enough to be tested."]


def test_passing_is_what_is_good() -> None:
    """Of a metric whose yes is bad, pass^k is the chance that all tries say no."""
    scales = {"harmful": Scale(higher_is_better=False)}
    made = experiment([Made(name="old")], examples=4, repeats=2, scales={})
    harmless = [replace(one, scores=[Score(key="harmful", value=False)]) for one in made.results]

    report = reported([replace(made, plan=replace(made.plan, scales=scales), results=harmless)])

    assert [one.all_of_k.mean for one in report.estimate("old", "harmful").passing] == [1.0]
