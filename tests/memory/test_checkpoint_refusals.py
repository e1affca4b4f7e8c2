"""State that can't be stored ends the run, and leaves the thread at its last checkpoint."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from typing import Any

import pytest
from langgraph.graph import START, StateGraph
from langgraph.types import Send
from redis.asyncio import Redis
from tests import warm
from tests.memory.savers import Log, chain, dump, names, put, step, thread, values_of
from typing_extensions import TypedDict

from motet import failpoints
from motet.errors import RunError, StateTooLarge, TypeNotAllowed, UnstorableValue
from motet.memory.redis.checkpoints import RedisCheckpointer
from motet.memory.redis.keys import Keys

MB = 1_000_000


class Unlisted:
    """A class that no list allows."""

    def model_dump(self) -> dict[str, Any]:
        """What makes LangGraph take it for a Pydantic model."""
        return {}


class Held(TypedDict, total=False):
    small: str
    held: Any


def holding_itself() -> list[Any]:
    made: list[Any] = []
    made.append(made)
    return made


UNSTORABLE: dict[str, tuple[Callable[[], Any], str]] = {
    "lock": (threading.Lock, "lock"),
    "generator": (lambda: (one for one in ()), "generator"),
    "socket": (socket.socket, "socket"),
    "lambda": (lambda: lambda: 1, "function"),
    "in a list": (lambda: ["x" * 300, {"a": threading.Lock()}], "lock"),
    "integer": (lambda: 2**70, "64-bit"),
    "cycle": (holding_itself, "Recursion"),
}


@pytest.fixture
def saver(redis: Redis, keys: Keys) -> RedisCheckpointer:
    return RedisCheckpointer(redis, keys, max_bytes=64 * MB)


@pytest.mark.parametrize(("made", "named"), UNSTORABLE.values(), ids=UNSTORABLE.keys())
async def test_what_has_no_form_is_named(
    saver: RedisCheckpointer, redis: Redis, keys: Keys, made: Callable[[], Any], named: str
) -> None:
    """A value that can't be stored is refused by its channel and class, in a checkpoint and in a write."""
    config = await put(saver, thread("t"), value=1)
    before = await dump(redis, keys)
    value = made()

    for saving in (
        put(saver, config, fine="x", odd=value),
        saver.aput_writes(config, [("fine", 1), ("odd", value)], "task"),
    ):
        with pytest.raises(UnstorableValue, match=rf"channel 'odd' .*{named}"):
            await saving
    if isinstance(value, socket.socket):
        value.close()

    assert await dump(redis, keys) == before


async def test_a_class_that_is_not_allowed_is_named_with_its_channel(saver: RedisCheckpointer) -> None:
    """Whoever reads the error of a run finds the part of the state that holds the class."""
    with pytest.raises(TypeNotAllowed, match=r"Unlisted is not allowed in channel 'odd' of the state") as told:
        await put(saver, thread("t"), odd=Unlisted())

    assert told.value.channel == "odd"


@pytest.mark.parametrize("durability", ["sync", "async", "exit"])
@pytest.mark.parametrize(
    "poison",
    [
        pytest.param((lambda: "x" * 100 * MB, StateTooLarge), id="100 MB"),
        pytest.param((threading.Lock, UnstorableValue), id="a lock"),
    ],
)
async def test_a_poisoned_run_leaves_its_thread_usable(
    saver: RedisCheckpointer,
    redis: Redis,
    keys: Keys,
    *,
    durability: Any,
    poison: tuple[Callable[[], Any], type[RunError]],
) -> None:
    """A step that makes 100 MB or a lock ends the run with an error; the next run goes on from what was there."""
    made: list[Any] = []

    def hold(state: Held) -> dict[str, Any]:  # noqa: ARG001 - a node's signature
        return {"held": made[-1]}

    builder = StateGraph(Held)
    builder.add_node("hold", hold)
    builder.add_edge(START, "hold")
    graph = builder.compile(checkpointer=saver)
    made.append("well")
    await graph.ainvoke({"small": "first"}, thread("t"), durability=durability)
    make, error = poison
    made.append(make())

    with pytest.raises(error, match="channel 'held'"):
        await graph.ainvoke({"small": "second"}, thread("t"), durability=durability)

    made.append("well again")
    stored = sum([await redis.memory_usage(name) or 0 for name in await names(redis, keys)])
    assert stored < MB
    done = await graph.ainvoke({"small": "third"}, thread("t"), durability=durability)
    assert done == {"small": "third", "held": "well again"}
    assert (await graph.aget_state(thread("t"))).values == done


