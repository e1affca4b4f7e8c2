"""Datasets never change and experiments score each trial once; both come back as they were, or say that they can't."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator
from typing import Any, cast

import orjson
import pytest
import pytest_asyncio
from redis.asyncio import Redis
from tests.memory.savers import commands_of

from motet.errors import AlreadyExists, DataDamaged, DatasetMovedOn, InvalidConfig, InvalidInput, NotFound
from motet.memory.redis.datasets import RedisDatasets
from motet.memory.redis.experiments import RedisExperiments
from motet.memory.redis.keys import Keys
from motet.memory.redis.scripts import Scripts
from motet.memory.serde import AesCipher
from motet.observability.evaluation.evaluator import Scale, Score
from motet.observability.evaluation.example import Example, encoded, version_of
from motet.observability.evaluation.experiment import Plan, Target, TrialResult, trial_key

CIPHER = AesCipher(b"0123456789abcdef")
RICH = Example(
    example_id="rich",
    input={"messages": [{"role": "user", "content": "zwölf?"}]},
    reference=[1, 2.5, {"a": None}],
    trajectory=[{"role": "assistant", "content": "12"}],
    path=["agent", "agent/tools"],
    rubric="says twelve",
    answers=[{"type": "approve"}],
    expect={"sql": "select 12"},
    tags=["sums", "short"],
    split="test",
    group="sums.md",
    provenance={"run_id": "r1"},
)


@pytest_asyncio.fixture
async def datasets(redis: Redis, keys: Keys) -> AsyncGenerator[RedisDatasets]:
    """A tenant's datasets; those that are left are deleted, with all their keys."""
    found = RedisDatasets(redis, keys, Scripts(redis))
    yield found
    for one in await found.all():
        await found.delete(one.name)


@pytest_asyncio.fixture
async def experiments(redis: Redis, keys: Keys) -> AsyncGenerator[RedisExperiments]:
    """A tenant's experiments; those that are left are deleted, with all their keys."""
    found = RedisExperiments(redis, keys, Scripts(redis))
    yield found
    for one, _ in await found.all():
        await found.delete(one.experiment_id)


def example(number: int, **told: Any) -> Example:
    """A small one."""
    return Example(example_id=f"e{number}", input={"n": number}, **told)


def plan(experiment_id: str = "abc1", *, examples: int = 2, repeats: int = 2) -> Plan:
    """Two targets, some examples."""
    ids = [f"e{number}" for number in range(examples)]
    return Plan(
        experiment_id=experiment_id,
        name="nightly",
        dataset="sums",
        dataset_version="0" * 16,
        example_ids=ids,
        clusters={one: one for one in ids},
        tags={},
        targets=[Target(name="base", assistant="a"), Target(name="new", assistant="a", prompt="Be brief.")],
        evaluators=[{"name": "exact"}],
        scales={"exact": Scale(), "seconds": Scale(kind="number", high=None, unit="s", higher_is_better=False)},
        repeats=repeats,
        parallel=1,
        seed=7,
        mode="live",
        created_at="2026-11-22T00:00:00+00:00",
    )


def result(target: str, example_id: str, repeat: int, answer: str = "12") -> TrialResult:
    """A trial's result."""
    scores = [
        Score(key="exact", value=True),
        Score(key="seconds", value=1.0, details={"of": [1]}),
        Score(key="tone", value=None, error="nobody judged"),
    ]
    return TrialResult(
        target=target, example_id=example_id, repeat=repeat, outcome="ok", answer=answer, scores=scores, run_ids=["r"]
    )


async def test_a_dataset_comes_back_as_it_was(datasets: RedisDatasets) -> None:
    """Every field of every example, in the order in which they were saved, by a hash, how it begins, or as newest."""
    examples = [RICH, *map(example, range(300))]
    saved = await datasets.save("sums.v1", examples, note="by hand")
    for version in ("", saved.version, saved.version[:5]):
        found = await datasets.load("sums.v1", version)
        assert [encoded(one) for one in found.examples] == [encoded(one) for one in examples]
        assert (found.version, found.note, found.created_at) == (version_of(examples), "by hand", saved.created_at)
    assert (saved.examples, await datasets.all(), await datasets.versions("sums.v1")) == (301, [saved], [saved])


