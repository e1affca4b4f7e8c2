"""The built-in assistant over HTTP: data in, a checked answer out, a report behind an approval.

The model is a loopback server that speaks OpenAI's protocol; all else is as it is served.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
import pytest_asyncio
from tests.observability.receiver import Receiver, receiving
from tests.server.openai_server import OpenAIServer, Reply, openai_server
from tests.server.running import Running, serving
from tests.support import wait_until

pytestmark = pytest.mark.asyncio(loop_scope="session")
"""The model's server lives in the session's loop, so that has to run while a test waits."""

QUESTION = "What is the average price of a pear?"
SQL = "SELECT avg(price) FROM fruit WHERE name = 'pear'"


def answering(sql: str = SQL, sentence: str = "The average price of a pear is 3.") -> Reply:
    """Says `sql` where a query is asked for by schema, and `sentence` elsewhere."""
    return lambda body: json.dumps({"sql": sql}) if "response_format" in body else sentence


@dataclass(frozen=True, slots=True)
class Crew:
    """A server over a small workspace, and the model it asks."""

    server: Running
    client: Any
    """The unmodified SDK's."""
    model: OpenAIServer
    workspace: Path
    receiver: Receiver
    """Where its spans go."""

    async def thread(self, reply: Reply | None = None) -> str:
        """A new thread; from now on the model answers by `reply`, and none of its calls is counted yet."""
        self.model.reply = reply or answering()
        self.model.requests.clear()
        return (await self.client.threads.create())["thread_id"]

    @property
    def reports(self) -> list[Path]:
        """What stands in the workspace's reports folder."""
        return sorted(self.workspace.glob("reports/*"))


@asynccontextmanager
async def analysing(folder: Path, redis_url: str, **env: str) -> AsyncGenerator[Crew]:
    """The crew over a workspace made in `folder`."""
    workspace = folder / "workspace"
    workspace.mkdir()
    (workspace / "fruit.csv").write_text("name,price\npear,2\npear,4\napple,1\n")
    async with openai_server(answering()) as model, receiving() as receiver:
        settings = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{receiver.port}",
            "OTEL_BSP_SCHEDULE_DELAY": "100",
            "MOTET_REDIS_URL": redis_url,
            "MOTET_TENANT": uuid4().hex,
            "MOTET_MODEL": "openai:scripted",
            "MOTET_MODEL_BASE_URL": model.url,
            "OPENAI_API_KEY": "k",
        }
        async with (
            serving("--workspace", str(workspace), data_dir=folder / "data", env=settings | env) as server,
            server.client() as client,
        ):
            yield Crew(server, client, model, workspace, receiver)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def crew(redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Crew]:
    """One crew for all tests that need no settings of their own."""
    async with analysing(tmp_path_factory.mktemp("crew"), redis_url) as one:
        yield one


def asked(question: str) -> dict[str, Any]:
    """A turn, as clients send it."""
    return {"messages": [{"role": "user", "content": question}]}


async def test_a_question_becomes_an_answer_with_its_rows_and_a_report(crew: Crew) -> None:
    """Two model calls answer; the report waits for a person, is written once, and says what was found."""
    thread_id = await crew.thread()
    before = crew.reports

    events = [
        (part.event, part.data)
        async for part in crew.client.runs.stream(
            thread_id,
            "assistant",
            input=asked(QUESTION),
            stream_mode=["messages-tuple", "custom", "values"],
            stream_subgraphs=True,
        )
    ]
    waiting = await crew.client.runs.wait(thread_id, "assistant", input=asked("Save a report of this."))
    [interrupt] = waiting["__interrupt__"]
    [action] = interrupt["value"]["action_requests"]
    unwritten = crew.reports
    decision = {"type": "approve", "arguments_sha256": action["arguments_sha256"]}
    resume = {interrupt["id"]: {"decisions": [decision]}}
    values = await crew.client.runs.wait(thread_id, "assistant", command={"resume": resume})

    tokens = "".join(data[0]["content"] for name, data in events if name.startswith("messages|sql_analyst:"))
    assert tokens.startswith("The average price of a pear is 3.")
    [finding] = next(data for name, data in reversed(events) if name == "values")["findings"]
    assert (finding["status"], finding["sql"], finding["rows"]) == ("ok", SQL, [[3.0]])
    assert len(crew.model.requests) == 2
    assert action["name"] == "save_report"
    assert unwritten == before
    [report] = set(crew.reports) - set(before)
    assert f"reports/{report.name}" in values["messages"][-1]["content"]
    assert "The average price of a pear is 3." in report.read_text()
    assert SQL in report.read_text()


async def test_the_trace_names_workflow_agent_model_and_tool(crew: Crew) -> None:
    """Spans of one answer: the run, the workflow, the specialist as an agent, its nodes, model calls and tool call."""
    crew.receiver.spans.clear()
    await crew.client.runs.wait(await crew.thread(), "assistant", input=asked(QUESTION))
    expected = {
        "run assistant",
        "invoke_workflow assistant",
        "invoke_node sql_analyst",
        "invoke_agent sql_analyst",
        "invoke_node draft",
        "chat scripted",
        "execute_tool query_workspace",
    }

    await wait_until(lambda: expected <= crew.receiver.span_names(), description="all spans arrived")

    assert b"average price" not in b"".join(crew.receiver.spans)


