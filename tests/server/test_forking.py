"""Forks: a run once more on a thread of its own, from its record as long as it does the same, and live from there."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
import pytest_asyncio
from tests.server import on_call
from tests.server.openai_server import OpenAIServer, openai_server
from tests.server.running import Running, environment, serving

from motet.observability.trajectory.records import ModelCalled, NodeStarted, Parted, RunStarted, ToolCalled
from motet.observability.trajectory.trajectory import Trajectory
from motet.server.operating import Operating, operating
from motet.server.settings import Settings
from motet.server.trajectories import found

pytestmark = pytest.mark.asyncio(loop_scope="session")
"""The model that others ask is served in this process."""

PROJECT = Path(__file__).parent / "forked" / "langgraph.json"
TENANT = "forked"

Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A server, and what its graphs really did."""

    http: httpx.AsyncClient
    file: Path
    redis_url: str
    tenant: str = TENANT

    async def run(self, graph: str, thread_id: str | None = "", **asked: Any) -> tuple[str, str, Json]:
        """Thread, run and final values of a run; None: one without a thread of its own."""
        if thread_id is None:
            answer = await self.http.post("/runs/wait", json={"assistant_id": graph, **asked})
            _, _, thread_id, _, run_id = answer.headers["Content-Location"].split("/")
            return thread_id, run_id, answer.json()
        thread_id = thread_id or str((await self.http.post("/threads", json={})).json()["thread_id"])
        answer = await self.http.post(f"/threads/{thread_id}/runs", json={"assistant_id": graph, **asked})
        assert answer.status_code == 200, answer.text
        run_id = str(answer.json()["run_id"])
        return thread_id, run_id, await self.ended(thread_id, run_id)

    async def ended(self, thread_id: str, run_id: str) -> Json:
        """Final values."""
        answer: Json = (await self.http.get(f"/threads/{thread_id}/runs/{run_id}/join")).json()
        assert "__error__" not in answer, answer
        return answer

    async def fork(self, thread_id: str, run_id: str, **asked: Any) -> tuple[Json, Json]:
        """The fork as it was answered, and its final values."""
        answer = await self.http.post(f"/threads/{thread_id}/runs/{run_id}/fork", json=asked)
        assert answer.status_code == 200, answer.text
        made: Json = answer.json()
        assert answer.headers["Content-Location"] == f"/threads/{made['thread_id']}/runs/{made['run_id']}"
        return made, await self.ended(made["thread_id"], made["run_id"])

    async def metadata(self, thread_id: str) -> Json:
        """A thread's."""
        return dict((await self.http.get(f"/threads/{thread_id}")).json()["metadata"])

    def done(self) -> list[str]:
        """What was done since this was asked last."""
        lines = self.file.read_text().splitlines() if self.file.exists() else []
        self.file.unlink(missing_ok=True)
        return lines

    @asynccontextmanager
    async def kept(self) -> AsyncGenerator[Operating]:
        """What an operator's commands see."""
        told: Json = {
            "redis_url": self.redis_url,
            "tenant": self.tenant,
            "data_dir": self.file.parent,
            "embeddings": "none",
        }
        async with operating(Settings(**told)) as here:
            yield here

    async def trajectory(self, run_id: str) -> Trajectory:
        """What a run did."""
        async with self.kept() as here:
            return await found(here, run_id)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the graphs write."""
    return tmp_path_factory.mktemp("forked")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def provider() -> AsyncGenerator[OpenAIServer]:
    """Another model than the graphs' own."""
    async with openai_server(lambda asked: f"{asked['model']} says {len(asked.get('tools', []))} tools") as one:
        yield one


@pytest.fixture(scope="module")
def env(redis_url: str, folder: Path, provider: OpenAIServer) -> dict[str, str]:
    """The settings of the server, and of commands."""
    told = {"MOTET_REDIS_URL": redis_url, "MOTET_TENANT": TENANT, "FORKED_FILE": str(folder / "done")}
    return {**told, "MOTET_MODEL": "openai:usual", "MOTET_MODEL_BASE_URL": provider.url, "OPENAI_API_KEY": "none"}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def running(env: dict[str, str], folder: Path) -> AsyncGenerator[Running]:
    """`motet serve` over the graphs that note what they do."""
    async with serving("--config", str(PROJECT), data_dir=folder, env=env) as one:
        yield one


