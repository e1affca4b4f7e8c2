"""What ends an approval that nobody decides, what is left of each in the journal, and what never gets there."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.observability.receiver import receiving
from tests.server.asking import PROJECT, Asking, Json, asking, name, question, serving_asking
from tests.server.test_working import ended, submit
from tests.support import wait_until

from motet.memory.redis.client import connected
from motet.memory.redis.embedded import EmbeddedRedis
from motet.memory.redis.journal import RedisJournal
from motet.memory.redis.keys import Keys
from motet.memory.redis.scripts import Scripts
from motet.server.audit import verify_all
from motet.server.services import Services, opened
from motet.server.settings import Settings
from motet.server.worker import working

DAY_S = 24 * 3600.0
SECRET = "ghp_" + "0123456789abcdefghijABCDEFGHIJ012345"


def _plain(text: str, **more: Any) -> Json:
    return {"input": {"messages": [{"role": "user", "content": text}]}, **more}


async def test_a_plain_message_is_refused_while_something_waits(desk: Asking) -> None:
    """By default: 409 that names what waits, and nothing is lost."""
    _, thread_id, found = await desk.letter()
    before = await desk.untouched(thread_id)
    answer = await desk.run(thread_id, "per_call", **_plain("never mind"))

    assert (answer.status_code, found["asked"]["interrupt_id"] in answer.text) == (409, True)
    assert await desk.untouched(thread_id) == before


async def test_a_plain_message_is_queued_where_the_setting_says(redis_url: str, tmp_path: Path) -> None:
    """It waits behind the answer and is worked after it."""
    async with (
        serving_asking(redis_url, tmp_path, MOTET_ON_WAITING="queue") as running,
        asking(running, tmp_path) as desk,
    ):
        to, thread_id, found = await desk.letter()
        assert (await desk.run(thread_id, "per_call", **_plain("and then"))).status_code == 200
        assert (await desk.one(thread_id))["approval_id"] == found["approval_id"]
        await desk.decided(found, "approve")
        messages = (await desk.rests(thread_id))["messages"]

    assert desk.sent(to) == [f"{to} 1"]
    assert [one["content"] for one in messages[-2:]] == ["and then", "echo and then"]


async def test_a_plain_message_withdraws_where_the_setting_says(redis_url: str, tmp_path: Path) -> None:
    """The agent hears it, whatever becomes of a rival run; the record says who and why; the next call is valid."""
    async with serving_asking(redis_url, tmp_path, MOTET_ON_WAITING="withdraw") as running:
        async with asking(running, tmp_path) as desk:
            for graph in ("per_call", "batched"):
                for strategy in ("enqueue", "reject", "interrupt", "rollback"):
                    to, thread_id, found = await desk.letter(graph)
                    body = _plain("never mind", multitask_strategy=strategy, assistant_id=graph)
                    headers = {"X-Motet-Actor": "bob"}
                    answer = await desk.http.post(f"/threads/{thread_id}/runs", json=body, headers=headers)
                    assert answer.status_code == 200, answer.text
                    assert await desk.said(thread_id) == "echo never mind"
                    after = await desk.get(found["approval_id"])
                    assert (after["state"], after["by"]["actor"]) == ("withdrawn", "bob")
                    assert after["reason"] == "bob went on without an answer"
                    assert desk.sent(to) == []
            free = await desk.ask("free", calls=[])
            assert (await desk.run(free, "free", **_plain("x"))).status_code == 409, "a free question has no rejection"


@pytest.mark.parametrize("way", ["goto", "state", "cancel", "delete"])
async def test_what_takes_a_question_away_withdraws_it_with_a_reason(desk: Asking, way: str) -> None:
    """A jump to the end, a change by hand, a cancel and the thread's deletion: the journal says which, and by whom."""
    to, thread_id, found = await desk.letter()
    desk.http.headers["X-Motet-Actor"] = "bob"
    match way:
        case "goto":
            answer = await desk.run(thread_id, "per_call", command={"goto": "__end__"})
            reason = "bob went on at __end__ without an answer"
        case "state":
            answer = await desk.http.post(f"/threads/{thread_id}/state", json={"values": None, "as_node": "__end__"})
            reason = "the thread's state was changed by hand"
        case "cancel":
            answer = await desk.http.post(f"/threads/{thread_id}/runs/{found['asked']['run_id']}/cancel")
            reason = "the run was cancelled"
        case _:
            answer = await desk.http.delete(f"/threads/{thread_id}")
            reason = "the thread was deleted"
    assert answer.is_success, answer.text
    entries = await desk.entries(until=("withdrawn", found["approval_id"]))

    bob = {"actor": "bob", "verified_as": ""}
    assert (entries[-1]["detail"]["reason"], entries[-1]["who"]) == (reason, bob)
    if way == "delete":
        assert (await desk.http.get(f"/approvals/{found['approval_id']}")).status_code == 404
    else:
        await desk.rests(thread_id)
        after = await desk.get(found["approval_id"])
        assert (after["state"], after["reason"], after["by"]) == ("withdrawn", reason, bob)
        assert await desk.status(thread_id) == "idle"
    assert (await desk.decide(found, "approve")).status_code == (404 if way == "delete" else 409)
    assert desk.sent(to) == []
    assert all(one["asked"]["thread_id"] != thread_id for one in await desk.page(state="open"))


