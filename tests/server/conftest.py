"""One server over the test project, and one whose graphs ask, for all tests that don't break them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio
from tests.server.asking import Asking, asking, serving_asking
from tests.server.running import PROJECT, Running, environment, serving
from tests.server.typing_person import without_terminal


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def server(redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Running]:
    """`motet serve --config` over the test project."""
    env = {"MOTET_REDIS_URL": redis_url, "MOTET_TENANT": "served"}
    async with serving("--config", str(PROJECT), data_dir=tmp_path_factory.mktemp("server"), env=env) as running:
        yield running


@pytest_asyncio.fixture
async def client(server: Running) -> AsyncGenerator[Any]:
    """The unmodified SDK's client of `server`; its answers are unions that no test wants to narrow."""
    async with server.client() as sdk:
        yield sdk


@pytest.fixture
def env(redis_url: str, tmp_path: Path) -> Mapping[str, str]:
    """Of commands beside `server`, for tests that have none of their own."""
    return environment(tmp_path, {"MOTET_REDIS_URL": redis_url, "MOTET_TENANT": "served"})


@pytest_asyncio.fixture
async def dataset(env: Mapping[str, str]) -> AsyncGenerator[str]:
    """The name of a dataset of this test's own; it's forgotten if it is there at the end."""
    name = f"of-a-test-{uuid4().hex[:8]}"
    yield name
    await without_terminal("eval", "dataset", "delete", name, "--yes", env=env)


@pytest.fixture(scope="session")
def asked_in(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the tool of `asking_server` writes."""
    return tmp_path_factory.mktemp("asked")


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def asking_server(redis_url: str, asked_in: Path) -> AsyncGenerator[Running]:
    """`motet serve --config` over graphs that ask a person."""
    async with serving_asking(redis_url, asked_in) as running:
        yield running


@pytest_asyncio.fixture
async def desk(asking_server: Running, asked_in: Path) -> AsyncGenerator[Asking]:
    """A client of it."""
    async with asking(asking_server, asked_in) as client:
        yield client
