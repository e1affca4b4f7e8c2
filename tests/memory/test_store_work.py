"""The store at work: what an operation costs, writers at once, synchronous callers, graphs, and a lost server."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncGenerator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from langgraph.graph import START, StateGraph
from langgraph.runtime import Runtime
from langgraph.store.base import GetOp, ListNamespacesOp, Op, PutOp, SearchOp
from redis.asyncio import Redis
from tests.memory.wire import tapped
from typing_extensions import TypedDict

from motet.errors import StoreUnavailable
from motet.memory.redis.client import connect
from motet.memory.redis.embedded import EmbeddedRedis
from motet.memory.redis.keys import Keys
from motet.memory.redis.store import RedisStore


class State(TypedDict):
    said: str


@pytest_asyncio.fixture
async def store(redis: Redis, keys: Keys) -> AsyncGenerator[RedisStore]:
    """A store whose keys go with the test."""
    yield RedisStore(redis, keys)
    await redis.delete(*keys.store())


async def test_a_batch_is_one_round_trip(store: RedisStore, redis_url: str, keys: Keys, tmp_path: Path) -> None:
    """Gets, puts, deletes, listings and searches of any namespaces go together; long filters cost a page each."""
    await store.abatch(PutOp(("a", str(n % 5)), str(n), {"n": n}, ttl=60 if n == 0 else None) for n in range(1200))
    ops: list[Op] = [
        *(GetOp(("a", str(n % 5)), str(n)) for n in range(100)),
        *(PutOp(("b", str(n)), "k", {"n": n}) for n in range(100)),
        SearchOp(("a",), limit=50, offset=100),
        SearchOp(("b",), {"n": {"$gt": 4}}),
        ListNamespacesOp(),
        PutOp(("a", "1"), "1", None),
    ]
    async with tapped(redis_url, tmp_path) as wire, RedisStore.from_url(wire.url, keys) as tapping:
        await tapping.aget(("a",), "warm up")

        async def trips(act: Callable[[], Awaitable[object]]) -> int:
            before = wire.trips
            await act()
            return wire.trips - before

        assert await trips(lambda: tapping.abatch(ops)) == 1
        assert await trips(lambda: tapping.aput(("a",), "k", {})) == 1
        assert await trips(lambda: tapping.aget(("a", "0"), "0")) == 1
        assert await trips(lambda: tapping.adelete(("a",), "k")) == 1
        assert await trips(lambda: tapping.alist_namespaces(suffix=("1",))) == 1
        assert await trips(lambda: tapping.asearch(("a",), limit=1000)) == 1
        assert await trips(lambda: tapping.asearch(("a",), filter={"n": {"$gt": 2}})) == 1
        assert await trips(lambda: tapping.asearch(("a",), filter={"n": -1})) == 3
        assert await trips(lambda: tapping.asearch(("a",), filter={"n": 0}, limit=1)) == 2
        assert await trips(lambda: tapping.abatch([SearchOp(("a",), {"n": -1}), PutOp(("a",), "k", {})])) == 4


async def test_writers_at_once_leave_one_order(store: RedisStore, redis: Redis, redis_url: str, keys: Keys) -> None:
    """Two clients that put and delete the same items at once: every index holds the same items afterwards."""
    async with RedisStore.from_url(redis_url, keys) as other:

        async def work(which: RedisStore, turn: int) -> None:
            for number in range(30):
                namespace, key = ("a", str(number % 3)), str((number * 7 + turn) % 10)
                value = None if (number + turn) % 3 == 0 else {"turn": turn}
                await which.abatch([PutOp(namespace, key, value, ttl=60), PutOp(("a",), "both", {"turn": turn})])

        await asyncio.gather(*(work(which, turn) for which in (store, other) for turn in range(5)))

        found = await store.asearch((), limit=1000)
        assert [item.dict() for item in found] == [item.dict() for item in await other.asearch((), limit=1000)]
        named = {key.rpartition(":")[2]: key for key in keys.store()}
        spaces = {item.namespace for item in found}
        assert await redis.hlen(named["items"]) == await redis.zcard(named["order"]) == len(found)
        assert await redis.hlen(named["names"]) == len(found) + len(spaces)
        assert set(await store.alist_namespaces()) == spaces
        assert await redis.zcard(named["expiries"]) == len(found) - 1


async def test_a_batch_happens_whole_or_not_at_all(store: RedisStore) -> None:
    """Nobody ever sees one half of a batch of two puts."""

    async def write() -> None:
        for number in range(100):
            await store.abatch([PutOp(("a",), "one", {"n": number}), PutOp(("b",), "two", {"n": number})])

    async def watch() -> None:
        while not writing.done():
            one, two = await store.abatch([GetOp(("a",), "one"), GetOp(("b",), "two")])
            assert getattr(one, "value", None) == getattr(two, "value", None)

    writing = asyncio.create_task(write())
    await asyncio.gather(writing, watch(), watch())


async def test_a_killed_server_loses_no_put(tmp_path: Path, keys: Keys) -> None:
    """What a put returned for is there after kill -9 of the server, whole and in its indexes."""
    embedded = EmbeddedRedis(tmp_path)
    async with embedded as url:
        async with RedisStore.from_url(url, keys) as store:
            acknowledged = 0

            async def write() -> None:
                nonlocal acknowledged
                while True:
                    await store.aput(("a", str(acknowledged % 4)), str(acknowledged), {"n": acknowledged})
                    acknowledged += 1
                    if acknowledged == 200:
                        probe = await connect(url)
                        pid = int((await probe.info("server"))["process_id"])
                        await probe.aclose()
                        os.kill(pid, signal.SIGKILL)

            with pytest.raises(StoreUnavailable):
                await write()
        await embedded.ensure()
        async with RedisStore.from_url(url, keys) as store:
            found = await store.asearch(("a",), limit=1000)
            spaces = await store.alist_namespaces()

    assert {item.value["n"] for item in found} >= set(range(acknowledged))
    assert spaces == [("a", str(number)) for number in range(4)]


async def test_synchronous_methods_run_on_the_clients_loop(store: RedisStore) -> None:
    """Another thread may use the twins; the loop's own thread is told to await."""

    def work() -> list[Any]:
        store.put(("a",), "k", {"n": 1})
        item = store.get(("a",), "k")
        found = store.search(("a",))
        listed = store.list_namespaces()
        store.delete(("a",), "k")
        return [item and item.value, [one.key for one in found], listed, store.get(("a",), "k")]

    assert await asyncio.to_thread(work) == [{"n": 1}, ["k"], [("a",)], None]
    with pytest.raises(RuntimeError, match="await"):
        store.get(("a",), "k")


