"""Stored events of a run as those of the second wire protocol; deltas of messages as content blocks."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.messages import AIMessage, AIMessageChunk, ToolMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.messages.tool import tool_call_chunk

from motet.graphs.events import jsonable, to_json
from motet.memory.ports import END, Run, RunRequest, StoredEvent
from motet.server.protocol_events import RunEvents
from motet.server.protocol_filter import EventStreamRequest
from motet.server.protocol_messages import Messages


def _events(*messages: Any) -> list[Any]:
    told = Messages()
    return [event for one in messages for event in told.take((), jsonable(one))]


def _bare(events: list[Any]) -> list[Any]:
    return [{name: value for name, value in one.items() if name not in {"id", "run_id"}} for one in events]


def _piece(index: int, args: str, name: str | None = None) -> AIMessageChunk:
    call = tool_call_chunk(name=name, args=args, id=None if name is None else f"call_{index}", index=index)
    return AIMessageChunk(content="", id="lc_run--a", tool_call_chunks=[call])


def test_calls_in_pieces_are_whole_at_the_end() -> None:
    """Two calls whose arguments come piece by piece, one after the other, end as calls with arguments."""
    events = _bare(
        _events(
            AIMessageChunk(content="let me see", id="lc_run--a"),
            _piece(1, '{"a": ', "first"),
            _piece(2, "{}", "second"),
            _piece(1, "1}"),
            AIMessageChunk(content="", id="lc_run--a", chunk_position="last"),
        )
    )

    assert [one["event"] for one in events] == [
        "message-start",
        *("content-block-start", "content-block-delta"),
        *("content-block-start", "content-block-delta"),
        *("content-block-start", "content-block-delta"),
        "content-block-delta",
        *("content-block-finish", "content-block-finish", "content-block-finish"),
        "message-finish",
    ]
    assert events[3]["content"] == {"type": "tool_call_chunk", "id": "call_1", "name": "first", "args": "", "index": 1}
    assert events[7] == {"event": "content-block-delta", "index": 1, "delta": {"type": "tool-call-delta", "args": "1}"}}
    assert [one["content"] for one in events[8:11]] == [
        {"type": "text", "text": "let me see"},
        {"type": "tool_call", "id": "call_1", "name": "first", "args": {"a": 1}},
        {"type": "tool_call", "id": "call_2", "name": "second", "args": {}},
    ]


def test_a_call_that_is_no_call_is_told_as_one() -> None:
    """Arguments that are no JSON object are handed on as they are, and said to be wrong."""
    events = _events(_piece(1, '{"a": ', "first"), AIMessageChunk(content="", id="lc_run--a", chunk_position="last"))
    [finish] = [one["content"] for one in events if one["event"] == "content-block-finish"]
    assert (finish["type"], finish["args"]) == ("invalid_tool_call", '{"a": ')


def test_usage_and_thoughts() -> None:
    """Thoughts are a block of their own; tokens are added up over the deltas, and the model is named."""
    usage = UsageMetadata(input_tokens=3, output_tokens=1, total_tokens=4)
    thought: list[str | dict[Any, Any]] = [{"type": "reasoning", "reasoning": "hm", "index": 0}]
    named = {"model_name": "m", "model_provider": "p"}
    events = _events(
        AIMessageChunk(content=thought, id="1", usage_metadata=usage, response_metadata=named),
        AIMessageChunk(content=[{"type": "text", "text": "so", "index": 1}], id="1", usage_metadata=usage),
        AIMessageChunk(content=[], id="1", chunk_position="last"),
    )

    assert events[0] == {"event": "message-start", "role": "ai", "id": "1", "metadata": {"provider": "p", "model": "m"}}
    assert [one["delta"] for one in events if "delta" in one] == [
        {"type": "reasoning-delta", "reasoning": "hm"},
        {"type": "text-delta", "text": "so"},
    ]
    assert events[-1]["usage"]["total_tokens"] == 8


def test_a_message_that_comes_whole() -> None:
    """A message that no model streamed is told block by block as well; what a tool answered isn't told here."""
    call = {"name": "look", "args": {"at": 1}, "id": "call_1"}
    events = _bare(
        _events(AIMessage(content="hello", id="1", tool_calls=[call]), ToolMessage(content="4", tool_call_id="call_1"))
    )

    assert [one["event"] for one in events] == [
        "message-start",
        *("content-block-start", "content-block-delta", "content-block-finish"),
        *("content-block-start", "content-block-finish"),
        "message-finish",
    ]
    [_, finish] = [one["content"] for one in events if one["event"] == "content-block-finish"]
    assert finish == {"type": "tool_call", "id": "call_1", "name": "look", "args": {"at": 1}}


def test_a_message_that_nobody_ends() -> None:
    """What hasn't ended when its run does is ended for it: whole after a success, and as an error after a failure."""
    for problem, expected in ((None, ["content-block-finish", "message-finish"]), ("gone", ["error"])):
        messages = Messages()
        began = list(messages.take(("a:1",), jsonable(AIMessageChunk(content="he", id="1"))))
        ended = list(messages.end(problem))
        assert len(began) == 3
        assert [(namespace, one["event"]) for namespace, one in ended] == [(("a:1",), one) for one in expected]
        assert list(messages.end(problem)) == []