@pytest_asyncio.fixture(loop_scope="session")
async def server(running: Running, folder: Path, redis_url: str) -> AsyncGenerator[Server]:
    """A client of it."""
    async with httpx.AsyncClient(base_url=running.url, timeout=30) as http:
        one = Server(http=http, file=folder / "done", redis_url=redis_url)
        one.done()
        yield one


def said(text: str) -> Json:
    """An input of an agent."""
    return {"messages": [{"role": "user", "content": text}]}


def parted(trajectory: Trajectory) -> list[Parted]:
    """Where it parts from what it is a fork of."""
    return [one for one in trajectory.records if isinstance(one, Parted)]


def from_record(trajectory: Trajectory) -> list[tuple[str, bool]]:
    """The calls of models and tools, and whether each was answered from the record."""
    calls = [one for one in trajectory.records if isinstance(one, ModelCalled | ToolCalled)]
    return [(one.model if isinstance(one, ModelCalled) else one.tool, one.from_run is not None) for one in calls]


async def test_nothing_changed_is_all_from_the_record(server: Server) -> None:
    """No model is asked, no tool runs, nothing is spent; and the state is the same."""
    thread_id, run_id, values = await server.run("desk", input=said("Ada"))
    assert [one.split()[0] for one in server.done()] == ["model", "look_up", "model", "guess", "model", "send", "model"]
    made, again = await server.fork(thread_id, run_id, effects=True)
    assert server.done() == []
    assert [one["content"] for one in again["messages"]] == [one["content"] for one in values["messages"]]
    trajectory = await server.trajectory(made["run_id"])
    assert all(answered for _, answered in from_record(trajectory))
    assert parted(trajectory) == []
    (segment,) = trajectory.segments()
    assert segment.finished is not None
    assert (segment.finished.totals.model_calls, segment.finished.totals.tokens) == (0, 0)
    assert isinstance(segment.started, RunStarted)
    assert segment.started.copy_of == run_id


async def test_another_prompt_is_live_from_its_first_request(server: Server) -> None:
    """Without effects: a tool that only reads runs, others give what they gave before, or say that they didn't run."""
    thread_id, run_id, _ = await server.run("desk", input=said("Ada"))
    server.done()
    made, values = await server.fork(thread_id, run_id, prompt="Be kind.")
    assert server.done() == [
        "model Be kind.: Ada",
        "look_up Ada",
        "model Be kind.: Ada of Kent",
        "model Be kind.: guessed Ada of Kent",
        f"model Be kind.: {values['messages'][-2]['content']}",
    ]
    assert values["messages"][-2]["content"].startswith("send was not called: this run is a fork whose effects are off")
    assert values["messages"][-2]["status"] == "error"
    trajectory = await server.trajectory(made["run_id"])
    (difference,) = parted(trajectory)
    assert (difference.kind, difference.step, difference.agent, difference.field) == (
        "model", 1, "desk", "messages[0].content",
    )  # fmt: skip
    assert trajectory.plain(difference.expected or "") == "Be brief."
    assert trajectory.plain(difference.actual or "") == "Be kind."
    told = (await server.http.get(f"/threads/{made['thread_id']}/runs/{made['run_id']}/fork")).json()
    assert (told["forked_from"]["run_id"], told["forked_from"]["prompt"]) == (run_id, "Be kind.")
    assert (told["difference"]["path"], told["difference"]["actual"]) == ("model@1", "Be kind.")
    assert (await server.http.get(f"/threads/{thread_id}/runs/{run_id}/fork")).status_code == 404


