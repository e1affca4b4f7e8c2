"""`motet eval dataset feedback`: what people said of runs becomes examples, by one command."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest_asyncio
from tests.server.asking import Asking
from tests.server.running import Running, environment
from tests.server.typing_person import without_terminal

Env = Mapping[str, str]


@pytest_asyncio.fixture
async def http(server: Running) -> AsyncGenerator[httpx.AsyncClient]:
    """A plain client of the server."""
    async with httpx.AsyncClient(base_url=server.url, timeout=30) as client:
        yield client


async def judged(http: httpx.AsyncClient, text: str, **said: Any) -> str:
    """A run that said `text` again, and what somebody thinks of it."""
    given = {"messages": [{"role": "user", "content": text}]}
    thread_id = (await http.post("/threads", json={})).json()["thread_id"]
    answer = await http.post(f"/threads/{thread_id}/runs/wait", json={"assistant_id": "echo", "input": given})
    run_id = answer.headers["Content-Location"].rpartition("/")[2]
    assert (await http.post("/feedback", json={"run_id": run_id, **said})).status_code == 200
    return run_id


async def examples(env: Env, dataset: str, *arguments: str) -> dict[str, dict[str, Any]]:
    """Those of the dataset, by run, once the command has done what it is told."""
    code, _, complained = await without_terminal("eval", "dataset", "feedback", dataset, *arguments, env=env)
    assert code == 0, complained
    code, said, complained = await without_terminal("eval", "dataset", "export", dataset, env=env)
    assert code == 0, complained
    return {one["example_id"]: one for one in map(json.loads, said.splitlines())}


async def test_what_was_judged_becomes_examples(http: httpx.AsyncClient, env: Env, dataset: str) -> None:
    """A correction is the reference; what was liked stays as it was; what wasn't has no reference; others stay out."""
    key = f"k{uuid4().hex[:8]}"
    liked = await judged(http, "one", key=key, score=True)
    disliked = await judged(http, "two", key=key, score=False, comment="no")
    corrected = await judged(http, "three", key=key, score=0.2, correction={"answer": "3"})
    await judged(http, "four", key="another", score=True)

    bad = await examples(env, dataset, "--key", key, "--below", "0.5", "--split", "test", "--tag", "bad")
    both = await examples(env, dataset, "--key", key, "--at-least", "1")

    assert set(bad) == {disliked, corrected}
    assert (bad[corrected].get("reference"), bad[disliked].get("reference")) == ("3", None)
    assert (bad[disliked]["split"], bad[disliked]["tags"]) == ("test", ["bad"])
    assert bad[disliked]["provenance"]["feedback"]["comment"] == "no"
    assert not bad[disliked].get("trajectory")
    assert bad[disliked]["expect"]["label"] is False
    assert set(both) == {liked, disliked, corrected}
    assert both[liked]["reference"] == both[liked]["expect"]["answer"]
    assert both[liked]["reference"]
    assert both[liked]["trajectory"]


async def test_the_newest_of_several_holds(http: httpx.AsyncClient, env: Env, dataset: str) -> None:
    """Somebody who changed their mind is taken at their last word."""
    key = f"k{uuid4().hex[:8]}"
    run_id = await judged(http, "one", key=key, score=False)
    await http.post("/feedback", json={"run_id": run_id, "key": key, "score": True})

    found = await examples(env, dataset, "--key", key)

    assert found[run_id]["expect"]["label"] is True
    code, _, _ = await without_terminal("eval", "dataset", "feedback", dataset, "--key", key, "--below", "1", env=env)
    assert code == 1


async def test_the_newest_of_several_runs_that_are_one_example_holds(
    desk: Asking, redis_url: str, tmp_path: Path, dataset: str
) -> None:
    """What a person is asked and answers is one conversation, whichever of its runs they judge."""
    env = environment(tmp_path, {"MOTET_REDIS_URL": redis_url, "MOTET_TENANT": desk.tenant})
    _, thread_id, approval = await desk.letter()
    await desk.decided(approval, "approve")
    await desk.rests(thread_id)
    runs = [one["run_id"] for one in (await desk.http.get(f"/threads/{thread_id}/runs")).json()]
    try:
        for first, last in (runs, runs[::-1]):
            for run_id, label in ((first, "worse"), (last, "better")):
                told = {"run_id": run_id, "key": "verdict", "value": label}
                assert (await desk.http.post("/feedback", json=told)).status_code == 200
            [found] = (await examples(env, dataset, "--key", "verdict")).values()
            assert found["expect"]["label"] == "better"
    finally:
        await without_terminal("eval", "dataset", "delete", dataset, "--yes", env=env)


async def test_a_key_that_nobody_used_is_refused(env: Env, dataset: str) -> None:
    """Nothing is made of nothing, and the option is named."""
    code, said, complained = await without_terminal("eval", "dataset", "feedback", dataset, "--key", "nobody", env=env)

    assert (code, said) == (1, "")
    assert "--key: 'nobody' is not allowed" in complained
