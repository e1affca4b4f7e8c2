"""Runs on a thread, through the unmodified Python SDK."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any
from uuid import uuid4

import httpx
import pytest
import pytest_asyncio
from tests.server.running import PROJECT, Running, refused, serving
from tests.support import wait_until

HELLO: dict[str, Any] = {"messages": [{"role": "user", "content": "hello"}]}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Running]:
    """A server of this file's own: it cancels whatever runs."""
    env = {"MOTET_REDIS_URL": redis_url, "MOTET_TENANT": f"runs-{uuid4().hex[:8]}"}
    async with serving("--config", str(PROJECT), data_dir=tmp_path_factory.mktemp("runs"), env=env) as running:
        yield running


@pytest_asyncio.fixture
async def http(server: Running) -> AsyncGenerator[httpx.AsyncClient]:
    """Without the SDK, for headers and for what it would never send."""
    async with httpx.AsyncClient(base_url=server.url) as client:
        yield client


async def _thread(client: Any) -> str:
    return (await client.threads.create())["thread_id"]


async def _status(client: Any, thread_id: str, run_id: str) -> str:
    return (await client.runs.get(thread_id, run_id))["status"]


async def _started(client: Any, thread_id: str, **asked: Any) -> str:
    """The id of a run that has begun, and goes on for longer than any test."""
    before = len(await _log(client, thread_id))
    run = await client.runs.create(thread_id, "slow", input={"n": -200}, **asked)

    async def begun() -> bool:
        return len(await _log(client, thread_id)) > before

    await wait_until(begun, description="the run took its first step")
    return run["run_id"]


async def _log(client: Any, thread_id: str) -> list[str]:
    return (await client.threads.get_state(thread_id))["values"].get("log", [])


async def test_a_run_is_told_as_it_was_asked(client: Any, http: httpx.AsyncClient) -> None:
    """A run's record says what it was asked with, and where it is read."""
    thread_id = await _thread(client)
    asked = {"assistant_id": "echo", "input": HELLO, "metadata": {"m": 1}, "stream_mode": ["values", "updates"]}

    answer = await http.post(f"/threads/{thread_id}/runs", json=asked)

    run = answer.json()
    assert answer.status_code == 200
    assert answer.headers["content-location"] == f"/threads/{thread_id}/runs/{run['run_id']}"
    assert (run["thread_id"], run["multitask_strategy"]) == (thread_id, "enqueue")
    assert run["metadata"] == {"m": 1, "graph_id": "echo", "assistant_id": run["assistant_id"]}
    assert run["kwargs"]["input"] == HELLO
    assert run["kwargs"]["stream_mode"] == ["values", "updates"]
    assert await client.runs.join(thread_id, run["run_id"])
    assert await _status(client, thread_id, run["run_id"]) == "success"


async def test_streams_and_waits_say_where_they_go_on(client: Any, http: httpx.AsyncClient) -> None:
    """A client that is cut off finds in `Location` where it comes back to."""
    path = f"/threads/{await _thread(client)}/runs"

    streamed = await http.post(f"{path}/stream", json={"assistant_id": "builder", "input": {}})
    waited = await http.post(f"{path}/wait", json={"assistant_id": "builder", "input": {}})

    assert streamed.headers["location"] == streamed.headers["content-location"] + "/stream"
    assert waited.headers["location"] == waited.headers["content-location"] + "/join"
    assert "event: metadata" in (await http.get(streamed.headers["location"])).text
    assert (await http.get(waited.headers["location"])).json() == waited.json()


async def test_a_threads_runs_are_listed_newest_first(client: Any) -> None:
    """Listing takes a limit, an offset, a status and the fields wanted."""
    thread_id = await _thread(client)
    await client.runs.wait(thread_id, "builder", input={})
    await client.runs.wait(thread_id, "boom", input={}, raise_error=False)

    runs = await client.runs.list(thread_id)
    second = await client.runs.list(thread_id, limit=1, offset=1)
    failed = await client.runs.list(thread_id, status="error", select=["run_id", "status"])

    assert [run["status"] for run in runs] == ["error", "success"]
    assert [run["run_id"] for run in second] == [runs[1]["run_id"]]
    assert failed == [{"run_id": runs[0]["run_id"], "status": "error"}]
    with refused(404, "not found"):
        await client.runs.list(str(uuid4()))


