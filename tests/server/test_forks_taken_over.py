"""A fork that loses its worker, or fails and is tried again, goes on as the fork that it is."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncGenerator
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
import pytest_asyncio
from tests.server import on_call
from tests.server.running import environment, serving, start
from tests.server.test_forking import PROJECT, Server, from_record, parted
from tests.server.test_trajectories import FAST

TEA = {"log": [], "topic": "tea"}


@pytest.fixture
def env(redis_url: str, tmp_path: Path) -> dict[str, str]:
    """Settings of a server and workers that notice a loss at once."""
    told = {"MOTET_REDIS_URL": redis_url, "MOTET_TENANT": uuid4().hex[:12], "FORKED_FILE": str(tmp_path / "done")}
    return {**FAST, **told}


@pytest_asyncio.fixture
async def server(env: dict[str, str], tmp_path: Path, redis_url: str) -> AsyncGenerator[Server]:
    """A server that works no run itself; its client."""
    arguments = ("--config", str(PROJECT), "--workers", "0")
    async with (
        serving(*arguments, data_dir=tmp_path, env=env) as running,
        httpx.AsyncClient(base_url=running.url, timeout=30) as http,
    ):
        yield Server(http=http, file=tmp_path / "done", redis_url=redis_url, tenant=env["MOTET_TENANT"])


async def worked(server: Server, env: dict[str, str], tmp_path: Path, run: str) -> tuple[str, str]:
    """Thread and run id of a run of `pair` that a worker of its own worked."""
    worker = await start(["worker", "--config", str(PROJECT)], environment(tmp_path, env))
    thread_id, run_id, _ = await server.run(run, input=TEA)
    await worker.stop()
    server.done()
    return thread_id, run_id


def moody(env: dict[str, str], *, is_so: bool) -> None:
    """Whether a model that is told to be moody fails."""
    mood = Path(f"{env['FORKED_FILE']}.moody")
    mood.touch() if is_so else mood.unlink()


@pytest.mark.parametrize("saved", [pytest.param(3, marks=pytest.mark.all), 6, pytest.param(8, marks=pytest.mark.all)])
async def test_a_fork_is_taken_over_as_a_fork(server: Server, env: dict[str, str], tmp_path: Path, saved: int) -> None:
    """Killed before, in and behind the difference: what came before is from the record, each live call is made once."""
    thread_id, run_id = await worked(server, env, tmp_path, "pair")
    asked = {"prompt": "You are kind", "agent": "check"}
    made = (await server.http.post(f"/threads/{thread_id}/runs/{run_id}/fork", json=asked)).json()
    dies = {**env, "MOTET_FAILPOINT": f"put.after:kill:{saved}"}
    doomed = await start(["worker", "--config", str(PROJECT)], environment(tmp_path, dies))
    assert await asyncio.wait_for(doomed.process.wait(), 20) == -signal.SIGKILL
    successor = await start(["worker", "--config", str(PROJECT)], environment(tmp_path, env))
    values = await server.ended(made["thread_id"], made["run_id"])
    await successor.stop()

    assert server.done() == ["model You are kind: check about tea", "model You are second: second about tea"]
    assert len(values["log"]) == len(set(values["log"])) + 1, "what the team was given counts twice by its reducer"
    trajectory = await server.trajectory(made["run_id"])
    assert [segment.attempts for segment in trajectory.segments()] == [2]
    assert [one.path for one in parted(trajectory)] == ["team@2|check@2"]
    assert [answered for _, answered in from_record(trajectory)] == [True, True, False, False]


async def test_a_fork_that_failed_is_tried_again_as_a_fork(server: Server, env: dict[str, str], tmp_path: Path) -> None:
    """`motet runs retry`: it goes on behind what was saved, live, under the fork's own prompt, and with effects off."""
    thread_id, run_id = await worked(server, env, tmp_path, "pair")
    moody(env, is_so=True)
    worker = await start(["worker", "--config", str(PROJECT)], environment(tmp_path, env))
    asked = {"prompt": "You are moody", "agent": "check"}
    made = (await server.http.post(f"/threads/{thread_id}/runs/{run_id}/fork", json=asked)).json()
    failed = (await server.http.get(f"/threads/{made['thread_id']}/runs/{made['run_id']}/join")).json()
    assert failed["__error__"]["message"] == "not today"
    assert server.done() == ["model You are moody: check about tea"]
    moody(env, is_so=False)
    code, (again,) = await on_call.told("runs", "retry", made["run_id"], env=environment(tmp_path, env))
    assert code == 0
    await server.ended(again["thread_id"], again["run_id"])
    await worker.stop()

    assert server.done() == ["model You are moody: check about tea", "model You are second: second about tea"]
    trajectory = await server.trajectory(again["run_id"])
    assert again["thread_id"] == made["thread_id"]
    assert trajectory.segments()[-1].started.config["fork"]["effects"] is False
