"""Lists are stored by their elements and come back exactly, whatever happened to them and to the server."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from copy import deepcopy
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from redis.asyncio import Redis
from tests.memory.savers import checkpoint, found, id_of, orphans, put, thread, values_of
from tests.support import wait_until

from motet.memory.redis.checkpoints import RedisCheckpointer
from motet.memory.redis.client import connect
from motet.memory.redis.keys import Keys

Edit = tuple[str, int, Any]

messages = st.builds(
    lambda text, size, number: AIMessage(
        text * size, id=f"m{number}", additional_kwargs={"n": [number, {"deep": text}]}
    ),
    st.text(max_size=3),
    st.sampled_from([0, 1, 40, 300]),
    st.integers(0, 5),
)
scalars = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**63), 2**63 - 1), st.text(max_size=5), st.binary(max_size=5)
)
sized = st.builds(lambda text, size: text * size, st.text(min_size=1, max_size=2), st.sampled_from([1, 100, 256, 9000]))
elements = st.one_of(scalars, sized, messages, st.lists(st.one_of(scalars, sized), max_size=3))
kinds = st.sampled_from(
    ["append", "insert", "remove", "replace", "mutate", "twice", "many", "clear", "forget", "prune"]
)
edits = st.lists(st.tuples(kinds, st.integers(0, 5000), elements), min_size=1, max_size=8)
starts = st.builds(
    lambda one, times: [deepcopy(one) for _ in range(times)], elements, st.sampled_from([0, 1, 15, 17, 300])
)


def edited(value: list[Any], kind: str, at: int, element: Any) -> list[Any]:
    """A new list, but for the messages in it, one of which may be changed in place."""
    at %= len(value) + 1
    if kind == "mutate":
        mutate(value[at:], at)
    parts: dict[str, list[Any]] = {
        "append": [*value, element],
        "insert": [*value[:at], element, *value[at:]],
        "remove": [*value[:at], *value[at + 1 :]],
        "replace": [*value[:at], element, *value[at + 1 :]],
        "twice": [*value, *value[at : at + 2]],
        "many": [*value, *(f"{number} {element}" for number in range(at % 70))],
        "clear": [],
    }
    return parts.get(kind, [*value])


def mutate(value: list[Any], mark: int) -> None:
    """Change the first message within."""
    for one in value:
        if isinstance(one, AIMessage):
            one.content = f"{one.content}!"
            one.additional_kwargs["n"][1]["deep"] = mark
            return


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(start=starts, changes=edits)
def test_any_edits_come_back_exactly(start: list[Any], changes: list[Edit], redis_url: str, keys: Keys) -> None:
    """Whatever is done to a list, this saver and one that knows nothing read each version as it was put."""

    async def act() -> None:
        client = await connect(redis_url)
        saver = RedisCheckpointer(client, keys, ttl_s=60)
        config = thread()
        name, value = id_of(config, "thread_id"), start
        told: list[tuple[Any, list[Any]]] = []
        for kind, at, element in [("start", 0, None), *changes]:
            value = edited(value, kind, at, element)
            if kind == "forget":
                saver = RedisCheckpointer(client, keys, ttl_s=60)
            if kind == "prune":
                await RedisCheckpointer(client, keys).aprune([name])
                told.clear()
            config = await put(saver, config, list=value, other=1)
            told.append((config, deepcopy(value)))
        for reader in (saver, RedisCheckpointer(client, keys)):
            for wanted, expected in told:
                read = (await values_of(reader, wanted))["list"]
                assert read == expected
                assert [type(one) for one in read] == [type(one) for one in expected]
        await saver.aprune([name])
        assert (await values_of(saver, config))["list"] == told[-1][1]
        assert await orphans(client, keys, name) == []
        await saver.adelete_thread(name)
        await client.aclose()

    asyncio.run(act())


@pytest.mark.parametrize("length", [2, 15, 16, 17, 255, 256, 257, 4097, 70_000])
async def test_each_length_comes_back(redis: Redis, keys: Keys, length: int) -> None:
    """At the limits of a node, of a level and of the format's array headers, a list is whole and in order."""
    saver = RedisCheckpointer(redis, keys)
    value = [f"{number:>{260 if length < 5000 else 8}}" for number in range(length)]

    config = await put(saver, thread(), list=value)
    config = await put(saver, config, list=[*value, "last"])

    assert (await values_of(RedisCheckpointer(redis, keys), config))["list"] == [*value, "last"]


