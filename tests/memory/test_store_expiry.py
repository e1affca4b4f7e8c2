"""Items of a store that expire: when they go, who puts that off, and who sweeps them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from langgraph.store.base import GetOp, Op, PutOp, SearchOp
from redis.asyncio import Redis
from tests.memory.wire import tapped
from tests.support import wait_until

from motet.errors import InvalidConfig
from motet.memory.redis.keys import Keys
from motet.memory.redis.store import RedisStore

SOON = 0.0005
"""Minutes: 30 milliseconds."""
HOUR_MS = 3_600_000


def toy(texts: Sequence[str]) -> list[list[float]]:
    return [[1.0, float(len(text))] for text in texts]


@pytest_asyncio.fixture
async def store(redis: Redis, keys: Keys) -> AsyncGenerator[RedisStore]:
    """A store with vectors, whose keys go with the test."""
    yield RedisStore(redis, keys, index={"dims": 2, "embed": toy})
    await redis.delete(*keys.store())


async def left_ms(redis: Redis, keys: Keys) -> list[float]:
    """For each item that expires, how many milliseconds it still has."""
    seconds, micros = await redis.time()
    found: Any = await redis.zrange(
        next(key for key in keys.store() if key.endswith("expiries")), 0, -1, withscores=True
    )
    return [score - seconds * 1000 - micros / 1000 for _, score in found]


async def size(redis: Redis, keys: Keys) -> int:
    """Items that are stored, expired ones included."""
    return int(await redis.hlen(next(key for key in keys.store() if key.endswith("items"))))


async def expired(store: RedisStore, key: str) -> None:
    await wait_until(lambda: _gone(store, key), description=f"{key} expires")


async def _gone(store: RedisStore, key: str) -> bool:
    return await store.aget(("a",), key, refresh_ttl=False) is None


async def test_an_expired_item_is_nowhere(store: RedisStore, redis: Redis, keys: Keys) -> None:
    """Before anything has swept it, no get, search, offset or listing knows it any more."""
    value = {"text": "x"}
    await store.abatch(
        [
            PutOp(("a", "soon"), "k", value, ttl=SOON),
            PutOp(("a",), "soon", value, ttl=SOON),
            PutOp(("a",), "stays", value),
        ]
    )
    await expired(store, "soon")
    await wait_until(lambda: _only(store, [("a",)]), description="the namespace expires")

    assert await size(redis, keys) == 3
    for query in (None, "x"):
        for asked in (None, {"text": "x"}):
            assert [item.key for item in await store.asearch((), query=query, filter=asked)] == ["stays"]
            assert await store.asearch((), query=query, filter=asked, offset=1) == []


async def _only(store: RedisStore, namespaces: list[tuple[str, ...]]) -> bool:
    return await store.alist_namespaces() == namespaces


async def test_a_namespace_is_listed_while_one_item_stays(store: RedisStore) -> None:
    """However many expired items stand before the one that hasn't."""
    await store.abatch(PutOp(("a",), str(n), {}, ttl=SOON if n < 250 else None) for n in range(251))
    await expired(store, "249")

    assert await store.alist_namespaces() == [("a",)]


async def test_a_listing_looks_at_many_expired_items_in_several_goes(
    store: RedisStore, redis_url: str, keys: Keys, tmp_path: Path
) -> None:
    """The server stands still for 20,000 at most at a time, and a namespace that lies across two goes is listed."""
    many = [PutOp(("a",), str(number), {}, ttl=SOON) for number in range(20_050)]
    await store.abatch([*many, PutOp(("a",), "stays", {}), PutOp(("z",), "stays", {})])
    await expired(store, "20049")

    async with tapped(redis_url, tmp_path) as wire, RedisStore.from_url(wire.url, keys) as other:
        await other.aget(("z",), "stays")
        before = wire.trips
        assert await other.alist_namespaces() == [("a",), ("z",)]
        assert wire.trips - before == 2


async def test_an_expired_item_put_again_is_a_new_one(store: RedisStore) -> None:
    """It isn't older than its put, and stands behind the others."""
    others = [PutOp(("a",), str(n), {}, ttl=SOON) for n in range(150)]  # more than the put sweeps on its way
    await store.abatch([*others, PutOp(("a",), "soon", {}, ttl=2 * SOON), PutOp(("a",), "stays", {})])
    old = await store.aget(("a",), "soon", refresh_ttl=False)
    await expired(store, "soon")
    await store.aput(("a",), "soon", {})

    new = await store.aget(("a",), "soon")

    assert [item.key for item in await store.asearch(("a",))] == ["stays", "soon"]
    assert new is not None
    assert old is None or new.created_at > old.created_at


