"""One-time links: anybody who has one says one thing about one run, and can do nothing else with it."""

from __future__ import annotations

import asyncio
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
import pytest_asyncio
from langsmith.schemas import FeedbackIngestToken
from tests.server.running import PROJECT, Running, environment, serving, start

from motet.errors import LinkNotSigned, LinkUnusable
from motet.server.feedback_links import Link, opened, signed

HELLO = {"messages": [{"role": "user", "content": "hello"}]}
KEY = "a-key-for-a-test"
SECRET = b"0123456789abcdef0123456789abcdef"
LINK = Link(thread_id="t", run_id="r", key="helpful", expires_at=int(time.time()) + 3600, nonce=str(uuid4()))


@pytest.fixture(scope="module")
def settings(redis_url: str) -> dict[str, str]:
    """Of a server that asks for a key."""
    return {"MOTET_REDIS_URL": redis_url, "MOTET_TENANT": "linked", "MOTET_AUTH": KEY}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def keyed(settings: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Running]:
    """A server that asks for a key."""
    async with serving("--config", str(PROJECT), data_dir=tmp_path_factory.mktemp("keyed"), env=settings) as running:
        yield running


@pytest_asyncio.fixture
async def owner(keyed: Running) -> AsyncGenerator[httpx.AsyncClient]:
    """A client with the key."""
    async with httpx.AsyncClient(base_url=keyed.url, timeout=30, headers={"x-api-key": KEY}) as client:
        yield client


@pytest_asyncio.fixture
async def anybody(keyed: Running) -> AsyncGenerator[httpx.AsyncClient]:
    """A client without it."""
    async with httpx.AsyncClient(base_url=keyed.url, timeout=30) as client:
        yield client


async def run_of(owner: httpx.AsyncClient) -> str:
    """A run that has ended."""
    thread_id = (await owner.post("/threads", json={})).json()["thread_id"]
    answer = await owner.post(f"/threads/{thread_id}/runs/wait", json={"assistant_id": "echo", "input": HELLO})
    return answer.headers["Content-Location"].rpartition("/")[2]


async def link_to(owner: httpx.AsyncClient, run_id: str, **told: object) -> str:
    """A link's address."""
    answer = await owner.post("/feedback/tokens", json={"run_id": run_id, "feedback_key": "helpful", **told})
    assert answer.status_code == 200, answer.text
    return answer.json()["url"]


def test_a_token_says_what_it_is_for() -> None:
    """What was signed comes back whole, and stands well in an address."""
    token = signed(SECRET, "tenant", LINK)

    assert opened(SECRET, "tenant", token) == LINK
    assert httpx.URL(f"http://x/{token}").path == f"/{token}"


def test_no_other_token_is_taken() -> None:
    """Every change of one character, another secret, another tenant, and nonsense are refused alike."""
    token = signed(SECRET, "tenant", LINK)
    changed = [token[:at] + ("A" if token[at] != "A" else "B") + token[at + 1 :] for at in range(len(token))]
    padded = urlsafe_b64encode(urlsafe_b64decode(token.partition(".")[0] + "==="))
    others = [
        signed(b"x" * 32, "tenant", LINK),
        signed(SECRET, "other", LINK),
        f"{token}A",
        f"{token}=",
        "",
        ".",
        "é.é",
    ]

    for one in [*changed, *others, f"{padded.decode()}=.{token.partition('.')[2]}", "A" * 2_000]:
        with pytest.raises(LinkNotSigned):
            opened(SECRET, "tenant", one)


def test_a_token_ends() -> None:
    """After its time it is refused, and says that it is its time."""
    with pytest.raises(LinkUnusable, match="has expired"):
        opened(SECRET, "tenant", signed(SECRET, "tenant", replace(LINK, expires_at=int(time.time()) - 1)))


async def test_a_link_is_used_once(owner: httpx.AsyncClient, anybody: httpx.AsyncClient) -> None:
    """Nobody's key is needed; what was said has the link's id and says so; the second time is refused."""
    run_id = await run_of(owner)
    made = (await owner.post("/feedback/tokens", json={"run_id": run_id, "feedback_key": "helpful"})).json()
    token = FeedbackIngestToken(**made)

    first = await anybody.post(token.url, json={"score": 1, "comment": "fine", "metadata": None})
    second = await anybody.post(token.url, json={"score": 0})
    third = await anybody.get(token.url, params={"score": "0"})

    assert 3 * 3600 - 60 < token.expires_at.timestamp() - time.time() <= 3 * 3600
    assert first.status_code == 200, first.text
    assert [second.status_code, third.status_code] == [410, 410]
    assert second.json()["detail"] == "token: this link was used: ask for a new one"
    [found] = (await owner.get("/feedback", params={"run_id": run_id})).json()
    assert (found["id"], found["score"], found["comment"]) == (str(token.id), 1, "fine")
    assert found["feedback_source"]["type"] == "link"


async def test_of_many_at_once_one_is_taken(owner: httpx.AsyncClient, anybody: httpx.AsyncClient) -> None:
    """A link that ten open at the same time is used once."""
    run_id = await run_of(owner)
    url = await link_to(owner, run_id)

    answers = await asyncio.gather(*(anybody.post(url, json={"score": n}) for n in range(10)))

    assert sorted(one.status_code for one in answers) == [200, *[410] * 9]
    assert len((await owner.get("/feedback", params={"run_id": run_id})).json()) == 1