async def test_an_ended_run_is_deleted_and_its_effects_stay(client: Any) -> None:
    """A deleted run is 404, the thread's state is as it was; one that works is 409."""
    thread_id = await _thread(client)
    await client.runs.wait(thread_id, "builder", input={})
    [run] = await client.runs.list(thread_id)
    await client.runs.delete(thread_id, run["run_id"])

    with refused(404, "not found"):
        await client.runs.get(thread_id, run["run_id"])
    assert await client.runs.list(thread_id) == []
    assert await _log(client, thread_id) == ["n=1"]
    working = await _started(client, thread_id)
    with refused(409, "cancel it first"):
        await client.runs.delete(thread_id, working)
    await client.runs.cancel(thread_id, working, wait=True)


async def test_enqueue_waits_for_its_turn(client: Any) -> None:
    """By default a second run starts when the first has ended; `reject` refuses it at once."""
    thread_id = await _thread(client)
    first: Any = await client.runs.create(thread_id, "slow", input={"n": 8})
    with refused(409, "already running"):
        await client.runs.create(thread_id, "builder", input={}, multitask_strategy="reject")

    await client.runs.wait(thread_id, "builder", input={})

    assert await _status(client, thread_id, first["run_id"]) == "success"
    assert (await _log(client, thread_id))[-2:] == ["step 20", "n=21"]


async def test_interrupt_ends_what_runs_and_keeps_what_it_did(client: Any) -> None:
    """With `interrupt` the older run ends as interrupted, and the new one goes on from what it left."""
    thread_id = await _thread(client)
    first = await _started(client, thread_id)

    values = await client.runs.wait(thread_id, "builder", input={}, multitask_strategy="interrupt")

    assert await _status(client, thread_id, first) == "interrupted"
    assert values["log"][0] == "step -199"
    assert values["log"][-1].startswith("n=")
    assert "step 20" not in values["log"]


async def test_rollback_forgets_what_runs(client: Any) -> None:
    """With `rollback` the older run is gone, as if it had never been."""
    thread_id = await _thread(client)
    await client.runs.wait(thread_id, "builder", input={})
    first = await _started(client, thread_id)

    values = await client.runs.wait(thread_id, "builder", input={}, multitask_strategy="rollback")

    assert values["log"] == ["n=1", "n=2"]
    with refused(404, "not found"):
        await client.runs.get(thread_id, first)


async def test_a_working_run_is_cancelled(client: Any, http: httpx.AsyncClient) -> None:
    """Cancelling answers 202 with nothing, or with `wait` the thread's values; what was done stays."""
    thread_id = await _thread(client)
    first = await _started(client, thread_id)
    answer = await http.post(f"/threads/{thread_id}/runs/{first}/cancel")
    await client.runs.join(thread_id, first)
    second = await _started(client, thread_id)
    values = await client.runs.cancel(thread_id, second, wait=True)

    assert (answer.status_code, answer.content) == (202, b"")
    assert await _status(client, thread_id, first) == await _status(client, thread_id, second) == "interrupted"
    assert values["log"] == await _log(client, thread_id)
    assert (await client.threads.get(thread_id))["status"] == "idle"
    with refused(409, "has ended already: interrupted"):
        await client.runs.cancel(thread_id, first)
    with refused(404, "not found"):
        await client.runs.cancel(thread_id, str(uuid4()))