async def test_the_same_again_is_the_version_that_there_was(datasets: RedisDatasets) -> None:
    """In another order too: it is the newest once more, told as it was then; nothing is kept twice."""
    first = await datasets.save("sums", [example(1), example(2)], note="one")
    second = await datasets.save("sums", [example(1)], note="two")
    assert await datasets.versions("sums") == [second, first]
    assert await datasets.save("sums", [example(2), example(1)], note="three") == first
    assert await datasets.versions("sums") == [first, second]
    assert (await datasets.load("sums")).version == first.version
    assert await datasets.all() == [first]


async def test_a_version_behind_another_is_kept_only_while_that_is_the_newest(datasets: RedisDatasets) -> None:
    """Whoever read what there was, and came too late, is told so; nothing of it is kept."""
    first = await datasets.save("sums", [example(1)], after="")
    second = await datasets.save("sums", [example(1), example(2)], after=first.version)
    for after in ("", first.version):
        with pytest.raises(DatasetMovedOn, match=rf"sums .* {second.version}"):
            await datasets.save("sums", [example(3)], after=after)
    with pytest.raises(DatasetMovedOn, match=r"gone .* forgotten"):
        await datasets.save("gone", [example(3)], after=first.version)
    assert await datasets.versions("sums") == [second, first]
    assert [one.name for one in await datasets.all()] == ["sums"]


async def test_a_beginning_that_names_two_versions_names_none(datasets: RedisDatasets) -> None:
    """The error lists those it could be."""
    versions = [(await datasets.save("sums", [example(number)])).version for number in range(17)]
    first = next(one for one in "0123456789abcdef" if sum(v.startswith(one) for v in versions) > 1)
    with pytest.raises(InvalidInput, match="the beginning of one version; it begins"):
        await datasets.load("sums", first)


async def test_what_is_not_there_is_said(datasets: RedisDatasets, experiments: RedisExperiments) -> None:
    """A dataset, a version, an experiment, a trial's trajectory: each by its name."""
    await datasets.save("sums", [example(1)])
    with pytest.raises(NotFound, match="sums@zz"):
        await datasets.load("sums", "zz")
    for act in (datasets.load("none"), datasets.versions("none"), datasets.delete("none")):
        with pytest.raises(NotFound, match="Dataset with ID none"):
            await act
    await experiments.create(plan("there"))
    for act in (
        experiments.load("none"),
        experiments.record("none", result("base", "e0", 0)),
        experiments.stop("none", "why"),
        experiments.delete("none"),
    ):
        with pytest.raises(NotFound, match="Experiment with ID none"):
            await act
    with pytest.raises(NotFound, match="Trajectory with ID there base e0 0"):
        await experiments.trajectory("there", trial_key("base", "e0", 0))


@pytest.mark.parametrize("name", ["", "a b", "a:b", "a/b", "ä", "a\n", "a" * 201, "{a}"])
async def test_names_that_could_be_anothers_key_are_refused(
    datasets: RedisDatasets, experiments: RedisExperiments, name: str
) -> None:
    """Datasets and experiments have names of letters, digits, dots, underscores and hyphens."""
    with pytest.raises(InvalidInput, match=r"dataset: .* allowed: 1 to 200 letters"):
        await datasets.save(name, [example(1)])
    with pytest.raises(InvalidInput, match=r"experiment_id: .* allowed: 1 to 200 letters"):
        await experiments.create(plan(name))


