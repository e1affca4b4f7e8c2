"""Experiments: each example is tried with each target, as runs on the queue, and scored; each trial once."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio
from langchain_openai import ChatOpenAI
from redis.asyncio import Redis
from tests.server.evaluating import EVALUATED, Heard, example, file_of, tried
from tests.server.openai_server import openai_server
from tests.support import wait_until

from motet.errors import InvalidConfig, InvalidInput, NotFound
from motet.memory.ports import Ending
from motet.memory.redis.client import connect
from motet.memory.redis.embedded import EmbeddedRedis
from motet.memory.redis.keys import Keys
from motet.memory.redis.runs import RedisRuns
from motet.memory.redis.scripts import Scripts
from motet.observability.evaluation.experiment import Experiment
from motet.observability.trajectory.file import parsed
from motet.server.evaluation.bench import bench
from motet.server.evaluation.deleting import delete
from motet.server.evaluation.planning import Choice
from motet.server.evaluation.running import Order, prepared
from motet.server.evaluation.targets import targets
from motet.server.operating import Operating, operating
from motet.server.replaying import replaying
from motet.server.settings import Settings
from motet.testing import allow_model_requests


@pytest_asyncio.fixture
async def here(redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[Operating]:
    """An installation of its own."""
    (tmp_path / "notes").mkdir()
    monkeypatch.setenv("TEST_NOTES", str(tmp_path / "notes"))
    async with operating(settings(redis_url, tmp_path)) as opened:
        yield opened


def settings(redis_url: str, folder: Path, **told: Any) -> Settings:
    """Of an installation that nothing is kept of."""
    tenant = uuid4().hex[:12]
    known: dict[str, Any] = {"redis_url": redis_url, "tenant": tenant, "data_dir": folder, "embeddings": "none"}
    return Settings(**{**known, **told})


def values(experiment: Experiment, metric: str = "exact") -> dict[str, Any]:
    """The metric's value of each trial."""
    return {
        one.key: next((score.value for score in one.scores if score.key == metric), None) for one in experiment.results
    }


async def test_each_example_is_tried_with_each_target_as_often_as_asked(here: Operating, tmp_path: Path) -> None:
    """Two targets, two examples, twice each: eight trials, each with its scores and its trajectory."""
    dataset = file_of(tmp_path, [example("ulm"), example("xanten")])

    experiment, made = await tried(here, dataset, "clerk", "fast=hasty", repeats=2)

    assert experiment.whole
    assert not experiment.stopped
    assert values(experiment) == {
        **{f"clerk ulm {at}": True for at in range(2)},
        **{f"clerk xanten {at}": False for at in range(2)},
        **{f"fast {word} {at}": True for word in ("ulm", "xanten") for at in range(2)},
    }
    assert len(list((tmp_path / "notes").iterdir())) == 4
    for one in experiment.results:
        trajectory = parsed(await here.experiments.trajectory(made.plan.experiment_id, one.key), one.key)
        assert list(trajectory.run_ids) == list(one.run_ids)
        told = trajectory.started.config["metadata"]
        assert (told["experiment"], told["target"], told["example"], told["repeat"]) == (
            made.plan.experiment_id,
            one.target,
            one.example_id,
            one.repeat,
        )


async def test_what_was_made_and_not_kept_is_taken_up(here: Operating, tmp_path: Path) -> None:
    """A driver that died between a run's end and its result: the next one scores that run, and makes no other."""
    dataset = file_of(tmp_path, [example("ulm"), example("trier")])
    first, made = await tried(here, dataset, "clerk")
    await here.experiments.delete(made.plan.experiment_id)
    await here.experiments.create(made.plan)
    await here.experiments.record(made.plan.experiment_id, first.results[0])

    again, _ = await tried(here, "", resume=made.plan.experiment_id[:13])

    assert [one.run_ids for one in again.results] == [one.run_ids for one in first.results]
    assert len(list((tmp_path / "notes").iterdir())) == 2


async def test_questions_are_answered_in_order(here: Operating, tmp_path: Path) -> None:
    """Each question takes the next of the example's answers; one without an answer leaves the trial interrupted."""
    answered = example("both", answers=["yes", "indeed"], reference="yes, indeed")
    left = example("one", answers=["yes"], reference="yes, indeed")

    experiment, made = await tried(here, file_of(tmp_path, [answered, left]), "asks")

    both, one = sorted(experiment.results, key=lambda result: result.example_id)
    assert (both.example_id, both.outcome, both.answer, len(both.run_ids)) == ("both", "ok", "yes, indeed", 3)
    assert (one.example_id, one.outcome, len(one.run_ids)) == ("one", "interrupted", 2)
    assert (await here.threads.get(one.thread_id)).interrupts == ()
    trajectory = parsed(await here.experiments.trajectory(made.plan.experiment_id, both.key), both.key)
    [answer] = trajectory.segments()[1].started.answers.values()
    assert answer["who"] == {"actor": f"experiment {made.plan.name}", "verified_as": "motet"}


