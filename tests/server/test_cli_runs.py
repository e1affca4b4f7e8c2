"""`motet runs`: what whoever is on call sees of runs and does to them, with no server alive."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio
from tests.memory.life import Life
from tests.server import on_call
from tests.server.on_call import living
from tests.server.running import environment
from tests.server.typing_person import at_terminal, without_terminal
from tests.support import free_port

from motet.memory.ports import Ending, Run
from motet.memory.redis.keys import Keys

SECRET = "sk-abcdefghijklmnop1234567890"
"""Made up; must be seen nowhere."""


@pytest_asyncio.fixture
async def life(redis_url: str, keys: Keys) -> AsyncGenerator[Life]:
    """The adapters of a tenant of the test's own."""
    async with living(redis_url, keys.tenant) as life:
        yield life


@pytest.fixture
def env(redis_url: str, keys: Keys, tmp_path: Path) -> Mapping[str, str]:
    """The environment of the commands."""
    return environment(tmp_path, {"MOTET_REDIS_URL": redis_url, "MOTET_TENANT": keys.tenant})


async def motet(*arguments: str, env: Mapping[str, str]) -> tuple[int, str]:
    """Exit code and output of `motet runs ARGUMENTS`."""
    return await on_call.motet("runs", *arguments, env=env)


async def told(*arguments: str, env: Mapping[str, str]) -> tuple[int, list[dict[str, Any]]]:
    """Exit code and the objects of `motet runs ARGUMENTS --json`."""
    return await on_call.told("runs", *arguments, env=env)


async def failed(life: Life, **changes: Any) -> Run:
    """A run that ended with an error after two events."""
    run = await life.submit(await life.thread(), **changes)
    claimed = await life.claim("host-1")
    events = [("metadata", b'{"run_id": "r"}'), ("updates", json.dumps({"node": {"token": SECRET}}).encode())]
    await life.runs.append(claimed.claim, events)
    await life.runs.finish(claimed.claim, Ending(status="error", error={"error": "ValueError", "message": "no column"}))
    return run


async def test_runs_are_listed_newest_first(life: Life, env: Mapping[str, str]) -> None:
    """Status, attempt and error of each; --status, --thread and --limit leave out the others."""
    first = await failed(life)
    thread_id = await life.thread()
    second = await life.submit(thread_id)
    third = await life.submit(thread_id)
    ids = [run.request.run_id for run in (third, second, first)]

    code, rows = await told("list", env=env)
    assert code == 0
    assert [row["run_id"] for row in rows] == ids
    assert [row["status"] for row in rows] == ["pending", "pending", "error"]
    assert rows[2]["error"] == {"error": "ValueError", "message": "no column"}
    assert rows[2]["took_s"] >= 0
    assert rows[0]["took_s"] is None

    for arguments, expected in (
        (("--status", "error"), ids[2:]),
        (("--thread", thread_id[:13]), ids[:2]),
        (("--limit", "1"), ids[:1]),
    ):
        _, rows = await told("list", *arguments, env=env)
        assert [row["run_id"] for row in rows] == expected

    _, said = await motet("list", env=env)
    assert "ValueError: no column" in said
    assert all(run_id in said for run_id in ids)


async def test_a_terminal_shows_ids_as_short_as_they_can_be_typed(life: Life, env: Mapping[str, str]) -> None:
    """What stands in the list's first column is accepted as the run's id."""
    alike = str(uuid4())[:20]
    runs = [await failed(life, run_id=f"{alike}{end}-0123456789ab"[:36]) for end in ("aa", "bb")]
    async with at_terminal("runs", "list", env=env) as person:
        await person.sees("error")
        assert await person.leaves() == 0
    shown = [line.split()[0] for line in person.screen.splitlines() if " error" in line and line.startswith(alike)]

    assert shown == [run.request.run_id[:21] for run in reversed(runs)]
    code, [found] = await told("show", shown[0], env=env)
    assert (code, found["run_id"]) == (0, runs[1].request.run_id)


async def test_an_ambiguous_beginning_names_the_runs(life: Life, env: Mapping[str, str]) -> None:
    """Exit code 2, and which runs begin so."""
    runs = [await failed(life, run_id=f"abcdef12-{end}") for end in ("one", "two")]
    code, said = await motet("show", "abcdef12", env=env)

    assert code == 2
    assert all(run.request.run_id in said for run in runs)