async def test_a_queued_run_is_cancelled_and_never_starts(client: Any) -> None:
    """A run that waits for its turn ends at once; the one before it isn't touched."""
    thread_id = await _thread(client)
    first: Any = await client.runs.create(thread_id, "slow", input={"n": 8})
    second: Any = await client.runs.create(thread_id, "builder", input={})

    await client.runs.cancel(thread_id, second["run_id"], wait=True)
    await client.runs.join(thread_id, first["run_id"])

    assert await _status(client, thread_id, second["run_id"]) == "interrupted"
    assert await _status(client, thread_id, first["run_id"]) == "success"
    assert (await _log(client, thread_id))[-1] == "step 20"


async def test_a_run_that_waits_for_a_person_is_cancelled(client: Any) -> None:
    """Its question is withdrawn: the thread takes a new input again."""
    thread_id = await _thread(client)
    await client.runs.wait(thread_id, "ask", input={})
    [run] = await client.runs.list(thread_id)

    await client.runs.cancel(thread_id, run["run_id"])

    thread: Any = await client.threads.get(thread_id)
    assert (thread["status"], thread["interrupts"]) == ("idle", {})
    with refused(409, "the run was cancelled"):
        await client.runs.wait(thread_id, "ask", command={"resume": "yes"})
    assert (await client.runs.wait(thread_id, "builder", input={}))["log"] == ["n=1"]


async def test_a_rolled_back_run_leaves_nothing(client: Any) -> None:
    """Cancelled with rollback, a run is gone when the answer comes, and the thread is as before it."""
    thread_id = await _thread(client)
    await client.runs.wait(thread_id, "builder", input={})
    run_id = await _started(client, thread_id)

    answer = await client.runs.cancel(thread_id, run_id, wait=True, action="rollback")

    assert answer == {}
    with refused(404, "not found"):
        await client.runs.get(thread_id, run_id)
    assert await _log(client, thread_id) == ["n=1"]


async def test_many_runs_are_cancelled_at_once(client: Any) -> None:
    """Runs are cancelled by thread and ids, or by status; when none is meant that's 404."""
    threads = [await _thread(client) for _ in range(2)]
    first, second = [await _started(client, thread_id) for thread_id in threads]

    await client.runs.cancel_many(thread_id=threads[0], run_ids=[first, str(uuid4())])
    await client.runs.join(threads[0], first)
    between = await _status(client, threads[1], second)
    await client.runs.cancel_many(status="all")
    await client.runs.join(threads[1], second)

    assert (between, await _status(client, threads[1], second)) == ("running", "interrupted")
    with refused(404, "No runs found to cancel."):
        await client.runs.cancel_many(status="running")
    with refused(404, "No runs found to cancel."):
        await client.runs.cancel_many(thread_id=threads[0], run_ids=[first])
    with refused(422, "either status, or thread_id with run_ids"):
        await client.runs.cancel_many(thread_id=threads[0], status="all")


async def test_a_cancelled_run_is_replayed(client: Any) -> None:
    """The stream of a cancelled run replays what there was, and ends."""
    thread_id = await _thread(client)
    run_id = await _started(client, thread_id, stream_mode="updates")
    await client.runs.cancel(thread_id, run_id, wait=True)

    parts = [part async for part in client.runs.join_stream(thread_id, run_id)]

    assert [part.event for part in parts[:2]] == ["metadata", "updates"]
    assert not [part for part in parts if part.event == "error"]


@pytest.mark.parametrize("door", ["stream", "wait", "join", "join_stream"])
async def test_a_client_that_leaves_ends_its_run_if_it_said_so(client: Any, http: httpx.AsyncClient, door: str) -> None:
    """A run whose client asked for it is cancelled when the client hangs up, however it listened."""
    thread_id = await _thread(client)
    path = f"/threads/{thread_id}/runs"
    body = {"assistant_id": "slow", "input": {"n": -200}, "on_disconnect": "cancel"}
    if door.startswith("join"):
        path += f"/{(await client.runs.create(thread_id, 'slow', input={'n': -200}))['run_id']}/"
        request = http.build_request("GET", path + door.removeprefix("join_"), params={"cancel_on_disconnect": 1})
    else:
        request = http.build_request("POST", f"{path}/{door}", json=body)

    response = await http.send(request, stream=True)
    await response.aclose()

    async def ended() -> bool:
        return [run["status"] for run in await client.runs.list(thread_id)] == ["interrupted"]

    await wait_until(ended, description="the run was cancelled")


