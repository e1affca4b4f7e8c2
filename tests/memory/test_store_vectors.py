"""Searches of a store by meaning: what is near, what another process changed, and what a process keeps."""

from __future__ import annotations

import asyncio
import math
import sys
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytest_asyncio
from langgraph.store.base import IndexConfig, PutOp, SearchItem, SearchOp
from redis.asyncio import Redis
from tests.memory.wire import tapped

from motet.errors import InvalidConfig
from motet.memory.redis.keys import Keys
from motet.memory.redis.store import RedisStore


def toy(texts: Sequence[str]) -> list[list[float]]:
    """How often a, b and c occur."""
    return [[float(text.count(letter)) for letter in "abc"] for text in texts]


INDEX: IndexConfig = {"dims": 3, "embed": toy, "fields": ["text", "tags[*]"]}


@pytest_asyncio.fixture
async def store(redis: Redis, keys: Keys) -> AsyncGenerator[RedisStore]:
    """A store with vectors, whose keys go with the test."""
    yield RedisStore(redis, keys, index=INDEX)
    await redis.delete(*keys.store())


def told(found: Sequence[SearchItem]) -> list[tuple[str, float | None]]:
    return [(item.key, None if item.score is None else round(item.score, 4)) for item in found]


async def test_the_nearest_come_first_with_their_cosines(store: RedisStore) -> None:
    """Items are in order of their best path; those without a vector come last, without a score."""
    await store.aput(("m",), "none", {"other": "a"})
    await store.aput(("m",), "b", {"text": "b"})
    await store.aput(("m",), "ab", {"text": "ab"})
    await store.aput(("m",), "tag", {"text": "c", "tags": ["b", "aa"]})
    await store.aput(("m",), "hidden", {"text": "a"}, index=False)
    await store.aput(("m",), "own", {"text": "b", "title": {"words": "aac"}}, index=["title.words"])

    found = await store.asearch(("m",), query="aaa")

    expected = [("tag", 1.0), ("own", round(2 / math.sqrt(5), 4)), ("ab", round(1 / math.sqrt(2), 4)), ("b", 0.0)]
    assert told(found) == [*expected, ("none", None), ("hidden", None)]
    assert told(await store.asearch(("m",), query="aaa", limit=2, offset=3)) == [("b", 0.0), ("none", None)]
    assert told(await store.asearch(("m",), query="aaa", limit=0)) == []


async def test_many_near_vectors_of_one_item_hide_no_other(store: RedisStore) -> None:
    """A limit counts items, not vectors."""
    await store.aput(("m",), "many", {"tags": ["a" * n for n in range(1, 50)]})
    for key in ("ab", "abb", "abbb"):
        await store.aput(("m",), key, {"text": key})

    assert [item.key for item in await store.asearch(("m",), query="a", limit=3)] == ["many", "ab", "abb"]


async def test_the_whole_value_can_be_an_items_path(store: RedisStore) -> None:
    """A path "$" means the value as a whole, for the store's fields and for an item's own alike."""
    await store.aput(("m",), "k", {"x": "aa"}, index=["$"])

    assert told(await store.asearch(("m",), query="a")) == [("k", 1.0)]


