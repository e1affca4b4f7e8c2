"""Whoever read a thread's newest checkpoint before is sent what is new, and has the whole state all the same."""

from __future__ import annotations

import copy
import random
from collections.abc import AsyncGenerator, Awaitable, Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytest_asyncio
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, ToolMessage
from langgraph.checkpoint.serde.base import SerializerProtocol
from redis.asyncio import Redis
from tests.memory.savers import found, put, thread, values_of
from tests.memory.wire import Wire, tapped

from motet.errors import DataDamaged
from motet.growing import Growing
from motet.memory.redis.checkpoint_reading import Reader, tuple_of
from motet.memory.redis.checkpoint_table import Place, Table
from motet.memory.redis.checkpoint_values import ValueFormat
from motet.memory.redis.checkpoints import RedisCheckpointer
from motet.memory.redis.client import connected
from motet.memory.redis.keys import Keys
from motet.memory.redis.lately import Lately
from motet.memory.redis.packed_messages import PackedMessages
from motet.memory.redis.read_messages import ReadMessages
from motet.memory.redis.scripts import Scripts
from motet.memory.serde import encrypted_serializer, state_serializer

TEXT = 350
AROUND = 3_000
"""Bytes of an answer beside messages: the checkpoint, its metadata and a node of each level."""


def said(count: int, first: int = 0) -> list[Any]:
    """Messages that are longer than `TEXT`, each another."""
    return [AIMessage(f"{number:>{TEXT}}", id=str(number)) for number in range(first, first + count)]


@pytest_asyncio.fixture(params=[False, True], ids=["plain", "encrypted"])
async def serde(request: pytest.FixtureRequest) -> SerializerProtocol:
    return encrypted_serializer(b"k" * 32) if request.param else state_serializer()


@pytest_asyncio.fixture
async def wire(redis_url: str, tmp_path: Path) -> AsyncGenerator[Wire]:
    async with tapped(redis_url, tmp_path) as tap:
        yield tap


@pytest_asyncio.fixture
async def reader(wire: Wire, keys: Keys, serde: SerializerProtocol) -> AsyncGenerator[RedisCheckpointer]:
    """A saver whose server is tapped."""
    async with connected(wire.url) as client:
        yield RedisCheckpointer(client, keys, serde)


@pytest.fixture
def writer(redis: Redis, keys: Keys, serde: SerializerProtocol) -> RedisCheckpointer:
    """The saver of another process."""
    return RedisCheckpointer(redis, keys, serde)


async def answered(wire: Wire, act: Callable[[], Awaitable[object]]) -> int:
    """Bytes that the server answered while `act` ran, in one round trip."""
    trips, before = wire.trips, wire.answered
    await act()
    assert wire.trips == trips + 1
    return wire.answered - before


@pytest.mark.parametrize(("had", "new"), [(8, 4), (180, 4), (250, 14), (300, 30), (16, 1)])
async def test_a_second_reading_is_sent_what_is_new(
    reader: RedisCheckpointer, writer: RedisCheckpointer, wire: Wire, had: int, new: int
) -> None:
    """However long a thread is, its next turn is sent no message again, whatever the tree of its list became."""
    messages = said(had + new)
    config = await put(writer, thread("t"), messages=messages[:had], other="x")
    await found(reader, thread("t"))  # from here on the server has seen each script
    await put(writer, config, messages=messages, other="y")
    read: list[Any] = []

    async def turn() -> None:
        read[:] = (await values_of(reader, thread("t")))["messages"]

    assert new * TEXT < await answered(wire, turn) < new * 2 * TEXT + AROUND
    assert read == messages
    assert await answered(wire, turn) < AROUND
    assert read == messages


async def test_who_knows_nothing_is_sent_everything(
    reader: RedisCheckpointer, writer: RedisCheckpointer, wire: Wire
) -> None:
    """A first reading, and one of a checkpoint by its id, has all that the server holds."""
    messages = said(180)
    config = await put(writer, thread("t"), messages=messages)
    await reader.aget_tuple(thread("never was"))

    assert await answered(wire, lambda: found(reader, thread("t"))) > 180 * TEXT
    assert await answered(wire, lambda: found(reader, thread("t"))) < AROUND
    assert await answered(wire, lambda: found(reader, config)) > 180 * TEXT


