"""Whatever path a conversation takes, with channels stored whole and as deltas, its states are those of the oracle."""

from __future__ import annotations

import asyncio
import operator
from collections.abc import Sequence
from typing import Annotated, Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from langchain_core.runnables import RunnableConfig
from langgraph.channels.delta import DeltaChannel
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, StateGraph
from langgraph.types import Command, interrupt
from tests.memory.savers import id_of, orphans, thread
from typing_extensions import TypedDict

from motet.memory.redis.checkpoints import RedisCheckpointer
from motet.memory.redis.client import connect
from motet.memory.redis.keys import Keys


def appended(state: list[str], writes: Sequence[list[str]]) -> list[str]:
    return [*state, *(text for write in writes for text in write)]


class Kept(TypedDict):
    delta: Annotated[list[str], DeltaChannel(appended, list, snapshot_frequency=3)]
    rare: Annotated[list[str], DeltaChannel(appended, list, snapshot_frequency=1000)]
    whole: Annotated[list[str], operator.add]


def one(state: Kept) -> dict[str, Any]:
    return {"delta": [f"d{len(state['whole'])}"], "whole": ["w" * 300]}


def other(state: Kept) -> dict[str, Any]:
    return {"delta": ["e"], "rare": [f"r{len(state['rare'])}"]}


def ask(state: Kept) -> dict[str, Any]:  # noqa: ARG001 - a node's signature
    return {"rare": [interrupt("?")]}


Move = tuple[str, int, str]

moves = st.tuples(
    st.sampled_from(["say", "say", "answer", "travel", "update", "fork"]),
    st.integers(0, 30),
    st.sampled_from(["sync", "async", "exit"]),
)


def built(saver: BaseCheckpointSaver[Any]) -> Any:
    builder = StateGraph(Kept)
    for name, node in (("one", one), ("other", other), ("ask", ask)):
        builder.add_node(name, node)
    builder.add_edge(START, "one")
    builder.add_edge(START, "other")
    builder.add_edge("one", "ask")
    return builder.compile(checkpointer=saver)


async def moved(graph: Any, config: RunnableConfig, move: Move) -> None:
    """Do one thing to the thread."""
    kind, at, durability = move
    past = [state async for state in graph.aget_state_history(config)]
    then = past[at % len(past)].config if past else config
    if kind == "say" or not past:
        await graph.ainvoke({"delta": ["in"], "rare": ["in"], "whole": ["in"]}, config, durability=durability)
    elif kind == "answer":
        await graph.ainvoke(Command(resume="yes"), config, durability=durability)
    elif kind == "travel":
        await graph.ainvoke(None, then, durability=durability)
    elif kind == "update":
        await graph.aupdate_state(config, {"delta": ["u"], "rare": ["u"]}, as_node="other")
    else:
        await graph.aupdate_state(then, {"delta": ["f"], "whole": ["f"]}, as_node="one")


async def told(graph: Any, config: RunnableConfig) -> list[Any]:
    """Each state of the thread, newest first, without what is made by chance."""
    return [
        (state.values, state.next, (state.metadata or {}).get("step"), [task.error for task in state.tasks])
        async for state in graph.aget_state_history(config)
    ]


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(path=st.lists(moves, min_size=1, max_size=6))
def test_every_path_gives_the_oracles_states(path: list[Move], redis_url: str, keys: Keys) -> None:
    """After any conversation, forks included, history, a copy's history and what a prune leaves are the oracle's."""

    async def act() -> None:
        client = await connect(redis_url)
        saver = RedisCheckpointer(client, keys, ttl_s=60)
        mine, oracle, config = built(saver), built(InMemorySaver()), thread()
        name = id_of(config, "thread_id")
        for move in [("say", 0, "sync"), *path]:
            await moved(mine, config, move)
            await moved(oracle, config, move)
        expected = await told(oracle, config)

        assert await told(mine, config) == expected
        await saver.acopy_thread(name, "copy")
        fresh = built(RedisCheckpointer(client, keys))
        assert await told(fresh, thread("copy")) == expected
        await saver.aprune([name])
        kept = await fresh.aget_state(config)
        assert (kept.values, kept.next) == expected[0][:2]
        assert await orphans(client, keys, name) == []
        for one_ in (name, "copy"):
            await saver.adelete_thread(one_)
        await client.aclose()

    asyncio.run(act())
