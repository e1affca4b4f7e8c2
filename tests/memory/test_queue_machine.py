"""The queue beside its model: the same random steps on both, and after each of them both tell the same story."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from typing import Any, TypeVar, cast
from uuid import uuid4

import orjson
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from redis.asyncio import Redis
from tests.memory.life import Life, question
from tests.memory.queue_model import ModelClaim, ModelRun, Queue
from tests.memory.savers import put_of_run
from tests.memory.savers import thread as thread_config

from motet.errors import MotetError, StaleClaim
from motet.memory.ports import Accepted, Claim, Claimed, Ending
from motet.memory.redis.checkpoints import RedisCheckpointer
from motet.memory.redis.client import connect
from motet.memory.redis.keys import Keys

PROFILE = settings(
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)
THREADS = ("t0", "t1")
WORKERS = ("w0", "w1", "w2")

T = TypeVar("T")

threads = st.sampled_from(THREADS)
workers = st.sampled_from(WORKERS)
places = st.integers(0, 99)
"""Which of what there is, counted round."""
actions = st.sampled_from(["interrupt", "rollback"])
strategies = st.sampled_from(["enqueue", "enqueue", "reject", "interrupt", "rollback"])
endings = st.sampled_from(["success", "interrupted", "interrupted", "interrupted", "error", "timeout", "cancelled"])


class QueueRules(RuleBasedStateMachine):
    """What may happen to threads and runs, in any order; by itself, on the model alone."""

    def __init__(self) -> None:
        super().__init__()
        self.model = Queue()
        self.claims: list[ModelClaim] = []
        self.held: list[ModelClaim] = []
        self.accepted: list[tuple[str, str]] = []
        """Thread and run, in order."""
        self._asked = 0

    # What the other machine does on both sides

    def take(self, name: str, *args: Any, **options: Any) -> Any:
        """Take one step: what it returns, or the class of what it raised."""
        return _outcome(self.model, name, *args, **options)

    def next_run(self, place: int, worker: str) -> str | None:  # noqa: ARG002 - the real one decides itself
        """Which run a worker gets."""
        claimable = self.model.claimable()
        return claimable[place % len(claimable)] if claimable else None

    def look(self) -> None:
        """See that nothing is out of place."""

    @initialize()
    def begin(self) -> None:
        """Three runs on each thread, the first one worked on."""
        for thread_id in THREADS:
            for worker in WORKERS:
                self.create(thread_id, "plain", multitask="enqueue", worker=worker, new_thread=True)

    @rule(
        thread_id=threads,
        multitask=strategies,
        answers=st.sampled_from(["plain", "any", "all", "first", "first", "wrong"]),
        worker=st.none() | workers,
        temporary=st.booleans(),
        new_thread=st.sampled_from([True, True, False]),
    )
    def create(self, thread_id: str, answers: str, **options: Any) -> None:
        run_id = f"r{len(self.accepted)}"
        self.accepted.append((thread_id, run_id))
        thread = self.model.threads.get(thread_id)
        waiting = [*thread.waiting] if thread else []
        if not waiting and answers in {"all", "first"}:
            answers = "plain"
        elif waiting and answers == "plain" and options["multitask"] == "enqueue":
            answers = "first"
        named = {"plain": None, "any": [], "all": waiting, "first": waiting[:1], "wrong": [*waiting, "wrong"]}[answers]
        self._began(self.take("create", run_id, thread_id, answers=named, **options))

    @precondition(lambda self: self.model.claimable())
    @rule(place=places, worker=workers)
    def claim(self, place: int, worker: str) -> None:
        run_id = self.next_run(place, worker)
        if run_id is not None:
            self._began(self.take("claim", run_id))

    @precondition(lambda self: self._working())
    @rule(what=st.sampled_from(["beat", "append", "save", "save", "release", "lose", "lapse", "lapse"]), place=places)
    def work(self, what: str, place: int) -> None:
        """Anything but the end."""
        claim = self._one(self._working(), place)
        assert claim.run is not None
        if what == "lapse":  # its worker is silent for longer than its lease
            self.take("lapse", claim.thread_id, claim.run.run_id)
        else:
            self.take(what, claim, *([["values"] * (1 + place % 3)] if what == "append" else []))

    @precondition(lambda self: self._working())
    @rule(place=places, how=endings, asks=st.sampled_from([1, 1, 2, 0]), left=st.booleans(), count=st.integers(0, 2))
    def finish(self, place: int, how: str, asks: int, left: bool, count: int) -> None:  # noqa: FBT001 - drawn by hypothesis
        claim = self._one(self._working(), place)
        events, cancelled, asked = ["updates"] * count, None, list[str]()
        if how == "cancelled":
            # What the last beat told may be out of date.
            how, cancelled = "interrupted", (claim.run and not left and claim.run.cancel) or "interrupt"
        elif how == "interrupted":
            thread = self.model.threads[claim.thread_id]
            asked = [*(thread.waiting if left else []), *(self._question() for _ in range(asks))]
        self.take("finish", claim, how, asked, cancelled=cancelled, events=events)

    @precondition(lambda self: self._stale())
    @rule(place=places)
    def write_as_a_zombie(self, place: int) -> None:
        """Whoever was shut out tries everything: each is refused."""
        self.write_as_a_zombie_at(self._one(self._stale(), place))

    def write_as_a_zombie_at(self, claim: ModelClaim) -> None:
        """Try it with this claim."""
        for told in (
            self.take("beat", claim),
            self.take("append", claim, ["late"]),
            self.take("save", claim),
            self.take("finish", claim, "success", events=["late"]),
            self.take("finish", claim, "interrupted", ["late"]),
            self.take("finish", claim, "interrupted", cancelled="rollback"),
            self.take("release", claim),
            self.take("lose", claim),
        ):
            assert told is StaleClaim

    @precondition(lambda self: self._unended())
    @rule()
    def sweep(self) -> None:
        self.take("sweep")

    @precondition(lambda self: self.accepted)
    @rule(place=places, action=actions, which=st.sampled_from(["running", "unended", "asked", "any"]))
    def cancel(self, place: int, action: str, which: str) -> None:
        asked = [thread.asked for thread in self.model.threads.values() if thread.waiting and thread.asked]
        some = {"running": self._running(), "unended": self._unended(), "asked": asked, "any": []}[which]
        of = [(one.thread_id, one.run_id) for one in some] or self.accepted
        self.take("cancel", *self._one(of, place), action)

    @rule(what=st.sampled_from(["hold", "settle", "settle"]), thread_id=threads, place=places, left=st.booleans())
    def write_by_hand(self, what: str, thread_id: str, place: int, left: bool) -> None:  # noqa: FBT001 - drawn by hypothesis
        """A person changes a thread's state, mostly as the last one who may."""
        if what == "hold" or not self.held:
            held = self.take("hold", thread_id)
            if isinstance(held, ModelClaim):
                self.held.append(held)
            return
        held = self.held[-1] if place % 4 else self._one(self.held, place)
        thread = self.model.threads.get(held.thread_id)
        waiting = [*(thread.waiting if thread and left else []), *(self._question() for _ in range(place % 2))]
        self.take("settle", held, waiting)

    @precondition(lambda self: self.accepted)
    @rule(
        what=st.sampled_from(["make", "copy", "delete_thread", "delete", "delete", "again", "again"]),
        one=threads,
        other=threads,
        place=places,
        multitask=strategies,
        worker=st.none() | workers,
    )
    def keep_house(self, what: str, one: str, other: str, place: int, **options: Any) -> None:
        """What happens seldom; also a request that is sent twice, perhaps after its run was rolled back or deleted."""
        known = self._one(self.accepted, place)
        if what == "again":
            self._began(self.take("create", known[1], known[0], **options))
        else:
            self.take(what, *{"make": (one,), "copy": (one, other), "delete_thread": (one,), "delete": known}[what])

    @invariant()
    def fits(self) -> None:
        self.model.check()
        self.look()

    def teardown(self) -> None:
        """Whatever happened, everything can be brought to an end."""
        self.come_to_rest()
        self.look()
        assert all(run.is_over for run in self.model.runs.values())

    def come_to_rest(self) -> None:
        """Answer, work and end whatever hasn't ended."""
        for _ in self.accepted:
            if not self._unended():
                break
            for run in self._running():
                self.take("lapse", run.thread_id, run.run_id)
            self.take("sweep")
            for thread in [*self.model.threads.values()]:
                if thread.waiting and thread.queue:
                    self.create(thread.thread_id, "all", multitask="enqueue", worker=None)
            while (run_id := self.next_run(0, "last")) is not None:
                self._began(self.take("claim", run_id))
                self.take("finish", self.claims[-1], "success")
            self.model.check()

    # Inside

    def _began(self, told: Any) -> None:
        if isinstance(told, ModelClaim):
            self.claims.append(told)

    def _question(self) -> str:
        self._asked += 1
        return f"q{self._asked}"

    def _working(self) -> list[ModelClaim]:
        return [claim for claim in self.claims if self.model.may_write(claim)]

    def _stale(self) -> list[ModelClaim]:
        return [claim for claim in self.claims if not self.model.may_write(claim)]

    def _running(self) -> list[ModelRun]:
        return [run for run in self.model.runs.values() if run.status == "running"]

    def _unended(self) -> list[ModelRun]:
        return [run for run in self.model.runs.values() if not run.is_over]

    @staticmethod
    def _one(of: Sequence[T], place: int) -> T:
        return of[place % len(of)]


