"""The cache: what a node returned is there for every process, as it was, for as long as it was told, or not at all."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict

import pytest
import pytest_asyncio
from langchain_core.messages import AIMessage
from langgraph.cache.base import FullKey
from langgraph.graph import END, START, StateGraph
from langgraph.types import CachePolicy
from redis.asyncio import Redis
from tests.memory.wire import tapped
from tests.support import wait_until

from motet.errors import DataDamaged, InvalidConfig, StoreUnavailable, TypeNotAllowed
from motet.memory.redis.cache import RedisCache
from motet.memory.redis.client import connect
from motet.memory.redis.embedded import EmbeddedRedis
from motet.memory.redis.keys import Keys
from motet.memory.serde import encrypted_serializer, state_serializer


@dataclass
class Price:
    amount: int


class State(TypedDict):
    number: int


@pytest_asyncio.fixture
async def cache(redis: Redis, keys: Keys) -> RedisCache[Any]:
    """A cache of a tenant of its own."""
    return RedisCache(redis, keys)


async def names(redis: Redis, keys: Keys) -> list[bytes]:
    """All keys of the tenant, whatever they are."""
    return [name async for name in redis.scan_iter(match=f"{keys.prefix}:*", count=1000)]


async def test_values_come_back_and_only_those_asked_for(cache: RedisCache[Any]) -> None:
    """Every kind of value, false ones included; what isn't there is left out."""
    values = {
        "m": AIMessage("hi", id="1"),
        "none": None,
        "zero": 0,
        "empty": "",
        "bytes": b"x",
        "list": [1, {"a": {2}}],
    }
    await cache.aset({(("ns",), key): (value, 60) for key, value in values.items()})

    found = await cache.aget([(("ns",), key) for key in [*values, "other"]])

    assert found == {(("ns",), key): value for key, value in values.items()}
    assert await cache.aget([]) == {}
    await cache.aset({})


async def test_namespaces_and_keys_are_exact(cache: RedisCache[Any]) -> None:
    """Case, separators, prefixes, emptiness and odd characters: no two places are one."""
    places: list[FullKey] = [
        (("a", "b"), "k"),
        (("a:b",), "k"),
        (("a",), "b:k"),
        (("A", "b"), "k"),
        (("a", "b", ""), "k"),
        (("a-b",), "k"),
        ((), "k"),
        (("",), "k"),
        (('a","b',), "k"),
        (("a\0b",), "k"),
        (("{x}",), "k*"),
        (("ö",), "ö"),
        (("\ud800",), "\ud800"),
        (("a", "b"), "K"),
        (("a", "b"), ""),
    ]
    await cache.aset({place: (at, 60) for at, place in enumerate(places)})

    assert await cache.aget(places) == {place: at for at, place in enumerate(places)}

    await cache.aclear([("a", "b")])
    left = [place for place in places if place[0] != ("a", "b")]
    assert list(await cache.aget(places)) == left


async def test_the_server_ends_an_entry_at_its_time(cache: RedisCache[Any], redis: Redis, keys: Keys) -> None:
    """Each entry has its own life; the last one takes the keys with it."""
    short, long, spent = ((("ns",), name) for name in ("short", "long", "spent"))
    other = (("other",), "k")
    await cache.aset({short: (1, 0.05), long: (2, 0.6), spent: (3, 0), other: (4, 0.05)})  # type: ignore[dict-item] - parts of a second

    assert await cache.aget([long, spent]) == {long: 2}
    await wait_until(lambda: _lacks(cache, short), description="the short-lived entry ends")
    assert await cache.aget([short, long]) == {long: 2}
    await wait_until(lambda: _none(names(redis, keys)), description="no key is left")


async def test_a_new_life_replaces_the_old_one(cache: RedisCache[Any], redis: Redis, keys: Keys) -> None:
    """An entry that was to end stays when it is set for ever, and the other way round."""
    first, second = (("ns",), "first"), (("ns",), "second")
    await cache.aset({first: (1, 0.05), second: (1, None)})  # type: ignore[dict-item] - part of a second
    assert {await redis.ttl(name) for name in await names(redis, keys) if not name.endswith(b':expiries:["ns"]')} == {
        -1
    }

    await cache.aset({first: (2, None), second: (2, 0.05)})  # type: ignore[dict-item] - part of a second
    await wait_until(lambda: _lacks(cache, second), description="the second entry ends")

    assert await cache.aget([first, second]) == {first: 2}
    await cache.aclear()
    assert await names(redis, keys) == []