def test_it_is_used_without_an_event_loop(redis_url: str, keys: Keys) -> None:
    """`with RedisStore.from_url(…)` gives a store to synchronous code."""
    with RedisStore.from_url(redis_url, keys) as store:
        store.put(("a",), "k", {"n": 1}, ttl=1)
        assert [item.value for item in store.search((), filter={"n": 1})] == [{"n": 1}]
        store.delete(("a",), "k")


async def test_a_graphs_nodes_have_it(store: RedisStore) -> None:
    """A graph compiled with the store gives it to its nodes, which remember across threads."""

    async def remember(state: State, runtime: Runtime[None]) -> dict[str, Any]:
        assert runtime.store is not None
        known = await runtime.store.asearch(("said",))
        await runtime.store.aput(("said",), state["said"], {"text": state["said"]})
        return {"said": " ".join([*(str(item.value["text"]) for item in known), state["said"]])}

    graph = StateGraph(State).add_node("remember", remember).add_edge(START, "remember").compile(store=store)

    assert (await graph.ainvoke({"said": "one"}))["said"] == "one"
    assert (await graph.ainvoke({"said": "two"}))["said"] == "one two"


async def test_a_lost_server_is_said_as_such(tmp_path: Path) -> None:
    """When Redis is gone, a put, a search by meaning and a sweep fail as unavailable."""
    async with EmbeddedRedis(tmp_path) as url:
        client = await connect(url)
    store = RedisStore(client, Keys(), index={"dims": 1, "embed": lambda texts: [[1.0] for _ in texts]})
    failed = await asyncio.gather(
        store.aput(("a",), "k", {}), store.asearch(("a",), query="x"), store.sweep_ttl(), return_exceptions=True
    )
    assert [type(error) for error in failed] == [StoreUnavailable] * 3
    await client.aclose()
