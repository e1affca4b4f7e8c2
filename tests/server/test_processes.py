"""What holds when processes end, break or can't begin."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from langgraph_sdk.errors import AuthenticationError
from tests import warm
from tests.server.running import PROJECT, environment, serving, start
from tests.support import wait_until

from motet.memory.redis.client import connect
from motet.memory.redis.embedded import EmbeddedRedis

HELLO: dict[str, Any] = {"messages": [{"role": "user", "content": "hello"}]}


async def _refusal(*arguments: str, data_dir: Path, env: dict[str, str] | None = None) -> tuple[int, str]:
    """Exit code and output of a `motet` that must not start."""
    process = await warm.start(arguments, environment(data_dir, env))
    output, _ = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode is not None
    return process.returncode, output.decode()


async def _server_pid(url: str) -> int:
    redis = await connect(url)
    try:
        return int((await redis.info("server"))["process_id"])
    finally:
        await redis.aclose()


async def test_a_second_process_continues_the_conversation_of_a_killed_one(tmp_path: Path) -> None:
    """What was said on a thread survives `kill -9` of the whole server, without any Redis but the embedded one."""
    async with serving("--config", str(PROJECT), data_dir=tmp_path) as first, first.client() as client:
        thread_id = (await client.threads.create())["thread_id"]
        await client.runs.wait(thread_id, "echo", input=HELLO)
        await first.stop(signal.SIGKILL)

    async with serving("--config", str(PROJECT), data_dir=tmp_path) as second, second.client() as client:
        values: Any = await client.runs.wait(thread_id, "echo", input=HELLO)

    assert values["log"] == ["turn 1", "turn 3"]


async def test_a_run_of_a_killed_worker_goes_on_where_it_stood(tmp_path: Path) -> None:
    """A run whose process dies in the middle is taken over, and no finished step is done again."""
    fast = {"MOTET_LEASE_SECONDS": "1", "MOTET_HEARTBEAT_SECONDS": "0.3", "MOTET_SWEEP_SECONDS": "0.3"}
    async with EmbeddedRedis(tmp_path) as url:
        env = fast | {"MOTET_REDIS_URL": url}
        arguments = ["--config", str(PROJECT)]
        async with (
            serving(*arguments, "--workers", "0", data_dir=tmp_path, env=env) as server,
            server.client() as client,
        ):
            worker = await start(["worker", *arguments], environment(tmp_path, env))
            thread_id = (await client.threads.create())["thread_id"]
            run: Any = await client.runs.create(thread_id, "slow", input={"n": 0})

            async def begun() -> bool:
                state: Any = await client.threads.get_state(thread_id)
                return len(state["values"].get("log", [])) >= 3

            await wait_until(begun, description="three steps")
            await worker.stop(signal.SIGKILL)
            successor = await start(["worker", *arguments], environment(tmp_path, env))
            values: Any = await client.runs.join(thread_id, run["run_id"])
            assert await successor.stop() == 0

    assert values["log"] == [f"step {number}" for number in range(1, 21)]


async def test_a_server_that_is_stopped_hands_its_runs_on(tmp_path: Path, redis_url: str) -> None:
    """SIGTERM in the middle of a run: another worker goes on at once, not when the lease of 30 s has run out."""
    env = {"MOTET_REDIS_URL": redis_url, "MOTET_TENANT": "stopped"}
    arguments = ["--config", str(PROJECT)]
    async with serving(*arguments, "--workers", "0", data_dir=tmp_path, env=env) as server, server.client() as client:
        worker = await start(["worker", *arguments], environment(tmp_path, env))
        thread_id = (await client.threads.create())["thread_id"]
        run: Any = await client.runs.create(thread_id, "slow", input={"n": -60})

        async def begun() -> bool:
            state: Any = await client.threads.get_state(thread_id)
            return len(state["values"].get("log", [])) >= 3

        await wait_until(begun, description="three steps")
        successor = await start(["worker", *arguments], environment(tmp_path, env))
        await worker.stop()
        values: Any = await asyncio.wait_for(client.runs.join(thread_id, run["run_id"]), 20)
        await successor.stop()

    assert values["log"] == [f"step {number}" for number in range(-59, 21)]


async def test_redis_gone_in_the_middle_is_said_and_loses_nothing(tmp_path: Path) -> None:
    """Requests get 503 while Redis is away; when it is back, the conversation is whole."""
    redis_dir = tmp_path / "redis"
    async with EmbeddedRedis(redis_dir) as url:
        env = {"MOTET_REDIS_URL": url}
        async with serving("--config", str(PROJECT), data_dir=tmp_path, env=env) as server, server.client() as client:
            thread_id = (await client.threads.create())["thread_id"]
            await client.runs.wait(thread_id, "echo", input=HELLO)
            os.kill(await _server_pid(url), signal.SIGKILL)

            async with httpx.AsyncClient(base_url=server.url, timeout=20) as http:
                away = await http.get(f"/threads/{thread_id}")
            async with EmbeddedRedis(redis_dir):
                values: Any = await client.runs.wait(thread_id, "echo", input=HELLO)

    assert (away.status_code, away.headers["retry-after"]) == (503, "1")
    assert "Redis" in away.json()["detail"]
    assert values["log"] == ["turn 1", "turn 3"]


async def test_a_stream_outlives_its_redis(tmp_path: Path) -> None:
    """Redis is killed and comes back in the middle of a run: its stream goes on to the end, no step is done twice."""
    fast = {"MOTET_LEASE_SECONDS": "1", "MOTET_HEARTBEAT_SECONDS": "0.3", "MOTET_SWEEP_SECONDS": "0.3"}
    redis_dir = tmp_path / "redis"
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(EmbeddedRedis(redis_dir))
        arguments = ["--config", str(PROJECT)]
        server = await stack.enter_async_context(
            serving(*arguments, data_dir=tmp_path, env=fast | {"MOTET_REDIS_URL": url})
        )
        client = await stack.enter_async_context(server.client())
        thread_id = (await client.threads.create())["thread_id"]
        seen: list[tuple[str, Any]] = []
        async for part in client.runs.stream(thread_id, "slow", input={"n": 0}, stream_mode=["updates"]):
            seen.append((part.event, part.data))
            if len(seen) == 4:
                os.kill(await _server_pid(url), signal.SIGKILL)
                await stack.enter_async_context(EmbeddedRedis(redis_dir))
        values: Any = (await client.threads.get_state(thread_id))["values"]

    assert "error" not in {event for event, _ in seen}
    assert seen[-1][1] == {"step": {"n": 20, "log": ["step 20"]}}
    assert values["log"] == [f"step {number}" for number in range(1, 21)]


async def test_the_embedded_redis_is_brought_back(tmp_path: Path) -> None:
    """Killed under a server that brought it along, it is running again without anybody doing anything."""
    async with serving("--config", str(PROJECT), data_dir=tmp_path) as server, server.client() as client:
        thread_id = (await client.threads.create())["thread_id"]
        await client.runs.wait(thread_id, "echo", input=HELLO)
        [socket] = (tmp_path / "redis").glob("*.sock")
        os.kill(await _server_pid(f"unix://{socket}"), signal.SIGKILL)

        async def answers() -> bool:
            async with httpx.AsyncClient(base_url=server.url, timeout=20) as http:
                return (await http.get(f"/threads/{thread_id}")).status_code == 200

        await wait_until(answers, description="the embedded Redis is back")
        values: Any = await client.runs.wait(thread_id, "echo", input=HELLO)

    assert values["log"] == ["turn 1", "turn 3"]


async def test_a_project_class_in_the_state_comes_back_as_itself(tmp_path: Path) -> None:
    """Strict deserialisation still knows the classes that a project's own state names."""
    (tmp_path / "typed.py").write_text(
        "from dataclasses import dataclass\n"
        "from typing import TypedDict\n"
        "from langgraph.graph import START, StateGraph\n"
        "@dataclass\nclass Point:\n    x: int\n"
        "class State(TypedDict, total=False):\n    point: Point\n    kind: str\n"
        "def node(state):\n"
        "    before = state.get('point')\n"
        "    return {'point': Point(1), 'kind': type(before).__name__}\n"
        "graph = StateGraph(State).add_node('node', node).add_edge(START, 'node').compile()\n"
    )
    config = tmp_path / "langgraph.json"
    config.write_text(json.dumps({"graphs": {"typed": "./typed.py:graph"}}))

    async with (
        serving("--config", str(config), data_dir=tmp_path / "data") as server,
        server.client() as client,
    ):
        thread_id = (await client.threads.create())["thread_id"]
        kinds = [(await client.runs.wait(thread_id, "typed", input={}))["kind"] for _ in range(2)]

    assert kinds == ["NoneType", "Point"]