async def test_a_list_of_checkpoints_is_sent_what_is_new(
    reader: RedisCheckpointer, writer: RedisCheckpointer, wire: Wire
) -> None:
    """Ten checkpoints of a thread whose newest was read before come without the messages of that."""
    messages = said(190)
    config = await put(writer, thread("t"), messages=messages[:180])
    await found(reader, thread("t"))
    for length in range(181, 191):
        config = await put(writer, config, messages=messages[:length])
    listed: list[Any] = []

    before = wire.answered
    listed = [one.checkpoint["channel_values"]["messages"] async for one in reader.alist(thread("t"), limit=10)]

    assert listed == [messages[:length] for length in range(190, 180, -1)]
    assert wire.answered - before < 10 * (2 * TEXT + AROUND)


async def test_readings_share_nothing(reader: RedisCheckpointer, writer: RedisCheckpointer) -> None:
    """Whoever changes what was read of a thread, down to the last list, changes no later reading of it."""
    messages = [*said(40), HumanMessage("h", additional_kwargs={"deep": [{"er": [1]}]}), *said(1), *said(1)]
    await put(writer, thread("t"), messages=messages)
    for _ in range(3):
        read: list[AnyMessage] = (await values_of(reader, thread("t")))["messages"]
        assert read == messages
        assert len({id(one) for one in read}) == len(read)
        for one in read:
            one.content = "changed"
            one.additional_kwargs["changed"] = True
            one.__pydantic_fields_set__.add("changed")
            for part in one.additional_kwargs.get("deep", ()):
                part["er"].append("changed")


@pytest.mark.parametrize("seed", range(4))
async def test_whatever_becomes_of_a_list_is_read(
    reader: RedisCheckpointer, writer: RedisCheckpointer, seed: int
) -> None:
    """Lists on two threads that grow, shrink, change, repeat themselves or hold other things are read as they are."""
    choose = random.Random(seed)  # noqa: S311 - no secret
    lists: dict[str, list[Any]] = {"a": said(60), "b": said(60)}
    configs = {name: await put(writer, thread(name), messages=messages) for name, messages in lists.items()}

    def changed(old: list[Any]) -> list[Any]:
        at = choose.randrange(len(old) or 1)
        kinds: list[Callable[[], list[Any]]] = [
            lambda: [*old, *said(choose.randrange(1, 40), first=len(old))],
            lambda: [*old, *said(choose.randrange(1, 5), first=choose.randrange(1000))],
            lambda: [*old, HumanMessage(f"short {choose.random()}")],
            lambda: old[at:],
            lambda: old[:at],
            lambda: [*old[:at], *said(1, first=choose.randrange(1000)), *old[at + 1 :]],
            lambda: [*old, *old[:20]],
            lambda: [*old, "no message" * choose.randrange(50)],
            lambda: [one for one in old if isinstance(one, AIMessage)],
        ]
        return choose.choice(kinds)()

    for _ in range(40):
        name = choose.choice("ab")
        lists[name] = changed(lists[name])[-400:]
        configs[name] = await put(writer, configs[name], messages=lists[name], more=lists["a"])
        name = choose.choice("ab")
        assert (await values_of(reader, thread(name)))["messages"] == lists[name]


async def test_what_was_forgotten_in_between_is_read(
    redis: Redis, keys: Keys, writer: RedisCheckpointer, serde: SerializerProtocol
) -> None:
    """What memory has no room for is sent again; what it loses while the server answers is lost for the next only."""
    messages = said(60)
    await put(writer, thread("t"), messages=messages)
    place = Place("t", "")
    memory = ReadMessages(limit=200_000)
    format = ValueFormat(serde, PackedMessages(), memory, Growing())
    stored: Lately[str, bytes] = Lately(1000)
    reader = Reader(Table(redis, keys, Scripts(redis), ttl_s=None, refresh=False), memory, stored)

    def forget() -> None:
        for number in range(20):
            memory.note(f"other {number}".encode(), b"x" * 10_000, said(1), is_named=True)

    for loses in (False, False, True, False, True, True, False):
        (read,), parts = await reader.read(place, [""])
        stored.add(place.thread_id, parts)
        if loses:
            forget()
        assert tuple_of(place, read, parts, format).checkpoint["channel_values"]["messages"] == messages
        reader.note(place, read)
        forget()


