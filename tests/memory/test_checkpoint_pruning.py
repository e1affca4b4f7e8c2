"""Pruning, deleting and copying leave nothing behind and take nothing that is still needed."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.runnables import RunnableConfig
from langgraph.graph import START, StateGraph
from langgraph.types import Command
from redis.asyncio import Redis
from tests.memory.savers import (
    Chat,
    asking,
    chain,
    id_of,
    names,
    orphans,
    put,
    put_of_run,
    step,
    thread,
    values_of,
)

from motet.errors import InvalidInput
from motet.memory.redis.checkpoints import RedisCheckpointer
from motet.memory.redis.keys import Keys

ODD = [
    "plain",
    "}",
    "{x}",
    "a}:cp:ids",
    "*?[x]",
    " sp ace ",
    "\u20ac\u1f600",
    "../..",
    "\r\nSET a b",
    ":",
    "\x01\x7f",
    "\\",
]


@pytest.fixture
def saver(redis: Redis, keys: Keys) -> RedisCheckpointer:
    return RedisCheckpointer(redis, keys)


async def chatted(saver: RedisCheckpointer, name: str, turns: int) -> None:
    """So many turns of two nodes, with a list that shares its elements."""

    async def speak(state: Chat) -> dict[str, Any]:
        return {"messages": [AIMessage(f"{len(state['messages']):>300}")]}

    builder = StateGraph(Chat)
    builder.add_node("one", speak)
    builder.add_node("two", speak)
    builder.add_edge(START, "one")
    builder.add_edge("one", "two")
    graph = builder.compile(checkpointer=saver)
    for number in range(turns):
        await graph.ainvoke({"messages": [HumanMessage(f"{number:>300}")]}, thread(name))


async def test_a_prune_leaves_one_checkpoint_and_what_it_needs(
    saver: RedisCheckpointer, redis: Redis, keys: Keys
) -> None:
    """Of each namespace the newest stays with its parts; no part, value or write of the others does."""
    await chatted(saver, "t", 12)
    await put(saver, thread("t", "sub"), value=[f"{number:>300}" for number in range(30)])
    await put(saver, thread("t", "sub"), value=["small"])
    before = await values_of(saver, thread("t"))
    elements = keys.checkpoints("t")[3]
    many = await redis.hlen(elements)

    await saver.aprune(["t", "never was"])

    assert await values_of(saver, thread("t")) == before
    assert await values_of(saver, thread("t", "sub")) == {"value": ["small"]}
    assert len([one async for one in saver.alist({"configurable": {"thread_id": "t"}})]) == 2
    assert await orphans(redis, keys, "t") == []
    # 36 messages, and 3 nodes over them.
    assert await redis.hlen(elements) == 39 < many
    assert await redis.hlen(keys.checkpoints("t")[2]) <= 4
    await chatted(saver, "t", 1)
    assert len((await values_of(saver, thread("t")))["messages"]) == 39


@pytest.mark.parametrize("depth", [0, 1, 2])
async def test_a_question_survives_a_prune(saver: RedisCheckpointer, redis: Redis, keys: Keys, depth: int) -> None:
    """A run that waits in whatever sub-graph is answered after a prune, by another saver, and repeats no node."""
    graph = asking(saver if not depth else None)
    for level in range(depth):
        top = level == depth - 1
        graph = chain(saver if top else None, step(f"pre{level}"), ("inner", graph), step(f"post{level}"))
    config = thread()
    await graph.ainvoke({"log": []}, config)
    before = (await graph.aget_state(config, subgraphs=True)).tasks

    anywhere: RunnableConfig = {"configurable": {"thread_id": id_of(config, "thread_id")}}
    kept = [one.config async for one in saver.alist(anywhere)]

    await RedisCheckpointer(redis, keys).aprune([id_of(config, "thread_id")])

    assert [one.config async for one in saver.alist(anywhere)] == kept
    after = (await graph.aget_state(config, subgraphs=True)).tasks
    assert [task.interrupts for task in after] == [task.interrupts for task in before]
    graph.checkpointer = RedisCheckpointer(redis, keys)
    done = await graph.ainvoke(Command(resume="yes"), config)
    assert done["log"].count("before") == 1
    assert "?yes" in done["log"]
    assert "after" in done["log"]


async def test_an_answered_thread_is_pruned(saver: RedisCheckpointer, redis: Redis, keys: Keys) -> None:
    """Once the question is answered, a prune takes what it had to leave."""
    graph = asking(saver)
    config = thread("t")
    await graph.ainvoke({"log": []}, config)
    await graph.ainvoke(Command(resume="yes"), config)

    await saver.aprune(["t"])

    assert (await graph.aget_state(config)).values["log"] == ["before", "?yes", "after"]
    assert len([one async for one in saver.alist(config)]) == 1
    assert await orphans(redis, keys, "t") == []


async def test_a_deleted_thread_leaves_no_key(saver: RedisCheckpointer, redis: Redis, keys: Keys) -> None:
    """Whatever was done to a thread, after its deletion the tenant has no key at all."""
    graph = chain(saver, ("outer", asking(None)))
    await graph.ainvoke({"log": []}, thread("t") | {"metadata": {"run_id": "run 1"}})
    await put_of_run(saver, thread("t"), "run 2", list=["x" * 300, "y"])
    await saver.acopy_thread("t", "copy")
    await saver.adelete_for_runs(["run 2"])
    await put_of_run(saver, thread("t"), "run 3", list=["x" * 300, "y"])
    await saver.aprune(["t"])
    await saver.aget_tuple(thread("t"))

    await saver.adelete_thread("t")
    await saver.aprune(["copy", "never was"], strategy="delete")

    assert await names(redis, keys) == []


async def test_a_copy_over_another_thread_leaves_no_key(saver: RedisCheckpointer, redis: Redis, keys: Keys) -> None:
    """A thread that a copy replaced leaves nothing, not even in the lists of its runs."""
    await put_of_run(saver, thread("old"), "old run", value=1)
    await put_of_run(saver, thread("source"), "new run", value=2)
    await saver.acopy_thread("source", "old")

    assert await values_of(saver, thread("old")) == {"value": 2}
    for name in ("old", "source"):
        await saver.adelete_thread(name)

    assert await names(redis, keys) == []


async def test_a_run_that_goes_on_after_a_deletion_is_found(saver: RedisCheckpointer) -> None:
    """What a run writes to a thread after its deletion can be deleted by the run's id."""
    await put_of_run(saver, thread("t"), "run", value=1)
    await saver.adelete_thread("t")
    await put_of_run(saver, thread("t"), "run", value=2)

    await saver.adelete_for_runs(["run"])

    assert await saver.aget_tuple(thread("t")) is None


