"""Feedback is kept once, found by run, thread and key, and goes with its thread or after its time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio
from redis.asyncio import Redis
from tests.memory.wire import tapped
from tests.support import wait_until

from motet.errors import AlreadyExists, InvalidInput, LinkUnusable, NotFound
from motet.memory.feedback import Feedback, Once, Source
from motet.memory.redis.client import connected
from motet.memory.redis.feedback import RedisFeedbacks
from motet.memory.redis.keys import Keys
from motet.memory.redis.scripts import Scripts
from motet.memory.serde import AesCipher

AT = "2026-11-22T17:00:{:02d}.{:06d}+00:00"


def said(n: int = 0, *, run: str = "run-1", thread: str = "thread-1", key: str = "helpful", **told: Any) -> Feedback:
    """The n-th feedback."""
    at = AT.format(n // 1000, n % 1000)
    return Feedback(
        feedback_id=str(uuid4()), run_id=run, thread_id=thread, key=key, created_at=at, modified_at=at, **told
    )


@pytest_asyncio.fixture
async def feedbacks(redis: Redis, keys: Keys) -> AsyncGenerator[RedisFeedbacks]:
    """A tenant's feedback; the secret is taken away, which lives for ever otherwise."""
    yield RedisFeedbacks(redis, keys, Scripts(redis))
    await redis.delete(keys.feedback_secret())


@pytest.mark.parametrize("score", [True, False, 0.0, 1.0, -2.5, None])
async def test_feedback_comes_back_as_it_was(feedbacks: RedisFeedbacks, score: float | None) -> None:
    """Every field comes back as it was put, and a thumb stays a thumb."""
    one = said(
        score=score,
        value={"label": "fine", "of": [1, None]},
        comment="très bien",
        correction={"answer": "42"},
        message_id="m1",
        source=Source(type="link", actor="ada"),
    )

    await feedbacks.add(one)
    found = await feedbacks.get(one.feedback_id)

    assert found == one
    assert type(found.score) is type(score)


async def test_an_id_is_taken_once(feedbacks: RedisFeedbacks) -> None:
    """The same id again is refused, and what was there stays."""
    one = said(score=True)
    await feedbacks.add(one)

    with pytest.raises(AlreadyExists):
        await feedbacks.add(replace(one, score=False))

    assert (await feedbacks.get(one.feedback_id)).score is True


async def test_feedback_is_found_by_run_thread_and_key(feedbacks: RedisFeedbacks) -> None:
    """Each filter alone and all together give what fits, the newest first; ids that begin alike aren't confused."""
    told = [
        said(0, run="run-1", key="a"),
        said(1, run="run-1", key="b"),
        said(2, run="run-10", key="a"),
        said(3, run="run-2", thread="thread-2", key="a"),
    ]
    for one in told:
        await feedbacks.add(one)

    async def found(**wanted: Any) -> list[int]:
        return [told.index(one) for one in (await feedbacks.page(**wanted)).feedback]

    assert await found() == [3, 2, 1, 0]
    assert await found(run_id="run-1") == [1, 0]
    assert await found(thread_id="thread-1") == [2, 1, 0]
    assert await found(key="a") == [3, 2, 0]
    assert await found(run_id="run-1", key="a", thread_id="thread-1") == [0]
    assert await found(run_id="run-1", thread_id="thread-2") == []


async def test_pages_go_on_where_the_one_before_ended(feedbacks: RedisFeedbacks) -> None:
    """Pages together give everything once, whatever is added meanwhile, and nonsense is refused by its name."""
    told = [said(n, key="odd" if n % 2 else "even") for n in range(9)]
    for one in told:
        await feedbacks.add(one)

    first = await feedbacks.page(key="even", limit=2)
    await feedbacks.add(said(500, key="even"))
    second = await feedbacks.page(key="even", limit=2, after=first.after)
    third = await feedbacks.page(key="even", limit=2, after=second.after)

    assert [told.index(one) for page in (first, second, third) for one in page.feedback] == [8, 6, 4, 2, 0]
    assert third.after == ""
    with pytest.raises(InvalidInput, match="after: 'x' is not allowed"):
        await feedbacks.page(after="x")


async def test_round_trips_are_as_promised(
    redis_url: str, feedbacks: RedisFeedbacks, keys: Keys, tmp_path: Path
) -> None:
    """One to add, get, delete; one for a page of whatever length; one for each 200 where another filter leaves out."""
    for n in range(205):
        await feedbacks.add(said(n, key="common"))
    one = said(300, key="rare")
    async with tapped(redis_url, tmp_path) as wire, connected(wire.url) as client:
        here = RedisFeedbacks(client, keys, Scripts(client))
        await warm_up(here)
        asked: list[tuple[Callable[[], Awaitable[Any]], int]] = [
            (lambda: here.add(one), 1),
            (lambda: here.get(one.feedback_id), 1),
            (lambda: here.page(run_id="run-1", limit=100), 1),
            (lambda: here.page(run_id="run-1", key="nothing"), 2),
            (lambda: here.change(one.feedback_id, comment="x"), 2),
            (lambda: here.delete(one.feedback_id), 1),
            (here.secret, 0),
        ]
        taken: list[int] = []
        for work, _ in asked:
            before = wire.trips
            await work()
            taken.append(wire.trips - before)

    assert taken == [trips for _, trips in asked]