async def test_a_failed_run_is_a_result(here: Operating, tmp_path: Path) -> None:
    """It has its error and its scores, and counts among the others."""
    experiment, _ = await tried(here, file_of(tmp_path, [example("ulm")]), "boom", "hasty")

    failed, good = experiment.results
    assert (failed.outcome, failed.error) == ("error", "ValueError: it can't be done")
    assert (good.outcome, good.error) == ("ok", "")
    assert values(experiment) == {"boom ulm 0": False, "hasty ulm 0": True}


async def test_a_run_that_is_worked_for_too_long_fails_its_trial(here: Operating, tmp_path: Path) -> None:
    """It is ended, and what it did so far is kept."""
    experiment, made = await tried(here, file_of(tmp_path, [example("ulm")]), "endless", timeout_s=0.5)

    [result] = experiment.results
    assert (result.outcome, result.error) == ("error", "Timeout: it was worked for more than 0.5 s")
    assert parsed(await here.experiments.trajectory(made.plan.experiment_id, result.key), "").graph_id == "endless"


async def test_a_trials_time_begins_with_its_work(here: Operating, tmp_path: Path, redis: Redis) -> None:
    """However long a run waits for a worker, its trial has its whole time from the run's first event on."""
    runs = RedisRuns(redis, Keys(here.settings.tenant), Scripts(redis))
    order = Order(
        dataset=str(file_of(tmp_path, [example("ulm")])),
        targets=targets(["endless"]), evaluators=["exact"], timeout_s=0.2,
    )  # fmt: skip
    heard, loop = Heard(), asyncio.get_running_loop()
    async with prepared(here, order, heard.warnings.append) as made:
        going = asyncio.create_task(made.run(heard))
        claimed = await runs.claim("by hand", wait_s=20)
        assert claimed is not None
        began = loop.time()
        await wait_until(lambda: loop.time() > began + 0.6, description="its time passes three times")
        assert await runs.beat(claimed.claim) is None
        await runs.append(claimed.claim, [("metadata", b"{}")])

        async def is_told_to_end() -> bool:
            return await runs.beat(claimed.claim) == "interrupt"

        await wait_until(is_told_to_end, description="its time is over")
        await runs.finish(claimed.claim, Ending(status="interrupted", cancelled="interrupt"))
        await going

    assert [one.error for one in heard.results] == ["Timeout: it was worked for more than 0.2 s"]


async def test_a_target_may_have_another_prompt(here: Operating, tmp_path: Path) -> None:
    """The graph's own prompt is replaced in its runs, what was other is in their record, and they replay the same."""
    file = tmp_path / "targets.yaml"
    file.write_text("- {name: hasty, assistant: hasty}\n- {name: careless, assistant: hasty, prompt: be careless}\n")

    experiment, made = await tried(here, file_of(tmp_path, [example("ulm")]), str(file))

    assert values(experiment) == {"hasty ulm 0": True, "careless ulm 0": False}
    trajectory = parsed(await here.experiments.trajectory(made.plan.experiment_id, "careless ulm 0"), "")
    assert trajectory.started.config["replaced"] == {"model": None, "prompt": "be careless", "agent": None}
    async with replaying(here.settings, config=EVALUATED, workspace=None) as again:
        assert (await again.verdict(trajectory)).equal


async def test_no_trial_starts_once_the_cap_is_spent(redis_url: str, tmp_path: Path) -> None:
    """It stops by itself, says why, and goes on with what is left when it may spend more."""
    prices = tmp_path / "prices.toml"
    prices.write_text('[[price]]\nmodel = "function"\ninput = 1000\noutput = 1000\n')
    words = [example(f"word{at}") for at in range(8)]
    async with operating(settings(redis_url, tmp_path, prices=prices)) as here:
        stopped, made = await tried(here, file_of(tmp_path, words), "hasty", parallel=1, cap_usd=0.01)
        whole, again = await tried(here, "", resume=made.plan.experiment_id, cap_usd=100.0)

    spent = sum(one.cost_usd or 0 for one in stopped.results)
    assert 0.01 <= spent < 0.02
    assert 0 < len(stopped.results) < len(words)
    assert stopped.stopped.startswith("the cap of $0.01 is reached")
    assert (whole.whole, whole.stopped) == (True, "")
    assert again.estimate is None or again.estimate.trials == len(words) - len(stopped.results)


