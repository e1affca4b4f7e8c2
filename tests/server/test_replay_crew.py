"""`motet replay --workspace`: what the built-in assistant did, again from its record alone."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from tests.server import on_call
from tests.server.running import environment
from tests.server.test_crew import QUESTION, Crew, analysing, answering, asked

pytestmark = pytest.mark.asyncio(loop_scope="session")
"""The model's server lives in the session's loop, so that has to run while a test waits."""

TENANT = "crew-replayed"
MODES = ["messages-tuple", "custom", "values"]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def crew(redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Crew]:
    """The crew over a workspace of its own."""
    async with analysing(tmp_path_factory.mktemp("crew"), redis_url, MOTET_TENANT=TENANT) as one:
        yield one


async def test_the_crews_runs_replay_the_same(crew: Crew, redis_url: str, tmp_path: Path) -> None:
    """An answer, a question to a person, and the report that was approved: equal, no model asked, nothing written."""
    thread_id = await crew.thread(answering())
    runs: list[str] = []
    approved = {"resume": {"decisions": [{"type": "approve"}]}}
    turns: list[dict[str, Any]] = [{"input": asked(QUESTION)}, {"input": asked("Save a report of this.")}]
    for told in (*turns, {"command": approved}):
        run = await crew.client.runs.create(thread_id, "assistant", stream_mode=MODES, stream_subgraphs=True, **told)
        await crew.client.runs.join(thread_id, run["run_id"])
        runs.append(run["run_id"])
    written, calls = crew.reports, len(crew.model.requests)
    env = environment(
        tmp_path,
        {"MOTET_REDIS_URL": redis_url, "MOTET_TENANT": TENANT, "MOTET_MODEL": "openai:scripted"}
        | {"MOTET_MODEL_BASE_URL": crew.model.url, "OPENAI_API_KEY": "k"},
    )

    for run_id in runs:
        code, (verdict,) = await on_call.told("replay", run_id, "--workspace", str(crew.workspace), env=env)
        assert (code, verdict["divergence"]) == (0, None)
        assert verdict["counts"]["events"] > 0
        assert verdict["stood_in"] == []
    assert crew.reports == written
    assert len(crew.model.requests) == calls
