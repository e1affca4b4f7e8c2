"""What a delta channel is rebuilt from: the capability that LangGraph's published suite doesn't test.

A delta channel's value isn't in its checkpoints. It's the nearest snapshot among the ancestors (the seed), and the
writes from there on. `BaseCheckpointSaver` walks them one by one: that slow walk is what ours is compared with.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, cast
from uuid import uuid4

import pytest
from langchain_core.runnables import RunnableConfig
from langgraph.channels.delta import DeltaChannel
from langgraph.checkpoint.base import BaseCheckpointSaver, empty_checkpoint
from langgraph.checkpoint.serde.types import _DeltaSnapshot  # pyright: ignore[reportPrivateUsage] # what a snapshot is
from langgraph.graph import START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from redis.asyncio import Redis
from tests.memory.savers import commands_of
from typing_extensions import TypedDict

from motet.memory.redis import checkpoint_reading
from motet.memory.redis.checkpoints import RedisCheckpointer
from motet.memory.redis.keys import Keys

Histories = Mapping[str, Mapping[str, Any]]


def appended(state: list[str], writes: Sequence[list[str]]) -> list[str]:
    return [*state, *(text for write in writes for text in write)]


class Often(TypedDict):
    log: Annotated[list[str], DeltaChannel(appended, list, snapshot_frequency=4)]


class Never(TypedDict):
    log: Annotated[list[str], DeltaChannel(appended, list, snapshot_frequency=10_000)]


class Two(TypedDict):
    log: Annotated[list[str], DeltaChannel(appended, list, snapshot_frequency=3)]
    rare: Annotated[list[str], DeltaChannel(appended, list, snapshot_frequency=7)]


def counting(saver: RedisCheckpointer, shape: type[Often | Never]) -> CompiledStateGraph[Any]:
    """One node that says how much it saw."""

    async def count(state: Any) -> dict[str, Any]:
        return {"log": [f"saw {len(state['log'])}"]}

    builder = StateGraph(cast("Any", shape))
    builder.add_node("count", count)
    builder.add_edge(START, "count")
    return builder.compile(checkpointer=saver)


async def conversation(graph: CompiledStateGraph[Any], config: RunnableConfig, turns: int) -> list[str]:
    """Run `turns` inputs one after the other; the log that came out."""
    log: list[str] = []
    for number in range(turns):
        log = (await graph.ainvoke({"log": [f"input {number}"]}, config))["log"]
    return log


async def states(graph: CompiledStateGraph[Any], config: RunnableConfig) -> list[list[str]]:
    """The log at every checkpoint of the thread, newest first."""
    return [state.values.get("log", []) async for state in graph.aget_state_history(config)]


def place(namespace: str = "", thread: str | None = None) -> RunnableConfig:
    return {"configurable": {"thread_id": thread or str(uuid4()), "checkpoint_ns": namespace}}


def newest(config: RunnableConfig) -> RunnableConfig:
    """The thread and namespace of `config`, without a checkpoint's id."""
    told = config.get("configurable", {})
    return place(told["checkpoint_ns"], told["thread_id"])


async def grow(
    saver: RedisCheckpointer, parent: RunnableConfig, *writes: tuple[str, Any], **values: Any
) -> RunnableConfig:
    """A child of `parent` that stores `values`, each channel written being new in it; then `writes` on top of it."""
    made = empty_checkpoint()
    made["channel_values"] = values
    made["channel_versions"] = {name: f"1.{uuid4().hex}" for name in {*values, *dict(writes)}}
    config = await saver.aput(parent, made, {"source": "loop", "step": 1}, made["channel_versions"])
    if writes:
        await saver.aput_writes(config, writes, "task")
    return config


async def history(saver: RedisCheckpointer, config: RunnableConfig, *channels: str) -> Histories:
    """What the saver finds, which must be what the base class finds step by step."""
    found = cast("Histories", await saver.aget_delta_channel_history(config=config, channels=channels))
    walked = await BaseCheckpointSaver.aget_delta_channel_history(saver, config=config, channels=channels)
    assert found == walked
    return found


def values(told: Mapping[str, Any]) -> list[Any]:
    """The written values of a channel's history."""
    return [value for _, _, value in told["writes"]]


