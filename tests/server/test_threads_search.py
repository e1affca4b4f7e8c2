"""Finding threads: by metadata, status and ids, in an order, by pages, with what a list shows of each."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
import pytest_asyncio
from tests.server.running import Running, refused, serving

PROJECT = Path(__file__).parent / "clients" / "langgraph.json"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def running(redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Running]:
    """`motet serve` with a tenant of its own."""
    env = {"MOTET_REDIS_URL": redis_url, "MOTET_TENANT": "searched"}
    async with serving("--config", str(PROJECT), data_dir=tmp_path_factory.mktemp("searched"), env=env) as one:
        yield one


@pytest_asyncio.fixture
async def client(running: Running) -> AsyncGenerator[Any]:
    """The unmodified SDK's client."""
    async with running.client() as sdk:
        yield sdk


@pytest.fixture
def mine() -> dict[str, str]:
    """Metadata that only one test's threads have."""
    return {"test": uuid4().hex}


def _ids(threads: list[dict[str, Any]]) -> list[str]:
    return [one["thread_id"] for one in threads]


async def _said(client: Any, thread_id: str, text: str, graph: str = "talk") -> None:
    await client.runs.wait(thread_id, graph, input={"messages": [{"role": "user", "content": text}]})


async def test_a_thread_is_found_by_what_its_metadata_holds(client: Any, mine: dict[str, str]) -> None:
    """At any depth, beside whatever else there is; as many as fit are counted."""
    made = await client.threads.create(metadata={**mine, "who": {"team": "a", "roles": ["x", "y"]}, "flag": True})
    await client.threads.create(metadata={**mine, "who": {"team": "b"}, "flag": 1})

    for wanted in ({"who": {"team": "a"}}, {"who": {"roles": ["y"]}}, {"flag": True}):
        assert _ids(await client.threads.search(metadata=mine | wanted)) == [made["thread_id"]]
    assert await client.threads.search(metadata=mine | {"who": "a"}) == []
    assert await client.threads.count(metadata=mine) == 2


async def test_the_one_that_changed_last_comes_first(client: Any, mine: dict[str, str]) -> None:
    """Until another order is asked for."""
    first, second = [await client.threads.create(metadata=mine) for _ in range(2)]
    await _said(client, first["thread_id"], "hello")
    by_change, by_age = [first["thread_id"], second["thread_id"]], [second["thread_id"], first["thread_id"]]

    assert _ids(await client.threads.search(metadata=mine)) == by_change
    assert _ids(await client.threads.search(metadata=mine, sort_by="updated_at", sort_order="asc")) == by_change[::-1]
    assert _ids(await client.threads.search(metadata=mine, sort_by="created_at")) == by_age
    assert _ids(await client.threads.search(metadata=mine, sort_by="thread_id", sort_order="asc")) == by_age[::-1]


async def test_pages_say_how_many_there_are_and_where_the_next_begins(running: Running, client: Any) -> None:
    """Together they are the whole list, each thread once."""
    mark = {"test": uuid4().hex}
    for _ in range(5):
        await client.threads.create(metadata=mark)
    told: list[str] = []
    body: dict[str, Any] = {"metadata": mark, "limit": 2, "offset": 0}
    async with httpx.AsyncClient(base_url=running.url) as http:
        while True:
            page = await http.post("/threads/search", json=body)
            told += _ids(page.json())
            assert page.headers["X-Pagination-Total"] == "5"
            if "X-Pagination-Next" not in page.headers:
                break
            body["offset"] = int(page.headers["X-Pagination-Next"])

    assert told == _ids(await client.threads.search(metadata=mark, limit=1000))
    assert len(set(told)) == 5


async def test_a_row_shows_what_the_thread_shows(client: Any, mine: dict[str, str]) -> None:
    """Values with the first message, which is a list's title; graph and assistant; the questions that wait."""
    talked, asked, fresh = [(await client.threads.create(metadata=mine))["thread_id"] for _ in range(3)]
    await _said(client, talked, "hello")
    await client.runs.wait(asked, "inbox", input={"log": []})

    rows = {row["thread_id"]: row for row in await client.threads.search(metadata=mine)}

    assert rows == {one: await client.threads.get(one) for one in (talked, asked, fresh)}
    assert rows[talked]["values"]["messages"][0]["content"] == "hello"
    assert rows[talked]["metadata"]["graph_id"] == "talk"
    [[question]] = rows[asked]["interrupts"].values()
    assert "send_email" in str(question["value"])
    assert rows[fresh]["values"] is None


