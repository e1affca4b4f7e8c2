"""A whole server on engines that differ from the embedded one: runs, interrupts, store and cache, over HTTP."""

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

import pytest
from tests.conformance.conftest import Engine
from tests.server.running import PROJECT, serving

pytestmark = pytest.mark.all


@pytest.mark.parametrize("engine", ["debian", "redis-8", "cluster", "restricted"], indirect=True, scope="session")
async def test_a_server_works_on_it(engine: Engine, tmp_path: Path) -> None:
    """A run waits for a person and goes on, and an item of the store is found, whatever holds the data."""
    await _worked(engine, tmp_path, "normal")


@pytest.mark.parametrize("engine", ["redis-8", "cluster", "restricted"], indirect=True, scope="session")
async def test_a_server_waits_for_its_disk(engine: Engine, tmp_path: Path) -> None:
    """The same holds where each write waits for the disk, on every server that can say when it is there."""
    await _worked(engine, tmp_path, "strict")


async def _worked(engine: Engine, tmp_path: Path, durability: str) -> None:
    env = {"MOTET_REDIS_URL": engine.url, "MOTET_TENANT": uuid4().hex, "MOTET_DURABILITY": durability}
    async with serving("--config", str(PROJECT), data_dir=tmp_path, env=env) as server, server.client() as client:
        thread = await client.threads.create()
        asked = await client.runs.wait(
            thread["thread_id"], "ask", input={"messages": [{"role": "user", "content": "hello"}]}
        )
        assert asked["__interrupt__"]
        done = await client.runs.wait(
            thread["thread_id"], "ask", command={"resume": {"decisions": [{"type": "approve"}]}}
        )
        assert "__interrupt__" not in done
        await client.store.put_item(["a"], "k", {"said": "yes"})
        found = await client.store.search_items(["a"], filter={"said": "yes"})
        assert [item["key"] for item in found["items"]] == ["k"]
