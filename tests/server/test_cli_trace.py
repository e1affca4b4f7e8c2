"""`motet trace`: what runs did, shown, followed, searched and exported."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from redis.asyncio import Redis
from tests.server.asking import Asking
from tests.server.running import environment
from tests.server.typing_person import at_terminal, without_terminal
from tests.support import wait_until

from motet.memory.redis.keys import Keys
from motet.memory.redis.trajectories import RedisTrajectories
from motet.observability.trajectory import file
from motet.observability.trajectory.record import Batch
from motet.observability.trajectory.records import RunStarted, encode
from motet.server.operating import operating
from motet.server.settings import Settings
from motet.server.trajectory_tail import of_thread


@pytest.fixture
def env(redis_url: str, tmp_path: Path) -> Mapping[str, str]:
    """The environment that `server` runs in."""
    return environment(tmp_path, {"MOTET_REDIS_URL": redis_url, "MOTET_TENANT": "served"})


async def ended_run(client: Any, graph: str, thread_id: str = "", given: Any = None) -> str:
    """A run of `graph` that has ended, on a thread of its own unless one is named."""
    thread_id = thread_id or (await client.threads.create())["thread_id"]
    run = await client.runs.create(thread_id, graph, input=given or {})
    await client.runs.join(thread_id, run["run_id"])
    return run["run_id"]


async def test_a_run_is_drawn(client: Any, env: Mapping[str, str]) -> None:
    """Nodes stand below the run, with times and outcomes."""
    code, said, _ = await without_terminal("trace", "show", await ended_run(client, "nested"), env=env)

    assert code == 0
    assert "✓ nested" in said
    assert said.index("✓ child") < said.index("✓ inner")
    assert "took" in said


async def test_a_question_is_drawn(client: Any, env: Mapping[str, str]) -> None:
    """A run that waits shows what it asked."""
    code, said, _ = await without_terminal("trace", "show", await ended_run(client, "ask"), env=env)

    assert code == 0
    assert "asked: send_mail: Send a mail." in said


async def test_a_failure_is_drawn(client: Any, env: Mapping[str, str]) -> None:
    """A run that failed shows where and why."""
    code, said, _ = await without_terminal("trace", "show", await ended_run(client, "boom"), env=env)

    assert code == 0
    assert "✗ boom" in said
    assert "boom happened" in said


async def test_machines_get_the_whole_tree(client: Any, env: Mapping[str, str]) -> None:
    """--json gives one object with all that is known."""
    run_id = await ended_run(client, "nested")
    code, said, _ = await without_terminal("trace", "show", run_id, "--json", env=env, fresh=True)
    tree = json.loads(said)

    assert code == 0
    assert (tree["kind"], tree["name"], tree["outcome"]) == ("run", "nested", "ok")
    assert tree["detail"]["run_id"] == run_id
    assert [child["name"] for child in tree["children"]] == ["child"]


async def test_an_unknown_run_is_named(env: Mapping[str, str]) -> None:
    """There is no trajectory: one line, exit code 1."""
    unknown = str(uuid4())
    code, _, complained = await without_terminal("trace", "show", unknown, env=env)

    assert code == 1
    assert complained.strip() == f"motet: Run with ID {unknown} not found"


async def test_a_terminal_gets_a_time_axis(client: Any, env: Mapping[str, str]) -> None:
    """On a terminal each part has a bar; it is as wide as the terminal."""
    async with at_terminal("trace", "show", await ended_run(client, "nested"), env=env) as person:
        await person.sees("0 s ──")
        await person.sees("✓ child@")
        await person.sees("━")
        code = await person.leaves()

    assert code == 0
    assert max(map(len, person.screen.splitlines())) <= 100


async def test_a_run_and_its_answer_are_one_trajectory(client: Any, env: Mapping[str, str]) -> None:
    """The run that asked and the run that a person's answer began are drawn together, whichever is named."""
    thread_id = (await client.threads.create())["thread_id"]
    asks = await ended_run(client, "ask", thread_id)
    decision = {"resume": {"decisions": [{"type": "reject", "message": "no"}]}}
    answers = (await client.runs.create(thread_id, "ask", command=decision))["run_id"]
    await client.runs.join(thread_id, answers)

    _, said, _ = await without_terminal("trace", "show", asks, "--json", env=env)
    _, same, _ = await without_terminal("trace", "show", answers, "--json", env=env)
    tree = json.loads(said)

    assert tree["kind"] == "trajectory"
    assert [run["detail"]["run_id"] for run in tree["children"]] == [asks, answers]
    assert json.loads(same) == tree


