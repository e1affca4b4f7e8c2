"""`motet doctor` on runs: what doesn't go on is found, explained, and what it advises helps."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio
from tests.memory.life import Life
from tests.server.on_call import living, motet, told
from tests.server.running import environment

from motet.memory.ports import Run
from motet.memory.redis.keys import Keys
from motet.server.diagnosis import clocks


@pytest_asyncio.fixture
async def life(redis_url: str, keys: Keys) -> AsyncGenerator[Life]:
    """The adapters of a tenant of the test's own."""
    async with living(redis_url, keys.tenant) as life:
        yield life


@pytest.fixture
def env(redis_url: str, keys: Keys, tmp_path: Path) -> Mapping[str, str]:
    """The environment of the commands; sweeps are so frequent that nothing is given time to repair itself."""
    ours = {"MOTET_REDIS_URL": redis_url, "MOTET_TENANT": keys.tenant, "MOTET_SWEEP_SECONDS": "0.001"}
    return environment(tmp_path, ours)


async def found(env: Mapping[str, str]) -> tuple[int, list[dict[str, Any]]]:
    """Exit code, and what the doctor says of runs."""
    code, checks = await told("doctor", env=env)
    return code, [one for one in checks if one["about"] == "runs"]


async def only(env: Mapping[str, str], level: str) -> dict[str, Any]:
    """The one thing that is wrong; its exit code must fit, and a person must read the same."""
    code, [one, summary] = await found(env)
    assert (code, one["level"], summary["level"]) == (1 if level == "error" else 0, level, "ok")
    assert all((one["what"], one["why"], one["advice"]))
    _, said = await motet("doctor", env=env)
    assert all(word in said for word in one["advice"].split())
    return one


async def change(life: Life, run: Run, **fields: str | int) -> None:
    """Others write into a run's record."""
    request = run.request
    await life.redis.hset(
        life.keys.run(request.thread_id, request.run_id), mapping={name: str(value) for name, value in fields.items()}
    )


async def test_a_quiet_installation_is_well(life: Life, env: Mapping[str, str]) -> None:
    """Runs that ended, or that a worker holds, are no findings; nor is a question that holds up nobody."""
    await life.ask("i1")
    _, [one] = await found(env)
    assert (one["level"], one["what"]) == ("ok", "none that hasn't ended")

    thread_id = await life.thread()
    await life.submit(thread_id)
    await life.submit(thread_id)
    await life.claim("host-1")
    code, [one] = await found(env)
    assert (code, one["level"], one["what"]) == (0, "ok", "1 run at work on 1 worker, 1 pending")


async def test_a_thread_busy_with_a_run_that_is_gone(life: Life, env: Mapping[str, str]) -> None:
    """It is found even when no run waits behind it and the sweeper has forgotten it."""
    run = await life.submit(await life.thread())
    await life.redis.delete(life.keys.run(run.request.thread_id, run.request.run_id), life.keys.active())
    one = await only(env, "error")

    assert (one["thread_id"], one["run_id"]) == (run.request.thread_id, run.request.run_id)
    assert "which doesn't exist" in one["what"]
    await life.threads.delete(run.request.thread_id)
    assert (await found(env))[0] == 0


async def test_a_thread_busy_with_a_run_that_has_ended(life: Life, env: Mapping[str, str]) -> None:
    """Runs behind it are counted."""
    thread_id = await life.thread()
    run = await life.submit(thread_id)
    await life.submit(thread_id)
    await change(life, run, status="success")
    one = await only(env, "error")

    assert one["what"].endswith(f"is busy with run {run.request.run_id}, which has ended (success); 1 run behind it")


async def test_a_lease_that_ran_out_and_that_nobody_sweeps(life: Life, env: Mapping[str, str]) -> None:
    """No server or worker lives; while a sweep may still come it isn't told."""
    run = await life.submit(await life.thread())
    await life.claim("host-dead")
    await change(life, run, deadline_ms=int(time.time() * 1000) - 2_000)
    one = await only(env, "error")

    assert f"run {run.request.run_id} is held by worker host-dead, whose lease ran out 2." in one["what"]
    assert (await found({**env, "MOTET_SWEEP_SECONDS": "5"}))[0] == 0


async def test_a_ready_run_that_nobody_takes(life: Life, env: Mapping[str, str]) -> None:
    """No worker shows a sign of life: an error. Some hold runs: all of them are busy, a warning."""
    first, second = [await life.submit(await life.thread()) for _ in range(2)]
    one = await only(env, "error")
    assert one["what"].startswith(f"2 runs may start and no worker takes them, the first ({first.request.run_id})")
    assert "none lives" in one["why"]

    claimed = await life.claim("host-1")
    one = await only(env, "warning")
    assert {one["run_id"], claimed.claim.run_id} == {first.request.run_id, second.request.run_id}
    assert one["why"].startswith("1 run at work on 1 worker")


async def test_a_ready_run_that_no_worker_would_find(life: Life, env: Mapping[str, str]) -> None:
    """Its hint is lost, and no sweep makes it again."""
    run = await life.submit(await life.thread())
    await life.redis.delete(life.keys.ready())
    one = await only(env, "error")

    assert one["what"].startswith(f"run {run.request.run_id} may start for")
    await life.runs.sweep()
    assert "no worker would find it" not in str(await found(env))


