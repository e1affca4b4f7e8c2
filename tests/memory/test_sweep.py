"""The sweep: no accepted run is lost, whoever dies and whatever hint with them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.memory.life import Life

from motet.errors import StaleClaim
from motet.memory.ports import END, Ending
from motet.memory.redis.hints import Hints
from motet.memory.redis.journal import RedisJournal
from motet.memory.redis.scripts import Scripts
from motet.memory.redis.sweeping import Sweep


async def test_a_lapsed_run_goes_to_another_worker(brief: Life) -> None:
    """A run whose worker is silent is claimed again with a greater epoch, and the first worker is shut out."""
    run = await brief.submit(await brief.thread())
    first = await brief.claim("first")
    await brief.runs.append(first.claim, [("values", b"1")])
    assert await brief.taken(first) == [run.request.run_id]
    for write in (brief.runs.beat(first.claim), brief.runs.append(first.claim, [("values", b"x")])):
        with pytest.raises(StaleClaim):
            await write

    second = await brief.claim("second")
    assert second.claim.epoch > first.claim.epoch
    assert (second.claim.attempt, second.request) == (2, first.request)
    await brief.runs.append(second.claim, [("values", b"2")])
    with pytest.raises(StaleClaim):
        await brief.runs.finish(first.claim, Ending(status="success"))
    await brief.succeed(second)
    assert [event.data for event in await brief.events_of(run)] == [b"1", b"2", b'{"status":"success"}']


async def test_a_worker_that_beats_keeps_its_run(life: Life) -> None:
    """Beats hold a run far beyond one lease: each gives it a whole new one."""
    await life.submit(await life.thread())
    claimed = await life.claim()
    for _ in range(3):
        await life.lapse(claimed)
        await life.runs.beat(claimed.claim)
        assert list(await life.runs.sweep()) == []
    await life.succeed(claimed)


async def test_a_beat_that_comes_in_between_wins(life: Life) -> None:
    """A run whose lease looked lapsed and was extended since isn't taken: the script looks again."""
    run = await life.submit(await life.thread())
    claimed = await life.claim()
    scripts = Scripts(life.redis)
    hints = Hints(life.redis, life.keys, scripts)
    sweep = Sweep(life.redis, life.keys, scripts, hints, max_attempts=3, retention_ms=1000, events_kept=100)

    assert not await sweep.take_over((run.request.thread_id, run.request.run_id), "it seemed silent")
    await life.succeed(claimed)


async def test_a_run_that_kills_its_workers_ends(brief: Life) -> None:
    """Lost three times, a run ends with an error that says so, in its last event too; the next one starts."""
    thread_id = await brief.thread()
    poison = await brief.submit(thread_id)
    queued = await brief.submit(thread_id)
    for attempt in (1, 2, 3):
        claimed = await brief.claim()
        assert (claimed.claim.run_id, claimed.claim.attempt) == (poison.request.run_id, attempt)
        await brief.lose(claimed)

    ended = await brief.runs.get(thread_id, poison.request.run_id)
    assert ended.status == "error"
    assert ended.error is not None
    assert ended.error["error"] == "RunLost"
    assert "lost its worker 3 times" in ended.error["message"]
    assert [event.name for event in await brief.events_of(poison)] == [END]
    assert (await brief.claim()).claim.run_id == queued.request.run_id


async def test_lost_hints_are_made_again(life: Life) -> None:
    """Without the keys that workers look at, a sweep makes exactly the runs that may start findable again."""
    threads = [await life.thread() for _ in range(3)]
    firsts = [(await life.submit(thread_id)).request.run_id for thread_id in threads]
    for thread_id in threads:
        await life.submit(thread_id)
    worked_on = (await life.claim()).claim.run_id
    await life.redis.delete(life.keys.ready(), life.keys.wakeup())
    assert await life.nothing_to_claim()

    assert set(await life.runs.sweep()) == set(firsts) - {worked_on}
    assert list(await life.runs.sweep()) == []
    assert {(await life.claim(wait_s=0)).claim.run_id for _ in range(2)} == set(firsts) - {worked_on}
    assert await life.nothing_to_claim()


