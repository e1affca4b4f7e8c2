"""Approvals in Redis: opened, opened again and withdrawn by whatever changes what waits, and never lost from sight."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
from redis.asyncio import Redis
from tests.memory.life import Life

from motet.errors import NotFound, StaleClaim
from motet.memory.approvals import Approval, ApprovalState, Due
from motet.memory.asking import Action, Asked, Decided, DecisionType, Scope, Who, actions_hash, approval_id
from motet.memory.ports import Claimed, Ending, Run, WaitingInterrupt
from motet.memory.redis.approvals import RedisApprovals
from motet.memory.redis.journal import RedisJournal
from motet.memory.redis.keys import Keys
from motet.memory.redis.runs import RedisRuns
from motet.memory.redis.scripts import Scripts
from motet.memory.redis.threads import RedisThreads

ADA = Who(actor="ada", verified_as="api-key")


class Desk:
    """The adapters of one tenant, with a clock that the test moves."""

    def __init__(self, redis: Redis, keys: Keys) -> None:
        self.now = 1_800_000_000.0
        self.life = Life(redis, keys, lease_s=30)
        scripts = Scripts(redis)
        self.life.runs = RedisRuns(redis, keys, scripts, clock=self.clock)
        self.life.threads = RedisThreads(redis, keys, scripts, clock=self.clock)
        self.approvals = RedisApprovals(redis, keys, scripts, clock=self.clock)
        self.journal = RedisJournal(redis, keys, scripts)
        self.keys, self.redis = keys, redis

    def clock(self) -> float:
        return self.now

    async def ask(self, *names: str, thread_id: str = "", **more: Any) -> str:
        """Id of a thread on which these questions wait."""
        thread_id = thread_id or await self.life.thread()
        await self.life.submit(thread_id)
        await self.interrupt(await self.life.claim(), *names, **more)
        return thread_id

    async def moment(self) -> None:
        """Let a millisecond of Redis' clock begin: what is asked in one and the same has no order of its own."""
        before = await self._millisecond()
        while await self._millisecond() == before:
            pass

    async def _millisecond(self) -> int:
        seconds, microseconds = await self.redis.time()
        return seconds * 1000 + microseconds // 1000

    async def interrupt(self, claimed: Claimed, *names: str, **more: Any) -> None:
        """End a run with questions."""
        thread_id, run_id = claimed.claim.thread_id, claimed.claim.run_id
        waiting = [question(thread_id, run_id, one, **more) for one in names]
        await self.life.runs.finish(claimed.claim, Ending(status="interrupted", interrupts=waiting))

    async def answer(self, thread_id: str, *names: str, scope: Scope | None = None) -> Run:
        """Have a run accepted that answers questions."""
        records = [
            Decided(
                interrupt_id=one,
                approval_id=approval_of(thread_id, one),
                state="decided",
                who=ADA,
                decisions=[{"type": "approve"}],
                scope=scope,
            )
            for one in names
        ]
        return await self.life.submit(thread_id, answers=list(names), decided=records)

    async def page(self, **wanted: Any) -> Sequence[Approval]:
        """The approvals of a page."""
        return (await self.approvals.page(**wanted)).approvals

    async def states(self, thread_id: str) -> dict[str, ApprovalState]:
        """The thread's approvals by their question's name."""
        return {one.asked.interrupt_id: one.state for one in await self.approvals.of_thread(thread_id)}

    async def told(self, thread_id: str) -> list[tuple[str, str]]:
        """The thread's entries for the journal: event and reason."""
        entries = await self.entries(thread_id)
        return [(one[2], json.loads(one[6]).get("reason", "") if one[6] else "") for one in entries]

    async def entries(self, thread_id: str) -> list[Any]:
        told: Any = await self.redis.lrange(self.keys.journal(thread_id), 0, -1)
        return [json.loads(one) for one in told]

    async def forget(self, thread_id: str) -> None:
        """Look away, as after all was attended to."""
        await self.redis.zrem(self.keys.attention(), thread_id)

    async def is_looked_at(self, thread_id: str) -> bool:
        """Whether somebody will look at the thread within seconds."""
        score: Any = await self.redis.zscore(self.keys.attention(), thread_id)
        return score is not None and float(score) <= (self.now + 5) * 1000


@pytest.fixture
def desk(redis: Redis, keys: Keys) -> Desk:
    """A tenant's."""
    return Desk(redis, keys)