async def test_a_key_is_asked_for_when_one_is_set(tmp_path: Path) -> None:
    """Without the key, or with a wrong one, every route but `/ok` answers 401."""
    env = {"MOTET_AUTH": "correct horse"}
    async with serving("--config", str(PROJECT), data_dir=tmp_path, env=env) as server, server.client() as client:
        async with httpx.AsyncClient(base_url=server.url) as http:
            statuses = {
                key: (await http.get("/info", headers={"x-api-key": key})).status_code
                for key in ("", "wrong", "correct horse")
            }
            bearer = await http.get("/info", headers={"Authorization": "Bearer correct horse"})
            ok = await http.get("/ok")
        with pytest.raises(AuthenticationError):
            await client.threads.create()

    assert statuses == {"": 401, "wrong": 401, "correct horse": 200}
    assert (bearer.status_code, ok.status_code) == (200, 200)


@pytest.mark.parametrize("command", ["serve", "worker"])
async def test_a_process_that_still_starts_ends_when_it_is_told_to(
    command: str, tmp_path: Path, redis_url: str
) -> None:
    """While its documents are indexed, too: at once, in order, and the next one needn't wait for a lock."""
    folder = tmp_path / "workspace"
    folder.mkdir()
    (folder / "rules.md").write_text("A chair costs 300 euros at most.")
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        env = {
            "MOTET_REDIS_URL": redis_url, "MOTET_TENANT": uuid4().hex, "MOTET_MODEL": "openai:none",
            "OPENAI_API_KEY": "k", "MOTET_EMBEDDINGS": "openai:none",
            "MOTET_EMBEDDINGS_BASE_URL": f"http://127.0.0.1:{deaf.getsockname()[1]}/v1",
        }  # fmt: skip
        arguments = [command, "--workspace", str(folder), *(("--port", "0") if command == "serve" else ())]
        process = await warm.start(arguments, environment(tmp_path, env))
        assert process.stdout is not None
        async with asyncio.timeout(40):
            while b"embedding passages" not in await process.stdout.readline():
                assert not process.stdout.at_eof()
            process.terminate()
            said = await process.stdout.read()
            code = await process.wait()

    assert (code, said) == (0, b"")


async def test_a_refusal_is_one_line_and_an_exit_code(tmp_path: Path) -> None:
    """What can't be served is told in one line on standard error, without a traceback."""
    code, said = await _refusal("serve", "--port", "0", "--config", str(tmp_path / "none.json"), data_dir=tmp_path)

    assert code == 2
    assert said.strip() == f"motet: {tmp_path / 'none.json'}: can't be read: No such file or directory"


async def test_a_body_over_the_limit_is_refused(tmp_path: Path) -> None:
    """413 for a body that says it is too large and for one that turns out to be; the server goes on."""
    env = {"MOTET_MAX_BODY_BYTES": "1000"}
    async with serving("--config", str(PROJECT), data_dir=tmp_path, env=env) as server:
        async with httpx.AsyncClient(base_url=server.url) as http:
            announced = await http.post("/threads", content=b"x" * 2000, headers={"content-type": "application/json"})

            async def pieces() -> AsyncIterator[bytes]:
                for _ in range(20):
                    yield b"x" * 100

            counted = await http.post("/threads", content=pieces(), headers={"content-type": "application/json"})
            fine = await http.post("/threads", json={})

    assert (announced.status_code, counted.status_code, fine.status_code) == (413, 413, 200)
