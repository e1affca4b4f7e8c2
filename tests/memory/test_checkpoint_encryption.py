"""Encrypted state is shared by its elements, shows nothing of them, and damage of any state is said."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage
from langgraph.checkpoint.serde.encrypted import EncryptedSerializer
from redis.asyncio import Redis
from tests.memory.savers import checkpoint, found, id_of, put, thread, values_of

from motet.errors import DataDamaged, InvalidConfig
from motet.memory.redis.checkpoint_parts import LEAF
from motet.memory.redis.checkpoints import RedisCheckpointer
from motet.memory.redis.keys import Keys
from motet.memory.serde import encrypted_serializer, state_serializer

KEY = b"0123456789abcdef"
SECRET = "the combination is 12345"
TEXTS = [f"{SECRET} {number:>300}" for number in range(40)]


async def stored(redis: Redis, keys: Keys, thread_id: str) -> list[bytes]:
    """Every name and value that a thread's keys hold."""
    ids, records, values, elements, writes, runs, _ = keys.checkpoints(thread_id)
    found_: list[bytes] = []
    for name in (records, values, elements):
        held: Any = await redis.hgetall(name)
        found_ += [*held, *held.values()]
    for name in (ids, writes):
        members: Any = await redis.zrange(name, 0, -1)
        found_ += members
    members = await redis.smembers(runs)
    return [*found_, *members]


async def test_nothing_that_is_encrypted_can_be_read_or_guessed(redis: Redis, keys: Keys) -> None:
    """Neither a text nor the hash of one, which would confirm a guess, is in the store."""
    saver = RedisCheckpointer(redis, keys, encrypted_serializer(KEY))
    message = AIMessage(SECRET + "x" * 300)
    config = await put(saver, thread("t"), list=TEXTS, messages=[message, HumanMessage(SECRET)], one=SECRET)
    await saver.aput_writes(config, [("list", TEXTS)], "task")

    everything = await stored(redis, keys, "t")

    assert not [one for one in everything if SECRET.encode() in one]
    _, packed = state_serializer().dumps_typed([TEXTS[0]])
    unkeyed = blake2b(packed[1:], digest_size=16, person=LEAF).digest()
    assert not [one for one in everything if unkeyed in one]
    assert (await values_of(saver, config))["list"] == TEXTS


async def test_equal_elements_are_recognised_under_one_key(redis: Redis, keys: Keys) -> None:
    """Another process with the same key stores what it adds; with another cipher's key it is only a second copy."""
    config = await put(RedisCheckpointer(redis, keys, encrypted_serializer(KEY)), thread("t"), list=TEXTS)
    elements = keys.checkpoints("t")[3]
    before = await redis.hlen(elements)

    second = RedisCheckpointer(redis, keys, encrypted_serializer(KEY))
    config = await put(second, config, list=[*TEXTS, "x" * 300])

    assert await redis.hlen(elements) == before + 2
    third = RedisCheckpointer(redis, keys, encrypted_serializer(KEY))
    assert (await values_of(third, config))["list"] == [*TEXTS, "x" * 300]


async def test_langgraphs_own_cipher_works(redis: Redis, keys: Keys) -> None:
    """`EncryptedSerializer.from_pycryptodome_aes` saves and reads lists across savers, and keeps them secret."""

    def serde() -> EncryptedSerializer:
        return EncryptedSerializer.from_pycryptodome_aes(state_serializer(), key=KEY)

    config = await put(RedisCheckpointer(redis, keys, serde()), thread("t"), list=TEXTS)
    second = RedisCheckpointer(redis, keys, serde())
    config = await put(second, config, list=[*(await values_of(second, config))["list"], "x"])

    assert (await values_of(RedisCheckpointer(redis, keys, serde()), config))["list"] == [*TEXTS, "x"]
    assert not [one for one in await stored(redis, keys, "t") if SECRET.encode() in one]


