"""One conversation over two processes, with a question to a person between: what each observer gets of it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
import pytest_asyncio
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from tests.observability.receiver import Receiver, receiving
from tests.server.running import server_and_worker
from tests.support import wait_until

from motet.memory.redis.client import connected
from motet.memory.redis.keys import Keys

PROJECT = Path(__file__).parent / "team" / "langgraph.json"
SECRET = "sk-proj-abcdefghijklmnopqrstuvwxyz123456"
QUESTION = f"harmless question, my key is {SECRET}"

ASKED, CLIENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
"""Trace and span of the client that asked."""
DECIDED, DECIDER = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
"""Trace and span of the one that decided."""

PRICES = """
[[price]]
model = "*-1"
input = 1
output = 1
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """What was sent of two runs of one thread until both processes had ended."""

    receiver: Receiver
    thread_id: str
    assistant_id: str
    run_ids: Sequence[str]

    def spans(self, trace: str) -> Mapping[str, Span]:
        """The spans of a trace by name; of several with one name the last."""
        return {span.name: span for span in self.receiver.spans_of(trace)}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def conversation(redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Conversation]:
    """A server that works nothing, a worker, and every observer there is: a question, a decision, the rest."""
    folder = tmp_path_factory.mktemp("one-trace")
    (folder / "prices.toml").write_text(PRICES, encoding="utf-8")
    async with receiving() as receiver:
        address = f"http://127.0.0.1:{receiver.port}"
        env = {
            "MOTET_REDIS_URL": redis_url,
            "MOTET_TENANT": "one-trace",
            "MOTET_PRICES": str(folder / "prices.toml"),
            "OTEL_EXPORTER_OTLP_ENDPOINT": address,
            "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "SPAN_ONLY",
            "LANGSMITH_TRACING": "true",
            "LANGSMITH_ENDPOINT": address,
            "LANGSMITH_API_KEY": "lsv2_pt_for_a_test",
            "LANGSMITH_PROJECT": "one-trace",
        }
        async with server_and_worker(PROJECT, folder, env) as server:
            async with httpx.AsyncClient(base_url=server.url, timeout=30) as http:
                thread_id, first = await _asked(http)
                await _days_later(redis_url, thread_id, first)
                second = await _decided(http, thread_id)
                run = (await http.get(f"/threads/{thread_id}/runs/{second}")).json()
        yield Conversation(
            receiver=receiver, thread_id=thread_id, assistant_id=run["assistant_id"], run_ids=(first, second)
        )


async def _asked(http: httpx.AsyncClient) -> tuple[str, str]:
    """Thread and id of the run that asks a person."""
    thread_id = (await http.post("/threads", json={})).json()["thread_id"]
    answer = await http.post(
        f"/threads/{thread_id}/runs/wait",
        json={"assistant_id": "team", "input": {"messages": [{"role": "user", "content": QUESTION}]}},
        headers={"traceparent": f"00-{ASKED}-{CLIENT}-01"},
    )
    assert "__interrupt__" in answer.json(), answer.text
    return thread_id, answer.headers["Content-Location"].rpartition("/")[2]


async def _days_later(redis_url: str, thread_id: str, run_id: str) -> None:
    """No run is kept as long as a person may take: nothing is left of the one that asked but its question."""
    keys = Keys(tenant="one-trace")
    async with connected(redis_url) as client:
        assert await client.delete(keys.run(thread_id, run_id))


async def _decided(http: httpx.AsyncClient, thread_id: str) -> str:
    """Id of the run that acts on a person's answer, once it has ended."""
    [approval] = (await http.get("/approvals", params={"thread_id": thread_id})).json()
    answer = await http.post(
        f"/approvals/{approval['approval_id']}/decision",
        json={"arguments_sha256": approval["asked"]["arguments_sha256"], "answer": "yes"},
        headers={"traceparent": f"00-{DECIDED}-{DECIDER}-01", "X-Motet-Actor": "ada"},
    )
    assert answer.status_code == 200, answer.text

    async def rests() -> bool:
        return (await http.get(f"/threads/{thread_id}")).json()["status"] == "idle"

    await wait_until(rests, description="the run that acts has ended", timeout_s=20)
    newest = (await http.get(f"/threads/{thread_id}/runs")).json()[0]
    return str(newest["run_id"])


def said(span: Span) -> dict[str, Any]:
    """A span's attributes."""
    return {one.key: getattr(one.value, one.value.WhichOneof("value") or "") for one in span.attributes}