async def test_ids_of_examples_are_checked_before_anything_is_kept(datasets: RedisDatasets) -> None:
    """No spaces, not empty, not too long, and each once."""
    for one in ("", "a b", "a" * 201):
        with pytest.raises(InvalidInput, match=r"example_id: .* characters without spaces"):
            await datasets.save("sums", [example(1), Example(example_id=one, input={})])
    with pytest.raises(InvalidInput, match="'e1' is not allowed; allowed: an id that no other example"):
        await datasets.save("sums", [example(1), example(1, rubric="another")])
    assert await datasets.all() == []


async def test_each_operation_costs_one_round_trip(
    redis: Redis, redis_url: str, keys: Keys, datasets: RedisDatasets, experiments: RedisExperiments
) -> None:
    """Saving and loading a dataset, and recording a trial: one script, however much there is."""
    examples = [example(number) for number in range(1000)]
    await datasets.save("sums", examples[:1])
    await datasets.load("sums")
    await experiments.create(plan())
    await experiments.record("abc1", result("new", "e1", 1))
    acts = [
        lambda: datasets.save("sums", examples),
        lambda: datasets.load("sums"),
        lambda: experiments.record("abc1", result("base", "e0", 0), b"x" * 10_000),
    ]
    for act in acts:
        assert await commands_of(redis_url, act, redis, keys) == ["EVALSHA"]


async def test_damaged_examples_are_never_loaded(redis: Redis, keys: Keys, datasets: RedisDatasets) -> None:
    """Bytes that can't be read, that say something else, or that are missing: each is an error that names it."""
    saved = await datasets.save("sums", [example(1), example(2)])
    place = keys.dataset("sums")[2]
    changed = [
        (b"zrubbish", "incorrect header"),
        (b"=" + encoded(example(1)), "have the hash"),
        (b'={"input":{}}', "no example"),
    ]
    for bytes_, reason in changed:
        await redis.hset(place, saved.version, bytes_)
        with pytest.raises(DataDamaged, match=rf"version {saved.version} of dataset sums: .*{reason}"):
            await datasets.load("sums")
    await redis.hdel(place, saved.version)
    with pytest.raises(DataDamaged, match="a part of it is missing"):
        await datasets.load("sums")


async def test_deleting_leaves_nothing(
    redis: Redis, keys: Keys, datasets: RedisDatasets, experiments: RedisExperiments
) -> None:
    """Every key goes with the last dataset and the last experiment, and one takes nothing along of another."""
    await datasets.save("sums", [example(1)])
    await datasets.save("sums", [example(2)])
    await datasets.save("kept", [example(3)])
    await experiments.create(plan("abc1"))
    await experiments.record("abc1", result("base", "e0", 0), b"all of it")
    await experiments.create(plan("abc2"))
    await datasets.delete("sums")
    await experiments.delete("abc1")
    assert [one.name for one in await datasets.all()] == ["kept"]
    assert [one.experiment_id for one, _ in await experiments.all()] == ["abc2"]
    await datasets.delete("kept")
    await experiments.delete("abc2")
    assert [name async for name in redis.scan_iter(match=f"{keys.prefix}:*")] == []


async def test_an_experiment_comes_back_in_its_plans_order(experiments: RedisExperiments) -> None:
    """However its trials came in: by target, then example, then repeat; and it is whole when all are there."""
    await experiments.create(plan(examples=300))
    trials = [
        (target, f"e{number}", repeat) for target in ("base", "new") for number in range(300) for repeat in (0, 1)
    ]
    for trial in reversed(trials[1:]):
        assert await experiments.record("abc1", result(*trial))
    assert not (await experiments.load("abc1")).whole
    await experiments.record("abc1", result(*trials[0]))
    found = await experiments.load("abc")
    assert [(one.target, one.example_id, one.repeat) for one in found.results] == trials
    assert found.whole
    assert found.plan.targets[1].prompt == "Be brief."
    assert orjson.dumps(found.plan.scales) == orjson.dumps(plan().scales)
    assert list(found.results[0].scores) == list(result("base", "e0", 0).scores)
    assert isinstance(found.results[0].scores[1].value, float)
    assert [(one.experiment_id, count) for one, count in await experiments.all()] == [("abc1", 1200)]