async def test_a_run_is_shown_without_secrets(life: Life, env: Mapping[str, str]) -> None:
    """Request, error, attempts, worker and number of events; keys by name and by shape are masked."""
    payload = {"input": {"question": f"Is {SECRET} valid?", "api_key": "hunter2hunter2"}, "modes": ["values"]}
    run = await failed(life, payload=payload, graph_id="analyst")
    code, said = await motet("show", run.request.run_id, env=env)

    assert code == 0
    for words in ("ValueError: no column", "host-1", "analyst", "[redacted]", "enqueue", run.request.thread_id):
        assert words in said
    _, [found] = await told("show", run.request.run_id, env=env)
    assert (found["attempt"], found["worker"], found["events"]) == (1, "host-1", 3)
    assert SECRET not in said + json.dumps(found)
    assert "hunter2" not in said + json.dumps(found)


async def test_a_queued_run_says_what_it_waits_for(life: Life, env: Mapping[str, str]) -> None:
    """The run before it and its worker's lease; a question that nobody answered; no worker."""
    thread_id = await life.thread()
    active, queued = await life.submit(thread_id), await life.submit(thread_id)

    _, [found] = await told("show", active.request.run_id, env=env)
    assert found["why"] == "it may start: no worker has taken it yet"
    claimed = await life.claim("host-1")
    _, [found] = await told("show", active.request.run_id, env=env)
    assert found["why"].startswith("on worker host-1, lease 2")
    assert 20 < found["lease_left_s"] <= 30
    _, [found] = await told("show", queued.request.run_id, env=env)
    assert found["why"].startswith(f"2nd in the queue: its thread works on run {active.request.run_id}, running for")
    await life.interrupt(claimed, "i1")
    _, [found] = await told("show", queued.request.run_id, env=env)
    assert found["why"] == "1st in the queue: a person must answer interrupt i1 first"
    _, [found] = await told("show", active.request.run_id, env=env)
    assert found["why"] == f"a person must answer interrupt i1: motet inbox show {thread_id}"


async def test_watching_a_run_shows_its_events_and_how_it_ended(life: Life, env: Mapping[str, str]) -> None:
    """Exit code 1 for an error, 0 for success, 3 for a question; secrets are masked."""
    run = await failed(life)
    code, said = await motet("watch", run.request.run_id, env=env)

    assert code == 1
    assert '{"node": {"token": "[redacted]"}}' in said
    assert "ended: error  ValueError: no column" in said
    assert "__end__" not in said

    done = await life.submit(await life.thread())
    await life.succeed(await life.claim())
    code, events = await told("watch", done.request.run_id, env=env)
    assert (code, events) == (0, [{"status": "success", "waits": False, "cancelled": False, "error": None}])

    await life.ask("i1")
    [asked] = await life.runs.recent(limit=1)
    code, said = await motet("watch", asked.request.run_id, env=env)
    assert (code, "waits for a person" in said) == (3, True)


async def test_a_run_is_watched_while_it_goes(life: Life, env: Mapping[str, str]) -> None:
    """Events appear as they come, before the run ends."""
    run = await life.submit(await life.thread())
    async with at_terminal("runs", "watch", run.request.run_id, env=env) as person:
        await person.sees("no worker has taken it yet")
        claimed = await life.claim()
        await life.runs.append(claimed.claim, [("custom", b'{"progress": 0.4}')])
        await person.sees('{"progress": 0.4}')
        await life.succeed(claimed)
        await person.sees("ended: success")
        assert await person.leaves() == 0


async def test_all_that_has_not_ended_is_watched_in_a_table(life: Life, env: Mapping[str, str]) -> None:
    """The table follows what happens; Ctrl-C ends it, exit code 0."""
    run = await life.submit(await life.thread())
    async with at_terminal("runs", "watch", env=env) as person:
        await person.sees(run.request.run_id[:8])
        await person.sees("it may start")
        claimed = await life.claim("host-1")
        await person.sees("on worker host-1")
        await life.succeed(claimed)
        await person.sees("No run that hasn't ended.")
        person.presses_ctrl_c()
        assert await person.leaves() == 0


async def test_a_run_is_cancelled(life: Life, env: Mapping[str, str]) -> None:
    """A queued run ends at once; one that has ended says so, one that nobody knows too: exit code 1."""
    run = await life.submit(await life.thread())
    code, said = await motet("cancel", run.request.run_id[:13], env=env)
    assert (code, said.startswith("cancelled:")) == (0, True)
    ended = await life.runs.get(run.request.thread_id, run.request.run_id)
    assert ended.status == "interrupted"

    code, said = await motet("cancel", run.request.run_id, env=env)
    assert (code, said.strip()) == (1, f"motet: Run {run.request.run_id} has ended already: interrupted")
    unknown = str(uuid4())
    code, said = await motet("cancel", unknown, env=env)
    assert (code, said.strip()) == (1, f"motet: Run with ID {unknown} not found")


