"""Workers, Redis and graphs that fail at a bad moment: each run ends once; none is held by nobody, none for ever."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from collections.abc import AsyncGenerator, Generator
from contextlib import aclosing, asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio
from redis.asyncio import Redis
from tests.server.test_working import ended, state, status, submit
from tests.support import wait_until

from motet.errors import InvalidConfig
from motet.graphs.runtime import stream
from motet.memory.ports import Accepted, CancelAction, Claim, Claimed, Ending, Json, Run, RunRequest
from motet.memory.redis.client import connected, reached
from motet.memory.redis.embedded import EmbeddedRedis
from motet.memory.redis.keys import Keys
from motet.memory.redis.runs import RedisRuns
from motet.memory.redis.scripts import Scripts
from motet.memory.redis.threads import RedisThreads
from motet.server.attempt import Attempt
from motet.server.attending import attending
from motet.server.beating import Beats
from motet.server.planned import plan_of
from motet.server.pool import Pool, Underway
from motet.server.services import Services, opened
from motet.server.settings import Settings
from motet.server.worker import working

PROJECT = Path(__file__).parent / "faulty" / "langgraph.json"
EMPTY: Json = {"log": []}


@asynccontextmanager
async def serving(url: str, data_dir: Path, **told: Any) -> AsyncGenerator[Services]:
    """Services over the Redis at `url`, for a tenant that nobody else has."""
    settings: dict[str, Any] = {
        "tenant": uuid4().hex[:12], "lease_seconds": 30, "heartbeat_seconds": 0.2, "sweep_seconds": 0.2,
        "drain_seconds": 5, "embeddings": "none", "redis_url": url, "data_dir": data_dir, **told,
    }  # fmt: skip
    async with opened(Settings(**settings), config=PROJECT) as made:
        yield made
        async with connected(url) as client:
            async for name in client.scan_iter(match=f"motet:{{{made.settings.tenant}*"):
                await client.expire(name, 60)


@pytest_asyncio.fixture
async def services(redis_url: str, tmp_path: Path) -> AsyncGenerator[Services]:
    """Services over the session's Redis."""
    async with serving(redis_url, tmp_path) as made:
        yield made


async def claimed(services: Services) -> Claimed:
    """The run that is ready, claimed by a worker that does nothing by itself."""
    given = await services.runs.claim("by hand", wait_s=1)
    assert given is not None
    return given


async def worked_again(services: Services, first: Claimed) -> None:
    """Work the run's next attempt, after the worker that had it was lost."""
    await services.runs.lose(first.claim, "it was killed")
    await Attempt(services, await claimed(services)).work()


async def asked(services: Services) -> tuple[str, str]:
    """A thread whose run has ended with a question, and the question's id."""
    async with working(services, 1):
        run = await ended(services, await submit(services, "asks", input=EMPTY))
    thread = await services.threads.get(run.request.thread_id)
    return thread.thread_id, thread.interrupts[0].interrupt_id


async def dropped(services: Services, given: Claimed, *, after: int) -> None:
    """Do of the run as much as brings so many events, and leave it, as a killed process does."""
    plan = plan_of(given, 60, [])
    saver = services.checkpoints.for_claim(given.claim)
    async with services.graphs.open(plan.name, plan.config(), checkpointer=saver) as graph:
        async with aclosing(stream(graph, plan)) as events:
            for _ in range(after):
                if await anext(events, None) is None:
                    return


async def test_a_graph_that_says_more_than_redis_takes_ends_in_time(redis_url: str, tmp_path: Path) -> None:
    """A run whose time ends while it waits for its events to be written ends as timeout; it isn't started again."""
    async with serving(redis_url, tmp_path, run_timeout_seconds=0.4) as services, working(services, 1):
        finished = await ended(services, await submit(services, "talks", input=EMPTY, payload={"modes": ["custom"]}))
        assert (finished.status, finished.attempt) == ("timeout", 1)


