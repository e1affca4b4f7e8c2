"""State's bytes: nothing but listed classes is ever made from them, and what would not come back isn't stored."""

from __future__ import annotations

import dataclasses
import enum
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple, TypedDict, cast

import ormsgpack
import pytest
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.serde.encrypted import EncryptedSerializer
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.graph import END, START, StateGraph
from langgraph.types import Interrupt, Send
from pydantic import BaseModel
from redis.asyncio import Redis

from motet.errors import InvalidConfig, TypeNotAllowed
from motet.memory.redis.checkpoints import RedisCheckpointer
from motet.memory.redis.keys import Keys
from motet.memory.serde import digest_key, encrypted_serializer, state_serializer

KEY = b"0123456789abcdef"


@dataclasses.dataclass
class Finding:
    rows: int


class Report(BaseModel):
    title: str


class Colour(enum.Enum):
    RED = "red"


class Point(NamedTuple):
    x: int


@dataclasses.dataclass
class Derived:
    rows: int
    doubled: int = dataclasses.field(init=False, default=0)


class Pair(enum.Enum):
    ONE = (1, 2)


OURS = [Finding(rows=3), Report(title="x"), Colour.RED, Point(1)]


class Told(TypedDict):
    finding: Finding
    reports: list[Report]
    colour: Colour | None


class Anything(TypedDict):
    value: Any


@pytest.mark.parametrize("value", OURS, ids=lambda v: type(v).__name__)
@pytest.mark.parametrize(
    "wrap",
    [lambda v: v, lambda v: {"a": [v]}, lambda v: Send("n", {"v": v}), lambda v: Interrupt(deque([v]))],
    ids=["bare", "in containers", "in a Send", "in an Interrupt"],
)
def test_an_unlisted_class_is_refused_when_saved(value: Any, wrap: Callable[[Any], Any]) -> None:
    """The error names the class and how to allow it, however deep the value is."""
    with pytest.raises(TypeNotAllowed) as refused:
        state_serializer().dumps_typed(wrap(value))

    told = str(refused.value)
    assert refused.value.name == type(value).__name__
    assert f"{__name__}.{type(value).__name__}" in told
    assert f"state_serializer([{type(value).__name__}])" in told
    assert f'["{__name__}", "{type(value).__name__}"]' in told


@pytest.mark.parametrize("value", OURS, ids=lambda v: type(v).__name__)
@pytest.mark.parametrize("depth", [0, 2])
def test_an_unlisted_class_that_others_stored_is_refused_when_read(value: Any, depth: int) -> None:
    """Bytes that another saver wrote don't come back as something else, and nothing is made of them."""
    stored: Any = value
    for _ in range(depth):
        stored = {"in": [stored, {1}]}
    data = JsonPlusSerializer().dumps_typed(stored)
    serializer = state_serializer()

    with pytest.raises(TypeNotAllowed, match=f"{type(value).__name__} is not allowed in stored state"):
        serializer.loads_typed(data)

    assert serializer.loads_typed(serializer.dumps_typed("fine")) == "fine", "an earlier refusal left something behind"


@pytest.mark.parametrize("value", OURS, ids=lambda v: type(v).__name__)
def test_a_listed_class_comes_back(value: Any) -> None:
    """A project's own classes are revived once they are listed, and only those."""
    for listed in ([type(value)], [(__name__, type(value).__name__)]):
        serializer = state_serializer(listed)

        assert serializer.loads_typed(serializer.dumps_typed([value])) == [value]
        for other in OURS:
            if other is not value:
                with pytest.raises(TypeNotAllowed):
                    serializer.dumps_typed(other)


def test_a_serializer_derived_for_a_graph_is_as_strict() -> None:
    """What LangGraph derives takes the classes it was told, refuses others, and leaves the first one as it was."""
    first = state_serializer([Finding])

    derived = first.with_msgpack_allowlist([(__name__, "Report")])

    assert derived.loads_typed(derived.dumps_typed([Finding(1), Report(title="x")])) == [Finding(1), Report(title="x")]
    with pytest.raises(TypeNotAllowed):
        derived.dumps_typed(Colour.RED)
    with pytest.raises(TypeNotAllowed):
        derived.loads_typed(JsonPlusSerializer().dumps_typed(Colour.RED))
    with pytest.raises(TypeNotAllowed):
        first.dumps_typed(Report(title="x"))


def test_a_class_that_would_not_come_back_though_listed_is_refused() -> None:
    """Local classes, fields that no constructor takes and members with tuples would become plain data."""

    @dataclasses.dataclass
    class Local:
        rows: int

    serializer = state_serializer([Local, Derived, Pair])

    for value, why in ((Local(1), "top level"), (Derived(1), "init=False"), (Pair.ONE, "tuple")):
        with pytest.raises(TypeNotAllowed, match=why):
            serializer.dumps_typed({"value": value})