async def test_a_filter_chooses_before_the_limit(store: RedisStore) -> None:
    """The nearest of those that fit are found, however many others are nearer."""
    await store.abatch(
        PutOp(("m",), str(n), {"text": "a" * 5 + "b" * (n // 100), "rare": n >= 690}) for n in range(700)
    )

    found = await store.asearch(("m",), query="a", filter={"rare": True}, limit=3, offset=5)

    assert [item.key for item in found] == ["695", "696", "697"]


async def test_no_hit_from_elsewhere(store: RedisStore, redis: Redis, keys: Keys) -> None:
    """A better fit in a near namespace, or at another tenant, is never a hit."""
    for namespace in (("u", "A"), ("u", "a-b"), ("u", "ab"), ("u",), ("ua",)):
        await store.aput(namespace, "k", {"text": "aaa"})
    await store.aput(("u", "a"), "mine", {"text": "ab"})
    other = RedisStore(redis, Keys(keys.tenant + "2", keys.prefix), index=INDEX)

    assert [item.key for item in await store.asearch(("u", "a"), query="a")] == ["mine"]
    assert await other.asearch((), query="a") == []


async def test_what_another_process_wrote_is_found_at_once(store: RedisStore, redis_url: str, keys: Keys) -> None:
    """Each search sees the puts, updates and deletions of others that happened before it."""
    await store.aput(("m",), "deleted", {"text": "a"})
    await store.aput(("m",), "changed", {"text": "a"})
    await store.aput(("m",), "unindexed", {"text": "a"})
    assert len(await store.asearch(("m",), query="a")) == 3
    script = (
        "import asyncio, sys\n"
        "from motet.memory.redis.keys import Keys\n"
        "from motet.memory.redis.store import RedisStore\n"
        "async def main():\n"
        "    index = {'dims': 3, 'embed': lambda texts: [[float(t.count(c)) for c in 'abc'] for t in texts],\n"
        "             'fields': ['text']}\n"
        "    async with RedisStore.from_url(sys.argv[1], Keys(sys.argv[2], sys.argv[3]), index=index) as store:\n"
        "        assert len(await store.asearch(('m',), query='a')) == 3\n"
        "        await store.adelete(('m',), 'deleted')\n"
        "        await store.aput(('m',), 'changed', {'text': 'b'})\n"
        "        await store.aput(('m',), 'unindexed', {'text': 'a'}, index=False)\n"
        "        await store.aput(('m',), 'new', {'text': 'aab'})\n"
        "asyncio.run(main())\n"
    )
    other = await asyncio.create_subprocess_exec(
        sys.executable, "-W", "error", "-c", script, redis_url, keys.tenant, keys.prefix
    )
    assert await other.wait() == 0

    found = await store.asearch(("m",), query="a")

    assert told(found) == [("new", round(2 / math.sqrt(5), 4)), ("changed", 0.0), ("unindexed", None)]


async def test_a_deleted_item_put_again_is_compared_by_its_new_text(store: RedisStore) -> None:
    """Nothing of an item outlives its deletion, in this process' copy neither."""
    await store.aput(("m",), "k", {"text": "a"})
    await store.asearch(("m",), query="a")
    await store.abatch([PutOp(("m",), "k", None)])
    await store.aput(("m",), "k", {"text": "b", "tags": ["bbc"]})

    assert told(await store.asearch(("m",), query="a")) == [("k", 0.0)]
    assert store.held_vectors == 2


async def test_a_process_that_missed_too_much_starts_anew(store: RedisStore, redis: Redis, keys: Keys) -> None:
    """When more removals happened than are remembered, or the data is another's, all vectors are fetched again."""
    for key in "ab":
        await store.aput(("m",), key, {"text": key})
    assert len(await store.asearch(("m",), query="a")) == 2
    other = RedisStore(redis, keys, index=INDEX)
    await other.adelete(("m",), "a")
    for start in range(0, 5200, 2600):
        keyed = [str(number) for number in range(start, start + 2600)]
        await other.abatch(PutOp(("x",), key, {"text": "a"}) for key in keyed)
        await other.abatch(PutOp(("x",), key, None) for key in keyed)
    await other.aput(("m",), "c", {"text": "c"})
    gone = next(key for key in keys.store() if key.endswith("gone"))
    assert await redis.zcard(gone) <= 5002

    assert [item.key for item in await store.asearch((), query="c")] == ["c", "b"]
    assert store.held_vectors == 2

    await redis.delete(*keys.store())
    await other.aput(("m",), "d", {"text": "d"})
    assert [item.key for item in await store.asearch((), query="a")] == ["d"]
    assert store.held_vectors == 1


@pytest.mark.usefixtures("store")
async def test_many_vectors_are_compared_as_few_are(redis: Redis, keys: Keys) -> None:
    """Over several pages and growing arrays, the order is that of the exact cosines."""
    chance = np.random.default_rng(5)
    vectors = chance.standard_normal((1700, 3))
    texts = {f"t{number}": vector.tolist() for number, vector in enumerate(vectors)}

    def embed(asked: Sequence[str]) -> list[list[float]]:
        return [texts[text] for text in asked]

    many = RedisStore(redis, keys, index={"dims": 3, "embed": embed, "fields": ["text"]})
    await many.abatch(PutOp(("m", str(n % 3)), str(n), {"text": f"t{n}"}) for n in range(1700))

    found = await many.asearch(("m",), query="t7", limit=2000)
    some = await many.asearch(("m", "1"), query="t7", limit=5)

    cosines = vectors @ vectors[7] / np.linalg.norm(vectors, axis=1) / np.linalg.norm(vectors[7])
    assert len(found) == 1700
    assert [item.score for item in found] == pytest.approx(sorted(cosines, reverse=True), abs=1e-5)
    assert [item.score for item in found] == pytest.approx([cosines[int(item.key)] for item in found], abs=1e-5)
    assert [item.score for item in some] == pytest.approx(sorted(cosines[1::3], reverse=True)[:5], abs=1e-5)


async def test_a_search_takes_two_round_trips(store: RedisStore, redis_url: str, keys: Keys, tmp_path: Path) -> None:
    """One says what changed, however much is stored, and one brings the hits; one more brings items without vector."""
    await store.abatch(PutOp(("m",), str(n), {"text": "a" * (n + 1)}) for n in range(30))
    async with tapped(redis_url, tmp_path) as wire, RedisStore.from_url(wire.url, keys, index=INDEX) as tapping:
        await tapping.asearch(("m",), query="a", limit=40)

        async def trips(**asked: Any) -> int:
            before = wire.trips
            await tapping.asearch(("m",), query="a", **asked)
            return wire.trips - before

        assert await trips() == 2
        await store.aput(("m",), "new", {"text": "c"})
        assert await trips() == 2
        assert await trips(filter={"text": "a"}, limit=1) == 2
        assert await trips(limit=40) == 3


WRONG = [[[1.0]], [[1.0, 2.0, math.nan]], [], [[1.0, 2.0, 3.0]] * 2]


@pytest.mark.parametrize("wrong", WRONG)
async def test_vectors_that_do_not_fit_are_refused(redis: Redis, keys: Keys, wrong: list[list[float]]) -> None:
    """An embedding of another size or number than configured fails the put, and nothing is stored."""
    store = RedisStore(redis, keys, index={"dims": 3, "embed": lambda _: wrong})

    with pytest.raises(InvalidConfig, match="index"):
        await store.aput(("m",), "k", {"text": "a"})
    assert await store.asearch(("m",)) == []


async def test_an_index_without_dimensions_is_refused(redis: Redis, keys: Keys) -> None:
    """`dims` must be said when the store is made."""
    with pytest.raises(InvalidConfig, match="dims"):
        RedisStore(redis, keys, index={"embed": toy})


async def test_vectors_of_another_size_count_as_none(store: RedisStore, redis: Redis, keys: Keys) -> None:
    """After a change of the model, old items are found without a score until they are put again."""
    await store.aput(("m",), "old", {"text": "a"})
    wider: IndexConfig = {"dims": 4, "embed": lambda texts: [[1.0, 0.0, 0.0, float(len(text))] for text in texts]}
    changed = RedisStore(redis, keys, index=wider)
    await changed.aput(("m",), "new", {"text": "a"})

    assert [(item.key, item.score is None) for item in await changed.asearch(("m",), query="a")] == [
        ("new", False),
        ("old", True),
    ]


async def test_searches_at_once_see_one_copy(store: RedisStore) -> None:
    """Searches and puts that overlap neither fail nor lose an item."""

    async def work(number: int) -> None:
        await store.aput(("m",), str(number), {"text": "a"})
        found = await store.asearch(("m",), query="a", limit=100)
        assert str(number) in {item.key for item in found}

    await asyncio.gather(*(work(number) for number in range(40)))

    both: Any = await store.abatch([SearchOp(("m",), query="a", limit=100), SearchOp(("m",), query="b", limit=100)])
    assert [len(found) for found in both] == [40, 40]
