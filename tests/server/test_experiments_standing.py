"""How trials stand, and how an experiment is told of on a terminal."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.observability.evaluation.experiments_made import Made, experiment

from motet.observability.evaluation.evaluator import Scale, Score
from motet.server.evaluation.standing import passed
from motet.server.terminal.experiments import head


@pytest.mark.parametrize(("said", "good"), [(True, False), (False, True), (None, False)])
def test_a_trial_passes_by_what_is_good(said: bool | None, good: bool) -> None:  # noqa: FBT001 - a table's values
    """Of a metric whose yes is bad, a no passes; what an evaluator couldn't find out doesn't."""
    made = experiment([Made(name="old")], examples=1, repeats=1, scales={})
    score = Score(key="harmful", value=said, error="" if said is not None else "the judge is away")

    found = passed(replace(made.results[0], scores=[score]), {"harmful": Scale(higher_is_better=False)})

    assert found is good


def test_one_is_told_as_one() -> None:
    """One trial of one example."""
    plan = experiment([Made(name="old")], examples=1, repeats=1, scales={}).plan

    assert list(head(plan))[1].endswith("each once with each target: 1 trial")