async def test_a_rejected_report_is_not_written(crew: Crew) -> None:
    """The reason reaches the conversation, every tool call has its answer, and the thread goes on."""
    thread_id = await crew.thread()
    before = crew.reports

    await crew.client.runs.wait(thread_id, "assistant", input=asked(QUESTION))
    await crew.client.runs.wait(thread_id, "assistant", input=asked("Save a report of this."))
    reject = {"resume": {"decisions": [{"type": "reject", "message": "too short"}]}}
    values = await crew.client.runs.wait(thread_id, "assistant", command=reject)
    again = await crew.client.runs.wait(thread_id, "assistant", input=asked(QUESTION))

    calls = {call["id"] for message in values["messages"] for call in message.get("tool_calls") or ()}
    assert calls == {message["tool_call_id"] for message in values["messages"] if message["type"] == "tool"}
    assert "too short" in values["messages"][-1]["content"]
    assert values["status"] == "rejected"
    assert crew.reports == before
    assert again["status"] == "ok"


async def test_an_edited_report_is_saved_as_edited(crew: Crew) -> None:
    """The person's own title and text are what is written, and the conversation says so."""
    thread_id = await crew.thread()
    await crew.client.runs.wait(thread_id, "assistant", input=asked(QUESTION))
    await crew.client.runs.wait(thread_id, "assistant", input=asked("Save a report of this."))

    edited = {"name": "save_report", "args": {"title": "../../etc/Pears", "body": "Three."}}
    resume = {"resume": {"decisions": [{"type": "edit", "edited_action": edited}]}}
    values = await crew.client.runs.wait(thread_id, "assistant", command=resume)

    assert "with your changes" in values["messages"][-1]["content"]
    assert (crew.workspace / "reports" / "etc-pears.md").read_text() == "# ../../etc/Pears\n\nThree.\n"


async def test_a_number_that_the_rows_do_not_hold_is_not_said(crew: Crew) -> None:
    """A sentence of the model with a wrong number is replaced by what the rows say."""
    thread_id = await crew.thread(answering(sentence="The average price of a pear is 12."))

    values = await crew.client.runs.wait(thread_id, "assistant", input=asked(QUESTION))

    assert values["findings"][0]["composed"] == "rows"
    assert "12" not in values["messages"][-1]["content"]


async def test_a_model_that_answers_rubbish_ends_in_a_clear_failure(crew: Crew) -> None:
    """What never parses is sent back twice with the reason, then the run fails and says so; the thread lives on."""
    thread_id = await crew.thread(lambda _: "%%% no JSON %%%")

    failed = await crew.client.runs.wait(thread_id, "assistant", input=asked(QUESTION), raise_error=False)

    assert failed["__error__"]["error"] == "ModelFailed"
    assert len(crew.model.requests) == 3
    assert (await crew.client.threads.get(thread_id))["status"] == "error"
    crew.model.reply = answering()
    assert (await crew.client.runs.wait(thread_id, "assistant", input=asked(QUESTION)))["status"] == "ok"


async def test_a_model_that_never_answers_times_out(tmp_path: Path, redis_url: str) -> None:
    """The run ends with an error that names the model, not with an endless wait."""

    def silent(_: dict[str, Any]) -> str:
        raise TimeoutError

    async with analysing(tmp_path, redis_url, MOTET_MODEL_TIMEOUT_SECONDS="0.3") as crew:
        thread_id = await crew.thread(silent)
        failed = await crew.client.runs.wait(thread_id, "assistant", input=asked(QUESTION), raise_error=False)

    assert failed["__error__"]["error"] == "ModelFailed"
    assert "scripted" in failed["__error__"]["message"]


async def test_a_budget_ends_the_run_with_what_was_found(tmp_path: Path, redis_url: str) -> None:
    """With one model call allowed, the query is drafted and run, and the rows are told without the model."""
    async with analysing(tmp_path, redis_url, MOTET_BUDGET_MODEL_CALLS="1") as crew:
        values = await crew.client.runs.wait(await crew.thread(), "assistant", input=asked(QUESTION))

    assert len(crew.model.requests) == 1
    assert values["status"] == "budget_exhausted"
    assert values["findings"][0]["rows"] == [[3.0]]


BAD: dict[str, Any] = {
    "it is empty": asked("  "),
    "at most 32000 characters": asked("x" * 1_000_000),
    "control characters": asked("\x00\x01\x02"),
    "at least one message": {"messages": []},
    "input.messages": {},
    "human message": {"messages": [{"role": "assistant", "content": "hi"}]},
}
"""Inputs that nobody can work on, by what the refusal says."""


@pytest.mark.parametrize("said", BAD)
async def test_input_that_nobody_can_work_on_is_refused_at_the_door(crew: Crew, said: str) -> None:
    """422 with the field's name and no megabyte sent back; nothing is recorded and no model asked."""
    thread_id = await crew.thread()

    async with httpx.AsyncClient(base_url=crew.server.url) as http:
        run = {"assistant_id": "assistant", "input": BAD[said]}
        answer = await http.post(f"/threads/{thread_id}/runs/wait", json=run)

    assert answer.status_code == 422
    assert said in answer.json()["detail"]
    assert len(answer.json()["detail"]) < 1000
    assert (await crew.client.threads.get(thread_id))["status"] == "idle"
    assert crew.model.requests == []


async def test_a_body_of_noise_is_refused(crew: Crew) -> None:
    """Bytes that are no JSON are 422 with one text, not a server's failure."""
    async with httpx.AsyncClient(base_url=crew.server.url) as http:
        path = f"/threads/{await crew.thread()}/runs/wait"
        answer = await http.post(path, content=bytes(range(256)), headers={"content-type": "application/json"})

    assert answer.status_code == 422
    assert isinstance(answer.json()["detail"], str)


@pytest.mark.parametrize("question", ["Save a report of this.", "please write the report"])
async def test_a_report_of_nothing_is_not_asked_for(crew: Crew, question: str) -> None:
    """Before anything was found there is nothing to approve."""
    values = await crew.client.runs.wait(await crew.thread(), "assistant", input=asked(question))

    assert "__interrupt__" not in values
    assert values["status"] == "failed"
    assert crew.model.requests == []
