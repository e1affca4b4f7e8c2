"""Messages as they stand: told once each time somebody asks, however many deltas came."""

from __future__ import annotations

from typing import Any, Literal

from langchain_core.messages import AIMessageChunk, ToolMessage

from motet.graphs.accumulating import Accumulated
from motet.graphs.events import Part

ABOUT = {"langgraph_node": "model"}


def _part(message: Any, *namespace: str) -> Part:
    return Part(mode="messages", namespace=namespace, data=(message, ABOUT))


def _delta(text: str, message_id: str = "1", position: Literal["last"] | None = None) -> Part:
    return _part(AIMessageChunk(content=text, id=message_id, name="writer", chunk_position=position))


def _told(messages: Accumulated) -> list[tuple[str, Any]]:
    return [
        (part.mode.removeprefix("messages/"), part.data[0].text if isinstance(part.data, list) else part.data)
        for part in messages.told()
    ]


def test_a_message_is_told_as_it_stands() -> None:
    """Whence it comes at first, its whole text so far each time, and that it is complete at last."""
    messages = Accumulated()
    for text in ("a ", "mes"):
        messages.take(_delta(text))
    assert _told(messages) == [("metadata", {"1": {"metadata": ABOUT}}), ("partial", "a mes")]
    assert _told(messages) == []
    messages.take(_delta("sage"))
    messages.take(_delta("", position="last"))

    assert _told(messages) == [("partial", "a message"), ("complete", "a message")]


def test_messages_that_grow_side_by_side_cost_one_telling_each() -> None:
    """A thousand deltas of two messages, one after the other in turn, are two texts and no thousand."""
    messages = Accumulated()
    for _ in range(500):
        messages.take(_delta("x", "1"))
        messages.take(_delta("y", "2"))

    assert [text for mode, text in _told(messages) if mode == "partial"] == ["x" * 500, "y" * 500]


def test_a_message_that_comes_whole_is_complete() -> None:
    """A tool's, for one; it says in which sub-graph."""
    messages = Accumulated()
    messages.take(_part(ToolMessage("done", tool_call_id="1", id="t"), "child:1"))
    told = messages.told()

    assert [part.mode for part in told] == ["messages/metadata", "messages/complete"]
    assert {part.namespace for part in told} == {("child:1",)}


def test_what_is_told_is_a_message_and_no_chunk() -> None:
    """With its name; as JSON it has the type that clients show."""
    messages = Accumulated()
    messages.take(_delta("hello"))
    [_, partial] = messages.told()

    assert (partial.data[0].type, partial.data[0].name) == ("ai", "writer")
    assert "tool_call_chunks" not in partial.data[0].model_dump()


def test_deltas_that_contradict_each_other_end_no_run() -> None:
    """What fits together is told."""
    messages = Accumulated()
    messages.take(_delta("hello"))
    messages.take(_part(AIMessageChunk(content="!", id="1", response_metadata={"n": 1})))
    messages.take(_part(AIMessageChunk(content="?", id="1", response_metadata={"n": "a"})))

    assert _told(messages)[-1][1].startswith("hello!")
