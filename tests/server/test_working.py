"""A process that works runs: how it takes them, what makes it let go of them, and what it leaves."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from redis.asyncio import Redis
from tests.memory.savers import commands_of
from tests.support import wait_until
from typing_extensions import override

from motet.graphs.runtime import snapshot_of
from motet.memory.ports import Run, RunRequest
from motet.memory.redis.client import connected
from motet.memory.redis.embedded import EmbeddedRedis
from motet.memory.redis.keys import Keys
from motet.observability.trajectory.records import NodeStarted, Record, decode
from motet.server.services import Services, opened
from motet.server.settings import Settings
from motet.server.worker import working

PROJECT = Path(__file__).parent / "worked" / "langgraph.json"
STEPS = 6

Opening = Callable[..., AbstractAsyncContextManager[Services]]


@pytest.fixture
def opening(redis: Redis, redis_url: str, tmp_path: Path) -> Opening:
    """Opens services over the session's Redis, for a tenant that nobody else has."""
    tenant = uuid4().hex[:12]

    @asynccontextmanager
    async def services(**told: Any) -> AsyncGenerator[Services]:
        asked: dict[str, Any] = {
            "redis_url": redis_url,
            "tenant": tenant,
            "data_dir": tmp_path,
            "embeddings": "none",
            "lease_seconds": 30,
            "heartbeat_seconds": 0.2,
            "sweep_seconds": 0.2,
            "drain_seconds": 5,
            **told,
        }
        async with opened(Settings(**asked), config=PROJECT) as made:
            yield made
        async for name in redis.scan_iter(match=f"motet:{{{tenant}*"):
            await redis.expire(name, 60)

    return services


async def submit(services: Services, graph: str, thread_id: str = "", **more: Any) -> Run:
    """Have a run of `graph` accepted, on a new thread unless one is named."""
    given = more.pop("input", {"n": 0})
    run_id = str(uuid4())
    request = RunRequest(
        run_id=run_id,
        thread_id=thread_id or run_id,
        assistant_id="a",
        graph_id=graph,
        payload={"input": given, "modes": ["values"], **more.pop("payload", {})},
        **more,
    )
    return await services.pool.create(request, new_thread={})


async def status(services: Services, run: Run) -> str:
    """How the run stands."""
    return (await services.runs.get(run.request.thread_id, run.request.run_id)).status


async def ended(services: Services, run: Run, timeout_s: float = 10) -> Run:
    """The run once it has ended."""

    async def is_over() -> bool:
        return await status(services, run) not in {"pending", "running"}

    await wait_until(is_over, description="the run ends", timeout_s=timeout_s)
    return await services.runs.get(run.request.thread_id, run.request.run_id)


async def state(services: Services, run: Run) -> Any:
    """The thread's values."""
    async with services.graphs.open(run.request.graph_id) as graph:
        return (await snapshot_of(graph, run.request.thread_id)).values


async def steps(services: Services, run: Run) -> int:
    """How many steps the thread has saved."""
    return (await state(services, run)).get("n", 0)


async def test_a_process_that_ends_gives_its_runs_back(opening: Opening) -> None:
    """Drained between two supersteps, a run goes on in the next process: each step once, and no attempt is lost."""
    async with opening() as services:
        async with working(services, 2):
            run = await submit(services, "slow")

            async def has_begun() -> bool:
                return await steps(services, run) > 1

            await wait_until(has_begun, description="two steps are saved")
        assert await status(services, run) == "pending"
        before = await steps(services, run)
        assert 1 < before < STEPS
        async with working(services, 2):
            finished = await ended(services, run)
        assert (finished.status, finished.attempt) == ("success", 2)
        assert (await state(services, run))["log"] == [f"step {n}" for n in range(1, STEPS + 1)]


async def test_a_superstep_that_takes_too_long_is_left(opening: Opening) -> None:
    """A run that reaches no end of its superstep within the time to drain is given back all the same."""
    async with opening(drain_seconds=0.1) as services:
        async with working(services, 1):
            run = await submit(services, "endless")
        assert await status(services, run) == "pending"


async def test_a_running_run_is_cancelled_within_a_beat(opening: Opening) -> None:
    """Cancelled while its graph hangs, a run ends as interrupted, long before the next beat; its thread is free."""
    async with opening(heartbeat_seconds=20, lease_seconds=60) as services, working(services, 1):
        run = await submit(services, "endless")
        await wait_until(lambda: _is(services, run, "running"), description="the run is worked")
        assert not await services.runs.cancel(run.request.thread_id, run.request.run_id, "interrupt")
        assert (await ended(services, run)).status == "interrupted"
        assert (await services.threads.get(run.request.thread_id)).status == "idle"


async def _is(services: Services, run: Run, wanted: str) -> bool:
    return await status(services, run) == wanted


