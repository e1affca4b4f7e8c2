"""Feedback is seen by whoever watches: in the trajectory, in metrics, in LangSmith and in OpenTelemetry."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
import pytest_asyncio
from fastapi import Request
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from tests.observability.receiver import Receiver, receiving
from tests.server.running import PROJECT, environment, serving
from tests.server.typing_person import without_terminal
from tests.support import wait_until

HELLO = {"messages": [{"role": "user", "content": "hello"}]}
PROJECT_ID = "5a2d9c1e-0000-4000-8000-000000000001"
SECRET = "sk-proj-0123456789abcdefghijklmnopqrstuvwxyz0123456789ABCD"


@dataclass(slots=True, kw_only=True)
class Told:
    """A run of the graph `echo`, what was said of it, and all that others were told until the server had ended."""

    receiver: Receiver
    thread_id: str = ""
    run_id: str = ""
    feedback: dict[str, Any] = field(default_factory=dict[str, Any])
    metrics: str = ""
    tree: Any = None
    shown: str = ""
    changes: list[tuple[str, str, Any]] = field(default_factory=list[tuple[str, str, Any]])
    """What LangSmith was asked besides: method, path, body."""

    def events(self) -> list[LogRecord]:
        """The events of evaluations that arrived."""
        return [
            one
            for body in self.receiver.events
            for resource in ExportLogsServiceRequest.FromString(body).resource_logs
            for scope in resource.scope_logs
            for one in scope.log_records
            if one.event_name == "gen_ai.evaluation.result"
        ]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def told(redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Told]:
    """A thumb with a comment that is changed later, and a score by a link that is taken back."""
    folder = tmp_path_factory.mktemp("told")
    own = {"MOTET_REDIS_URL": redis_url, "MOTET_TENANT": "told"}
    async with receiving() as receiver:
        told = Told(receiver=receiver)
        _as_langsmith(told)
        address = f"http://127.0.0.1:{receiver.port}"
        observers = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": address,
            "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "SPAN_AND_EVENT",
            "LANGSMITH_TRACING": "true",
            "LANGSMITH_ENDPOINT": address,
            "LANGSMITH_API_KEY": "lsv2_pt_for_a_test",
        }
        async with serving("--config", str(PROJECT), data_dir=folder, env=own | observers) as server:
            async with httpx.AsyncClient(base_url=server.url, timeout=30, headers={"X-Motet-Actor": "ada"}) as http:
                await _say(http, told)
                told.metrics = (await http.get("/metrics")).text
        told.tree = orjson.loads(await _motet("trace", "show", told.run_id, "--json", env=environment(folder, own)))
        told.shown = await _motet("trace", "show", told.run_id, env=environment(folder, own))
        yield told


async def _say(http: httpx.AsyncClient, told: Told) -> None:
    thread_id = (await http.post("/threads", json={})).json()["thread_id"]
    answer = await http.post(f"/threads/{thread_id}/runs/wait", json={"assistant_id": "echo", "input": HELLO})
    told.thread_id, told.run_id = thread_id, answer.headers["Content-Location"].rpartition("/")[2]
    body = {"run_id": told.run_id, "key": "helpful", "score": True, "comment": f"fine, {SECRET}"}
    told.feedback = (await http.post("/feedback", json={**body, "correction": "so"})).json()
    await wait_until(lambda: told.feedback["id"] in told.receiver.runs, description="LangSmith was told")
    link = (await http.post("/feedback/tokens", json={"run_id": told.run_id, "feedback_key": "stars"})).json()
    await http.post(link["url"], json={"score": 4})
    assert (await http.patch(f"/feedback/{told.feedback['id']}", json={"score": False})).status_code == 200
    assert (await http.delete(f"/feedback/{link['id']}")).status_code == 204
    await wait_until(lambda: len(told.changes) >= 2, description="LangSmith was told of both changes")


def _as_langsmith(told: Told) -> None:
    """The parts of LangSmith that feedback needs besides those that runs need."""

    async def sessions() -> list[dict[str, Any]]:
        told = {"id": PROJECT_ID, "name": "default", "tenant_id": PROJECT_ID, "reference_dataset_id": None}
        return [{**told, "start_time": "2026-01-01T00:00:00"}]

    async def change(request: Request) -> dict[str, Any]:
        body = await request.body()
        told.changes.append((request.method, request.url.path, orjson.loads(body) if body else None))
        return {}

    told.receiver.app.get("/sessions")(sessions)
    told.receiver.app.api_route("/feedback/{feedback_id}", methods=["PATCH", "DELETE"])(change)


async def _motet(*arguments: str, env: dict[str, str]) -> str:
    code, said, complained = await without_terminal(*arguments, env=env)
    assert code == 0, complained
    return said


def test_the_tree_of_the_run_shows_it(told: Told) -> None:
    """Each thing that was said stands in the run's trajectory with who said it, behind what the run did."""
    said = [one for one in told.tree["children"] if one["kind"] == "feedback"]

    assert [(one["name"], one["detail"]["state"]) for one in said] == [
        ("helpful", "given"),
        ("stars", "given"),
        ("helpful", "changed"),
        ("stars", "withdrawn"),
    ]
    first = said[0]["detail"]
    assert (first["score"], first["correction"], first["source"]) == (True, "so", {"type": "api", "actor": "ada"})
    assert said[2]["detail"]["score"] is False
    assert "helpful feedback" in told.shown
    assert "thumb up · ada" in told.shown


