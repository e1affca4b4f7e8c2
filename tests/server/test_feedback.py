"""Feedback over HTTP: given, found, changed, taken back; refused where it means nothing."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
import pytest_asyncio
from langsmith.schemas import Feedback
from redis.asyncio import Redis
from tests.server.running import Running, refused

from motet.memory import feedback as kept
from motet.memory.redis.feedback import RedisFeedbacks
from motet.memory.redis.keys import Keys
from motet.memory.redis.scripts import Scripts

HELLO = {"messages": [{"role": "user", "content": "hello"}]}
SCORES = "it must be a number from -1e15 to 1e15, or true or false"


@pytest_asyncio.fixture
async def http(server: Running) -> AsyncGenerator[httpx.AsyncClient]:
    """A plain client of the server."""
    async with httpx.AsyncClient(base_url=server.url, timeout=30) as client:
        yield client


async def ended_run(http: httpx.AsyncClient, assistant: str = "echo") -> tuple[str, str]:
    """Thread and id of a run that has ended."""
    thread_id = (await http.post("/threads", json={})).json()["thread_id"]
    answer = await http.post(f"/threads/{thread_id}/runs/wait", json={"assistant_id": assistant, "input": HELLO})
    assert answer.status_code == 200, answer.text
    return thread_id, answer.headers["Content-Location"].rpartition("/")[2]


async def given(http: httpx.AsyncClient, **told: Any) -> dict[str, Any]:
    """Feedback that was taken."""
    answer = await http.post("/feedback", json=told, headers={"X-Motet-Actor": "ada"})
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_feedback_is_as_langsmith_tells_it(http: httpx.AsyncClient) -> None:
    """What is given comes back whole, in the shape of LangSmith's own class, and says who gave it."""
    thread_id, run_id = await ended_run(http)
    told = {"key": "helpful", "score": True, "value": "good", "comment": "just so", "correction": {"answer": "hi"}}
    one = await given(http, run_id=run_id, **told)

    found = Feedback(**(await http.get(f"/feedback/{one['id']}")).json())

    assert {name: getattr(found, name) for name in told} == told
    assert found.score is True
    assert found.run_id == UUID(run_id)
    assert found.feedback_source is not None
    assert (found.feedback_source.type, found.feedback_source.user_name) == ("api", "ada")
    assert one["thread_id"] == thread_id


async def test_feedback_is_found_by_run_thread_and_key(http: httpx.AsyncClient) -> None:
    """Filters go together, pages hang together by a header, and a key of another run isn't among them."""
    thread_id, run_id = await ended_run(http)
    _, other = await ended_run(http)
    key = f"k{uuid4().hex}"
    ids = [(await given(http, run_id=run_id, key=key, score=n))["id"] for n in range(3)]
    elsewhere = await given(http, run_id=other, key=key, score=9)
    await given(http, run_id=run_id, key="else", score=9)

    async def found(**asked: Any) -> tuple[list[str], str]:
        answer = await http.get("/feedback", params=asked)
        return [one["id"] for one in answer.json()], answer.headers.get("X-Pagination-Next", "")

    assert (await found(key=key))[0] == [elsewhere["id"], *reversed(ids)]
    assert (await found(key=key, thread_id=thread_id))[0] == [*reversed(ids)]
    assert len((await found(run_id=run_id))[0]) == 4
    first, after = await found(run_id=run_id, key=key, limit=2)
    assert (first, (await found(run_id=run_id, key=key, limit=2, after=after))) == ([ids[2], ids[1]], ([ids[0]], ""))


async def test_feedback_is_changed_and_taken_back(http: httpx.AsyncClient) -> None:
    """A change touches what it names, null empties a field, and what was taken back is gone."""
    _, run_id = await ended_run(http)
    one = await given(http, run_id=run_id, key="helpful", score=0.5, comment="hm", value="x")
    at = f"/feedback/{one['id']}"

    changed = (await http.patch(at, json={"score": 1, "value": None})).json()

    assert (changed["score"], changed["value"], changed["comment"]) == (1.0, None, "hm")
    assert changed["modified_at"] > changed["created_at"] == one["created_at"]
    assert (await http.delete(at)).status_code == 204
    assert [(await http.get(at)).status_code, (await http.delete(at)).status_code] == [404, 404]
    assert (await http.patch(at, json={"score": 1})).status_code == 404


