"""What records name by hash: kept once, without secrets, and given back as it was."""

from __future__ import annotations

import decimal
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
import pytest
from langchain_core.documents import Document
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    HumanMessage,
    RemoveMessage,
    SystemMessage,
    ToolMessage,
)
from langgraph.types import Command, Interrupt, Overwrite, Send
from tests.observability.recorded import SERDE

from motet.errors import NotRestorable
from motet.memory.serde import encrypted_serializer
from motet.observability.trajectory.contents import Contents, plain, restore
from motet.observability.trajectory.records import CUT
from motet.observability.trajectory.redact import REDACTED, know

KEY = "sk-proj-abcdefghijklmnopqrstuvwxyz123456"
CALL = {"name": "look", "args": {"city": "Oslo", "page_token": "next"}, "id": "call-1", "type": "tool_call"}
MESSAGES: list[BaseMessage] = [
    SystemMessage("Be brief.", id="1"),
    HumanMessage(
        [{"type": "text", "text": "Look"}, {"type": "image", "base64": "aGk=", "mime_type": "image/png"}], id="2"
    ),
    AIMessage(
        "ja",
        tool_calls=[CALL],
        usage_metadata={"input_tokens": 1, "output_tokens": 2, "total_tokens": 3},
        response_metadata={"model_name": "m", "finish_reason": "stop"},
        id="3",
    ),
    ToolMessage(
        "rain ☔", tool_call_id="call-1", name="look", artifact={"rows": [[1, 2.5, None]]}, status="error", id="4"
    ),
    AIMessageChunk(content="j", id="5", chunk_position="last"),
    RemoveMessage("6"),
]
VALUES: dict[str, Any] = {
    "scalars": [None, True, 0, -1, 2**63, 1.5, "text", ""],
    "keys": {1: "a", "$list": "b", None: "c", "d": {"$ext": 1}},
    "bytes": b"\x00\xff",
    "numbers JSON has none for": [float("inf"), float("-inf")],
    "time": [datetime(2026, 11, 22, tzinfo=UTC), date(2026, 1, 2), timedelta(seconds=3)],
    "classes": [UUID(int=7), decimal.Decimal("1.10"), Path("/a/b"), {"s", "t"}, Document("page", metadata={"n": 1})],
    "LangGraph's": [Send("node", {"messages": MESSAGES[:2]}), Command(update={"a": 1}, goto="b"), Overwrite([1])],
    "asked": Interrupt(value={"may I": "?"}, id="i1"),
    "messages": MESSAGES,
    "nested": {"a": {"b": [{"c": MESSAGES[:2]}]}},
    "long": [f"{number} {'x' * 100}" for number in range(100)],
}


def again(value: Any) -> Any:
    """`value`, kept and restored."""
    contents = Contents(SERDE)
    return restore(contents.put(value), contents.take(), SERDE)


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES.keys())
def test_a_value_comes_back_as_from_a_checkpoint(value: Any) -> None:
    """Kept and restored, a value is what the serializer's own bytes would give."""
    assert again(value) == SERDE.loads_typed(SERDE.dumps_typed(value))


def test_what_is_no_number_comes_back_as_that() -> None:
    """NaN isn't equal to itself, and JSON has none; in a message either."""
    assert repr(again([float("nan")])) == "[nan]"
    message = AIMessage("x", additional_kwargs={"score": float("nan")})
    assert repr(again([message])[0].additional_kwargs["score"]) == "nan"


@pytest.mark.parametrize("message", MESSAGES, ids=lambda one: one.type)
def test_a_message_is_kept_in_the_serializers_form(message: BaseMessage) -> None:
    """The quick way to a message's tree leads to the very bytes of the slow one."""
    quick, slow = Contents(SERDE), Contents(SERDE)

    quick.put_message(message)
    slow.put({"one": message})

    (content,) = quick.take().values()
    assert content in next(iter(slow.take().values()))


def test_a_message_is_kept_and_written_out_once() -> None:
    """Whatever holds it and however often: one content, one serialisation, by what it holds and not by its identity."""
    contents = Contents(SERDE)

    for _ in range(5):
        contents.put({"messages": [one.model_copy() for one in MESSAGES]})
        for message in MESSAGES:
            contents.put_message(message)

    assert contents.serialised == len(MESSAGES)
    assert len(contents.take()) == len(MESSAGES) + 1
    contents.put({"messages": MESSAGES})
    assert contents.take() == {}


