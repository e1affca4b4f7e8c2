"""A scene for a test: on a Redis that other tests use too, or on one that the test may break."""

from __future__ import annotations

import os
import secrets
from collections.abc import AsyncGenerator
from pathlib import Path
from uuid import uuid4

import pytest
import pytest_asyncio
from tests.chaos.fleet import Store, store
from tests.chaos.scene import Scene, scene


@pytest.fixture
def seed() -> int:
    """What the test's random choices follow from; CHAOS_SEED repeats one that failed."""
    return int(os.environ.get("CHAOS_SEED") or secrets.randbelow(1_000_000))


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def shared_store(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Store]:
    """A Redis that nobody breaks."""
    async with store(_made(tmp_path_factory.mktemp("shared") / "disk" / "data")) as running:
        yield running


@pytest_asyncio.fixture
async def on(tmp_path: Path, shared_store: Store, seed: int) -> AsyncGenerator[Scene]:
    """A scene with a tenant of its own on the shared store."""
    async with scene(tmp_path, shared_store, seed=seed, tenant=f"t{uuid4().hex[:8]}") as made:
        yield made


@pytest_asyncio.fixture
async def alone(tmp_path: Path, seed: int) -> AsyncGenerator[Scene]:
    """A scene with a store of its own, which may be broken."""
    async with store(_made(tmp_path / "disk" / "data")) as running, scene(tmp_path, running, seed=seed) as made:
        yield made


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder
