"""Canaries: made-up secrets are planted wherever a secret can stand, and every sink is searched for them.

Not searched: the conversation itself (`values`, the thread's state, its checkpoints) for what a person wrote. It is
theirs, and they get it back as they wrote it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import orjson
import pytest
import pytest_asyncio
from tests.observability.receiver import receiving
from tests.server.leaky import canaries
from tests.server.openai_server import OpenAIServer, openai_server
from tests.server.running import environment, serving
from tests.server.typing_person import without_terminal
from tests.support import wait_until

LEAKY = Path(__file__).parent / "leaky" / "langgraph.json"
CARD, MASKED = "4111 1111 1111 1111", "**** **** **** 1111"
QUESTION = f"harmless question, how many notes are there? My key is {canaries.PERSON}, my card {CARD}"


@dataclass(slots=True)
class Sinks:
    """Everything that left the server, by where it went."""

    prompts: str = ""
    spans: bytes = b""
    langsmith: str = ""
    log: str = ""
    frames: str = ""
    bodies: list[str] = field(default_factory=list[str])
    trajectory: str = ""
    state: str = ""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def sinks(redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Sinks:
    """One server with every observer on; a graph that tells all it knows, and the assistant, each asked once."""
    data, folder = tmp_path_factory.mktemp("server"), tmp_path_factory.mktemp("workspace")
    (folder / "notes.csv").write_text(f"id,note\n1,{canaries.CELL}\n", encoding="utf-8")
    (folder / "handbook.md").write_text(f"# Notes\n\nThe key is {canaries.DOCUMENT}.\n", encoding="utf-8")
    sinks = Sinks()
    async with receiving() as receiver, openai_server(lambda _: "SELECT id, note FROM notes") as model:
        env = _environment(redis_url, receiver.port, model)
        arguments = ("--config", str(LEAKY), "--workspace", str(folder))
        async with serving(*arguments, data_dir=data, env=env) as server:
            async with httpx.AsyncClient(base_url=server.url, timeout=30, headers={"x-api-key": canaries.AUTH}) as http:
                run_ids = [await _streamed(http, graph, sinks) for graph in ("leaky", "calm", "assistant")]
                await _refused(http, sinks)
            traces = [_trace(run_id, environment(data, env)) for run_id in run_ids]
            sinks.trajectory = "".join(await asyncio.gather(*traces))
        assert server.process.stdout is not None
        sinks.log = (await server.process.stdout.read()).decode()
        await wait_until(lambda: "error" in receiver.runs.get(run_ids[0], {}), description="LangSmith got the run")
        sinks.prompts = orjson.dumps(model.requests).decode()
        sinks.spans = b"".join(receiver.spans)
        sinks.langsmith = orjson.dumps(receiver.runs).decode()
    return sinks


def _environment(redis_url: str, port: int, model: OpenAIServer) -> dict[str, str]:
    return {
        "MOTET_REDIS_URL": redis_url.replace("://", f"://default:{canaries.REDIS}@", 1),
        "MOTET_TENANT": "canaries",
        "MOTET_AUTH": canaries.AUTH,
        "MOTET_MODEL": "openai:scripted",
        "MOTET_MODEL_BASE_URL": model.url,
        "MOTET_EMBEDDINGS": "none",
        "MOTET_TEST_TOKEN": canaries.TOKEN,
        "OPENAI_API_KEY": canaries.OPENAI,
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}",
        "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "SPAN_ONLY",
        "OTEL_SEMCONV_STABILITY_OPT_IN": "gen_ai_latest_experimental",
        "LANGSMITH_TRACING": "true",
        "LANGSMITH_ENDPOINT": f"http://127.0.0.1:{port}",
        "LANGSMITH_API_KEY": canaries.LANGSMITH,
    }


async def _streamed(http: httpx.AsyncClient, graph: str, sinks: Sinks) -> str:
    """One run's stream and the thread's state after it; the run's id."""
    thread_id = (await http.post("/threads", json={})).json()["thread_id"]
    asked = {"assistant_id": graph, "input": {"messages": [{"role": "user", "content": QUESTION}]}}
    modes = {"stream_mode": ["values", "updates", "messages-tuple", "custom"], "stream_subgraphs": True}
    answer = await http.post(f"/threads/{thread_id}/runs/stream", json=asked | modes)
    assert answer.status_code == 200, answer.text
    sinks.frames += answer.text
    sinks.state += (await http.get(f"/threads/{thread_id}/state")).text
    sinks.bodies.append((await http.post(f"/threads/{thread_id}/runs/wait", json=asked)).text)
    return answer.headers["Content-Location"].rpartition("/")[2]