async def test_threads_are_found_by_status_and_ids(client: Any, mine: dict[str, str]) -> None:
    """Agent Inbox asks for those that wait; ids without a thread are left out."""
    idle, asked = [(await client.threads.create(metadata=mine))["thread_id"] for _ in range(2)]
    await client.runs.wait(asked, "inbox", input={"log": []})

    assert _ids(await client.threads.search(metadata=mine, status="interrupted")) == [asked]
    assert _ids(await client.threads.search(metadata=mine, status="idle")) == [idle]
    assert await client.threads.count(metadata=mine, status="interrupted") == 1
    assert _ids(await client.threads.search(ids=[idle, str(uuid4())])) == [idle]


async def test_fields_and_places_are_picked(client: Any, mine: dict[str, str]) -> None:
    """Only the fields named come back, and what stands at a place, or null."""
    thread_id = (await client.threads.create(metadata=mine))["thread_id"]
    await _said(client, thread_id, "hello")
    places = {"last": "values.messages[-1].content", "who": "metadata.test", "none": "values.messages[9].content"}

    [row] = await client.threads.search(metadata=mine, select=["thread_id", "status"], extract=places)
    [asked] = await client.threads.search(metadata=mine, select=["interrupts"])

    extracted = {"last": "you said hello", "who": mine["test"], "none": None}
    assert row == {"thread_id": thread_id, "status": "idle", "extracted": extracted}
    assert asked == {"interrupts": {}}


async def test_threads_that_came_with_a_run_are_found(client: Any, mine: dict[str, str]) -> None:
    """One made by a run, a copy, and one from before there was an index; not one that is deleted."""
    by_run = str(uuid4())
    given = {"messages": [{"role": "user", "content": "hi"}]}
    await client.runs.wait(by_run, "talk", input=given, metadata=mine, if_not_exists="create")
    assert _ids(await client.threads.search(metadata=mine)) == [by_run]
    copy = (await client.threads.copy(by_run))["thread_id"]
    assert set(_ids(await client.threads.search(metadata=mine))) == {by_run, copy}
    await client.threads.delete(by_run)

    assert _ids(await client.threads.search(metadata=mine)) == [copy]


async def test_a_thread_of_a_run_without_one_is_listed_if_it_is_kept(client: Any) -> None:
    """Otherwise it goes with the run."""
    given = {"messages": [{"role": "user", "content": "hi"}]}
    passing, kept = [
        await client.runs.create(None, "talk", input=given, on_completion=then) for then in ("delete", "keep")
    ]
    await client.runs.join(kept["thread_id"], kept["run_id"])

    listed = _ids(await client.threads.search(limit=1000, select=["thread_id"]))

    assert kept["thread_id"] in listed
    assert passing["thread_id"] not in listed


async def test_one_thread_that_can_not_be_read_hides_no_other(client: Any, mine: dict[str, str]) -> None:
    """It is listed without its values."""
    broken, fine = [(await client.threads.create(metadata=mine))["thread_id"] for _ in range(2)]
    await _said(client, broken, "hello", "broken")
    await _said(client, fine, "hello")

    rows = {row["thread_id"]: row for row in await client.threads.search(metadata=mine)}

    assert rows[broken]["values"] is None
    assert rows[broken]["metadata"]["graph_id"] == "broken"
    assert rows[fine]["values"] is not None


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"values": {"n": 1}}, "values: {'n': 1} is not allowed: threads aren't searched by their values"),
        ({"limit": 1001}, "limit: 1001 is not allowed"),
        ({"sort_by": "name"}, "sort_by: 'name' is not allowed"),
        ({"extract": {"a": "values.x["}}, "extract.a"),
        ({"select": ["secrets"]}, "select.0"),
        ({"owner": "me"}, "owner: this field is not supported"),
    ],
)
async def test_what_is_not_served_is_refused_by_name(running: Running, body: dict[str, Any], said: str) -> None:
    """Nothing is ignored that would have changed the answer."""
    async with httpx.AsyncClient(base_url=running.url) as http:
        answer = await http.post("/threads/search", json=body)
    assert answer.status_code == 422
    assert said in answer.json()["detail"]


async def test_what_is_left_out_may_be_null(running: Running) -> None:
    """Clients say null for no condition."""
    nothing = {"metadata": None, "status": None, "ids": None, "values": {}, "sort_by": None, "select": None}
    async with httpx.AsyncClient(base_url=running.url) as http:
        assert (await http.post("/threads/search", json=nothing)).status_code == 200
    async with running.client() as sdk:
        with refused(422, "values"):
            await sdk.threads.count(values={"n": 1})
