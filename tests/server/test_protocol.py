"""The second wire protocol: the requests of `@langchain/react`, byte for byte, and what each command answers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from itertools import pairwise
from typing import Any
from uuid import uuid4

import httpx
import pytest
import pytest_asyncio
from tests.server.protocol_client import KEY, ORIGIN, PROJECT, Frame, Speaker, taken
from tests.server.running import Running, serving

_THREAD = "01a1ffdf-b3b6-74db-a4d8-d9c06d9ac2a5"
_STARTED = (
    '{"id":1,"method":"run.start","params":{"input":{"messages":[{"type":"human","content":"hello vite",'
    '"id":"01a1ffdf-b3bb-770e-8da0-fdf11d96b563","additional_kwargs":{},"response_metadata":{}}]},'
    '"config":{"configurable":{"thread_id":"01a1ffdf-b3b6-74db-a4d8-d9c06d9ac2a5"}},"assistant_id":"agent"}}'
)
_WATCHED = '{"channels":["lifecycle","input"]}'
_CONTENT = '{"channels":["values","checkpoints","lifecycle","input","messages","tools"],"namespaces":[[]],"depth":1}'
_ASKED = (
    '{"id":3,"method":"run.start","params":{"input":{"messages":[{"type":"human","content":"please send a mail",'
    '"id":"01a1ffdf-b9a8-7775-ae55-b1e495ecf4e6","additional_kwargs":{},"response_metadata":{}}]},'
    '"config":{"configurable":{"thread_id":"01a1ffdf-b3b6-74db-a4d8-d9c06d9ac2a5"}},"assistant_id":"agent"}}'
)
_APPROVED = (
    '{"id":4,"method":"input.respond","params":{"namespace":[],"interrupt_id":"%s",'
    '"response":{"decisions":[{"type":"approve"}]}}}'
)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def running(redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Running]:
    """`motet serve` with a tenant of its own, a key, and a page of another origin that may call it."""
    env = {
        "MOTET_REDIS_URL": redis_url,
        "MOTET_TENANT": "protocol",
        "MOTET_AUTH": KEY,
        "MOTET_CORS_ORIGINS": ORIGIN,
    }
    async with serving("--config", str(PROJECT), data_dir=tmp_path_factory.mktemp("protocol"), env=env) as one:
        yield one


@pytest_asyncio.fixture
async def http(running: Running) -> AsyncGenerator[httpx.AsyncClient]:
    """A page's requests."""
    headers = {"x-api-key": KEY, "origin": ORIGIN}
    async with httpx.AsyncClient(base_url=running.url, timeout=20, headers=headers) as client:
        yield client


@pytest.fixture
def speaker(http: httpx.AsyncClient) -> Speaker:
    """A client with a thread of its own that doesn't exist yet."""
    return Speaker(http)