def test_a_message_changed_in_place_is_another() -> None:
    """What was seen before is known by what it held, so a change is noticed, however deep."""
    contents = Contents(SERDE)
    message = AIMessage("x", tool_calls=[CALL], additional_kwargs={"a": {"b": [1]}})
    first = contents.put_message(message)

    message.additional_kwargs["a"]["b"].append(2)
    second = contents.put_message(message)

    kept = contents.take()
    assert first.ref != second.ref
    assert restore(first.ref, kept, SERDE).additional_kwargs == {"a": {"b": [1]}}
    assert restore(second.ref, kept, SERDE).additional_kwargs == {"a": {"b": [1, 2]}}


def test_the_pieces_of_a_stream_are_one_content() -> None:
    """Pieces that differ by their text take the room of their text, and each comes back as it was."""
    pieces = [
        *(AIMessageChunk(content=f"word{number} ", id="run-1") for number in range(200)),
        AIMessageChunk(content="", id="run-1", tool_call_chunks=[{"name": "t", "args": "{", "id": "c", "index": 0}]),
        AIMessageChunk(content=[{"type": "text", "text": "x", "index": 0}], id="run-1"),
        AIMessageChunk(content="", id="run-1", chunk_position="last"),
    ]
    contents = Contents(SERDE)

    ref = contents.put_pieces(pieces, secret=False)

    kept = contents.take()
    assert restore(ref, kept, SERDE) == pieces
    assert plain(ref, kept)[3] == {"type": "AIMessageChunk", "content": "word3 ", "id": "run-1"}
    assert sum(map(len, kept.values())) < 5_000


def test_json_for_people() -> None:
    """Messages by what isn't empty, classes by their fields, lists whole, and what isn't there is said."""
    contents = Contents(SERDE)
    ref = contents.put({"m": MESSAGES[2:4], "s": Send("n", {"a": 1}), "at": date(2026, 1, 2), "no": object(), 1: b"x"})
    kept = contents.take()

    assert dict(plain(ref, kept)["map"]) == {
        "m": [
            {
                "type": "ai",
                "content": "ja",
                "id": "3",
                "tool_calls": [CALL],
                "usage_metadata": {"input_tokens": 1, "output_tokens": 2, "total_tokens": 3},
                "response_metadata": {"model_name": "m", "finish_reason": "stop"},
            },
            {
                "type": "tool",
                "content": "rain ☔",
                "id": "4",
                "name": "look",
                "tool_call_id": "call-1",
                "artifact": {"rows": [[1, 2.5, None]]},
                "status": "error",
            },
        ],
        "s": {"class": "langgraph.types:Send", "node": "n", "arg": {"a": 1}},
        "at": {"class": "datetime:date", "value": [2026, 1, 2]},
        "no": {"lost": "builtins:object"},
        1: {"bytes": "eA=="},
    }
    assert plain("0" * 32, kept) == {"missing": "0" * 32}
    assert plain(CUT, kept) == {"cut": True}


@pytest.mark.parametrize("key", ["$gt", "$map", "$list", "$ext", ""])
def test_a_mapping_of_text_is_shown_as_it_was(key: str) -> None:
    """Also where a key looks like a word of the form in which contents are kept."""
    contents = Contents(SERDE)
    ref = contents.put({"args": {key: 5, "other": [{key: None}]}})

    assert plain(ref, contents.take()) == {"args": {key: 5, "other": [{key: None}]}}


def test_secrets_are_taken_out_before_anything_is_hashed() -> None:
    """By shape everywhere, by name where no model reads it, in keys and bytes too; equal otherwise, equal hashes."""
    contents = Contents(SERDE)
    undo = know(["hunter2-hunter2"])
    value = {
        "headers": {"Authorization": "Basic abc", "X-Api-Key": "short"},
        "url": "redis://user:hunter2@host/0",
        "raw": KEY.encode(),
        KEY: 1,
        2: {"password": "abc"},
        "said": [HumanMessage(f"\n{KEY} and hunter2-hunter2"), AIMessage("", tool_calls=[CALL])],
        "sent": Send("n", {"token": "abcdef", "m": [HumanMessage(KEY)]}),
        "max_tokens": 5,
    }
    ref = contents.put(value)
    kept = contents.take()
    undo()

    written = b"".join(kept.values()).decode()
    for secret in (KEY, "Basic abc", "short", "hunter2", '"abc"', "abcdef", "c2stcHJv"):
        assert secret not in written
    assert '"max_tokens"' in written
    assert '"page_token":"next"' in written
    assert restore(ref, kept, SERDE)["said"][0].content == f"\n{REDACTED} and {REDACTED}"
    other = Contents(SERDE)
    assert other.put({"key": KEY}) == other.put({"key": REDACTED})
    assert other.put_message(HumanMessage(KEY)).canonical == other.put_message(HumanMessage(REDACTED)).canonical
    assert other.put_message(HumanMessage(KEY)).secret