async def test_a_huge_list_is_saved_and_pruned(redis: Redis, keys: Keys) -> None:
    """Twenty thousand elements that are a leaf each, and elements of a megabyte, fit through the scripts."""
    saver = RedisCheckpointer(redis, keys)
    config = thread()
    value = [b"%0260d" % number for number in range(20_000)]
    big = [bytes([number]) * 1_000_000 for number in range(4)]

    config = await put(saver, config, many=value, big=big)
    config = await put(saver, config, many=[*value, b"x"], big=big[1:])
    await saver.aprune([id_of(config, "thread_id")])

    assert await values_of(RedisCheckpointer(redis, keys), config) == {"many": [*value, b"x"], "big": big[1:]}
    assert await orphans(redis, keys, id_of(config, "thread_id")) == []


@pytest.mark.parametrize(
    ("before", "after"),
    [(1, True), (1, 1.0), (0.0, -0.0), ("1", 1), ([1, 2], [1, 2.0]), ({"a": False}, {"a": 0}), (None, 0)],
)
async def test_a_message_changed_in_place_is_saved_as_it_is_now(
    redis: Redis, keys: Keys, before: object, after: object
) -> None:
    """Even a change that Python's equality doesn't see is saved."""
    saver = RedisCheckpointer(redis, keys)
    message = AIMessage("x" * 300, id="m", additional_kwargs={"field": before})
    config = await put(saver, thread(), messages=[message, HumanMessage("y" * 300, id="h")])
    message.additional_kwargs["field"] = after

    config = await put(saver, config, messages=[message, HumanMessage("y" * 300, id="h")])

    read = (await values_of(RedisCheckpointer(redis, keys), config))["messages"][0]
    assert repr(read.additional_kwargs["field"]) == repr(after)


async def test_a_message_may_hold_what_cannot_be_compared(redis: Redis, keys: Keys) -> None:
    """An artifact whose equality has no truth, like an array, is saved again and again, and changed in place."""
    saver = RedisCheckpointer(redis, keys)
    message = ToolMessage("x" * 300, tool_call_id="t", artifact=np.arange(3))
    config = thread()
    for _ in range(2):
        config = await put(saver, config, messages=[message, HumanMessage("y" * 300)])
    message.artifact = None
    config = await put(saver, config, messages=[message, HumanMessage("y" * 300)])
    message.artifact = np.arange(4)
    config = await put(saver, config, messages=[message, HumanMessage("y" * 300)])

    read = (await values_of(RedisCheckpointer(redis, keys), config))["messages"][0]
    assert list(read.artifact) == [0, 1, 2, 3]


async def test_what_was_read_and_then_changed_is_saved_changed(redis: Redis, keys: Keys) -> None:
    """A message that came from the store isn't taken for what it was when a node changes it in place."""
    saver = RedisCheckpointer(redis, keys)
    config = await put(saver, thread(), messages=[AIMessage("x" * 300, id=str(number)) for number in range(3)])
    read = (await values_of(saver, config))["messages"]
    read[1].content = "changed"

    config = await put(saver, config, messages=read)

    texts = [one.content for one in (await values_of(RedisCheckpointer(redis, keys), config))["messages"]]
    assert texts == ["x" * 300, "changed", "x" * 300]


async def grown(saver: RedisCheckpointer, size: int) -> tuple[Any, list[str]]:
    """A thread with a list of so many leaves, and the list."""
    value = [f"{number:>300}" for number in range(size)]
    return await put(saver, thread(), list=value), value


