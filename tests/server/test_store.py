"""The store's API, through the unmodified SDK: items by namespace and key, over threads and processes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import uuid4

import httpx
import pytest
from tests.server.running import Running
from tests.server.test_wire import refused


@pytest.fixture
def space() -> str:
    """A namespace of the test's own."""
    return f"test-{uuid4().hex[:8]}"


async def test_an_item_is_stored_found_and_deleted(client: Any, space: str) -> None:
    """What was put comes back with its times; deleted, it is null and found by nothing."""
    await client.store.put_item([space, "ann"], "k", {"text": "I report in euros", "n": 1})
    item = await client.store.get_item([space, "ann"], "k")

    assert (item["namespace"], item["key"], item["value"]["n"]) == ([space, "ann"], "k", 1)
    assert datetime.fromisoformat(item["created_at"]) <= datetime.fromisoformat(item["updated_at"])
    assert datetime.fromisoformat(item["updated_at"]).utcoffset() is not None

    await client.store.delete_item([space, "ann"], "k")
    await client.store.delete_item([space, "ann"], "k")
    assert await client.store.get_item([space, "ann"], "k") is None
    assert await client.store.search_items([space]) == {"items": []}
    assert await client.store.list_namespaces(prefix=[space]) == {"namespaces": []}


async def test_items_are_searched_by_prefix_and_filter(client: Any, space: str) -> None:
    """The filter goes before limit and offset; each item says how well it fits, or null."""
    for number in range(5):
        await client.store.put_item([space, "a" if number % 2 else "b"], f"k{number}", {"n": number})
    found = await client.store.search_items([space], filter={"n": {"$gte": 1}}, limit=2, offset=1)
    in_a = await client.store.search_items([space, "a"])

    assert len(found["items"]) == 2
    assert all(one["value"]["n"] >= 1 and one["score"] is None for one in found["items"])
    assert sorted(one["key"] for one in in_a["items"]) == ["k1", "k3"]


async def test_namespaces_are_listed(client: Any, space: str) -> None:
    """By prefix, suffix and depth."""
    for labels in ([space, "a", "x"], [space, "b", "x"], [space, "b", "y"]):
        await client.store.put_item(labels, "k", {"n": 1})

    assert (await client.store.list_namespaces(prefix=[space], suffix=["x"]))["namespaces"] == [
        [space, "a", "x"],
        [space, "b", "x"],
    ]
    assert (await client.store.list_namespaces(prefix=[space], max_depth=2, limit=1, offset=1))["namespaces"] == [
        [space, "b"]
    ]


async def test_an_item_may_expire(client: Any, server: Running, space: str) -> None:
    """The SDK's minutes reach the store, and what was read may be kept longer."""
    await client.store.put_item([space], "k", {"n": 1}, ttl=10)
    assert (await client.store.get_item([space], "k", refresh_ttl=True))["value"] == {"n": 1}
    async with httpx.AsyncClient() as plain:
        body = {"namespace": [space], "key": "gone", "value": {"n": 1}, "ttl": 0.00001}
        assert (await plain.put(f"{server.url}/store/items", json=body)).status_code == 204
    await client.store.put_item([space], "index", {"n": 1}, index=False)

    assert [one["key"] for one in (await client.store.search_items([space]))["items"]] == ["k", "index"]


@pytest.mark.parametrize(
    ("method", "path", "body", "said"),
    [
        ("PUT", "items", {"namespace": ["a.b"], "key": "k", "value": {}}, "namespace.0: 'a.b' is not allowed"),
        ("PUT", "items", {"namespace": [], "key": "k", "value": {}}, "namespace: [] is not allowed"),
        ("PUT", "items", {"namespace": ["langgraph"], "key": "k", "value": {}}, "LangGraph's own"),
        ("PUT", "items", {"namespace": ["a"], "key": "", "value": {}}, "key: '' is not allowed"),
        ("PUT", "items", {"namespace": ["a"], "key": "k", "value": []}, "value: [] is not allowed"),
        ("PUT", "items", {"namespace": ["a"], "key": "k", "value": {}, "index": True}, "index"),
        ("PUT", "items", {"namespace": ["a"], "key": "k", "value": {}, "ttl": 0}, "ttl: 0 is not allowed"),
        ("PUT", "items", {"namespace": ["a"], "key": "k", "value": {}, "owner": 1}, "owner: this field"),
        ("PUT", "items", {"namespace": ["a"], "key": "k", "value": {"n": 2**70}}, "value: "),
        ("PUT", "items", {"namespace": ["a"], "key": "k", "value": {"n": "x" * 1_100_000}}, "at most 1048576 bytes"),
        ("DELETE", "items", {"namespace": ["a"], "key": "k", "value": {}}, "value: this field"),
        ("POST", "items/search", {"namespace_prefix": ["a"], "limit": 0}, "limit: 0 is not allowed"),
        ("POST", "items/search", {"namespace_prefix": ["a"], "filter": {"n": {"$like": 1}}}, "'$like' is not allowed"),
        ("POST", "items/search", {"namespace_prefix": ["a"], "sort": "n"}, "sort: this field"),
        ("POST", "items/search", {"prefix": ["a"]}, "namespace_prefix: "),
        ("POST", "namespaces", {"max_depth": 0}, "max_depth: 0 is not allowed"),
        ("POST", "namespaces", {"depth": 1}, "depth: this field"),
    ],
)
async def test_what_isnt_allowed_is_refused_by_name(
    server: Running, method: str, path: str, body: Mapping[str, Any], said: str
) -> None:
    """422 in the one shape, with the field; nothing is stored."""
    async with httpx.AsyncClient() as plain:
        answer = await plain.request(method, f"{server.url}/store/{path}", json=body)

    assert answer.status_code == 422
    assert said in answer.json()["detail"]


async def test_the_sdk_hears_what_is_wrong(client: Any, server: Running) -> None:
    """A refusal is the SDK's own error; a namespace that can't be is refused on reading too."""
    with refused(422, "limit: 5000 is not allowed"):
        await client.store.search_items(["a"], limit=5000)
    async with httpx.AsyncClient() as plain:
        answer = await plain.get(f"{server.url}/store/items", params={"namespace": "a..b", "key": "k"})
    assert (answer.status_code, "namespace: 'a..b'" in answer.json()["detail"]) == (422, True)
