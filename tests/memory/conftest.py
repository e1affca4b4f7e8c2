"""What tests of runs share: the adapters on one tenant, and a few steps of a run's life."""

from __future__ import annotations

import pytest
from redis.asyncio import Redis
from tests.memory.life import Life

from motet.memory.redis.keys import Keys


@pytest.fixture
def life(redis: Redis, keys: Keys) -> Life:
    """Threads, runs and events of one tenant; leases hold for the test's time."""
    return Life(redis, keys, lease_s=30)


@pytest.fixture
def brief(redis: Redis, keys: Keys) -> Life:
    """The same with leases of a fifth of a second."""
    return Life(redis, keys, lease_s=0.2)