async def test_what_a_node_began_is_seen_while_it_works(opening: Opening) -> None:
    """A run that saves nothing for long is followed all the same: what is recorded is there soon, and once."""
    async with opening(heartbeat_seconds=20, lease_seconds=60) as services, working(services, 1):
        run = await submit(services, "endless")
        thread_id, run_id = run.request.thread_id, run.request.run_id

        async def told() -> list[Record]:
            kept = await services.trajectories.runs(thread_id)
            stored = await services.trajectories.read(thread_id, run_id) if run_id in kept else None
            return [] if stored is None else [decode(one) for one in stored.records]

        async def has_begun() -> bool:
            return any(isinstance(one, NodeStarted) and "__start__" not in one.path for one in await told())

        await wait_until(has_begun, description="the node's beginning is recorded")
        assert await status(services, run) == "running"
        await services.runs.cancel(thread_id, run_id, "interrupt")
        await ended(services, run)
        places = [one.index for one in await told()]
        assert len(places) == len(set(places))


async def test_a_lost_signal_only_delays_a_cancel(opening: Opening) -> None:
    """What is to be cancelled stands with the run: the next beat finds it, whatever became of the signal."""
    async with opening() as services, working(services, 1):
        run = await submit(services, "endless")
        await wait_until(lambda: _is(services, run, "running"), description="the run is worked")
        async with services.open_runs() as runs:
            assert not await runs.cancel(run.request.thread_id, run.request.run_id, "interrupt")
        assert (await ended(services, run)).status == "interrupted"


async def test_a_rolled_back_run_leaves_nothing(opening: Opening) -> None:
    """Rolled back in the middle, a run is gone with its checkpoints: the thread is as before it."""
    async with opening() as services, working(services, 1):
        thread_id = str(uuid4())
        await ended(services, await submit(services, "one", thread_id, input={"n": 41}))
        run = await submit(services, "slow", thread_id, input={"n": -100})

        async def has_begun() -> bool:
            return (await steps(services, run)) < 0

        await wait_until(has_begun, description="its steps are saved")
        assert not await services.runs.cancel(thread_id, run.request.run_id, "rollback")

        async def is_gone() -> bool:
            return run.request.run_id not in {
                one.request.run_id for one in await services.runs.of_thread(thread_id, limit=10)
            }

        await wait_until(is_gone, description="the run is rolled back")
        assert await steps(services, run) == 42


async def test_a_blocked_loop_keeps_its_run_and_is_told(opening: Opening, caplog: pytest.LogCaptureFixture) -> None:
    """A node that blocks the event loop for three leases loses nothing, and the log says where it stands."""
    async with opening(lease_seconds=1) as services:
        async with opening(lease_seconds=1) as other, working(services, 1):
            enough = threading.Event()
            sweeping = asyncio.create_task(asyncio.to_thread(asyncio.run, _swept_apart(other, enough)))
            run = await submit(services, "blocks", input={"seconds": 3.0})
            finished = await ended(services, run)
            enough.set()
            assert await sweeping == []
            assert (finished.status, finished.attempt) == ("success", 1)
    told = [one.getMessage() for one in caplog.records if one.levelno == logging.WARNING]
    assert any("event loop has been blocked" in one and "_blocking" in one for one in told)


async def _swept_apart(services: Services, enough: threading.Event) -> list[str]:
    """Sweep on a loop of its own, as another process does; the runs that were taken."""
    taken: list[str] = []
    async with services.open_runs() as runs:
        while not await asyncio.to_thread(enough.wait, 0.1):
            taken += await runs.sweep()
    return taken


