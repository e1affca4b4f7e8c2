"""What tests of the checkpointer share: checkpoints made by hand, a few graphs, and a look at what is stored."""

from __future__ import annotations

import logging
import operator
from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, Any, Literal
from uuid import uuid4

import pytest
from langchain_core.messages import AnyMessage
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import CheckpointTuple, empty_checkpoint
from langgraph.graph import START, StateGraph
from langgraph.graph.message import add_messages
from langgraph.graph.state import CompiledStateGraph
from langgraph.types import interrupt
from redis.asyncio import Redis
from typing_extensions import TypedDict

from motet.memory.ports import Claim
from motet.memory.redis.checkpoints import RedisCheckpointer
from motet.memory.redis.client import connect
from motet.memory.redis.keys import Keys

KIND_NODE = 1
"""First byte of a stored part that is a node; and of a stored value that is a tree of parts."""


class Log(TypedDict):
    log: Annotated[list[str], operator.add]


class Chat(TypedDict):
    messages: Annotated[list[AnyMessage], add_messages]


def thread(name: str | None = None, namespace: str = "", **more: str) -> RunnableConfig:
    return {"configurable": {"thread_id": name or str(uuid4()), "checkpoint_ns": namespace, **more}}


def checkpoint(**values: Any) -> Any:
    """A checkpoint with these channels, each at a version of its own."""
    made = empty_checkpoint()
    made["channel_values"] = values
    made["channel_versions"] = {name: f"1.{uuid4().hex}" for name in values}
    return made


def id_of(config: RunnableConfig | None, part: str = "checkpoint_id") -> str:
    return str((config or {}).get("configurable", {})[part])


async def put(saver: RedisCheckpointer, config: RunnableConfig, **values: Any) -> RunnableConfig:
    """Save these channels on top of `config`; all of them are new."""
    return await put_of_run(saver, config, "", **values)


async def put_of_run(saver: RedisCheckpointer, config: RunnableConfig, run_id: str, **values: Any) -> RunnableConfig:
    """The same on behalf of a run, unless its id is empty."""
    made = checkpoint(**values)
    metadata: Any = {"source": "loop", "step": 1} | ({"run_id": run_id} if run_id else {})
    return await saver.aput(config, made, metadata, made["channel_versions"])


async def claimed(redis: Redis, keys: Keys, run_id: str, thread_id: str = "t") -> Claim:
    """The thread's next claim, given out as the queue does it: from now on those before it are stale."""
    name = keys.epoch(thread_id)
    epoch = await redis.incr(name)
    await redis.expire(name, 600)
    return Claim(run_id=run_id, thread_id=thread_id, worker="w", epoch=epoch, attempt=1)


async def found(saver: RedisCheckpointer, config: RunnableConfig) -> CheckpointTuple:
    read = await saver.aget_tuple(config)
    assert read is not None
    return read


async def values_of(saver: RedisCheckpointer, config: RunnableConfig) -> dict[str, Any]:
    return (await found(saver, config)).checkpoint["channel_values"]


async def names(redis: Redis, keys: Keys) -> list[str]:
    """Every key there is under the prefix of `keys`, whatever the tenant."""
    return sorted([bytes(key).decode() async for key in redis.scan_iter(match=f"{keys.prefix}:*", count=1000)])


async def dump(redis: Redis, keys: Keys) -> dict[str, tuple[bytes | None, int]]:
    """Every key's content as bytes, and when it expires: to see that nothing changed."""
    return {name: (await redis.dump(name), await redis.pexpiretime(name)) for name in await names(redis, keys)}


async def orphans(redis: Redis, keys: Keys, thread_id: str) -> list[str]:
    """What is stored for a thread and reached from none of its checkpoints."""
    ids, _, values, elements, writes, _, _ = keys.checkpoints(thread_id)
    stored: Any = await redis.hgetall(values)
    parts: Any = await redis.hgetall(elements)
    known: Any = await redis.zrange(ids, 0, -1)
    places = {(ns, id) for ns, _, id in (member.split(b"\0", 2) for member in known)}
    reached: set[bytes] = set()
    for value in stored.values():
        open_ = [value[10:]] if value[0] == KIND_NODE else []
        while open_:
            text = open_.pop()
            for digest in (text[at : at + 16] for at in range(0, len(text), 16)):
                reached.add(digest)
                if parts[digest][0] == KIND_NODE:
                    open_.append(parts[digest][1:])
    pending: Any = await redis.zrange(writes, 0, -1)
    return [
        *(f"element {digest.hex()}" for digest in parts.keys() - reached),
        *(f"write {write[:60]!r}" for write in pending if tuple(write.split(b"\0", 2)[:2]) not in places),
    ]


async def commands_of(url: str, act: Callable[[], Awaitable[object]], client: Redis, keys: Keys) -> list[str]:
    """The commands that clients sent while `act` ran, with their keys, but for those of other tests."""
    watcher = await connect(url)
    seen: list[str] = []
    async with watcher.monitor() as monitor:
        await client.echo("begin")
        await act()
        await client.echo("end")
        async for command in monitor.listen():
            text = str(command["command"])
            words = text.split()
            if words[:2] == ["ECHO", "end"]:
                break
            if command["client_type"] != "lua" and (":{" not in text or keys.prefix in text):
                seen.append(words[0])
    await watcher.aclose()
    return seen[seen.index("ECHO") + 1 :]


def warnings_in(caplog: pytest.LogCaptureFixture) -> Sequence[str]:
    """Warnings of two writers."""
    return [
        one.getMessage() for one in caplog.records if one.levelno >= logging.WARNING and one.name.startswith("motet")
    ]


def asking(saver: RedisCheckpointer | Literal[True] | None, *, question: str = "?") -> CompiledStateGraph[Log]:
    """Before -> ask (waits for a person) -> after."""

    def ask(state: Log) -> dict[str, Any]:  # noqa: ARG001 - a node's signature
        return {"log": [f"{question}{interrupt(question)}"]}

    return chain(saver, step("before"), ("ask", ask), step("after"))


def step(name: str) -> tuple[str, Any]:
    """A node that logs its name."""

    def act(state: Log) -> dict[str, Any]:  # noqa: ARG001 - a node's signature
        return {"log": [name]}

    return name, act


def chain(saver: RedisCheckpointer | Literal[True] | None, *nodes: tuple[str, Any]) -> CompiledStateGraph[Log]:
    """These nodes, one after the other."""
    builder = StateGraph(Log)
    previous = START
    for name, node in nodes:
        builder.add_node(name, node)
        builder.add_edge(previous, name)
        previous = name
    return builder.compile(checkpointer=saver)