async def test_expired_entries_take_no_room_for_ever(cache: RedisCache[Any], redis: Redis, keys: Keys) -> None:
    """Where one entry keeps a namespace alive, each write drops expired ones; expired namespaces are forgotten."""
    await cache.aset({(("ns",), "stays"): (0, None)})
    await cache.aset({(("ns",), str(n)): (n, 0.03) for n in range(150)})  # type: ignore[dict-item] - part of a second
    await cache.aset({((str(n),), "k"): (n, 0.03) for n in range(20)})  # type: ignore[dict-item] - part of a second
    await wait_until(lambda: _lacks(cache, (("19",), "k")), description="all have ended")

    await cache.aset({(("ns",), "one"): (1, 60)})
    await cache.aset({(("ns",), "more"): (1, 60)})

    assert await redis.hlen(keys.cached('["ns"]', "entries")) == 3
    assert await redis.zrange(keys.caches(), 0, -1) == [b'["ns"]']
    await cache.aclear()


async def test_clear_leaves_no_key(cache: RedisCache[Any], redis: Redis, keys: Keys) -> None:
    """Of some namespaces, of unknown ones, of none, and of all; another tenant's stay."""
    neighbour = Keys(tenant=f"{keys.tenant}-2", prefix=keys.prefix)
    await RedisCache[int](redis, neighbour).aset({(("a",), "k"): (7, 60)})
    await cache.aset({((namespace,), str(n)): (n, ttl) for namespace in "abc" for n, ttl in enumerate([60, None])})

    await cache.aclear([("a",), ("unknown",)])
    await cache.aclear([])
    assert len(await cache.aget([((namespace,), "1") for namespace in "abc"])) == 2
    assert [name for name in await names(redis, keys) if b'["a"]' in name and f"{keys.tenant}:".encode() in name] == []

    await cache.aclear()
    assert {name for name in await names(redis, keys) if f"{keys.tenant}:".encode() in name} == set()
    assert await RedisCache[int](redis, neighbour).aget([(("a",), "k")]) == {(("a",), "k"): 7}


@pytest.mark.parametrize("harm", ["flipped", "cut", "empty", "moved", "foreign"])
async def test_a_damaged_entry_is_an_error(cache: RedisCache[Any], redis: Redis, keys: Keys, harm: str) -> None:
    """Neither garbage nor "not there": the error names namespace and key, and clearing mends it."""
    full, other = (("ns", "x"), "k1"), (("ns", "x"), "k2")
    await cache.aset({full: ("a value", 60), other: ("another", 60)})
    entries = keys.cached('["ns","x"]', "entries")
    stored, moved = await redis.hmget(entries, ["k1", "k2"])
    assert isinstance(stored, bytes)
    assert isinstance(moved, bytes)
    damaged = {
        "flipped": stored[:-1] + bytes([stored[-1] ^ 1]),
        "cut": stored[:-1],
        "empty": b"",
        "moved": moved,
        "foreign": b"msgpack:\xa5hello",
    }[harm]
    await redis.hset(entries, "k1", damaged)

    with pytest.raises(DataDamaged, match=r"'ns', 'x'.*'k1'"):
        await cache.aget([full])

    assert await cache.aget([other]) == {other: "another"}
    await cache.aclear([("ns", "x")])
    assert await cache.aget([full]) == {}


async def test_what_is_not_allowed_is_refused(redis: Redis, keys: Keys) -> None:
    """Classes are allowed as for states; a refused value stores nothing of its batch, and bytes make nothing."""
    strict, open_ = RedisCache[Any](redis, keys), RedisCache[Any](redis, keys, state_serializer([Price]))
    good, bad = (("ns",), "good"), (("ns",), "bad")

    with pytest.raises(TypeNotAllowed, match="Price"):
        await strict.aset({good: (1, 60), bad: (Price(2), 60)})
    assert await names(redis, keys) == []

    await open_.aset({bad: (Price(2), 60)})
    assert await open_.aget([bad]) == {bad: Price(2)}
    with pytest.raises(TypeNotAllowed, match="Price"):
        await strict.aget([bad])


async def test_it_can_be_encrypted(redis: Redis, keys: Keys) -> None:
    """Nothing of a value can be read in the store, and another key is an error."""
    full = (("ns",), "k")
    cache = RedisCache[Any](redis, keys, encrypted_serializer(b"k" * 16))
    await cache.aset({full: ("a secret word", 60)})
    held = await redis.hget(keys.cached('["ns"]', "entries"), "k")

    assert isinstance(held, bytes)
    assert b"secret" not in held
    assert await cache.aget([full]) == {full: "a secret word"}
    with pytest.raises(InvalidConfig, match="LANGGRAPH_AES_KEY"):
        await RedisCache[Any](redis, keys, encrypted_serializer(b"l" * 16)).aget([full])


