"""Workers that die, freeze or block: their runs go on elsewhere, and nothing is done by two."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Mapping
from typing import Any

import pytest
from tests.chaos.checker import Evidence
from tests.chaos.dump import effects_of
from tests.chaos.fleet import Child
from tests.chaos.scene import Scene
from tests.support import wait_until

from motet.failpoints import NAMES

WORKERS_POINTS = [
    name if name in {"writes.before", "effect.called", "finish.after"} else pytest.param(name, marks=pytest.mark.all)
    for name in sorted(NAMES)
    if not name.startswith(("create.", "claim.before"))
]
"""writes.before stands between the model's reply and its checkpoint."""
SHORT = {"MOTET_LEASE_SECONDS": "1.2", "MOTET_HEARTBEAT_SECONDS": "0.3", "MOTET_SWEEP_SECONDS": "0.3"}


async def _counting(on: Scene, server: Child, **given: Any) -> tuple[str, str, str]:
    """Thread, run and tag of a counter that was accepted."""
    thread_id, tag = await on.client.thread(server.url), on.client.tag()
    run_id = await on.client.create(server.url, thread_id, "counter", {"tag": tag, "until": 5, "pause": 0.05, **given})
    assert run_id
    return thread_id, run_id, tag


def _attempts(evidence: Evidence, run_id: str) -> list[int]:
    """The attempts that the run's stream tells of."""
    [run] = [run for _, run in evidence.runs() if run.run_id == run_id]
    return [event.data["attempt"] for event in run.events if event.name == "metadata"]


async def test_a_killed_workers_run_goes_on_within_the_lease(on: Scene) -> None:
    """Kill -9 in the middle of a run: another worker goes on within 5 s at a lease of 3 s, no step is lost."""
    server, victim, other = await on.fleet.server(), await on.fleet.worker(), await on.fleet.worker()
    other.freeze()
    thread_id, run_id, tag = await _counting(on, server, until=20)
    await on.stepped(tag, 1)
    other.thaw()
    await on.stepped(tag, 5)
    await victim.kill()
    killed, done = time.monotonic(), len(on.steps(tag))
    await on.stepped(tag, done + 1)
    waited = time.monotonic() - killed

    assert await on.ended(server, thread_id, run_id) == "success"
    assert waited <= 5.0
    assert _attempts(await on.quiet(), run_id) == [1, 2]


@pytest.mark.parametrize("point", WORKERS_POINTS)
async def test_a_kill_at_each_step_ends_with_the_effect_done_once(on: Scene, point: str) -> None:
    """A worker dies exactly there, the first or second time it comes by: the payment happens once, the run ends."""
    server = await on.fleet.server(env=SHORT)
    nth = 1 if point.startswith(("claim", "finish", "effect")) else on.random.randint(1, 2)
    victim = await on.fleet.worker(env=SHORT, failpoint=f"{point}:kill:{nth}")
    thread_id, order = await on.client.thread(server.url), on.client.tag()
    given = {"messages": [{"role": "user", "content": order}]}
    run_id = await on.client.create(server.url, thread_id, "agent", given)
    assert await victim.ended() == -signal.SIGKILL
    await on.fleet.worker(env=SHORT)
    status = await on.ended(server, thread_id, run_id)
    if status == "interrupted":
        doubtful = point.startswith(("effect.begun", "effect.called", "append."))
        assert doubtful, "only a call that was under way is asked about"
        status = await _settled(on, server, thread_id, order)

    assert status == "success"
    assert _payments(on) == [f"{order}:paid"]
    await on.quiet()


async def _settled(on: Scene, server: Child, thread_id: str, order: str) -> str:
    """How the run ended once a person had looked whether the payment was made, and said so."""
    asked: Any = (await on.client.state(server.url, thread_id))["interrupts"][0]
    assert order in str(asked["value"])
    decision = {"type": "respond", "message": f"paid {order}"} if _payments(on) else {"type": "approve"}
    run_id = await on.client.answer(server.url, thread_id, "agent", {"decisions": [decision]})
    return await on.ended(server, thread_id, run_id)


def _payments(on: Scene) -> list[str]:
    return [one.key for one in effects_of(on.fleet.effects) if one.kind == "once"]


@pytest.mark.parametrize("point", ["create.before", "create.after"])
async def test_a_server_that_dies_while_it_accepts_leaves_a_whole_run_or_none(on: Scene, point: str) -> None:
    """A client that heard nothing finds a run that is worked to its end, or no run."""
    victim, other = await on.fleet.server(failpoint=f"{point}:kill"), await on.fleet.server(workers=2)
    thread_id, tag = await on.client.thread(other.url), on.client.tag()
    accepted = await on.client.create(victim.url, thread_id, "counter", {"tag": tag, "until": 3})
    assert await victim.ended() == -signal.SIGKILL
    evidence = await on.quiet()

    assert accepted == ""
    assert [run.status for _, run in evidence.runs()] == (["success"] if point == "create.after" else [])


