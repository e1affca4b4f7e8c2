"""What runs did: kept in order and once, for some days, within a size, and forgotten with its run or thread."""

from __future__ import annotations

import hashlib
import os
from typing import Any, cast
from uuid import uuid4

import pytest
from redis.asyncio import Redis
from tests.memory.savers import commands_of

from motet.errors import DataDamaged, InvalidConfig, NotFound
from motet.memory.ports import RunRequest
from motet.memory.redis.keys import Keys
from motet.memory.redis.runs import RedisRuns
from motet.memory.redis.scripts import Scripts
from motet.memory.redis.threads import RedisThreads
from motet.memory.redis.trajectories import WEEK_S, RedisTrajectories
from motet.memory.serde import AesCipher
from motet.memory.trajectories import StoredTrajectory
from motet.observability.trajectory.records import RunStarted, Truncated, decode, encode

THREAD = "thread"


def batch(*records: bytes, contents: tuple[bytes, ...] = ()) -> StoredTrajectory:
    """Records, with contents by their hash."""
    return StoredTrajectory(records=records, contents={name_of(one): one for one in contents})


def name_of(content: bytes) -> str:
    """The name of a content."""
    return hashlib.sha256(content).hexdigest()[:32]


def began(run_id: str, follows: str | None = None) -> bytes:
    """A run's first record."""
    return encode(RunStarted(run_id=run_id, index=0, at="2026", graph_id="g", thread_id=THREAD, follows=follows))


async def run(redis: Redis, keys: Keys, run_id: str, thread_id: str = THREAD) -> str:
    """Have there be a run."""
    await redis.hset(keys.run(thread_id, run_id), "status", "running")
    await redis.expire(keys.run(thread_id, run_id), 60)
    return run_id


async def left(redis: Redis, keys: Keys, thread_id: str = THREAD) -> list[int]:
    """How many entries each of the keys has."""
    runs, records, contents = keys.trajectories(thread_id)
    return [await redis.zcard(runs), await redis.hlen(records), await redis.hlen(contents)]


async def test_records_and_contents_come_back_in_order(redis: Redis, keys: Keys) -> None:
    """What was appended is read back byte for byte: small and large, one batch or several."""
    trajectories = RedisTrajectories(redis, keys)
    await run(redis, keys, "r1")
    large = b'"' + b"x" * 5000 + b'"'
    assert await trajectories.append(THREAD, "r1", batch(b'{"n":1}', b'{"n":2}', contents=(b'"a"', large)))
    assert await trajectories.append(THREAD, "r1", batch())
    assert await trajectories.append(THREAD, "r1", batch(b'{"n":3}', contents=(b'"b"',)))
    found = await trajectories.read(THREAD, "r1")
    assert list(found.records) == [b'{"n":1}', b'{"n":2}', b'{"n":3}']
    assert found.contents == {name_of(one): one for one in (b'"a"', large, b'"b"')}


async def test_what_two_runs_share_is_kept_once(redis: Redis, keys: Keys) -> None:
    """A turn costs what it added: contents that another run brought take no room; each run is read with its own."""
    trajectories = RedisTrajectories(redis, keys)
    shared = tuple(b'"%d %b"' % (one, os.urandom(1000).hex().encode()) for one in range(20))
    await run(redis, keys, "r1")
    await run(redis, keys, "r2")
    await trajectories.append(THREAD, "r1", batch(b"{}", contents=shared))
    before = int(await redis.hget(keys.trajectories(THREAD)[1], "") or 0)
    await trajectories.append(THREAD, "r2", batch(b"{}", contents=(*shared, b'"new"')))
    after = int(await redis.hget(keys.trajectories(THREAD)[1], "") or 0)
    assert before > 20_000
    assert after - before < 500
    assert set((await trajectories.read(THREAD, "r1")).contents) == {name_of(one) for one in shared}
    both = await trajectories.read(THREAD, "r1", "r2", "none")
    assert (len(both.records), len(both.contents)) == (2, 21)


