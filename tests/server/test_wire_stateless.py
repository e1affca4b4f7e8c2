"""Runs without a thread that stays, through the unmodified Python SDK."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any
from uuid import uuid4

import httpx
import pytest
import pytest_asyncio
from tests.server.running import PROJECT, Running, refused, serving
from tests.support import wait_until


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Running]:
    """A server of this file's own."""
    env = {"MOTET_REDIS_URL": redis_url, "MOTET_TENANT": f"alone-{uuid4().hex[:8]}"}
    async with serving("--config", str(PROJECT), data_dir=tmp_path_factory.mktemp("alone"), env=env) as running:
        yield running


@pytest_asyncio.fixture
async def http(server: Running) -> AsyncGenerator[httpx.AsyncClient]:
    """Without the SDK, for headers and for what it would never send."""
    async with httpx.AsyncClient(base_url=server.url) as client:
        yield client


async def test_a_run_needs_no_thread(client: Any) -> None:
    """A run without a thread answers with its values, and its thread is gone at the end; the run can be read."""
    told: list[Any] = []
    values = await client.runs.wait(None, "steps", input={}, on_run_created=told.append)

    run_id = told[0]["run_id"]
    assert values["log"] == ["a", "b", "c"]
    assert (await client.runs.get(run_id, run_id))["status"] == "success"
    with refused(404, "not found"):
        await client.threads.get(run_id)


async def test_a_stream_has_the_modes_asked_for_and_no_others(client: Any) -> None:
    """Its values are kept for whoever waits, but sent only to whom they were promised."""
    told: list[Any] = []
    parts = [
        part
        async for part in client.runs.stream(None, "steps", input={}, stream_mode="updates", on_run_created=told.append)
    ]

    assert [part.event for part in parts] == ["metadata", "updates", "updates", "updates"]
    assert parts[0].data == {"run_id": told[0]["run_id"], "attempt": 1}


async def test_a_run_in_the_background_is_joined_without_a_thread(client: Any, http: httpx.AsyncClient) -> None:
    """Its values and its events are found under its own id, after its end too."""
    answer = await http.post("/runs", json={"assistant_id": "steps", "input": {}, "stream_mode": ["updates"]})
    run = answer.json()
    path = f"/runs/{run['run_id']}"

    joined = await http.get(f"{path}/join")
    streamed = await http.get(f"{path}/stream", headers={"Last-Event-ID": "-1"})
    ids = [line.removeprefix("id: ") for line in streamed.text.splitlines() if line.startswith("id: ")]
    rest = await http.get(f"{path}/stream", headers={"Last-Event-ID": ids[1]})

    assert answer.headers["content-location"] == path
    assert run["kwargs"]["temporary"] is True
    assert joined.json()["log"] == ["a", "b", "c"]
    assert streamed.text.count("event: updates") == 3 == len(ids) - 1
    assert "event: values" not in streamed.text
    assert rest.text.count("event: updates") == 2
    assert streamed.headers["location"] == f"/threads/{run['thread_id']}{path}/stream"
    with refused(404, "not found"):
        await client.runs.join(str(uuid4()), str(uuid4()))
    assert (await http.get(f"/runs/{uuid4()}/stream")).status_code == 404


async def test_a_kept_thread_goes_on(client: Any) -> None:
    """With `on_completion: keep` the thread stays, and is gone on with like any other."""
    told: list[Any] = []
    await client.runs.wait(None, "builder", input={}, on_completion="keep", on_run_created=told.append)
    thread_id = told[0]["thread_id"]

    assert (await client.threads.get(thread_id))["values"]["log"] == ["n=1"]
    assert (await client.runs.wait(thread_id, "builder", input={}))["log"] == ["n=1", "n=2"]


async def test_a_batch_is_accepted_as_a_whole_or_not_at_all(client: Any) -> None:
    """Each run of a batch has a thread of its own; if one can't be accepted, none is."""
    runs: Any = await client.runs.create_batch([{"assistant_id": "builder", "input": {"n": n}} for n in range(3)])
    values = [await client.runs.join(run["thread_id"], run["run_id"]) for run in runs]

    assert [one["n"] for one in values] == [1, 2, 3]
    with refused(422, "assistant_id"):
        await client.runs.create_batch([{"assistant_id": "slow", "input": {}}, {"assistant_id": "nope"}])
    with refused(422, "1.thread_id: this field is not supported"):
        await client.runs.create_batch([{"assistant_id": "slow"}, {"assistant_id": "slow", "thread_id": str(uuid4())}])
    with refused(404, "No runs found"):
        await client.runs.cancel_many(status="all")


async def test_a_failure_is_told(client: Any) -> None:
    """A run that fails says so to whoever waits, though its thread is gone."""
    answer = await client.runs.wait(None, "boom", input={}, raise_error=False)

    assert answer == {"__error__": {"error": "ValueError", "message": "boom happened"}}


async def test_a_question_ends_a_run_without_a_thread(client: Any) -> None:
    """Nobody could answer it later: the question is told, and nothing is left."""
    told: list[Any] = []
    answer = await client.runs.wait(None, "ask", input={}, on_run_created=told.append)

    assert answer["__interrupt__"][0]["value"]["action_requests"][0]["name"] == "send_mail"
    with refused(404, "not found"):
        await client.threads.get(told[0]["thread_id"])


@pytest.mark.parametrize("door", ["stream", "wait"])
async def test_a_client_that_leaves_ends_its_run_if_it_said_so(client: Any, http: httpx.AsyncClient, door: str) -> None:
    """A run whose client asked for it is cancelled when the client hangs up."""
    body = {"assistant_id": "slow", "input": {"n": -200}, "on_disconnect": "cancel"}
    async with http.stream("POST", f"/runs/{door}", json=body) as response:
        run_id = response.headers["content-location"].rpartition("/")[2]

    async def ended() -> bool:
        return (await client.runs.get(run_id, run_id))["status"] == "interrupted"

    await wait_until(ended, description="the run was cancelled")


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({"command": {"resume": "yes"}}, 400, "You must provide a thread_id when resuming."),
        ({"checkpoint_id": "1f0"}, 422, "checkpoint_id: this field is not supported"),
        ({"checkpoint": {"checkpoint_id": "1f0"}}, 422, "checkpoint: this field is not supported"),
        ({"on_completion": "archive"}, 422, "on_completion"),
        ({"webhook": "http://example.org"}, 422, "webhook"),
    ],
)
async def test_what_needs_a_thread_is_refused(
    http: httpx.AsyncClient, body: dict[str, Any], status: int, said: str
) -> None:
    """There is nothing to answer and nothing to go on from."""
    answer = await http.post("/runs/wait", json={"assistant_id": "builder", **body})

    assert (answer.status_code, answer.json()["detail"].startswith(said)) == (status, True)