async def test_a_run_is_followed_while_it_goes(client: Any, env: Mapping[str, str], redis: Redis) -> None:
    """What is recorded is told while the run goes on, and the command ends with the run, as the run did."""
    thread_id = (await client.threads.create())["thread_id"]
    run_id = (await client.runs.create(thread_id, "slow", input={}))["run_id"]
    began = RunStarted(
        run_id=run_id, index=0, at=datetime.now(UTC).isoformat(), graph_id="underway", thread_id=thread_id
    )
    batch = Batch(records=[encode(began)], contents={})
    assert await RedisTrajectories(redis, Keys("served")).append(thread_id, run_id, batch)
    async with at_terminal("trace", "tail", run_id, env=env) as person:
        await person.sees("▸ underway begins")
        assert (await client.runs.get(thread_id, run_id))["status"] == "running"
        await person.sees("✓ step@20")
        code = await person.leaves()

    assert "✓ ok" in person.screen
    assert code == 0


async def test_a_run_that_waits_says_so_by_its_exit_code(client: Any, env: Mapping[str, str]) -> None:
    """3, as `motet runs watch` does; machines get an object a line, with what was asked."""
    code, said, _ = await without_terminal("trace", "tail", await ended_run(client, "ask"), "--json", env=env)
    told = [json.loads(line) for line in said.splitlines()]

    assert code == 3
    assert told[0]["type"] == "run_started"
    assert next(one for one in told if one["type"] == "interrupted")["questions"][0]["value"]["action_requests"]


async def test_a_thread_is_followed_until_ctrl_c(client: Any, env: Mapping[str, str]) -> None:
    """Runs that begin later are followed too; those that had ended are not."""
    thread_id = (await client.threads.create())["thread_id"]
    before = await ended_run(client, "echo", thread_id, {"messages": [{"role": "user", "content": "before"}]})
    async with at_terminal("trace", "tail", "--thread", thread_id, env=env, fresh=True) as person:
        await person.sees("following thread")
        after = await ended_run(client, "nested", thread_id)
        await person.sees("nested begins")
        await person.sees("✓ ok")
        person.presses_ctrl_c()
        code = await person.leaves()

    assert code == 0
    assert f"{after[-4:]} " in person.screen
    assert f"{before[-4:]} " not in person.screen


async def test_a_thread_is_followed_before_it_is_said(redis: Redis, redis_url: str, keys: Keys, tmp_path: Path) -> None:
    """Who reads that a thread is followed misses no run that begins then: which were over before is known by then."""
    looked: list[str] = []

    class Trajectories(RedisTrajectories):
        async def runs(self, thread_id: str) -> Mapping[str, str]:
            found = await super().runs(thread_id)
            looked.append(thread_id)
            return found

    heard: list[int] = []
    settings = Settings.model_validate({"redis_url": redis_url, "tenant": keys.tenant, "data_dir": tmp_path})
    async with operating(settings) as here:
        seen = of_thread(replace(here, trajectories=Trajectories(redis, keys)), "t", lambda: heard.append(len(looked)))
        following = asyncio.create_task(anext(seen, None))
        await wait_until(lambda: bool(heard), description="the thread is followed")
        following.cancel()
        await asyncio.wait({following})

    assert heard == [1]


async def test_runs_are_found_by_what_was_said(client: Any, env: Mapping[str, str]) -> None:
    """In any case of letters, newest first, with the text around it and where it stands."""
    word = f"needle{uuid4().hex[:8]}"
    first, second = [
        await ended_run(client, "echo", "", {"messages": [{"role": "user", "content": f"find the {word} here"}]})
        for _ in range(2)
    ]
    code, said, complained = await without_terminal("trace", "search", word.upper(), "--json", env=env)
    found = [json.loads(line) for line in said.splitlines()]
    _, shown, told = await without_terminal("trace", "search", word, "--limit", "1", env=env)

    assert code == 0
    assert [one["run_id"] for one in found] == [second, first]
    assert any(f"the {word} here" in hit["snippet"] for hit in found[0]["hits"])
    assert complained == ""
    assert shown.startswith(f"✓ {second}  echo")
    assert "1 run found" in told
    assert "--limit is 1" in told


