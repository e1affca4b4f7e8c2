"""What arrives at a LangSmith endpoint and at an OTLP endpoint: unmodified SDKs, loopback receivers."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from collections.abc import AsyncGenerator, Mapping
from pathlib import Path
from uuid import uuid4

import pytest
from tests.observability.receiver import Receiver, receiving
from tests.support import free_port

from motet.observability.langsmith import flush

ROOT = Path(__file__).parents[2]

KEY = "sk-proj-abcdefghijklmnopqrstuvwxyz123456"

WITHOUT_WAITING_S = 3.0
"""Far more than the run takes, and less than any time-out of LangSmith's SDK."""


async def one_run(run_id: str, environment: Mapping[str, str], *, quiet: bool = True) -> float:
    """Do the run in a process of its own: variables, threads and the global provider stay there.

    Returns how many seconds the run took; `quiet`: nothing complains.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(Path(__file__).with_name("one_run.py")),
        run_id,
        env={**os.environ, **environment, "PYTHONPATH": str(ROOT)},
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await asyncio.wait_for(process.communicate(), 50)
    assert process.returncode == 0, output.decode()
    assert not quiet or b"rror" not in output, output.decode()
    [took] = re.findall(rb"^took ([0-9.]+)$", output, re.MULTILINE)
    return float(took)


def langsmith_at(port: int) -> dict[str, str]:
    """LangSmith's own variables, and nothing else."""
    return {
        "LANGSMITH_TRACING": "true",
        "LANGSMITH_ENDPOINT": f"http://127.0.0.1:{port}",
        "LANGSMITH_API_KEY": "lsv2_pt_for_a_test",
        "LANGSMITH_PROJECT": "motet-test",
    }


@pytest.fixture
async def receiver() -> AsyncGenerator[Receiver]:
    async with receiving() as one:
        yield one


@pytest.mark.parametrize("path", ["/runs/multipart", "/runs/batch"])
async def test_a_run_is_posted_with_its_content(path: str) -> None:
    """With LangSmith's standard variables set, the run arrives whole, in the way that the endpoint's `/info` asks for:
    names, tree, content, metadata.
    """
    run_id = str(uuid4())
    async with receiving(multipart=path == "/runs/multipart") as receiver:
        await one_run(run_id, langsmith_at(receiver.port))

    assert receiver.paths == {path}
    root = receiver.runs[run_id]
    assert (root["name"], root["run_type"], root["session_name"]) == ("travel", "chain", "motet-test")
    assert root.get("parent_run_id") is None
    assert root["inputs"]["messages"] == [["human", "hello"]]
    assert root["outputs"]["messages"][-1]["content"] == "it rains"
    assert root.get("error") is None
    metadata = root["extra"]["metadata"]
    assert {key: metadata[key] for key in ("thread_id", "run_id", "assistant_id", "graph_id")} == {
        "thread_id": "t1",
        "run_id": run_id,
        "assistant_id": "a1",
        "graph_id": "travel",
    }
    by_name = {run["name"]: run for run in receiver.runs.values()}
    assert {"plan", "weather", "model", "tools", "look", "FunctionModel"} <= set(by_name)
    assert by_name["look"]["run_type"] == "tool"
    assert by_name["look"]["outputs"]["output"]["content"] == "rain in Oslo"
    assert by_name["FunctionModel"]["run_type"] == "llm"
    assert by_name["plan"]["parent_run_id"] == run_id
    assert {run["trace_id"] for run in receiver.runs.values()} == {run_id}
    assert all(run.get("end_time") for run in receiver.runs.values())
    assert receiver.keys == {"lsv2_pt_for_a_test"}


async def test_spans_arrive_at_a_collector(receiver: Receiver) -> None:
    """With OpenTelemetry's standard variable set, a run's spans are sent before the process ends."""
    await one_run(str(uuid4()), {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{receiver.port}"})

    sent = b"".join(receiver.spans)
    for name in (b"run travel", b"invoke_node plan", b"invoke_agent weather", b"chat small-1", b"execute_tool look"):
        assert name in sent
    assert b"rain in Oslo" not in sent
    assert not receiver.runs
    assert not receiver.events


async def test_content_as_events_arrives_without_secrets(receiver: Receiver) -> None:
    """Where the standard variable asks for content as events, it is there and not on spans, and holds no key."""
    asked = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{receiver.port}",
        "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "EVENT_ONLY",
        "QUESTION": f"harmless question, key {KEY}",
    }
    await one_run(str(uuid4()), asked)

    events, spans = b"".join(receiver.events), b"".join(receiver.spans)
    assert b"gen_ai.client.inference.operation.details" in events
    assert b"harmless question" in events
    assert KEY.encode() not in events
    assert b"harmless question" not in spans


async def test_an_endpoint_that_is_gone_costs_a_run_nothing() -> None:
    """Nobody listens: the run ends as it would, at once."""
    gone = {**langsmith_at(free_port()), "FLUSH_S": "0.1"}

    assert await one_run(str(uuid4()), gone, quiet=False) < WITHOUT_WAITING_S


@pytest.mark.all
async def test_an_endpoint_that_never_answers_costs_a_run_nothing() -> None:
    """One listens and says nothing: the run ends as it would, at once, and the process waits no longer than told."""
    silent: list[asyncio.StreamWriter] = []
    listening = await asyncio.start_server(lambda _, writer: silent.append(writer), "127.0.0.1", 0)
    port = int(listening.sockets[0].getsockname()[1])
    try:
        took = await one_run(str(uuid4()), {**langsmith_at(port), "FLUSH_S": "0.5"}, quiet=False)
    finally:
        for writer in silent:
            writer.close()
        listening.close()

    assert took < WITHOUT_WAITING_S
    assert silent


async def test_flushing_without_langsmith_does_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where LangSmith was never used, the end of a process doesn't wait for it or begin to use it."""
    monkeypatch.setattr("langsmith.run_trees._CLIENT", None)

    await asyncio.wait_for(flush(), 1)
