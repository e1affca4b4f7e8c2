"""Deltas of one message: joined, and yet the same message."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.messages import AIMessageChunk, HumanMessage
from langchain_core.messages.tool import tool_call_chunk

from motet.graphs.coalescing import Deltas
from motet.graphs.events import Event, Part, RunStarted, encode, jsonable

META = {"langgraph_node": "model", "langgraph_step": 1}


def delta(content: Any = "", *, namespace: tuple[str, ...] = (), meta: Any = META, **fields: Any) -> Part:
    """A delta of message `m`, unless `fields` say otherwise."""
    given: dict[str, Any] = {"content": content, "id": "m", **fields}
    chunk = AIMessageChunk(**given)
    return Part(mode="messages", namespace=namespace, data=(chunk, meta))


def told(events: list[Event]) -> list[Event]:
    """What goes out when all events come in one window."""
    deltas, out = Deltas(), list[Event]()
    for event in events:
        if not deltas.take(event):
            out += deltas.joined()
            if not deltas.take(event):
                out.append(event)
    return [*out, *deltas.joined()]


def test_deltas_of_one_message_become_one() -> None:
    """Text, tool calls, usage and the mark of the last chunk are those of LangChain's own sum."""
    parts = [
        delta("Let me "),
        delta("see.", name=None),
        delta(tool_call_chunks=[tool_call_chunk(name="find", args='{"q"', id="c", index=0)]),
        delta(tool_call_chunks=[tool_call_chunk(name=None, args=': "x"}', id=None, index=0)]),
        delta(usage_metadata={"input_tokens": 3, "output_tokens": 5, "total_tokens": 8}),
        delta(chunk_position="last", response_metadata={"finish_reason": "tool_calls"}),
    ]
    (whole,) = told([*parts])

    assert isinstance(whole, Part)
    chunk, meta = whole.data
    assert chunk == parts[0].data[0] + [part.data[0] for part in parts[1:]]
    assert (chunk.content, chunk.chunk_position, meta) == ("Let me see.", "last", META)
    assert chunk.tool_calls == [{"name": "find", "args": {"q": "x"}, "id": "c", "type": "tool_call"}]
    assert chunk.usage_metadata["total_tokens"] == 8


@pytest.mark.parametrize(
    "other",
    [
        delta("x", id="n"),
        delta("x", namespace=("child:1",)),
        delta("x", meta={**META, "langgraph_step": 2}),
        delta("x", name="somebody"),
        Part(mode="messages", namespace=(), data=(HumanMessage("x", id="m"), META)),
        Part(mode="custom", namespace=(), data=(AIMessageChunk(content="x", id="m"), META)),
        Part(mode="values", namespace=(), data={"messages": []}),
        RunStarted(run_id="r", attempt=1),
    ],
)
def test_nothing_else_is_joined(other: Event) -> None:
    """Another message, path, step, author or mode between two deltas stays where it was, and keeps them apart."""
    events = [delta("a"), other, delta("b")]
    assert told(events) == events


def test_what_has_no_id_or_has_ended_is_left_alone() -> None:
    """Chunks without an id may be of different messages, and after the last chunk comes another one."""
    anonymous = [delta("a", id=None), delta("b", id=None)]
    assert told([*anonymous]) == anonymous
    ended = [delta("a", chunk_position="last"), delta("b")]
    assert told([*ended]) == ended


def test_chunks_that_contradict_each_other_are_told_one_by_one() -> None:
    """What LangChain can't sum up is passed on as it came."""
    parts = [delta("a", additional_kwargs={"k": "x"}), delta("b", additional_kwargs={"k": ["y"]})]
    assert told([*parts]) == parts


def test_the_authors_name_stays() -> None:
    """LangChain's sum forgets who speaks; the joined delta doesn't."""
    (whole,) = told([delta("a", name="ada"), delta("b", name="ada")])
    assert isinstance(whole, Part)
    assert (whole.data[0].content, whole.data[0].name) == ("ab", "ada")


def _blocks(kind: str, key: str) -> st.SearchStrategy[dict[str, Any]]:
    return st.builds(lambda text, i: {"type": kind, key: text, "index": i}, st.text(max_size=3), st.integers(0, 2))


_BLOCKS = st.one_of(
    st.text(max_size=5),
    st.lists(
        _blocks("text", "text") | _blocks("reasoning", "reasoning"), max_size=2, unique_by=lambda one: one["index"]
    ),
)
_CALLS = st.lists(
    st.builds(
        lambda name, args, i: tool_call_chunk(name=name, args=args, id=None, index=i),
        st.sampled_from([None, "find"]), st.text('{}":a,', max_size=4), st.integers(0, 2),
    ),
    max_size=2,
    unique_by=lambda call: call["index"],
)  # fmt: skip
_USAGE = st.none() | st.builds(
    lambda a, b: {"input_tokens": a, "output_tokens": b, "total_tokens": a + b}, st.integers(0, 9), st.integers(0, 9)
)
_DELTAS = st.builds(
    lambda content, calls, usage: delta(content, tool_call_chunks=calls, usage_metadata=usage), _BLOCKS, _CALLS, _USAGE
)


@settings(max_examples=100)
@given(st.lists(_DELTAS, min_size=2, max_size=8), st.data())
def test_a_client_sums_up_the_same(parts: list[Part], data: st.DataObject) -> None:
    """Wherever windows end, the sum of what goes out is the sum of all deltas, byte for byte; no chunk is changed."""
    before = [encode(part) for part in parts]
    chunks = [part.data[0] for part in parts]
    cut = data.draw(st.integers(1, len(parts) - 1))
    out = [*told([*parts[:cut]]), *told([*parts[cut:]])]
    sums = [part.data[0] for part in out if isinstance(part, Part)]

    assert jsonable(sums[0] + sums[1:]) == jsonable(chunks[0] + chunks[1:])
    assert [encode(part) for part in parts] == before