async def test_an_operation_is_one_round_trip(redis_url: str, keys: Keys, tmp_path: Path) -> None:
    """However many entries and namespaces; clearing everything takes two."""
    places: list[FullKey] = [((str(n % 7),), str(n)) for n in range(300)]
    async with tapped(redis_url, tmp_path) as wire, RedisCache[int].from_url(wire.url, keys) as cache:
        await cache.aset({places[0]: (1, 60)})
        await cache.aget(places[:1])
        await cache.aclear([("0",)])
        spent: list[int] = []
        for work in (
            lambda: cache.aset(dict.fromkeys(places, (1, 60))),
            lambda: cache.aget(places),
            lambda: cache.aclear([("0",), ("1",)]),
            cache.aclear,
        ):
            before = wire.trips
            await work()
            spent.append(wire.trips - before)

    assert spent == [1, 1, 1, 2]


async def test_synchronous_callers_get_the_same(cache: RedisCache[Any]) -> None:
    """From another thread, over the same client; on the loop's own thread that is an error, not a standstill."""
    full = (("ns",), "k")

    def work() -> tuple[dict[FullKey, Any], dict[FullKey, Any]]:
        cache.set({full: (1, 60)})
        there = cache.get([full])
        cache.clear([("ns",)])
        return there, cache.get([full])

    assert await asyncio.to_thread(work) == ({full: 1}, {})
    with pytest.raises(RuntimeError, match="await"):
        cache.get([full])


async def test_a_node_runs_once_until_its_entry_is_cleared(cache: RedisCache[Any], redis: Redis, keys: Keys) -> None:
    """A real graph with a policy: the second run with the same input takes the entry, in any process's graph."""
    ran: list[int] = []

    def slow(state: State) -> State:
        ran.append(state["number"])
        return {"number": state["number"] * 2}

    def built(cache: RedisCache[Any]) -> Any:
        builder = StateGraph(State).add_node("slow", slow, cache_policy=CachePolicy(ttl=60))
        return builder.add_edge(START, "slow").add_edge("slow", END).compile(cache=cache)

    graph, elsewhere = built(cache), built(RedisCache(redis, keys))

    assert [await one.ainvoke({"number": 21}) for one in (graph, graph, elsewhere)] == [{"number": 42}] * 3
    assert ran == [21]
    await graph.ainvoke({"number": 4})
    assert ran == [21, 4]

    await graph.aclear_cache()
    assert await asyncio.to_thread(elsewhere.invoke, {"number": 21}) == {"number": 42}
    assert ran == [21, 4, 21]


async def test_another_process_shares_it(cache: RedisCache[Any], redis_url: str, keys: Keys) -> None:
    """What one process stored, another reads."""
    code = (
        "import asyncio, sys\n"
        "from motet.memory.redis.cache import RedisCache; from motet.memory.redis.keys import Keys\n"
        "async def main():\n"
        "    async with RedisCache.from_url(sys.argv[1], Keys(sys.argv[2], sys.argv[3])) as cache:\n"
        "        await cache.aset({(('ns', 'a'), 'k'): ({'from': 'there'}, 60)})\n"
        "asyncio.run(main())"
    )
    command = [sys.executable, "-c", code, redis_url, keys.tenant, keys.prefix]

    await asyncio.to_thread(subprocess.run, command, check=True, timeout=60)

    assert await cache.aget([(("ns", "a"), "k")]) == {(("ns", "a"), "k"): {"from": "there"}}


async def test_a_server_that_is_gone_is_an_error(tmp_path: Path, keys: Keys) -> None:
    """Nothing is swallowed: neither "not there" nor "stored" is said without an answer."""
    full = (("ns",), "k")
    async with EmbeddedRedis(tmp_path) as url:
        client = await connect(url)
        cache = RedisCache[int](client, keys)
        await cache.aset({full: (1, 60)})

    calls = (cache.aget([full]), cache.aset({full: (1, 60)}), cache.aclear())
    answers = await asyncio.gather(*calls, return_exceptions=True)

    assert [type(answer) for answer in answers] == [StoreUnavailable] * 3
    await client.aclose()


async def _lacks(cache: RedisCache[Any], full: FullKey) -> bool:
    return not await cache.aget([full])


async def _none(found: Any) -> bool:
    return not await found