async def test_a_run_without_records_is_not_found(redis: Redis, keys: Keys) -> None:
    """There is no empty trajectory."""
    trajectories = RedisTrajectories(redis, keys)
    await trajectories.append(THREAD, "r1", batch())
    with pytest.raises(NotFound):
        await trajectories.read(THREAD, "r1")
    assert await trajectories.runs(THREAD) == {}


async def test_runs_are_told_with_those_they_follow(redis: Redis, keys: Keys) -> None:
    """In the order of their last writes, and each with the run whose questions it answers."""
    trajectories = RedisTrajectories(redis, keys)
    for run_id, follows in (("r1", None), ("r2", "r1"), ("r3", "r2")):
        await run(redis, keys, run_id)
        await trajectories.append(THREAD, run_id, batch(began(run_id, follows), b"{}"))
    assert list((await trajectories.runs(THREAD)).items()) == [("r1", ""), ("r2", "r1"), ("r3", "r2")]


async def test_each_write_keeps_it_another_week(redis: Redis, keys: Keys) -> None:
    """All three keys expire, a week after the last write."""
    trajectories = RedisTrajectories(redis, keys)
    await run(redis, keys, "r1")
    await trajectories.append(THREAD, "r1", batch(b"{}", contents=(b'"a"',)))
    for key in keys.trajectories(THREAD):
        await redis.expire(key, 10)
    await trajectories.append(THREAD, "r1", batch(b"{}", contents=(b'"a"',)))
    for key in keys.trajectories(THREAD):
        assert WEEK_S - 10 < await redis.ttl(key) <= WEEK_S


async def test_a_run_goes_when_its_time_is_over_though_its_thread_goes_on(redis: Redis, keys: Keys) -> None:
    """On a thread that is used every day, old runs go, with the contents that no newer one has."""
    trajectories = RedisTrajectories(redis, keys)
    for run_id, contents in (("old", (b'"a"', b'"b"')), ("new", (b'"b"', b'"c"'))):
        await run(redis, keys, run_id)
        if run_id == "new":
            await redis.zadd(keys.trajectories(THREAD)[0], {"old": 1})
        await trajectories.append(THREAD, run_id, batch(b"{}", contents=contents))
    assert list(await trajectories.runs(THREAD)) == ["new"]
    found = await trajectories.read(THREAD, "old", "new")
    assert (len(found.records), sorted(found.contents.values())) == (1, [b'"b"', b'"c"'])
    assert await left(redis, keys) == [1, 4, 4]


async def test_the_oldest_runs_give_way(redis: Redis, keys: Keys) -> None:
    """Where a thread's runs take more than they may, the oldest goes, and what is new is kept whole."""
    trajectories = RedisTrajectories(redis, keys, most_bytes=5_000)
    for number in range(4):
        await run(redis, keys, f"r{number}")
        content = b'"%b"' % os.urandom(1500).hex().encode()
        assert await trajectories.append(THREAD, f"r{number}", batch(b"{}", contents=(content,)))
    assert list(await trajectories.runs(THREAD)) == ["r2", "r3"]
    assert len((await trajectories.read(THREAD, "r3")).contents) == 1


async def test_a_run_that_is_too_large_says_that_it_was_cut(redis: Redis, keys: Keys) -> None:
    """What doesn't fit is left out with all that follows; the last record says so, once."""
    trajectories = RedisTrajectories(redis, keys, most_bytes=5_000)
    await run(redis, keys, "r1")
    large = b'"%b"' % os.urandom(4000).hex().encode()
    assert await trajectories.append(THREAD, "r1", batch(began("r1")))
    assert not await trajectories.append(THREAD, "r1", batch(began("r1"), contents=(large,)))
    assert not await trajectories.append(THREAD, "r1", batch(b'{"small":1}'))
    found = await trajectories.read(THREAD, "r1")
    first, last = [decode(one) for one in found.records]
    assert isinstance(first, RunStarted)
    assert last == Truncated(run_id="r1", attempt=1, index=0, at="2026", limit_bytes=5_000)
    assert found.contents == {}


