"""`motet replay` and its route: runs that were served, replayed from what is kept of them."""

from __future__ import annotations

import json
import shutil
from collections.abc import AsyncGenerator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from tests.server.running import Running, environment, serving
from tests.server.typing_person import without_terminal

PATTERNS = Path(__file__).parent / "patterns"
GIVEN: Mapping[str, Any] = {
    "agent": {"messages": [{"role": "user", "content": "how is the weather?"}]},
    "supervisor": {"messages": [{"role": "user", "content": "write about the weather"}]},
    "map_reduce": {"topic": "rain"},
    "sub_graph": {"messages": [{"role": "user", "content": "book a trip"}]},
    "functional": {"text": "rain"},
}
MODES = ["values", "updates", "messages-tuple"]


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the graphs, which a test may change."""
    return Path(shutil.copytree(PATTERNS, tmp_path_factory.mktemp("project") / "patterns")) / "langgraph.json"


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def patterned(redis_url: str, project: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Running]:
    """`motet serve` over them."""
    env = {"MOTET_REDIS_URL": redis_url, "MOTET_TENANT": "replayed"}
    async with serving("--config", str(project), data_dir=tmp_path_factory.mktemp("data"), env=env) as running:
        yield running


@pytest.fixture
def env(redis_url: str, tmp_path: Path) -> Mapping[str, str]:
    """The environment of commands."""
    return environment(tmp_path, {"MOTET_REDIS_URL": redis_url, "MOTET_TENANT": "replayed"})


async def ended(patterned: Running, graph: str) -> tuple[str, str]:
    """Thread and run id of a run of `graph` that has ended; each question is answered with yes."""
    async with patterned.client() as client:
        thread_id = (await client.threads.create())["thread_id"]
        told: dict[str, Any] = {"input": GIVEN[graph]}
        while True:
            run = await client.runs.create(thread_id, graph, stream_mode=MODES, stream_subgraphs=True, **told)
            await client.runs.join(thread_id, run["run_id"])
            waiting = (await client.threads.get(thread_id))["interrupts"]
            if not any(waiting.values()):
                assert (await client.runs.get(thread_id, run["run_id"]))["status"] == "success"
                return thread_id, run["run_id"]
            told = {"command": {"resume": "yes"}}


@pytest.mark.parametrize("graph", GIVEN)
async def test_a_served_run_replays_the_same(
    graph: str, patterned: Running, project: Path, env: Mapping[str, str]
) -> None:
    """State, checkpoints and events are those that were stored; models that answer by chance aren't asked."""
    _, run_id = await ended(patterned, graph)

    code, said, complained = await without_terminal("replay", run_id, "--config", str(project), "--json", env=env)

    assert complained == ""
    verdict = json.loads(said)
    assert (code, verdict["divergence"]) == (0, None)
    assert verdict["counts"]["events"] > 0
    assert verdict["stood_in"] == []


@pytest.mark.all
async def test_the_api_answers_with_the_verdict(patterned: Running) -> None:
    """`POST …/replay` says what `motet replay --json` says."""
    thread_id, run_id = await ended(patterned, "agent")

    async with httpx.AsyncClient(base_url=patterned.url, timeout=60) as http:
        answer = await http.post(f"/threads/{thread_id}/runs/{run_id}/replay")
        wrong = await http.post(f"/threads/{thread_id}/runs/{run_id}/replay", json={"at": "nowhere"})

    assert answer.status_code == 200
    assert answer.json()["equal"] is True
    assert answer.json()["run_ids"] == [run_id]
    assert (wrong.status_code, "at: 'nowhere'" in wrong.json()["detail"]) == (422, True)


async def test_a_folder_is_replayed_for_ci(
    patterned: Running, project: Path, tmp_path: Path, env: Mapping[str, str]
) -> None:
    """Of exported runs, each that parts from its record is shown with what was expected and what came; exit code 1."""
    _, run_id = await ended(patterned, "agent")
    kept = tmp_path / "runs"
    kept.mkdir()
    exported = await without_terminal(
        "trace", "export", run_id, "--format", "jsonl", "-o", str(kept / "a.jsonl"), env=env
    )
    assert exported[0] == 0
    same = await without_terminal("replay", "--all", str(kept), "--config", str(project), env=env)

    changed = Path(shutil.copytree(project.parent, tmp_path / "changed")) / "langgraph.json"
    graphs = changed.parent / "graphs.py"
    graphs.write_text(graphs.read_text().replace("Tell the weather.", "Tell the climate."))
    (kept / "broken.jsonl").write_text("{}\n")
    other = await without_terminal("replay", "--all", str(kept), "--config", str(changed), env=env)

    assert (same[0], "✓" in same[1]) == (0, True)
    assert other[0] == 1
    assert "at step 1, agent forecaster (model@1): the request to the model, messages[0].content" in other[1]
    assert "- Tell the weather." in other[1]
    assert "+ Tell the climate." in other[1]
    assert "broken.jsonl" in other[1]


async def test_what_is_asked_for_must_be_one_thing(env: Mapping[str, str], tmp_path: Path) -> None:
    """A run or a folder, and a folder that has files; else exit code 2, and a line that says so."""
    neither = await without_terminal("replay", env=env)
    empty = await without_terminal("replay", "--all", str(tmp_path), env=env)

    assert (neither[0], neither[2]) == (2, "motet: RUN: name a run or a file, or a folder by --all; one of both\n")
    assert (empty[0], empty[2]) == (2, f"motet: --all {tmp_path}: it holds no *.jsonl\n")
