"""No real model for any test; one embedded Redis for the session, a tenant of its own for a test that asks for it."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Iterator
from typing import cast
from uuid import uuid4

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, settings
from redis.asyncio import Redis

from motet.memory.redis.client import connect
from motet.memory.redis.embedded import EmbeddedRedis
from motet.memory.redis.keys import Keys
from motet.testing import forbid_model_requests

INDEXES = frozenset({"ready", "active", "recent", "listed", "attention", "open", "approvals", "audit", "audit_head"})
"""A tenant's own keys that never expire; they hold nothing but references, and empty themselves or are bounded."""

OF_A_THREAD = frozenset(
    {"thread", "queue", "run", "runs", "events", "effects", "epoch", "cp", "approvals", "grants", "journal"}
)
"""First words of the keys that a thread owns: they go when the thread is deleted."""

OF_A_TENANT = frozenset({"store", "cache", "eval", "feedback"})
"""First words of the keys of which a tenant has one each: what they hold goes, the keys with it or nearly."""

OF_A_CORPUS = frozenset({"corpus", "docs"})
"""First words of the keys that a corpus of documents owns: they go with its last document."""


# How long one case takes says how busy the machine is.
settings.register_profile("motet", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("motet")


def pytest_xdist_auto_num_workers() -> int:
    """`-n auto`: half as many again as processors, for a test waits half of its time for processes that it started."""
    return len(os.sched_getaffinity(0)) * 3 // 2


@pytest.fixture(autouse=True)
def _no_real_model(request: pytest.FixtureRequest) -> Iterator[None]:
    """No test asks a real model, except those marked `all`, where the embedded one is what is tested.

    The address says nothing about that: the embedded model and a person's Ollama answer on loopback too. So there is
    no exception for addresses. Whoever tests a client against a server of its own in this process names the client's
    class (`allow_model_requests`); servers started as processes are out of reach, and their tests give them the
    address of a scripted server.
    """
    if request.node.get_closest_marker("all"):
        yield
        return
    with forbid_model_requests():
        yield


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def redis_url(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[str]:
    """URL of a Redis that is this session's alone."""
    async with EmbeddedRedis(tmp_path_factory.mktemp("data")) as url:
        yield url


@pytest.fixture
def keys() -> Keys:
    """Names of keys that no other test uses."""
    return Keys(tenant=uuid4().hex[:8], prefix=f"test-{uuid4().hex[:8]}")


@pytest_asyncio.fixture
async def redis(redis_url: str, keys: Keys) -> AsyncGenerator[Redis]:
    """A connected client. What the test leaves under `keys` must be owned or expire; then it's deleted."""
    client = await connect(redis_url)
    try:
        yield client
        leaked = await leaked_keys(client, keys)
        left = [name async for name in client.scan_iter(match=f"{keys.prefix}:*", count=1000)]
        if left:
            await client.delete(*left)
        assert not leaked, f"keys that nobody owns and that never expire: {leaked}"
    finally:
        await client.aclose()


async def leaked_keys(client: Redis, keys: Keys) -> list[str]:
    """Names of keys that live for ever though neither a thread nor a corpus owns them, and that are still there."""
    found = [bytes(name).decode() async for name in client.scan_iter(match=f"{keys.prefix}:*", count=1000)]
    owners = {name.partition("}:")[0] + "}" for name in found if name.endswith(("}:thread", "}:cp:ids", "}:corpus"))}
    return [
        name
        for name in found
        if not _is_owned(name, owners) and await client.ttl(name) == -1 and not await _names_threads(client, name, keys)
    ]


async def _names_threads(client: Redis, name: str, keys: Keys) -> bool:
    """Whether the key lists the threads of a run, and all of them exist: it goes with the last one."""
    if not name.endswith("}:threads"):
        return False
    threads = cast("set[bytes]", await client.smembers(name))
    return all([await client.exists(keys.checkpoints(thread.decode())[0]) for thread in threads])


def _is_owned(name: str, owners: set[str]) -> bool:
    tag, _, suffix = name.partition("}:")
    if suffix.partition(":")[0] in OF_A_TENANT:
        return True
    return suffix in INDEXES or (f"{tag}}}" in owners and suffix.partition(":")[0] in OF_A_THREAD | OF_A_CORPUS)