@pytest.mark.parametrize("way", ["goto", "state", "cancel", "rollback"])
@pytest.mark.parametrize("graph", ["per_call", "batched"])
async def test_the_next_turn_finds_a_history_that_a_provider_takes(desk: Asking, graph: str, way: str) -> None:
    """As Agent Chat UI, Agent Inbox and a cancel leave a question: its calls are told to be undecided, and why."""
    tos = [name(), name()]
    thread_id = await desk.ask(graph, calls=[{"to": one} for one in tos])
    run_id = (await desk.all(thread_id))[0]["asked"]["run_id"]
    desk.http.headers["X-Motet-Actor"] = "bob"
    match way:
        case "goto":
            answer = await desk.run(thread_id, graph, command={"goto": "__end__"})
            reason = "bob went on at __end__ without an answer"
        case "state":
            answer = await desk.http.post(f"/threads/{thread_id}/state", json={"values": None, "as_node": "__end__"})
            reason = "the thread's state was changed by hand"
        case _:
            asked = {"action": "rollback"} if way == "rollback" else {}
            answer = await desk.http.post(f"/threads/{thread_id}/runs/{run_id}/cancel", params=asked)
            reason = "the run was cancelled"
    assert answer.is_success, answer.text
    messages = (await desk.rests(thread_id))["messages"] if way != "rollback" else []

    told = [one for one in messages if one["type"] == "tool"]
    calls = [call["id"] for one in messages if one["type"] == "ai" for call in one["tool_calls"]]
    assert [one["tool_call_id"] for one in told] == calls
    assert all(one["status"] == "error" and reason in one["content"] for one in told)
    assert len(told) == (0 if way == "rollback" else 2)
    assert await desk.status(thread_id) == "idle"
    assert {one["state"] for one in await desk.all(thread_id)} == {"withdrawn"}
    assert (await desk.run(thread_id, graph, **_plain("and then"))).status_code == 200
    assert await desk.said(thread_id) == "echo and then"
    assert [desk.sent(one) for one in tos] == [[], []]
    if way == "cancel":
        [again] = [one for one in (await desk.http.get(f"/threads/{thread_id}/runs")).json() if one["run_id"] == run_id]
        assert again["status"] == "interrupted"
        refused = await desk.http.post(f"/threads/{thread_id}/runs/{run_id}/cancel")
        assert refused.status_code == 409, "it is over"


def _asks_for(asked: Json) -> Json:
    arguments: Json = asked["action_requests"][0]["args"]
    return arguments


async def test_an_answer_that_is_cancelled_is_open_again_by_whoever_cancelled_it(desk: Asking) -> None:
    """Also where the worker ends the run a moment later: the journal says by whom."""
    holds = {**question(name()), "hold": f"hold{name()}"}
    thread_id = await desk.ask("asks", first=holds, second=question(name()))
    # Both are as old as each other: which is listed first is by chance.
    first, second = sorted(
        await desk.all(thread_id), key=lambda one: one["asked"]["actions"][0]["arguments"] != _asks_for(holds)
    )
    desk.http.headers["X-Motet-Actor"] = "bob"
    for one in (first, second):
        await desk.decided(one, "approve")
    runs = [(await desk.get(one["approval_id"]))["run_id"] for one in (first, second)]
    for run_id, one in ((runs[1], second), (runs[0], first)):
        assert (await desk.http.post(f"/threads/{thread_id}/runs/{run_id}/cancel")).is_success
        entries = await desk.entries(until=("reopened", one["approval_id"]))
        assert entries[-1]["who"] == {"actor": "bob", "verified_as": ""}
    assert await desk.status(thread_id) == "interrupted"