async def test_both_threads_name_each_other(server: Server) -> None:
    """The fork says what it was made from, and the source which forks it has; so does a fork of a fork."""
    thread_id, run_id, _ = await server.run("pair", input={"log": [], "topic": "tea"})
    first, _ = await server.fork(thread_id, run_id)
    second, _ = await server.fork(thread_id, run_id)
    third, _ = await server.fork(first["thread_id"], first["run_id"], agent="second", prompt="You are third")
    assert (await server.metadata(thread_id))["forks"] == [first["thread_id"], second["thread_id"]]
    child = await server.metadata(first["thread_id"])
    assert (child["forked_from"]["thread_id"], child["forked_from"]["run_id"]) == (thread_id, run_id)
    assert child["forks"] == [third["thread_id"]]
    grandchild = await server.metadata(third["thread_id"])
    assert grandchild["forked_from"]["run_id"] == first["run_id"]
    assert "forks" not in grandchild
    trajectory = await server.trajectory(third["run_id"])
    assert [answered for _, answered in from_record(trajectory)] == [True, True, True, False]


async def test_a_changed_state_is_live_where_it_is_read(server: Server) -> None:
    """From a superstep, with a value set: what read it is asked anew, on a state that is otherwise the same."""
    thread_id, run_id, before = await server.run("pair", input={"log": [], "topic": "tea"})
    server.done()
    made, values = await server.fork(thread_id, run_id, **{"from": 2, "set": ["topic=rum"]})
    assert server.done() == ["model You are second: second about rum"]
    assert values["log"][:4] == before["log"][:4]
    assert (values["topic"], made["begins_at"]["step"], made["note"]) == ("rum", 2, "")
    history = (await server.http.get(f"/threads/{made['thread_id']}/history")).json()
    assert made["begins_at"]["checkpoint_id"] in {one["checkpoint"]["checkpoint_id"] for one in history}


@pytest.mark.parametrize("alone", [False, True])
async def test_a_change_by_hand_wakes_nobody(server: Server, *, alone: bool) -> None:
    """A node that waits for a channel has nothing to do because a person changed it: what came next comes next."""
    thread_id, run_id, before = await server.run("channels", "" if not alone else None, input={"topic": "tea"})
    server.done()
    said = before["told"].partition("'said': ")[2].partition(",")[0]
    made, values = await server.fork(thread_id, run_id, **{"from": 0, "set": ["topic=rum"]})
    assert server.done() == []
    assert values["topic"] == "rum"
    assert (said in values["told"], "'topic': 'rum'" in values["told"]) == (True, True)
    records = (await server.trajectory(made["run_id"])).records
    assert [one.path for one in records if isinstance(one, NodeStarted)] == ["tell@1"]


async def test_after_the_difference_all_is_live(server: Server) -> None:
    """Also what is asked just as it was then: nobody knows any more that it would be answered so."""
    thread_id, run_id, _ = await server.run("pair", input={"log": [], "topic": "tea"})
    server.done()
    made, _ = await server.fork(thread_id, run_id, prompt="You are kind", agent="first")
    assert server.done()[1:] == [f"model You are {one}: {one} about tea" for one in ("draft", "check", "second")]
    assert [answered for _, answered in from_record(await server.trajectory(made["run_id"]))] == [False] * 4


@pytest.mark.parametrize("prompt", [None, "You are kind"])
async def test_an_answer_in_a_fork_goes_on_as_the_fork_did(server: Server, prompt: str | None) -> None:
    """It is a run of its own: from the record while the fork did the same as its source, else live."""
    thread_id, run_id, _ = await server.run("asks", input={"log": [], "topic": "tea"})
    await server.run("asks", thread_id, command={"resume": "yes"})
    server.done()
    asked = {} if prompt is None else {"prompt": prompt, "agent": "first"}
    made, _ = await server.fork(thread_id, run_id, **asked)
    assert server.done() == ([] if prompt is None else ["model You are kind: first about tea"])
    _, second, values = await server.run("asks", made["thread_id"], command={"resume": "yes"})
    assert values["log"][1] == "yes"
    assert server.done() == ([] if prompt is None else ["model You are second: second about tea"])
    assert (await server.trajectory(second)).run_ids == (made["run_id"], second)


