"""Runs that end the process they are worked in end by themselves; their neighbours don't notice, or go on."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
import pytest_asyncio
from tests.server.running import Running, environment, serving, start
from tests.support import wait_until

from motet.memory.ports import RunLifecycle, RunRequest
from motet.memory.redis.client import connected
from motet.memory.redis.keys import Keys
from motet.memory.redis.opening import scripts_of
from motet.memory.redis.runs import RedisRuns

PROJECT = Path(__file__).parent / "poison" / "langgraph.json"
LEASE_S = 1.5

pytestmark = pytest.mark.asyncio(loop_scope="session")


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """A `motet worker` whose graphs leave the ids of their processes in a file of its own."""

    running: Running
    pids: Path

    def seen(self) -> list[tuple[int, int]]:
        """Processes in which it worked steps so far, each with its parent."""
        return [(int(pid), int(parent)) for pid, parent, _ in (line.split() for line in self._lines())]

    def _lines(self) -> list[str]:
        return self.pids.read_text("ascii").splitlines() if self.pids.exists() else []

    def threads(self) -> set[str]:
        """Threads of which it worked a step."""
        return {line.split()[2] for line in self._lines()}

    def process_of(self, thread_id: str) -> int:
        """Where it worked the thread's last step."""
        return [int(line.split()[0]) for line in self._lines() if line.split()[2] == thread_id][-1]

    def left(self) -> set[int]:
        """Of the processes that it worked in, and theirs, those that live; not who started it."""
        starters = {parent for pid, parent in self.seen() if pid == self.running.process.pid}
        return {pid for pair in self.seen() for pid in pair if _lives(pid)} - starters


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A tenant of its own, and all that is needed to give it workers and runs."""

    runs: RunLifecycle
    folder: Path
    env: Mapping[str, str]
    resources: AsyncExitStack

    async def worker(self) -> Worker:
        """A worker that is ready, for ten runs at a time; killed at the end if it is still there."""
        pids = self.folder / uuid4().hex
        env = environment(self.folder, {**self.env, "MOTET_TEST_PIDS": str(pids)})
        running = await start(["worker", "--config", str(PROJECT), "--workers", "10"], env)
        self.resources.push_async_callback(running.stop, signal.SIGKILL)
        return Worker(running=running, pids=pids)

    async def lost_once(self, graph: str, given: dict[str, Any]) -> tuple[str, str]:
        """Ids of a run that is ready again after its first worker was lost."""
        request = RunRequest(
            run_id=str(uuid4()), thread_id=str(uuid4()), assistant_id=graph, graph_id=graph,
            payload={"input": given, "modes": ["values"]},
        )  # fmt: skip
        accepted = await self.runs.create(request, new_thread={}, worker="ghost")
        assert accepted.claimed is not None
        await self.runs.lose(accepted.claimed.claim, "it was a ghost")
        return request.thread_id, request.run_id


@asynccontextmanager
async def _place(redis_url: str, folder: Path) -> AsyncGenerator[Place]:
    tenant = uuid4().hex[:8]
    env = {
        "MOTET_REDIS_URL": redis_url,
        "MOTET_TENANT": tenant,
        "MOTET_LEASE_SECONDS": str(LEASE_S),
        "MOTET_HEARTBEAT_SECONDS": "0.3",
        "MOTET_SWEEP_SECONDS": "0.3",
        "MOTET_DRAIN_SECONDS": "1",
        "MOTET_RUN_MEMORY_MB": "500",
        "MOTET_MAX_STATE_MB": "1",
        "MOTET_TEST_GO": str(folder / "go"),
    }
    async with connected(redis_url) as redis, AsyncExitStack() as resources:
        runs = RedisRuns(redis, Keys(tenant), await scripts_of(redis, strict=False), lease_s=LEASE_S)
        yield Place(runs=runs, folder=folder, env=env, resources=resources)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


FATAL = {
    "exits": "exit code 3",
    "killed": "killed by SIGKILL (out of memory?)",
    "hungry": "MemoryError",
    "deeper": "killed by SIGSEGV (endless recursion?)",
}
"""Graphs that end their process, with what is told of them in the end."""

HARMLESS = {
    "deep": "RecursionError",
    "leaves": "GraphExited: the graph raised SystemExit(3)",
    "leaves_in_thread": "GraphExited: the graph raised SystemExit('enough')",
    "breaks": "GraphExited: the graph raised KeyboardInterrupt",
}
"""Graphs that would end it, and are kept from it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Crowd:
    """What poison left: the worker that took over, and how all the runs ended."""

    place: Place
    server: Running
    client: Any
    killed: Worker
    worker: Worker
    neighbours: Sequence[str]
    """Their statuses."""
    poison: Mapping[str, tuple[str, str]]
    """By graph: status, and why."""

    async def ended(self, ids: tuple[str, str]) -> tuple[str, str]:
        """The run's status once it has ended, and why it failed, as its thread tells it."""
        return await _ended(self.client, ids)


async def _ended(client: Any, ids: tuple[str, str]) -> tuple[str, str]:
    await asyncio.wait_for(client.runs.join(*ids), 30)
    status = (await client.runs.get(*ids))["status"]
    error = (await client.threads.get(ids[0]))["error"]
    return status, f"{error['error']}: {error['message']}" if error else ""