async def _counted(desk: Asking) -> Json:
    """How many decisions of each kind were counted so far."""
    told = (await desk.http.get("/metrics")).text
    pattern = r'motet_approval_decisions_total\{.*motet_approval_kind="(\w+)".*\} (\d+)'
    return {kind: int(float(number)) for kind, number in re.findall(pattern, told)}


@pytest.mark.parametrize("ends", ["decided", "withdrawn"])
async def test_each_call_of_a_question_is_counted(desk: Asking, ends: str) -> None:
    """By its own decision, not by the first; withdrawn, all of them are."""
    before = await _counted(desk)
    thread_id = await desk.ask("batched", calls=[{"to": name()} for _ in range(4)])
    found = await desk.one(thread_id)
    if ends == "decided":
        kinds = ["reject", "approve", "approve", "respond"]
        await desk.decided(found, decisions=[{"type": one, "message": "no"} for one in kinds])
        expected = {"reject": 1, "approve": 2, "respond": 1}
    else:
        await desk.http.post(f"/threads/{thread_id}/runs/{found['asked']['run_id']}/cancel")
        expected = {"withdrawn": 4}
    after: Json = {}

    async def counted() -> bool:
        after.update(await _counted(desk))
        return sum(after.values()) - sum(before.values()) >= 4

    await wait_until(counted, description="the four are counted")
    assert {
        kind: number - before.get(kind, 0) for kind, number in after.items() if number != before.get(kind)
    } == expected
    await desk.rests(thread_id)


async def test_a_copied_thread_asks_for_itself(desk: Asking) -> None:
    """Its question is another approval, decided for the copy alone."""
    to, thread_id, found = await desk.letter()
    copy_id = (await desk.http.post(f"/threads/{thread_id}/copy")).json()["thread_id"]
    copied = await desk.one(copy_id)

    assert copied["approval_id"].startswith(copy_id)
    assert copied["asked"]["thread_id"] == copy_id
    await desk.decided(copied, "approve")
    assert f"sent to {to}" in await desk.said(copy_id)
    assert (await desk.one(thread_id))["approval_id"] == found["approval_id"]
    await desk.decided(found, "reject")
    await desk.rests(thread_id)
    assert desk.sent(to) == [f"{to} 1"]


async def test_a_stream_of_changes_goes_on_where_it_was_left(desk: Asking) -> None:
    """Opened, seen, decided and ran, in order and each once, also for a client that comes back."""
    _, thread_id, found = await desk.letter()
    await desk.get(found["approval_id"])
    await desk.decided(found, "approve")
    all_of_them = await desk.entries(until=("ran", found["approval_id"]))
    own = [one for one in all_of_them if one["approval_id"].startswith(thread_id)]
    assert [one["event"] for one in own] == ["opened", "seen", "decided", "ran"]
    assert [one["who"] and one["who"]["actor"] for one in own] == [None, "somebody", "ada", None]
    assert own[2]["detail"]["decisions"] == [{"type": "approve"}]
    assert own[3]["detail"]["status"] == "done"

    rest = await desk.entries(after=own[1]["number"], until=("ran", found["approval_id"]))
    assert rest == [one for one in all_of_them if one["number"] > own[1]["number"]]
    assert (await desk.http.get("/approvals/stream", headers={"Last-Event-ID": "x"})).status_code == 422


async def test_the_journal_verifies_after_all_of_it(desk: Asking, redis_url: str) -> None:
    """Every chain link fits; what was opened is told once."""
    _, thread_id, found = await desk.letter()
    await desk.decided(found, "respond", message="done by hand")
    await desk.entries(until=("decided", thread_id))
    async with connected(redis_url) as client:
        keys = Keys(desk.tenant)
        verdict = await verify_all(RedisJournal(client, keys, Scripts(client)))
        left = [await client.llen(keys.journal(thread_id))]

    assert (verdict.ok, verdict.problem, left) == (True, "", [0])