async def test_it_has_a_walk_of_its_own(saver: RedisCheckpointer) -> None:
    """The base class's walk, a round trip for each ancestor, is replaced."""
    assert type(saver).aget_delta_channel_history is not BaseCheckpointSaver.aget_delta_channel_history


async def test_the_seed_is_the_nearest_snapshot(saver: RedisCheckpointer) -> None:
    """Of two snapshots the nearer one counts, with the writes on it and after it, and none before."""
    config = await grow(saver, place(), ("log", 1), log=_DeltaSnapshot(["old"]))
    config = await grow(saver, config, ("log", 2))
    config = await grow(saver, config, ("log", 3), log=_DeltaSnapshot(["near"]))
    config = await grow(saver, config, ("log", 4))
    target = await grow(saver, config)

    log = (await history(saver, target, "log"))["log"]

    assert log["seed"] == _DeltaSnapshot(["near"])
    assert log["writes"] == [("task", "log", 3), ("task", "log", 4)]


async def test_without_a_snapshot_all_writes_count_and_there_is_no_seed(saver: RedisCheckpointer) -> None:
    """A walk that reaches the thread's beginning says nothing about a seed."""
    config = place()
    for number in range(5):
        config = await grow(saver, config, ("log", number))
    target = await grow(saver, config)

    assert await history(saver, target, "log") == {"log": {"writes": [("task", "log", number) for number in range(5)]}}


async def test_a_plain_value_is_a_seed_even_an_empty_one(saver: RedisCheckpointer) -> None:
    """A channel that became a delta channel later starts from what it held before, be it nothing."""
    first = await grow(saver, place(), ("log", 1), ("none", 1), log=["plain"], none=None)
    target = await grow(saver, first, ("log", 2))

    found = await history(saver, target, "log", "none")

    assert found["log"]["seed"] == ["plain"]
    assert found["none"] == {"writes": [("task", "none", 1)], "seed": None}


async def test_what_is_stored_at_the_target_is_not_its_history(saver: RedisCheckpointer) -> None:
    """Writes that wait at the target belong to its children, and its own snapshot isn't an ancestor's."""
    first = await grow(saver, place(), ("log", 1))
    target = await grow(saver, first, ("log", 2), log=_DeltaSnapshot(["own"]))

    assert await history(saver, target, "log") == {"log": {"writes": [("task", "log", 1)]}}
    assert await history(saver, first, "log") == {"log": {"writes": []}}


async def test_writes_of_one_step_come_in_the_order_of_execution(saver: RedisCheckpointer) -> None:
    """By task path, then task, then place in the task: not in the order in which the tasks ended."""
    first = await grow(saver, place())
    await saver.aput_writes(first, [("log", f"b{number}") for number in range(11)], "task-1", "~b")
    await saver.aput_writes(first, [("log", "a of 9")], "task-9", "~a")
    await saver.aput_writes(first, [("log", "a of 3")], "task-3", "~a")
    await saver.aput_writes(first, [("log", "an input")], "task-5")
    target = await grow(saver, first)

    log = (await history(saver, target, "log"))["log"]

    assert values(log) == ["an input", "a of 3", "a of 9", *(f"b{number}" for number in range(11))]


async def test_a_fork_has_its_own_ancestors_only(saver: RedisCheckpointer) -> None:
    """What happened on the other branch is in nobody's history but that branch's."""
    root = await grow(saver, place(), ("log", "root"))
    left = await grow(saver, root, ("log", "left"))
    right = await grow(saver, root, ("log", "right"), log=_DeltaSnapshot(["right"]))
    left_end = await grow(saver, await grow(saver, left, ("log", "left again")))
    right_end = await grow(saver, right)

    assert values((await history(saver, left_end, "log"))["log"]) == ["root", "left", "left again"]
    assert (await history(saver, right_end, "log"))["log"] == {
        "writes": [("task", "log", "right")],
        "seed": _DeltaSnapshot(["right"]),
    }