async def test_looking_at_a_link_says_nothing(owner: httpx.AsyncClient, anybody: httpx.AsyncClient) -> None:
    """A scanner of mail that opens, or asks for the head of, a link leaves it unused; a word alone isn't taken."""
    run_id = await run_of(owner)
    url = await link_to(owner, run_id)

    looked = await anybody.get(url)
    head = await anybody.head(url)
    word = await anybody.get(url, params={"comment": "hm"})

    assert (looked.status_code, looked.json()["key"], looked.json()["run_id"]) == (200, "helpful", run_id)
    assert looked.headers["Cache-Control"] == "no-store"
    assert [head.status_code, word.status_code] == [405, 422]
    assert "needs a score or a value" in word.json()["detail"]
    assert (await owner.get("/feedback", params={"run_id": run_id})).json() == []
    taken = await anybody.get(url, params={"score": "true", "comment": "yes", "correction": '{"answer": "hi"}'})
    assert taken.status_code == 200
    assert (taken.json()["score"], taken.json()["comment"], taken.json()["correction"]) == (
        True,
        "yes",
        {"answer": "hi"},
    )


async def test_a_score_in_a_query_is_a_number_or_a_thumb(owner: httpx.AsyncClient, anybody: httpx.AsyncClient) -> None:
    """What is neither is refused by its name and uses nothing up."""
    url = await link_to(owner, await run_of(owner))

    wrong = [await anybody.get(url, params={"score": one}) for one in ("good", "nan", "inf")]
    unknown = await anybody.get(url, params={"score": "1", "colour": "red"})
    right = await anybody.get(url, params={"score": "-0.5"})

    assert {one.status_code for one in wrong} == {422}
    assert all(one.json()["detail"].startswith("query.score") for one in wrong)
    assert "colour" in unknown.json()["detail"]
    assert right.json()["score"] == -0.5


async def test_a_link_ends_when_it_is_told_to(owner: httpx.AsyncClient) -> None:
    """Its end is told as a length of time or as a moment, not both, not past, not beyond a year."""
    run_id = await run_of(owner)
    body = {"run_id": run_id, "feedback_key": "helpful"}
    soon = await owner.post("/feedback/tokens", json={**body, "expires_in": {"minutes": 5}})
    wrong = [
        {"expires_in": {"minutes": 0}},
        {"expires_at": "2020-01-01T00:00:00Z"},
        {"expires_at": "2099-01-01T00:00:00Z"},
        {"expires_in": {"minutes": 5}, "expires_at": "2099-01-01T00:00:00Z"},
        {"feedback_key": "two words"},
        {"feedback_config": {}},
    ]

    refusals = [await owner.post("/feedback/tokens", json={**body, **one}) for one in wrong]

    assert 200 < FeedbackIngestToken(**soon.json()).expires_at.timestamp() - time.time() <= 300
    assert {one.status_code for one in refusals} == {422}


async def test_a_link_opens_nothing_else(
    keyed: Running, server: Running, owner: httpx.AsyncClient, anybody: httpx.AsyncClient
) -> None:
    """Of all routes that there are, whoever has no key reaches the link's and whether the server is up."""
    url = await link_to(owner, await run_of(owner))
    token = url.rpartition("/")[2]
    async with httpx.AsyncClient(base_url=server.url) as http:
        paths: dict[str, dict[str, object]] = (await http.get("/openapi.json")).json()["paths"]
    routes = [(method.upper(), path) for path, methods in paths.items() for method in methods]

    statuses = {
        (method, path): (
            await anybody.request(method, path.format_map(_Anything()), headers={"x-api-key": token})
        ).status_code
        for method, path in routes
    }

    assert {one for one, status in statuses.items() if status != 401} == {
        ("GET", "/ok"),
        ("GET", "/feedback/tokens/{token}"),
        ("POST", "/feedback/tokens/{token}"),
    }
    assert ("POST", "/feedback/tokens") in statuses
    assert (await anybody.get(f"{keyed.url}/feedback/tokens/{token}x", params={"score": "1"})).status_code == 403


class _Anything(dict[str, str]):
    """A UUID for each part of a path."""

    def __missing__(self, name: str) -> str:
        return "0192f0c0-0000-7000-8000-000000000000"


async def test_a_link_holds_in_every_replica_and_after_a_restart(
    owner: httpx.AsyncClient, settings: dict[str, str], tmp_path: Path
) -> None:
    """A link of one process is taken by another that began later, and used up for both."""
    run_id = await run_of(owner)
    url = await link_to(owner, run_id)
    token = url.rpartition("/")[2]
    second = await start(["serve", "--port", "0", "--config", str(PROJECT)], environment(tmp_path, settings))
    try:
        async with httpx.AsyncClient(base_url=second.url) as there:
            taken = await there.post(f"/feedback/tokens/{token}", json={"score": 1})
    finally:
        await second.stop()

    assert taken.status_code == 200, taken.text
    assert (await owner.post(url, json={"score": 1})).status_code == 410