def test_it_is_counted(told: Told) -> None:
    """The count says key, verdict and source; the histogram has the scores."""
    lines = [line for line in told.metrics.splitlines() if line.startswith("motet_feedback")]

    assert any('key="helpful"' in one and 'verdict="up"' in one and one.endswith(" 1.0") for one in lines), lines
    assert any('key="stars"' in one and 'verdict="score"' in one and 'source="link"' in one for one in lines), lines
    assert any(one.startswith("motet_feedback_score") and "_sum" in one and one.endswith(" 4.0") for one in lines)


def test_langsmith_is_told(told: Told) -> None:
    """The unmodified SDK posts it to the run's own trace, and tells it of changes."""
    one = told.receiver.runs[told.feedback["id"]]

    assert (one["run_id"], one["trace_id"], one["session_id"]) == (told.run_id, told.run_id, PROJECT_ID)
    assert (one["key"], one["score"], one["correction"]) == ("helpful", True, "so")
    assert [(method, path.rpartition("/")[2]) for method, path, _ in told.changes][:1] == [
        ("PATCH", told.feedback["id"])
    ]
    assert told.changes[1][0] == "DELETE"


def test_opentelemetry_is_told_on_the_span_of_the_run(told: Told) -> None:
    """An event for each thing said is parented to the span of the run, which the trajectory names."""
    events = {
        {one.key: one.value for one in event.attributes}["gen_ai.evaluation.name"].string_value: event
        for event in told.events()
    }
    [span] = [one for one in told.receiver.spans_of() if one.name == "run echo"]

    assert set(events) == {"helpful", "stars"}
    for event in events.values():
        assert (event.trace_id, event.span_id) == (span.trace_id, span.span_id)
    helpful = {one.key: one.value for one in events["helpful"].attributes}
    assert helpful["gen_ai.evaluation.score.value"].double_value == 1.0
    assert helpful["gen_ai.evaluation.score.label"].string_value == "pass"
    assert helpful["gen_ai.evaluation.explanation"].string_value.startswith("fine, ")


def test_no_secret_is_told(told: Told) -> None:
    """A key that somebody wrote into a comment is nowhere."""
    everything = [*told.receiver.events, orjson.dumps(told.receiver.runs), orjson.dumps(told.tree), told.shown.encode()]

    assert not [one for one in everything if SECRET.encode() in one]
    assert SECRET not in told.feedback["comment"]


@pytest.mark.all
async def test_what_langsmith_does_fails_no_request(redis_url: str, tmp_path: Path) -> None:
    """Where LangSmith doesn't answer, feedback is taken at once all the same, and the log says what failed."""
    env = {
        "MOTET_REDIS_URL": redis_url,
        "MOTET_TENANT": "untold",
        "LANGSMITH_TRACING": "true",
        "LANGSMITH_ENDPOINT": "http://127.0.0.1:9",
        "LANGSMITH_API_KEY": "lsv2_pt_for_a_test",
    }
    async with serving("--config", str(PROJECT), data_dir=tmp_path, env=env) as server:
        async with httpx.AsyncClient(base_url=server.url, timeout=30) as http:
            answer = await http.post("/runs/wait", json={"assistant_id": "echo", "input": HELLO})
            run_id = answer.headers["Content-Location"].rpartition("/")[2]
            taken = await http.post("/feedback", json={"run_id": run_id, "key": "helpful", "score": 1})

            assert taken.status_code == 200, taken.text
