"""How trials stand, and how an experiment is told of on a terminal."""

from __future__ import annotations

from dataclasses import replace
from io import StringIO

import pytest
from rich.console import Console
from tests.observability.evaluation.experiments_made import Made, experiment

from motet.observability.evaluation.evaluator import Scale, Score
from motet.server.evaluation.driving import Pace
from motet.server.evaluation.standing import passed
from motet.server.terminal.experiment_progress import ExperimentProgress
from motet.server.terminal.experiments import head, listed


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


@pytest.mark.parametrize(("planned", "told"), [(5, False), (6, True)])
def test_what_the_rest_will_take_is_told_where_there_is_a_rest(
    planned: int,
    told: bool,  # noqa: FBT001 - a table's value
    capsys: pytest.CaptureFixture[str],
) -> None:
    """After the fifth trial, unless that is the last."""
    made = experiment([Made(name="old")], examples=planned, repeats=1)
    begun = replace(made, results=[])

    with ExperimentProgress(begun, Pace(parallel=1), estimated=False) as bar:
        for one in made.results[:5]:
            bar.scored(one)

    assert ("The rest will take" in capsys.readouterr().err) is told


def test_a_list_fits_a_narrow_terminal() -> None:
    """The name, and what an experiment can be asked for by, are there in full."""
    plan = experiment([Made(name="old"), Made(name="new")], examples=1, repeats=1, scales={}).plan
    plan = replace(plan, experiment_id="01a204a3-251b-759a-ab90-8124ac1d2e3f", name="november")
    paper = StringIO()

    Console(file=paper, width=80).print(listed([(plan, 2)]))

    assert "01a204a3-251b " in paper.getvalue()
    assert "november" in paper.getvalue()
    assert "2/2" in paper.getvalue()
