"""Lists of runs: newest first, by pages and status, without those that are gone."""

from __future__ import annotations

from uuid import uuid4

import pytest
from tests.memory.life import Life

from motet.errors import NotFound, RunActive
from motet.memory.ports import Run


def _ids(runs: list[Run]) -> list[str]:
    return [run.request.run_id for run in runs]


async def test_a_threads_runs_are_listed_newest_first(life: Life) -> None:
    """By pages, and by status across the pages."""
    thread_id = await life.thread()
    accepted = [await life.submit(thread_id) for _ in range(5)]
    await life.succeed(await life.claim())
    newest = _ids(accepted)[::-1]

    assert _ids([*await life.runs.of_thread(thread_id, limit=10)]) == newest
    assert _ids([*await life.runs.of_thread(thread_id, limit=2, offset=1)]) == newest[1:3]
    assert _ids([*await life.runs.of_thread(thread_id, limit=10, status="success")]) == newest[-1:]
    assert _ids([*await life.runs.of_thread(thread_id, limit=2, status="pending")]) == newest[:2]
    assert list(await life.runs.of_thread(thread_id, limit=10, offset=5)) == []


async def test_a_thread_without_runs_is_not_one_that_does_not_exist(life: Life) -> None:
    """The first has an empty list, the second none."""
    assert list(await life.runs.of_thread(await life.thread(), limit=10)) == []
    with pytest.raises(NotFound, match="Thread"):
        await life.runs.of_thread(str(uuid4()), limit=10)


async def test_expired_runs_leave_their_threads_list(life: Life) -> None:
    """A page is full though records in it have expired, and who lists them takes them off for good."""
    thread_id = await life.thread()
    kept = await life.submit(thread_id)
    expired = [await life.submit(thread_id) for _ in range(120)]
    await life.redis.delete(*(life.keys.run(thread_id, run_id) for run_id in _ids(expired)))

    assert list(await life.runs.of_thread(thread_id, limit=1)) == [kept]
    assert await life.redis.zcard(life.keys.runs(thread_id)) == 1
    assert list(await life.runs.recent(limit=1)) == [kept]


async def test_the_tenants_runs_are_listed_across_threads(life: Life) -> None:
    """In the order of acceptance, whatever became of them; a refused one isn't among them."""
    accepted = [await life.submit(await life.thread()) for _ in range(3)]
    with pytest.raises(NotFound):
        await life.submit(str(uuid4()))
    claimed = await life.claim()
    await life.succeed(claimed)

    assert _ids([*await life.runs.recent(limit=10)]) == _ids(accepted)[::-1]
    assert _ids([*await life.runs.recent(limit=10, status="success")]) == [claimed.claim.run_id]


async def test_only_an_ended_run_can_be_deleted(life: Life) -> None:
    """Then it is gone from every list, with its events."""
    thread_id = await life.thread()
    run = await life.submit(thread_id)
    run_id = run.request.run_id
    with pytest.raises(RunActive):
        await life.runs.delete(thread_id, run_id)
    await life.succeed(await life.claim())
    await life.runs.delete(thread_id, run_id)

    assert list(await life.runs.of_thread(thread_id, limit=10)) == list(await life.runs.recent(limit=10)) == []
    assert await life.redis.exists(life.keys.run(thread_id, run_id), life.keys.events(thread_id, run_id)) == 0
    with pytest.raises(NotFound):
        await life.runs.delete(thread_id, run_id)