async def test_what_was_pruned_is_not_taken_for_stored(redis: Redis, keys: Keys) -> None:
    """A list that memory knows and the server forgot is sent with the checkpoint that has it again, at once."""
    saver = RedisCheckpointer(redis, keys)
    messages = said(40)
    await put(saver, thread("t"), messages=messages)
    await found(saver, thread("t"))
    config = await put(saver, thread("t"), messages=messages[:2])
    await saver.aprune(["t"])
    await found(saver, thread("t"))

    await put(saver, config, messages=messages)

    assert saver.resent == 0
    assert (await values_of(RedisCheckpointer(redis, keys), thread("t")))["messages"] == messages


async def test_a_thread_that_was_made_again_is_another(
    reader: RedisCheckpointer, writer: RedisCheckpointer, redis: Redis, keys: Keys
) -> None:
    """After another process deleted a thread, nothing of it is read; what is written next is stored whole."""
    messages = said(40)
    await put(writer, thread("t"), messages=messages)
    await found(reader, thread("t"))

    await writer.adelete_thread("t")
    assert await reader.aget_tuple(thread("t")) is None

    await put(reader, thread("t"), messages=messages)
    await found(reader, thread("t"))
    await writer.adelete_thread("t")
    config = await put(writer, thread("t"), messages=messages[:20])
    assert (await values_of(reader, thread("t")))["messages"] == messages[:20]
    await put(reader, config, messages=[*messages[:20], *said(1, first=99)])

    fresh = RedisCheckpointer(redis, keys, writer.serde)
    assert (await values_of(fresh, thread("t")))["messages"] == [*messages[:20], *said(1, first=99)]


async def test_what_is_damaged_harms_nobody_who_has_it(redis: Redis, keys: Keys) -> None:
    """A part in memory is what its name says, whatever the server has now; a reading by id looks."""
    saver = RedisCheckpointer(redis, keys)
    messages = said(40)
    config = await put(saver, thread("t"), messages=messages)
    assert (await values_of(saver, thread("t")))["messages"] == messages
    elements = keys.checkpoints("t")[3]
    for digest in await redis.hkeys(elements):
        await redis.hset(elements, digest, b"\0damaged")

    assert (await values_of(saver, thread("t")))["messages"] == messages
    with pytest.raises(DataDamaged):
        await values_of(saver, config)
    with pytest.raises(DataDamaged):
        await values_of(RedisCheckpointer(redis, keys), thread("t"))


async def test_a_part_under_anothers_name_stays_where_it_is(redis: Redis, keys: Keys) -> None:
    """Whoever puts encrypted messages of a thread in each other's place on the server changes no other thread."""
    saver = RedisCheckpointer(redis, keys, encrypted_serializer(b"k" * 32))
    messages = said(2)
    for name in ("a", "b"):
        await put(saver, thread(name), messages=messages)
    assert (await values_of(saver, thread("b")))["messages"] == messages
    elements = keys.checkpoints("a")[3]
    one, two = await redis.hkeys(elements)
    held: Any = await redis.hgetall(elements)
    await redis.hset(elements, mapping={one: held[two], two: held[one]})
    await values_of(saver, thread("a"))

    assert (await values_of(saver, thread("b")))["messages"] == messages


async def test_an_array_in_a_message_comes_back_as_one(redis: Redis, keys: Keys) -> None:
    """What a message holds beside plain values is the same at each reading."""
    saver = RedisCheckpointer(redis, keys)
    array = np.arange(6).reshape(2, 3)
    message = ToolMessage("x" * TEXT, tool_call_id="c", artifact={"rows": [array]})
    await put(saver, thread("t"), messages=[message, copy.deepcopy(message)])

    for _ in range(3):
        for one in (await values_of(saver, thread("t")))["messages"]:
            assert isinstance(one.artifact["rows"][0], np.ndarray)
            np.testing.assert_array_equal(one.artifact["rows"][0], array)
