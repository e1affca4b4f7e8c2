"""What is seen of a run that a server worked: spans in one trace, LangSmith's runs, the trajectory."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import httpx
import orjson
from tests.observability.receiver import receiving
from tests.server.running import PROJECT, environment, serving

TRACE = "0af7651916cd43dd8448eb211c80319c"
HELLO = {"messages": [{"role": "user", "content": "hello"}]}


async def test_a_run_is_seen_by_every_observer(redis_url: str, tmp_path: Path) -> None:
    """A client's trace goes on through server and worker; LangSmith's root is the run; `trace show` draws it."""
    async with receiving() as receiver:
        own = {"MOTET_REDIS_URL": redis_url, "MOTET_TENANT": "seen"}
        env = own | {
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{receiver.port}",
            "LANGSMITH_TRACING": "true",
            "LANGSMITH_ENDPOINT": f"http://127.0.0.1:{receiver.port}",
            "LANGSMITH_API_KEY": "lsv2_pt_for_a_test",
        }
        async with serving("--config", str(PROJECT), data_dir=tmp_path, env=env) as server:
            thread_id, run_id = await _run(server.url)

    assert {"POST /threads/{thread_id}/runs/wait", "run echo", "invoke_node echo"} <= receiver.span_names(TRACE)
    root = receiver.runs[run_id]
    assert (root["name"], root.get("parent_run_id")) == ("echo", None)
    assert root["outputs"]["messages"][-1]["content"] == "echo: hello"
    metadata = root["extra"]["metadata"]
    assert (metadata["thread_id"], metadata["graph_id"]) == (thread_id, "echo")
    shown = await _motet("trace", "show", run_id, "--json", env=environment(tmp_path, own))
    assert shown["kind"] == "run"
    assert [child["name"] for child in shown["children"]] == ["echo"]


async def _run(url: str) -> tuple[str, str]:
    """Thread and run id of one run, asked for inside a trace of the client's own."""
    async with httpx.AsyncClient(base_url=url, timeout=30) as http:
        thread_id = (await http.post("/threads", json={})).json()["thread_id"]
        answer = await http.post(
            f"/threads/{thread_id}/runs/wait",
            json={"assistant_id": "echo", "input": HELLO},
            headers={"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"},
        )
        assert answer.json()["log"] == ["turn 1"]
        return thread_id, answer.headers["Content-Location"].rpartition("/")[2]


async def _motet(*arguments: str, env: dict[str, str]) -> Any:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "motet.server", *arguments, env=env, stdout=asyncio.subprocess.PIPE
    )
    output, _ = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 0
    return orjson.loads(output)
