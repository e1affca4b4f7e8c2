"""The store: what it keeps, what it refuses, when items expire, and what an operation costs."""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, cast

import pytest
import pytest_asyncio
from langgraph.store.base import (
    GetOp,
    InvalidNamespaceError,
    ListNamespacesOp,
    MatchCondition,
    Op,
    PutOp,
    SearchItem,
    SearchOp,
)
from redis.asyncio import Redis

from motet.errors import InvalidInput
from motet.memory.redis.keys import Keys
from motet.memory.redis.store import RedisStore


@pytest_asyncio.fixture
async def store(redis: Redis, keys: Keys) -> AsyncGenerator[RedisStore]:
    """A store whose keys go with the test."""
    yield RedisStore(redis, keys)
    await redis.delete(*keys.store())


def part(keys: Keys, name: str) -> str:
    return next(key for key in keys.store() if key.endswith(f":{name}"))


def names(items: list[SearchItem]) -> list[tuple[tuple[str, ...], str]]:
    return [(item.namespace, item.key) for item in items]


async def test_an_item_comes_back_as_it_was_put(store: RedisStore) -> None:
    """A value is read as it was written, with its name and the server's times."""
    value = {"text": "é\u0000🎈", "n": 2**64 - 1, "low": -(2**63), "f": 5e-324, "none": None, "deep": [{"a": [[]]}, {}]}
    before = datetime.now(UTC)
    await store.aput(("docs", "a b"), "k", value)

    item = await store.aget(("docs", "a b"), "k")

    assert item is not None
    assert (item.namespace, item.key, item.value) == (("docs", "a b"), "k", value)
    assert abs((item.created_at - before).total_seconds()) < 30
    assert item.created_at == item.updated_at
    assert await store.aget(("docs", "a b"), "K") is None


async def test_an_update_keeps_when_the_item_was_created(store: RedisStore) -> None:
    """Putting again changes value and time of update only; after a deletion the item is a new one."""
    await store.aput(("a",), "k", {"n": 0})
    first = await store.aget(("a",), "k")
    await store.aput(("a",), "k", {"n": 1})
    await store.aput(("a",), "k", {"n": 2})
    last = await store.aget(("a",), "k")
    await store.adelete(("a",), "k")
    await store.aput(("a",), "k", {})
    anew = await store.aget(("a",), "k")

    assert first is not None
    assert last is not None
    assert anew is not None
    assert last.value == {"n": 2}
    assert last.created_at == first.created_at < last.updated_at < anew.created_at


async def test_near_namespaces_are_not_mixed_up(store: RedisStore) -> None:
    """Case, dashes and common beginnings keep namespaces apart, for reading and for deleting."""
    near: list[tuple[str, ...]] = [("t", "a"), ("t", "A"), ("t", "a-b"), ("t", "ab"), ("t", "a", "b"), ("t",), ("ta",)]
    for namespace in near:
        await store.aput(namespace, "k", {"mine": list(namespace)})

    assert names(await store.asearch(("t", "a"))) == [(("t", "a"), "k"), (("t", "a", "b"), "k")]
    assert names(await store.asearch(("t",), limit=100)) == [(namespace, "k") for namespace in near[:-1]]
    await store.adelete(("t", "A"), "k")
    assert [item.value["mine"] for item in await store.asearch(())] == [list(one) for one in near if one != ("t", "A")]


async def test_tenants_do_not_see_each_other(store: RedisStore, redis: Redis, keys: Keys) -> None:
    """The same namespace and key under another tenant is another item."""
    await store.aput(("a",), "k", {})
    other = RedisStore(redis, Keys(keys.tenant + "2", keys.prefix))

    assert await other.aget(("a",), "k") is None
    assert await other.asearch(()) == []
    assert await other.alist_namespaces() == []


OPERATORS: list[tuple[dict[str, Any], list[int]]] = [
    ({"n": {"$gte": 28}}, [28, 29]),
    ({"n": {"$gt": 28}}, [29]),
    ({"n": {"$lte": 1}}, [0, 1]),
    ({"n": {"$lt": 1}}, [0]),
    ({"n": {"$gt": 4, "$lt": 7}}, [5, 6]),
    ({"n": 7}, [7]),
    ({"n": {"$eq": 7}}, [7]),
    ({"n": {"$ne": 7}, "even": False}, [n for n in range(1, 30, 2) if n != 7]),
    ({"in": {"n": {"$gte": 29}}}, [29]),
    ({"in": {"n": 3, "x": [1, {"y": 3}]}}, [3]),
    ({"in": {"x": [1, {"y": {"$lt": 2}}]}}, [0, 1]),
    ({"only": {"$gt": 0}}, [5]),
    ({"in": {"$gt": 0}}, []),
]


