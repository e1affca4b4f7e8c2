"""`motet trace show`: a run's trajectory, for people and for machines."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from tests.server.running import environment
from tests.server.typing_person import without_terminal


@pytest.fixture
def env(redis_url: str, tmp_path: Path) -> Mapping[str, str]:
    """The environment that `server` runs in."""
    return environment(tmp_path, {"MOTET_REDIS_URL": redis_url, "MOTET_TENANT": "served"})


async def ended_run(client: Any, graph: str) -> str:
    """A run of `graph` that has ended."""
    thread_id = (await client.threads.create())["thread_id"]
    run = await client.runs.create(thread_id, graph, input={})
    await client.runs.join(thread_id, run["run_id"])
    return run["run_id"]


async def test_a_run_is_drawn(client: Any, env: Mapping[str, str]) -> None:
    """Nodes stand below the run, with times and outcomes."""
    code, said, _ = await without_terminal("trace", "show", await ended_run(client, "nested"), env=env)

    assert code == 0
    assert "✓ nested" in said
    assert said.index("✓ child") < said.index("✓ inner")
    assert "took" in said


async def test_a_question_is_drawn(client: Any, env: Mapping[str, str]) -> None:
    """A run that waits shows what it asked."""
    code, said, _ = await without_terminal("trace", "show", await ended_run(client, "ask"), env=env)

    assert code == 0
    assert "asked: send_mail: Send a mail." in said


async def test_a_failure_is_drawn(client: Any, env: Mapping[str, str]) -> None:
    """A run that failed shows where and why."""
    code, said, _ = await without_terminal("trace", "show", await ended_run(client, "boom"), env=env)

    assert code == 0
    assert "✗ boom" in said
    assert "boom happened" in said


async def test_machines_get_the_whole_tree(client: Any, env: Mapping[str, str]) -> None:
    """--json gives one object with all that is known."""
    run_id = await ended_run(client, "nested")
    code, said, _ = await without_terminal("trace", "show", run_id, "--json", env=env, fresh=True)
    tree = json.loads(said)

    assert code == 0
    assert (tree["kind"], tree["name"], tree["outcome"]) == ("run", "nested", "ok")
    assert tree["detail"]["run_id"] == run_id
    assert [child["name"] for child in tree["children"]] == ["child"]


async def test_an_unknown_run_is_named(env: Mapping[str, str]) -> None:
    """There is no trajectory: one line, exit code 1."""
    unknown = str(uuid4())
    code, _, complained = await without_terminal("trace", "show", unknown, env=env)

    assert code == 1
    assert complained.strip() == f"motet: Trajectory with ID {unknown} not found"