def _outcome(side: object, name: str, *args: Any, **options: Any) -> Any:
    try:
        return getattr(side, name)(*args, **options)
    except MotetError as error:
        return type(error)


class Product:
    """The queue on Redis, with the model's methods and the model's names for things."""

    def __init__(self, client: Redis, keys: Keys, runner: asyncio.Runner) -> None:
        self.client = client
        self.keys = keys
        self.life = Life(client, keys, lease_s=3600)
        self._checkpoints = RedisCheckpointer(client, keys)
        self._runner = runner
        self._claims: dict[int, Claim] = {}
        self.popped: Claimed | None = None
        """What a worker got and the model doesn't know yet."""

    def do(self, call: Awaitable[Any]) -> Any:
        """Wait for an answer."""

        async def answer() -> Any:
            return await call

        return self._runner.run(answer())

    def remember(self, claim: ModelClaim, real: Claim) -> None:
        """The model's name of a claim."""
        self._claims[claim.number] = real

    def make(self, thread_id: str) -> None:
        self.do(self.life.threads.create(thread_id, {}, if_exists="raise"))

    def copy(self, source_id: str, target_id: str) -> None:
        self.do(self.life.threads.copy(source_id, target_id))

    def delete_thread(self, thread_id: str) -> None:
        self.do(self.life.threads.delete(thread_id))

    def hold(self, thread_id: str) -> Claim:
        return self.do(self.life.threads.hold(thread_id))

    def settle(self, held: ModelClaim, waiting: Sequence[str]) -> None:
        self.do(self.life.threads.settle(self._claims[held.number], [question(one) for one in waiting]))

    def create(
        self, run_id: str, thread_id: str, *, new_thread: bool = False, worker: str | None = None, **options: Any
    ) -> Claim | None:
        request = self.life.request(thread_id, run_id=run_id, **options)
        accepted: Accepted = self.do(
            self.life.runs.create(request, new_thread={} if new_thread else None, worker=worker)
        )
        assert accepted.run.request.run_id == run_id
        return accepted.claimed.claim if accepted.claimed else None

    def claim(self, run_id: str) -> Claim:
        assert self.popped is not None
        assert self.popped.claim.run_id == run_id
        return self.popped.claim

    def beat(self, claim: ModelClaim) -> str | None:
        return self.do(self.life.runs.beat(self._claims[claim.number]))

    def append(self, claim: ModelClaim, names: Sequence[str]) -> None:
        self.do(self.life.runs.append(self._claims[claim.number], [(name, b"{}") for name in names]))

    def save(self, claim: ModelClaim) -> None:
        saver = self._checkpoints.for_claim(self._claims[claim.number])
        self.do(put_of_run(saver, thread_config(claim.thread_id), self._claims[claim.number].run_id, log=["x"]))

    def finish(
        self,
        claim: ModelClaim,
        status: Any,
        asks: Sequence[str] = (),
        *,
        cancelled: Any = None,
        events: Sequence[str] = (),
    ) -> None:
        failed = {"error": "E", "message": "m"} if status in {"error", "timeout"} else None
        ending = Ending(status=status, interrupts=[question(one) for one in asks], error=failed, cancelled=cancelled)
        self.do(self.life.runs.finish(self._claims[claim.number], ending, [(name, b"{}") for name in events]))

    def release(self, claim: ModelClaim) -> None:
        self.do(self.life.runs.release(self._claims[claim.number]))

    def lose(self, claim: ModelClaim) -> None:
        self.do(self.life.runs.lose(self._claims[claim.number], "it died"))

    def lapse(self, thread_id: str, run_id: str) -> None:
        """Nobody waits for a lease here: its end is put into the past."""
        self.do(self.client.hset(self.keys.run(thread_id, run_id), "deadline_ms", "0"))

    def sweep(self) -> list[str]:
        return self.do(self.life.runs.sweep())

    def cancel(self, thread_id: str, run_id: str, action: Any) -> bool:
        return self.do(self.life.runs.cancel(thread_id, run_id, action))

    def delete(self, thread_id: str, run_id: str) -> None:
        self.do(self.life.runs.delete(thread_id, run_id))

    async def names(self) -> list[str]:
        """All its keys."""
        return sorted([bytes(name).decode() async for name in self.client.scan_iter(match=f"{self.keys.prefix}:*")])

    async def hints(self) -> tuple[set[str], set[str]]:
        """Runs that a worker would find, and those that the sweeper would."""
        async with self.client.pipeline(transaction=False) as pipe:
            pipe.zrange(self.keys.ready(), 0, -1)
            pipe.smembers(self.keys.active())
            ready, active = await pipe.execute()
        return {one.decode().partition("|")[2] for one in ready}, {one.decode().partition("|")[2] for one in active}

    async def threads(self) -> list[Any]:
        """What stands there of each thread."""
        async with self.client.pipeline(transaction=False) as pipe:
            for thread_id in THREADS:
                pipe.hmget(self.keys.thread(thread_id), ["status", "active", "interrupts", "error"])
                pipe.lrange(self.keys.queue(thread_id), 0, -1)
                pipe.smembers(self.keys.checkpoints(thread_id)[5])
                pipe.get(self.keys.epoch(thread_id))
            told = await pipe.execute()
        return [self._thread(*four) for four in zip(*(told[at::4] for at in range(4)), strict=True)]

    async def runs(self, accepted: Sequence[tuple[str, str]]) -> list[Any]:
        """What stands there of each run, and its events."""
        async with self.client.pipeline(transaction=False) as pipe:
            for thread_id, run_id in accepted:
                pipe.hmget(self.keys.run(thread_id, run_id), ["status", "attempt"])
                pipe.xrange(self.keys.events(thread_id, run_id))
            told = await pipe.execute()
        return [_run(*pair) for pair in zip(told[::2], told[1::2], strict=True)]

    def _thread(self, fields: Sequence[bytes | None], queue: Sequence[bytes], saved: set[bytes], epoch: bytes) -> Any:
        status, active, interrupts, error = fields
        if status is None:
            assert not queue
            assert not saved
            return None
        waiting = [one[0] for one in orjson.loads(interrupts or b"[]")]
        queued, by = [one.decode() for one in queue], {one.decode() for one in saved}
        writer = [number for number, claim in self._claims.items() if claim.epoch == int(epoch or 0)]
        return status.decode(), (active or b"").decode(), waiting, bool(error), queued, by, writer


