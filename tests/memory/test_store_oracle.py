"""The store beside LangGraph's InMemoryStore: the same random operations on both give the same."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test
from langgraph.store.base import (
    GetOp,
    IndexConfig,
    Item,
    ListNamespacesOp,
    MatchCondition,
    Op,
    PutOp,
    Result,
    SearchItem,
    SearchOp,
)
from langgraph.store.memory import InMemoryStore

from motet.memory.redis.client import connect
from motet.memory.redis.keys import Keys
from motet.memory.redis.store import RedisStore

EVERYTHING = 1_000_000
"""A limit above all that is ever there."""
PROFILE = settings(
    derandomize=True,
    database=None,
    max_examples=15,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)

NAMESPACES = [
    *(("a",), ("A",), ("a-b",), ("ab",), ("a", "b"), ("a", "B"), ("a", "b", "c"), ("a", "*"), ("*",), ("a b",), ("0",)),
    *(("é",), ("e\u0301",), ("\x01",), ("a", "\x01"), ("\x7f", "\n"), ("🎈", "a")),
]
labels = st.sampled_from(sorted({label for namespace in NAMESPACES for label in namespace}))
namespaces = st.sampled_from(NAMESPACES)
prefixes = st.just(()) | namespaces
keys_of_items = st.sampled_from(["k", "K", "", "\0", "k\0k", ".", " 1 2 3 "])
texts = st.text(st.characters(codec="utf-8"), max_size=8) | st.text("abc", min_size=1, max_size=4)
scalars = (
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)
)
json = st.recursive(
    scalars | texts, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3), max_leaves=5
)
numbers = st.integers(-3, 3) | st.sampled_from([0.5, -2.5, True, "1", "-1.5"])
small = st.sampled_from([None, "x", "y", 1, 1.0, True, [], [1, 2], {}, {"deep": 1}, {"deep": {"er": "x"}}])
values = st.fixed_dictionaries(
    {"n": numbers, "text": texts}, optional={"c": small, "tags": st.lists(texts, max_size=2), "any": json}
)
comparing = st.dictionaries(st.sampled_from(["$gt", "$gte", "$lt", "$lte"]), numbers, min_size=1, max_size=2)
equalling = st.dictionaries(st.sampled_from(["$eq", "$ne"]), small, min_size=1, max_size=2)
filters = st.none() | st.fixed_dictionaries(
    {}, optional={"n": comparing | numbers, "c": equalling | small, "no": small}
)
pages = st.sampled_from([0, 1, 2, 5, 10, 100])

gets = st.builds(GetOp, namespaces, keys_of_items)
puts = st.builds(
    PutOp,
    namespaces,
    keys_of_items,
    st.none() | values,
    st.sampled_from(cast("list[Any]", [None, None, False, ["text"], ["tags[*]", "c.deep"], ["nowhere"]])),
    st.sampled_from([None, None, 60.0]),
)
searches = st.builds(SearchOp, prefixes, filters, pages, st.sampled_from([0, 1, 3]), st.none())
queries = st.builds(
    SearchOp, prefixes, filters, pages, st.sampled_from([0, 1, 3]), st.text("abc", min_size=1, max_size=4)
)
conditions = st.builds(MatchCondition, st.sampled_from(["prefix", "suffix"]), st.lists(labels, max_size=2).map(tuple))
listings = st.builds(
    ListNamespacesOp,
    st.none() | st.lists(conditions, max_size=2).map(tuple),
    st.none() | st.integers(1, 3),
    pages,
    st.sampled_from([0, 1, 3]),
)


def embed(given: Sequence[str]) -> list[list[float]]:
    """How often a, b and c occur in each text."""
    return [[float(text.count(letter)) for letter in "abc"] + [1.0] for text in given]


class Documented(InMemoryStore):
    """InMemoryStore without the faults that RedisStore's docstring lists."""

    def _extract_texts(self, put_ops: dict[Any, PutOp]) -> dict[str, list[Any]]:
        for namespace, key in put_ops:
            self._vectors[namespace].pop(key, None)
        return super()._extract_texts(put_ops)

    def _insertinmem_store(self, to_embed: dict[str, list[Any]], embeddings: list[list[float]]) -> None:
        for places, embedding in zip(to_embed.values(), embeddings, strict=True):
            for namespace, key, path in places:
                self._vectors[namespace][key][path] = embedding

    def batch(self, ops: Iterable[Op]) -> list[Result]:
        """In steps, after each of which a namespace that is empty (a get or a delete made it) is forgotten."""
        asked = list(ops)
        last = {(op.namespace, op.key): op for op in asked if isinstance(op, PutOp)}
        results: list[Result] = [None] * len(asked)
        for place, op in enumerate(asked):
            if not isinstance(op, PutOp):
                results[place] = part_of(op, self._alone(whole(op)))
        for op in last.values():
            self._alone(op)
        return results

    def _alone(self, op: Op) -> Result:
        [result] = super().batch([op])
        for namespace in [name for name, items in self._data.items() if not items]:
            del self._data[namespace]
        return result


def whole(op: Op) -> Op:
    return op._replace(limit=EVERYTHING, offset=0) if isinstance(op, SearchOp) else op


def part_of(op: Op, result: Result) -> Result:
    found = cast("list[SearchItem]", result)
    return found[op.offset : op.offset + op.limit] if isinstance(op, SearchOp) else result