async def test_a_run_at_work_is_told_to_end(life: Life, env: Mapping[str, str]) -> None:
    """--no-wait returns at once, and its worker hears of it; a worker that doesn't listen is told after the wait."""
    run = await life.submit(await life.thread())
    claimed = await life.claim("deaf")
    code, [outcome] = await told("cancel", run.request.run_id, "--rollback", "--no-wait", env=env)

    assert code == 0
    assert (outcome["ended"], outcome["action"]) == (False, "rollback")
    assert await life.runs.beat(claimed.claim) == "rollback"
    brief = {"MOTET_LEASE_SECONDS": "0.3", "MOTET_HEARTBEAT_SECONDS": "0.1", "MOTET_SWEEP_SECONDS": "0.1"}
    code, said = await motet("cancel", run.request.run_id, env={**env, **brief})
    assert (code, "hasn't" in said) == (1, True)


async def test_a_failed_run_is_tried_again(life: Life, env: Mapping[str, str]) -> None:
    """The new run has the same request on the same thread, goes on where the old one stopped, and waits its turn."""
    old = await failed(life, payload={"input": {"n": 7}}, multitask="reject", traceparent="00-aa-bb-01")
    code, said = await motet("retry", old.request.run_id, env=env)

    assert code == 0
    new = (await life.runs.get(old.request.thread_id, said.strip())).request
    assert (new.retry_of, new.multitask, new.traceparent) == (old.request.run_id, "enqueue", "")
    assert new.payload == {"input": {"n": 7}}


async def test_a_retry_can_be_waited_for(life: Life, env: Mapping[str, str]) -> None:
    """--wait tells how the new run ended, by its exit code too."""
    old = await failed(life)
    async with at_terminal("runs", "retry", old.request.run_id, "--wait", env=env) as person:
        claimed = await life.claim(wait_s=20)
        assert claimed.request.retry_of == old.request.run_id
        await life.succeed(claimed)
        await person.sees("ended: success")
        assert await person.leaves() == 0


async def test_a_stateless_run_is_tried_again_on_a_thread_of_its_own(life: Life, env: Mapping[str, str]) -> None:
    """Its thread went with it; the new run has another, and is found by its id alone."""
    run_id = str(uuid4())
    request = life.request(run_id, run_id=run_id, temporary=True)
    await life.runs.create(request, new_thread={})
    claimed = await life.claim()
    await life.runs.finish(claimed.claim, Ending(status="timeout", error={"error": "TimeoutError", "message": "10 s"}))
    await life.redis.delete(life.keys.recent())

    code, [new] = await told("retry", run_id, env=env)
    assert (code, new["thread_id"]) == (0, new["run_id"])


@pytest.mark.parametrize(("how", "words"), [("success", "'success' is not allowed"), ("pending", "has not ended")])
async def test_what_is_not_to_be_tried_again_is_refused(
    life: Life, env: Mapping[str, str], how: str, words: str
) -> None:
    """A run that ended well or hasn't ended: exit code 1, and nothing is accepted."""
    run = await life.submit(await life.thread())
    if how == "success":
        await life.succeed(await life.claim())
    code, said = await motet("retry", run.request.run_id, env=env)

    assert code == 1
    assert words in said
    assert len(await life.runs.recent(limit=10)) == 1


async def test_a_question_is_answered_and_not_tried_again(life: Life, env: Mapping[str, str]) -> None:
    """A run that waits for a person says which interrupt; cancelled, it can be tried again."""
    await life.ask("i1")
    [run] = await life.runs.recent(limit=1)
    code, said = await motet("retry", run.request.run_id, env=env)
    assert (code, "waits for a decision on interrupt i1" in said) == (1, True)

    assert (await motet("cancel", run.request.run_id, env=env))[0] == 0
    assert (await motet("retry", run.request.run_id, env=env))[0] == 0


async def test_without_redis_the_exit_code_is_4(env: Mapping[str, str]) -> None:
    """A line says that it can't be reached."""
    gone = {**env, "MOTET_REDIS_URL": f"redis://127.0.0.1:{free_port()}"}
    code, _, complained = await without_terminal("runs", "list", env=gone, fresh=True)

    assert code == 4
    assert "is not available" in complained
