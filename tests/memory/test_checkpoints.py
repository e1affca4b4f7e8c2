"""The checkpointer: LangGraph's contract, what a crash leaves, and what a save costs."""

from __future__ import annotations

import asyncio
import operator
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, cast

import pytest
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage
from langchain_core.runnables import RunnableConfig
from langgraph.channels.delta import DeltaChannel
from langgraph.checkpoint.serde.types import INTERRUPT
from langgraph.graph import END, START, StateGraph
from langgraph.graph.message import add_messages
from langgraph.graph.state import CompiledStateGraph
from langgraph.types import Command, interrupt
from redis.asyncio import Redis
from tests.memory.savers import checkpoint, commands_of, found, id_of, put, thread
from typing_extensions import TypedDict

from motet.errors import StoreUnavailable
from motet.memory.redis.checkpoints import RedisCheckpointer
from motet.memory.redis.client import connect
from motet.memory.redis.embedded import EmbeddedRedis
from motet.memory.redis.keys import Keys


class State(TypedDict):
    log: Annotated[list[str], operator.add]
    messages: Annotated[list[AnyMessage], add_messages]


def appended(state: list[str], writes: Sequence[list[str]]) -> list[str]:
    return [*state, *(text for write in writes for text in write)]


class DeltaState(TypedDict):
    log: Annotated[list[str], DeltaChannel(appended, list)]


def asking_graph(saver: RedisCheckpointer) -> CompiledStateGraph[State]:
    """Prepare -> ask (waits for a person) -> finish."""

    async def prepare(state: State) -> dict[str, Any]:  # noqa: ARG001 - a node's signature
        return {"log": ["prepared"], "messages": [AIMessage("which one?", id="q")]}

    async def ask(state: State) -> dict[str, Any]:  # noqa: ARG001 - a node's signature
        answer = interrupt({"question": "which one?"})
        return {"log": [f"answered {answer}"]}

    async def finish(state: State) -> dict[str, Any]:  # noqa: ARG001 - a node's signature
        return {"log": ["finished"]}

    builder = StateGraph(State)
    builder.add_node("prepare", prepare)
    builder.add_node("ask", ask)
    builder.add_node("finish", finish)
    builder.add_edge(START, "prepare")
    builder.add_edge("prepare", "ask")
    builder.add_edge("ask", "finish")
    builder.add_edge("finish", END)
    return builder.compile(checkpointer=saver)


@pytest.fixture
def saver(redis: Redis, keys: Keys) -> RedisCheckpointer:
    return RedisCheckpointer(redis, keys)


async def test_a_question_is_answered_through_another_saver(saver: RedisCheckpointer, redis: Redis, keys: Keys) -> None:
    """A run that waits for a person goes on in a saver made later, from the id of its interrupt."""
    config = thread()
    waiting = await asking_graph(saver).ainvoke({"log": [], "messages": [HumanMessage("hi", id="h")]}, config)
    asked = waiting["__interrupt__"][0]
    assert asked.value == {"question": "which one?"}

    done = await asking_graph(RedisCheckpointer(redis, keys)).ainvoke(Command(resume={asked.id: "the red"}), config)

    assert done["log"] == ["prepared", "answered the red", "finished"]
    assert [message.id for message in done["messages"]] == ["h", "q"]


async def test_history_is_newest_first_and_each_step_is_the_next_ones_parent(saver: RedisCheckpointer) -> None:
    """The state's history walks back from the end to the input without a gap."""
    config = thread()
    graph = asking_graph(saver)
    waiting = await graph.ainvoke({"log": ["start"], "messages": []}, config)
    await graph.ainvoke(Command(resume={waiting["__interrupt__"][0].id: "x"}), config)

    history = [state async for state in graph.aget_state_history(config)]

    assert [(state.metadata or {}).get("step") for state in history] == [3, 2, 1, 0, -1]
    assert [len(state.values.get("log", [])) for state in history] == [4, 3, 2, 1, 0]
    assert [id_of(state.parent_config) for state in history[:-1]] == [id_of(state.config) for state in history[1:]]
    assert history[-1].parent_config is None


async def test_a_branch_does_not_change_the_history_it_left(saver: RedisCheckpointer) -> None:
    """Going on from an old checkpoint with another answer keeps both answers apart."""
    config = thread()
    graph = asking_graph(saver)
    waiting = await graph.ainvoke({"log": [], "messages": []}, config)
    at_question = (await graph.aget_state(config)).config
    await graph.ainvoke(Command(resume={waiting["__interrupt__"][0].id: "red"}), config)
    red = (await graph.aget_state(config)).config

    branch = await graph.aupdate_state(at_question, {"log": ["answered blue"]}, as_node="ask")
    await graph.ainvoke(None, branch)

    assert (await graph.aget_state(config)).values["log"] == ["prepared", "answered blue", "finished"]
    assert (await graph.aget_state(red)).values["log"] == ["prepared", "answered red", "finished"]


