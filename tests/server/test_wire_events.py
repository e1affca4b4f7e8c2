"""The stream modes `events` and `messages`: what happens inside a run, and messages as they stand."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from tests.server.running import Running, serving

PROJECT = Path(__file__).parent / "clients" / "langgraph.json"
ADDRESS = "ada.lovelace@example.org"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def running(redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Running]:
    """`motet serve` that takes addresses out of what it streams."""
    env = {"MOTET_REDIS_URL": redis_url, "MOTET_TENANT": "inside", "MOTET_PII": "email:redact"}
    async with serving("--config", str(PROJECT), data_dir=tmp_path_factory.mktemp("inside"), env=env) as one:
        yield one


@pytest_asyncio.fixture
async def client(running: Running) -> AsyncGenerator[Any]:
    """The unmodified SDK's client."""
    async with running.client() as sdk:
        yield sdk


def _says(text: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": text}]}


async def _streamed(client: Any, graph: str, text: str, modes: str | list[str], **more: Any) -> list[tuple[str, Any]]:
    thread_id = (await client.threads.create())["thread_id"]
    stream = client.runs.stream(thread_id, graph, input=_says(text), stream_mode=modes, **more)
    return [(part.event, part.data) async for part in stream]


async def test_events_tell_what_happens_inside(client: Any) -> None:
    """LangChain's events, from the root's start to its end, with the fields that clients read."""
    told = await _streamed(client, "agent", "hello", "events")
    events = [data for name, data in told if name == "events"]
    kinds = [one["event"] for one in events]

    assert {name for name, _ in told} == {"metadata", "events"}
    assert (kinds[0], events[0]["name"], events[0]["parent_ids"]) == ("on_chain_start", "agent", [])
    assert (kinds[-1], events[-1]["name"]) == ("on_chain_end", "agent")
    assert events[-1]["data"]["output"]["messages"][-1]["content"].startswith("Echo of hello")
    assert {"on_chat_model_start", "on_chat_model_stream", "on_chat_model_end"} < set(kinds)
    assert set(events[0]) == {"event", "data", "name", "tags", "run_id", "metadata", "parent_ids"}
    streamed = "".join(one["data"]["chunk"]["content"] for one in events if one["event"] == "on_chat_model_stream")
    assert streamed == "Echo of hello in several words streamed slowly."


async def test_events_come_beside_the_other_modes(client: Any) -> None:
    """The root's own stream is told in its modes, and not among the events again."""
    told = await _streamed(client, "talk", "hello", ["values", "events", "updates", "messages-tuple"])
    alone = await _streamed(client, "talk", "hello", ["values", "updates"])

    assert {name for name, _ in told} == {"metadata", "values", "events", "updates", "messages"}
    assert [name for name, _ in told if name in {"values", "updates"}] == [name for name, _ in alone[1:]]
    assert told[-2][1]["messages"][-1]["content"] == "you said hello"


async def test_events_tell_of_tools_and_questions(client: Any) -> None:
    """A question waits as in any other mode; the answer's run tells of the tool's call."""
    thread_id = (await client.threads.create())["thread_id"]
    stream = client.runs.stream(thread_id, "agent", input=_says("please mail"), stream_mode="events")
    assert [part.event async for part in stream][-1] == "events"
    assert (await client.threads.get(thread_id))["status"] == "interrupted"

    command = {"resume": {"decisions": [{"type": "approve"}]}}
    stream = client.runs.stream(thread_id, "agent", command=command, stream_mode=["events", "values"])
    told = [(part.event, part.data) async for part in stream]

    tools = [data["event"] for name, data in told if name == "events" and data["event"].startswith("on_tool")]
    assert tools == ["on_tool_start", "on_tool_end"]
    [*_, values] = [data for name, data in told if name == "values"]
    assert values["messages"][-1]["content"].startswith("Done.")


async def test_a_failed_run_tells_its_events_and_its_error(client: Any) -> None:
    """The error ends the stream, once."""
    told = await _streamed(client, "fails", "hello", "events")
    assert [name for name, _ in told if name != "events"] == ["metadata", "error"]
    assert told[-1] == ("error", {"error": "ValueError", "message": "no"})


async def test_what_a_stream_may_not_show_is_not_in_its_events(client: Any) -> None:
    """An address that a model says piece by piece is in no piece; models that talk to themselves are not told of."""
    told = await _streamed(client, "talk", f"write to {ADDRESS} today", ["events", "messages", "messages-tuple"])
    streamed = [data["data"]["chunk"]["content"] for name, data in told if name == "events" and "chunk" in data["data"]]

    assert "only for myself" not in str(told)
    assert "".join(streamed) == "you said write to [REDACTED_EMAIL] today"
    assert ADDRESS not in str(told)


async def test_a_chain_that_streams_pieces_does_not_show_them(client: Any) -> None:
    """A piece of a text is not known for what it is; the whole is, at the chain's end."""
    told = await _streamed(client, "chained", f"write to {ADDRESS} today", "events")
    ends = [data["data"]["output"] for _, data in told[1:] if data["event"] == "on_parser_end"]

    assert ends == ["you said write to [REDACTED_EMAIL] today"]
    assert [data for _, data in told[1:] if "chunk" in data["data"] and data["event"] != "on_chat_model_stream"] == []


async def test_messages_come_as_they_stand(client: Any) -> None:
    """First whence a message comes, then what there is of it, and at last the whole; a tool's comes whole."""
    thread_id = (await client.threads.create())["thread_id"]
    await client.runs.wait(thread_id, "agent", input=_says("please mail"))
    command = {"resume": {"decisions": [{"type": "approve"}]}}
    stream = client.runs.stream(thread_id, "agent", command=command, stream_mode="messages")
    told = [(part.event.removeprefix("messages/"), part.data) async for part in stream][1:]

    assert [name for name, _ in told[:3]] == ["metadata", "complete", "metadata"]
    [tool] = told[1][1]
    assert (tool["type"], tool["content"]) == ("tool", "sent to [REDACTED_EMAIL]: hello")
    [(answer_id, about)] = told[2][1].items()
    assert about["metadata"]["langgraph_node"] == "model"
    texts = [data[0]["content"] for _, data in told[3:]]
    assert all(later.startswith(earlier) for earlier, later in pairwise(texts))
    assert {data[0]["id"] for _, data in told[3:]} == {answer_id}
    assert {data[0]["type"] for _, data in told[3:]} == {"ai"}
    assert told[-1][0] == "complete"
    assert texts[-1].startswith("Done. sent to")


async def test_a_join_is_narrowed_to_these_modes(client: Any) -> None:
    """A run asked for several modes is come back to for one."""
    thread_id = (await client.threads.create())["thread_id"]
    modes = ["messages", "messages-tuple", "events"]
    run = await client.runs.create(thread_id, "talk", input=_says("hello"), stream_mode=modes)

    async def names(mode: str) -> set[str]:
        stream = client.runs.join_stream(thread_id, run["run_id"], stream_mode=mode, last_event_id="-1")
        return {part.event async for part in stream}

    assert await names("messages") == {"metadata", "messages/metadata", "messages/partial", "messages/complete"}
    assert await names("messages-tuple") == {"metadata", "messages"}
    assert await names("events") == {"metadata", "events"}


async def test_whoever_waits_has_the_values_whatever_is_streamed(running: Running, client: Any) -> None:
    """A wait, with a thread or without, answers with the state."""
    thread_id = (await client.threads.create())["thread_id"]
    body = {"assistant_id": "talk", "input": _says("hello"), "stream_mode": "events"}
    async with httpx.AsyncClient(base_url=running.url) as http:
        for path in (f"/threads/{thread_id}/runs/wait", "/runs/wait"):
            assert (await http.post(path, json=body)).json()["messages"][-1]["content"] == "you said hello"