async def _refused(http: httpx.AsyncClient, sinks: Sinks) -> None:
    """Requests that are answered with an error which repeats what was asked."""
    thread_id = (await http.post("/threads", json={})).json()["thread_id"]
    for body in (
        {"assistant_id": canaries.DOCUMENT, "input": {}},
        {"assistant_id": "leaky", "input": {}, "durability": canaries.AUTH},
        {"assistant_id": "leaky", "input": {}, "multitask_strategy": {"password": canaries.CELL}},
    ):
        answer = await http.post(f"/threads/{thread_id}/runs", json=body)
        assert answer.status_code in {404, 422}, answer.text
        sinks.bodies.append(answer.text)


async def _trace(run_id: str, env: dict[str, str]) -> str:
    code, said, complained = await without_terminal("trace", "show", run_id, "--json", env=env)
    assert code == 0, complained
    return said + complained


def found(text: str | bytes, wanted: Sequence[str] = canaries.ALL) -> list[str]:
    """The canaries that got out."""
    told = text.decode("latin-1") if isinstance(text, bytes) else text
    return [one for one in wanted if one in told]


def test_prompts_hold_no_secret(sinks: Sinks) -> None:
    """What models are asked has the words around a secret and not the secret, a person's own included."""
    assert all(word in sinks.prompts for word in ("harmless question", "harmless note", "harmless cell"))
    assert found(sinks.prompts) == []


def test_spans_hold_no_secret(sinks: Sinks) -> None:
    """Spans with message content switched on, of a run that ends with an error, hold none."""
    assert b"harmless note" in sinks.spans
    assert found(sinks.spans) == []


def test_langsmith_is_sent_no_secret(sinks: Sinks) -> None:
    """Inputs, outputs, metadata and errors that LangSmith's own tracing posts hold none."""
    assert all(word in sinks.langsmith for word in ("harmless question", "harmless failure", "harmless end"))
    assert found(sinks.langsmith) == []


def test_logs_hold_no_secret(sinks: Sinks) -> None:
    """Lines and tracebacks of everybody's loggers hold none."""
    assert "harmless warning" in sinks.log
    assert sinks.log.count("harmless end") > 0
    assert found(sinks.log) == []


def test_the_stream_holds_none_but_the_persons_own_words(sinks: Sinks) -> None:
    """Tools' results and errors, and the error that ends a run, are streamed without secrets."""
    assert all(word in sinks.frames for word in ("harmless note", "harmless failure", "harmless end"))
    assert set(found(sinks.frames)) <= {canaries.PERSON}
    errors = [frame for frame in sinks.frames.split("\r\n\r\n") if "event: error" in frame]
    assert errors
    assert found("".join(errors)) == []


def test_error_bodies_hold_no_secret(sinks: Sinks) -> None:
    """Refusals repeat what was asked, and failed runs what went wrong, without secrets."""
    assert len(sinks.bodies) == 6
    assert [body for body in sinks.bodies[3:] if found(body)] == []
    assert set(found("".join(sinks.bodies))) <= {canaries.PERSON}


def test_the_trajectory_holds_no_secret(sinks: Sinks) -> None:
    """What `motet trace show` tells of a run holds none."""
    assert "harmless" in sinks.trajectory
    assert found(sinks.trajectory) == []


def test_the_threads_state_holds_none_but_the_persons_own_words(sinks: Sinks) -> None:
    """A conversation is kept with the person's words as they wrote them, and with no other secret."""
    assert "harmless note" in sinks.state
    assert set(found(sinks.state)) <= {canaries.PERSON}


def test_a_card_number_leaves_by_no_stream(sinks: Sinks) -> None:
    """Without any setting, cards are masked in what a run streams and answers; the thread keeps what was written."""
    assert MASKED in sinks.frames
    assert MASKED in sinks.bodies[1]
    assert CARD not in sinks.frames + "".join(sinks.bodies)
    assert CARD in sinks.state