async def test_a_sub_graph_keeps_its_own_line(saver: RedisCheckpointer) -> None:
    """A sub-graph that asks is resumed where it stood, and its state is found from the parent's."""
    inner = asking_graph(cast("Any", None))
    builder = StateGraph(State)
    builder.add_node("inner", inner)
    builder.add_edge(START, "inner")
    outer = builder.compile(checkpointer=saver)
    config = thread()
    waiting = await outer.ainvoke({"log": [], "messages": []}, config)
    state = await outer.aget_state(config, subgraphs=True)
    assert state.tasks[0].state is not None
    assert getattr(state.tasks[0].state, "next", None) == ("ask",)

    done = await outer.ainvoke(Command(resume={waiting["__interrupt__"][0].id: "x"}), config)

    assert done["log"] == ["prepared", "answered x", "finished"]


async def test_a_delta_channel_is_rebuilt(saver: RedisCheckpointer, redis: Redis, keys: Keys) -> None:
    """A channel that stores only its writes has its whole value in a saver made later, and at each old step."""

    def step(state: DeltaState) -> dict[str, Any]:
        return {"log": [f"step {len(state['log'])}"]}

    builder = StateGraph(DeltaState)
    builder.add_node("step", step)
    builder.add_edge(START, "step")
    config = thread("delta")
    for number in range(4):
        await builder.compile(checkpointer=saver).ainvoke({"log": [f"input {number}"]}, config)

    graph = builder.compile(checkpointer=RedisCheckpointer(redis, keys))
    assert (await graph.aget_state(config)).values["log"] == [
        *("input 0", "step 1", "input 1", "step 3", "input 2", "step 5", "input 3", "step 7"),
    ]
    sizes = [len(state.values.get("log", [])) async for state in graph.aget_state_history(config)]
    assert sizes == [8, 7, 6, 6, 5, 4, 4, 3, 2, 2, 1, 0]
    stored = cast("list[bytes]", await redis.hkeys(keys.checkpoints("delta")[2]))
    assert not [name for name in stored if name.startswith(b"\0log")]


async def test_another_process_sees_the_thread(redis_url: str, keys: Keys, saver: RedisCheckpointer) -> None:
    """What one process saved is what another process reads, and the other way round."""
    config = thread("shared")
    await put(saver, config, from_here="yes")
    script = (
        "import asyncio, sys\n"
        "from langgraph.checkpoint.base import empty_checkpoint\n"
        "from motet.memory.redis.checkpoints import RedisCheckpointer\n"
        "from motet.memory.redis.keys import Keys\n"
        "async def main():\n"
        "    async with RedisCheckpointer.from_url(sys.argv[1], Keys(sys.argv[2], sys.argv[3])) as saver:\n"
        "        config = {'configurable': {'thread_id': 'shared', 'checkpoint_ns': ''}}\n"
        "        seen = await saver.aget_tuple(config)\n"
        "        new = empty_checkpoint() | {'channel_values': {'seen': seen.checkpoint['channel_values']},\n"
        "                                    'channel_versions': {'seen': '1'}}\n"
        "        await saver.aput(seen.config, new, {}, {'seen': '1'})\n"
        "asyncio.run(main())\n"
    )
    other = await asyncio.create_subprocess_exec(
        sys.executable, "-W", "error", "-c", script, redis_url, keys.tenant, keys.prefix
    )
    assert await other.wait() == 0

    assert (await found(saver, config)).checkpoint["channel_values"] == {"seen": {"from_here": "yes"}}


async def test_a_killed_server_loses_no_checkpoint(tmp_path: Path, keys: Keys) -> None:
    """After kill -9 of the server and its restart, a new saver reads the last checkpoint and its writes."""
    config = thread()
    embedded = EmbeddedRedis(tmp_path)
    async with embedded as url:
        async with RedisCheckpointer.from_url(url, keys) as saver:
            for number in range(20):
                config = await put(saver, config, number=number)
            await saver.aput_writes(config, [("number", 20)], "task")
        probe = await connect(url)
        pid = int((await probe.info("server"))["process_id"])
        await probe.aclose()
        os.kill(pid, signal.SIGKILL)
        await embedded.ensure()

        async with RedisCheckpointer.from_url(url, keys) as saver:
            last = await found(saver, config)

    assert last.checkpoint["channel_values"] == {"number": 19}
    assert last.pending_writes == [("task", "number", 20)]


async def test_each_operation_is_one_round_trip(
    saver: RedisCheckpointer, redis_url: str, redis: Redis, keys: Keys
) -> None:
    """A save, a task's writes and a read cost one command each, whatever they carry."""
    config = await put(saver, thread(), warm="up")
    await saver.aput_writes(config, [("a", 1)], "task")
    await saver.aget_tuple(config)
    many = {f"channel{number}": [number] * 10 for number in range(50)}
    operations: list[Callable[[], Awaitable[object]]] = [
        lambda: put(saver, config, **many),
        lambda: saver.aput_writes(config, list(many.items()), "other"),
        lambda: saver.aget_tuple(config),
        lambda: saver.aget_tuple(thread(id_of(config, "thread_id"))),
    ]

    for operation in operations:
        assert await commands_of(redis_url, operation, redis, keys) == ["EVALSHA"]