def value(name: str) -> dict[str, Any]:
    """What was given to `interrupt()`; no careless decoding in a script survives it."""
    return {"n": name, "big": 2**62 + 1, "empty": [], "none": {}, "float": 0.1, "text": 'é "/\x00'}


def approval_of(thread_id: str, name: str) -> str:
    return approval_id(thread_id, name, value(name))


def question(
    thread_id: str, run_id: str, name: str, *, tool: str = "send", assistant: str = "a", deadline_s: float | None = None
) -> WaitingInterrupt:
    """A question as a worker reports it."""
    allowed: list[DecisionType] = ["approve", "reject"]
    actions = (Action(tool=tool, arguments={"to": name}, tool_call_id=f"call-{name}", allowed=allowed),)
    asked = Asked(
        interrupt_id=name,
        thread_id=thread_id,
        run_id=run_id,
        assistant_id=assistant,
        graph_id="g",
        checkpoint_id="c",
        checkpoint_ns="n:1",
        agent=["n"],
        shape="hitl",
        actions=actions,
        value=value(name),
        response_schema=None,
        arguments_sha256=actions_hash(actions, None),
        why="because",
        evidence=[{"page": 3}],
        deadline_s=deadline_s,
        carried={"config": {"tags": []}},
    )
    return WaitingInterrupt(interrupt_id=name, task_id=f"task of {name}", value=value(name), asked=asked)


async def test_what_is_asked_is_recorded_whole_and_stays(desk: Desk) -> None:
    """With the end of the run that asks; no key of it expires while it is open."""
    thread_id = await desk.ask("one", deadline_s=60.0)
    [found] = await desk.approvals.of_thread(thread_id)
    run_id = found.asked.run_id

    assert found == await desk.approvals.get(approval_of(thread_id, "one"))
    assert found.asked == question(thread_id, run_id, "one", deadline_s=60.0).asked
    assert (found.state, found.deadline_at) == ("open", "2027-01-15T08:01:00+00:00")
    for name in (desk.keys.approvals(thread_id), desk.keys.journal(thread_id), desk.keys.attention()):
        assert await desk.redis.ttl(name) == -1
    with pytest.raises(NotFound):
        await desk.approvals.get(approval_of(thread_id, "two"))


async def test_a_question_asked_again_is_the_same_record(desk: Desk) -> None:
    """A run that leaves it waiting changes nothing of it; one that asks it no longer withdraws it."""
    thread_id = await desk.ask("one", "two", "three", deadline_s=60.0)
    before = {one.asked.interrupt_id: one for one in await desk.approvals.of_thread(thread_id)}
    await desk.answer(thread_id, "one")
    desk.now += 30
    await desk.interrupt(await desk.life.claim(), "two", deadline_s=60.0)
    after = {one.asked.interrupt_id: one for one in await desk.approvals.of_thread(thread_id)}

    assert after["two"] == before["two"]
    assert {name: one.state for name, one in after.items()} == {"one": "decided", "two": "open", "three": "withdrawn"}
    assert after["three"].reason == "the graph asks it no longer"


async def _rolled_back(desk: Desk, run: Run) -> None:
    claimed = await desk.life.claim()
    await desk.life.cancel(run, "rollback")
    await desk.life.runs.finish(claimed.claim, Ending(status="interrupted", cancelled="rollback"))


async def _overruled(desk: Desk, run: Run) -> None:
    claimed = await desk.life.claim()
    await desk.life.cancel(run, "rollback")
    await desk.forget(run.request.thread_id)
    await desk.life.succeed(claimed)


async def _lost(desk: Desk, run: Run) -> None:
    for _ in range(3):
        claimed = await desk.life.claim()
        assert claimed.claim.run_id == run.request.run_id
        await desk.life.runs.lose(claimed.claim, "it was killed")


async def _stopped_before_it_began(desk: Desk, run: Run) -> None:
    await desk.life.cancel(run, "interrupt")


async def _replaced(desk: Desk, run: Run) -> None:
    await desk.life.submit(run.request.thread_id, multitask="rollback", behind=True)