async def test_a_client_that_is_gone_before_it_is_answered_left_too(server: Running, client: Any) -> None:
    """Hanging up before the first byte of an answer ends the run as well."""
    thread_id = await _thread(client)
    body = b'{"assistant_id": "slow", "input": {"n": -200}, "on_disconnect": "cancel"}'
    url = httpx.URL(server.url)
    _, writer = await asyncio.open_connection(url.host, url.port)
    head = f"POST /threads/{thread_id}/runs/wait HTTP/1.1\r\nHost: {url.host}\r\nContent-Length: {len(body)}\r\n"
    writer.write(f"{head}Content-Type: application/json\r\n\r\n".encode() + body)
    await writer.drain()
    writer.close()
    await writer.wait_closed()

    async def ended() -> bool:
        return [run["status"] for run in await client.runs.list(thread_id)] == ["interrupted"]

    await wait_until(ended, description="the run was cancelled")


async def test_a_run_goes_on_without_its_client(client: Any, http: httpx.AsyncClient) -> None:
    """By default a run doesn't need its client."""
    thread_id = await _thread(client)
    body = {"assistant_id": "slow", "input": {"n": 17}}

    async with http.stream("POST", f"/threads/{thread_id}/runs/stream", json=body) as response:
        run_id = response.headers["content-location"].rpartition("/")[2]
    values = await client.runs.join(thread_id, run_id)

    assert values["n"] == 20


async def test_a_whole_answer_is_not_a_client_that_left(client: Any) -> None:
    """A run that has ended by itself stays a success, though its client asked for the end with it."""
    thread_id = await _thread(client)
    await client.runs.wait(thread_id, "builder", input={}, on_disconnect="cancel")
    [part async for part in client.runs.stream(thread_id, "builder", input={}, on_disconnect="cancel")]

    assert [run["status"] for run in await client.runs.list(thread_id)] == ["success", "success"]


async def test_a_run_goes_on_from_an_earlier_checkpoint(client: Any) -> None:
    """A fork repeats what came after the checkpoint; the first branch stays in the history."""
    thread_id = await _thread(client)
    await client.runs.wait(thread_id, "steps", input={})
    before_b: Any = next(one for one in await client.threads.get_history(thread_id) if one["next"] == ["b"])

    forked = await client.runs.wait(thread_id, "steps", input=None, checkpoint=before_b["checkpoint"])
    by_id = await client.runs.wait(thread_id, "steps", input=None, checkpoint_id=before_b["checkpoint_id"])

    assert forked["log"] == by_id["log"] == ["a", "b", "c"]
    history = await client.threads.get_history(thread_id, limit=50)
    assert sum(one["next"] == [] for one in history) == 3
    with refused(404, "Checkpoint with ID 1f0"):
        await client.runs.wait(thread_id, "steps", input=None, checkpoint_id="1f0")
    with refused(422, "checkpoint.thread_id"):
        await client.runs.wait(thread_id, "steps", checkpoint={**before_b["checkpoint"], "thread_id": str(uuid4())})


async def test_a_run_stops_before_and_after_nodes(client: Any) -> None:
    """A run stops where it was asked to, and the next one without input goes on from there."""
    thread_id = await _thread(client)

    first = await client.runs.wait(thread_id, "steps", input={}, interrupt_before=["b"])
    second = await client.runs.wait(thread_id, "steps", input=None, interrupt_after=["b"])
    state: Any = await client.threads.get_state(thread_id)
    third = await client.runs.wait(thread_id, "steps", input=None)

    assert [first["log"], second["log"], third["log"]] == [["a"], ["a", "b"], ["a", "b", "c"]]
    assert state["next"] == ["c"]
    stopped = await client.runs.wait(await _thread(client), "steps", input={}, interrupt_before="*")
    assert stopped.get("log", []) == []
    with refused(422, "interrupt_after: 'd' is not allowed; allowed: * or nodes of steps: a, b, c"):
        await client.runs.wait(thread_id, "steps", input={}, interrupt_after=["d"])