def test_one_trace_from_the_client_to_the_sub_agents_tool(conversation: Conversation) -> None:
    """Client, request, run, workflow, agent, its tool, the agent behind that, its call and its tool: one line."""
    spans = conversation.receiver.spans_of(ASKED)
    by_id = {span.span_id: span for span in spans}
    [span] = [one for one in spans if one.name == "execute_tool look"]
    line = [span.name]
    while span.parent_span_id in by_id:
        span = by_id[span.parent_span_id]
        line.append(span.name)

    assert line == [
        "execute_tool look",
        "invoke_agent weather",
        "execute_tool ask_weather",
        "invoke_agent leader",
        "invoke_workflow team",
        "run team",
        "POST /threads/{thread_id}/runs/wait",
    ]
    assert span.parent_span_id.hex() == CLIENT
    [chat, *_] = [one for one in spans if one.name == "chat small-1"]
    assert by_id[chat.parent_span_id].name == "invoke_agent weather"
    assert {"queue wait", "claim", "publish", "invoke_node plan", "invoke_node leader"} <= {one.name for one in spans}


def test_every_span_of_both_runs_is_in_their_two_traces(conversation: Conversation) -> None:
    """Nothing that the worker does for a run stands in a trace that nobody asked for."""
    of_them = [
        span for span in conversation.receiver.spans_of() if said(span).get("motet.run.id") in conversation.run_ids
    ]

    assert {span.trace_id.hex() for span in of_them} == {ASKED, DECIDED}
    assert {said(span).get("gen_ai.conversation.id") for span in of_them} == {conversation.thread_id}


def test_the_run_that_acts_is_linked_to_the_one_that_asked(conversation: Conversation) -> None:
    """The decision's trace has the wait for it and the run, both linked to the trace of the question."""
    spans = conversation.spans(DECIDED)
    request = next(span for span in spans.values() if span.parent_span_id.hex() == DECIDER)

    for name in ("approval wait", "run team"):
        assert [link.trace_id.hex() for link in spans[name].links] == [ASKED]
        assert spans[name].parent_span_id == request.span_id
    wait, asking = spans["approval wait"], conversation.spans(ASKED)["run team"]
    assert asking.start_time_unix_nano < wait.start_time_unix_nano < wait.end_time_unix_nano
    assert wait.end_time_unix_nano <= spans["run team"].start_time_unix_nano
    assert said(wait)["motet.approval.state"] == "decided"


def test_a_question_is_no_error(conversation: Conversation) -> None:
    """No span of either run failed; the one that asked says that it was interrupted."""
    spans = [*conversation.receiver.spans_of(ASKED), *conversation.receiver.spans_of(DECIDED)]

    assert [span.name for span in spans if span.status.code == Status.STATUS_CODE_ERROR] == []
    assert said(conversation.spans(ASKED)["run team"])["motet.outcome"] == "interrupted"
    assert said(conversation.spans(DECIDED)["run team"])["motet.outcome"] == "ok"


def test_content_that_was_asked_for_has_no_secrets(conversation: Conversation) -> None:
    """The standard variable puts messages on spans, without the keys in them."""
    sent = b"".join(conversation.receiver.spans)

    assert b"harmless rain in Oslo" in sent
    assert b"harmless question" in sent
    assert SECRET.encode() not in sent


def test_a_worker_sends_what_models_took_and_cost(conversation: Conversation) -> None:
    """The conventions' metrics and ours arrive from the process that worked, with the price of the table told."""
    assert {
        "gen_ai.client.operation.duration",
        "gen_ai.client.token.usage",
        "gen_ai.execute_tool.duration",
        "gen_ai.invoke_agent.duration",
        "gen_ai.invoke_workflow.duration",
        "motet.model.duration",
        "motet.model.tokens",
        "motet.model.token_rate",
        "motet.model.cost",
        "motet.run.model_calls",
        "motet.run.tokens",
        "motet.run.cost",
    } <= conversation.receiver.metric_names()
    assert "motet.model.unpriced" not in conversation.receiver.metric_names()


def test_langsmith_gets_both_runs_of_the_thread(conversation: Conversation) -> None:
    """From a worker: a root for each run, with thread, assistant, run and graph as metadata, and what was said."""
    runs = conversation.receiver.runs
    for run_id in conversation.run_ids:
        root = runs[run_id]
        assert (root["name"], root["run_type"], root["session_name"]) == ("team", "chain", "one-trace")
        metadata = root["extra"]["metadata"]
        assert {key: metadata.get(key) for key in ("thread_id", "run_id", "assistant_id", "graph_id")} == {
            "thread_id": conversation.thread_id,
            "run_id": run_id,
            "assistant_id": conversation.assistant_id,
            "graph_id": "team",
        }
    inside = {(run["name"], run["run_type"]) for run in runs.values() if run["trace_id"] == conversation.run_ids[0]}
    assert {("plan", "chain"), ("leader", "chain"), ("look", "tool"), ("FunctionModel", "llm")} <= inside
    told = orjson.dumps(runs[conversation.run_ids[0]]["inputs"])
    assert b"harmless question" in told
    assert runs[conversation.run_ids[1]]["outputs"]["messages"][-1]["content"] == "a coat is on its way"
    assert all(run.get("end_time") for run in runs.values())


def test_langsmith_is_sent_no_secret(conversation: Conversation) -> None:
    """Nor by a worker."""
    told = orjson.dumps(conversation.receiver.runs)

    assert b"harmless rain in Oslo" in told
    assert SECRET.encode() not in told