async def test_a_graph_that_will_not_stop_is_left_to_itself(
    opening: Opening, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cancelled, and swallowing that, a graph holds up neither the end of its run nor that of the process."""
    monkeypatch.setattr("motet.server.attempt.STUBBORN_S", 0.1)
    async with opening() as services, working(services, 1):
        seen = tmp_path / "seen"
        run = await submit(services, "stubborn", input={"n": 0, "file": str(seen)})
        await wait_until(Path(f"{seen}.begun").exists, description="the graph is at it")
        await services.runs.cancel(run.request.thread_id, run.request.run_id, "interrupt")
        assert (await ended(services, run)).status == "interrupted"
        assert not seen.exists()
        # What it does after the services are closed would be another test's trouble.
        Path(f"{seen}.enough").touch()  # noqa: ASYNC240 - takes no time
        await wait_until(seen.exists, description="the graph ends, too")


@pytest.mark.parametrize(
    ("setting", "error"), [("run_timeout_seconds", "RunTimeout"), ("idle_timeout_seconds", "NodeTimeoutError")]
)
async def test_a_run_that_takes_too_long_ends_as_timeout(opening: Opening, setting: str, error: str) -> None:
    """A run that hangs ends with status `timeout`, whether it is its length or its silence that is bounded."""
    async with opening(**{setting: 0.3}) as services, working(services, 1):
        finished = await ended(services, await submit(services, "endless"))
        assert finished.status == "timeout"
        assert finished.error is not None
        assert finished.error["error"] == error


async def test_what_a_lost_attempt_spent_is_spent(opening: Opening) -> None:
    """A budget is the run's, not the attempt's: another worker begins where the first one's last beat left it."""
    async with opening() as services:
        run = await submit(services, "one")
        first = await services.runs.claim("gone", wait_s=1)
        assert first is not None
        await services.runs.beat(first.claim, {"model_calls": 7, "tool_calls": 1, "tokens": 99, "seconds": 5.5})
        await services.runs.lose(first.claim, "it was killed")
        second = await services.runs.claim("next", wait_s=1)
        assert second is not None
        assert second.spent == {"model_calls": 7, "tool_calls": 1, "tokens": 99, "seconds": 5.5}
        assert second.claim.lost == 1
        await services.runs.release(second.claim)
        assert await status(services, run) == "pending"


async def test_a_retried_run_goes_on_where_the_failed_one_stopped(opening: Opening, tmp_path: Path) -> None:
    """A new run that tries a failed one again doesn't do its finished steps once more."""
    async with opening() as services, working(services, 1):
        given = {"n": 0, "file": str(tmp_path / "seen")}
        failed = await ended(services, await submit(services, "fails_once", input=given))
        assert failed.status == "error"
        thread_id = failed.request.thread_id
        again = await submit(services, "fails_once", thread_id, input=given, retry_of=failed.request.run_id)
        assert (await ended(services, again)).status == "success"
        assert (await state(services, again))["log"] == ["step 1", "second time"]


async def test_a_breakpoint_ends_a_run_as_interrupted(opening: Opening) -> None:
    """A run that is to stop before a node is interrupted, its thread too; a run without input goes on from there."""
    async with opening() as services, working(services, 1):
        run = await submit(services, "stops", payload={"interrupt_before": ["node 1"]})
        thread_id = run.request.thread_id
        assert (await ended(services, run)).status == "interrupted"
        assert (await services.threads.get(thread_id)).status == "interrupted"
        rest = await submit(services, "stops", thread_id, input=None)
        assert (await ended(services, rest)).status == "success"
        assert (await state(services, rest))["log"] == ["step 1", "step 2"]


class Watched(ThreadPoolExecutor):
    """Threads that remember what they were asked to do."""

    def __init__(self) -> None:
        super().__init__(1)
        self.asked: list[object] = []

    @override
    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        self.asked.append(fn)
        return super().submit(fn, *args, **kwargs)


async def test_a_run_of_async_nodes_needs_no_thread(opening: Opening) -> None:
    """What watches a run is told on the loop: by a thread, each event of each node costs more than the node's own."""
    async with opening() as services, working(services, 1):
        threads = Watched()
        asyncio.get_running_loop().set_default_executor(threads)
        run = await submit(services, "one")
        assert (await ended(services, run)).status == "success"
        assert threads.asked == []


@pytest.mark.parametrize(("waited", "most"), [(False, 7), (True, 6)])
async def test_a_stateless_run_costs_seven_round_trips(
    opening: Opening, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, waited: bool, most: int
) -> None:
    """A run of one node asks Redis seven times, acceptance to end; six where only the end is waited for."""
    for pause in (
        *("memory.redis.checkpoint_lift.WAIT_S", "server.event_writer._FIRST_S"),
        "server.recorded_meanwhile.LOOK_S",
    ):
        monkeypatch.setattr(f"motet.{pause}", 10.0)  # of a few milliseconds, which a busy machine may take for itself
    quiet = {"lease_seconds": 60, "heartbeat_seconds": 30, "sweep_seconds": 60, "coalesce_ms": 1000}
    async with (
        EmbeddedRedis(tmp_path / "alone") as url,
        connected(url) as watched,
        opening(redis_url=url, **quiet) as services,
        working(services, 1),
    ):

        async def once() -> None:
            run = await submit(services, "one", temporary=True, payload={"waited": waited})
            async for _ in services.events.read(run.request.thread_id, run.request.run_id):
                pass

        for _ in range(2):  # loads the scripts and opens the connections
            await once()
        seen = await commands_of(url, once, watched, Keys(services.settings.tenant))
        # The hint goes with the acceptance, in one round trip; then three checkpoints, which take along what was
        # written before them, events, trajectory and end. What is asked whether a run asks or not isn't its own:
        # whether there is work or news, and who a new connection is.
        trips = [one for one in seen if one not in {"BLPOP", "XREAD", "HMGET", "CLIENT", "PING"}]
        assert set(trips) == {"EVALSHA"}
        assert len(trips) - 1 == most, trips