def seen(result: Result) -> object:
    """What must be equal: all but times and scores."""
    if isinstance(result, Item):
        return (result.namespace, result.key, result.value)
    if isinstance(result, list):
        return [(one.namespace, one.key, one.value) if isinstance(one, Item) else one for one in result]
    return result


class Machine(RuleBasedStateMachine):
    """One tenant of its own, and the oracle beside it."""

    def __init__(self, url: str, prefix: str, index: IndexConfig | None) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.client = self.runner.run(connect(url))
        self.keys = Keys("oracle", prefix)
        self.runner.run(self._clean())
        self.store = self.runner.run(self._opened(index))
        self.indexed = index is not None
        self.oracle = Documented(index=index)

    async def _clean(self) -> None:
        await self.client.delete(*self.keys.store())

    async def _opened(self, index: IndexConfig | None) -> RedisStore:
        return RedisStore(self.client, self.keys, index=index)

    def teardown(self) -> None:
        self.runner.run(self._clean())
        self.runner.run(self.client.aclose())
        self.runner.close()

    @rule(ops=st.lists(puts | gets, min_size=1, max_size=8))
    def few(self, ops: list[Op]) -> None:
        self.both(ops)

    @rule(ops=st.lists(puts, min_size=5, max_size=20))
    def many(self, ops: list[Op]) -> None:
        self.both(ops)

    @rule(ops=st.lists(searches | listings, min_size=1, max_size=3))
    def find(self, ops: list[Op]) -> None:
        self.both(ops)

    @rule(ops=st.lists(puts | gets | searches | listings | queries, max_size=8))
    def mixed(self, ops: list[Op]) -> None:
        self.both(ops)

    @rule(op=queries)
    def ask(self, op: Op) -> None:
        self.both([op])

    def both(self, ops: list[Op]) -> None:
        everything = [whole(op) for op in ops if isinstance(op, SearchOp) and op.query]
        complete = iter(cast("list[list[SearchItem]]", self.oracle.batch(everything)))
        expected = self.oracle.batch(ops)
        got = self.runner.run(self.store.abatch(ops))
        assert len(got) == len(expected)
        for op, ours, theirs in zip(ops, got, expected, strict=True):
            if isinstance(op, SearchOp) and op.query and self.indexed:
                alike(cast("list[SearchItem]", ours), cast("list[SearchItem]", theirs), next(complete))
            else:
                assert seen(ours) == seen(theirs), op


def alike(ours: list[SearchItem], theirs: list[SearchItem], complete: list[SearchItem]) -> None:
    """The same scores in the same places, each item with its own; of equal scores either may come first."""
    scores = {(one.namespace, one.key): one.score for one in complete}
    assert [near(one.score) for one in ours] == [near(one.score) for one in theirs]
    assert [near(scores[one.namespace, one.key]) for one in ours] == [near(one.score) for one in ours]
    assert len({(one.namespace, one.key) for one in ours}) == len(ours)
    unscored = [one for one in theirs if one.score is None]
    assert seen([one for one in ours if one.score is None]) == seen(unscored)


def near(score: float | None) -> object:
    return score if score is None else pytest.approx(score, abs=1e-5)


def runs(make: Callable[[], Machine]) -> None:
    run_state_machine_as_test(cast("Any", make), settings=settings(PROFILE, stateful_step_count=20))


def test_it_does_what_the_store_in_memory_does(redis_url: str, keys: Keys) -> None:
    """Random batches of gets, puts, deletes, searches and listings give what LangGraph's own store gives."""
    runs(lambda: Machine(redis_url, keys.prefix, None))


def test_searches_by_meaning_do_what_the_store_in_memory_does(redis_url: str, keys: Keys) -> None:
    """With vectors too: several paths an item, filters before limit and offset, items without vector at the end."""
    runs(lambda: Machine(redis_url, keys.prefix, {"dims": 4, "embed": embed, "fields": ["text", "tags[*]"]}))


label = st.text(st.characters(codec="utf-8", exclude_characters=".\0"), min_size=1, max_size=6)
places = st.lists(label, min_size=1, max_size=4).map(tuple)


def test_a_namespace_is_its_own(redis_url: str, keys: Keys) -> None:
    """An item is found under its own namespace's prefixes and by its own key, whatever they hold, and nowhere else."""
    with asyncio.Runner() as runner:
        client = runner.run(connect(redis_url))

        async def check(mine: tuple[str, ...], other: tuple[str, ...], key: str) -> None:
            store = RedisStore(client, keys, index={"dims": 4, "embed": embed})
            await store.aput(mine, key, {"text": "a"})
            for prefix in (mine, other, mine[:1], other[:1]):
                here = [(mine, key)] if mine[: len(prefix)] == prefix else []
                for query in (None, "a"):
                    found = await store.asearch(prefix, query=query)
                    assert [(item.namespace, item.key) for item in found] == here
            item = await store.aget(other, key)
            assert (item is not None) == (mine == other)
            await client.delete(*keys.store())

        near_by = places.flatmap(
            lambda mine: st.tuples(
                st.just(mine),
                st.sampled_from([(*mine, "x"), (*mine[:-1], mine[-1] + "x"), (*mine[:-1], mine[-1].swapcase())])
                | places,
            )
        )

        @settings(PROFILE, max_examples=100)
        @given(
            near_by.filter(lambda pair: pair[0][0] != "langgraph"), st.text(st.characters(codec="utf-8"), max_size=6)
        )
        def isolated(pair: tuple[tuple[str, ...], tuple[str, ...]], key: str) -> None:
            runner.run(check(*pair, key))

        isolated()
        runner.run(client.aclose())
