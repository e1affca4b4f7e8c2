"""What is special about two engines: a cluster, where keys live on different nodes, and a user who may not do all."""

from __future__ import annotations

import operator
from collections import defaultdict
from typing import Annotated, Any, cast
from uuid import uuid4

import pytest
from langchain_core.runnables import RunnableConfig
from langgraph.graph import START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.types import Command, interrupt
from redis.asyncio import Redis
from redis.exceptions import ResponseError
from tests.conformance.conftest import Engine
from tests.engines import FORBIDDEN, NODES, ports_of
from typing_extensions import TypedDict

from motet.memory.redis.checkpoints import RedisCheckpointer
from motet.memory.redis.keys import Keys

pytestmark = pytest.mark.all

on_the_cluster = pytest.mark.parametrize("engine", ["cluster"], indirect=True, scope="session")
as_the_restricted_user = pytest.mark.parametrize("engine", ["restricted"], indirect=True, scope="session")

ARGUMENTS = {
    "KEYS": ("*",),
    "CONFIG": ("GET", "maxmemory"),
    "DEBUG": ("SLEEP", "0"),
    "MIGRATE": ("127.0.0.1", "1", "key", "0", "1"),
    "SCRIPT": ("LOAD", "return 1"),
}


class State(TypedDict):
    log: Annotated[list[str], operator.add]


def asking(saver: RedisCheckpointer) -> CompiledStateGraph[State]:
    """A graph whose sub-graph asks a person."""

    async def ask(state: State) -> dict[str, Any]:  # noqa: ARG001 - a node's signature
        return {"log": [f"answered {interrupt('which one?')}"]}

    async def finish(state: State) -> dict[str, Any]:
        return {"log": [f"finished after {len(state['log'])}"]}

    inner = StateGraph(State)
    inner.add_node("ask", ask)
    inner.add_edge(START, "ask")
    outer = StateGraph(State)
    outer.add_node("inner", inner.compile())
    outer.add_node("finish", finish)
    outer.add_edge(START, "inner")
    outer.add_edge("inner", "finish")
    return outer.compile(checkpointer=saver)


def run(thread: str, run_id: str) -> RunnableConfig:
    return {"configurable": {"thread_id": thread}, "metadata": {"run_id": run_id}}


async def stored(url: str, pattern: str) -> dict[int, list[tuple[str, int]]]:
    """Names and slots of the keys on each node of a cluster, by the node's port."""
    found: dict[int, list[tuple[str, int]]] = defaultdict(list)
    for port in await ports_of(url):
        node = Redis(host="127.0.0.1", port=port, protocol=2)
        async for name in node.scan_iter(match=pattern, count=1000):
            slot = cast("int", await node.execute_command("CLUSTER", "KEYSLOT", name))
            found[port].append((bytes(name).decode(), slot))
        await node.aclose()
    return found


@on_the_cluster
async def test_a_question_is_asked_and_answered_on_a_cluster(
    saver: RedisCheckpointer, client: Redis, keys: Keys
) -> None:
    """A graph stops at a question inside a sub-graph and goes on in a saver made later, without a cross-slot call."""
    config = run("asked", "run-1")
    waiting = await asking(saver).ainvoke({"log": ["in"]}, config)

    done = await asking(RedisCheckpointer(client, keys)).ainvoke(
        Command(resume={waiting["__interrupt__"][0].id: "the red"}), config
    )

    assert done["log"][-2:] == ["answered the red", "finished after 3"]
    assert len([state async for state in asking(saver).aget_state_history(config)]) == 4


@on_the_cluster
async def test_a_thread_lives_in_one_slot_and_threads_on_all_nodes(
    saver: RedisCheckpointer, engine: Engine, keys: Keys
) -> None:
    """Every key that names a thread is in the thread's slot; the threads are spread over the nodes."""
    threads = [f"thread-{uuid4()}" for _ in range(12)]
    for number, thread in enumerate(threads):
        await asking(saver).ainvoke({"log": ["in"]}, run(thread, f"run-{number}"))

    nodes = await stored(engine.url, f"{keys.prefix}:*")

    assert len(nodes) == NODES
    for thread in threads:
        named = [(name, slot) for node in nodes.values() for name, slot in node if thread in name]
        assert len(named) > 2
        assert len({slot for _, slot in named}) == 1


@on_the_cluster
async def test_nothing_stays_on_any_node(saver: RedisCheckpointer, engine: Engine, keys: Keys) -> None:
    """Deleting by run and by thread reaches every node."""
    threads = [str(uuid4()) for _ in range(9)]
    for thread in threads:
        await asking(saver).ainvoke({"log": ["in"]}, run(thread, "one-run"))
    assert len([read async for read in saver.alist(None)]) >= 2 * len(threads)

    await saver.adelete_for_runs(["one-run"])
    assert [read async for read in saver.alist(None)] == []
    for thread in threads:
        await saver.adelete_thread(thread)

    assert await stored(engine.url, f"{keys.prefix}:*") == {}


@as_the_restricted_user
@pytest.mark.parametrize("command", FORBIDDEN)
async def test_the_restricted_user_is_restricted(client: Redis, command: str) -> None:
    """The suite's success means something: the server refuses these commands to the user it ran as."""
    with pytest.raises(ResponseError, match=r"no permissions|not allowed"):
        await client.execute_command(command, *ARGUMENTS[command])


@as_the_restricted_user
async def test_scripts_are_loaded_without_the_command_that_is_refused(saver: RedisCheckpointer, client: Redis) -> None:
    """A server that has forgotten every script gets them again, from a user who may not load any."""
    config = run("again", "run-1")
    await asking(saver).ainvoke({"log": ["in"]}, config)
    forgetting = Redis.from_url(f"unix://{client.connection_pool.connection_kwargs['path']}", protocol=2)
    await forgetting.script_flush()
    await forgetting.aclose()

    assert (await asking(saver).aget_state(config)).values["log"] == ["in"]