@pytest.mark.parametrize("graph", ["deaf", "sleeps"])
async def test_a_graph_that_ignores_its_timeout_is_left(
    graph: str, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether it swallows the cancellation or sleeps in a thread: its run ends, and its thread is free."""
    monkeypatch.setattr("motet.server.attempt.STUBBORN_S", 0.1)
    seen = tmp_path / "seen"
    async with serving(redis_url, tmp_path, run_timeout_seconds=0.2) as services, working(services, 1):
        run = await submit(services, graph, input={"log": [], "file": str(seen)})
        finished = await ended(services, run)
        assert (finished.status, seen.exists()) == ("timeout", False)
        Path(f"{seen}.enough").touch()  # noqa: ASYNC240 - takes no time
        await wait_until(seen.exists, description="the graph ends, too")


async def test_the_time_of_lost_attempts_counts(redis_url: str, tmp_path: Path) -> None:
    """The seconds of a run's budget are the run's: an attempt gets what those before it left."""
    async with serving(redis_url, tmp_path, budget_seconds=100) as services:
        await submit(services, "endless", input=EMPTY)
        first = await claimed(services)
        await services.runs.beat(first.claim, {"seconds": 99.8})
        await worked_again(services, first)
        finished = await services.runs.get(first.claim.thread_id, first.claim.run_id)
        assert finished.error is not None
        assert finished.error["error"] == "BudgetExhausted"


async def test_a_run_that_can_not_be_planned_fails(services: Services) -> None:
    """What is wrong with a record ends its run at the first attempt, with the reason."""
    async with working(services, 1):
        finished = await ended(services, await submit(services, "steps", payload={"modes": None}))
        assert (finished.status, finished.attempt) == ("error", 1)


async def test_a_graph_that_cancels_itself_fails(services: Services) -> None:
    """It isn't taken for a process that gives its run back: that would begin again for ever."""
    async with working(services, 1):
        finished = await ended(services, await submit(services, "quits", input=EMPTY))
        assert (finished.status, finished.attempt) == ("error", 1)


async def test_an_answer_that_was_lost_is_given_with_what_came_along(services: Services) -> None:
    """Lost before it began, a run that answers and changes the state does both at its next attempt."""
    thread_id, question = await asked(services)
    command = {"resume": {question: "yes"}, "update": {"log": ["update"]}}
    run = await submit(services, "asks", thread_id, input=None, answers=[question], payload={"command": command})
    await worked_again(services, await claimed(services))
    assert (await state(services, run))["log"] == ["step", "update", "yes"]


async def test_what_a_command_changes_is_changed_once(services: Services) -> None:
    """Lost in its first step, a run that changes the state doesn't change it again at its next attempt."""
    async with working(services, 1):
        before = await ended(services, await submit(services, "steps", input=EMPTY))
    command = {"update": {"log": ["update"]}, "goto": ["node 2"]}
    run = await submit(services, "steps", before.request.thread_id, input=None, payload={"command": command})
    first = await claimed(services)
    await dropped(services, first, after=2)
    await worked_again(services, first)
    assert (await state(services, run))["log"] == ["step", "step", "step", "update", "step"]


async def test_a_run_from_an_older_checkpoint_begins_there_again(services: Services) -> None:
    """Lost before it began, a run that was to go on from an older state does so; lost later, it goes on by itself."""
    async with working(services, 1):
        before = await ended(services, await submit(services, "steps", input={"log": ["input"]}))
    thread_id = before.request.thread_id
    async with services.graphs.open("steps") as graph:
        history = [one async for one in graph.aget_state_history({"configurable": {"thread_id": thread_id}})]
    [older] = [one for one in history if one.next == ("node 1",)]
    checkpoint = {"checkpoint_id": older.config.get("configurable", {})["checkpoint_id"]}
    for after in (0, 3):
        given = {"log": ["other"]}
        run = await submit(services, "steps", thread_id, input=given, payload={"checkpoint": checkpoint})
        first = await claimed(services)
        await dropped(services, first, after=after)
        await worked_again(services, first)
        assert await status(services, run) == "success"
        assert (await state(services, run))["log"] == ["input", "step", "other", "step", "step", "step"]


async def test_a_run_that_is_drained_before_it_begins_keeps_its_input(services: Services) -> None:
    """Told to stop before its first step, a run is given back, and begins with its input in the next process."""
    run = await submit(services, "steps", input={"log": ["input"]})
    attempt = Attempt(services, await claimed(services))
    attempt.drain()
    await attempt.work()
    assert await status(services, run) == "pending"
    await Attempt(services, await claimed(services)).work()
    assert (await state(services, run))["log"] == ["input", "step", "step", "step"]


async def test_a_run_that_was_lost_with_all_done_only_ends(services: Services) -> None:
    """A worker that dies between the last step and the run's end costs no step a second time."""
    run = await submit(services, "steps", input=EMPTY)
    first = await claimed(services)
    await dropped(services, first, after=100)
    await worked_again(services, first)
    assert await status(services, run) == "success"
    assert (await state(services, run))["log"] == ["step", "step", "step"]


async def test_a_trajectory_that_can_not_be_kept_holds_up_no_run(services: Services, redis: Redis) -> None:
    """Recording never fails a run, whatever Redis says to it."""
    run = await submit(services, "steps", input=EMPTY)
    await redis.set(Keys(services.settings.tenant).trajectories(run.request.thread_id)[1], "no hash", ex=60)
    async with working(services, 1):
        assert (await ended(services, run)).status == "success"


async def test_signals_that_can_not_be_read_stop_no_beat(redis_url: str, redis: Redis, tmp_path: Path) -> None:
    """Whatever the beating thread meets beside the beats, a run of two leases is nobody else's."""
    async with serving(redis_url, tmp_path, lease_seconds=1.5, run_timeout_seconds=3.2) as services:
        await redis.set(Keys(services.settings.tenant).signals(), "not a stream", ex=60)
        async with working(services, 1):
            finished = await ended(services, await submit(services, "endless", input=EMPTY))
        assert (finished.status, finished.attempt) == ("timeout", 1)


async def test_a_thread_that_can_not_beat_is_told_at_the_start() -> None:
    """What the beating thread can't do, the process that starts it raises; it doesn't wait for ever."""

    @asynccontextmanager
    async def open_runs() -> AsyncGenerator[RedisRuns]:
        async with reached("redis://[") as client:
            yield RedisRuns(client, Keys(tenant="none"), Scripts(client))

    async with asyncio.timeout(20):
        with pytest.raises(InvalidConfig):
            async with Beats(open_runs, heartbeat_s=1, lease_s=3, lagged=lambda _: None):
                raise AssertionError("it beats")


class Holding:
    """What is held of a run."""

    def __init__(self, claim: Claim) -> None:
        self.claim = claim
        self.lost_at = 0.0
        self.cancelled: CancelAction | None = None

    def spent(self) -> Json:
        """Nothing."""
        return {}

    def cancel(self, action: CancelAction) -> None:
        """Remember how."""
        self.cancelled = action

    def lose(self) -> None:
        """Nobody takes it."""
        raise AssertionError("it is nobody else's")

    def silent(self) -> None:
        """Remember when."""
        self.lost_at = self.lost_at or time.monotonic()


@contextmanager
def stopped(pid: int) -> Generator[None]:
    """The process stands still inside the block, its connections open."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


async def pid_of(client: Redis) -> int:
    """The server's."""
    return int((await client.info("server"))["process_id"])


async def test_a_redis_that_says_nothing_is_no_reason_to_go_on(tmp_path: Path) -> None:
    """Beats that get no answer at all, on open connections: each run is let go of when its lease is over."""
    async with EmbeddedRedis(tmp_path) as url, connected(url) as client:
        keys = Keys(tenant="silent")

        answered: dict[str, float] = {}

        class Runs(RedisRuns):
            async def beat(self, claim: Claim, spent: Json | None = None) -> CancelAction | None:
                began = time.monotonic()
                said = await super().beat(claim, spent)
                answered[claim.run_id] = began
                return said

        @asynccontextmanager
        async def open_runs() -> AsyncGenerator[RedisRuns]:
            async with reached(url) as own:
                yield Runs(own, keys, Scripts(own), lease_s=0.6)

        held = [Holding(Claim(run_id=name, thread_id=name, worker="w", epoch=1, attempt=1)) for name in "ab"]
        for one in held:
            await client.set(keys.epoch(one.claim.thread_id), 1)
        async with Beats(open_runs, heartbeat_s=0.2, lease_s=0.6, lagged=lambda _: None) as beats:
            with beats.holding(held[0]), beats.holding(held[1]):
                await wait_until(lambda: len(answered) == 2, description="they are beaten for")
                with stopped(await pid_of(client)):
                    await wait_until(lambda: all(one.lost_at for one in held), description="they are let go")
                    assert all(one.lost_at - answered[one.claim.run_id] > 0.6 for one in held)


async def _stands_still(pid: int) -> None:
    """Redis, for two leases of 0.6 s."""
    with stopped(pid):
        over = time.monotonic() + 1.2
        await wait_until(partial(_is_past, over), description="two leases are over")


async def test_a_redis_that_is_away_for_longer_than_a_lease_loses_no_worker(tmp_path: Path) -> None:
    """However often: who lived through it gives the run back, and goes on with it. Only dead workers count as lost."""
    async with (
        EmbeddedRedis(tmp_path / "redis") as url,
        connected(url) as client,
        serving(url, tmp_path / "data", lease_seconds=0.6) as services,
        working(services, 1),
    ):
        run, pid = await submit(services, "endless", input=EMPTY), await pid_of(client)
        for attempt in range(1, 5):
            await wait_until(partial(_is_at_work, services, run, attempt), description=f"attempt {attempt}")
            await _stands_still(pid)
        await wait_until(partial(_is_at_work, services, run, 5), description="it goes on")
        await services.runs.cancel(run.request.thread_id, run.request.run_id, "interrupt")
        assert (await ended(services, run)).status == "interrupted"


async def test_a_run_that_has_redis_stand_still_each_time_is_lost_in_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It may be what makes Redis stand still: given back so often, it counts as lost like any other."""
    monkeypatch.setattr("motet.server.attempt._MOST_GIVEN_BACK", 2)
    async with (
        EmbeddedRedis(tmp_path / "redis") as url,
        connected(url) as client,
        serving(url, tmp_path / "data", lease_seconds=0.6) as services,
        working(services, 1),
    ):
        run, pid = await submit(services, "endless", input=EMPTY), await pid_of(client)
        for attempt in (1, 2):
            await wait_until(partial(_is_at_work, services, run, attempt), description=f"attempt {attempt}")
            assert "lost 1 times" not in caplog.text
            await _stands_still(pid)
        await wait_until(lambda: "lost 1 times" in caplog.text, description="the second time it counts")
        await services.runs.cancel(run.request.thread_id, run.request.run_id, "interrupt")
        assert (await ended(services, run)).status == "interrupted"


def _is_past(moment: float) -> bool:
    return time.monotonic() > moment


async def _is_at_work(services: Services, run: Run, attempt: int) -> bool:
    now = await services.runs.get(run.request.thread_id, run.request.run_id)
    assert now.status in {"pending", "running"}
    return (now.status, now.attempt) == ("running", attempt)


async def test_a_run_cancelled_between_its_claim_and_its_work_hears_of_it_at_once(
    redis_url: str, redis: Redis, keys: Keys
) -> None:
    """The signal is older than what it is for: no beat need come round first."""

    @asynccontextmanager
    async def open_runs() -> AsyncGenerator[RedisRuns]:
        async with reached(redis_url) as own:
            yield RedisRuns(own, keys, Scripts(own))

    thread_id, run_id = str(uuid4()), str(uuid4())
    async with open_runs() as runs, Beats(open_runs, heartbeat_s=60, lease_s=90, lagged=lambda _: None) as beats:
        request = RunRequest(run_id=run_id, thread_id=thread_id, assistant_id="a", graph_id="a", payload={})
        claimed = (await runs.create(request, new_thread={}, worker="w")).claimed
        assert claimed is not None
        await redis.xadd(keys.signals(), {"run": "another"})
        await runs.cancel(thread_id, run_id, "interrupt")
        await wait_until(lambda: beats.heard(run_id), description="the signal is heard")
        held = Holding(claimed.claim)
        with beats.holding(held):
            await wait_until(lambda: held.cancelled == "interrupt", description="it is told")
        await runs.finish(claimed.claim, Ending(status="interrupted", cancelled="interrupt"))
    await RedisThreads(redis, keys, Scripts(redis)).delete(thread_id)


class Leaving(Holding):
    """Has ended in the moment in which the beating thread looks for it the second time since it was beaten for."""

    def __init__(self, claim: Claim) -> None:
        super().__init__(claim)
        self.beaten, self.looked = 0, 0
        self.ends, self.ended = threading.Event(), threading.Event()

    def __hash__(self) -> int:
        if self.beaten and threading.current_thread() is not threading.main_thread():
            self.looked += 1
            if self.looked == 2:
                self.ends.set()
                self.ended.wait(20)
        return id(self)


async def test_a_run_that_ends_as_it_was_beaten_for_is_beaten_for_no_more(redis_url: str, keys: Keys) -> None:
    """Whatever the beating thread was about to write down of it: a run that is let go stays so."""
    ending, other = (
        kind(Claim(run_id=kind.__name__, thread_id="t", worker="w", epoch=1, attempt=1)) for kind in (Leaving, Holding)
    )
    assert isinstance(ending, Leaving)
    rounds = 0

    class Runs(RedisRuns):
        async def beat(self, claim: Claim, spent: Json | None = None) -> CancelAction | None:  # noqa: ARG002 - the port's
            nonlocal rounds
            if claim == ending.claim:
                ending.beaten += 1
            else:
                rounds += 1
            return None

    @asynccontextmanager
    async def open_runs() -> AsyncGenerator[RedisRuns]:
        async with reached(redis_url) as own:
            yield Runs(own, keys, Scripts(own))

    async with Beats(open_runs, heartbeat_s=0.05, lease_s=90, lagged=lambda _: None) as beats:
        with beats.holding(other):
            with beats.holding(ending):
                await wait_until(ending.ends.is_set, description="it is looked for again")
            before, since = ending.beaten, rounds
            ending.ended.set()
            await wait_until(lambda: rounds > since + 3, description="three more beats")
    assert ending.beaten == before


async def test_what_is_signalled_as_soon_as_beats_began_is_heard(redis_url: str, keys: Keys) -> None:
    """Where signals are heard from is known before anything may be claimed: none falls between the two."""
    looked: list[str] = []

    class Runs(RedisRuns):
        async def signalled(self, after: str, wait_s: float) -> tuple[str, list[str]]:
            said = await super().signalled(after, wait_s)
            looked.append(after)
            return said

    @asynccontextmanager
    async def open_runs() -> AsyncGenerator[RedisRuns]:
        async with reached(redis_url) as own:
            yield Runs(own, keys, Scripts(own))

    async with Beats(open_runs, heartbeat_s=60, lease_s=90, lagged=lambda _: None):
        assert looked == ["$"]


async def test_what_attends_to_approvals_ends_though_it_was_nudged_in_that_moment(
    redis_url: str, tmp_path: Path
) -> None:
    """A process that is told to end as an approval changes ends, and doesn't attend for ever."""
    async with serving(redis_url, tmp_path, sweep_seconds=60) as services, asyncio.timeout(20):
        async with attending(services.attending):
            await services.runs.depth()  # meanwhile it begins to wait
            services.attending.nudge(str(uuid4()))


async def test_a_redis_that_says_nothing_holds_up_no_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that is told to end while Redis stands still ends; its runs go on when their leases are over."""
    monkeypatch.setattr("motet.server.pool._LEAVE_S", 0.2)
    async with (
        EmbeddedRedis(tmp_path) as url,
        connected(url) as client,
        serving(url, tmp_path / "data", lease_seconds=0.8, drain_seconds=0.1) as services,
    ):
        pid = await pid_of(client)
        context = working(services, 2)
        await context.__aenter__()
        run = await submit(services, "endless", input=EMPTY)
        with stopped(pid):
            async with asyncio.timeout(20):
                await context.__aexit__(None, None, None)
        async with working(services, 1):

            async def is_taken_over() -> bool:
                return (await services.runs.get(run.request.thread_id, run.request.run_id)).attempt > 1

            await wait_until(is_taken_over, description="the run goes on")


class SlowRuns(RedisRuns):
    """Runs whose claims arrive when the test lets them, after Redis has given them."""

    def __init__(self, redis: Redis, keys: Keys) -> None:
        super().__init__(redis, keys, Scripts(redis))
        self.open, self.given = asyncio.Event(), asyncio.Event()

    async def claim(self, worker: str, *, wait_s: float) -> Claimed | None:
        """Say what Redis said, later."""
        if (told := await super().claim(worker, wait_s=wait_s)) is not None:
            self.given.set()
            await self.open.wait()
        return told

    async def create(
        self, request: RunRequest, *, new_thread: Json | None = None, worker: str | None = None
    ) -> Accepted:
        """Say what Redis said, later where it is claimed."""
        told = await super().create(request, new_thread=new_thread, worker=worker)
        if told.claimed is not None:
            self.given.set()
            await self.open.wait()
        return told


class Worked:
    """A run that ends at once."""

    def __init__(self, runs: RedisRuns, given: Claimed) -> None:
        self.runs, self.given = runs, given

    async def work(self) -> None:
        """End it."""
        await self.runs.finish(self.given.claim, Ending(status="success"))

    def drain(self) -> None:
        """It takes no time."""


def a_run() -> RunRequest:
    """Some run."""
    run_id = str(uuid4())
    return RunRequest(run_id=run_id, thread_id=run_id, assistant_id="a", graph_id="g", payload={})


@pytest.mark.parametrize("grace_s", [0, 5])
async def test_a_claim_under_way_is_given_back_at_the_end(redis: Redis, keys: Keys, grace_s: float) -> None:
    """A pool that is closed while it claims waits for the claim, and gives the run back: no attempt is lost by it."""
    runs, request = SlowRuns(redis, keys), a_run()
    pool = Pool(runs)
    await runs.create(request, new_thread={})
    async with pool.working(lambda given, _: Worked(runs, given), at_once=1, grace_s=grace_s):
        await runs.given.wait()
        asyncio.get_running_loop().call_later(0.1, runs.open.set)
    run = await runs.get(request.thread_id, request.run_id)
    assert (run.status, run.attempt) == ("pending", 1)
    await runs.cancel(request.thread_id, request.run_id, "rollback")


async def test_a_client_that_leaves_early_leaves_a_run_that_is_worked(redis: Redis, keys: Keys) -> None:
    """Accepted here and claimed, a run is worked here, though nobody waits for the answer any more."""
    runs, request = SlowRuns(redis, keys), a_run()
    pool = Pool(runs)
    async with pool.working(lambda given, _: Worked(runs, given), at_once=2, grace_s=5):
        leaving = asyncio.create_task(pool.create(request, new_thread={}))
        await runs.given.wait()
        leaving.cancel()
        runs.open.set()

        async def is_over() -> bool:
            return (await runs.get(request.thread_id, request.run_id)).status == "success"

        await wait_until(is_over, description="the run is worked")


async def test_a_run_that_can_not_be_begun_takes_no_room(
    redis: Redis, keys: Keys, caplog: pytest.LogCaptureFixture
) -> None:
    """What goes wrong before a run is worked is told, and the next run is worked."""
    runs, broken, fine = RedisRuns(redis, keys, Scripts(redis)), a_run(), a_run()
    pool = Pool(runs)

    def begin(given: Claimed, _: int) -> Underway:
        if given.claim.run_id == broken.run_id:
            raise ValueError("can't be begun")
        return Worked(runs, given)

    async with pool.working(begin, at_once=1, grace_s=5):
        await pool.create(broken, new_thread={})
        await pool.create(fine, new_thread={})

        async def is_over() -> bool:
            return (await runs.get(fine.thread_id, fine.run_id)).status == "success"

        await wait_until(is_over, description="the other run is worked")
    assert any(broken.run_id in one.getMessage() for one in caplog.records)