async def test_a_cut_that_nobody_told_is_told_later(redis: Redis, keys: Keys) -> None:
    """A worker that dies between leaving something out and saying so leaves no hole that looks like the whole."""
    trajectories = RedisTrajectories(redis, keys)
    await run(redis, keys, "r1")
    await trajectories.append(THREAD, "r1", batch(began("r1")))
    await redis.hset(keys.trajectories(THREAD)[1], "r1\0cut", "cut")
    assert not await trajectories.append(THREAD, "r1", batch(began("r1")))
    assert isinstance(decode((await trajectories.read(THREAD, "r1")).records[-1]), Truncated)


async def test_what_a_forgotten_run_did_is_forgotten(redis: Redis, keys: Keys) -> None:
    """With a run go its records and the contents that no other has; with the last one, all keys."""
    trajectories = RedisTrajectories(redis, keys)
    for run_id, contents in (("r1", (b'"a"', b'"b"')), ("r2", (b'"b"',))):
        await run(redis, keys, run_id)
        await trajectories.append(THREAD, run_id, batch(b"{}", contents=contents))
    await trajectories.forget(THREAD, "r1", "never was")
    assert (await trajectories.read(THREAD, "r1", "r2")).contents == {name_of(b'"b"'): b'"b"'}
    await trajectories.forget(THREAD, "r2")
    assert await redis.exists(*keys.trajectories(THREAD)) == 0
    await run(redis, keys, "r3")
    await trajectories.append(THREAD, "r3", batch(b"{}"))
    await trajectories.forget(THREAD)
    assert await redis.exists(*keys.trajectories(THREAD)) == 0


async def test_nobody_writes_of_a_run_that_is_gone(redis: Redis, keys: Keys) -> None:
    """A worker that is late brings nothing back of what was deleted."""
    trajectories = RedisTrajectories(redis, keys)
    assert not await trajectories.append(THREAD, "r1", batch(b"{}"))
    assert await redis.exists(*keys.trajectories(THREAD)) == 0


async def test_what_comes_late_is_added_to_what_is_there(redis: Redis, keys: Keys) -> None:
    """Days later, when the run's own record is gone, something more is said of it; where nothing is kept, nothing."""
    trajectories = RedisTrajectories(redis, keys)
    await run(redis, keys, "r1")
    assert not await trajectories.append(THREAD, "r1", batch(b"{}"), late=True)
    assert await trajectories.append(THREAD, "r1", batch(began("r1")))
    await redis.delete(keys.run(THREAD, "r1"))
    assert not await trajectories.append(THREAD, "r1", batch(b'{"zombie":1}'))
    assert await trajectories.append(THREAD, "r1", batch(b'{"late":1}'), late=True)
    assert (await trajectories.read(THREAD, "r1")).records == [began("r1"), b'{"late":1}']
    await trajectories.forget(THREAD, "r1")
    assert not await trajectories.append(THREAD, "r1", batch(b"{}"), late=True)


@pytest.mark.parametrize("ends", ["thread deleted", "run deleted", "rolled back"])
async def test_deleting_takes_along_what_was_done(redis: Redis, keys: Keys, ends: str) -> None:
    """Thread, run and rollback: each forgets, in the same script, what the run did."""
    scripts = Scripts(redis)
    runs, threads, trajectories = RedisRuns(redis, keys, scripts), RedisThreads(redis, keys, scripts), None
    trajectories = RedisTrajectories(redis, keys)
    thread_id, run_id = str(uuid4()), str(uuid4())
    request: dict[str, Any] = {"assistant_id": "a", "graph_id": "g", "payload": {"input": None}}
    accepted = await runs.create(RunRequest(run_id=run_id, thread_id=thread_id, **request), new_thread={}, worker="w")
    assert accepted.claimed is not None
    await trajectories.append(thread_id, run_id, batch(began(run_id), contents=(b'"a"',)))
    match ends:
        case "thread deleted":
            await threads.delete(thread_id)
        case "rolled back":
            await runs.lose(accepted.claimed.claim, "it was killed")
            await runs.cancel(thread_id, run_id, "rollback")
        case _:
            await runs.lose(accepted.claimed.claim, "it was killed")
            await runs.cancel(thread_id, run_id, "interrupt")
            assert (await trajectories.read(thread_id, run_id)).records
            await runs.delete(thread_id, run_id)
    assert await redis.exists(*keys.trajectories(thread_id)) == 0
    assert not await trajectories.append(thread_id, run_id, batch(b"{}"))