@pytest.mark.parametrize("undo", [_rolled_back, _overruled, _lost, _stopped_before_it_began, _replaced])
async def test_an_answer_that_never_happened_is_asked_for_again(desk: Desk, undo: Callable[[Desk, Run], Any]) -> None:
    """Its approval is open as it was before, also for whoever looks for open ones only now."""
    thread_id = await desk.ask("one", "two")
    before = await desk.approvals.get(approval_of(thread_id, "one"))
    run = await desk.answer(thread_id, "one")
    assert await desk.states(thread_id) == {"one": "decided", "two": "open"}
    await desk.forget(thread_id)
    await undo(desk, run)

    assert await desk.states(thread_id) == {"one": "open", "two": "open"}
    again = await desk.approvals.get(approval_of(thread_id, "one"))
    assert replace(again, changed_at="") == replace(before, changed_at="")
    assert await desk.is_looked_at(thread_id)
    assert [event for event, _ in await desk.told(thread_id)] == ["opened", "opened", "decided", "reopened"]
    await desk.journal.relay(thread_id)
    assert len(await desk.page(state="open", limit=9)) == 2


async def _cancelled(desk: Desk, thread_id: str) -> None:
    run_id = (await desk.approvals.of_thread(thread_id))[0].asked.run_id
    await desk.life.runs.cancel(thread_id, run_id, "interrupt")


async def _settled(desk: Desk, thread_id: str) -> None:
    await desk.life.threads.settle(await desk.life.threads.hold(thread_id), ())


async def _deleted(desk: Desk, thread_id: str) -> None:
    await desk.life.threads.delete(thread_id)


@pytest.mark.parametrize(
    ("take", "reason"),
    [
        (_cancelled, "the run was cancelled"),
        (_settled, "the thread's state was changed by hand"),
        (_deleted, "the thread was deleted"),
    ],
)
async def test_a_question_that_goes_away_is_withdrawn(
    desk: Desk, take: Callable[[Desk, str], Any], reason: str
) -> None:
    """With a reason in the journal, which somebody will relay, and nothing is open any more."""
    thread_id = await desk.ask("one")
    await desk.forget(thread_id)
    await take(desk, thread_id)

    assert (await desk.told(thread_id))[-1] == ("withdrawn", reason)
    assert await desk.is_looked_at(thread_id)
    assert await desk.states(thread_id) in ({}, {"one": "withdrawn"})
    await desk.journal.relay(thread_id)
    assert list(await desk.page(state="open", limit=9)) == []
    assert await desk.redis.zcard(desk.keys.open()) == 0


async def test_a_state_changed_by_hand_may_leave_a_question(desk: Desk) -> None:
    """The one that waits on stays open, untouched."""
    thread_id = await desk.ask("one", "two")
    [before, _] = sorted(await desk.approvals.of_thread(thread_id), key=lambda one: one.asked.interrupt_id)
    left = [one for one in (await desk.life.threads.get(thread_id)).interrupts if one.interrupt_id == "one"]
    await desk.life.threads.settle(await desk.life.threads.hold(thread_id), left)

    assert await desk.states(thread_id) == {"one": "open", "two": "withdrawn"}
    assert await desk.approvals.get(before.approval_id) == before


async def test_a_copy_asks_for_itself(desk: Desk) -> None:
    """What it asks is what the source asked, on a thread of its own."""
    thread_id, copy_id = await desk.ask("one"), str(uuid4())
    await desk.life.threads.copy(thread_id, copy_id)
    [source], [copy] = await desk.approvals.of_thread(thread_id), await desk.approvals.of_thread(copy_id)

    assert copy.approval_id == approval_of(copy_id, "one")
    assert copy.asked == replace(source.asked, thread_id=copy_id)
    assert [event for event, _ in await desk.told(copy_id)] == ["opened"]
    assert await desk.is_looked_at(copy_id)
    await desk.answer(copy_id, "one")
    assert await desk.states(thread_id) == {"one": "open"}


async def test_entries_are_numbered_upwards_for_ever(desk: Desk) -> None:
    """Also across the thread's deletion and a new thread of the same id."""
    thread_id = await desk.ask("one", "two")
    await desk.answer(thread_id, "one", "two")
    await desk.approvals.seen([approval_of(thread_id, "one")], ADA)
    await desk.life.threads.delete(thread_id)
    await desk.life.threads.create(thread_id, {}, if_exists="raise")
    await desk.ask("one", thread_id=thread_id)
    numbers = [int(one[0]) for one in await desk.entries(thread_id)]

    assert numbers == sorted(set(numbers))
    assert numbers[-1] < 2**53
    assert [event for event, _ in await desk.told(thread_id)] == [*["opened"] * 2, *["decided"] * 2, "seen", "opened"]


