"""Events: in order, to whoever reads, from where they left off."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from pathlib import Path
from uuid import uuid4

import orjson
import pytest
from redis.asyncio import Redis
from tests import engines
from tests.memory.life import Life
from tests.memory.servers import valkey
from tests.memory.streams import Stream, counted
from tests.memory.wire import tapped
from tests.support import wait_until

from motet.errors import InvalidInput, NotFound, StoreUnavailable
from motet.memory.ports import END, GAP, Ending, StoredEvent
from motet.memory.redis import hub
from motet.memory.redis.client import connect, connected
from motet.memory.redis.embedded import EmbeddedRedis
from motet.memory.redis.events import RedisEvents
from motet.memory.redis.keys import Keys
from motet.memory.redis.news import News


async def test_events_arrive_while_the_run_works(life: Life) -> None:
    """A reader that came before the first event gets each one as it is written, and stops after the last."""
    run = await life.submit(await life.thread())
    seen: list[StoredEvent] = []

    async def read() -> None:
        async for event in life.events.read(run.request.thread_id, run.request.run_id):
            seen.append(event)  # noqa: PERF401 - the list is looked at while it grows

    reading = asyncio.create_task(read())
    claimed = await life.claim()
    await life.runs.append(claimed.claim, [("values", b"{}"), ("updates", b"\x00\xff")])
    await wait_until(lambda: len(seen) == 2, description="two events reach the reader")
    await life.succeed(claimed)
    await asyncio.wait_for(reading, 5)

    assert [(event.name, event.data) for event in seen] == [
        ("values", b"{}"),
        ("updates", b"\x00\xff"),
        (END, b'{"status":"success"}'),
    ]


async def test_another_client_resumes_after_any_event(life: Life, redis_url: str) -> None:
    """From each id on, another process reads exactly what follows, whether or not the run has ended."""
    run = await life.submit(await life.thread())
    claimed = await life.claim()
    await life.runs.append(claimed.claim, [(f"e{i}", b"{}") for i in range(5)])
    await life.succeed(claimed)
    everything = await life.events_of(run)

    async with connected(redis_url) as other:
        elsewhere = RedisEvents(other, life.keys)
        for place, event in enumerate(everything):
            reading = elsewhere.read(run.request.thread_id, run.request.run_id, after=event.event_id)
            async with asyncio.timeout(20):
                assert [later async for later in reading] == everything[place + 1 :]


async def test_an_unknown_run_has_no_events(life: Life) -> None:
    """Reading a run that doesn't exist fails at once instead of waiting."""
    with pytest.raises(NotFound):
        await anext(life.events.read(await life.thread(), str(uuid4())))


async def test_a_run_whose_events_are_gone_is_not_found(life: Life) -> None:
    """Once an ended run's events have expired, a reader is told so."""
    run = await life.submit(await life.thread())
    await life.succeed(await life.claim())
    await life.redis.delete(life.keys.events(run.request.thread_id, run.request.run_id))

    with pytest.raises(NotFound):
        await life.events_of(run)


@pytest.mark.parametrize("after", ["yesterday", "12", "-1", "1-", "1-2-3", f"1-{'9' * 20}"])
async def test_a_strange_event_id_is_refused(redis: Redis, keys: Keys, after: str) -> None:
    """An id that no event ever had is the reader's mistake."""
    stream = await Stream(redis, keys).begin()
    with pytest.raises(InvalidInput, match="Last-Event-ID"):
        await stream.read(RedisEvents(redis, keys), after=after)


async def test_a_failed_run_says_why_in_its_last_event(life: Life) -> None:
    """The end of a run that failed carries its error."""
    run = await life.submit(await life.thread())
    error = {"error": "ValueError", "message": "no"}
    await life.runs.finish((await life.claim()).claim, Ending(status="error", error=error))

    (last,) = await life.events_of(run)
    assert last.data == b'{"status":"error","error":{"error":"ValueError","message":"no"}}'