async def test_of_many_at_once_one_uses_the_right(feedbacks: RedisFeedbacks) -> None:
    """A right is used once, also where twenty try at the same time, and what came too late left nothing."""
    once = Once(nonce=str(uuid4()), expires_at=time.time() + 60)
    tries = [feedbacks.add(said(n), once=once) for n in range(20)]

    done = await asyncio.gather(*tries, return_exceptions=True)

    assert done.count(None) == 1
    assert sum(isinstance(one, LinkUnusable) for one in done) == 19
    assert len((await feedbacks.page()).feedback) == 1


async def test_a_right_ends_by_the_clock_that_forgets_it(feedbacks: RedisFeedbacks) -> None:
    """Redis forgets that a right was used when that ends: it takes none from then on, whatever a server's clock is."""
    over = Once(nonce=str(uuid4()), expires_at=time.time() - 0.001)
    with pytest.raises(LinkUnusable, match="has expired"):
        await feedbacks.add(said(), once=over)
    assert (await feedbacks.page()).feedback == []


async def test_changes_at_the_same_time_are_all_kept(feedbacks: RedisFeedbacks) -> None:
    """Two people who change different fields both find theirs."""
    one = said(score=False)
    await feedbacks.add(one)

    await asyncio.gather(
        feedbacks.change(one.feedback_id, score=True, modified_at=AT.format(1, 0)),
        feedbacks.change(one.feedback_id, comment="changed my mind"),
        feedbacks.change(one.feedback_id, correction="so"),
    )
    after = await feedbacks.get(one.feedback_id)

    assert (after.score, after.comment, after.correction) == (True, "changed my mind", "so")
    assert after.modified_at == AT.format(1, 0)


async def test_deleted_feedback_is_found_nowhere(redis: Redis, feedbacks: RedisFeedbacks, keys: Keys) -> None:
    """After the last piece went, no key holds anything of it."""
    one = said()
    await feedbacks.add(one)
    await feedbacks.delete(one.feedback_id)

    with pytest.raises(NotFound):
        await feedbacks.get(one.feedback_id)
    with pytest.raises(NotFound):
        await feedbacks.delete(one.feedback_id)
    with pytest.raises(NotFound):
        await feedbacks.change(one.feedback_id, score=True)
    assert (await feedbacks.page()).feedback == []
    assert not await redis.exists(*keys.feedback())


async def test_feedback_goes_with_its_run_or_its_thread(feedbacks: RedisFeedbacks) -> None:
    """Forgetting a run takes its own, forgetting a thread all of its runs', and others' stays."""
    for n in range(3):
        await feedbacks.add(said(n, run="run-1"))
        await feedbacks.add(said(n, run="run-2"))
        await feedbacks.add(said(n, run="run-3", thread="thread-2"))

    assert await feedbacks.forget("thread-1", "run-1") == 3
    assert {one.run_id for one in (await feedbacks.page()).feedback} == {"run-2", "run-3"}
    assert await feedbacks.forget("thread-1") == 3
    assert {one.run_id for one in (await feedbacks.page()).feedback} == {"run-3"}


async def test_feedback_goes_after_its_time(redis: Redis, keys: Keys) -> None:
    """What is older than it is kept is told no more, and is taken away when something is added."""
    short = RedisFeedbacks(redis, keys, Scripts(redis), retention_s=0.3)
    long = RedisFeedbacks(redis, keys, Scripts(redis), retention_s=60)
    old, new = said(0), said(1)
    await long.add(old)
    await wait_until(lambda: _gone(short, old), description="it is too old")

    assert (await short.page()).feedback == []
    assert (await long.get(old.feedback_id)) == old
    await short.add(new)
    assert [one.feedback_id for one in (await long.page()).feedback] == [new.feedback_id]
    await wait_until(lambda: _gone(long, new), description="no key is left")


async def test_all_processes_have_the_same_secret(redis: Redis, feedbacks: RedisFeedbacks, keys: Keys) -> None:
    """Whoever asks first makes it; it is 32 bytes that nobody guesses, and another tenant has another."""
    others = [RedisFeedbacks(redis, keys, Scripts(redis)) for _ in range(5)]
    found = await asyncio.gather(feedbacks.secret(), *(one.secret() for one in others))
    other_keys = Keys(tenant="other", prefix=keys.prefix)
    other = await RedisFeedbacks(redis, other_keys, Scripts(redis)).secret()
    await redis.delete(other_keys.feedback_secret())

    assert len(set(found)) == 1
    assert len(found[0]) == 32
    assert other != found[0]


async def test_what_was_said_is_encrypted_where_there_is_a_key(redis: Redis, keys: Keys) -> None:
    """With a cipher nothing of a comment stands in Redis, and it is read back."""
    feedbacks = RedisFeedbacks(redis, keys, Scripts(redis), cipher=AesCipher(b"0123456789abcdef"))
    one = said(comment="a secret opinion")
    await feedbacks.add(one)

    stored: Any = await redis.hvals(keys.feedback()[0])

    assert await feedbacks.get(one.feedback_id) == one
    assert b"opinion" not in b"".join(stored)


async def warm_up(feedbacks: RedisFeedbacks) -> None:
    """Have the server know all scripts."""
    one = said(999)
    await feedbacks.add(one)
    await feedbacks.get(one.feedback_id)
    await feedbacks.change(one.feedback_id)
    await feedbacks.delete(one.feedback_id)
    await feedbacks.secret()


async def _gone(feedbacks: RedisFeedbacks, one: Feedback) -> bool:
    try:
        await feedbacks.get(one.feedback_id)
    except NotFound:
        return True
    return False