@pytest.mark.parametrize("meanwhile", ["deleted", "pruned", "expired", "flushed elements"])
async def test_a_saver_that_knows_too_much_sends_again(redis: Redis, keys: Keys, meanwhile: str) -> None:
    """What another client removed meanwhile is sent again with the next checkpoint, which is then whole."""
    saver = RedisCheckpointer(redis, keys, ttl_s=0.1 if meanwhile == "expired" else None)
    config, value = await grown(saver, 40)
    name = id_of(config, "thread_id")
    other = RedisCheckpointer(redis, keys)
    if meanwhile == "deleted":
        await other.adelete_thread(name)
    elif meanwhile == "pruned":
        await put(other, config, list=["something else"])
        await other.aprune([name])
    elif meanwhile == "expired":

        async def is_gone() -> bool:
            return not await redis.exists(*keys.checkpoints(name))

        await wait_until(is_gone, description="the thread expires")
    else:
        await redis.delete(keys.checkpoints(name)[3])

    config = await put(saver, config, list=[*value, "new"])

    assert saver.resent == 1
    assert (await values_of(RedisCheckpointer(redis, keys), config))["list"] == [*value, "new"]
    config = await put(saver, config, list=[*value, "new", "newer"])
    assert saver.resent == 1
    await saver.adelete_thread(name)


async def test_an_unchanged_channel_is_sent_again_too(redis: Redis, keys: Keys) -> None:
    """A channel that this checkpoint doesn't change is stored anew where the server has lost it."""
    saver = RedisCheckpointer(redis, keys)
    made = checkpoint(kept="whole", list=["x" * 300, "y" * 300], changed=1)
    config = await saver.aput(thread(), made, {}, made["channel_versions"])
    await RedisCheckpointer(redis, keys).adelete_thread(id_of(config, "thread_id"))
    after = checkpoint(**made["channel_values"])
    after["channel_versions"] = made["channel_versions"] | {"changed": "2"}

    config = await saver.aput(config, after, {}, {"changed": "2"})

    assert await values_of(saver, config) == made["channel_values"]


async def test_two_savers_share_what_both_store(redis: Redis, keys: Keys) -> None:
    """A second process that appends to what a first one stored stores what it adds, and no second copy."""
    first, second = RedisCheckpointer(redis, keys), RedisCheckpointer(redis, keys)
    config, value = await grown(first, 40)
    elements_key = keys.checkpoints(id_of(config, "thread_id"))[3]
    before = await redis.hlen(elements_key)

    config = await put(second, config, list=[*value, "x" * 300])

    # One leaf, and the last node of the one level.
    assert await redis.hlen(elements_key) == before + 2
    read = await found(first, config)
    assert read.checkpoint["channel_values"]["list"] == [*value, "x" * 300]


async def test_threads_copied_and_runs_deleted_keep_lists_whole(redis: Redis, keys: Keys) -> None:
    """A copy has every version, and deleting a run takes nothing from what other checkpoints share with it."""
    saver = RedisCheckpointer(redis, keys)
    config = thread()
    value: list[str] = []
    told: list[tuple[str, Sequence[str]]] = []
    for number in range(60):
        value = [*value, f"{number:>300}"]
        made = checkpoint(list=value)
        run: Any = {"run_id": f"run {number % 3}"}
        config = await saver.aput(config, made, run, made["channel_versions"])
        told.append((id_of(config), value))
    name = id_of(config, "thread_id")

    await saver.acopy_thread(name, "copy")
    for id, expected in told:
        assert (await values_of(saver, thread("copy", checkpoint_id=id)))["list"] == expected
    await saver.adelete_for_runs(["run 1"])

    for id, expected in told:
        for one in (name, "copy"):
            kept = await saver.aget_tuple(thread(one, checkpoint_id=id))
            assert (kept is None) == (len(expected) % 3 == 2)
            assert kept is None or kept.checkpoint["channel_values"]["list"] == expected
    assert await orphans(redis, keys, "copy") == []
    assert await orphans(redis, keys, name) == []