async def test_an_append_and_a_read_cost_one_round_trip(redis: Redis, redis_url: str, keys: Keys) -> None:
    """However much is written or read at once, and of however many runs."""
    trajectories = RedisTrajectories(redis, keys)
    await run(redis, keys, "r1")
    contents = tuple(b'"%d"' % one for one in range(3000))
    await trajectories.append(THREAD, "r1", batch(b"{}"))
    await trajectories.read(THREAD, "r1")

    async def append() -> None:
        await trajectories.append(THREAD, "r1", batch(*[b"{}"] * 500, contents=contents))

    async def read() -> None:
        assert len((await trajectories.read(THREAD, "r1", "r2", "r3")).contents) == 3000

    assert await commands_of(redis_url, append, redis, keys) == ["EVALSHA"]
    assert await commands_of(redis_url, read, redis, keys) == ["EVALSHA"]


async def test_what_is_kept_is_encrypted_where_states_are(redis: Redis, keys: Keys) -> None:
    """With a key, nothing of records and contents can be read in Redis, nor without that key."""
    cipher = AesCipher(b"0123456789abcdef")
    trajectories = RedisTrajectories(redis, keys, cipher=cipher)
    await run(redis, keys, "r1")
    await trajectories.append(THREAD, "r1", batch(b'{"said":"hush"}', contents=(b'"hush"',)))
    for key in keys.trajectories(THREAD)[1:]:
        held = await redis.hgetall(key)
        assert not any(b"hush" in cast("bytes", value) for value in held.values())
        assert bytes.fromhex(name_of(b'"hush"')) not in held
    assert (await trajectories.read(THREAD, "r1")).contents == {name_of(b'"hush"'): b'"hush"'}
    with pytest.raises(InvalidConfig, match="was encrypted, and there is no key"):
        await RedisTrajectories(redis, keys).read(THREAD, "r1")
    another = AesCipher(b"fedcba9876543210")
    with pytest.raises(InvalidConfig, match="another key"):
        await RedisTrajectories(redis, keys, cipher=another).read(THREAD, "r1")


async def test_what_was_changed_in_redis_is_told(redis: Redis, keys: Keys) -> None:
    """Damaged bytes are never taken for a trajectory."""
    trajectories = RedisTrajectories(redis, keys)
    await run(redis, keys, "r1")
    await trajectories.append(THREAD, "r1", batch(b'{"long":"%b"}' % (b"x" * 1000)))
    await redis.hset(keys.trajectories(THREAD)[1], "r1\0001", "zzz")
    with pytest.raises(DataDamaged, match="the trajectory of run r1"):
        await trajectories.read(THREAD, "r1")


def told(elements: list[bytes]) -> tuple[bytes, ...]:
    """A list as contents: its elements, and what names them."""
    names = ",".join(f'"{name_of(one)}"' for one in elements)
    return (*elements, b'{"$list":[%b]}' % names.encode())


async def taken(redis: Redis, keys: Keys) -> tuple[int, int]:
    """Bytes that the thread's runs take: as they are counted, and as they are."""
    _, records, contents = keys.trajectories(THREAD)
    held: list[Any] = [await redis.hgetall(records), await redis.hgetall(contents)]
    counted = int(held[0].get(b"", 0))
    batches = sum(len(value) for name, value in held[0].items() if b"\0" in name and not name.endswith(b"follows"))
    counts = {b"#" + name for name in held[1]}  # a name is 16 bytes of any kind, and may begin so itself
    return counted, batches + sum(len(value) for name, value in held[1].items() if name not in counts)