async def test_a_run_without_a_thread_is_forked(server: Server) -> None:
    """Its state is gone with its thread; its record isn't."""
    thread_id, run_id, before = await server.run("pair", None, input={"log": [], "topic": "tea"})
    server.done()
    made, values = await server.fork(thread_id, run_id, **{"from": 2, "set": ["topic=rum"]})
    assert server.done() == ["model You are second: second about rum"]
    assert (values["log"][:4], values["topic"]) == (before["log"][:4], "rum")
    assert "made again from the record" in made["note"]


async def test_a_run_of_which_nothing_is_kept_is_not_forked(server: Server) -> None:
    """404, by its name."""
    thread_id, _, _ = await server.run("pair", input={"log": [], "topic": "tea"})
    answer = await server.http.post(f"/threads/{thread_id}/runs/{uuid4()}/fork", json={})
    assert (answer.status_code, "Trajectory" in answer.text) == (404, True)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"from": 77}, "a superstep of the root graph (-1, 0, 1, 2), a checkpoint's id"),
        ({"from": 3}, "nothing came after this one"),
        ({"from": str(uuid4())}, "a superstep of the root graph"),
        ({"from": 2, "set": ["colour=red"]}, "log, topic"),
        ({"from": 2, "set": ["log[9]=red"]}, "a position among 4"),
        ({"set": ["topic=red"]}, "the run began without a state"),
        ({"from": 2, "set": ["topic"]}, "PATH=VALUE"),
        ({"agent": "nobody", "prompt": "x"}, "check, draft, first, second, team"),
        ({"agent": "first"}, "beside a model or a prompt"),
        ({"model": "gpt"}, "model"),
        ({"form": 2}, "form"),
    ],
)
async def test_what_is_refused_leaves_nothing(server: Server, asked: Json, words: str) -> None:
    """The message says what is allowed; no thread, no checkpoint and no link is made."""
    thread_id, run_id, _ = await server.run("pair", input={"log": [], "topic": "tea"})
    async with server.kept() as here:
        client: Any = here.runs
        keys = {key async for key in client._client.scan_iter(match=f"*{TENANT}*")}
        answer = await server.http.post(f"/threads/{thread_id}/runs/{run_id}/fork", json=asked)
        after = {key async for key in client._client.scan_iter(match=f"*{TENANT}*")}
    assert (answer.status_code, words in answer.text) == (422, True), answer.text
    assert after <= keys
    assert "forks" not in await server.metadata(thread_id)


async def test_a_place_inside_a_sub_graph_begins_before_it(server: Server) -> None:
    """It is said; and what was asked inside comes from the record, until something differs inside."""
    thread_id, run_id, _ = await server.run("pair", input={"log": [], "topic": "tea"})
    server.done()
    trajectory = await server.trajectory(run_id)
    inside = next(one for one in trajectory.segments()[0].saved if one.namespace == "team@2" and one.step == 1)
    for place in (inside.checkpoint_id, "team@2|check@2"):
        made, _ = await server.fork(thread_id, run_id, **{"from": place, "agent": "check", "prompt": "You are kind"})
        assert server.done()[0] == "model You are kind: check about tea"
        assert made["begins_at"]["step"] == 1
        assert "can't begin inside a sub-graph: the fork begins with team@2" in made["note"]
        (difference,) = parted(await server.trajectory(made["run_id"]))
        assert (difference.path, difference.step) == ("team@2|check@2", 2)


async def test_a_fork_with_effects_asks_before_it_acts(server: Server) -> None:
    """The approval holds: nothing is sent before a person says so, and then it is."""
    thread_id, run_id, _ = await server.run("careful", input=said("Ada"))
    server.done()
    made, _ = await server.fork(thread_id, run_id, prompt="Be kind.", effects=True)
    assert [one.split()[0] for one in server.done()] == ["model", "look_up", "model", "guess", "model"]
    answer = {"resume": {"decisions": [{"type": "approve"}]}}
    _, _, values = await server.run("careful", made["thread_id"], command=answer)
    assert server.done()[0] == "send Be kind. guessed Ada of Kent"
    assert values["messages"][-2]["content"].startswith("sent Be kind.")