async def test_no_secret_is_kept_beside_the_conversation(redis_url: str, tmp_path: Path) -> None:
    """Of what a person and an agent say and a tool returns: not in the journal, the outcome, the words or the spans."""
    async with receiving() as receiver:
        env = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{receiver.port}",
            "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "SPAN_ONLY",
            "OTEL_SEMCONV_STABILITY_OPT_IN": "gen_ai_latest_experimental",
        }
        async with serving_asking(redis_url, tmp_path, **env) as running, asking(running, tmp_path) as desk:
            told, tenant = f"harmless, {SECRET}", desk.tenant
            calls = [{"to": "<secret>"}, {"to": "ada"}]
            thread_id = await desk.ask("per_call", say="harmless, <secret>", calls=calls)
            first, second = sorted(await desk.all(thread_id), key=lambda one: "ada" in str(one["asked"]["actions"]))
            scope = {"arguments": {"to": SECRET}, "text": f"for {SECRET}"}
            await desk.decided(first, "approve", actor=f"ada {SECRET}", scope=scope)
            await desk.decided(second, "reject", message=told)
            await desk.rests(thread_id)
            records = await desk.all(thread_id)
            entries = await desk.entries(until=("decided", second["approval_id"]))
            await desk.entries(until=("ran", first["approval_id"]))
        spans = b"".join(receiver.spans).decode("latin-1")

    outcome = next(one["outcome"] for one in records if one["outcome"])
    assert outcome["status"] == "done"
    async with connected(redis_url) as client:
        lines = str(await client.xrange(Keys(tenant).audit()))
    for kept in (str(entries), lines, str(outcome), str([one["asked"]["why"] for one in records]), spans):
        assert SECRET not in kept
        assert "xxxx" not in kept
    assert "per_call" in spans
    assert "harmless" in str([one["asked"]["why"] for one in records])
    assert "harmless" in str(entries)


class Time:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@asynccontextmanager
async def _everything(folder: Path, clock: Time) -> AsyncGenerator[Services]:
    """A Redis, and a process that serves and works over it: all of it ends with the context."""
    async with EmbeddedRedis(folder / "redis") as url:
        settings: dict[str, Any] = {
            "redis_url": url, "data_dir": folder, "embeddings": "none", "approval_deadline_seconds": 5 * DAY_S,
        }  # fmt: skip
        async with opened(Settings(**settings), config=PROJECT, clock=clock) as services, working(services, 1):
            yield services


async def test_nobodys_answer_within_five_days_is_a_rejection(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Redis, server and worker are all restarted again and again: it waits four days, and is rejected after five."""
    monkeypatch.setenv("APPROVING_FILE", str(tmp_path / "sent.txt"))
    clock = Time()
    text = json.dumps({"calls": [{"to": "ada"}]})
    async with _everything(tmp_path, clock) as services:
        run = await ended(services, await submit(services, "per_call", input=_plain(text)["input"]))
        thread_id = run.request.thread_id
        [opened_] = await services.desk.approvals.of_thread(thread_id)
    for _ in range(4):
        clock.now += DAY_S
        async with _everything(tmp_path, clock) as services:
            await services.attending.once()
            assert list((await services.desk.approvals.page(state="open", limit=9)).approvals) == [opened_]
            assert (await services.threads.get(thread_id)).status == "interrupted"
    clock.now += DAY_S + 1
    async with _everything(tmp_path, clock) as services:
        await services.attending.once()

        async def rests() -> bool:
            return (await services.threads.get(thread_id)).status == "idle"

        await wait_until(rests, description="the agent heard of it")
        [after] = await services.desk.approvals.of_thread(thread_id)
        assert (after.state, after.by and after.by.actor) == ("expired", "deadline")
        assert (after.asked, after.created_at) == (opened_.asked, opened_.created_at)
        assert after.deadline_at is not None
        assert after.reason == f"nobody decided before {after.deadline_at}"
        async with services.graphs.open("per_call") as graph:
            said = (await graph.aget_state({"configurable": {"thread_id": thread_id}})).values["messages"][-1].text
        assert "nobody decided before" in said
        await services.attending.once()
        entries = await services.journal.read()
    assert [one.event for one in entries] == ["opened", "expired"]
    assert not (tmp_path / "sent.txt").exists()


async def test_a_restart_of_everything_changes_no_approval(redis_url: str, tmp_path: Path) -> None:
    """What was asked before is asked after it, word for word, and is decided as if nothing had happened.

    Where a key is needed, the record says that who decided had it.
    """
    tenant, key = f"restart-{name()}", "the-key-of-this-desk"
    again = {"tenant": tenant, "MOTET_AUTH": key}
    async with serving_asking(redis_url, tmp_path, **again) as running, asking(running, tmp_path, key=key) as desk:
        to, thread_id, found = await desk.letter()
        await running.stop()
    async with serving_asking(redis_url, tmp_path, **again) as running, asking(running, tmp_path, key=key) as desk:
        assert await desk.one(thread_id) == found
        after = await desk.decided(found, "approve")
        assert after["by"] == {"actor": "ada", "verified_as": "api-key"}
        assert f"sent to {to}" in await desk.said(thread_id)
        assert desk.sent(to) == [f"{to} 1"]
        desk.http.headers["x-api-key"] = "another"
        assert (await desk.http.get("/approvals")).status_code == 401
        assert (await desk.decide(found, "approve")).status_code == 401