async def test_what_it_will_take_is_estimated_from_what_was_run_before(here: Operating, tmp_path: Path) -> None:
    """By an experiment with the same target; the model has no price, so no cost is told."""
    words = [example("ulm"), example("trier")]
    _, first = await tried(here, file_of(tmp_path, words), "hasty", name="first")
    _, second = await tried(here, file_of(tmp_path, words), "hasty", repeats=3)

    assert first.estimate is None
    assert second.estimate is not None
    assert (second.estimate.trials, second.estimate.cost_usd) == (6, None)
    assert second.estimate.tokens > 0
    assert second.estimate.basis == "by 2 trials of experiment first"


async def test_what_cant_be_worked_is_refused_before_anything_is_made(here: Operating, tmp_path: Path) -> None:
    """An unknown assistant, and a value that clients may not set, name the field; no experiment is left."""
    dataset = file_of(tmp_path, [example("ulm")])
    for told, field in (("nobody", "assistant_id"), ('{"assistant": "hasty", "context": {"user_id": 1.5}}', "user_id")):
        file = tmp_path / "target.json"
        file.write_text(told)
        with pytest.raises(InvalidInput, match=field):
            await tried(here, dataset, told if told == "nobody" else str(file))
    for told, said in (
        ({"targets": ()}, "name at least one assistant"),
        ({"choice": Choice(split="none")}, "none of its 1 examples has split none"),
        ({"recorded": [str(tmp_path / "notes")]}, "holds no .jsonl file"),
        ({"evaluators": ["nonsense"]}, "there is none of that name"),
    ):
        with pytest.raises(InvalidConfig, match=said):
            await tried(here, dataset, "hasty", **told)

    assert await here.experiments.all() == []
    assert await here.runs.recent(limit=1) == []


async def test_a_deleted_experiment_leaves_no_thread(here: Operating, tmp_path: Path) -> None:
    """With it go the threads that were made for its trials."""
    experiment, made = await tried(here, file_of(tmp_path, [example("ulm")]), "hasty")

    await delete(here, made.plan)

    with pytest.raises(NotFound):
        await here.threads.get(experiment.results[0].thread_id)
    with pytest.raises(NotFound):
        await here.experiments.load(made.plan.experiment_id)


async def test_recordings_are_scored_without_a_run(here: Operating, tmp_path: Path) -> None:
    """Exported trajectories are matched to examples, by what they were made for; the rest is named; no run is made."""
    dataset = file_of(tmp_path, [example("ulm"), example("xanten"), example("trier", split="other")])
    live, made = await tried(here, dataset, "clerk")
    folder = tmp_path / "exported"
    folder.mkdir()
    for one in live.results:
        told = await here.experiments.trajectory(made.plan.experiment_id, one.key)
        (folder / f"{one.example_id}.jsonl").write_bytes(told)
    fewer = file_of(tmp_path, [example("ulm"), example("xanten"), example("berlin")], "fewer.jsonl")
    runs = len(await here.runs.recent(limit=100))

    recorded, again = await tried(here, fewer, recorded=[str(folder)])

    assert values(recorded) == {"clerk ulm 0": True, "clerk xanten 0": False}
    assert recorded.plan.mode == "recorded"
    then = {one.key: one.run_ids for one in live.results}
    assert {one.key: one.run_ids for one in recorded.results}.items() <= then.items()
    assert again.notes[0].startswith(f"not used: {folder / 'trier.jsonl'}")
    assert again.notes[-1].endswith("berlin")
    assert len(await here.runs.recent(limit=100)) == runs


async def test_a_recording_without_a_word_of_its_example_is_matched_by_its_input(
    here: Operating, tmp_path: Path
) -> None:
    """A run that was made by a client, named by its id."""
    _, made = await tried(here, file_of(tmp_path, [example("ulm")]), "hasty")
    run_id = (await here.experiments.load(made.plan.experiment_id)).results[0].run_ids[0]
    other = example("ulm", example_id="same-question")

    found, _ = await tried(here, file_of(tmp_path, [other], "other.jsonl"), recorded=[run_id[:18]])

    assert values(found) == {"hasty same-question 0": True}