async def test_a_plan_is_made_once(experiments: RedisExperiments) -> None:
    """A second one under its id is refused, and the first one stays."""
    await experiments.create(plan(repeats=2))
    with pytest.raises(AlreadyExists):
        await experiments.create(plan(repeats=5))
    assert (await experiments.load("abc1")).plan.repeats == 2


async def test_a_trial_is_scored_once(experiments: RedisExperiments) -> None:
    """Of all who record one at the same time, one is told that it did, and result and trajectory are its own."""
    await experiments.create(plan())
    attempts = [
        experiments.record("abc1", result("base", "e0", 0, answer=str(number)), b"trajectory %d" % number)
        for number in range(20)
    ]
    told = await asyncio.gather(*attempts)
    assert told.count(True) == 1
    winner = told.index(True)
    assert [one.answer for one in (await experiments.load("abc1")).results] == [str(winner)]
    assert await experiments.trajectory("abc1", "base e0 0") == b"trajectory %d" % winner


async def test_why_it_stopped_is_kept_until_it_goes_on(experiments: RedisExperiments) -> None:
    """The cap, or a person; the plan and the results stay."""
    await experiments.create(plan())
    await experiments.record("abc1", result("base", "e0", 0))
    await experiments.stop("abc1", "the cap of 1 USD is spent")
    assert (await experiments.load("abc1")).stopped == "the cap of 1 USD is spent"
    await experiments.stop("abc1", "")
    found = await experiments.load("abc1")
    assert (found.stopped, len(found.results)) == ("", 1)


async def test_experiments_are_found_by_how_their_ids_begin(experiments: RedisExperiments) -> None:
    """The newest is listed first; a beginning of several names them, unless it is one's whole id."""
    for one in ("ab", "abc", "abd"):
        await experiments.create(plan(one))
    assert [one.experiment_id for one, _ in await experiments.all()] == ["abd", "abc", "ab"]
    assert (await experiments.load("ab")).plan.experiment_id == "ab"
    with pytest.raises(InvalidInput, match="it begins 3: abd, abc, ab"):
        await experiments.load("a")


async def test_what_is_kept_is_encrypted_where_states_are(redis: Redis, keys: Keys) -> None:
    """With a key, nobody reads examples, prompts, answers and trajectories in Redis, nor with another key or none."""
    scripts = Scripts(redis)
    datasets = RedisDatasets(redis, keys, scripts, cipher=CIPHER)
    experiments = RedisExperiments(redis, keys, scripts, cipher=CIPHER)
    saved = await datasets.save("sums", [example(1, reference="hush")])
    await experiments.create(plan())
    await experiments.record("abc1", result("base", "e0", 0, answer="hush"), b"hush")
    for key in (keys.dataset("sums")[2], *keys.experiment("abc1")):
        told = b"".join(cast("list[bytes]", await redis.hvals(key)))
        assert not re.search(b"hush|Be brief", told)
    assert (await datasets.load("sums")).examples[0].reference == "hush"
    assert (await experiments.load("abc1")).results[0].answer == "hush"
    assert await experiments.trajectory("abc1", "base e0 0") == b"hush"
    with pytest.raises(InvalidConfig, match="was encrypted, and there is no key"):
        await RedisDatasets(redis, keys, scripts).load("sums", saved.version)
    with pytest.raises(InvalidConfig, match="another key"):
        await RedisExperiments(redis, keys, scripts, cipher=AesCipher(b"fedcba9876543210")).load("abc1")
    await datasets.delete("sums")
    await experiments.delete("abc1")


async def test_tenants_do_not_see_each_other(redis: Redis, keys: Keys, datasets: RedisDatasets) -> None:
    """What one saved another can neither list nor load."""
    other = RedisDatasets(redis, Keys(tenant="other", prefix=keys.prefix), Scripts(redis))
    await datasets.save("sums", [example(1)])
    assert await other.all() == []
    with pytest.raises(NotFound):
        await other.load("sums")
