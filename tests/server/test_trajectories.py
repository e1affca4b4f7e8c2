"""What is kept of what a run did: by whoever worked it, through questions and answers, and no longer than it."""

from __future__ import annotations

import asyncio
import io
import signal
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from tests.server.running import environment, serving, start
from tests.support import wait_until

from motet.errors import NotFound
from motet.memory.trajectories import StoredTrajectory
from motet.observability.trajectory.file import parsed, write
from motet.observability.trajectory.records import ModelCalled, RunStarted, StateRead, StoreCalled
from motet.observability.trajectory.trajectory import Segment, Trajectory
from motet.server.operating import Operating, operating
from motet.server.settings import Settings
from motet.server.trajectories import episode, found

PROJECT = Path(__file__).parent / "recorded" / "langgraph.json"
FAST = {"MOTET_LEASE_SECONDS": "1", "MOTET_HEARTBEAT_SECONDS": "0.3", "MOTET_SWEEP_SECONDS": "0.3"}
EXPECTED = ["ask@4", "gather@2[0]", "gather@2[1]", "plan@1", "team@3", "team@3|check@2", "team@3|draft@1"]


@pytest.fixture
def tenant() -> str:
    """Nobody else's."""
    return uuid4().hex[:12]


@pytest.fixture
def env(redis_url: str, tenant: str) -> dict[str, str]:
    """The settings of a test's processes."""
    return {**FAST, "MOTET_REDIS_URL": redis_url, "MOTET_TENANT": tenant}


@asynccontextmanager
async def kept(redis_url: str, tenant: str, folder: Path) -> AsyncGenerator[Operating]:
    """What an operator's commands see of the tenant."""
    told: dict[str, Any] = {"redis_url": redis_url, "tenant": tenant, "data_dir": folder, "embeddings": "none"}
    async with operating(Settings(**told)) as here:
        yield here


def said(trajectory: Trajectory) -> list[str]:
    """What models answered, in all tasks that count."""
    calls = [call for one in trajectory.segments() for execution in one.executions.values() for call in execution.calls]
    responses = [call.response for call in calls if isinstance(call, ModelCalled)]
    return [trajectory.plain(ref)["content"] for ref in responses if ref is not None]


def nodes(segment: Segment) -> list[str]:
    """The paths of the tasks that count, but for LangGraph's own first one."""
    return sorted(path for path in segment.executions if "__start__" not in path)


# What each stands for: the records of a node are written, its writes aren't; both are; a superstep of the root, or of
# the sub-graph, is saved.
@pytest.mark.parametrize(
    "dies", ["writes.before:kill:2", "writes.after:kill:3", "put.after:kill:4", "put.before:kill:6"]
)
async def test_a_killed_run_is_one_trajectory(
    dies: str, env: dict[str, str], redis_url: str, tenant: str, tmp_path: Path
) -> None:
    """Killed in the middle, finished by another, answered by a person: each committed task with its calls, once."""
    arguments = ["--config", str(PROJECT)]
    async with (
        serving(*arguments, "--workers", "0", data_dir=tmp_path, env=env) as server,
        server.client() as client,
    ):
        doomed = await start(["worker", *arguments], environment(tmp_path, {**env, "MOTET_FAILPOINT": dies}))
        thread_id = (await client.threads.create())["thread_id"]
        run: Any = await client.runs.create(thread_id, "report", input={"log": []})
        assert await asyncio.wait_for(doomed.process.wait(), 20) == -signal.SIGKILL
        successor = await start(["worker", *arguments], environment(tmp_path, env))
        await client.runs.join(thread_id, run["run_id"])
        values: Any = await client.runs.wait(thread_id, "report", command={"resume": "yes"})
        await successor.stop()

    async with kept(redis_url, tenant, tmp_path) as here:
        trajectory = await found(here, run["run_id"][:13])
    asked, answered = trajectory.segments()
    assert nodes(asked) == EXPECTED
    assert nodes(answered) == ["ask@4", "tell@5"]
    assert sorted(said(trajectory)) == sorted(one for one in values["log"] if not one.startswith("a person"))
    assert asked.attempts == 2
    assert (asked.executions["ask@4"].finished.outcome, answered.executions["ask@4"].finished.outcome) == (
        "interrupted",
        "ok",
    )
    assert asked.interrupted is not None
    assert trajectory.plain(asked.interrupted.questions[0].value) == "Shall it be told?"
    assert trajectory.run_ids == (run["run_id"], answered.run_id)
    file = io.BytesIO()
    write(trajectory, file)
    assert parsed(file.getvalue(), "x") == trajectory