@pytest.mark.parametrize(("asked", "fitting"), OPERATORS)
async def test_a_filter_finds_what_fits(store: RedisStore, asked: dict[str, Any], fitting: list[int]) -> None:
    """Each operator, nested values and lists; an item that has no such number doesn't fit, and fails nothing."""
    await store.abatch(
        PutOp(
            ("a",),
            str(n),
            {"n": n, "even": n % 2 == 0, "in": {"n": n, "x": [1, {"y": n}]}, **({"only": n} if n == 5 else {})},
        )
        for n in range(30)
    )

    found = await store.asearch(("a",), filter=asked, limit=100)

    assert [item.value["n"] for item in found] == fitting


async def test_a_filter_counts_before_limit_and_offset(store: RedisStore) -> None:
    """A page holds as many as were asked for, of those that fit."""
    await store.abatch(PutOp(("a",), str(n), {"n": n, "even": n % 2 == 0}) for n in range(30))

    first = await store.asearch(("a",), filter={"even": True}, limit=10)
    second = await store.asearch(("a",), filter={"even": True}, limit=10, offset=10)

    assert [item.value["n"] for item in first] == list(range(0, 20, 2))
    assert [item.value["n"] for item in second] == list(range(20, 30, 2))


async def test_a_long_walk_loses_nothing(store: RedisStore) -> None:
    """More items than one page holds, in many namespaces, come in order, each once, with filter, offset and limit."""
    await store.abatch(PutOp(("a", str(n // 130)), str(n), {"n": n, "even": n % 2 == 0}) for n in range(1300))

    every = await store.asearch(("a",), limit=10_000)
    even = await store.asearch(("a",), filter={"even": True}, limit=200, offset=400)
    middle = await store.asearch(("a",), limit=300, offset=650)

    assert [item.value["n"] for item in every] == list(range(1300))
    assert [item.value["n"] for item in even] == list(range(800, 1200, 2))
    assert [item.value["n"] for item in middle] == list(range(650, 950))


async def test_a_batch_whose_reads_take_long_writes_after_them(store: RedisStore) -> None:
    """Reads that need more than one reply still see nothing of what their batch writes."""
    await store.abatch(PutOp(("a",), str(n), {"n": n, "long": "x" * 300_000}) for n in range(30))
    filtered = SearchOp(("a",), {"n": {"$gte": 20}}, 100)
    ops: list[Op] = [SearchOp(("a",), None, 100), filtered, PutOp(("a",), "29", None), PutOp(("a",), "new", {"n": 30})]

    every, fitting, *_ = cast("list[list[SearchItem]]", await store.abatch(ops))

    assert [item.value["n"] for item in every] == list(range(30))
    assert [item.value["n"] for item in fitting] == list(range(20, 30))
    assert [item.value["n"] for item in await store.asearch(("a",), limit=100)] == [*range(29), 30]


async def test_a_batch_reads_before_it_writes_and_the_last_put_wins(store: RedisStore) -> None:
    """Results stand in the places of their operations; a get sees what was there before the batch."""
    await store.aput(("a",), "k", {"n": 0})

    results = await store.abatch(
        [
            PutOp(("a",), "k", {"n": 1}),
            GetOp(("a",), "k"),
            PutOp(("b",), "k", {"n": 2}),
            ListNamespacesOp(),
            PutOp(("a",), "k", {"n": 3}),
            GetOp(("b",), "k"),
        ]
    )

    assert [getattr(result, "value", result) for result in results] == [None, {"n": 0}, None, [("a",)], None, None]
    assert [item.value["n"] for item in await store.asearch(())] == [3, 2]
    assert await store.abatch([]) == []


BAD = [
    ({"a": [1, {"b": b"x"}]}, "value.a[1].b"),
    ({"a": math.nan}, "value.a"),
    ({"a": {"b": math.inf}}, "value.a.b"),
    ({"a": datetime.now(UTC)}, "value.a"),
    ({"a": {1: "x"}}, "value.a, a key of it"),
    ({"a": 2**64}, "value.a"),
    ({"a": -(2**63) - 1}, "value.a"),
    ({"a": {"b": {"x"}}}, "value.a.b"),
    ({"a": Decimal(1)}, "value.a"),
    ({"a": "\ud800"}, "value.a"),
]


@pytest.mark.parametrize(("value", "field"), BAD)
async def test_what_json_cannot_hold_is_refused(store: RedisStore, value: dict[str, Any], field: str) -> None:
    """The error names the part that can't be stored, and nothing of the batch is."""
    with pytest.raises(InvalidInput) as refused:
        await store.aput(("a",), "k", value)
    with pytest.raises(InvalidInput) as in_batch:
        await store.abatch([PutOp(("b",), "good", {}), PutOp(("a",), "k", value)])

    assert refused.value.field == field
    assert in_batch.value.field == f"ops[1].{field}"
    assert await store.asearch(()) == []


async def test_a_value_that_holds_itself_is_refused(store: RedisStore) -> None:
    """Endless nesting ends in a clear error; what the limit allows is stored."""
    endless: dict[str, Any] = {}
    endless["self"] = endless
    deep: Any = 1
    for _ in range(199):
        deep = [deep]

    with pytest.raises(InvalidInput, match="200 levels"):
        await store.aput(("a",), "k", endless)
    await store.aput(("a",), "k", {"deep": deep})
    item = await store.aget(("a",), "k")
    assert item is not None
    assert item.value == {"deep": deep}


REFUSED: list[tuple[Any, str]] = [
    (PutOp(("a",), "k", {}, ttl=0), "ttl"),
    (PutOp(("a",), "k", {}, ttl=math.inf), "ttl"),
    (PutOp(("a",), cast("Any", 7), {}), "key"),
    (PutOp(("a",), "k\ud800", {}), "key"),
    (PutOp(("\ud800",), "k", {}), "namespace[0]"),
    (PutOp(("a",), "k", cast("Any", [1])), "value"),
    (PutOp(("a",), "k", {}, cast("Any", "text")), "index"),
    (SearchOp(("a",), limit=-1), "limit"),
    (SearchOp(("a",), offset=cast("Any", "1")), "offset"),
    (SearchOp(("a",), {"n": {"$near": 1}}), "filter.n"),
    (SearchOp(("a",), {"n": {"m": {"$gt": "tall"}}}), "filter.n.m.$gt"),
    (SearchOp(("a",), cast("Any", ["n"])), "filter"),
    (ListNamespacesOp(max_depth=0), "max_depth"),
    (ListNamespacesOp((MatchCondition(cast("Any", "infix"), ("a",)),)), "match_conditions[0].match_type"),
    ("get", "ops[0]"),
]


@pytest.mark.parametrize(("op", "field"), REFUSED)
async def test_an_operation_without_sense_is_refused(store: RedisStore, op: Any, field: str) -> None:
    """The error names the field; nothing is guessed, and nothing done."""
    with pytest.raises(InvalidInput) as refused:
        await store.abatch([op])

    assert refused.value.field == field
    assert await store.asearch(()) == []


@pytest.mark.parametrize("label", ["", "a.b", "a\0b", 7])
async def test_a_label_that_could_be_two_is_refused(store: RedisStore, label: Any) -> None:
    """Operations given to `abatch` itself are held to LangGraph's rules for labels, too."""
    ops: list[Op] = [
        PutOp((label,), "k", {}),
        GetOp((label,), "k"),
        SearchOp((label,)),
        ListNamespacesOp((MatchCondition("prefix", (label,)),)),
    ]
    for op in ops:
        with pytest.raises(InvalidNamespaceError):
            await store.abatch([PutOp(("good",), "k", {}), op])
    assert await store.asearch(()) == []


async def test_namespaces_are_listed(store: RedisStore) -> None:
    """Prefix, suffix, wildcards, depth, limit and offset choose; a namespace without items isn't there."""
    listed: list[tuple[str, ...]] = [("a", "b", "c"), ("a", "b", "d", "e"), ("a", "c", "f"), ("b", "b", "c"), ("z",)]
    await store.abatch(PutOp(namespace, "k", {}) for namespace in reversed(listed))
    await store.aget(("never",), "k")
    await store.adelete(("z",), "k")

    assert await store.alist_namespaces() == listed[:-1]
    assert await store.alist_namespaces(prefix=("a", "b")) == listed[:2]
    assert await store.alist_namespaces(prefix=("*", "b"), suffix=("c",)) == [("a", "b", "c"), ("b", "b", "c")]
    assert await store.alist_namespaces(suffix=("c", "*")) == [("a", "c", "f")]
    assert await store.alist_namespaces(max_depth=2) == [("a", "b"), ("a", "c"), ("b", "b")]
    assert await store.alist_namespaces(max_depth=2, limit=1, offset=1) == [("a", "c")]


async def test_more_namespaces_than_one_reply_lists_are_listed(store: RedisStore) -> None:
    """No namespace is lost between two pages of a listing, and none is there that its own batch makes."""
    await store.abatch(PutOp(("user", f"{number:05}"), "k", {}) for number in range(5003))

    found, _ = await store.abatch([ListNamespacesOp(limit=10_000), PutOp(("user", "x"), "k", {})])

    assert found == [("user", f"{number:05}") for number in range(5003)]


async def test_deleting_everything_leaves_only_bookkeeping(store: RedisStore, redis: Redis, keys: Keys) -> None:
    """A deleted item is in no index any more; deleting what isn't there does nothing."""
    for namespace in (("a",), ("a", "b")):
        await store.aput(namespace, "k", {"text": "x"}, ttl=60)
        await store.adelete(namespace, "k")
        await store.adelete(namespace, "k")

    left = {bytes(name).decode() async for name in redis.scan_iter(match=f"{keys.prefix}:*")}
    assert left == {part(keys, "meta")}