async def test_the_largest_channel_is_named(redis: Redis, keys: Keys) -> None:
    """What counts is what a step adds; the error says how much that was, what is allowed, and where most of it is."""
    saver = RedisCheckpointer(redis, keys, max_bytes=5000)
    items = [f"{number:>400}" for number in range(10)]
    config = await put(saver, thread("t"), items=items)
    before = await dump(redis, keys)

    with pytest.raises(StateTooLarge) as told:
        await put(saver, config, some="x" * 2000, most="y" * 4000)
    assert (told.value.thread_id, told.value.channel, told.value.allowed) == ("t", "most", 5000)
    assert 6000 < told.value.size < 6100
    with pytest.raises(StateTooLarge, match="channel 'most'"):
        await saver.aput_writes(config, [("some", "x" * 2000), ("most", "y" * 4000)], "task")
    assert await dump(redis, keys) == before

    longer = [*items, "more" * 1000]
    assert await values_of(saver, await put(saver, config, items=longer)) == {"items": longer}


async def test_one_task_of_many_that_is_too_large(saver: RedisCheckpointer) -> None:
    """Where one of several tasks of a step makes too much, the others' results are kept, and not made again."""
    began: list[int] = []
    sizes = [1, 1, 100 * MB, 1]

    def make(number: int) -> dict[str, Any]:
        began.append(number)
        return {"log": ["x" * sizes[number]]}

    builder = StateGraph(Log)
    builder.add_node("make", make)  # pyright: ignore[reportArgumentType] - a task's own argument
    builder.add_conditional_edges(START, lambda _: [Send("make", number) for number in range(4)])
    graph = builder.compile(checkpointer=saver)
    with pytest.raises(StateTooLarge):
        await graph.ainvoke({"log": []}, thread("t"), durability="sync")
    sizes[2] = 2

    done = await graph.ainvoke(None, thread("t"), durability="sync")

    assert done["log"] == ["x", "x", "xx", "x"]
    assert began.count(2) == 2


@pytest.mark.parametrize("point", ["put.before", "put.after", "writes.before", "writes.after"])
async def test_a_process_dies_exactly_there(redis: Redis, keys: Keys, redis_url: str, point: str) -> None:
    """At each failpoint what was before it is stored and what comes after it isn't."""
    script = """
import asyncio, sys
from tests.memory.savers import put, thread
from motet import failpoints
from motet.memory.redis.checkpoints import RedisCheckpointer
from motet.memory.redis.keys import Keys

async def main():
    async with RedisCheckpointer.from_url(sys.argv[1], Keys(sys.argv[2], sys.argv[3])) as saver:
        config = await put(saver, thread("t"), value=1)
        failpoints.arm(sys.argv[4] + ":exit")
        await saver.aput_writes(config, [("a", 1)], "task")
        await put(saver, config, value=2)

asyncio.run(main())
"""
    assert await warm.run(script, redis_url, keys.tenant, keys.prefix, point) == failpoints.EXIT_CODE

    saver = RedisCheckpointer(redis, keys)
    stored = [one async for one in saver.alist(thread("t"))]
    assert len(stored) == (2 if point == "put.after" else 1)
    assert bool(stored[-1].pending_writes) == (point != "writes.before")


async def test_a_run_that_is_refused_leaves_no_note(saver: RedisCheckpointer, redis: Redis, keys: Keys) -> None:
    """A run whose first checkpoint can't be stored leaves no key, not even the list of its threads."""
    with pytest.raises(UnstorableValue):
        await chain(saver, step("a")).ainvoke(
            {"log": [threading.Lock()]},  # pyright: ignore[reportArgumentType] - what is refused
            thread("t") | {"metadata": {"run_id": "run"}},
            durability="sync",
        )

    assert await names(redis, keys) == []