async def _started(client: Any, graph: str) -> tuple[str, str]:
    thread_id = (await client.threads.create())["thread_id"]
    return thread_id, (await client.runs.create(thread_id, graph, input={}))["run_id"]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def crowd(redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Crowd]:
    """Four runs end the process of themselves and three others; another worker goes on with all."""
    folder = tmp_path_factory.mktemp("poison")
    async with AsyncExitStack() as resources:
        place = await resources.enter_async_context(_place(redis_url, folder))
        serve = serving("--config", str(PROJECT), "--workers", "0", data_dir=folder, env=place.env)
        killed, worker, server = await asyncio.gather(
            place.worker(), place.worker(), resources.enter_async_context(serve)
        )
        client = await resources.enter_async_context(server.client())

        worker.running.process.send_signal(signal.SIGSTOP)
        neighbours = [await _started(client, "counts") for _ in range(3)]
        poison = {graph: await _started(client, graph) for graph in FATAL}
        await wait_until(lambda: len(killed.threads()) == 7, description="all are at work in one process")
        (folder / "go").touch()
        await asyncio.wait_for(killed.running.process.wait(), 30)
        worker.running.process.send_signal(signal.SIGCONT)
        ends = await asyncio.gather(*(_ended(client, ids) for ids in (*neighbours, *poison.values())))
        yield Crowd(
            place=place, server=server, client=client, killed=killed, worker=worker,
            neighbours=[status for status, _ in ends[:3]], poison=dict(zip(poison, ends[3:], strict=True)),
        )  # fmt: skip


async def test_poison_ends_by_itself_and_its_neighbours_end_well(crowd: Crowd) -> None:
    """Each run that ended its process ends as an error that says why; the others succeed, and the server answers."""
    async with httpx.AsyncClient(base_url=crowd.server.url) as http:
        answers = (await http.get("/ok")).status_code

    assert crowd.neighbours == ["success"] * 3
    assert {graph: status for graph, (status, _) in crowd.poison.items()} == dict.fromkeys(FATAL, "error")
    assert {graph: why for graph, (_, why) in crowd.poison.items() if FATAL[graph] not in why} == {}
    assert answers == 200
    assert crowd.worker.running.process.returncode is None


async def test_no_process_of_poison_is_left(crowd: Crowd) -> None:
    """Neither those of the runs, nor the one they were forked from where its worker was killed."""
    worker = crowd.worker.running.process.pid

    def left() -> set[int]:
        return crowd.killed.left() | {pid for pid, _ in crowd.worker.seen() if pid != worker and _lives(pid)}

    await wait_until(lambda: not left(), description="no process is left")


async def test_what_would_end_the_process_ends_its_run(crowd: Crowd) -> None:
    """`sys.exit`, KeyboardInterrupt and endless recursion end one run at its first attempt, and hurt no other."""
    neighbour = await _started(crowd.client, "counts")
    runs = {graph: await _started(crowd.client, graph) for graph in HARMLESS}

    ends = dict(zip(runs, await asyncio.gather(*(crowd.ended(ids) for ids in runs.values())), strict=True))

    assert {graph: status for graph, (status, _) in ends.items()} == dict.fromkeys(HARMLESS, "error")
    assert {graph: why for graph, (_, why) in ends.items() if HARMLESS[graph] not in why} == {}
    assert await crowd.ended(neighbour) == ("success", "")
    assert crowd.worker.process_of(neighbour[0]) == crowd.worker.running.process.pid


@pytest.mark.parametrize("kind", ["lock", "generator", "socket", "function", "large"])
async def test_a_state_that_cannot_be_kept_ends_its_run(crowd: Crowd, kind: str) -> None:
    """The error says what can't be kept, at the first attempt, and the thread can be used on."""
    thread_id = (await crowd.client.threads.create())["thread_id"]
    run = await crowd.client.runs.create(thread_id, "keeps", input={"kind": kind})

    status, why = await crowd.ended((thread_id, run["run_id"]))
    after = await crowd.client.runs.wait(thread_id, "keeps", input={"kind": "nothing"})

    assert status == "error"
    assert kind in why.lower()
    assert after["n"] == 1


async def test_without_a_process_of_its_own_a_run_is_worked_all_the_same(crowd: Crowd) -> None:
    """Where the process that forks was killed, runs that lost a worker are worked beside the others."""
    before = await crowd.place.lost_once("counts", {"n": 18})
    await crowd.ended(before)
    [zygote] = {parent for pid, parent in crowd.worker.seen() if pid == crowd.worker.process_of(before[0])}
    os.kill(zygote, signal.SIGKILL)
    await wait_until(lambda: not _lives(zygote), description="the zygote is gone")

    after = await crowd.place.lost_once("counts", {"n": 18})
    ended = await crowd.ended(after)

    assert ended == ("success", "")
    assert crowd.worker.process_of(after[0]) == crowd.worker.running.process.pid


@pytest.mark.all
async def test_a_process_of_its_own_ends_with_its_worker(redis_url: str, tmp_path: Path) -> None:
    """A worker that is told to stop gives the run back at once; one that is killed takes the process with it."""
    async with _place(redis_url, tmp_path) as place:
        thread_id, run_id = await place.lost_once("counts", {"n": -600})
        workers = await asyncio.gather(place.worker(), place.worker())
        await wait_until(lambda: any(one.seen() for one in workers), description="the first works")
        first, second = sorted(workers, key=lambda one: not one.seen())

        code = await first.running.stop()
        left = first.left()
        await wait_until(lambda: bool(second.seen()), description="the second works")
        await second.running.stop(signal.SIGKILL)
        await wait_until(lambda: not second.left(), description="no process is left")
        attempt = (await place.runs.get(thread_id, run_id)).attempt

    assert (code, left, attempt) == (0, set(), 3)
    assert {pid for pid, _ in second.seen()}.isdisjoint({first.running.process.pid, second.running.process.pid})