async def test_tasks_and_checkpoints_are_streamed(client: Any) -> None:
    """Modes that show the graph at work have LangGraph's shapes, with the names of the Agent Server."""
    thread_id = await _thread(client)

    parts = [
        (part.event, part.data)
        async for part in client.runs.stream(
            thread_id, "builder", input={}, stream_mode=["tasks", "checkpoints", "debug"]
        )
    ]

    tasks = [data for name, data in parts if name == "tasks"]
    assert [(task["name"], "result" in task) for task in tasks] == [("count", False), ("count", True)]
    last = [data for name, data in parts if name == "checkpoints"][-1]
    assert (last["values"]["log"], last["next"]) == (["n=1"], [])
    seen = [data for name, data in parts if name == "debug"]
    assert [one["type"] for one in seen] == ["checkpoint", "checkpoint", "task", "task_result", "checkpoint"]
    state: Any = await client.threads.get_state(thread_id)
    assert seen[-1]["payload"]["checkpoint"] == state["checkpoint"]
    assert seen[-1]["payload"]["parent_checkpoint"] == state["parent_checkpoint"]


async def test_a_thread_is_made_with_its_first_run(client: Any) -> None:
    """With `if_not_exists: create` the thread has the run's metadata; without, an unknown one is 404."""
    thread_id = str(uuid4())

    await client.runs.wait(thread_id, "builder", input={}, if_not_exists="create", metadata={"owner": "ada"})

    assert (await client.threads.get(thread_id))["metadata"]["owner"] == "ada"
    with refused(404, "not found"):
        await client.runs.wait(str(uuid4()), "builder", input={})
    with refused(409, "no answer can be given"):
        await client.runs.wait(str(uuid4()), "ask", command={"resume": 1}, if_not_exists="create")


async def test_two_first_runs_make_one_thread(client: Any) -> None:
    """Requests that make the same thread at once share it, and their runs follow one another."""
    thread_id = str(uuid4())

    answers = await asyncio.gather(
        *(client.runs.wait(thread_id, "builder", input={}, if_not_exists="create") for _ in range(3))
    )

    assert sorted(answer["n"] for answer in answers) == [1, 2, 3]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("webhook", "http://example.org"),
        ("after_seconds", 5),
        ("feedback_keys", ["two words"]),
        ("langsmith_tracer", {"project_name": "p"}),
        ("on_completion", "keep"),
        ("stream_mode", ["lifecycle"]),
        ("stream_mode", "tools"),
        ("multitask_strategy", "later"),
        ("interrupt_before", "b"),
        ("interrupt_before", ["b"]),
        ("on_disconnect", "stop"),
    ],
)
async def test_what_is_not_honoured_is_refused_by_name(
    client: Any, http: httpx.AsyncClient, field: str, value: Any
) -> None:
    """A field or a value that isn't offered is 422 with its name, and nothing is recorded."""
    thread_id = await _thread(client)

    answer = await http.post(f"/threads/{thread_id}/runs", json={"assistant_id": "echo", "input": {}, field: value})

    assert answer.status_code == 422
    assert answer.json()["detail"].startswith(field)
    assert await client.runs.list(thread_id) == []


async def test_unknown_query_parameters_are_refused_by_name(client: Any, http: httpx.AsyncClient) -> None:
    """A misspelt parameter of a list isn't ignored."""
    answer = await http.get(f"/threads/{await _thread(client)}/runs", params={"state": "pending"})

    assert (answer.status_code, answer.json()["detail"]) == (422, "query.state: this field is not supported")