async def test_each_channel_walks_to_its_own_seed(saver: RedisCheckpointer) -> None:
    """Many channels in one call: one ends early, one late, one never, and one is unknown."""
    config = await grow(saver, place(), ("early", 1), ("late", 1), ("never", 1), late=_DeltaSnapshot("late"))
    config = await grow(saver, config, ("late", 2), ("never", 2), early=_DeltaSnapshot("early"))
    config = await grow(saver, config, ("early", 3), ("late", 3))
    target = await grow(saver, config)

    found = await history(saver, target, "early", "late", "never", "unknown")

    assert found == {
        "early": {"writes": [("task", "early", 3)], "seed": _DeltaSnapshot("early")},
        "late": {"writes": [("task", "late", number) for number in (1, 2, 3)], "seed": _DeltaSnapshot("late")},
        "never": {"writes": [("task", "never", 1), ("task", "never", 2)]},
        "unknown": {"writes": []},
    }


async def test_without_an_id_the_newest_checkpoint_is_meant(saver: RedisCheckpointer) -> None:
    """As everywhere in a saver; a thread that isn't there has an empty history, and no channels need no walk."""
    first = await grow(saver, place(), ("log", 1))
    target = await grow(saver, first)

    assert await history(saver, newest(target), "log") == await history(saver, target, "log")
    assert await history(saver, place(), "log") == {"log": {"writes": []}}
    assert await history(saver, target) == {}


async def test_a_sub_graph_has_its_own_history(saver: RedisCheckpointer) -> None:
    """The same channel in another namespace of the thread is another channel."""
    root = await grow(saver, place(), ("log", "root"))
    config = newest(root).get("configurable", {})
    child = await grow(saver, place("child:1", config["thread_id"]), ("log", "child"))

    assert values((await history(saver, await grow(saver, child), "log"))["log"]) == ["child"]
    assert values((await history(saver, await grow(saver, root), "log"))["log"]) == ["root"]


@pytest.mark.parametrize("seed", range(3))
async def test_any_history_is_what_the_slow_walk_finds(saver: RedisCheckpointer, seed: int) -> None:
    """Random trees of checkpoints, writes and snapshots, looked at from each checkpoint."""
    chance = random.Random(seed)  # noqa: S311 - the same trees each time
    channels = ("a", "b", "c")
    made = [await grow(saver, place())]
    for number in range(40):
        seeds = {name: _DeltaSnapshot(number) for name in channels if chance.random() < 0.1}
        parent = made[-1] if chance.random() < 0.8 else chance.choice(made)
        config = await grow(saver, parent, **seeds)
        for task in chance.sample(range(9), chance.randrange(3)):
            writes = [(chance.choice(channels), f"{number}.{index}") for index in range(chance.randrange(1, 4))]
            await saver.aput_writes(config, writes, f"task-{task}", f"~{task % 3}")
        made.append(config)

    for config in made:
        await history(saver, config, *channels)


async def test_a_graph_is_rebuilt_at_every_step(saver: RedisCheckpointer, client: Redis, keys: Keys) -> None:
    """A saver made later finds each old state of a graph that takes snapshots, and at most a period of writes."""
    config = place()
    log = await conversation(counting(saver, Often), config, 9)
    other = RedisCheckpointer(client, keys)

    read = await states(counting(other, Often), config)

    assert read[0] == log
    assert [len(state) for state in read] == sorted((len(state) for state in read), reverse=True)
    assert all(state == log[: len(state)] for state in read)
    found = (await history(other, config, "log"))["log"]
    assert isinstance(found["seed"], _DeltaSnapshot)
    assert len(found["writes"]) <= 4


async def test_runs_saved_only_at_their_end_are_rebuilt(saver: RedisCheckpointer, client: Redis, keys: Keys) -> None:
    """Under durability "exit" a run's writes stand together on the checkpoint before it: pruning loses none, too."""
    config = place()
    log: list[str] = []
    for number in range(7):
        ran = await counting(saver, Often).ainvoke({"log": [f"input {number}"]}, config, durability="exit")
        log = ran["log"]

    other = RedisCheckpointer(client, keys)
    assert (await counting(other, Often).aget_state(config)).values["log"] == log
    await other.aprune([config.get("configurable", {})["thread_id"]])
    assert (await counting(other, Often).aget_state(config)).values["log"] == log