async def test_nobody_who_works_is_said(redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without any worker the experiment says so, and goes on as soon as there is one."""
    monkeypatch.setattr("motet.server.evaluation.unworked._EVERY_S", 0.1)
    monkeypatch.setattr("motet.server.evaluation.unworked._LONG_S", 0.2)
    heard = Heard()
    async with operating(settings(redis_url, tmp_path)) as here:
        order = Order(
            dataset=str(file_of(tmp_path, [example("ulm")])), targets=targets(["hasty"]), evaluators=["exact"]
        )
        async with prepared(here, order, heard.warnings.append) as made:
            going = asyncio.create_task(made.run(heard))
            await wait_until(lambda: bool(heard.warnings), description="it is said")
            going.cancel()
            await asyncio.gather(going, return_exceptions=True)
    assert "motet worker" in heard.warnings[0]


async def test_a_graph_that_no_worker_knows_ends_the_experiment(here: Operating, tmp_path: Path) -> None:
    """Where this process knows no graphs: the first trial tells, no other follows, and nothing counts as failed."""
    words = [example(f"word{at}") for at in range(12)]
    order = Order(dataset=str(file_of(tmp_path, words)), targets=targets(["nobody"]), evaluators=["exact"], parallel=1)
    heard = Heard()
    async with bench(here, config=EVALUATED) as workers, workers.working(2):
        async with prepared(here, order, heard.warnings.append) as made:
            with pytest.raises(InvalidInput) as refused:
                await made.run(heard)

    assert str(refused.value).startswith("--target: 'nobody' is not allowed; allowed: one of the graphs: clerk, hasty")
    experiment = await here.experiments.load(made.plan.experiment_id)
    assert (list(experiment.results), heard.results) == ([], [])
    assert experiment.stopped == str(refused.value)
    assert len(await here.runs.recent(limit=20)) == 1


async def test_answers_are_compared_with_the_baselines(
    redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A judge sees both targets' answers to an example, in both orders; what it costs is counted."""

    def judge(asked: dict[str, Any]) -> str:
        text = str(asked["messages"][-1]["content"])
        better = "first" if text.rfind("I forgot") > text.rfind("noted") else "second"
        return json.dumps({"reasoning": "it is noted", "score": better})

    prices = tmp_path / "prices.toml"
    prices.write_text('[[price]]\nmodel = "judge"\ninput = 1000\noutput = 1000\n')
    file = tmp_path / "targets.json"
    file.write_text('[{"assistant": "hasty"}, {"name": "careless", "assistant": "hasty", "prompt": "be careless"}]')
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    async with openai_server(judge) as model:
        told = settings(redis_url, tmp_path, model="openai:judge", model_base_url=model.url, prices=prices)
        async with operating(told) as here:
            dataset = file_of(tmp_path, [example("ulm"), example("trier")])
            with allow_model_requests(ChatOpenAI):
                experiment, _ = await tried(here, dataset, str(file), evaluators=["pairwise"], parallel=1)

    assert values(experiment, "pairwise") == {
        **{f"hasty {word} 0": None for word in ("ulm", "trier")},
        **{f"careless {word} 0": "b" for word in ("ulm", "trier")},
    }
    assert [one.judge_cost_usd for one in experiment.results if one.target == "careless"] == [
        pytest.approx(2 * 15 / 1000)
    ] * 2
    assert experiment.plan.judge == "openai:judge"


async def test_without_a_name_those_evaluators_score_that_fit(here: Operating, tmp_path: Path) -> None:
    """What the examples say is looked at, and no model is asked."""
    words = [example("ulm", expect={"effects": ["note"]}), example("trier", reference=4)]

    experiment, _ = await tried(here, file_of(tmp_path, words), "clerk", evaluators=[])

    named = {str(one["name"]) for one in experiment.plan.evaluators}
    assert named == {"outcome", "exact", "string_distance", "numeric", "effects", "efficiency"}
    assert values(experiment, "effects") == {"clerk ulm 0": True, "clerk trier 0": None}


async def test_a_redis_that_dies_and_comes_back_loses_no_trial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed in the middle, with runs at work: all have their results, each noted once."""
    (tmp_path / "notes").mkdir()
    monkeypatch.setenv("TEST_NOTES", str(tmp_path / "notes"))
    words = [f"word{at}" for at in range(30)]
    heard = Heard()
    async with (
        EmbeddedRedis(tmp_path) as url,
        operating(settings(url, tmp_path, lease_seconds=2, heartbeat_seconds=0.5)) as here,
    ):
        order = Order(
            dataset=str(file_of(tmp_path, [example(word) for word in words])),
            targets=targets(["clerk"]),
            evaluators=["exact"],
            config=EVALUATED,
        )
        async with prepared(here, order, heard.warnings.append) as made:
            going = asyncio.create_task(made.run(heard))
            await wait_until(lambda: len(heard.results) >= 8, description="some have results", timeout_s=30)
            client = await connect(url)
            pid = int((await client.info("server"))["process_id"])
            await client.aclose()
            os.kill(pid, signal.SIGKILL)
            async with EmbeddedRedis(tmp_path):
                await asyncio.wait_for(going, 40)
                experiment = await here.experiments.load(made.plan.experiment_id)
    assert experiment.whole
    assert {one.outcome for one in experiment.results} == {"ok"}
    assert sorted(one.name.partition(".")[0] for one in (tmp_path / "notes").iterdir()) == sorted(words)