async def test_a_key_may_be_set_on_a_store_in_use(redis: Redis, keys: Keys) -> None:
    """What was stored before there was a key is read, and whatever is written from then on is encrypted."""
    plain = RedisCheckpointer(redis, keys)
    messages = [AIMessage("x" * 300, id=str(number)) for number in range(3)]
    config = await put(plain, thread("t"), list=TEXTS, messages=messages)
    saver = RedisCheckpointer(redis, keys, encrypted_serializer(KEY))

    read = await values_of(saver, config)
    assert read == {"list": TEXTS, "messages": messages}
    await put(saver, config, list=[*read["list"], "new"], messages=[*read["messages"], HumanMessage("y" * 300)])
    await saver.aprune(["t"])

    everything = await stored(redis, keys, "t")
    assert not [one for one in everything if SECRET.encode() in one or b"x" * 100 in one]
    assert (await values_of(saver, thread("t")))["list"] == [*TEXTS, "new"]


@pytest.mark.parametrize("value", [TEXTS, SECRET], ids=["list", "text"])
@pytest.mark.parametrize("reader", [None, encrypted_serializer(b"another key ....")], ids=["no key", "another key"])
async def test_without_its_key_nothing_is_made_of_it(redis: Redis, keys: Keys, reader: Any, value: object) -> None:
    """Encrypted state read without a key, or with another, is an error that names the setting."""
    config = await put(RedisCheckpointer(redis, keys, encrypted_serializer(KEY)), thread("t"), value=value)

    with pytest.raises(InvalidConfig, match="encrypted"):
        await RedisCheckpointer(redis, keys, reader).aget_tuple(config)


GARBAGE: dict[str, Callable[[bytes], bytes]] = {
    "lost": lambda _: b"",
    "empty": lambda _: b"",
    "one byte": lambda old: old[:1],
    "cut": lambda old: old[: len(old) // 2],
    "longer": lambda old: old + b"\xc1",
    "noise": lambda old: blake2b(old, digest_size=64).digest() * (len(old) // 64 + 1),
    "another kind": lambda old: bytes([1 - old[0]]) + old[1:] if old[0] < 2 else b"\x01" + old,
    "one other byte": lambda old: old[:-1] + bytes([old[-1] ^ 1]),
    "unknown kind": lambda _: b"\x00pickle\x00\x05",
    "text": lambda _: b"hello",
}


@pytest.mark.parametrize("part", [1, 2, 3], ids=["records", "values", "elements"])
@pytest.mark.parametrize("damage", GARBAGE)
async def test_damage_is_said(redis: Redis, keys: Keys, part: int, damage: str) -> None:
    """Whatever of a checkpoint is lost or overwritten by garbage, reading it is an error and never another value."""
    saver = RedisCheckpointer(redis, keys)
    made = checkpoint(list=TEXTS)
    config = await saver.aput(thread("t"), made, {"source": "loop", "step": 1}, made["channel_versions"])
    name = keys.checkpoints("t")[part]
    fields: Any = await redis.hgetall(name)
    for field, old in fields.items():
        if damage == "lost":
            await redis.hdel(name, field)
        else:
            await redis.hset(name, field, GARBAGE[damage](old))
        fresh = RedisCheckpointer(redis, keys)

        with pytest.raises(DataDamaged, match="thread t"):
            await found(fresh, thread("t"))
        with pytest.raises(DataDamaged, match="thread t"):
            _ = [one async for one in fresh.alist(thread("t"), filter={"step": 1})]

        await redis.hset(name, field, old)
    assert (await values_of(saver, config)) == {"list": TEXTS}


@pytest.mark.parametrize("damage", ["noise", "no numbers", "short"])
async def test_a_damaged_write_is_said(redis: Redis, keys: Keys, damage: str) -> None:
    """A pending write that can't be read is an error, too."""
    saver = RedisCheckpointer(redis, keys)
    config = await put(saver, thread("t"), value=1)
    place = f"\0{id_of(config)}\0".encode()
    garbage = {
        "noise": place + b"task\x000\x00\x00channel\x00" + b"\xff\x00\xfe",
        "no numbers": place + b"task\x00x\x00\x00channel\x00msgpack\x00\x05",
        "short": place + b"task\x000",
    }[damage]
    await redis.zadd(keys.checkpoints("t")[4], {garbage: 0})

    with pytest.raises(DataDamaged, match="thread t"):
        await found(saver, config)