async def test_what_is_there_is_not_sent_again(redis: Redis, redis_url: str, keys: Keys) -> None:
    """Neither by this process, in one round trip, nor is it kept twice when another sends it."""
    one, other = RedisTrajectories(redis, keys), RedisTrajectories(redis, keys)
    elements = [b'"%d %b"' % (number, os.urandom(500).hex().encode()) for number in range(20)]
    for number in range(5):
        await run(redis, keys, f"r{number}")
    await one.append(THREAD, "r0", batch(b"{}", contents=told(elements)))
    before = await taken(redis, keys)

    async def again() -> None:
        await one.append(THREAD, "r1", batch(b"{}", contents=(*told([*elements, b'"new"']), *told(elements)[-1:])))

    assert await commands_of(redis_url, again, redis, keys) == ["EVALSHA"]
    after = await taken(redis, keys)
    await other.append(THREAD, "r2", batch(b"{}", contents=told(elements)))
    assert after[1] - before[1] < 21 * 16 + 21 * 35 + 100
    assert (await taken(redis, keys))[1] - after[1] < 50
    assert set((await other.read(THREAD, "r1")).contents.values()) >= set(told([*elements, b'"new"']))


async def test_a_list_holds_its_elements(redis: Redis, keys: Keys) -> None:
    """Whichever runs go, in whatever order: what is left can be read whole, the count is right, and no rest remains."""
    trajectories = RedisTrajectories(redis, keys)
    elements = [b'"%d %b"' % (number, os.urandom(300).hex().encode()) for number in range(6)]
    kept = {
        "r1": told(elements[:3]),
        "r2": (*told(elements[:3]), *told(elements[:5])),
        "r3": (elements[1], b'{"n":1}'),
        "r4": told([elements[5], told(elements[:5])[-1]]) + told(elements[:5]),
    }
    for run_id, contents in kept.items():
        await run(redis, keys, run_id)
        await trajectories.append(THREAD, run_id, batch(began(run_id), contents=contents))
    for run_id in ("r2", "r1", "r4", "r3"):
        for left_id, contents in kept.items():
            assert set((await trajectories.read(THREAD, left_id)).contents.values()) == set(contents)
        counted, is_there = await taken(redis, keys)
        assert counted == is_there
        del kept[run_id]
        await trajectories.forget(THREAD, run_id)
    assert await redis.exists(*keys.trajectories(THREAD)) == 0


async def test_what_two_processes_send_goes_with_the_last_run(redis: Redis, keys: Keys) -> None:
    """Each batch holds it once, whoever brought it first, and whatever lists hold it besides."""
    one, other = RedisTrajectories(redis, keys), RedisTrajectories(redis, keys)
    elements = [b'"%d %b"' % (number, os.urandom(300).hex().encode()) for number in range(6)]
    contents = (*told(elements[:5]), told(elements)[-1], elements[5])
    await one.append(THREAD, await run(redis, keys, "r1"), batch(b"{}", contents=told(elements[:5])))
    await other.append(THREAD, await run(redis, keys, "r2"), batch(b"{}", contents=contents))
    await one.forget(THREAD, "r1")

    assert set((await one.read(THREAD, "r2")).contents.values()) == set(contents)
    counted, is_there = await taken(redis, keys)
    assert counted == is_there
    await one.forget(THREAD, "r2")
    assert await redis.exists(*keys.trajectories(THREAD)) == 0


async def test_a_batch_names_a_list_that_is_there_and_not_its_elements(redis: Redis, keys: Keys) -> None:
    """Also where this process sent it with an earlier run: its elements go on being held by it."""
    trajectories = RedisTrajectories(redis, keys)
    contents = told([b'"a"', b'"b"', b'"c"'])
    for run_id in ("r1", "r2"):
        await trajectories.append(THREAD, await run(redis, keys, run_id), batch(b"{}", contents=contents))

    named = [await redis.hget(keys.trajectories(THREAD)[1], f"{run_id}\0001\0refs") for run_id in ("r1", "r2")]
    assert named == [bytes.fromhex(name_of(contents[-1]))] * 2