async def test_ids_count_without_a_gap(redis: Redis, keys: Keys) -> None:
    """The second half of ids counts from 1 over all writes; the first never goes back, even if the clock does."""
    stream = await Stream(redis, keys).begin()
    first = await stream.add(b"1", b"2")
    tomorrow = int(first[-1].partition("-")[0]) + 86_400_000
    await redis.hset(stream.record, "event_ms", tomorrow)

    assert [one.partition("-")[2] for one in first] == ["1", "2"]
    assert await stream.add(b"3") == [f"{tomorrow}-3"]
    assert await stream.add(b"4", epoch=2) == []
    assert await redis.xlen(stream.name) == 3


async def test_a_reader_hears_of_what_is_gone(redis: Redis, keys: Keys) -> None:
    """Where the stream was trimmed, one event says exactly what is lost, and its id can be resumed from."""
    stream = await Stream(redis, keys).begin()
    ids = await stream.add(*[b"{}"] * 9)
    await stream.end()
    await stream.trim(4)
    events = RedisEvents(redis, keys)

    for asked, after in ((0, "0"), (2, ids[1])):
        gap, *rest = await stream.read(events, after=after)
        assert (gap.name, orjson.loads(gap.data)) == (GAP, {"after": after, "next": ids[6], "lost": 6 - asked})
        assert counted(rest) == [7, 8, 9, 10]
        assert await stream.read(events, after=gap.event_id) == rest
    assert counted(await stream.read(events, after=ids[5])) == [7, 8, 9, 10]


async def test_a_reader_that_sleeps_learns_what_it_missed(redis: Redis, keys: Keys) -> None:
    """A reader whose place is trimmed away while it is slow gets the gap, then what there is."""
    stream = await Stream(redis, keys).begin()
    await stream.add(b"first")
    async with aclosing(stream.batches(RedisEvents(redis, keys))) as batches:
        assert counted(await anext(batches)) == [1]
        for _ in range(8):
            await stream.add(*[b"x" * 50_000] * 5)
        await stream.trim(3)
        await stream.end()
        rest = [event for batch in [one async for one in batches] for event in batch]

    at = [event.name for event in rest].index(GAP)
    before, after = counted(rest[:at]), counted(rest[at + 1 :])
    assert before == list(range(2, at + 2))
    assert after == list(range(after[0], 43))
    assert orjson.loads(rest[at].data)["lost"] == after[0] - at - 2 > 0


async def test_a_slow_reader_holds_up_nobody(redis: Redis, keys: Keys) -> None:
    """While one stands still, another gets everything; the first reads it later, and meanwhile memory is bounded."""
    stream = await Stream(redis, keys).begin()
    await stream.add(b"first")
    events = RedisEvents(redis, keys)
    async with aclosing(stream.batches(events)) as slow:
        got = list(await anext(slow))
        reading = asyncio.create_task(stream.read(events))
        for _ in range(20):
            await stream.add(*[b"x" * 10_000] * 50)
        last = await stream.end()
        fast = await asyncio.wait_for(reading, 10)
        held = stream.held_by(events)
        got += [event for batch in [one async for one in slow] for event in batch]

    assert counted(fast) == list(range(1, 1003))
    assert fast[-1].event_id == last
    assert held <= 1 << 20
    assert got == fast
    assert stream.held_by(events) == 0


async def test_many_readers_share_few_connections(redis: Redis, redis_url: str, keys: Keys) -> None:
    """Two hundred readers of fifty runs don't each hold a connection, and all get everything."""
    streams = [await Stream(redis, keys).begin() for _ in range(50)]
    async with connected(f"{redis_url}?client_name={keys.prefix}") as client:
        events = RedisEvents(client, keys)
        reading = [asyncio.create_task(stream.read(events)) for stream in streams for _ in range(4)]
        await wait_until(lambda: all(one.watched_by(events) == 4 for one in streams), description="all wait")
        held = [one for one in await redis.client_list() if one["name"] == keys.prefix]
        for stream in streams:
            await stream.add(b"1")
            await stream.end()
        read = await asyncio.wait_for(asyncio.gather(*reading), 20)

    assert len(held) < 25
    assert all(counted(one) == [1, 2] for one in read)