async def test_a_search_for_nothing_is_refused(env: Mapping[str, str]) -> None:
    """Neither a text nor an option: 2, with what there is."""
    code, _, complained = await without_terminal("trace", "search", env=env)

    assert code == 2
    assert "say what to look for" in complained


async def test_runs_are_found_by_how_they_ended(client: Any, env: Mapping[str, str]) -> None:
    """--outcome, --graph and --since together, without a text."""
    run_id = await ended_run(client, "boom")
    asked = ("trace", "search", "--graph", "boom", "--outcome", "error", "--since", "1h", "--json")
    _, said, _ = await without_terminal(*asked, env=env)
    found = [json.loads(line) for line in said.splitlines()]

    assert found[0]["run_id"] == run_id
    assert {(one["graph_id"], one["outcome"]) for one in found} == {("boom", "error")}


async def test_two_exports_to_one_file_leave_each_other_alone(
    client: Any, env: Mapping[str, str], tmp_path: Path
) -> None:
    """Each writes beside the file under a name of its own, and the file is whole whoever ends last."""
    run_id = await ended_run(client, "nested")
    whole, others = tmp_path / "run.jsonl", tmp_path / "run.jsonl.part"
    others.write_text("half of what another export writes")
    arguments = ("trace", "export", run_id, "--format", "jsonl", "-o", str(whole))
    ended = await asyncio.gather(*(without_terminal(*arguments, env=env) for _ in range(2)))

    assert [code for code, _, _ in ended] == [0, 0]
    assert file.parsed(whole.read_bytes(), "run.jsonl").run_ids == (run_id,)
    assert others.read_text() == "half of what another export writes"
    assert sorted(one.name for one in others.parent.glob("run*")) == ["run.jsonl", "run.jsonl.part"]


async def test_a_run_is_exported_and_shown_from_its_file(client: Any, env: Mapping[str, str], tmp_path: Path) -> None:
    """JSON lines that are read back whole; a file is shown without Redis."""
    run_id = await ended_run(client, "nested")
    whole = tmp_path / "run.jsonl"
    code, _, _ = await without_terminal("trace", "export", run_id, "--format", "jsonl", "-o", str(whole), env=env)
    nowhere = {**env, "MOTET_REDIS_URL": "redis://127.0.0.1:1"}
    shown, said, _ = await without_terminal("trace", "show", str(whole), env=nowhere)

    assert code == shown == 0
    assert list(file.read(whole).run_ids) == [run_id]
    assert "✓ child" in said
    assert not whole.with_name("run.jsonl.part").exists()


async def test_other_formats_go_to_standard_output(client: Any, env: Mapping[str, str]) -> None:
    """OTLP/JSON and ATIF, where no file is named; --content is for spans only."""
    run_id = await ended_run(client, "echo", "", {"messages": [{"role": "user", "content": "hello"}]})
    _, spans, _ = await without_terminal("trace", "export", run_id, "--format", "otlp", env=env)
    _, turns, _ = await without_terminal("trace", "export", run_id, "--format", "atif", env=env)
    code, _, complained = await without_terminal("trace", "export", run_id, "--format", "atif", "--content", env=env)

    names = [span["name"] for span in json.loads(spans)["resourceSpans"][0]["scopeSpans"][0]["spans"]]
    assert names[0] == "run echo"
    assert json.loads(turns)["schema_version"] == "ATIF-v1.7"
    assert code == 2
    assert "--format otlp" in complained


async def test_an_agent_that_asked_is_told_from_letter_to_decision(
    desk: Asking, redis_url: str, tmp_path: Path
) -> None:
    """Model, tool, question, who decided, and the effect: one trajectory, which is found by its tool."""
    env = environment(tmp_path, {"MOTET_REDIS_URL": redis_url, "MOTET_TENANT": desk.tenant})
    to, thread_id, approval = await desk.letter()
    await desk.decided(approval, "approve")
    await desk.rests(thread_id)
    found = await without_terminal("trace", "search", to, "--tool", "send", "--json", env=env)
    run_id = json.loads(found[1].splitlines()[0])["run_id"]

    code, said, _ = await without_terminal("trace", "show", run_id, env=env)
    _, exported, _ = await without_terminal("trace", "export", run_id, "--format", "atif", env=env)

    assert code == 0
    for part in ("2 runs of one trajectory", "‖ asks a person", "approve · ada", "✓ send tool", "asked: send(", to):
        assert part in said
    assert [step["source"] for step in json.loads(exported)["steps"]] == ["user", "agent", "system", "user", "agent"]