async def test_false_hints_start_nothing(life: Life) -> None:
    """A hint to a run that is queued, worked on, ended or unknown is dropped, and the next one followed."""
    thread_id = await life.thread()
    await life.submit(thread_id)
    ended = await life.claim()
    await life.succeed(ended)
    await life.submit(thread_id)
    running = await life.claim()
    queued = (await life.submit(thread_id)).request.run_id
    other = await life.submit(await life.thread())
    for place, run_id in enumerate((ended.claim.run_id, running.claim.run_id, queued, "unknown")):
        await life.redis.zadd(life.keys.ready(), {f"{thread_id}|{run_id}": place})

    assert (await life.claim(wait_s=0)).claim.run_id == other.request.run_id
    assert await life.nothing_to_claim()


async def test_ended_and_unknown_runs_are_forgotten(life: Life) -> None:
    """What a crash left among the active runs goes: the ended at once, the unknown when seen twice."""
    thread_id = await life.thread()
    run_id = (await life.submit(thread_id)).request.run_id
    await life.succeed(await life.claim())
    await life.redis.sadd(life.keys.active(), f"{thread_id}|{run_id}", f"{thread_id}|unknown")

    await life.runs.sweep()
    assert await life.redis.smembers(life.keys.active()) == {f"{thread_id}|unknown".encode()}
    await life.runs.sweep()
    assert await life.redis.exists(life.keys.active()) == 0


async def test_many_sweepers_take_a_run_over_once(brief: Life) -> None:
    """Of ten sweeps at once, one takes the run."""
    run = await brief.submit(await brief.thread())
    await brief.claim()
    name = brief.keys.run(run.request.thread_id, run.request.run_id)
    await brief.redis.hset(name, "deadline_ms", "0")

    swept = await asyncio.gather(*(brief.runs.sweep() for _ in range(10)))
    assert [run.request.run_id] in [list(one) for one in swept]
    assert (await brief.claim()).claim.attempt == 2
    assert await brief.nothing_to_claim()


async def test_giving_back_is_not_losing(brief: Life) -> None:
    """However often a run was handed on in order, it still has its three attempts against loss."""
    run = await brief.submit(await brief.thread())
    for _ in range(5):
        await brief.runs.release((await brief.claim()).claim)
    claimed = await brief.claim()

    assert await brief.lose(claimed) == [run.request.run_id]
    assert (await brief.claim()).claim.attempt == claimed.claim.attempt + 1


async def test_runs_that_the_index_lost_are_found_again(life: Life) -> None:
    """Without the index of unfinished runs, queued and lost runs are found by a walk over the threads."""
    ids = [(await life.submit(await life.thread())).request.run_id for _ in range(3)]
    await life.redis.delete(life.keys.active(), life.keys.ready(), life.keys.rebuilding())
    assert set(await life.runs.sweep()) == set(ids)


async def test_the_walk_over_all_threads_is_made_once_in_ten_minutes(life: Life) -> None:
    """However many processes sweep, one of them walks, and the next walk is ten minutes away."""
    await life.runs.sweep()
    await life.submit(await life.thread())
    await life.redis.delete(life.keys.active(), life.keys.ready())
    assert list(await life.runs.sweep()) == []
    assert 500 < await life.redis.ttl(life.keys.rebuilding()) <= 600


async def test_threads_that_nobody_would_attend_to_are_found_again(life: Life) -> None:
    """Without the index, threads with an open approval or with entries for the journal are found by a walk."""
    waiting, deleted = await life.ask("one"), await life.ask("two")
    await life.thread()
    await life.threads.delete(deleted)
    await life.redis.delete(life.keys.attention(), life.keys.rebuilding())
    await life.runs.sweep()

    named: Any = await life.redis.zrange(life.keys.attention(), 0, -1)
    found = {name.decode() for name in named}
    assert found == {waiting, deleted}
    assert await RedisJournal(life.redis, life.keys, Scripts(life.redis)).relay(deleted)