async def test_effects_stay_off_on_the_forks_thread(server: Server) -> None:
    """An approval, and whatever else is said on the thread later, doesn't turn them on; nor the prompt back."""
    thread_id, run_id, _ = await server.run("careful", input=said("Ada"))
    made, _ = await server.fork(thread_id, run_id, prompt="Be kind.")
    server.done()
    answer = {"resume": {"decisions": [{"type": "approve"}]}}
    _, _, values = await server.run("careful", made["thread_id"], command=answer)
    assert [one for one in server.done() if one.startswith("send")] == []
    assert "effects are off" in values["messages"][-2]["content"]
    _, later, _ = await server.run("careful", made["thread_id"], input=said("Bob"))
    assert [one.split(":")[0] for one in server.done() if one.startswith("model")] == ["model Be kind."] * 3
    (segment,) = (await server.trajectory(later)).segments()
    assert segment.started.copy_of is None


async def test_a_run_that_answered_is_forked_from_its_answer(server: Server) -> None:
    """The question waits again as it did then, the answer is given again, and what was sent isn't sent again."""
    thread_id, _, _ = await server.run("careful", input=said("Ada"))
    answer = {"resume": {"decisions": [{"type": "approve"}]}}
    _, second, values = await server.run("careful", thread_id, command=answer)
    server.done()
    made, again = await server.fork(thread_id, second, effects=True)
    assert server.done() == []
    assert "made again from the record" in made["note"]
    assert "secrets were taken out" in made["note"]
    assert [one["type"] for one in again["messages"]] == [one["type"] for one in values["messages"]]
    assert again["messages"][-2]["content"] == "sent Be brief. guessed Ada of Kent [redacted]"


async def test_memory_is_as_it_was_and_is_not_written(server: Server) -> None:
    """A fork without effects reads what was read then, or, once it differs, what is there; it never writes."""
    thread_id, run_id, values = await server.run("noted", input={"log": [], "topic": "tea"})
    assert values["log"][1] == "nothing"
    await server.run("noted", input={"log": [], "topic": "rum"})
    _, same = await server.fork(thread_id, run_id)
    assert same["log"][1] == "nothing"
    await server.fork(thread_id, run_id, prompt="You are kind")
    _, _, after = await server.run("noted", input={"log": [], "topic": "ale"})
    assert after["log"][1] == "rum"


async def test_an_approval_in_a_fork_keeps_to_it(server: Server) -> None:
    """Decided at the desk rather than by a run: the run that acts on it is no fork itself, and acts as little."""
    thread_id, run_id, _ = await server.run("careful", input=said("Ada"))
    made, _ = await server.fork(thread_id, run_id, prompt="Be kind.")
    server.done()
    (approval,) = (await server.http.get("/approvals", params={"thread_id": made["thread_id"]})).json()
    decision = {"type": "approve", "arguments_sha256": approval["asked"]["arguments_sha256"]}
    answer = await server.http.post(f"/approvals/{approval['approval_id']}/decision", json=decision)
    assert answer.status_code == 200, answer.text
    acts = (await server.http.get(f"/threads/{made['thread_id']}/runs")).json()[0]["run_id"]
    values = await server.ended(made["thread_id"], acts)
    assert "effects are off" in values["messages"][-2]["content"]
    assert [one.partition(":")[0] for one in server.done()] == ["model Be kind."]
    _, segment = (await server.trajectory(acts)).segments()
    assert (segment.run_id, segment.started.copy_of) == (acts, None)


async def test_a_state_that_is_gone_is_made_again(server: Server) -> None:
    """The thread lost its checkpoints: the fork begins with the state that the record tells, changed as asked."""
    thread_id, run_id, before = await server.run("pair", input={"log": [], "topic": "tea"})
    server.done()
    async with server.kept() as here:
        client: Any = here.runs
        gone = [key async for key in client._client.scan_iter(match=f"*{thread_id}*") if b":cp:" in key]
        assert gone
        await client._client.delete(*gone)
    made, values = await server.fork(thread_id, run_id, **{"from": 1, "set": ["topic=rum"]})
    assert server.done() == [
        "model You are draft: draft about rum",
        "model You are check: check about rum",
        "model You are second: second about rum",
    ]
    assert (values["log"][0], values["topic"]) == (before["log"][0], "rum")
    assert "the thread has this state no more" in made["note"]