async def _posted(http: httpx.AsyncClient, path: str, body: str) -> Any:
    answer = await http.post(path, content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 200, answer.text
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    return answer.json()


def _lifecycle(frames: list[Frame]) -> list[str]:
    return [frame.kind or frame.method for frame in frames]


async def test_the_requests_of_the_react_client(http: httpx.AsyncClient) -> None:
    """A thread that the page named, two streams over two runs, a question, its answer: as the page sends them."""
    thread_id = str(uuid4())
    commands = f"/threads/{thread_id}/commands"
    assert (await http.get(f"/threads/{thread_id}/state")).status_code == 404
    page = Speaker(http, thread_id)

    started = await _posted(http, commands, _STARTED.replace(_THREAD, thread_id))
    async with page.reading(**json.loads(_WATCHED)) as watcher, page.reading(**json.loads(_CONTENT)) as content:
        first = await taken(content)
        asked = await _posted(http, commands, _ASKED.replace(_THREAD, thread_id))
        second = await taken(content)
        question = next(frame for frame in second if frame.method == "input.requested")
        approved = await _posted(http, commands, _APPROVED % question.told["interrupt_id"])
        third = await taken(content)
        watched = [frame for _ in range(3) for frame in await taken(watcher)]

    assert {**started, "meta": None} == {
        "type": "success",
        "id": 1,
        "result": {"run_id": started["result"]["run_id"]},
        "meta": None,
    }
    assert asked["id"] == 3
    assert (approved["type"], approved["id"], approved["result"]) == ("success", 4, {})
    assert _lifecycle(watched) == [
        *("running", "completed"),
        *("running", "input.requested", "interrupted"),
        *("running", "input.answered", "completed"),
    ]
    assert question.told["payload"]["action_requests"][0]["args"] == {"to": "ada@example.org", "body": "hello"}
    done = [frame.told["messages"] for frame in third if frame.method == "values"][-1]
    assert [one["type"] for one in done] == ["human", "ai", "human", "ai", "tool", "ai"]
    assert done[-1]["content"] == "Done. sent to ada@example.org: hello"
    assert [frame.kind for frame in third if frame.method == "tools"] == ["tool-started", "tool-finished"]
    frames = [*first, *second, *third]
    assert all(frame.event == frame.method and frame.id == str(frame.data["seq"]) for frame in frames)
    assert len({frame.data["event_id"] for frame in frames}) == len(frames)


_ID = "…"
_REFERENCE: list[tuple[str, Any]] = [
    ("lifecycle", {"event": "running", "graph_name": "told"}),
    ("values", {"messages": [{"type": "human", "content": "hi", "id": _ID}], "log": []}),
    ("messages", {"event": "message-start", "role": "ai", "id": _ID}),
    ("messages", {"event": "content-block-start", "index": 0, "content": {"type": "text", "text": ""}}),
    ("messages", {"event": "content-block-delta", "index": 0, "delta": {"type": "text-delta", "text": _ID}}),
    (
        "messages",
        {"event": "content-block-finish", "index": 0, "content": {"type": "text", "text": "hello brave new world"}},
    ),
    ("messages", {"event": "message-finish"}),
    ("values", {"log": ["talk"]}),
    ("values", {"log": ["talk"]}),
    ("lifecycle", {"event": "started", "namespace": [_ID], "graph_name": "child", "trigger_call_id": _ID}),
    ("values", {"log": ["talk", "inner"]}),
    ("lifecycle", {"event": "completed", "graph_name": "child"}),
    ("values", {"log": ["talk", "talk", "inner"]}),
    ("lifecycle", {"event": "completed", "graph_name": "told"}),
]
"""What the reference server streamed of the same graph; of longer ones, a part."""


def _holds(told: Any, expected: Any) -> bool:
    """Whether `told` is `expected`, fields beside aside."""
    if isinstance(expected, dict):
        return isinstance(told, dict) and all(_holds(told.get(name), one) for name, one in expected.items())
    if isinstance(expected, list):
        return len(told) == len(expected) and all(map(_holds, told, expected))
    return (isinstance(told, str) and bool(told)) if expected == _ID else told == expected


async def test_events_have_the_shapes_of_the_reference(speaker: Speaker) -> None:
    """Of a graph that talks and has a sub-graph work, each event is what the reference tells, in its order."""
    await speaker.start("told")
    frames = await speaker.until(channels=["values", "messages", "lifecycle"])
    told = [(frame.method, frame.told) for frame in frames if frame.kind != "content-block-delta"]
    deltas = [frame.told for frame in frames if frame.kind == "content-block-delta"]

    expected = [one for one in _REFERENCE if one[1].get("event") != "content-block-delta"]
    assert [name for name, _ in told] == [name for name, _ in expected]
    assert [one for one, (_, wanted) in zip(told, expected, strict=True) if not _holds(one[1], wanted)] == []
    assert "".join(one["delta"]["text"] for one in deltas) == "hello brave new world"
    assert all("__interrupt__" not in frame.told for frame in frames)
    assert set(frames[0].data) == {"type", "event_id", "seq", "method", "params"}
    assert {"namespace", "timestamp", "data"} <= set(frames[0].data["params"])


async def test_a_run_that_fails_says_why(speaker: Speaker) -> None:
    """The last event of a run that failed carries the error's text."""
    run_id = await speaker.start("boom")
    frames = await speaker.until(channels=["values", "lifecycle"])

    assert [frame.kind for frame in frames if frame.method == "lifecycle"] == ["running", "failed"]
    assert frames[-1].told == {"event": "failed", "graph_name": "boom", "error": "boom happened"}
    assert frames[-1].data["event_id"] == f"synth:{run_id}:lc||failed"


async def test_all_answers_are_checked_before_one_counts(speaker: Speaker) -> None:
    """Of two answers, one that names nothing keeps the other from counting; both right ones count together."""
    await speaker.start("two_questions")
    asked = [frame for frame in await speaker.until(channels=["lifecycle", "input"]) if frame.method != "lifecycle"]
    ids = {frame.told["payload"]["question"]: frame.told["interrupt_id"] for frame in asked}
    answers = [{"interrupt_id": ids["first"], "response": 1, "namespace": []}]

    wrong = await speaker.send("input.respond", responses=[*answers, {"interrupt_id": "0" * 32, "response": 2}])
    answers.append({"interrupt_id": ids["second"], "response": None, "namespace": []})
    twice = await speaker.send("input.respond", responses=[*answers, answers[0]])
    right = await speaker.send("input.respond", responses=answers)
    ended = await speaker.until(lambda frame: frame.kind == "completed", ["values", "lifecycle", "input"])

    assert (wrong["type"], wrong["error"]) == ("error", "no_such_interrupt")
    assert (twice["type"], twice["error"]) == ("error", "invalid_argument")
    assert right["result"] == {}
    assert sorted([frame for frame in ended if frame.method == "values"][-1].told["log"]) == ["first=1", "second=None"]


@pytest.mark.parametrize("interrupt_id", ["nope", "0" * 32])
async def test_an_answer_to_a_question_that_nobody_asked(speaker: Speaker, interrupt_id: str) -> None:
    """It is refused as such, whatever its id looks like, and isn't taken for an answer to what waits."""
    await speaker.start("inner_ask")
    await speaker.until()
    wrong = await speaker.send("input.respond", interrupt_id=interrupt_id, response="yes")

    assert (wrong["type"], wrong["error"]) == ("error", "no_such_interrupt")
    assert (await speaker.http.get(f"/threads/{speaker.thread_id}")).json()["status"] == "interrupted"


async def test_a_question_of_a_subgraph_is_answered_by_its_id(speaker: Speaker) -> None:
    """A question deep below is told at the root and answered there; afterwards nobody is asked it again."""
    await speaker.start("inner_ask")
    asked = await speaker.until()
    [question] = [frame for frame in asked if frame.method == "input.requested"]
    states = {frame.kind for frame in asked if frame.method == "lifecycle" and frame.namespace}

    params = {"interrupt_id": question.told["interrupt_id"], "namespace": question.namespace}
    done = await speaker.send("input.respond", response="yes", strict_resume=True, **params)
    again = await speaker.send("input.respond", response="no", **params)
    late = await speaker.until(lambda frame: frame.kind == "completed" and not frame.namespace)

    assert done["type"] == "success"
    assert (again["type"], again["error"]) == ("error", "no_such_interrupt")
    assert states == {"started", "interrupted"}
    assert [frame for frame in late if frame.method == "input.requested"] == []
    assert [frame for frame in late if frame.method == "values"][-1].told["log"] == ["deep=yes"]


@pytest.mark.parametrize(
    ("method", "params", "code", "named"),
    [
        ("run.stop", {}, "unknown_command", "run.stop"),
        ("run.start", {"assistant_id": "told", "input": {}, "streem": 1}, "invalid_argument", "streem"),
        ("run.start", {"input": {}}, "invalid_argument", "assistant_id"),
        ("run.start", {"assistant_id": "nobody", "input": {}}, "invalid_argument", "nobody"),
        (
            "run.start",
            {"assistant_id": "told", "input": {}, "config": {"configurable": {"thread_id": "another"}}},
            "invalid_argument",
            "config.configurable.thread_id",
        ),
        ("run.start", {"assistant_id": "told", "config": {"speed": 1}}, "invalid_argument", "config.speed"),
        (
            "run.start",
            {"assistant_id": "told", "config": {"configurable": 1}},
            "invalid_argument",
            "config.configurable",
        ),
        ("input.respond", {"interrupt_id": "0" * 32, "response": 1}, "invalid_argument", "Thread"),
        ("input.respond", {"interrupt_id": "0" * 32}, "invalid_argument", "response"),
        ("input.respond", {}, "invalid_argument", "interrupt_id"),
        ("state.fork", {"checkpoint_id": "x"}, "invalid_argument", "Thread"),
    ],
)
async def test_what_cannot_be_done_is_said_by_name(
    speaker: Speaker, method: str, params: dict[str, Any], code: str, named: str
) -> None:
    """A command that is refused says what is wrong with it, by the protocol's code, and makes no thread."""
    answer = await speaker.send(method, **params)
    assert (answer["type"], answer["error"]) == ("error", code)
    assert named in answer["message"]
    assert (await speaker.http.get(f"/threads/{speaker.thread_id}")).status_code == 404


@pytest.mark.parametrize(
    "body", ["{", "[]", '{"id":"1","method":"run.start"}', '{"id":1}', '{"id":1,"method":"x","params":[]}']
)
async def test_a_body_that_is_no_command(speaker: Speaker, body: str) -> None:
    """Only what can't be told apart from others by its id is a status of its own."""
    answer = await speaker.http.post(f"/threads/{speaker.thread_id}/commands", content=body)
    assert answer.status_code == 400
    assert {**answer.json(), "message": ""} == {"type": "error", "id": None, "error": "invalid_argument", "message": ""}


async def test_a_stream_of_what_there_is_not(speaker: Speaker) -> None:
    """An unknown channel is named; a thread that doesn't exist, or whose id is none, has no stream."""
    stream = f"/threads/{speaker.thread_id}/stream/events"
    channel = await speaker.http.post(stream, json={"channels": ["values", "valeus"]})
    missing = await speaker.http.post(stream, json={"channels": ["values"]})
    wrong = await speaker.http.post("/threads/none/stream/events", json={"channels": ["values"]})
    field = await speaker.http.post(stream, json={"channels": ["values"], "deepness": 1})

    assert (channel.status_code, "valeus" in channel.json()["detail"]) == (400, True)
    assert (missing.status_code, wrong.status_code) == (404, 422)
    assert (field.status_code, "deepness" in field.json()["detail"]) == (422, True)


async def test_the_protocol_asks_for_the_key_and_answers_preflights(running: Running) -> None:
    """Without the key nothing is told; a page of an allowed origin may ask whether it may ask."""
    paths = [f"/threads/{uuid4()}/commands", f"/threads/{uuid4()}/stream/events"]
    asks = {"origin": ORIGIN, "access-control-request-method": "POST", "access-control-request-headers": "x-api-key"}
    async with httpx.AsyncClient(base_url=running.url, timeout=20) as stranger:
        refused = [(await stranger.post(path, json={})).status_code for path in paths]
        asked = [await stranger.options(path, headers=asks) for path in paths]

    assert refused == [401, 401]
    assert [(one.status_code, one.headers["access-control-allow-origin"]) for one in asked] == [(200, ORIGIN)] * 2


async def test_a_run_goes_on_from_an_earlier_checkpoint(speaker: Speaker) -> None:
    """The checkpoints told before the values, those listed, and the way back to one are the same."""
    await speaker.start("told")
    frames = await speaker.until(channels=["checkpoints", "values", "lifecycle"], namespaces=[[]], depth=0)
    places = [frame.told for frame in frames if frame.method == "checkpoints"]
    after = [two.method for one, two in pairwise(frames) if one.method == "checkpoints"]

    listed = (await speaker.send("state.listCheckpoints", limit=10))["result"]["checkpoints"]
    state = (await speaker.send("state.get", namespace=[], keys=["log"]))["result"]
    before_child = next(one["id"] for one in places if one["step"] == 1)
    forked = (await speaker.send("state.fork", checkpoint_id=before_child))["result"]
    again = await speaker.until(lambda frame: frame.ends_run() and forked["run_id"] in frame.data["event_id"])
    unknown = await speaker.send("state.fork", checkpoint_id="1f1e6844-ed3d-64be-bfff-997f3895a286")

    assert [one["id"] for one in listed] == [one["id"] for one in places][::-1]
    assert all(one["parent_id"] == before["id"] for before, one in pairwise(places))
    assert after[1:] == ["values"] * (len(places) - 1)
    assert state == {"values": {"log": ["talk", "talk", "inner"]}, "checkpoint": {"id": places[-1]["id"]}}
    assert forked["thread_id"] == speaker.thread_id
    assert [frame for frame in again if frame.method == "values"][-1].told["log"] == ["talk", "talk", "inner"]
    assert (unknown["type"], unknown["error"]) == ("error", "no_such_checkpoint")


async def test_another_strategy_ends_the_run_that_works(speaker: Speaker) -> None:
    """The JavaScript client's two names of the strategy are one; the run that gave way is told as interrupted."""
    first = await speaker.start("slow")
    async with speaker.reading(["lifecycle"]) as frames:
        await taken(frames, lambda frame: frame.kind == "running")
        second = await speaker.start("boom", multitask_strategy="interrupt", multitaskStrategy="interrupt")
        async with asyncio.timeout(15):
            ended = [*await taken(frames), *await taken(frames)]

    assert [(frame.data["event_id"].split(":")[1], frame.kind) for frame in ended] == [
        (first, "interrupted"),
        (second, "running"),
        (second, "failed"),
    ]