def _run(fields: Sequence[bytes | None], entries: Sequence[tuple[bytes, dict[bytes, bytes]]]) -> Any:
    status, attempt = fields
    ids = [tuple(map(int, entry_id.split(b"-"))) for entry_id, _ in entries]
    assert [n for _, n in ids] == list(range(1, len(ids) + 1)), "events are counted from 1 without a gap"
    names = [entry[b"name"].decode() for _, entry in entries]
    return (status.decode(), int(attempt or 0)) if status else None, names


class QueueOnRedis(QueueRules):
    """The same rules on the model and on Redis, and what only Redis can lose."""

    url = ""

    def __init__(self) -> None:
        super().__init__()
        # A loop of its own, and no word of it to anybody else in this thread.
        self._runner = asyncio.Runner(loop_factory=asyncio.new_event_loop)
        client = self._runner.run(connect(self.url))
        self.product = Product(client, Keys(tenant="machine", prefix=f"test-{uuid4().hex[:8]}"), self._runner)
        self._hints_lost = False

    def take(self, name: str, *args: Any, **options: Any) -> Any:
        free = set(self.model.claimable())
        real = _outcome(self.product, name, *args, **options)
        expected = super().take(name, *args, **options)
        if isinstance(expected, ModelClaim):
            assert isinstance(real, Claim)
            run_id = expected.run.run_id if expected.run else ""
            assert (real.run_id, real.attempt, real.lost) == (run_id, expected.attempt, expected.lost)
            self.product.remember(expected, real)
        elif name == "sweep":
            assert set(expected) <= set(real) <= set(expected) | (free if self._hints_lost else set())
            assert len(set(real)) == len(real)
            self._hints_lost = False
        else:
            assert real == expected
        return expected

    def next_run(self, place: int, worker: str) -> str | None:  # noqa: ARG002 - the queue decides
        self.product.popped = self.product.do(self.product.life.runs.claim(worker, wait_s=0))
        if self.product.popped is None:
            assert self._hints_lost or not self.model.claimable()
            return None
        run_id = self.product.popped.claim.run_id
        assert run_id in self.model.claimable()
        return run_id

    @rule(names=st.lists(st.sampled_from(["ready", "wakeup", "active"]), min_size=1, unique=True))
    def lose_hints(self, names: list[str]) -> None:
        """Hints stand in another slot than threads: they can be lost alone. The next sweep is one that looks."""
        keys = self.product.keys
        gone = {"ready": keys.ready(), "wakeup": keys.wakeup(), "active": keys.active()}
        self.product.do(self.product.client.delete(keys.rebuilding(), *(gone[name] for name in names)))
        self._hints_lost = self._hints_lost or names != ["wakeup"]

    def write_as_a_zombie_at(self, claim: ModelClaim) -> None:
        before = self._everything()
        super().write_as_a_zombie_at(claim)
        assert self._everything() == before

    def look(self) -> None:
        told = self.product.do(self.product.threads())
        assert told == [_expected_thread(self.model, thread_id) for thread_id in THREADS]
        told = self.product.do(self.product.runs(self.accepted))
        assert told == [_expected_run(self.model, run_id) for _, run_id in self.accepted]
        ready, active = self.product.do(self.product.hints())
        assert self._hints_lost or set(self.model.claimable()) <= ready
        assert self._hints_lost or {one.run_id for one in self._unended()} <= active

    def teardown(self) -> None:
        try:
            super().teardown()
            self._nothing_is_left()
        finally:
            names = self.product.do(self.product.names())
            if names:
                self.product.do(self.product.client.delete(*names))
            self.product.do(self.product.client.aclose())
            self._runner.close()

    def _nothing_is_left(self) -> None:
        """Threads, their runs in order, and what expires; and no hint that a worker or two sweeps keep."""
        product, keys = self.product, self.product.keys
        assert self.next_run(0, "last") is None
        for thread_id, thread in self.model.threads.items():
            listed = product.do(product.life.runs.of_thread(thread_id, limit=1000))
            assert [one.request.run_id for one in reversed(listed)] == [run.run_id for run in thread.runs]
        for _ in range(2):
            assert list(product.do(product.life.runs.sweep())) == []
        assert product.do(product.life.runs.depth()) == (0, 0)
        owned = {keys.recent(), keys.threads(), keys.attention(), keys.approvals_of_all()}
        # What the journal hasn't taken yet outlives its thread.
        owned |= {keys.journal(thread_id) for thread_id in THREADS}
        for thread_id in self.model.threads:
            owned |= {keys.thread(thread_id), keys.epoch(thread_id), keys.runs(thread_id), *keys.checkpoints(thread_id)}
            owned.add(keys.approvals(thread_id))
        for name in product.do(product.names()):
            assert name in owned or product.do(product.client.pttl(name)) > 0, name

    def _everything(self) -> dict[str, bytes]:
        """All but the hint that is given before a thread's questions change: a zombie gives it, too."""
        hints = {self.product.keys.attention(), self.product.keys.approvals_of_all()}
        names = [one for one in self.product.do(self.product.names()) if one not in hints]
        return {name: self.product.do(self.product.client.dump(name)) for name in names}