class Hostile:
    """An object of somebody's own that fails however it is looked at."""

    def __repr__(self) -> str:
        raise RuntimeError("no")

    def __getattr__(self, name: str) -> Any:
        raise ZeroDivisionError(name)


class Mine(HumanMessage):
    """A message of a class that no serializer knows."""

    note: str = "own"


def entangled() -> Any:
    """A value that holds itself, in all the ways."""
    inside: list[Any] = [HumanMessage("x")]
    inside.append(inside)
    knot: dict[str, Any] = {"list": inside}
    knot["a"] = knot["b"] = knot
    return knot


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (Hostile(), {"lost": "tests.observability.test_contents:Hostile"}),
        ({"a": [Hostile()], "b": 1}, {"a": [{"lost": "tests.observability.test_contents:Hostile"}], "b": 1}),
        ([2**80], [{"lost": "builtins:int"}]),
        ("half \ud800 a character", "half ? a character"),
        (str, {"lost": "builtins:str"}),
        (
            [HumanMessage("x", additional_kwargs={"o": 2**80})],
            [{"type": "human", "content": "x", "additional_kwargs": {"o": {"lost": "builtins:int"}}}],
        ),
        ([Mine(content="x")], [{"type": "human", "content": "x", "note": "own"}]),
    ],
    ids=["object", "inside", "integer", "text", "class", "message", "message class"],
)
def test_what_has_no_form_is_named(value: Any, shown: Any) -> None:
    """It is told apart from what surrounds it, and restoring says which class it was."""
    contents = Contents(SERDE)

    ref = contents.put(value)

    kept = contents.take()
    assert plain(ref, kept) == shown
    if "lost" in str(kept):
        with pytest.raises(NotRestorable, match="had no form"):
            restore(ref, kept, SERDE)


@pytest.mark.parametrize(
    "value",
    [
        "x" * 30_000_000,
        [["y" * 1000] * 50] * 1000,
        {"z": "z" * 2_000_000},
        b"b" * 3_000_000,
        entangled(),
        list(range(300_000)),
    ],
    ids=["text", "list", "inside", "bytes", "entangled", "many"],
)
def test_what_is_huge_is_cut_in_no_time(value: Any) -> None:
    """No content is larger than the limit, and looking at a value takes a bounded time."""
    contents, began = Contents(SERDE), time.process_time()

    ref = contents.put(value)

    assert time.process_time() - began < 2
    kept = contents.take()
    assert ref == CUT or ref in kept
    assert max(map(len, kept.values()), default=0) <= 1_000_000
    with pytest.raises(NotRestorable, match=r".+"):
        restore(CUT, kept, SERDE)


def test_what_is_not_taken_is_bounded() -> None:
    """A sink that is away for long doesn't fill the memory."""
    contents = Contents(SERDE)

    refs = {contents.put(f"{number} {'x' * 990_000}") for number in range(40)}

    assert CUT in refs
    assert contents.new_bytes < 36_000_000


def test_an_encrypting_serializer_is_looked_through() -> None:
    """What it encrypts could neither be searched for secrets nor recognised; the store encrypts contents."""
    contents = Contents(encrypted_serializer(b"0" * 16))

    ref = contents.put({"at": date(2026, 1, 2)})

    assert restore(ref, contents.take(), encrypted_serializer(b"0" * 16)) == {"at": date(2026, 1, 2)}


def test_contents_are_plain_json() -> None:
    """Anyone can read them without this project: each is JSON, named by a hash of 32 digits."""
    contents = Contents(SERDE)
    contents.put(VALUES)

    for ref, data in contents.take().items():
        assert len(ref) == 32
        orjson.loads(data)