READS: list[tuple[Op, bool]] = [
    (GetOp(("a",), "k"), True),
    (SearchOp(("a",)), True),
    (SearchOp(("a",), {"n": 1}), True),
    (SearchOp(("a",), query="x"), True),
    (SearchOp(("a",), {"n": 1}, query="x"), True),
    (SearchOp(("a",), {"n": 2}), False),
    (SearchOp(("a",), offset=1), False),
    (SearchOp(("a",), limit=0), False),
    (SearchOp(("b",)), False),
]


@pytest.mark.parametrize(("op", "returned"), READS)
async def test_a_read_puts_off_when_what_it_returns_expires(
    store: RedisStore, redis: Redis, keys: Keys, op: Any, *, returned: bool
) -> None:
    """Each kind of read does, unless it is told not to; what it doesn't return isn't touched."""
    await store.aput(("a",), "k", {"n": 1}, ttl=60)
    [put_for] = await left_ms(redis, keys)
    assert HOUR_MS - 5000 < put_for <= HOUR_MS
    expiries = next(key for key in keys.store() if key.endswith("expiries"))
    items: Any = await redis.zrange(expiries, 0, -1)
    await redis.zincrby(expiries, -1_000_000, items[0])

    await store.abatch([op._replace(refresh_ttl=False)])
    [untouched] = await left_ms(redis, keys)
    await store.abatch([op])
    [after] = await left_ms(redis, keys)

    assert untouched < HOUR_MS - 900_000
    assert (after > HOUR_MS - 5000) is returned


async def test_the_configured_default_holds_for_puts_that_say_nothing(redis: Redis, keys: Keys) -> None:
    """An item without a TTL of its own has the default; None keeps it; a put without TTL ends an earlier one."""
    store = RedisStore(redis, keys, ttl={"default_ttl": 60, "refresh_on_read": False})
    await store.aput(("a",), "default", {})
    await store.aput(("a",), "stays", {}, ttl=None)
    await store.aput(("a",), "own", {}, ttl=120)
    assert [round(left / HOUR_MS) for left in await left_ms(redis, keys)] == [1, 2]
    before = await left_ms(redis, keys)
    await store.aget(("a",), "default")
    assert (await left_ms(redis, keys))[0] <= before[0]

    await store.aput(("a",), "default", {}, ttl=None)
    await store.aput(("a",), "own", {}, ttl=None)
    assert await left_ms(redis, keys) == []
    await redis.delete(*keys.store())


async def test_a_default_that_is_no_time_is_refused(redis: Redis, keys: Keys) -> None:
    """A store isn't made with a default TTL that every put would be refused for."""
    with pytest.raises(InvalidConfig, match="default_ttl"):
        RedisStore(redis, keys, ttl={"default_ttl": -1})


async def test_a_write_sweeps_some_and_a_sweep_all(store: RedisStore, redis: Redis, keys: Keys) -> None:
    """Expired items are deleted a hundred a write, from every index; a sweep says how many it deleted."""
    await store.abatch(PutOp(("a", str(n % 7)), str(n), {"text": str(n)}, ttl=SOON) for n in range(1250))
    await wait_until(lambda: _only(store, []), description="all expire")

    await store.aput(("a",), "k", {})
    assert await size(redis, keys) == 1151
    assert await store.sweep_ttl() == 1150
    assert await store.sweep_ttl() == 0
    assert [item.key for item in await store.asearch((), query="x")] == ["k"]
    await store.adelete(("a",), "k")
    left = {bytes(name).decode().rpartition(":")[2] async for name in redis.scan_iter(match=f"{keys.prefix}:*")}
    assert left == {"meta", "gone"}


async def test_a_touch_does_not_bring_a_deleted_item_back(store: RedisStore, redis: Redis, keys: Keys) -> None:
    """A batch that finds an item by filter and deletes it leaves no trace of it."""
    await store.aput(("a",), "k", {"n": 1}, ttl=60)

    await store.abatch([SearchOp(("a",), {"n": 1}), PutOp(("a",), "k", None)])

    assert await left_ms(redis, keys) == []
    assert await size(redis, keys) == 0