async def test_parallel_nodes_are_replayed_as_they_ran(saver: RedisCheckpointer, client: Redis, keys: Keys) -> None:
    """Nodes of one step write in the same order live and rebuilt, though the order matters to the channel."""

    async def speak(state: Never, name: str) -> dict[str, Any]:  # noqa: ARG001 - a node's signature
        return {"log": [name]}

    builder = StateGraph(Never)
    for name in ("d", "b", "e", "a", "c"):

        async def node(state: Never, name: str = name) -> dict[str, Any]:
            return await speak(state, name)

        builder.add_node(name, node)
        builder.add_edge(START, name)
    config = place()
    live = await builder.compile(checkpointer=saver).ainvoke({"log": ["input"]}, config)

    rebuilt = await builder.compile(checkpointer=RedisCheckpointer(client, keys)).aget_state(config)

    assert rebuilt.values["log"] == live["log"]
    assert sorted(live["log"]) == ["a", "b", "c", "d", "e", "input"]


@pytest.mark.parametrize("state", [Often, Never])
async def test_pruning_keeps_what_the_newest_state_is_made_of(
    saver: RedisCheckpointer, client: Redis, keys: Keys, state: type[Often | Never]
) -> None:
    """The newest checkpoint survives with its snapshot and the steps since; what is older goes, and work goes on."""
    config = place()
    log = await conversation(counting(saver, state), config, 7)
    before = len([read async for read in saver.alist(config)])

    await saver.aprune([config.get("configurable", {})["thread_id"]], strategy="keep_latest")

    other = counting(RedisCheckpointer(client, keys), state)
    after = len([read async for read in saver.alist(config)])
    assert (await other.aget_state(config)).values["log"] == log
    assert await conversation(other, config, 1) == [*log, "input 0", f"saw {len(log) + 1}"]
    assert (after < before) == (state is Often)


async def test_pruning_keeps_enough_for_the_channel_with_the_older_snapshot(
    saver: RedisCheckpointer, client: Redis, keys: Keys
) -> None:
    """Two delta channels with snapshots at different steps, pruned after each: what is kept reaches back to both."""

    async def both(state: Two) -> dict[str, Any]:
        return {"log": [str(len(state["log"]))], "rare": [str(len(state["rare"]))]}

    builder = StateGraph(Two)
    builder.add_node("both", both)
    builder.add_edge(START, "both")
    config, graph = place(), builder.compile(checkpointer=saver)
    for turn in range(1, 11):
        live = await graph.ainvoke({"log": ["in"], "rare": ["in"]}, config)

        await saver.aprune([config.get("configurable", {})["thread_id"]])

        rebuilt = await builder.compile(checkpointer=RedisCheckpointer(client, keys)).aget_state(config)
        assert rebuilt.values == live
        assert len(live["log"]) == len(live["rare"]) == 2 * turn


async def test_a_copy_stands_on_its_own(saver: RedisCheckpointer, client: Redis, keys: Keys) -> None:
    """A copied thread has each old state across a snapshot, also when the original is gone, and goes on by itself."""
    config, copy = place(), place()
    source, target = (str(one.get("configurable", {})["thread_id"]) for one in (config, copy))
    log = await conversation(counting(saver, Often), config, 6)
    expected = await states(counting(saver, Often), config)

    await saver.acopy_thread(source, target)
    await saver.adelete_thread(source)

    graph = counting(RedisCheckpointer(client, keys), Often)
    assert await states(graph, copy) == expected
    assert await conversation(graph, copy, 1) == [*log, "input 0", f"saw {len(log) + 1}"]
    assert await states(graph, config) == []


async def test_a_page_of_ancestors_is_one_round_trip(redis_url: str, redis: Redis, keys: Keys) -> None:
    """A history of more than two pages is whole, and costs three commands on the wire."""
    saver = RedisCheckpointer(redis, keys)
    config = await grow(saver, place(), ("log", "before"), log=_DeltaSnapshot(["seed"]))
    length = 2 * checkpoint_reading.DELTA_PAGE + 1
    for number in range(length):
        config = await grow(saver, config, *([] if number % 10 else [("log", number)]))
    target = await grow(saver, config)
    await saver.aget_delta_channel_history(config=target, channels=["none"])  # the server has seen the script
    seen = await commands_of(
        redis_url, lambda: saver.aget_delta_channel_history(config=target, channels=["log"]), redis, keys
    )
    found = await saver.aget_delta_channel_history(config=target, channels=["log"])

    assert seen == ["EVALSHA"] * 3
    assert values(found["log"]) == ["before", *range(0, length, 10)]
    assert found["log"].get("seed") == _DeltaSnapshot(["seed"])
    assert await history(saver, target, "log") == found
