"""What an experiment will be is decided by what is asked for and a seed alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.server.evaluating import example

from motet.errors import InvalidConfig, StoreUnavailable
from motet.observability.evaluation.example import Dataset, Example, version_of
from motet.observability.evaluation.experiment import Plan, Target, TrialResult
from motet.server.evaluation.estimate import by_results
from motet.server.evaluation.patience import patiently
from motet.server.evaluation.planning import Asked, Choice, chosen, plan_of
from motet.server.evaluation.targets import targets
from motet.server.evaluation.trials import cases, spent


def dataset(examples: Sequence[Example]) -> Dataset:
    """One of these."""
    return Dataset(name="words", version=version_of(examples), examples=examples)


WORDS = dataset([example(f"w{at}", tags=["rare" if at % 10 == 0 else "common"]) for at in range(100)])


def plan(examples: Sequence[Example], names: Sequence[str] = ("a", "b"), *, seed: int = 0, repeats: int = 2) -> Plan:
    """Of these examples."""
    asked = Asked(targets=[Target(name=one, assistant=one) for one in names], evaluators=(), repeats=repeats, seed=seed)
    return plan_of(WORDS, examples, asked, ())


def test_a_limit_draws_from_each_tag_its_share() -> None:
    """By the seed: the same examples in the same order each time, others with another seed."""
    drawn = chosen(WORDS, Choice(limit=20), 7)

    assert Counter(one.tags[0] for one in drawn) == {"common": 18, "rare": 2}
    assert [one.example_id for one in drawn] == [one.example_id for one in chosen(WORDS, Choice(limit=20), 7)]
    assert {one.example_id for one in drawn} != {one.example_id for one in chosen(WORDS, Choice(limit=20), 8)}
    assert len(chosen(WORDS, Choice(limit=13, tags=["rare"]), 7)) == 10


def test_an_example_is_tried_with_each_target_before_the_next() -> None:
    """Whoever stops early can compare; which target is first changes from example to example."""
    drawn = chosen(WORDS, Choice(limit=40), 1)
    made = list(cases(plan(drawn), {one.example_id: one for one in drawn}))

    assert len(made) == len({one.key for one in made}) == 40 * 2 * 2
    for first, second in zip(made[::2], made[1::2], strict=True):
        assert (first.example, first.repeat) == (second.example, second.repeat)
        assert {first.target.name, second.target.name} == {"a", "b"}
    assert 20 < sum(one.target.name == "a" for one in made[::2]) < 60
    assert all(
        one.target.name == "a"
        for one in list(cases(plan(drawn), {one.example_id: one for one in drawn}, baseline_first=True))[::2]
    )


def test_runs_are_named_by_the_trial() -> None:
    """A trial that is made again has the same thread and runs, and no other trial has."""
    drawn = chosen(WORDS, Choice(limit=10), 1)
    one = plan(drawn)
    examples = {each.example_id: each for each in drawn}

    ids = [(each.thread_id, each.run_id(0), each.run_id(1)) for each in cases(one, examples)]

    assert ids == [(each.thread_id, each.run_id(0), each.run_id(1)) for each in cases(one, examples)]
    assert len({name for each in ids for name in each}) == 3 * len(ids)
    assert not {ids[0]} & {(each.thread_id, each.run_id(0), each.run_id(1)) for each in cases(plan(drawn), examples)}


def test_the_baseline_is_first(tmp_path: Path) -> None:
    """One of the targets by its name, or another one."""
    file = tmp_path / "other.yaml"
    file.write_text("{name: other, assistant: assistant, model: 'openai:gpt-5', agent: librarian}\n")

    found = targets(["assistant", str(file)], "other")

    assert [one.name for one in found] == ["other", "assistant"]
    assert (found[0].model, found[0].agent) == ("openai:gpt-5", "librarian")
    assert [one.name for one in targets(["assistant"], "single_agent")] == ["single_agent", "assistant"]
    assert [one.name for one in targets(["assistant"], "assistant")] == ["assistant"]


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("{assistant: a, modle: b}", "has the field 'modle'; a target has name, assistant"),
        ("{assistant: a, model: gpt}", "is no provider:model"),
        ("{assistant: a, agent: b}", "agent goes beside a model or a prompt"),
        ("{name: a}", "assistant"),
        ("just text", "holds no object"),
    ],
)
def test_a_target_that_cant_be_is_refused(written: str, said: str, tmp_path: Path) -> None:
    """It says which field, and what it may be."""
    file = tmp_path / "target.yaml"
    file.write_text(written)
    with pytest.raises(InvalidConfig, match=said):
        targets([str(file)])


def test_the_rest_is_estimated_from_the_first_trials() -> None:
    """By target; a price that isn't known leaves the cost unknown."""

    def result(target: str, tokens: int, cost: float | None) -> TrialResult:
        return TrialResult(
            target=target, example_id="x", repeat=0, outcome="ok", tokens=tokens, seconds=2.0, cost_usd=cost,
            judge_cost_usd=0.5,
        )  # fmt: skip

    known = [result("a", 10, 1.0), result("a", 30, 3.0), result("b", 100, 0.0)]

    found = by_results(known, {"a": 5, "b": 2}, 4)

    assert found is not None
    assert (found.trials, found.tokens, found.seconds, found.cost_usd) == (7, 5 * 20 + 2 * 100, 3.5, 5 * 2.5 + 2 * 0.5)
    assert spent(known) == 5.5
    assert by_results(known[:2], {"a": 5, "b": 2}, 4) is None
    unknown = by_results([*known, result("b", 100, None)], {"a": 5, "b": 2}, 4)
    assert unknown is not None
    assert unknown.cost_usd is None


async def test_a_redis_that_is_away_is_waited_for() -> None:
    """So long and no longer."""
    asked = 0

    async def ask() -> int:
        nonlocal asked
        asked += 1
        if asked < 3:
            raise StoreUnavailable("redis://localhost", "it starts")
        return asked

    assert await patiently(ask) == 3
    asked = -100
    with pytest.raises(StoreUnavailable):
        await patiently(ask, patience_s=0)