async def test_a_thread_is_looked_at_by_one_until_it_was_attended_to(desk: Desk) -> None:
    """Due after five seconds and not before; then nobody else's for half a minute, or until it is said to be due."""
    thread_id = await desk.ask("one")
    assert await desk.approvals.due() == []
    desk.now += 5
    [due] = await desk.approvals.due()
    assert (due.thread_id, await desk.approvals.due()) == (thread_id, [])
    desk.now += 31
    [again] = await desk.approvals.due()

    await desk.approvals.attended(due, again_s=None)
    await desk.approvals.attended(again, again_s=600)
    assert await desk.approvals.due() == []
    desk.now += 600
    [last] = await desk.approvals.due()
    await desk.approvals.attended(last, again_s=None)
    desk.now += 10_000
    assert await desk.approvals.due() == []


@pytest.mark.parametrize("later_s", [0.0, 5.0, 24.9, 25.0, 25.1, 29.9, 31.0])
@pytest.mark.parametrize("skew_s", [-3600.0, 0.0, 3600.0])
async def test_what_happens_while_a_thread_is_attended_to_is_not_missed(
    desk: Desk, later_s: float, skew_s: float
) -> None:
    """However late a writer comes, and whatever its clock says: whoever attended then doesn't take the thread away."""
    thread_id = await desk.ask("one")
    desk.now += 5
    [due] = await desk.approvals.due()
    desk.now += later_s + skew_s
    await desk.approvals.seen([approval_of(thread_id, "one")], ADA)
    desk.now -= skew_s
    await desk.approvals.attended(due, again_s=None)

    assert await desk.redis.zscore(desk.keys.attention(), thread_id) is not None
    desk.now += 30 + abs(skew_s)
    assert [one.thread_id for one in await desk.approvals.due()] == [thread_id]


async def test_open_ones_are_found_among_many_threads(desk: Desk) -> None:
    """More threads than one look takes, newest first, in pages; what was decided is found among the newest."""
    threads: list[str] = []
    for n in range(205):
        desk.now += 1
        threads.append(await desk.ask("one", tool=f"t{n % 2}", assistant=f"a{n % 3}"))
        await desk.moment()
    await desk.answer(threads[100], "one")
    for one in threads:
        await desk.journal.relay(one)
    expected = [one for n, one in enumerate(threads) if n != 100][::-1]

    found = await desk.page(state="open", limit=1000)
    assert [one.asked.thread_id for one in found] == expected
    first = await desk.approvals.page(state="open", limit=198)
    rest = await desk.approvals.page(state="open", limit=7, after=first.after)
    assert [one.asked.thread_id for one in (*first.approvals, *rest.approvals)] == expected
    assert (bool(first.after), rest.after) == (True, "")
    mixed = await desk.page(state="open", tool="t1", assistant_id="a2", limit=1000)
    chosen = [one for n, one in enumerate(threads) if n % 2 == 1 and n % 3 == 2 and n != 100]
    assert [one.asked.thread_id for one in mixed] == chosen[::-1]
    [decided] = await desk.page(state="decided", limit=1)
    assert decided.asked.thread_id == threads[100]
    newest = await desk.approvals.page(limit=1)
    desk.now += 1
    await desk.ask("one")
    everything = await desk.page(limit=4, after=newest.after)
    assert [one.asked.thread_id for one in everything] == threads[-2:-6:-1], "what came since moves nothing"
    await desk.redis.zrem(desk.keys.approvals_of_all(), newest.approvals[0].approval_id)
    assert [one.asked.thread_id for one in await desk.page(limit=1, after=newest.after)] == [threads[-2]]


async def test_a_filter_that_fits_nothing_is_no_more_work_than_any(desk: Desk) -> None:
    """A page looks at a thousand and no more; the next one goes on there, to the end; ids alone cost little."""
    threads = [await desk.ask(*(f"{n}" for n in range(700))) for _ in range(2)]
    for one in threads:
        await desk.journal.relay(one)
    for state in ("open", None):
        afters, found = [""], list[Approval]()
        while afters[-1] or len(afters) == 1:
            page = await desk.approvals.page(state=state, tool="t", assistant_id="none", limit=5, after=afters[-1])
            found += page.approvals
            afters.append(page.after)
        assert (len(afters), found) == (3, []), "1,000 and then 400"

    assert len(await desk.page(beginning=threads[0], limit=2)) == 2
    page = await desk.approvals.page(beginning="x", limit=5)
    assert (page.approvals, page.after) == ([], "")


