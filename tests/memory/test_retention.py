"""What a run leaves behind, and for how long; and runs whose worker is known to be dead."""

from __future__ import annotations

import pytest
from tests.memory.life import Life
from tests.memory.savers import put_of_run
from tests.memory.savers import thread as config_of

from motet.errors import NotFound, StaleClaim
from motet.memory.ports import END, CancelAction, Claimed, Ending
from motet.memory.redis.checkpoints import RedisCheckpointer
from motet.memory.redis.runs import RedisRuns
from motet.memory.redis.scripts import Scripts

HOUR_S = 3600

OF_THE_TENANT = {"active", "ready", "recent", "wakeup", "rebuilding", "attention", "approvals"}
"""Hints: they hold nothing but names of runs, for a while."""


@pytest.fixture
def hourly(life: Life) -> Life:
    """Ended runs are kept for an hour."""
    life.runs = RedisRuns(life.redis, life.keys, Scripts(life.redis), retention_s=HOUR_S)
    return life


async def _ttls(life: Life) -> dict[str, int]:
    """Seconds that each of the tenant's keys still has, by the end of its name."""
    names = [bytes(name).decode() async for name in life.redis.scan_iter(match=f"{life.keys.prefix}:*")]
    return {name.partition("}:")[2]: await life.redis.ttl(name) for name in names}


@pytest.mark.parametrize("ending", ["success", "error", "interrupted", "cancelled", "lost"])
async def test_a_temporary_thread_leaves_its_run_and_events_only(hourly: Life, ending: str) -> None:
    """However its run ends: thread, queue and checkpoints are gone, and the rest goes within the retention."""
    run = hourly.request("t", run_id="t", temporary=True)
    claimed = (await hourly.runs.create(run, new_thread={}, worker="w")).claimed
    assert claimed is not None
    saver = RedisCheckpointer(hourly.redis, hourly.keys).for_claim(claimed.claim)
    await put_of_run(saver, config_of("t"), "t", log=["x"])
    if ending == "lost":
        await _lose_thrice(hourly, claimed)
    elif ending == "interrupted":
        await hourly.interrupt(claimed, "one")
    elif ending == "cancelled":
        await hourly.runs.finish(claimed.claim, Ending(status="interrupted", cancelled="interrupt"))
    else:
        await hourly.runs.finish(claimed.claim, Ending(status="success" if ending == "success" else "error"))

    left = await _ttls(hourly)
    assert set(left) - OF_THE_TENANT == {"run:t", "events:t", "epoch"}
    assert all(0 < left[name] <= HOUR_S for name in ("run:t", "events:t", "epoch"))
    assert (await hourly.events_of(await hourly.runs.get("t", "t")))[-1].name == END


async def _lose_thrice(life: Life, claimed: Claimed) -> None:
    for _ in range(2):
        await life.runs.lose(claimed.claim, "it died")
        claimed = await life.claim()
    await life.runs.lose(claimed.claim, "it died")


@pytest.mark.parametrize("action", ["interrupt", "rollback"])
async def test_a_cancelled_run_can_be_read_as_long_as_any(hourly: Life, action: CancelAction) -> None:
    """Its events expire with it, or without it where it was rolled back; nothing else of it stays."""
    thread_id = await hourly.thread()
    run = await hourly.submit(thread_id)
    await hourly.cancel(run, action)

    left = await _ttls(hourly)
    run_id = run.request.run_id
    assert 0 < left[f"events:{run_id}"] <= HOUR_S
    assert (f"run:{run_id}" in left) == (action == "interrupt")
    assert left.get(f"run:{run_id}", 1) > 0
    assert "queue" not in left


async def test_the_same_id_after_a_rollback_is_a_new_run(life: Life) -> None:
    """Nothing of the run that was taken back is seen in it, and its events don't expire while it works."""
    thread_id = await life.thread()
    run = await life.submit(thread_id)
    await life.cancel(run, "rollback")
    again = (await life.runs.create(run.request)).run
    claimed = await life.claim()
    await life.runs.append(claimed.claim, [("values", b"1")])

    assert (again.status, claimed.claim.attempt) == ("pending", 1)
    assert await life.redis.ttl(life.keys.events(thread_id, run.request.run_id)) == -1
    await life.succeed(claimed)
    assert [event.name for event in await life.events_of(again)] == ["values", END]


async def test_a_run_whose_worker_died_is_taken_at_once(life: Life) -> None:
    """Whoever saw the worker die needn't wait for the lease: the run is ready, and the attempt counts as lost."""
    run = await life.submit(await life.thread())
    first = await life.claim()
    await life.runs.lose(first.claim, "its process was killed")

    second = await life.claim()
    assert second.request == run.request
    assert (second.claim.attempt, second.claim.lost) == (2, 1)
    with pytest.raises(StaleClaim):
        await life.runs.lose(first.claim, "its process was killed")
    assert await life.runs.beat(second.claim) is None


async def test_a_run_that_is_lost_for_good_says_what_was_seen(life: Life) -> None:
    """The error of the third loss tells the reason; a claim that was given back in between isn't a loss."""
    run = await life.submit(await life.thread())
    for _ in range(2):
        await life.runs.lose((await life.claim()).claim, "its process was killed")
        await life.runs.release((await life.claim()).claim)
    await life.runs.lose((await life.claim()).claim, "it took 9 GB")

    ended = await life.runs.get(run.request.thread_id, run.request.run_id)
    assert ended.error is not None
    assert (ended.status, ended.error["error"]) == ("error", "RunLost")
    assert "it took 9 GB" in ended.error["message"]
    assert await life.nothing_to_claim()


async def test_a_run_that_was_to_stop_ends_with_its_worker(life: Life) -> None:
    """Lost while it was to be rolled back, it is rolled back."""
    run = await life.submit(await life.thread())
    claimed = await life.claim()
    await life.cancel(run, "rollback")
    await life.runs.lose(claimed.claim, "its process was killed")

    with pytest.raises(NotFound):
        await life.runs.get(run.request.thread_id, run.request.run_id)
    assert await life.nothing_to_claim()