async def test_a_zombie_writes_nothing_and_stops(on: Scene) -> None:
    """A worker frozen past its lease does one step more at most when it wakes up, and none of it is kept."""
    server, zombie = await on.fleet.server(env=SHORT), await on.fleet.worker(env=SHORT)
    thread_id, run_id, tag = await _counting(on, server, until=40)
    await on.stepped(tag, 5)
    zombie.freeze()
    heir = await on.fleet.worker(env=SHORT)
    await on.stepped(tag, len(on.steps(tag)) + 3)
    zombie.thaw()
    woken = time.time()

    assert await on.ended(server, thread_id, run_id) == "success"
    late = [one for one in effects_of(on.fleet.effects) if one.pid == zombie.pid and one.at > woken]
    assert len(late) <= 1
    assert "no longer claimed" in zombie.said()
    assert _attempts(await on.quiet(), run_id) == [1, 2]
    assert (heir.alive, await zombie.stop()) == (True, 0)


async def test_a_blocked_loop_keeps_its_lease_and_is_seen(on: Scene) -> None:
    """A node that blocks longer than the lease isn't taken over, and the log shows where it blocks."""
    server = await on.fleet.server(env=SHORT)
    holder = await on.fleet.worker(env=SHORT)
    thread_id = await on.client.thread(server.url)
    run_id = await on.client.create(server.url, thread_id, "blocked", {"seconds": 3.0})
    await wait_until(lambda: "_block" in holder.said(), description="the blocked loop is seen", timeout_s=10)
    await on.fleet.worker(env=SHORT)

    assert await on.ended(server, thread_id, run_id) == "success"
    assert _attempts(await on.quiet(), run_id) == [1]


@pytest.mark.parametrize(
    ("how", "spent"),
    [
        ("exit", 2),
        pytest.param("memory", 1, marks=pytest.mark.all),
        pytest.param("recursion", 1, marks=pytest.mark.all),
        ("state", 1),
    ],
)
async def test_poison_ends_as_an_error_and_its_neighbours_succeed(on: Scene, how: str, spent: int) -> None:
    """What kills its worker again and again ends with a reason; it costs runs beside it one attempt at most."""
    assert await _poisoned(on, how, env=SHORT, spent=spent) == "error"


@pytest.mark.all
async def test_a_state_of_100_megabytes_costs_its_neighbours_nothing_but_time(on: Scene) -> None:
    """It takes seconds to encode; whoever works beside it waits, and keeps its lease."""
    long = {"MOTET_LEASE_SECONDS": "15", "MOTET_HEARTBEAT_SECONDS": "3"}
    assert await _poisoned(on, "large", env=long, spent=1) in {"success", "error"}


async def _poisoned(on: Scene, how: str, *, env: Mapping[str, str], spent: int) -> str:
    """How poison ended, beside four runs that must succeed within `spent` attempts each."""
    server = await on.fleet.server(env=env)
    workers = [await on.fleet.worker(env=env) for _ in range(2)]
    neighbours = [await _counting(on, server, until=40) for _ in range(4)]
    thread_id = await on.client.thread(server.url)
    run_id = await on.client.create(server.url, thread_id, "poison", {"how": how, "seconds": 0.3})
    status = await on.ended(server, thread_id, run_id, within_s=60)
    ends = await asyncio.gather(*(on.ended(server, thread, run, within_s=60) for thread, run, _ in neighbours))
    evidence = await on.quiet()

    assert ends == ["success"] * 4
    assert max(max(_attempts(evidence, run)) for _, run, _ in neighbours) <= spent
    assert any(worker.alive for worker in workers)
    return status


async def test_a_stopped_worker_hands_over_at_the_next_step(on: Scene) -> None:
    """SIGTERM in the middle of a run: the next worker goes on at once, and no step is done twice."""
    server, leaving = await on.fleet.server(), await on.fleet.worker()
    thread_id, run_id, tag = await _counting(on, server, until=20, pause=0.1)
    await on.stepped(tag, 5)
    await on.fleet.worker()
    begun = time.monotonic()
    code = await leaving.stop()

    assert (code, await on.ended(server, thread_id, run_id)) == (0, "success")
    assert time.monotonic() - begun < 3.0 + 2.5, "the lease wasn't waited for"
    assert [int(step) for step in on.steps(tag)] == list(range(1, 21))
    await on.quiet()