async def test_another_model_answers(server: Server, provider: OpenAIServer) -> None:
    """It gets the same messages and tools, and is recorded under its own name, which is the difference."""
    thread_id, run_id, _ = await server.run("desk", input=said("Ada"))
    server.done()
    made, values = await server.fork(thread_id, run_id, **{"from": 2, "model": "openai:other"})
    assert values["messages"][-1]["content"] == "other says 3 tools"
    assert [one["role"] for one in provider.requests[-1]["messages"]] == ["system", "user", "assistant", "tool"]
    assert server.done() == []
    trajectory = await server.trajectory(made["run_id"])
    (difference,) = parted(trajectory)
    told = [trajectory.plain(one or "") for one in (difference.expected, difference.actual)]
    assert (difference.field, told) == ("model", ["function", "other"])
    assert from_record(trajectory) == [("other", False)]


async def test_a_model_that_is_not_there_ends_the_fork(server: Server) -> None:
    """A provider that nobody knows is the fork's error, and says so; nothing of it runs."""
    thread_id, run_id, _ = await server.run("pair", input={"log": [], "topic": "tea"})
    server.done()
    answer = await server.http.post(f"/threads/{thread_id}/runs/{run_id}/fork", json={"model": "nobody:knows"})
    made = answer.json()
    ended = (await server.http.get(f"/threads/{made['thread_id']}/runs/{made['run_id']}/join")).json()
    assert "nobody" in ended["__error__"]["message"]
    assert server.done() == []


async def test_a_command_makes_a_fork_and_follows_it(server: Server, env: dict[str, str], tmp_path: Path) -> None:
    """`motet replay RUN --prompt FILE`: the new thread and run, the first difference, and the exit code of `watch`."""
    _, run_id, _ = await server.run("pair", input={"log": [], "topic": "tea"})
    server.done()
    file, known = tmp_path / "prompt.txt", environment(tmp_path, env)
    file.write_text("You are new")
    code, (made, ended) = await on_call.told("replay", run_id, "--prompt", str(file), "--agent", "second", env=known)
    assert (code, made["fork_of"], ended["status"]) == (0, run_id, "success")
    assert server.done() == ["model You are new: second about tea"]
    assert (ended["difference"]["path"], ended["difference"]["field"]) == ("second@3", "messages[0].content")
    assert (await server.metadata(made["thread_id"]))["forked_from"]["run_id"] == run_id
    code, text = await on_call.motet("replay", run_id[:20], "--from", "2", "--set", "topic=rum", env=known)
    assert (code, "parts at step 3, agent second (second@3)" in text) == (0, True), text
    assert "- second about tea\n  + second about rum" in text
    code, text = await on_call.motet("replay", run_id, "--from", "start", env=known)
    assert (code, "it did the same: everything came from the record" in text) == (0, True), text
    assert [one for one in server.done() if "rum" not in one] == []


async def test_only_calls_that_are_made_are_counted(server: Server) -> None:
    """What comes from the record costs nobody anything, and is on no dashboard."""

    async def counted() -> float:
        lines = (await server.http.get("/metrics")).text.splitlines()
        return sum(float(one.split()[-1]) for one in lines if one.startswith("motet_model_duration_seconds_count"))

    none = await counted()
    thread_id, run_id, _ = await server.run("desk", input=said("Ada"))
    made = await counted()
    await server.fork(thread_id, run_id, effects=True)
    repeated = await counted()
    await server.fork(thread_id, run_id, prompt="Be kind.", **{"from": 2})
    parted_once = await counted()

    assert (made - none, repeated - made, parted_once - repeated) == (4, 0, 3)