async def test_runs_queued_on_a_thread_that_does_nothing(life: Life, env: Mapping[str, str]) -> None:
    """Trying the first again, as advised, starts the others."""
    thread_id = await life.thread()
    first, second = await life.submit(thread_id), await life.submit(thread_id)
    await life.redis.hset(life.keys.thread(thread_id), mapping={"active": "", "status": "idle"})
    one = await only(env, "error")
    assert one["what"] == f"thread {thread_id} is idle, and holds up 2 runs, the first {first.request.run_id}"

    assert (await motet("runs", "cancel", first.request.run_id, env=env))[0] == 0
    assert (await motet("runs", "retry", first.request.run_id, env=env))[0] == 0
    await life.runs.sweep()
    assert (await life.claim()).claim.run_id == second.request.run_id


async def test_a_question_that_holds_runs_up_for_long(life: Life, env: Mapping[str, str]) -> None:
    """A warning after a quarter of an hour, not before; withdrawing the question, as advised, starts them."""
    thread_id = await life.thread()
    await life.submit(thread_id)
    queued = await life.submit(thread_id)
    await life.interrupt(await life.claim(), "i1")
    code, [summary] = await found(env)
    assert (code, summary["what"]) == (0, "0 runs at work, 1 pending")

    an_hour_ago = int((time.time() - 3600) * 1e6)
    await life.redis.hset(life.keys.thread(thread_id), "updated_us", str(an_hour_ago))
    one = await only(env, "warning")
    assert one["what"] == f"thread {thread_id} has waited for a person for 1 h; 1 run behind"
    assert (await motet("runs", "cancel", one["run_id"], env=env))[0] == 0
    assert (await life.claim()).claim.run_id == queued.request.run_id


async def test_a_run_that_nobody_knows(life: Life, env: Mapping[str, str]) -> None:
    """It is among those that haven't ended, and has no record: two sweeps forget it, as is said."""
    await life.redis.sadd(life.keys.active(), f"{uuid4()}|{uuid4()}")
    assert "has no record" in (await only(env, "warning"))["what"]

    await life.runs.sweep()
    await life.runs.sweep()
    assert (await found(env))[1][0]["what"] == "none that hasn't ended"


async def test_a_run_that_no_sweep_looks_at(life: Life, env: Mapping[str, str]) -> None:
    """Its thread is at work, and the list of runs that haven't ended doesn't have it."""
    run = await life.submit(await life.thread())
    await life.claim()
    await life.redis.delete(life.keys.active())

    assert f"run {run.request.run_id} is running, and no sweep looks at it" in (await only(env, "error"))["what"]


@pytest.mark.parametrize("gone", ["thread", "queue"])
async def test_a_run_whose_thread_or_queue_lost_it(life: Life, env: Mapping[str, str], gone: str) -> None:
    """It would be pending for ever; it can be cancelled, as advised."""
    thread_id = await life.thread()
    await life.submit(thread_id)
    run = await life.submit(thread_id)
    await life.claim()
    if gone == "queue":
        await life.redis.lrem(life.keys.queue(thread_id), 0, run.request.run_id)
    else:
        await life.redis.delete(life.keys.thread(thread_id))
    _, checks = await found(env)
    [one] = [one for one in checks if one["run_id"] == run.request.run_id]

    assert one["level"] == "error"
    assert ("never starts" if gone == "queue" else f"its thread {thread_id} doesn't exist") in one["what"]
    assert (await motet("runs", "cancel", run.request.run_id, env=env))[0] == 0
    assert run.request.run_id not in str((await found(env))[1])


async def test_of_many_alike_some_are_told(life: Life, env: Mapping[str, str]) -> None:
    """Five of a kind and how many more; all pages of the runs that haven't ended are read."""
    threads = [await life.thread() for _ in range(600)]
    await asyncio.gather(*(life.submit(thread_id) for thread_id in threads))
    async with life.redis.pipeline(transaction=False) as pipe:
        for thread_id in threads:
            pipe.hset(life.keys.thread(thread_id), mapping={"active": "", "status": "idle"})
        await pipe.execute()
    code, checks = await found(env)

    assert code == 1
    assert [one["what"] for one in checks[5:]] == ["595 more cases like this", "0 runs at work, 600 pending"]


async def test_one_thread_is_explained(life: Life, env: Mapping[str, str]) -> None:
    """What it does and what waits, also when nothing is wrong; by its id or how it begins."""
    thread_id = await life.thread()
    run = await life.submit(thread_id)
    await life.submit(thread_id)
    claimed = await life.claim("host-1")
    code, said = await motet("doctor", "--thread", thread_id[:8], env=env)
    line = " ".join(said.split())
    assert code == 0
    assert line.startswith(f"✓ busy: run {run.request.run_id}, running for ")
    assert "on worker host-1, lease 2" in line
    assert line.endswith("left; 1 run queued")

    await life.interrupt(claimed, "i1")
    code, [one] = await told("doctor", "--thread", thread_id, env=env)
    assert (code, one["level"]) == (0, "ok")
    assert one["what"].startswith("interrupted: interrupt i1 has waited for a person for")
    assert one["advice"] == f"answer it: motet inbox show {thread_id}, or motet chat --thread {thread_id}"

    idle = await life.thread()
    _, [one] = await told("doctor", "--thread", idle, env=env)
    assert one["what"] == "idle: nothing works on it"


async def test_an_unknown_thread_is_named(env: Mapping[str, str]) -> None:
    """One line, exit code 1."""
    unknown = str(uuid4())
    code, said = await motet("doctor", "--thread", unknown, env=env)

    assert (code, said) == (1, f"motet: Thread with ID {unknown} not found")


@pytest.mark.parametrize(("ahead", "level"), [(0.4, "ok"), (-0.4, "ok"), (2.5, "warning"), (-90.0, "warning")])
def test_clocks_that_differ_are_told(ahead: float, level: str) -> None:
    """From a second on; nothing breaks by it, and that is said."""
    check = clocks(ahead)

    assert check.level == level
    assert ("so nothing breaks" in check.why) == (level == "warning")
