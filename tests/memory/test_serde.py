"""State's bytes: everything a graph holds comes back, and nothing else is ever made from bytes."""

from __future__ import annotations

import dataclasses
import enum
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from langchain_core.documents import Document
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage, SystemMessage, ToolMessage
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.types import Command, Interrupt, Overwrite, Send
from pydantic import BaseModel

from motet.memory.serde import state_serializer


@dataclasses.dataclass
class Finding:
    rows: int


class Report(BaseModel):
    title: str


class Colour(enum.Enum):
    RED = "red"


@pytest.mark.parametrize(
    "value",
    [
        HumanMessage("hello", id="1"),
        AIMessage("hello", id="2", tool_calls=[{"name": "add", "args": {"a": 1}, "id": "c", "type": "tool_call"}]),
        AIMessageChunk(content="hel", id="3"),
        SystemMessage("be kind", id="4"),
        ToolMessage("3", tool_call_id="c", id="5"),
        Document(page_content="text", metadata={"source": "a"}),
        Send("node", {"x": 1}),
        Command(resume={"id": "yes"}, goto="node"),
        Interrupt("really?", id="abc"),
        Overwrite([1, 2]),
        datetime(2026, 1, 2, 3, 4, tzinfo=UTC),
        date(2026, 1, 2),
        timedelta(seconds=1.5),
        Decimal("19.90"),
        UUID(int=7),
        {1, 2},
        frozenset({"x"}),
        b"bytes",
        None,
        {"nested": [1, 2.5, True, None, "ö"], 3: "number as key"},
        float("inf"),
        "a\0b",
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_graphs_hold_comes_back_equal(value: Any) -> None:
    """Messages, LangGraph's types and standard values survive, with their types."""
    serializer = state_serializer()

    back = serializer.loads_typed(serializer.dumps_typed(value))

    assert back == value
    assert type(back) is type(value)


@pytest.mark.parametrize("value", [Finding(rows=3), Report(title="x"), Colour.RED], ids=lambda v: type(v).__name__)
def test_an_unlisted_class_is_never_made(value: Any) -> None:
    """A class that nobody listed comes back as the data it was made of; the library's default would make it."""
    stored = JsonPlusSerializer().dumps_typed(value)
    assert type(JsonPlusSerializer(allowed_msgpack_modules=True).loads_typed(stored)) is type(value)

    back = state_serializer().loads_typed(stored)

    assert isinstance(back, dict | str)


@pytest.mark.parametrize("value", [Finding(rows=3), Report(title="x"), Colour.RED], ids=lambda v: type(v).__name__)
def test_a_listed_class_comes_back(value: Any) -> None:
    """A project's own classes are revived once they are listed, and only those."""
    serializer = state_serializer([type(value)])

    assert serializer.loads_typed(serializer.dumps_typed(value)) == value
    others = [other for other in (Finding(rows=1), Report(title="y"), Colour.RED) if type(other) is not type(value)]
    assert all(type(serializer.loads_typed(serializer.dumps_typed(other))) is not type(other) for other in others)


def test_bytes_that_name_a_function_call_nothing(tmp_path: Path) -> None:
    """The attack: stored bytes that name a callable and its argument give the argument back, and do nothing."""
    target = f"{tmp_path}/made"
    attack = _ext(0, ["os", "mkdir", target])

    assert state_serializer().loads_typed(("msgpack", attack)) == target
    assert not _exists(target)
    JsonPlusSerializer(allowed_msgpack_modules=True).loads_typed(("msgpack", attack))
    assert _exists(target), "the permissive default does call it, so the bytes are a real attack"


def test_pickle_is_neither_written_nor_read() -> None:
    """What has no safe form is an error, and so are stored pickles."""
    serializer = state_serializer()
    with pytest.raises(TypeError):
        serializer.dumps_typed(object())
    with pytest.raises(NotImplementedError):
        serializer.loads_typed(("pickle", b"cos\nsystem\n(S'true'\ntR."))


def _ext(code: int, content: list[str]) -> bytes:
    """An extension value of MessagePack, as a hand that isn't ours would write it."""
    packed = bytes([0x90 | len(content)])
    for text in content:
        packed += bytes([0xD9, len(text.encode())]) + text.encode()
    return bytes([0xC7, len(packed), code]) + packed


def _exists(path: str) -> bool:
    return Path(path).exists()