async def test_a_run_tells_what_it_was_given(env: dict[str, str], redis_url: str, tenant: str, tmp_path: Path) -> None:
    """Input, context, configuration, answers with who gave them, the state that was found, versions, limits, events."""
    async with serving("--config", str(PROJECT), data_dir=tmp_path, env=env) as server, server.client() as client:
        thread_id = (await client.threads.create())["thread_id"]
        config = {"configurable": {"colour": "red", "api_key": "abcdefgh12345"}, "recursion_limit": 50, "tags": ["t"]}
        given: Any = {"input": {"log": ["given"]}, "config": config, "stream_mode": ["updates"]}
        async for _ in client.runs.stream(thread_id, "report", **given):
            pass
        await client.runs.wait(thread_id, "report", command={"resume": "yes"})
        async with kept(redis_url, tenant, tmp_path) as here:
            first, second = list(await here.trajectories.runs(thread_id))
            trajectory = await found(here, first)
    asked, answered = trajectory.segments()
    assert isinstance(asked.started, RunStarted)
    assert trajectory.plain(asked.started.input or "") == {"log": ["given"]}
    assert asked.started.config["configurable"] == {"colour": "red", "api_key": "[redacted]"}
    assert (asked.started.config["recursion_limit"], asked.started.config["tags"]) == (50, ["t"])
    assert (asked.started.follows, answered.started.follows, answered.run_id) == (None, first, second)
    (answer,) = answered.started.answers.values()
    assert answer["who"]["actor"]
    assert asked.started.at < answer["when"] <= answered.started.at
    assert trajectory.plain(answered.started.command or "")["resume"]
    assert {"langgraph", "langchain-core", "motet", "python"} == set(answered.started.versions)
    (read,) = [one for one in answered.read if one.namespace == ""]
    assert isinstance(read, StateRead)
    assert "log" in read.values
    assert asked.read == []
    assert asked.finished is not None
    assert asked.finished.limits["model_calls"] == 50
    assert {one.run_id for one in trajectory.events} == {first, second}
    assert "abcdefgh12345" not in str(trajectory)


async def test_long_term_memory_is_seen(env: dict[str, str], redis_url: str, tenant: str, tmp_path: Path) -> None:
    """What a node does to the store it is given is recorded with the node; the graph knows nothing of it."""
    async with serving("--config", str(PROJECT), data_dir=tmp_path, env=env) as server, server.client() as client:
        values: Any = await client.runs.wait(None, "remembers", input={"log": []})
        async with kept(redis_url, tenant, tmp_path) as here:
            (run,) = await here.runs.recent(limit=1)
            trajectory = await found(here, run.request.run_id)
    (segment,) = trajectory.segments()
    calls = segment.executions["remember@1"].calls
    assert values["log"] == ["kept"]
    assert [type(one) for one in calls] == [StoreCalled, StoreCalled]
    assert "kept" in str(trajectory.plain(calls[1].results or ""))  # pyright: ignore[reportAttributeAccessIssue]  # seen above


async def test_a_deleted_thread_leaves_no_trajectory(
    env: dict[str, str], redis_url: str, tenant: str, tmp_path: Path
) -> None:
    """Deleted with its thread; that of a run without a thread of its own stays, and is found by the run's id."""
    async with serving("--config", str(PROJECT), data_dir=tmp_path, env=env) as server, server.client() as client:
        thread_id = (await client.threads.create())["thread_id"]
        await client.runs.wait(thread_id, "remembers", input={"log": []})
        await client.runs.wait(None, "remembers", input={"log": []})
        async with kept(redis_url, tenant, tmp_path) as here:
            alone, ours = [one.request for one in await here.runs.recent(limit=2)]
            assert (await found(here, ours.run_id)).thread_id == thread_id
            await client.threads.delete(thread_id)

            async def gone() -> bool:
                return not await here.trajectories.runs(thread_id)

            await wait_until(gone, description="the trajectory is gone")
            with pytest.raises(NotFound):
                await found(here, ours.run_id)
            assert (await found(here, alone.run_id)).run_ids == (alone.run_id,)


async def test_a_trajectory_outlives_the_record_of_its_run(redis_url: str, tenant: str, tmp_path: Path) -> None:
    """A run's record goes after a day, its trajectory after a week: it is found by the whole id, without events."""
    from tests.observability.hand_made import answering  # noqa: PLC0415 - only this test

    kept_by_hand = answering()
    async with kept(redis_url, tenant, tmp_path) as here:
        store: Any = here.trajectories
        run_id = kept_by_hand.run_id
        key = store._keys.run(run_id, run_id)
        await store._client.set(key, "", ex=60)
        batch = StoredTrajectory(records=kept_by_hand.records, contents=kept_by_hand.contents)
        assert await store.append(run_id, run_id, batch)
        await store._client.delete(key)
        trajectory = await found(here, run_id)
        assert (trajectory.run_ids, trajectory.events) == ((run_id,), [])
        await store.forget(run_id)


@pytest.mark.parametrize("asked", ["a", "b", "c", "d"])
def test_an_episode_is_the_same_from_each_of_its_runs(asked: str) -> None:
    """Back to the run that asked first, and forward to all that answered; other runs of the thread don't belong."""
    follows = {"x": "", "a": "gone", "y": "x", "b": "a", "c": "b", "d": "a"}
    assert episode(follows, asked) == ["a", "b", "d", "c"]
    assert episode(follows, "y") == ["x", "y"]


def test_runs_that_follow_one_another_in_a_circle_end() -> None:
    """Nonsense in the store is no endless loop."""
    assert sorted(episode({"a": "b", "b": "a"}, "a")) == ["a", "b"]
