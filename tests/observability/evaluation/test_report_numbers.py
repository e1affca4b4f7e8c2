"""A report's numbers and sentences: counted, paired, adjusted, and never more than can be said."""

from __future__ import annotations

from dataclasses import replace

import orjson
import pytest
from tests.observability.evaluation.experiments_made import (
    SCALES,
    THREE,
    Made,
    changed,
    dataset,
    experiment,
    trajectory,
)

from motet.errors import InvalidInput
from motet.observability.evaluation.evaluator import Scale, Score
from motet.observability.evaluation.experiment import Experiment
from motet.observability.evaluation.report import exported
from motet.observability.evaluation.report.report import Report
from motet.observability.evaluation.report.reported import reported

CORRECT = {"correct": SCALES["correct"]}
TWO = (Made(name="old"), Made(name="new", skill=2.0))


@pytest.fixture(scope="module")
def whole() -> Report:
    """Of three targets, 60 examples, 3 repeats."""
    return reported([experiment()], trajectories=trajectory, datasets=[dataset()])


def plain(targets: tuple[Made, ...], *, repeats: int = 3, seed: int = 7) -> Experiment:
    """With one yes-or-no metric, and no group of examples."""
    made = experiment(targets, scales=CORRECT, repeats=repeats, seed=seed)
    return replace(made, plan=replace(made.plan, clusters={one: one for one in made.plan.example_ids}))


def test_a_rate_is_the_share_of_trials(whole: Report) -> None:
    """The mean is that of all trials with a value, and its interval holds it."""
    trials = [one for one in whole.experiments[0].results if one.target == "careful"]
    passed = sum(score.value is True for one in trials for score in one.scores if score.key == "correct")

    found = whole.estimate("careful", "correct")

    assert found.mean == pytest.approx(passed / 180)
    assert found.trials == 180
    assert found.low is not None
    assert found.high is not None
    assert found.low < passed / 180 < found.high


def test_an_interval_stays_on_its_scale() -> None:
    """A count of which most are 0 isn't told to be less than 0, though it has no greatest value."""
    made = experiment((Made(name="old"),), scales=CORRECT, repeats=1)
    plan = replace(made.plan, scales={"again": Scale(kind="number", high=None)})
    trials = [replace(one, scores=[Score(key="again", value=float(n == 0))]) for n, one in enumerate(made.results)]

    found = reported([replace(made, plan=plan, results=trials)]).estimate("old", "again")
    assert found.low == 0
    assert found.high is not None


def test_a_score_with_an_error_is_missing_and_counted(whole: Report) -> None:
    """It is neither passed nor failed, the counts say so, and so do the words."""
    failed = sum(
        bool(score.error) for one in whole.experiments[0].results if one.target == "hasty" for score in one.scores
    )

    found = whole.estimate("hasty", "judge.helpful")

    assert failed > 0
    assert (found.failed, found.trials) == (failed, 180 - failed)
    assert any("judge.helpful" in one and "left out" in one for one in whole.cautions)


def test_reliability_over_tries_is_counted_by_example(whole: Report) -> None:
    """pass^3 is the share of examples that always pass, pass@3 of those that ever do."""
    of: dict[str, list[bool]] = {}
    for one in whole.experiments[0].results:
        if one.target == "assistant":
            of.setdefault(one.example_id, []).append(one.scores[0].value is True)

    found = whole.estimate("assistant", "correct").passing[-1]

    assert found.k == 3
    assert found.all_of_k.mean == pytest.approx(sum(all(one) for one in of.values()) / 60)
    assert found.any_of_k.mean == pytest.approx(sum(any(one) for one in of.values()) / 60)


def test_targets_are_compared_by_example() -> None:
    """Repeats are averaged, examples are the pairs; one that a side lacks is left out, and counted."""
    made = plain(TWO, repeats=2)
    gone = changed(made, ("new", "q-000", 0), scores=[Score(key="correct", value=None, error="lost")])
    gone = changed(gone, ("new", "q-000", 1), scores=[Score(key="correct", value=None, error="lost")])

    found = reported([gone]).comparison("new", "correct")

    assert found is not None
    assert (found.n, found.left_out, found.baseline) == (59, 1, "old")
    assert found.improved + found.worsened + found.equal == 59


def test_one_try_each_is_tested_exactly() -> None:
    """Of one boolean an example, McNemar's exact test is told, with its reason."""
    found = reported([plain(TWO, repeats=1)]).comparison("new", "correct")

    assert found is not None
    assert found.test == "exact McNemar"
    assert found.reason
    assert found.meaning == "better"
    assert "likely by at least" in found.says


def test_p_values_are_adjusted_within_their_family(whole: Report) -> None:
    """By Holm: never smaller than before, and quality isn't paid for by measures of effort."""
    quality = [one for one in whole.comparisons if one.metric in SCALES]
    effort = [one for one in whole.comparisons if one.metric not in SCALES]

    assert {one.family for one in quality} == {len(quality)}
    assert {one.family for one in effort} == {len(effort)}
    assert all(one.adjusted >= one.p_value for one in whole.comparisons if one.adjusted and one.p_value)
    assert any(one.adjusted > one.p_value for one in whole.comparisons if one.adjusted and one.p_value)


