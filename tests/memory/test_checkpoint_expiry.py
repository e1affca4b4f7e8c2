"""A thread's checkpoints expire together, and never while a person is waited for."""

from __future__ import annotations

from typing import Any

import pytest
from langgraph.types import Command
from redis.asyncio import Redis
from tests.memory.savers import asking, chain, names, put, put_of_run, step, thread
from tests.support import wait_until

from motet.memory.redis.checkpoints import RedisCheckpointer
from motet.memory.redis.keys import Keys


async def expiries(redis: Redis, keys: Keys) -> set[int]:
    """When the keys of all threads expire, in milliseconds; -1 for never."""
    return {await redis.pexpiretime(name) for name in await names(redis, keys)}


async def moment(redis: Redis, keys: Keys) -> int:
    """The one time at which all keys expire."""
    (when,) = await expiries(redis, keys)
    assert when > 0
    return when


async def passed(redis: Redis) -> None:
    """Until the server's clock shows another millisecond."""
    seconds, micros = await redis.time()

    async def is_later() -> bool:
        now: Any = await redis.time()
        return now[0] * 1000 + now[1] // 1000 > seconds * 1000 + micros // 1000 + 1

    await wait_until(is_later, description="the clock goes on")


async def test_all_keys_expire_at_one_moment(redis: Redis, keys: Keys) -> None:
    """Every write gives every key of the thread, in all namespaces, the same new end."""
    saver = RedisCheckpointer(redis, keys, ttl_s=60)
    config = await put(saver, thread("t"), list=["x" * 300, "y"])
    first = await moment(redis, keys)
    await passed(redis)
    await saver.aput_writes(config, [("a", 1)], "task")
    second = await moment(redis, keys)
    await passed(redis)
    await put(saver, thread("t", "sub"), value=1)

    assert first < second < await moment(redis, keys)


@pytest.mark.parametrize("refresh", [True, False])
async def test_reading_prolongs_only_if_asked(redis: Redis, keys: Keys, *, refresh: bool) -> None:
    """A read moves the end of every key, or of none."""
    saver = RedisCheckpointer(redis, keys, ttl_s=60, refresh_on_read=refresh)
    config = await put(saver, thread("t"), list=["x" * 300, "y"])
    before = await moment(redis, keys)
    await passed(redis)

    await saver.aget_tuple(config)
    assert [one async for one in saver.alist(config)]

    assert (await moment(redis, keys) > before) is refresh


async def test_nothing_is_left_of_a_thread(redis: Redis, keys: Keys) -> None:
    """After its time, no key of a thread exists; the list of its runs' threads goes a week later."""
    saver = RedisCheckpointer(redis, keys, ttl_s=0.2)
    config = await put_of_run(saver, thread("t"), "run", list=["x" * 300, "y"])
    await saver.aput_writes(config, [("a", 1)], "task")
    await saver.acopy_thread("t", "copy")
    await saver.aprune(["t"])
    await saver.aget_tuple(config)

    async def nothing() -> bool:
        return await names(redis, keys) == [keys.threads_of_run("run")]

    await wait_until(nothing, description="everything expires")
    assert await saver.aget_tuple(config) is None
    assert await saver.aget_tuple(thread("copy")) is None
    assert 7 * 86400 - 60 < await redis.ttl(keys.threads_of_run("run")) <= 7 * 86400 + 1


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("durability", ["sync", "async", "exit"])
async def test_a_thread_that_waits_for_a_person_never_expires(
    redis: Redis, keys: Keys, *, nested: bool, durability: Any
) -> None:
    """While an interrupt waits, however deep, no key has an end, whoever reads; answered, all get one."""
    saver = RedisCheckpointer(redis, keys, ttl_s=60, refresh_on_read=True)
    inner = asking(None)
    graph = chain(saver, ("outer", chain(None, ("inner", inner), step("end")))) if nested else asking(saver)
    config = thread()
    await graph.ainvoke({"log": []}, config, durability=durability)
    assert await expiries(redis, keys) == {-1}
    await graph.aget_state(config, subgraphs=True)
    assert await expiries(redis, keys) == {-1}

    await graph.ainvoke(Command(resume="yes"), config, durability=durability)

    assert await moment(redis, keys)


async def test_another_question_keeps_the_thread(redis: Redis, keys: Keys) -> None:
    """An answer to one question doesn't let a thread expire that waits for another."""
    saver = RedisCheckpointer(redis, keys, ttl_s=60)
    graph = chain(saver, ("two", chain(None, ("one", asking(None)), ("other", asking(None)))))
    config = thread()
    await graph.ainvoke({"log": []}, config)
    await graph.ainvoke(Command(resume="first"), config)

    assert await expiries(redis, keys) == {-1}


async def test_new_input_instead_of_an_answer_lets_it_expire(redis: Redis, keys: Keys) -> None:
    """A question that was passed over by other input is no longer waited for."""
    saver = RedisCheckpointer(redis, keys, ttl_s=60)
    config = thread()
    await asking(saver).ainvoke({"log": []}, config)

    await chain(saver, step("before")).ainvoke({"log": ["never mind"]}, config)

    assert await moment(redis, keys)


async def test_a_copy_lives_as_long_as_its_source(redis: Redis, keys: Keys) -> None:
    """A copied thread expires when its source would, and doesn't while that waits."""
    saver = RedisCheckpointer(redis, keys, ttl_s=60)
    await put(saver, thread("plain"), value=1)
    await saver.acopy_thread("plain", "copy of plain")
    config = thread("asks")
    await asking(saver).ainvoke({"log": []}, config)
    await saver.acopy_thread("asks", "copy of asks")

    for name, source in (("copy of plain", "plain"), ("copy of asks", "asks")):
        theirs, ours = [await redis.pttl(keys.checkpoints(one)[0]) for one in (source, name)]
        assert theirs == ours == -1 or abs(theirs - ours) < 2000
    await asking(saver).ainvoke(Command(resume="yes"), thread("copy of asks"))
    assert await redis.pttl(keys.checkpoints("copy of asks")[0]) > 0
    assert await redis.pttl(keys.checkpoints("asks")[0]) == -1