async def test_an_id_of_ones_own_is_taken_once(http: httpx.AsyncClient) -> None:
    """A client that doesn't know whether its request arrived sends it again, and learns that it did."""
    _, run_id = await ended_run(http)
    own = str(uuid4())
    await given(http, id=own, run_id=run_id, key="helpful", score=1)

    again = await http.post("/feedback", json={"id": own, "run_id": run_id, "key": "helpful", "score": 0})

    assert (again.status_code, again.json()["detail"]) == (409, f"Feedback with ID {own} already exists")
    assert (await http.get(f"/feedback/{own}")).json()["score"] == 1


async def test_feedback_on_a_message_names_one_of_the_run(http: httpx.AsyncClient) -> None:
    """A message of the run is taken, and one that it never said is refused by its name."""
    thread_id, run_id = await ended_run(http)
    messages = (await http.get(f"/threads/{thread_id}/state")).json()["values"]["messages"]

    one = await given(http, run_id=run_id, key="helpful", score=True, message_id=messages[-1]["id"])
    other = await http.post("/feedback", json={"run_id": run_id, "key": "k", "score": 1, "message_id": "another"})

    assert one["message_id"] == messages[-1]["id"]
    assert other.status_code == 422
    assert other.json()["detail"].startswith("message_id: 'another' is not allowed")


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ({"score": "high"}, f"score: 'high' is not allowed: {SCORES}"),
        ({"score": "1"}, f"score: '1' is not allowed: {SCORES}"),
        ({"score": [1]}, f"score: [1] is not allowed: {SCORES}"),
        ({"score": 1e400}, f"score: inf is not allowed: {SCORES}"),
        ({"score": -2e15}, f"score: -2000000000000000.0 is not allowed: {SCORES}"),
        ({"correction": 5}, "correction: 5 is not allowed: it must be a text or an object"),
        ({"value": float("nan")}, "value: nan is not allowed: it must be what JSON can hold"),
        ({"value": {"of": [1e400]}}, "value: {'of': [inf]} is not allowed"),
        ({"correction": {"answer": float("-inf")}}, "{'answer': -inf} is not allowed"),
        ({}, "say something"),
        ({"comment": ""}, "say something"),
        ({"score": 1, "key": "two words"}, "key"),
        ({"score": 1, "key": "k" * 101}, "key"),
        ({"comment": "x" * 10_001}, "comment"),
        ({"correction": {"x": "y" * 60_000}}, "correction"),
        ({"value": ["y" * 60_000]}, "value"),
        ({"score": 1, "colour": "red"}, "colour: this field is not supported"),
        ({"score": 1, "run_id": "none"}, "run_id"),
    ],
)
async def test_what_means_nothing_is_refused_by_its_name(
    http: httpx.AsyncClient, told: dict[str, Any], said: str
) -> None:
    """A field that can't be used is named, and nothing is kept."""
    run_id = "0192f0c0-0000-7000-8000-000000000000"
    body = json.dumps({"run_id": run_id, "key": "k", **told})
    answer = await http.post("/feedback", content=body, headers={"content-type": "application/json"})

    assert answer.status_code == 422
    assert said in answer.json()["detail"]
    assert len(answer.json()["detail"].splitlines()) == 1


async def test_feedback_needs_a_run(http: httpx.AsyncClient) -> None:
    """A run that isn't there, or isn't on that thread, has no feedback."""
    _, run_id = await ended_run(http)
    nowhere = {"run_id": str(uuid4()), "key": "k", "score": 1}
    elsewhere = {"run_id": run_id, "thread_id": str(uuid4()), "key": "k", "score": 1}

    answers = [await http.post("/feedback", json=one) for one in (nowhere, elsewhere)]

    assert [one.status_code for one in answers] == [404, 404]
    assert answers[0].json()["detail"] == f"Run with ID {nowhere['run_id']} not found"


async def test_feedback_is_given_to_a_run_without_a_thread_of_its_own(http: httpx.AsyncClient) -> None:
    """The run's record went with its thread at its end; what it did is still kept, and so is what is said of it."""
    answer = await http.post("/runs/wait", json={"assistant_id": "echo", "input": HELLO})
    run_id = answer.headers["Content-Location"].rpartition("/")[2]

    one = await given(http, run_id=run_id, key="helpful", score=False)

    assert (await http.get("/feedback", params={"run_id": run_id})).json() == [one]


