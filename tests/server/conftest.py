"""One server over the test project for all tests that don't break it."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

import pytest
import pytest_asyncio
from tests.server.running import PROJECT, Running, serving


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