async def test_a_writer_in_the_same_process_is_heard_without_redis(
    redis_url: str, keys: Keys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who reads a run that this process begins and writes waits for Redis not once."""
    monkeypatch.setattr(hub, "_LOOK_S", 60)  # a look at what word may have been lost of is a round trip, too
    monkeypatch.setattr(hub, "_POLL_S", 0.001)  # no word is missed of what is heard here
    async with tapped(redis_url, tmp_path) as wire, connected(wire.url) as client, connected(redis_url) as redis:
        async with RedisEvents(client, keys) as events:
            stream = await Stream(redis, keys).begin()
            trips = wire.trips
            events.heard(stream.thread_id, stream.run_id, [])
            reading = asyncio.create_task(stream.read(events))
            for data in (b"1", b"2"):
                (event_id,) = await stream.add(data)
                events.heard(stream.thread_id, stream.run_id, [(event_id, "e", data)])
            end = await stream.end()
            events.heard(stream.thread_id, stream.run_id, [(end, END, b"{}")])
            seen = await asyncio.wait_for(reading, 20)
            asked = wire.trips - trips
        await redis.delete(keys.thread(stream.thread_id), keys.epoch(stream.thread_id), stream.name, stream.record)

    assert [event.data for event in seen] == [b"1", b"2", b"{}"]
    assert asked == 0


async def test_a_channel_that_is_wanted_again_at_once_is_told_of(redis: Redis, keys: Keys) -> None:
    """Redis says once that a channel is followed; who comes as the last one leaves must learn it, too."""
    told: list[tuple[str, bytes]] = []
    channel = keys.news("thread", "run")
    news = News(redis, lambda *word: told.append(word))
    following = asyncio.create_task(news.run())
    try:
        news.follow(channel)
        await wait_until(lambda: told == [(channel, b"")], description="it is followed")
        news.forget(channel)
        news.follow(channel)
        await wait_until(lambda: told == [(channel, b"")] * 2, description="it is told again")
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)


async def test_what_is_heard_twice_or_with_a_hole_is_put_in_order(redis: Redis, keys: Keys) -> None:
    """Events heard again are told once; where some weren't heard, they are read."""
    stream = await Stream(redis, keys).begin()
    events = RedisEvents(redis, keys)
    reading = asyncio.create_task(stream.read(events))
    await wait_until(lambda: stream.watched_by(events) == 1, description="the reader waits")
    ids = await stream.add(b"1", b"2", b"3")
    for heard in ([2], [0], [0, 1], [1, 2]):
        events.heard(stream.thread_id, stream.run_id, [(ids[i], "e", str(i + 1).encode()) for i in heard])
    await stream.end()
    seen = await asyncio.wait_for(reading, 10)

    assert counted(seen) == [1, 2, 3, 4]
    assert [event.data for event in seen[:3]] == [b"1", b"2", b"3"]


async def test_readers_need_no_word(redis: Redis, keys: Keys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A user who may not publish writes events all the same, and one who may not subscribe reads them soon."""
    del redis
    monkeypatch.setattr(hub, "_LOOK_S", 60)  # the look of those who have word isn't soon
    async with valkey(tmp_path / "quiet", aclfile=_acl(tmp_path)) as server:
        client = await connect(f"{server.url}?username=quiet&password=p")
        try:
            stream = await Stream(client, keys).begin()
            events = RedisEvents(client, keys)
            async with aclosing(stream.batches(events)) as batches:
                for n in range(1, 4):
                    await stream.add(b"{}")
                    assert counted(await asyncio.wait_for(anext(batches), 20)) == [n]
        finally:
            await client.aclose()


def _acl(folder: Path) -> str:
    file = folder / "users.acl"
    file.write_text("user default on nopass ~* &* +@all\nuser quiet on >p ~* resetchannels +@all\n")
    return str(file)


@pytest.mark.all
async def test_a_clusters_streams_are_followed(tmp_path: Path, keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs on all nodes of a cluster reach their readers by word, not only by the look now and then."""
    monkeypatch.setattr(hub, "_LOOK_S", 60)
    async with engines.cluster_of_three(tmp_path) as url, connected(url) as client:
        async with RedisEvents(client, keys) as events:
            streams = [await Stream(client, keys).begin() for _ in range(12)]
            reading = [asyncio.create_task(stream.read(events)) for stream in streams]
            await wait_until(lambda: all(one.watched_by(events) for one in streams), description="all wait")
            await wait_until(lambda: events.hub.hears, description="word can come")
            for stream in streams:
                await stream.add(b"1")
                await stream.end()
            read = await asyncio.wait_for(asyncio.gather(*reading), 20)

    assert all(counted(one) == [1, 2] for one in read)


async def test_a_deleted_run_ends_its_readers(redis: Redis, keys: Keys) -> None:
    """Who watches a run whose thread is deleted isn't left waiting."""
    stream = await Stream(redis, keys).begin()
    await stream.add(b"1")
    events = RedisEvents(redis, keys)
    reading = asyncio.create_task(stream.read(events))
    await wait_until(lambda: stream.watched_by(events) == 1, description="the reader waits")
    await stream.delete()

    assert counted(await asyncio.wait_for(reading, 10)) == [1]


async def test_a_reader_survives_a_restart_of_redis(tmp_path: Path, keys: Keys) -> None:
    """A Redis that goes and comes back interrupts nobody: each event is told once, in order."""
    folder = tmp_path / "restarted"
    async with valkey(folder, appendfsync="always") as server:
        client = await connect(server.url)
        stream = await Stream(client, keys).begin()
        events = RedisEvents(client, keys)
        await stream.add(b"1")
        reading = asyncio.create_task(stream.read(events))
        await wait_until(lambda: stream.watched_by(events) == 1, description="the reader waits")
        server.process.kill()
        await asyncio.to_thread(server.process.wait)
        async with valkey(folder, appendfsync="always"):
            await stream.add(b"2")
            await stream.end()
            assert counted(await asyncio.wait_for(reading, 15)) == [1, 2, 3]
            await client.aclose()


async def test_a_reader_learns_that_redis_is_gone(tmp_path: Path, keys: Keys) -> None:
    """A server that stays away ends the reading with an error, not in silence."""
    async with EmbeddedRedis(tmp_path) as url:
        client = await connect(url)
        stream = await Stream(client, keys).begin()
        events = RedisEvents(client, keys, patience_s=0.1)
        reading = asyncio.create_task(stream.read(events))
        await wait_until(lambda: stream.watched_by(events) == 1, description="the reader waits")
        await client.shutdown(nosave=True)
        with pytest.raises(StoreUnavailable):
            await asyncio.wait_for(reading, 20)
        await client.aclose()


async def test_nothing_is_left_when_nobody_reads(redis: Redis, keys: Keys) -> None:
    """The last reader that leaves takes tasks, memory and subscription with it."""
    stream = await Stream(redis, keys).begin()
    events = RedisEvents(redis, keys)
    tasks = asyncio.all_tasks()
    readers = [asyncio.create_task(stream.read(events)) for _ in range(3)]
    channel = keys.news(stream.thread_id, stream.run_id)
    await wait_until(lambda: _subscribers(redis, channel, 1), description="somebody listens")
    for reader in readers:
        reader.cancel()
    await asyncio.gather(*readers, return_exceptions=True)
    await wait_until(lambda: _subscribers(redis, channel, 0), description="nobody listens")

    assert asyncio.all_tasks() == tasks
    assert stream.watched_by(events) == 0


async def _subscribers(redis: Redis, channel: str, wanted: int) -> bool:
    ((_, count),) = await redis.pubsub_numsub(channel)
    return count == wanted


async def test_a_run_that_is_rolled_back_tells_its_readers_the_end(life: Life) -> None:
    """The last event reaches whoever reads, though word of it is lost and the run's record is gone before."""
    stream = await Stream(life.redis, life.keys).begin()
    await stream.add(b"1")
    seen: list[str] = []

    async def read() -> None:
        async for event in life.events.read(stream.thread_id, stream.run_id):
            seen.append(event.name)  # noqa: PERF401 - the list is looked at while it grows

    reading = asyncio.create_task(read())
    await wait_until(lambda: seen == ["e"], description="the reader waits for more")
    async with life.redis.pipeline(transaction=True) as pipe:
        pipe.xadd(stream.name, {"name": END, "data": b"{}"}, id="99999999999999-2")
        pipe.delete(stream.record)
        pipe.expire(stream.name, 60)
        await pipe.execute()

    await asyncio.wait_for(reading, 10)
    assert seen == ["e", END]
