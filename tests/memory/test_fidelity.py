"""What a graph's state is after it was saved: for each kind of value, exactly what comes back.

Each value goes through a real graph and is read by another saver. The rows of `docs/serialisation.md` are the
cases here, so the document can't promise anything else.
"""

from __future__ import annotations

import collections
import enum
import ipaddress
import re
import zoneinfo
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple, Self, TypedDict, cast
from uuid import UUID

import numpy as np
import pytest
from langchain_core.documents import Document
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    AnyMessage,
    ChatMessage,
    FunctionMessage,
    HumanMessage,
    RemoveMessage,
    SystemMessage,
    ToolMessage,
)
from langchain_core.runnables import RunnableConfig
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, Interrupt, Overwrite, Send
from pydantic import BaseModel, Field, PrivateAttr, SecretStr
from redis.asyncio import Redis

from motet.errors import TypeNotAllowed, UnstorableValue
from motet.memory.redis.checkpoints import RedisCheckpointer
from motet.memory.redis.keys import Keys
from motet.memory.serde import encrypted_serializer, state_serializer

PAGE = Path(__file__).parents[2] / "docs" / "serialisation.md"
BERLIN = zoneinfo.ZoneInfo("Europe/Berlin")


@dataclass(frozen=True, slots=True)
class Finding:
    rows: int
    tags: set[str] = field(default_factory=set[str])


class Point(NamedTuple):
    x: int
    y: int


