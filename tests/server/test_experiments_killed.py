"""An experiment outlives its workers, its server and whoever drives it: each example is scored once."""

from __future__ import annotations

import asyncio
import json
import signal
from asyncio.subprocess import PIPE
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from tests import warm
from tests.server.evaluating import EVALUATED, FAST, example, file_of
from tests.server.running import environment, start

from motet.observability.evaluation.experiment import Experiment
from motet.server.operating import Operating, operating
from motet.server.settings import Settings

AT_ONCE = 8


class Driver:
    """A `motet eval run --json` process."""

    def __init__(self, process: warm.Process) -> None:
        self.process = process
        self.experiment_id = ""
        self.scored: list[str] = []
        """Trials whose results it told."""

    @classmethod
    @asynccontextmanager
    async def driving(cls, *arguments: str, env: Mapping[str, str]) -> AsyncGenerator[Driver]:
        """One that is killed at the end, if it still lives."""
        process = await warm.start(
            ["eval", "run", *arguments, "--json", "--parallel", str(AT_ONCE)], env, stdout=PIPE, stderr=PIPE
        )
        try:
            yield cls(process)
        finally:
            if process.returncode is None:
                process.kill()
            await process.communicate()

    async def until(self, count: int) -> None:
        """Wait until it told so many results."""
        assert self.process.stdout is not None
        while len(self.scored) < count:
            told = json.loads(await asyncio.wait_for(self.process.stdout.readline(), 30))
            if told["type"] == "plan":
                self.experiment_id = told["plan"]["experiment_id"]
            elif told["type"] == "result":
                one = told["result"]
                self.scored.append(f"{one['target']} {one['example_id']} {one['repeat']}")

    async def ends(self) -> tuple[int, dict[str, Any], str]:
        """Its exit code, the last thing that it told, and what it complained of."""
        said, complained = await asyncio.wait_for(self.process.communicate(), 60)
        assert self.process.returncode is not None
        return self.process.returncode, json.loads(said.splitlines()[-1]), complained.decode()


@asynccontextmanager
async def installation(env: Mapping[str, str], folder: Path) -> AsyncGenerator[Operating]:
    """What the processes keep."""
    told: dict[str, Any] = {"redis_url": env["MOTET_REDIS_URL"], "tenant": env["MOTET_TENANT"], "data_dir": folder}
    async with operating(Settings(**told)) as here:
        yield here


@pytest.fixture
def env(redis_url: str, tmp_path: Path) -> Mapping[str, str]:
    """Of all processes of one installation."""
    notes = tmp_path / "notes"
    notes.mkdir()
    told = {"MOTET_REDIS_URL": redis_url, "MOTET_TENANT": uuid4().hex[:12], "TEST_NOTES": str(notes)}
    return environment(tmp_path, {**FAST, **told})


def check_once(experiment: Experiment, words: Sequence[str], notes: Path) -> None:
    """Each word was tried once, scored once, and noted once."""
    assert [one.example_id for one in experiment.results] == list(experiment.plan.example_ids)
    assert sorted(one.example_id for one in experiment.results) == sorted(words)
    assert {one.outcome for one in experiment.results} == {"ok"}
    assert [[score.value for score in one.scores] for one in experiment.results] == [[True]] * len(words)
    assert sorted(one.name.partition(".")[0] for one in notes.iterdir()) == sorted(words)
    assert len({run for one in experiment.results for run in one.run_ids}) == len(words)


async def test_worker_and_server_are_killed(env: Mapping[str, str], tmp_path: Path) -> None:
    """Of 100 examples each is scored once, though the worker dies in the middle, and then the server with its own."""
    words = [f"word{at}" for at in range(100)]
    dataset = file_of(tmp_path, [example(word) for word in words])
    project = ["--config", str(EVALUATED)]
    async with AsyncExitStack() as opened:
        server, worker = await asyncio.gather(
            start(["serve", "--port", "0", "--workers", "4", *project], env), start(["worker", *project], env)
        )
        opened.push_async_callback(server.stop, signal.SIGKILL)
        driver = await opened.enter_async_context(
            Driver.driving(str(dataset), "--target", "clerk", "--evaluator", "exact", env=env)
        )
        await driver.until(20)
        assert await worker.stop(signal.SIGKILL) == -signal.SIGKILL
        await driver.until(50)
        assert await server.stop(signal.SIGKILL) == -signal.SIGKILL
        successor = await start(["worker", *project], env)
        opened.push_async_callback(successor.stop)
        code, told, complained = await driver.ends()

    assert (code, told["results"], told["whole"], told["stopped"]) == (0, 100, True, "")
    assert "Traceback" not in complained
    async with installation(env, tmp_path) as here:
        check_once(await here.experiments.load(driver.experiment_id), words, tmp_path / "notes")
        assert sum(run.attempt > 1 for run in await here.runs.recent(limit=200)) > 0


async def test_the_driver_is_killed_and_interrupted(env: Mapping[str, str], tmp_path: Path) -> None:
    """Killed, and then ended by Ctrl-C, it is resumed: what was scored stays, what was made is taken up."""
    words = [f"word{at}" for at in range(48)]
    dataset = file_of(tmp_path, [example(word) for word in words])
    async with AsyncExitStack() as opened:
        worker = await start(["worker", "--config", str(EVALUATED)], env)
        opened.push_async_callback(worker.stop)
        asked = (str(dataset), "--target", "clerk", "--evaluator", "exact")
        async with Driver.driving(*asked, env=env) as killed:
            await killed.until(12)
            killed.process.kill()
            assert await killed.process.wait() == -signal.SIGKILL
        resume = ("--resume", killed.experiment_id)
        async with Driver.driving(*resume, env=env) as interrupted:
            await interrupted.until(12)
            interrupted.process.send_signal(signal.SIGINT)
            code, told, complained = await interrupted.ends()
        assert (code, told["whole"], told["stopped"]) == (1, False, "a person stopped it")
        assert "Traceback" not in complained
        async with Driver.driving(*resume, env=env) as last:
            code, told, _ = await last.ends()

    assert (code, told["results"], told["whole"], told["stopped"]) == (0, len(words), True, "")
    assert not set(killed.scored) & set(interrupted.scored)
    async with installation(env, tmp_path) as here:
        check_once(await here.experiments.load(killed.experiment_id), words, tmp_path / "notes")
