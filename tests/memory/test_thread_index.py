"""Which threads there are: none is left out, whatever made it, and none is told that isn't there."""

from __future__ import annotations

from uuid import uuid4

from tests.memory.life import Life

from motet.memory.redis.scripts import Scripts
from motet.memory.redis.thread_index import RedisThreadIndex


def _index(life: Life) -> RedisThreadIndex:
    return RedisThreadIndex(life.redis, life.keys, Scripts(life.redis))


async def _listed(index: RedisThreadIndex) -> set[str]:
    return {thread.thread_id async for some in index.all() for thread in some}


async def test_threads_from_before_the_index_are_known_by_their_runs(life: Life) -> None:
    """By whichever process looks first; from then on without them."""
    before = [await life.thread() for _ in range(3)]
    for thread_id in before[:2]:
        await life.submit(thread_id)

    assert await _listed(_index(life)) == set(before[:2])
    await life.redis.delete(life.keys.recent())
    assert await _listed(_index(life)) == set(before[:2])


async def test_runs_that_are_accepted_later_are_seen_by_the_next_look(life: Life) -> None:
    """A process looks at each run once, and at all of them."""
    index = _index(life)
    first = await life.thread()
    await life.submit(first)
    assert await _listed(index) == {first}
    second = await life.thread()
    await life.submit(second)

    assert await _listed(index) == {first, second}


async def test_a_noted_thread_may_be_made_after_somebody_looked(life: Life) -> None:
    """The id is noted first; who lists threads in between doesn't forget it."""
    index, thread_id = _index(life), str(uuid4())
    await index.add(thread_id)
    assert await _listed(index) == set()
    await life.threads.create(thread_id, {}, if_exists="raise")

    assert await _listed(index) == {thread_id}


async def test_what_is_gone_is_forgotten(life: Life) -> None:
    """A minute after it was noted; the index doesn't grow with threads that were."""
    index = _index(life)
    kept, gone, lately = [await life.thread() for _ in range(3)]
    for thread_id in (kept, gone, lately):
        await index.add(thread_id)
    await life.redis.zincrby(life.keys.threads(), -61_000_000, gone)
    for thread_id in (gone, lately):
        await life.threads.delete(thread_id)

    assert await _listed(index) == {kept}
    assert await life.redis.zrange(life.keys.threads(), 0, -1) == [kept.encode(), lately.encode()]


async def test_more_threads_than_are_read_at_once_are_all_told(life: Life) -> None:
    """Each once."""
    index = _index(life)
    made = [await life.thread() for _ in range(501)]
    for thread_id in made:
        await index.add(thread_id)
    told = [thread.thread_id async for some in index.all() for thread in some]

    assert len(told) == 501
    assert set(told) == set(made)
    assert [one.thread_id for one in await index.named([made[7], str(uuid4())])] == [made[7]]