class Colour(enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    LOW = 1


class Word(enum.StrEnum):
    YES = "yes"


class Right(enum.Flag):
    READ = 1
    WRITE = 2


class Pair(enum.Enum):
    ONE = (1, 2)


class Shape(BaseModel):
    name: str


class Circle(Shape):
    radius: int


class Report(BaseModel):
    title: str
    price: Decimal
    at: datetime
    sizes: tuple[int, ...]
    shape: Shape
    anything: Any = None
    hidden: int = Field(default=0, exclude=True)
    _private: int = PrivateAttr(default=0)

    def keeping(self, secret: int) -> Self:
        self._private = secret
        return self


@dataclass
class Derived:
    rows: int
    doubled: int = field(init=False, default=0)


class Name(str):
    __slots__ = ()


class Number(int):
    pass


class Row(list[int]):
    pass


class Moment(datetime):
    pass


@dataclass
class Unlisted:
    rows: int


CLASSES = (Finding, Point, Colour, Level, Word, Right, Pair, Shape, Circle, Report, Derived, Moment, SecretStr)


def report(**changes: Any) -> Report:
    made = Report(
        title="t", price=Decimal("1.10"), at=datetime(2026, 1, 2, tzinfo=UTC), sizes=(1, 2), shape=Shape(name="s")
    )
    return made.model_copy(update=changes)


def artifact(held: Any) -> ToolMessage:
    return ToolMessage("x", tool_call_id="c", id="1", artifact=held)


BLOCKS: dict[str, dict[str, Any]] = {
    "text": {
        "type": "text",
        "text": "hello",
        "annotations": [
            {"type": "citation", "url": "https://example.org", "start_index": 0, "end_index": 5, "cited_text": "hello"},
            {"type": "non_standard_annotation", "value": {"k": [1]}},
        ],
    },
    "reasoning": {"type": "reasoning", "reasoning": "since", "extras": {"signature": "s=="}},
    "image by url": {"type": "image", "url": "https://example.org/i.png", "mime_type": "image/png"},
    "image inline": {"type": "image", "base64": "aGk=", "mime_type": "image/png"},
    "image in OpenAI's form": {
        "type": "image_url",
        "image_url": {"url": "data:image/png;base64,aGk=", "detail": "low"},
    },
    "audio": {"type": "audio", "base64": "aGk=", "mime_type": "audio/wav"},
    "video": {"type": "video", "file_id": "f1"},
    "file": {"type": "file", "base64": "aGk=", "mime_type": "application/pdf", "extras": {"filename": "a.pdf"}},
    "text-plain": {"type": "text-plain", "text": "hello", "mime_type": "text/plain", "title": "t"},
    "tool_call": {"type": "tool_call", "name": "add", "args": {"a": 1}, "id": "c1"},
    "tool_call_chunk": {"type": "tool_call_chunk", "name": "add", "args": '{"a"', "id": "c1", "index": 0},
    "invalid_tool_call": {"type": "invalid_tool_call", "name": "add", "args": "{", "id": "c1", "error": "no JSON"},
    "server_tool_call": {"type": "server_tool_call", "name": "search", "args": {"q": "x"}, "id": "s1"},
    "server_tool_result": {
        "type": "server_tool_result",
        "tool_call_id": "s1",
        "status": "success",
        "output": [{"u": 1}],
    },
    "non_standard": {"type": "non_standard", "value": {"anything": [1, None, {"deep": 2.5}]}},
    "a provider's own": {"type": "thinking", "thinking": "hm", "signature": "x"},
}
"""A content block of each kind that LangChain knows, and two that it doesn't."""

USAGE: Any = {
    "input_tokens": 3,
    "output_tokens": 4,
    "total_tokens": 7,
    "input_token_details": {"cache_read": 1},
    "output_token_details": {"reasoning": 2},
}

MESSAGES: dict[str, AnyMessage | RemoveMessage] = {
    **{f"AIMessage with {kind}": AIMessage([block], id="1") for kind, block in BLOCKS.items()},
    **{f"HumanMessage with {kind}": HumanMessage(["hi", block], id="1", name="Ann") for kind, block in BLOCKS.items()},
    **{f"ToolMessage with {kind}": ToolMessage([block], tool_call_id="c", id="1") for kind, block in BLOCKS.items()},
    "AIMessage with everything": AIMessage(
        "hello",
        id="1",
        name="bot",
        tool_calls=[{"name": "add", "args": {"a": [1, {"b": None}]}, "id": "c", "type": "tool_call"}],
        invalid_tool_calls=[
            {"name": "add", "args": "{", "id": "d", "error": "no JSON", "type": "invalid_tool_call"},
        ],
        usage_metadata=USAGE,
        response_metadata={"model_name": "m", "logprobs": [0.5], "stop": None},
        additional_kwargs={"parsed": {"a": 1}, "refusal": None, "raw": b"x", "price": Decimal("1.1")},
    ),
    "AIMessageChunk": AIMessageChunk(
        content="hel",
        id="1",
        tool_call_chunks=[{"name": "add", "args": '{"a"', "id": "c", "index": 0, "type": "tool_call_chunk"}],
        usage_metadata=USAGE,
        chunk_position="last",
    ),
    "SystemMessage": SystemMessage("be kind", id="1"),
    "ToolMessage with an artifact": ToolMessage(
        "3", tool_call_id="c", id="1", name="add", status="error", artifact={"rows": [b"x", {"d": Decimal(1)}, {1, 2}]}
    ),
    "FunctionMessage": FunctionMessage(content="3", name="add", id="1"),
    "ChatMessage": ChatMessage(content="hi", role="critic", id="1"),
    "RemoveMessage": RemoveMessage(id="1"),
    "a message without an id": HumanMessage("hi"),
    "a long text": HumanMessage(id="1", content=[{"type": "text", "text": "ö" * 5000}]),
}

EXACT: dict[str, Sequence[Any]] = {
    "`None`, `bool`": [None, True, False],
    "`int` from -2⁶³ to 2⁶⁴-1": [0, -(2**63), 2**64 - 1],
    "`float`, also NaN, infinities and -0.0": [1.5, float("nan"), float("inf"), float("-inf"), -0.0],
    "`str`": ["", "ö€😀", "a\0b", "x" * 70_000],
    "`bytes`": [b"", b"\xff\0", [b"nested"]],
    "`bytearray` as a whole value": [bytearray(b"x")],
    "`list`, `dict`": [
        [],
        [[1], {"a": [None]}],
        {},
        {"z": 1, "a": 2},
        {"__interrupt__": True},
        [[n] for n in range(9)],
    ],
    "`dict` with keys of `int`, `float`, `bool`, `None`, `bytes`, `tuple`": [
        {1: "a", 2.5: "b", None: "c", b"d": "d", (1, (2, "x")): "e", False: "f"}
    ],
    "`set`, `frozenset` (in any order)": [set[int](), {7}, frozenset({"x"}), {frozenset({1})}],
    "`deque` without `maxlen`": [collections.deque([1, "a"])],
    "`Decimal`": [Decimal("19.90"), Decimal("-0"), Decimal("NaN"), Decimal("sNaN"), Decimal("1E+400")],
    "`UUID`": [UUID(int=7)],
    "`datetime` without a zone, in UTC or with a fixed offset": [
        datetime(2026, 1, 2, 3, 4, 5, 6),  # noqa: DTZ001 - without a zone is what is tested
        datetime(2026, 1, 2, tzinfo=UTC),
        datetime(2026, 1, 2, tzinfo=timezone(timedelta(hours=5, minutes=45))),
    ],
    "`date`, `time` (with zone and `fold`), `timedelta`": [
        date(1, 1, 1),
        time(2, 30, 0, 1, tzinfo=BERLIN, fold=1),
        timedelta(days=-1, microseconds=1),
    ],
    "`timezone`, `ZoneInfo`": [timezone(timedelta(hours=1), "name"), BERLIN],
    "`pathlib.Path`": [Path("/a/b"), Path()],
    "regular expressions": [re.compile("a+", re.IGNORECASE), re.compile(b"a")],
    "`ipaddress` addresses, interfaces and networks": [
        ipaddress.ip_address("::1"),
        ipaddress.ip_interface("10.0.0.1/8"),
        ipaddress.ip_network("10.0.0.0/8"),
    ],
    "`numpy` arrays of numbers, booleans and text": [
        np.arange(6).reshape(2, 3),
        np.array([[1.5], [2.5]], dtype=np.float32, order="F"),
        np.array(["a", "bc"]),
        np.array([True]),
    ],
    "dataclasses": [Finding(rows=3, tags={"a"})],
    "Pydantic models": [report(), report(anything={"deep": [1]})],
    "enums, `IntEnum`, `StrEnum`, flags": [Colour.RED, Level.LOW, Word.YES, Right.READ | Right.WRITE],
    "named tuples": [Point(1, 2)],
    "`SecretStr`, **as plain text** unless encrypted": [SecretStr("x")],
    "LangChain's messages: every class, every content block, calls, usage and metadata": list(MESSAGES.values()),
    "LangChain's `Document`": [Document(page_content="text", metadata={"page": 1}, id="d")],
    "LangGraph's `Send`, `Command`, `Interrupt`, `Overwrite`": [
        Send("node", {"x": Decimal(1)}),
        Command(resume={"id": "yes"}, goto="node"),
        Interrupt({"ask": Colour.RED}, id="abc"),
        Overwrite([1, 2]),
    ],
}
"""What comes back as it was. Enums, dataclasses and their like are allowed, by the schema or by name."""

CHANGED: dict[str, Sequence[tuple[Any, Any]]] = {
    "`tuple`": [((1, (2,)), [1, [2]]), ({"a": (1,)}, {"a": [1]}), (Finding((1,)), Finding([1]))],  # type: ignore[arg-type] - a wrong part is what is tested
    "`set` of tuples": [({(1, 2)}, [[1, 2]])],
    "`deque` with `maxlen`": [(collections.deque([1], maxlen=3), collections.deque([1]))],
    "`bytearray` inside something else": [([bytearray(b"x")], [b"x"])],
    "`memoryview`": [([memoryview(b"x")], [b"x"])],
    "`OrderedDict`, `defaultdict`, `Counter`": [
        (collections.OrderedDict(b=1, a=2), {"b": 1, "a": 2}),
        (collections.defaultdict(list, a=[1]), {"a": [1]}),
        (collections.Counter("aab"), {"a": 2, "b": 1}),
    ],
    "`dict` with keys of dates, `UUID`": [
        ({date(2026, 1, 2): 1}, {"2026-01-02": 1}),
        ({UUID(int=1): 1}, {"00000000-0000-0000-0000-000000000001": 1}),
    ],
    "`dict` with keys of enums": [({Colour.RED: 1}, {"red": 1})],
    "`str` with a lone surrogate": [("a\ud800", "a?")],
    "subclasses of `str`, `int`, `list`, `dict`": [(Name("x"), "x"), (Number(1), 1), (Row([1]), [1])],
    "`datetime` with a `ZoneInfo`": [
        (datetime(2026, 7, 1, tzinfo=BERLIN), datetime(2026, 7, 1, tzinfo=timezone(timedelta(hours=2)))),
        (
            datetime(2026, 10, 25, 2, 30, tzinfo=BERLIN, fold=1),
            datetime(2026, 10, 25, 2, 30, tzinfo=timezone(timedelta(hours=1))),
        ),
    ],
    "`datetime` with a named offset": [
        (
            datetime(2026, 1, 2, tzinfo=timezone(timedelta(hours=1), "CET")),
            datetime(2026, 1, 2, tzinfo=timezone(timedelta(hours=1))),
        )
    ],
    "exceptions": [(ValueError("no"), "ValueError('no')")],
    "Pydantic: private attributes and fields with `exclude`": [(report(hidden=9).keeping(7), report())],
    "Pydantic: a subclass in a field declared with its base": [
        (report(shape=Circle(name="c", radius=2)), report(shape=Shape(name="c")))
    ],
    "Pydantic: dataclasses and models in a field declared `Any`": [
        (report(anything=Finding(1)), report(anything={"rows": 1, "tags": set[str]()})),
        (report(anything=Shape(name="s")), report(anything={"name": "s"})),
    ],
    "`ToolMessage.artifact` that holds a dataclass, a model or a tuple": [
        (artifact(Finding(1)), artifact({"rows": 1, "tags": set[str]()})),
        (artifact(Shape(name="s")), artifact({"name": "s"})),
        (artifact((1, 2)), artifact([1, 2])),
    ],
    "`numpy` arrays with named fields": [
        (np.array([(1, 2)], dtype=[("a", "<i4"), ("b", "<i4")]), np.array([b"\1\0\0\0\2\0\0\0"], dtype="V8"))
    ],
}
"""What comes back as something else; LangGraph's format has no room for the difference."""

REFUSED: dict[str, Sequence[tuple[Any, type[Exception]]]] = {
    "a class that nobody allowed": [(Unlisted(1), TypeNotAllowed), ({"a": [Unlisted(1)]}, TypeNotAllowed)],
    "`int` beyond 64 bits": [(2**64, UnstorableValue), (-(2**63) - 1, UnstorableValue)],
    "`complex`, `Fraction`, `range`, `PurePath`": [
        (1j, UnstorableValue),
        (Fraction(1, 2), UnstorableValue),
        (range(3), UnstorableValue),
        (PurePosixPath("a"), UnstorableValue),
    ],
    "`numpy` scalars, arrays of objects and of dates": [
        (np.float64(1.5), UnstorableValue),
        (np.int64(1), UnstorableValue),
        (np.array(["a"], dtype=object), TypeNotAllowed),
        (np.array(["2026-01-02"], dtype="datetime64[D]"), UnstorableValue),
    ],
    "`dict` with keys of `Decimal` and other classes": [({Decimal(1): 1}, UnstorableValue)],
    "subclasses of `datetime`": [(Moment(2026, 1, 2), TypeNotAllowed)],
    "dataclasses with a field that isn't a constructor's argument (`init=False`)": [(Derived(1), TypeNotAllowed)],
    "enums with a tuple among their values": [(Pair.ONE, TypeNotAllowed)],
    "functions, classes, generators, open files, locks": [
        (print, UnstorableValue),
        (int, UnstorableValue),
        (iter([1]), UnstorableValue),
    ],
}
"""What is an error when it is saved."""


class State(TypedDict):
    value: Any


async def kept(redis: Redis, keys: Keys, value: Any) -> Any:
    """`value` as another saver reads it, after a node returned it."""
    config: RunnableConfig = {"configurable": {"thread_id": "t"}}

    def make(state: State) -> State:  # noqa: ARG001 - LangGraph passes it by name
        return {"value": value}

    builder = StateGraph(State).add_node("make", make).add_edge(START, "make").add_edge("make", END)

    def saver() -> RedisCheckpointer:
        return RedisCheckpointer(redis, keys, state_serializer(CLASSES))

    await builder.compile(checkpointer=saver()).ainvoke({"value": None}, config)
    return (await builder.compile(checkpointer=saver()).aget_state(config)).values["value"]


def shown(value: Any) -> object:
    """All that can be said of a value: its class, and what it shows of itself, parts included."""
    match value:
        case dict():
            return type(value), [(shown(name), shown(part)) for name, part in cast("dict[Any, Any]", value).items()]
        case list() | tuple() | collections.deque():
            parts = cast("Sequence[Any]", value)
            return type(value), getattr(parts, "maxlen", None), [shown(part) for part in parts]
        case set() | frozenset():
            return type(value), sorted(map(repr, cast("set[Any]", value)))
        case BaseModel():
            return type(value), shown(value.__dict__), shown(value.model_extra), shown(value.__pydantic_private__)
        case np.ndarray():
            array = cast("np.ndarray[Any, Any]", value)
            return array.dtype, array.shape, array.tobytes()
        case _:
            return type(value), repr(value)


def cases(table: Mapping[str, Sequence[Any]]) -> list[Any]:
    """A test a value, named by its row."""
    return [pytest.param(case, id=f"{row} {at}") for row, held in table.items() for at, case in enumerate(held)]


@pytest.mark.parametrize("value", cases(EXACT))
async def test_it_comes_back_as_it_was(redis: Redis, keys: Keys, value: Any) -> None:
    """Class, content and every part's class are the same."""
    assert shown(await kept(redis, keys, value)) == shown(value)


@pytest.mark.parametrize(("value", "instead"), [pytest.param(*one.values[0], id=one.id) for one in cases(CHANGED)])
async def test_it_comes_back_as_the_table_says(redis: Redis, keys: Keys, value: Any, instead: Any) -> None:
    """What the format can't hold comes back as exactly this, and as nothing worse."""
    back = shown(await kept(redis, keys, value))

    assert back == shown(instead)
    assert back != shown(value), "it is kept now: move the row"


@pytest.mark.parametrize(("value", "error"), [pytest.param(*one.values[0], id=one.id) for one in cases(REFUSED)])
async def test_it_is_refused(redis: Redis, keys: Keys, value: Any, error: type[Exception]) -> None:
    """The run ends with the error, rather than with a state that nobody returned."""
    with pytest.raises(error):
        await kept(redis, keys, value)


@pytest.mark.parametrize("value", [*MESSAGES.values(), report(), {1, 2}, b"x"], ids=lambda value: type(value).__name__)
def test_encryption_changes_nothing_of_it(value: Any) -> None:
    """The table holds under encryption, too."""
    serde = encrypted_serializer(b"k" * 32, CLASSES)

    assert shown(serde.loads_typed(serde.dumps_typed(value))) == shown(value)


async def test_a_long_list_of_every_message_comes_back(redis: Redis, keys: Keys) -> None:
    """Together and in order, as a conversation is stored."""
    messages = list(MESSAGES.values())

    assert shown(await kept(redis, keys, messages)) == shown(messages)


def test_a_model_forgets_which_fields_were_set() -> None:
    """Afterwards every field counts as set, so `exclude_unset` excludes nothing; the page says so."""
    serde = state_serializer(CLASSES)
    told = report()

    back = serde.loads_typed(serde.dumps_typed(told))

    assert "anything" not in told.model_fields_set
    assert "anything" in back.model_fields_set
    assert "`exclude_unset`" in PAGE.read_text(encoding="utf-8")


def test_the_page_lists_what_is_tested() -> None:
    """A row without a test and a test without a row are both found."""
    assert rows("Comes back as it was") == list(EXACT)
    assert rows("Comes back as something else") == list(CHANGED)
    assert rows("Is refused") == list(REFUSED)


def rows(heading: str) -> list[str]:
    """The first cells of the table under a heading of the page."""
    section = PAGE.read_text(encoding="utf-8").split(f"## {heading}\n")[1].split("\n## ")[0]
    return [line.split("|")[1].strip() for line in section.splitlines() if line.startswith("|")][2:]