async def test_a_batch_of_thousands_of_contents_is_kept_whole(redis: Redis, keys: Keys) -> None:
    """And goes whole."""
    trajectories = RedisTrajectories(redis, keys)
    contents = told([b'"%d"' % number for number in range(2_500)])
    await trajectories.append(THREAD, await run(redis, keys, "r1"), batch(b"{}", contents=contents))

    assert set((await trajectories.read(THREAD, "r1")).contents.values()) == set(contents)
    counted, is_there = await taken(redis, keys)
    assert counted == is_there
    await trajectories.forget(THREAD, "r1")
    assert await redis.exists(*keys.trajectories(THREAD)) == 0


async def test_what_was_lost_is_sent_again(redis: Redis, redis_url: str, keys: Keys) -> None:
    """What this process thinks is there and isn't, because of another's cleaning up, costs one more round trip."""
    one, other = RedisTrajectories(redis, keys), RedisTrajectories(redis, keys)
    elements = [b'"%d %b"' % (number, os.urandom(300).hex().encode()) for number in range(4)]
    for run_id in ("r0", "r1", "r2", "r3"):
        await run(redis, keys, run_id)
    await one.append(THREAD, "r0", batch(b"{}", contents=told(elements)))
    await one.append(THREAD, "r1", batch(b"{}", contents=(b'"a"',)))
    await other.forget(THREAD, "r0")

    async def append(run_id: str, *contents: bytes) -> None:
        assert await one.append(THREAD, run_id, batch(b"{}", contents=contents))

    more = told([*elements, b'"b"'])
    assert await commands_of(redis_url, lambda: append("r2", *more), redis, keys) == ["EVALSHA", "EVALSHA"]
    assert await commands_of(redis_url, lambda: append("r3", *more), redis, keys) == ["EVALSHA"]
    for run_id in ("r2", "r3"):
        assert set((await one.read(THREAD, run_id)).contents.values()) == set(more)
    counted, is_there = await taken(redis, keys)
    assert counted == is_there


async def test_what_nobody_has_any_more_does_not_stop_a_run(redis: Redis, redis_url: str, keys: Keys) -> None:
    """A batch that names what an earlier one of its run brought, which is gone, is kept with what there is."""
    trajectories = RedisTrajectories(redis, keys)
    await run(redis, keys, "r1")
    await trajectories.append(THREAD, "r1", batch(began("r1"), contents=(b'"a"', b'"b"')))
    await redis.hdel(keys.trajectories(THREAD)[2], bytes.fromhex(name_of(b'"a"')))
    lists = told([b'"a"', b'"b"', b'"c"'])[-2:]

    async def append() -> None:
        assert await trajectories.append(THREAD, "r1", batch(b"{}", contents=lists))

    assert await commands_of(redis_url, append, redis, keys) == ["EVALSHA", "EVALSHA"]
    found = await trajectories.read(THREAD, "r1")
    assert set(found.contents.values()) == {b'"b"', *lists}
    await trajectories.forget(THREAD, "r1")
    assert await redis.exists(*keys.trajectories(THREAD)) == 0


async def test_what_was_missing_is_kept_when_somebody_brings_it(redis: Redis, redis_url: str, keys: Keys) -> None:
    """A list may be held whose element was gone: whoever only names the element is told so, and sends it."""
    one, other = RedisTrajectories(redis, keys), RedisTrajectories(redis, keys)
    lists = told([b'"a"', b'"b"'])
    for run_id in ("r1", "r2", "r3"):
        await run(redis, keys, run_id)
    await other.append(THREAD, "r1", batch(b"{}", contents=(b'"a"',)))
    await redis.delete(*keys.trajectories(THREAD))
    await one.append(THREAD, "r2", batch(b"{}", contents=lists[1:]))

    async def append() -> None:
        assert await other.append(THREAD, "r3", batch(b"{}", contents=lists))

    assert await commands_of(redis_url, append, redis, keys) == ["EVALSHA", "EVALSHA"]
    for run_id in ("r2", "r3"):
        assert set((await one.read(THREAD, run_id)).contents.values()) == set(lists)
    for run_id in ("r2", "r3"):
        await one.forget(THREAD, run_id)
    assert await redis.exists(*keys.trajectories(THREAD)) == 0