def _run(*modes: str) -> Run:
    request = RunRequest(run_id="r", thread_id="t", assistant_id="a", graph_id="g", payload={"modes": modes})
    return Run(request=request, status="running", created_at="", updated_at="")


def _told(events: RunEvents, *stored: tuple[str, Any]) -> list[Any]:
    told = [
        one
        for at, (name, data) in enumerate(stored, 1)
        for one in events.told(StoredEvent(event_id=f"1795000000000-{at}", name=name, data=to_json(data)))
    ]
    return [(one.method, one.data.get("event", one.data)) for one in [*told, *events.gone()]]


_EVERYTHING = EventStreamRequest(channels=["values", "messages", "lifecycle", "input", "checkpoints", "updates"])


def test_another_attempt_takes_back_what_the_one_before_began_to_say() -> None:
    """A run whose worker was lost is told as one run: it began once, and the message that broke off is said to."""
    begun = [AIMessageChunk(content="he", id="1"), {}]
    told = _told(
        RunEvents(_run("messages", "values"), _EVERYTHING),
        ("metadata", {"run_id": "r", "attempt": 1}),
        ("messages", begun),
        ("metadata", {"run_id": "r", "attempt": 2}),
        ("values", {"n": 1}),
        (END, {"status": "success"}),
    )

    assert told == [
        ("lifecycle", "running"),
        ("messages", "message-start"),
        ("messages", "content-block-start"),
        ("messages", "content-block-delta"),
        ("messages", "error"),
        ("values", {"n": 1}),
        ("lifecycle", "completed"),
    ]


def test_a_run_that_is_taken_back_ends_for_its_readers() -> None:
    """A run that is forgotten while it is read has an end, and what was held back of it is told."""
    told = _told(RunEvents(_run("values"), _EVERYTHING), ("values", {"n": 1}))
    assert told == [("lifecycle", "running"), ("values", {"n": 1}), ("lifecycle", "interrupted")]


def test_a_question_is_told_when_it_can_be_answered() -> None:
    """What a graph asked is told with the end of its run, once, and not if the run ended otherwise."""
    asked = {"n": 1, "__interrupt__": [{"id": "a" * 32, "value": "sure?"}]}
    question = {"interrupt_id": "a" * 32, "payload": "sure?", "value": "sure?"}
    waits = _told(
        RunEvents(_run("values", "updates"), _EVERYTHING),
        ("updates", {"__interrupt__": asked["__interrupt__"]}),
        ("values", asked),
        ("checkpoints/brief", {"id": "c"}),
        (END, {"status": "interrupted"}),
    )
    failed = _told(
        RunEvents(_run("values"), _EVERYTHING),
        ("values", asked),
        (END, {"status": "error", "error": {"message": "no"}}),
    )

    assert waits == [
        ("lifecycle", "running"),
        ("checkpoints", {"id": "c"}),
        ("values", {"n": 1}),
        ("input.requested", question),
        ("lifecycle", "interrupted"),
    ]
    assert [method for method, _ in failed] == ["lifecycle", "values", "lifecycle"]


@pytest.mark.parametrize(
    ("update", "told"),
    [
        ({"n": 1}, [{"n": 1}]),
        ([{"n": 1}, None, {"n": 2}], [{"n": 1}, {}, {"n": 2}]),
        (None, [{}]),
        ("rain", ["rain"]),
        (0, [0]),
        ([1, 2], [[1, 2]]),
        ([{"n": 1}, 2], [[{"n": 1}, 2]]),
    ],
)
def test_an_update_that_is_no_object_is_told_as_it_is(update: Any, told: list[Any]) -> None:
    """A task of the functional API returns any value; deltas of a state are told one by one."""
    events = _told(RunEvents(_run("updates"), _EVERYTHING), ("updates", {"work": update}))
    assert [data for method, data in events if method == "updates"] == [{"node": "work", "values": one} for one in told]


def test_a_block_with_an_index_of_any_kind_is_told() -> None:
    """A graph may put anything into its messages; what it says is no reason to break off the thread's stream."""
    told = [
        one
        for index in ([1], {"a": 1}, "b", 2)
        for one in Messages().take(
            (), {"type": "AIMessageChunk", "id": "m", "content": [{"type": "text", "text": "hi", "index": index}]}
        )
    ]
    assert [one["delta"]["text"] for one in told if one["event"] == "content-block-delta"] == ["hi"] * 4


def test_of_a_message_in_a_state_only_empty_fields_are_left_out() -> None:
    """Nothing, an empty list and an empty object say nothing; a zero does."""
    message = {"type": "tool", "content": "", "id": "m", "artifact": 0, "name": None, "extra": {}, "calls": []}
    told = _told(RunEvents(_run("values"), _EVERYTHING), ("values", {"messages": [message]}))
    assert told[1] == ("values", {"messages": [{"type": "tool", "content": "", "id": "m", "artifact": 0}]})
