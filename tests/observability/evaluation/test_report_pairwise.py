"""Preferences between a target and the baseline: each is a comparison already, and is reported as one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tests.observability.evaluation.experiments_made import Made, experiment

from motet.observability.evaluation.evaluator import Means, Score
from motet.observability.evaluation.experiment import Experiment
from motet.observability.evaluation.registry import evaluators
from motet.observability.evaluation.report import html
from motet.observability.evaluation.report.gate import Terms, gate
from motet.observability.evaluation.report.reported import reported


def preferring(words: Sequence[str], *, seed: int = 7) -> Experiment:
    """Two targets, of which the second was held against the first: example by example, one of these words."""
    [one] = evaluators(["pairwise"], Means())
    scales = dict(one.scales)
    made = experiment([Made(name="old"), Made(name="new")], examples=len(words), repeats=1, scales={}, seed=seed)
    said = dict(zip(made.plan.example_ids, words, strict=True))
    results = [
        replace(each, scores=[] if each.target == "old" else [Score(key="pairwise", value=said[each.example_id])])
        for each in made.results
    ]
    clusters = {each: each for each in made.plan.example_ids}
    return replace(made, plan=replace(made.plan, scales=scales, clusters=clusters), results=results)


def test_the_preferred_target_is_better() -> None:
    """Tested against a tie in every example, and told in words."""
    report = reported([preferring(["a"] * 24 + ["tie"] * 4 + ["b"] * 2)])

    found = report.comparison("new", "pairwise")

    assert found is not None
    assert (found.meaning, found.n, found.improved, found.worsened, found.equal) == ("better", 30, 24, 2, 4)
    assert "new is better than old in pairwise" in report.conclusions[0]
    assert "the target is better" in html.page(report)


def test_as_many_for_either_say_nothing() -> None:
    """Which is never told as no difference."""
    found = reported([preferring(["a", "b", "tie"] * 10)]).comparison("new", "pairwise")

    assert found is not None
    assert (found.meaning, found.difference) == ("unclear", 0)


def test_another_experiments_baseline_is_not_this_ones() -> None:
    """What was preferred to one target says nothing of another."""
    first, second = preferring(["a"] * 30), preferring(["a"] * 30, seed=8)
    renamed = [replace(one, name=f"{one.name}2") for one in second.plan.targets]
    results = [replace(one, target=f"{one.target}2") for one in second.results]
    second = replace(second, plan=replace(second.plan, targets=renamed, name="other"), results=results)

    found = reported([first, second]).comparison("new2", "pairwise")

    assert found is not None
    assert (found.meaning, found.n) == ("untested", 0)


def test_a_gate_holds_preferences_against_those_of_then() -> None:
    """Of the baseline there are none, which is no reason not to pass."""
    before = preferring(["a"] * 30)

    assert gate(before, before, Terms()).passed
    assert not gate(preferring(["b"] * 30), before, Terms()).passed