async def test_feedback_goes_with_its_run_and_its_thread(http: httpx.AsyncClient) -> None:
    """Deleting a run forgets what was said of it, deleting a thread what was said of all its runs."""
    thread_id, run_id = await ended_run(http)
    again = await http.post(f"/threads/{thread_id}/runs/wait", json={"assistant_id": "echo", "input": HELLO})
    second = again.headers["Content-Location"].rpartition("/")[2]
    for one in (run_id, second):
        await given(http, run_id=one, key="helpful", score=1)

    assert (await http.delete(f"/threads/{thread_id}/runs/{run_id}")).status_code == 204
    left = (await http.get("/feedback", params={"thread_id": thread_id})).json()
    assert (await http.delete(f"/threads/{thread_id}")).status_code == 204
    gone = (await http.get("/feedback", params={"thread_id": thread_id})).json()

    assert ([one["run_id"] for one in left], gone) == ([second], [])


async def test_a_deletion_that_broke_off_is_ended_by_the_next(http: httpx.AsyncClient, redis: Redis) -> None:
    """A server that died when the thread was gone left what was said of its runs: deleting it again takes that too."""
    thread_id, run_id, one = (str(uuid4()) for _ in range(3))
    at = datetime.now(UTC).isoformat(timespec="microseconds")
    left = kept.Feedback(feedback_id=one, run_id=run_id, thread_id=thread_id, key="k", created_at=at, modified_at=at)
    await RedisFeedbacks(redis, Keys(tenant="served"), Scripts(redis)).add(left)

    assert (await http.get(f"/feedback/{one}")).status_code == 200
    assert (await http.delete(f"/threads/{thread_id}")).status_code == 404
    assert (await http.get(f"/feedback/{one}")).status_code == 404


async def test_the_sdk_is_given_a_link_for_each_key(server: Running) -> None:
    """`feedback_keys` come back as a `feedback` event right after the run's beginning, with an address for each."""
    async with server.client() as client:
        thread = await client.threads.create()
        parts = [
            part
            async for part in client.runs.stream(
                thread["thread_id"], "echo", input=HELLO, stream_mode="updates", feedback_keys=["liked", "clear"]
            )
        ]
        run_id = parts[0].data["run_id"]
        joined = [part async for part in client.runs.join_stream(thread["thread_id"], run_id, stream_mode="updates")]
        run = await client.runs.get(thread["thread_id"], run_id)
        with refused(422, "feedback_keys.0: 'two words' is not allowed"):
            _ = [one async for one in client.runs.stream(None, "echo", input=HELLO, feedback_keys=["two words"])]

    assert [part.event for part in parts][:2] == ["metadata", "feedback"]
    links = parts[1].data
    assert set(links) == {"liked", "clear"}
    assert all(link.startswith(f"{server.url}/feedback/tokens/") for link in links.values())
    assert joined[1].data == links
    assert run["kwargs"]["feedback_keys"] == ["liked", "clear"]
    async with httpx.AsyncClient() as anybody:
        answer = await anybody.post(links["liked"], json={"score": 1, "comment": "yes"})
        assert (answer.status_code, answer.json()["key"], answer.json()["run_id"]) == (200, "liked", run_id)


async def test_a_run_without_keys_tells_no_links(server: Running) -> None:
    """Where nobody asks for feedback the stream is as it always was, and a run without a thread may ask, too."""
    async with server.client() as client:
        plain = [part.event async for part in client.runs.stream(None, "echo", input=HELLO)]
        asking = [part.event async for part in client.runs.stream(None, "echo", input=HELLO, feedback_keys=["liked"])]

    assert "feedback" not in plain
    assert asking[:2] == ["metadata", "feedback"]


async def test_the_guide_does_what_it_says(server: Running) -> None:
    """Each piece of Python in the guide runs as it stands, one after the other."""
    guide = Path(__file__).parents[2] / "docs" / "guide" / "feedback.md"
    code = "\n".join(re.findall(r"^```python\n(.*?)^```$", guide.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE))
    names: dict[str, Any] = {"URL": server.url, "KEY": "none is asked for"}

    def run() -> None:
        exec(compile(code, str(guide), "exec"), names)  # noqa: S102 - it is our own guide
        names["http"].close()
        names["client"].close()

    await asyncio.to_thread(run)

    async with httpx.AsyncClient(base_url=server.url) as http:
        left = (await http.get("/feedback", params={"run_id": names["run_id"]})).json()
    assert [(one["key"], one["score"], one["comment"]) for one in left] == [("stars", 4, "nearly")]