async def test_deleting_runs_takes_their_parts_only(saver: RedisCheckpointer, redis: Redis, keys: Keys) -> None:
    """A run's checkpoints go from all its threads with their writes; what others share stays; no list of it stays."""
    value = [f"{number:>300}" for number in range(40)]
    config = await put_of_run(saver, thread("t"), "kept", list=value)
    mine = await put_of_run(saver, config, "mine", list=[*value, "mine" * 100])
    await saver.aput_writes(mine, [("a", "b")], "task")
    await put_of_run(saver, thread("t", "sub"), "mine", value=1)
    await put_of_run(saver, thread("other"), "mine", value=1)

    await saver.adelete_for_runs(["mine", "never was"])

    assert await values_of(saver, thread("t")) == {"list": value}
    assert await saver.aget_tuple(mine) is None
    assert await saver.aget_tuple(thread("t", "sub")) is None
    assert await orphans(redis, keys, "t") == []
    left = await names(redis, keys)
    assert not [name for name in left if "other" in name or "mine" in name]


@pytest.mark.parametrize("odd", ODD)
async def test_odd_names_are_kept_apart(saver: RedisCheckpointer, redis: Redis, keys: Keys, odd: str) -> None:
    """Any text but NUL is a thread, a namespace, a channel, a task or a run, and nobody else's."""
    await put(saver, thread("plain", "other"), value="theirs")
    config = await put_of_run(saver, thread(odd, odd), odd, **{odd: [odd * 300, odd], "x": 1})
    await saver.aput_writes(config, [(odd, odd)], odd, odd)

    read = await saver.aget_tuple(thread(odd, odd))
    assert read is not None
    assert read.checkpoint["channel_values"] == {odd: [odd * 300, odd], "x": 1}
    assert read.pending_writes == [(odd, odd, odd)]
    listed = [id_of(one.config, "thread_id") async for one in saver.alist(None)]
    assert sorted(listed) == sorted([odd, "plain"])
    await saver.adelete_for_runs([odd])
    assert await saver.aget_tuple(config) is None
    await put_of_run(saver, thread(odd, odd), odd, value=1)
    await saver.adelete_thread(odd)
    assert all("plain" in name for name in await names(redis, keys)) or odd == "plain"


async def test_an_installations_name_is_no_pattern(redis: Redis, keys: Keys) -> None:
    """A prefix with characters that mean something in a pattern finds its own threads, and no other's."""
    odd = RedisCheckpointer(redis, Keys(keys.tenant, keys.prefix + ":[a]*?"))
    await put(odd, thread("mine"), value=1)
    await put(RedisCheckpointer(redis, Keys(keys.tenant, keys.prefix + ":axy")), thread("theirs"), value=1)

    assert [id_of(one.config, "thread_id") async for one in odd.alist(None)] == ["mine"]


async def test_a_name_with_nul_is_refused(saver: RedisCheckpointer, redis: Redis, keys: Keys) -> None:
    """NUL, which ends names here, is refused wherever it stands, and nothing is stored."""
    for config in (thread("a\0b"), thread("a", "b\0c"), thread("a", checkpoint_id="b\0c")):
        with pytest.raises(InvalidInput):
            await put(saver, config, value=1)
        with pytest.raises(InvalidInput):
            await saver.aput_writes(config, [("a", 1)], "task")
    with pytest.raises(InvalidInput):
        await put(saver, thread("a"), **{"b\0c": 1})
    with pytest.raises(InvalidInput):
        await saver.aput_writes(thread("a", checkpoint_id="x"), [("a", 1)], "task\0", "")

    assert await names(redis, keys) == []


async def test_many_namespaces_and_channels(saver: RedisCheckpointer, redis: Redis, keys: Keys) -> None:
    """Hundreds of namespaces and thousands of channels of one thread are listed, pruned and deleted."""
    long = "n" * 5000
    config = await put(saver, thread("t", long), **{f"channel {number}": number for number in range(3000)})
    for number in range(300):
        await put(saver, thread("t", f"task:{number}"), value=number)

    listed = [one async for one in saver.alist({"configurable": {"thread_id": "t"}})]
    assert len(listed) == 301
    assert len(await values_of(saver, config)) == 3000
    await saver.aprune(["t"])
    assert len(await values_of(saver, config)) == 3000
    await saver.adelete_thread("t")
    assert await names(redis, keys) == []