def _expected_thread(model: Queue, thread_id: str) -> Any:
    thread = model.threads.get(thread_id)
    if thread is None:
        return None
    active, queued = thread.active.run_id if thread.active else "", [run.run_id for run in thread.queue]
    writer = [thread.writer] if thread.writer else []
    return thread.status, active, thread.waiting, thread.failed, queued, thread.saved, writer


def _expected_run(model: Queue, run_id: str) -> Any:
    run, stream = model.runs.get(run_id), model.streams.get(run_id)
    return (run.status, run.attempt) if run else None, stream.events if stream else []


def _run_machine(machine: type[QueueRules], **changes: Any) -> None:
    run_state_machine_as_test(cast("Any", machine), settings=settings(PROFILE, **changes))


def test_the_model_keeps_its_own_promises() -> None:
    """Whatever happens, runs of a thread never overlap, start in order, and each ends exactly once."""
    _run_machine(QueueRules, max_examples=40, stateful_step_count=40)


def test_redis_does_what_the_model_does(redis_url: str) -> None:
    """After each of many steps, threads, runs, events and hints are as the model has them."""
    _run_machine(type("QueueHere", (QueueOnRedis,), {"url": redis_url}), max_examples=15, stateful_step_count=40)


@pytest.mark.all
@pytest.mark.timeout(600)
def test_redis_does_what_the_model_does_for_long(redis_url: str) -> None:
    """The same with other steps each time, far more of them."""
    long = type("QueueHere", (QueueOnRedis,), {"url": redis_url})
    _run_machine(long, derandomize=False, max_examples=300, stateful_step_count=80)