async def test_an_unchanged_value_is_stored_once(saver: RedisCheckpointer, redis: Redis, keys: Keys) -> None:
    """Checkpoints that don't change a channel share its value."""
    config = thread("once")
    for _ in range(5):
        made = checkpoint(big="x" * 10_000)
        made["channel_versions"] = {"big": "1"}
        config = await saver.aput(config, made, {}, {"big": "1"})

    assert await redis.hlen(keys.checkpoints("once")[2]) == 1
    assert len([read async for read in saver.alist(thread("once"))]) == 5


async def test_a_checkpoint_is_never_visible_before_earlier_writes(saver: RedisCheckpointer) -> None:
    """Whoever sees a checkpoint sees the writes handed over before it, however large they are."""
    first = await put(saver, thread(), start=True)
    writing = asyncio.ensure_future(saver.aput_writes(first, [("big", "x" * 8_000_000)], "task"))
    putting = asyncio.ensure_future(put(saver, first, end=True))
    newest = thread(id_of(first, "thread_id"))
    while (await found(saver, newest)).checkpoint["channel_values"] != {"end": True}:
        if putting.done():
            putting.result()

    assert (await found(saver, first)).pending_writes
    await asyncio.gather(writing, putting)


async def test_writes_come_back_in_the_order_of_execution(saver: RedisCheckpointer) -> None:
    """Pending writes are sorted by task path, task and index, whoever finished first."""
    config = await put(saver, thread(), start=True)
    await saver.aput_writes(config, [("c", index) for index in range(12)], "task-a", "~2")
    await saver.aput_writes(config, [("c", "first")], "task-z", "~1")

    writes = (await found(saver, config)).pending_writes

    assert writes == [("task-z", "c", "first"), *(("task-a", "c", index) for index in range(12))]


async def test_special_writes_are_replaced_and_others_kept(saver: RedisCheckpointer) -> None:
    """A second interrupt of a task replaces its first; a second ordinary write is ignored."""
    config = await put(saver, thread(), start=True)
    for attempt in ("first", "second"):
        await saver.aput_writes(config, [(INTERRUPT, attempt), ("plain", attempt)], "task")

    assert (await found(saver, config)).pending_writes == [("task", INTERRUPT, "second"), ("task", "plain", "first")]


async def test_listing_without_a_thread_lists_the_tenants(redis: Redis, keys: Keys, saver: RedisCheckpointer) -> None:
    """Without a config, every thread and namespace of the tenant is listed, newest first, and no other tenant's."""
    configs = [
        await put(saver, thread("b")),
        await put(saver, thread("a", checkpoint_ns="child|x}:ns")),
        await put(saver, thread("a")),
    ]
    await put(RedisCheckpointer(redis, Keys(keys.tenant + "2", keys.prefix)), thread("c"))

    assert [read.config async for read in saver.alist(None)] == configs[::-1]
    assert [read.config async for read in saver.alist(None, limit=1)] == configs[:1:-1]


async def test_a_limit_counts_what_fits(saver: RedisCheckpointer) -> None:
    """Filter, `before` and limit together find the newest that fit, across more than one page."""
    config = thread()
    configs: list[RunnableConfig] = []
    for number in range(230):
        made = checkpoint()
        metadata: Any = {"source": "loop", "step": number, "even": number % 2 == 0}
        config = await saver.aput(config, made, metadata, {})
        configs.append(config)
    name = thread(id_of(config, "thread_id"))

    newest_even = [read.metadata.get("step") async for read in saver.alist(name, filter={"even": True}, limit=120)]
    older = [read.metadata.get("step") async for read in saver.alist(name, before=configs[3], limit=2)]

    assert newest_even == list(range(228, -1, -2))
    assert older == [2, 1]
    assert [read.config async for read in saver.alist(configs[5], limit=1)] == [configs[5]]


async def test_a_deleted_thread_leaves_no_key(saver: RedisCheckpointer, redis: Redis, keys: Keys) -> None:
    """Deleting a thread removes all its keys and nobody else's."""
    for name in ("gone", "kept"):
        config = await put(saver, thread(name), value=1)
        await put(saver, thread(name, checkpoint_ns="sub"), value=1)
        await saver.aput_writes(config, [("value", 2)], "task")

    await saver.adelete_thread("gone")

    left = [bytes(key).decode() async for key in redis.scan_iter(match=f"{keys.prefix}:*")]
    assert left
    assert all("kept}" in key for key in left)


async def test_tenants_do_not_see_each_other(redis: Redis, keys: Keys, saver: RedisCheckpointer) -> None:
    """The same thread id under another tenant is another thread."""
    await put(saver, thread("same"), secret=1)

    assert await RedisCheckpointer(redis, Keys(keys.tenant + "2", keys.prefix)).aget_tuple(thread("same")) is None


async def test_a_lost_server_is_said_as_such(tmp_path: Path) -> None:
    """When Redis is gone, a save fails as unavailable, naming no key and no library."""
    async with EmbeddedRedis(tmp_path) as url:
        client = await connect(url)
    with pytest.raises(StoreUnavailable):
        await put(RedisCheckpointer(client, Keys()), thread(), value=1)
    await client.aclose()
