"""A worker that lost its run in the middle of a step stops at its next write, and nothing of it is stored."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from langgraph.graph import START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.types import Command, Send, interrupt
from redis.asyncio import Redis
from tests.memory.savers import Log, asking, chain, claimed, dump, names, step, thread

from motet.errors import StaleClaim
from motet.memory.redis.checkpoints import RedisCheckpointer
from motet.memory.redis.keys import Keys

Node = tuple[str, Any]


def alone(saver: RedisCheckpointer, loses: Node) -> CompiledStateGraph[Log]:
    return chain(saver, step("before"), loses, step("after"), step("last"))


def nested(saver: RedisCheckpointer, loses: Node) -> CompiledStateGraph[Log]:
    return chain(saver, step("first"), ("sub", chain(None, step("before"), loses, step("after"))), step("last"))


def remembering(saver: RedisCheckpointer, loses: Node) -> CompiledStateGraph[Log]:
    return chain(saver, ("sub", chain(True, ("deeper", chain(None, loses, step("after"))))), step("last"))


def beside(saver: RedisCheckpointer, loses: Node) -> CompiledStateGraph[Log]:
    """Two tasks side by side: the one that has nothing to do with the loss writes after it."""

    async def later(state: Log) -> dict[str, Any]:  # noqa: ARG001 - a node's signature
        for _ in range(20):
            await asyncio.sleep(0)
        return {"log": ["later"]}

    builder = StateGraph(Log)
    for name, node in (loses, ("later", later), step("early")):
        builder.add_node(name, node)
        builder.add_edge(START, name)
    builder.add_node(*step("after"))
    builder.add_edge([loses[0], "later"], "after")
    return builder.compile(checkpointer=saver)


def fanned(saver: RedisCheckpointer, loses: Node) -> CompiledStateGraph[Log]:
    """Many sub-graphs at once, each of which loses the claim."""
    builder = StateGraph(Log)
    builder.add_node("sub", chain(None, loses, step("inner")))
    builder.add_conditional_edges(START, lambda _: [Send("sub", {"log": []}) for _ in range(5)])
    return builder.compile(checkpointer=saver)


GRAPHS: dict[str, Callable[[RedisCheckpointer, Node], CompiledStateGraph[Log]]] = {
    made.__name__: made for made in (alone, nested, remembering, beside, fanned)
}


@pytest.mark.parametrize("built", GRAPHS.values(), ids=GRAPHS.keys())
@pytest.mark.parametrize("durability", ["sync", "async", "exit"])
@pytest.mark.parametrize("ending", ["returns", "asks", "fails"])
async def test_a_zombie_stores_nothing(
    redis: Redis,
    keys: Keys,
    built: Callable[[RedisCheckpointer, Node], CompiledStateGraph[Log]],
    durability: Any,
    ending: str,
) -> None:
    """However a step ends in which the run was taken over, its graph ends there with an error and leaves no trace."""
    saver = RedisCheckpointer(redis, keys)
    taken: list[asyncio.Future[Any]] = []

    async def take_over() -> Any:
        await claimed(redis, keys, "another")
        return await dump(redis, keys)

    async def lose(state: Log) -> dict[str, Any]:  # noqa: ARG001 - a node's signature
        if not taken:
            taken.append(asyncio.ensure_future(take_over()))
            await asyncio.shield(taken[0])
        if ending == "asks":
            interrupt("?")
        if ending == "fails":
            raise ConnectionError("down")
        return {"log": ["lost"]}

    graph = built(saver.for_claim(await claimed(redis, keys, "run")), ("lose", lose))
    # Where a node fails, LangGraph tells its error rather than that it couldn't be stored.
    with pytest.raises((StaleClaim, ConnectionError) if ending == "fails" else StaleClaim):
        await graph.ainvoke({"log": ["in"]}, thread("t"), durability=durability)

    assert await dump(redis, keys) == await taken[0]
    if await redis.exists(keys.checkpoints("t")[0]):
        await saver.adelete_thread("t")


async def test_a_zombies_answer_is_not_given(redis: Redis, keys: Keys) -> None:
    """A worker that was paused between its claim and its first write can't answer a question in a newer one's place."""
    saver = RedisCheckpointer(redis, keys)
    paused = saver.for_claim(await claimed(redis, keys, "paused"))
    await asking(paused).ainvoke({"log": []}, thread("t"))
    await claimed(redis, keys, "newer")
    before = await dump(redis, keys)

    with pytest.raises(StaleClaim):
        await asking(paused).ainvoke(Command(resume="yes"), thread("t"), durability="sync")

    assert await dump(redis, keys) == before
    assert (await asking(saver).aget_state(thread("t"))).tasks[0].interrupts
    assert await names(redis, keys)