@pytest.mark.parametrize(
    "value", [HumanMessage("hi"), [AIMessage("a", id="1")] * 5, {"s": {1, 2}}, Finding(2), 1.5, None]
)
def test_the_bytes_are_those_of_langgraph(value: Any) -> None:
    """Any of LangGraph's savers with the same key space could read what we wrote."""
    ours, theirs = state_serializer([Finding]), JsonPlusSerializer(allowed_msgpack_modules=[Finding])

    assert ours.dumps_typed(value) == theirs.dumps_typed(value)


def test_bytes_that_name_a_function_call_nothing(tmp_path: Path) -> None:
    """The attack: stored bytes that name a callable and its argument are an error, and nothing is called."""
    target = tmp_path / "made"
    attack = ("msgpack", _ext(0, ["os", "mkdir", str(target)]))

    with pytest.raises(TypeNotAllowed, match=r"os\.mkdir"):
        state_serializer().loads_typed(attack)
    assert not target.exists()
    JsonPlusSerializer(allowed_msgpack_modules=True).loads_typed(attack)
    assert target.exists(), "the permissive default does call it, so the bytes are a real attack"


def test_a_class_that_has_changed_gives_what_was_stored() -> None:
    """What its constructor doesn't take any more is plain data; a model is made without validation."""
    serializer = state_serializer([Finding, Report])
    for code, value in ((2, Finding), (5, Report)):
        old = ormsgpack.packb(ormsgpack.Ext(code, ormsgpack.packb((__name__, value.__name__, {"gone": 1}, ""))))
        back = serializer.loads_typed(("msgpack", old))

        assert back == {"gone": 1} if value is Finding else isinstance(back, Report)


def test_pickle_is_neither_written_nor_read() -> None:
    """What has no safe form is an error, and so are stored pickles."""
    serializer = state_serializer()
    with pytest.raises(TypeError, match="object"):
        serializer.dumps_typed(object())
    with pytest.raises(NotImplementedError):
        serializer.loads_typed(("pickle", b"cos\nsystem\n(S'true'\ntR."))


async def test_what_a_state_schema_names_needs_no_configuration(redis_url: str, redis: Redis, keys: Keys) -> None:
    """Dataclasses, models and enums of the state come back, here and through a saver made elsewhere."""
    config: RunnableConfig = {"configurable": {"thread_id": "t"}}

    expected: Told = {
        "finding": Finding(3),
        "reports": [Report(title=str(n)) for n in range(9)],
        "colour": Colour.RED,
    }

    def answer(state: Told) -> Told:
        return {**state, "reports": expected["reports"]}

    graph = StateGraph(Told).add_node("answer", answer).add_edge(START, "answer").add_edge("answer", END)
    done = await graph.compile(checkpointer=RedisCheckpointer(redis, keys)).ainvoke(expected, config)
    async with RedisCheckpointer.from_url(redis_url, keys) as another:
        state = await graph.compile(checkpointer=another).aget_state(config)

    assert state.values == done == expected


async def test_a_run_that_cannot_be_saved_ends_with_the_error(redis: Redis, keys: Keys) -> None:
    """The thread stays at its last good state; a run after it works."""
    config: RunnableConfig = {"configurable": {"thread_id": "t"}}

    def answer(state: Anything) -> Anything:
        return {"value": Finding(1) if state["value"] == "bad" else "good"}

    builder = StateGraph(Anything).add_node("answer", answer).add_edge(START, "answer").add_edge("answer", END)
    graph = builder.compile(checkpointer=RedisCheckpointer(redis, keys))

    with pytest.raises(TypeNotAllowed, match="Finding"):
        await graph.ainvoke({"value": "bad"}, config)
    assert (await graph.aget_state(config)).values == {"value": "bad"}
    assert await graph.ainvoke({"value": "again"}, config) == {"value": "good"}


@pytest.mark.parametrize("length", [16, 24, 32])
def test_encrypted_bytes_are_those_of_langgraph(length: int) -> None:
    """What either of the two serializers encrypts, the other one reads; what isn't encrypted yet is read, too."""
    key = bytes(range(length))
    ours = encrypted_serializer(key, [Finding])
    theirs = EncryptedSerializer.from_pycryptodome_aes(JsonPlusSerializer(allowed_msgpack_modules=[Finding]), key=key)
    value = {"a": [HumanMessage("hi", id="1"), Finding(2)]}

    assert theirs.loads_typed(ours.dumps_typed(value)) == value
    assert ours.loads_typed(theirs.dumps_typed(value)) == value
    assert ours.loads_typed(state_serializer([Finding]).dumps_typed(value)) == value
    assert ours.dumps_typed(value) != ours.dumps_typed(value), "equal values must not be recognisable"