async def test_a_grant_is_kept_until_it_is_taken_back(desk: Desk) -> None:
    """With the words, who wrote them and when; it goes with the thread."""
    thread_id = await desk.ask("one")
    scope = Scope(tool="send", arguments={"to": "one"}, text="Letters to one.")
    await desk.answer(thread_id, "one", scope=scope)
    [grant] = await desk.approvals.grants(thread_id)

    assert (grant.tool, grant.arguments, grant.text, grant.by) == ("send", {"to": "one"}, scope.text, ADA)
    assert grant.at == "2027-01-15T08:00:00+00:00"
    assert [grant.covers("send", {"to": one, "x": 1}) for one in ("one", "two")] == [True, False]
    await desk.approvals.revoke(thread_id, grant.grant_id, ADA)
    assert list(await desk.approvals.grants(thread_id)) == []
    with pytest.raises(NotFound):
        await desk.approvals.revoke(thread_id, grant.grant_id, ADA)
    assert [event for event, _ in await desk.told(thread_id)][-2:] == ["granted", "revoked"]


async def test_only_who_holds_the_run_says_what_came_of_it(desk: Desk) -> None:
    """A zombie's word is refused; said again after a crash, the same is told to the journal once."""
    thread_id = await desk.ask("one")
    approval = approval_of(thread_id, "one")
    await desk.answer(thread_id, "one")
    zombie = await desk.life.claim()
    await desk.life.runs.lose(zombie.claim, "it was killed")
    claimed = await desk.life.claim()
    outcome = {"status": "done", "tool": "send", "at": "now", "result": "sent", "result_sha256": "0" * 64}
    with pytest.raises(StaleClaim):
        await desk.approvals.came_of(zombie.claim, approval, {**outcome, "status": "failed"})
    await desk.approvals.came_of(claimed.claim, approval, outcome)
    await desk.approvals.came_of(claimed.claim, approval, {**outcome, "at": "later"})

    assert (await desk.approvals.get(approval)).outcome == outcome
    assert [event for event, _ in await desk.told(thread_id)] == ["opened", "decided", "ran"]
    await desk.approvals.came_of(claimed.claim, approval, {**outcome, "status": "failed"})
    assert (await desk.told(thread_id))[-1] == ("ran", "")


async def test_who_saw_it_is_noted_once_each(desk: Desk) -> None:
    """A page that is loaded again every second fills no journal."""
    thread_id = await desk.ask("one")
    for who in (ADA, ADA, Who(actor="bob"), ADA):
        await desk.approvals.seen([approval_of(thread_id, "one")], who)

    assert [json.loads(one[5])["actor"] for one in await desk.entries(thread_id) if one[2] == "seen"] == ["ada", "bob"]
    assert await desk.states(thread_id) == {"one": "open"}


async def test_a_caller_without_the_thread_is_told(desk: Desk) -> None:
    """What isn't there was seen by nobody, and a thread without approvals has none."""
    thread_id = await desk.life.thread()
    for wrong in ("nonsense", f"{thread_id}.{'x' * 31}", f"{thread_id}.{'-' * 32}"):
        with pytest.raises(NotFound):
            await desk.approvals.seen([wrong], ADA)
    assert await desk.approvals.seen([approval_of(thread_id, "one")], ADA) == []
    assert await desk.entries(thread_id) == []
    assert list(await desk.approvals.of_thread(thread_id)) == []
    assert list(await desk.approvals.recorded(thread_id, ())) == []
    await desk.approvals.attended(Due(thread_id="gone", until_ms=1), again_s=None)


def _names(found: Sequence[WaitingInterrupt]) -> list[str]:
    return [one.interrupt_id for one in found]


async def test_a_thread_s_questions_know_what_was_recorded(desk: Desk) -> None:
    """Those that wait, with all that was asked, in one look."""
    thread_id = await desk.ask("one", "two")
    waiting = (await desk.life.threads.get(thread_id)).interrupts
    found = await desk.approvals.recorded(thread_id, waiting)

    assert _names(found) == ["one", "two"]
    assert [one.asked and one.asked.interrupt_id for one in found] == ["one", "two"]
    assert [one.approval_id for one in found] == [approval_of(thread_id, one) for one in ("one", "two")]