@pytest.mark.parametrize("seed", [0, 1, *(pytest.param(one, marks=pytest.mark.all) for one in range(2, 20))])
def test_what_was_not_found_is_not_called_nothing(seed: int) -> None:
    """Two targets that are the same: the words can't tell, and say what would have been found."""
    told = reported([plain((Made(name="old"), Made(name="same")), repeats=1, seed=seed)])
    found = told.comparison("same", "correct")

    assert found is not None
    if found.meaning == "unclear":
        assert found.says.startswith("Can't tell whether same and old differ")
        assert "would have been found four times out of five" in found.says
    said = " ".join([*told.conclusions, *told.open]).lower()
    assert not any(word in said for word in ("no difference", "equal", "the same quality", "not significant"))


def test_worse_is_said_of_what_is_worse(whole: Report) -> None:
    """Also where less is better: more steps are worse, however the numbers go."""
    careful = whole.comparison("careful", "steps")

    assert careful is not None
    assert careful.difference is not None
    assert careful.difference > 0
    assert careful.meaning == "worse"


def test_few_examples_are_warned_of() -> None:
    """Below 30 clusters and 50 examples the report says so."""
    said = " ".join(reported([experiment(TWO, examples=12, repeats=1)]).cautions)

    assert "below 30 clusters" in said
    assert "below 50 examples" in said


def test_an_unfinished_experiment_is_said_to_be_one() -> None:
    """Trials that are missing are counted, and why."""
    made = experiment(TWO)
    cut = replace(made, results=made.results[:300], stopped="the cap of $1 was reached")

    told = reported([cut])

    assert "300 of 360 trials: the cap of $1 was reached" in told.cautions[0]
    assert told.estimate("new", "correct").absent == 60


def test_two_experiments_are_paired_by_example() -> None:
    """Targets of one name are told apart; other data are warned of."""
    old, new = plain(TWO[:1], seed=1), plain((Made(name="old", skill=2.0),), seed=2)
    other = replace(new, plan=replace(new.plan, name="December", dataset_version="0" * 16))

    told = reported([old, other])

    assert told.targets == ["old@prompt of November", "old@December"]
    found = told.comparison("old@December", "correct")
    assert found is not None
    assert (found.n, found.meaning) == (60, "better")
    assert any("different data" in one for one in told.cautions)


def test_shown_examples_part_where_their_trajectories_do(whole: Report) -> None:
    """The most changed has two sides of different targets, and its first divergence is named."""
    first = whole.changed[0]

    assert first.sides[0].target == "assistant"
    assert len({one.target for one in first.sides}) == 2
    assert first.parted is not None
    assert first.parted.where.startswith(("tool sql", "model small-1"))
    assert first.parted.expected != first.parted.actual
    assert first.input.startswith("What do the data say")


def test_one_target_shows_its_best_and_worst_try() -> None:
    """Without another target, two tries of one example are laid side by side, and nothing is compared."""
    told = reported([experiment(TWO[:1])], trajectories=trajectory)

    assert [one.target for one in told.worst[0].sides] == ["old", "old"]
    assert not told.comparisons
    assert not told.changed
    assert "One target alone" in told.open[-1]


def test_the_json_holds_all_that_it_was_made_of(whole: Report) -> None:
    """Experiments read from it are the same ones."""
    again = exported.decoded(exported.encoded(whole), "report.json")

    assert orjson.dumps(again) == orjson.dumps(whole.experiments)


def test_the_same_trials_give_the_same_report() -> None:
    """All that is drawn is drawn from a seed; also of trials that were read from JSON."""
    first = reported([experiment(THREE[:2], examples=6)], trajectories=trajectory)
    again = reported(exported.decoded(exported.encoded(first), "report.json"), trajectories=trajectory)

    assert orjson.dumps(replace(again, made_at="")) == orjson.dumps(replace(first, made_at=""))


@pytest.mark.parametrize(
    ("data", "names"),
    [(b"{", "x.json"), (b"[]", "plan"), (b'{"experiments": []}', "plan"), (b'{"plan": {"v": 2}}', "version"),
     (b'{"plan": {"v": 1}, "results": []}', "plan")],
)  # fmt: skip
def test_a_file_of_something_else_is_refused(data: bytes, names: str) -> None:
    """The error names the file and what is wanted."""
    with pytest.raises(InvalidInput, match=names) as caught:
        exported.decoded(data, "x.json")

    assert "x.json" in str(caught.value)


def test_the_command_repeats_the_experiment(whole: Report) -> None:
    """It names dataset and version, evaluators with their arguments, repeats and seed; targets' prompts are beside."""
    source = whole.sources[0]

    assert source.command.startswith(f"motet eval run 'sales questions@{dataset().version}' --target targets.json")
    assert "--evaluator string_distance:measure=levenshtein" in source.command
    assert source.command.endswith("--repeat 3 --parallel 4 --seed 7")
    assert orjson.loads(source.targets_file)[1]["prompt"].startswith("Check each number")
    assert source.splits == {"calibration": 12, "test": 48}