@pytest.mark.parametrize("length", [0, 15, 33])
def test_a_key_of_another_length_is_refused(length: int) -> None:
    """The error names the setting and the lengths."""
    with pytest.raises(InvalidConfig, match=r"LANGGRAPH_AES_KEY.*16, 24 or 32"):
        encrypted_serializer(b"x" * length)


def test_a_wrong_or_missing_key_is_an_error_that_says_so() -> None:
    """Neither garbage nor the library's assertion comes out."""
    stored = encrypted_serializer(KEY).dumps_typed("secret")
    changed = (stored[0], stored[1][:-1] + bytes([stored[1][-1] ^ 1]))

    for serializer, data in (
        (encrypted_serializer(KEY[::-1]), stored),
        (encrypted_serializer(KEY), changed),
        (encrypted_serializer(KEY), ("msgpack+rot13", stored[1])),
        (state_serializer(), stored),
    ):
        with pytest.raises(InvalidConfig, match="LANGGRAPH_AES_KEY"):
            serializer.loads_typed(data)


def test_without_the_extra_the_error_names_it() -> None:
    """Encryption asks for what it needs by the name pip knows."""
    code = (
        "import sys; sys.modules['Crypto.Cipher'] = None\n"
        "from motet.memory.serde import encrypted_serializer; encrypted_serializer(b'x' * 16)"
    )

    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False).stderr

    assert "InvalidConfig" in said
    assert "motet[aes]" in said


def test_the_key_for_hashes_survives_what_langgraph_derives() -> None:
    """It is the same for the same key, another one for another, and kept when a graph's classes are added."""
    first = encrypted_serializer(KEY)
    derived = EncryptedSerializer(first.cipher, state_serializer([Finding]))

    assert len(digest_key(first)) == 32
    assert digest_key(first) == digest_key(derived) == digest_key(encrypted_serializer(KEY))
    assert digest_key(first) != digest_key(encrypted_serializer(KEY[::-1]))
    assert KEY not in digest_key(first)
    assert digest_key(state_serializer()) == b""
    assert len(digest_key(EncryptedSerializer.from_pycryptodome_aes(key=KEY))) == 32


async def test_under_encryption_no_text_is_in_the_store(redis_url: str, redis: Redis, keys: Keys) -> None:
    """Neither a message nor a value of the state can be read from any key; with the key everything comes back."""
    config: RunnableConfig = {"configurable": {"thread_id": "t"}}
    words = ["Sesame-opens", "Rosebud-sled", "Swordfish-gate"]

    class State(TypedDict):
        messages: list[Any]
        finding: Finding

    def answer(state: State) -> State:
        more = [AIMessage(words[1], id="2"), ToolMessage("none", artifact=words[2], tool_call_id="c", id="3")]
        return {"messages": [*state["messages"], *more, *more, *more], "finding": Finding(4_711_000_815)}

    builder = StateGraph(State).add_node("answer", answer).add_edge(START, "answer").add_edge("answer", END)
    graph = builder.compile(checkpointer=RedisCheckpointer(redis, keys, encrypted_serializer(KEY, [Finding])))
    done = await graph.ainvoke({"messages": [HumanMessage(words[0], id="1")] * 6, "finding": Finding(1)}, config)

    held = b"".join([await _everything_in(redis, name) async for name in redis.scan_iter(match=f"{keys.prefix}:*")])
    async with RedisCheckpointer.from_url(redis_url, keys, encrypted_serializer(KEY, [Finding])) as another:
        state = await builder.compile(checkpointer=another).aget_state(config)

    assert len(held) > 1000
    assert [word for word in [*words, "Finding", "AIMessage"] if word.encode() in held] == []
    assert state.values == done


async def _everything_in(redis: Redis, name: bytes) -> bytes:
    """The content of a key of whatever type, as the server would hand it to anybody who looks."""
    found: Any
    match await redis.type(name):
        case b"hash":
            found = [part for pair in (await redis.hgetall(name)).items() for part in pair]
        case b"zset":
            found = await redis.zrange(name, 0, -1)
        case b"set":
            found = await redis.smembers(name)
        case b"list":
            found = await redis.lrange(name, 0, -1)
        case kind:
            assert kind == b"string", kind
            found = [await redis.get(name)]
    return name + b"\0".join(cast("Iterable[bytes]", found))


def _ext(code: int, content: list[str]) -> bytes:
    """An extension value of MessagePack, as a hand that isn't ours would write it."""
    packed = bytes([0x90 | len(content)])
    for text in content:
        packed += bytes([0xD9, len(text.encode())]) + text.encode()
    return bytes([0xC7, len(packed), code]) + packed