async def test_a_fork_is_drawn_as_one(server: Server, env: dict[str, str], tmp_path: Path) -> None:
    """`motet trace`: which calls came from the record, at no cost, and before which one it parts, in what."""
    thread_id, run_id, _ = await server.run("pair", input={"log": [], "topic": "tea"})
    made, _ = await server.fork(thread_id, run_id, agent="second", prompt="You are new")
    known = environment(tmp_path, env)
    for command in ("show", "tail"):
        code, text = await on_call.motet("trace", command, made["run_id"], env=known)
        lines = [one.strip() for one in text.splitlines()]
        models = [one for one in lines if "function model" in one]
        assert (code, [one.endswith("from the record") for one in models]) == (0, [True] * 3 + [False]), text
        (parts,) = [at for at, one in enumerate(lines) if "≠ parts here" in one]
        assert lines[parts + 1].endswith("live from here on: the model's messages[0].content isn't what it was")
        assert lines[parts + 2 : parts + 4] == ["- You are second", "+ You are new"]
        assert "function model" in lines[parts + 4]
    assert f"a fork of run {run_id}" in text
    code, (tree,) = await on_call.told("trace", "show", made["run_id"], env=known)
    parts, live = tree["children"][-1]["children"]
    assert (parts["kind"], parts["detail"]["of"], tree["tokens"]) == ("parted", "model", live["tokens"])


@pytest.mark.parametrize(
    ("arguments", "refused"),
    [
        ("RUN --from 77", (1, "a superstep of the root graph")),
        ("RUN --model gpt", (2, "--model")),
        ("RUN --prompt nowhere.txt", (2, "nowhere.txt can't be read")),
        ("--from 2", (2, "a fork is one run's")),
        ("RUN --from 2 --at 1", (2, "--at")),
    ],
)
async def test_a_command_that_makes_no_sense_is_refused(
    server: Server, env: dict[str, str], tmp_path: Path, arguments: str, refused: tuple[int, str]
) -> None:
    """It names the option, and makes nothing."""
    thread_id, run_id, _ = await server.run("pair", input={"log": [], "topic": "tea"})
    told = arguments.replace("RUN", run_id).split()
    code, text = await on_call.motet("replay", *told, env=environment(tmp_path, env))
    assert (code, refused[1] in text) == (refused[0], True), text
    assert "forks" not in await server.metadata(thread_id)


async def test_a_fork_that_asks_ends_with_3(server: Server, env: dict[str, str], tmp_path: Path) -> None:
    """A person must answer what it asked."""
    _, run_id, _ = await server.run("careful", input=said("Ada"))
    code, text = await on_call.motet("replay", run_id, "--from", "start", env=environment(tmp_path, env))
    assert (code, "waits for a person" in text) == (3, True), text


@pytest.mark.parametrize(
    ("graph", "asked"),
    [
        ("desk", {"prompt": "Be kind."}),
        ("desk", {"from": 2, "model": "openai:other"}),
        ("pair", {"from": 1, "set": ["topic=rum"]}),
    ],
)
async def test_a_fork_is_replayed(server: Server, env: dict[str, str], tmp_path: Path, graph: str, asked: Json) -> None:
    """As any run: with what was other in it, from its own record alone."""
    given = {"log": [], "topic": "tea"} if graph == "pair" else said("Ada")
    thread_id, run_id, _ = await server.run(graph, input=given)
    made, _ = await server.fork(thread_id, run_id, **asked)
    server.done()
    known = environment(tmp_path, env)
    code, text = await on_call.motet("replay", made["run_id"], "--config", str(PROJECT), env=known)
    assert (code, "replays the same" in text) == (0, True), text
    assert server.done() == []


async def test_a_run_on_a_thread_with_a_past_is_replayed(server: Server, env: dict[str, str], tmp_path: Path) -> None:
    """What the thread held before is where its replay begins."""
    thread_id, _, _ = await server.run("pair", input={"log": [], "topic": "tea"})
    _, run_id, _ = await server.run("pair", thread_id, input={"log": [], "topic": "rum"})
    code, text = await on_call.motet("replay", run_id, "--config", str(PROJECT), env=environment(tmp_path, env))
    assert (code, "replays the same" in text) == (0, True), text
