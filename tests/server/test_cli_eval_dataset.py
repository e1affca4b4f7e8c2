"""`motet eval dataset`: from runs and files to versions, and back; nothing half done."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio
from tests.server.asking import Asking
from tests.server.running import environment
from tests.server.typing_person import without_terminal

Env = Mapping[str, str]


@pytest.fixture
def env(redis_url: str, tmp_path: Path) -> Env:
    """The environment that `server` runs in."""
    return environment(tmp_path, {"MOTET_REDIS_URL": redis_url, "MOTET_TENANT": "served"})


@pytest_asyncio.fixture
async def name(env: Env) -> AsyncGenerator[str]:
    """A dataset of this test's own; it's forgotten if it is there at the end."""
    name = f"of-a-test-{uuid4().hex[:8]}"
    yield name
    await without_terminal("eval", "dataset", "delete", name, "--yes", env=env)


async def echoed(client: Any, text: str) -> str:
    """A run that said `text` again."""
    thread_id = (await client.threads.create())["thread_id"]
    messages = {"messages": [{"role": "user", "content": text}]}
    run = await client.runs.create(thread_id, "echo", input=messages)
    await client.runs.join(thread_id, run["run_id"])
    return run["run_id"]


async def did(env: Env, *arguments: str) -> str:
    """What the command says when it does what it is told."""
    code, said, complained = await without_terminal("eval", "dataset", *arguments, env=env)
    assert code == 0, complained
    return said


async def refused(env: Env, *arguments: str) -> str:
    """What the command complains of; it says nothing else."""
    code, said, complained = await without_terminal("eval", "dataset", *arguments, env=env)
    assert (code, said) == (1, ""), complained
    return complained


async def exported(env: Env, name: str, *options: str) -> list[dict[str, Any]]:
    """The examples of a version."""
    return [json.loads(line) for line in (await did(env, "export", name, *options)).splitlines()]


async def test_runs_become_examples(client: Any, env: Env, name: str) -> None:
    """With what was asked and answered; one that is added again takes its own place, and the version is the same."""
    runs = [await echoed(client, text) for text in ("one two", "three")]
    first = json.loads(await did(env, "add", name, runs[0], "--tag", "a", "--split", "test", "--json"))
    second = json.loads(await did(env, "add", name, runs[1][:13], "--tag", "b", "--note", "more", "--json"))
    again = json.loads(await did(env, "add", name, runs[0], "--tag", "a", "--split", "test", "--json"))
    assert (first["examples"], second["examples"], second["note"]) == (1, 2, "more")
    assert again["version"] == second["version"]
    one, other = await exported(env, name)
    assert one["example_id"] == one["provenance"]["run_id"] == runs[0]
    assert one["input"]["messages"][0]["content"] == "one two"
    assert "one two" in one["reference"]
    assert (one["tags"], one["split"], other["tags"], "split" in other) == (["a"], "test", ["b"], False)
    assert await exported(env, name, "--version", first["version"][:6]) == [one]


async def test_what_a_person_decided_is_added_with_the_run(
    desk: Asking, redis_url: str, tmp_path: Path, name: str
) -> None:
    """The answers, in the form in which runs take them; whichever of the runs is named."""
    env = environment(tmp_path, {"MOTET_REDIS_URL": redis_url, "MOTET_TENANT": desk.tenant})
    _, thread_id, approval = await desk.letter()
    await desk.decided(approval, "approve")
    await desk.rests(thread_id)
    runs = [one["run_id"] for one in (await desk.http.get(f"/threads/{thread_id}/runs")).json()]
    try:
        await did(env, "add", name, runs[0])
        await did(env, "add", name, runs[1])
        [found] = await exported(env, name)
    finally:
        await without_terminal("eval", "dataset", "delete", name, "--yes", env=env)
    assert found["example_id"] in runs
    assert found["answers"] == [{"type": "approve"}]


async def test_personal_data_is_refused_unless_told(client: Any, env: Env, name: str) -> None:
    """None of the runs is added, and the error does not repeat it; it may be taken out or allowed, or skipped."""
    clean, personal = await echoed(client, "hello"), await echoed(client, "I am ada@example.org")
    complained = await refused(env, "add", name, clean, personal)
    assert "input.messages.0.content: email" in complained
    assert "ada" not in complained
    assert "not found" in await refused(env, "show", name)
    skipped = json.loads(await did(env, "add", name, clean, personal, "--skip", "--json"))
    assert (skipped["examples"], list(skipped["skipped"])) == (1, [personal])
    await did(env, "add", name, personal, "--redact")
    assert (await exported(env, name))[1]["input"]["messages"][0]["content"] == "I am [REDACTED_EMAIL]"
    await did(env, "add", name, personal, "--allow", "email")
    assert (await exported(env, name))[1]["input"]["messages"][0]["content"] == "I am ada@example.org"
    assert "allow: 'mail' is not allowed" in await refused(env, "add", name, personal, "--allow", "mail")


async def test_a_run_that_is_not_there_is_named(client: Any, env: Env, name: str) -> None:
    """And nothing of the others is added; with --skip, something must be left."""
    run = await echoed(client, "hello")
    assert "nowhere" in await refused(env, "add", name, run, "nowhere")
    assert "at least one run that can be added" in await refused(env, "add", name, "nowhere", "--skip")
    assert "not found" in await refused(env, "show", name)


async def test_a_file_goes_in_and_comes_out(env: Env, name: str, tmp_path: Path) -> None:
    """As JSON lines and as a table: the same version, whatever it went through; a broken one changes nothing."""
    table, lines, again = (tmp_path / one for one in ("a.csv", "b.jsonl", "c.csv"))
    table.write_text("question,reference,tags,split,group\n1+1?,2,sum;easy,test,g\n1+2?,3,sum,,g\n")
    first = json.loads(await did(env, "import", name, str(table), "--json"))
    assert (first["examples"], first["note"]) == (2, "from a.csv")
    for path in (lines, again):
        assert f"Exported: {path}" in await did(env, "export", name, str(path))
        assert json.loads(await did(env, "import", name, str(path), "--json"))["version"] == first["version"]
    table.write_text("question,answer\n1+1?,2\n")
    assert "a.csv, line 1: 'answer' is not allowed; allowed: example_id" in await refused(
        env, "import", name, str(table)
    )
    assert "ends in .jsonl or .csv" in await refused(env, "export", name, "a.xlsx")
    shown = json.loads(await did(env, "show", name, "--json"))
    assert (shown["version"], shown["clusters"], len(shown["versions"])) == (first["version"], 1, 1)
    assert (shown["splits"], shown["tags"]) == ({"": 1, "test": 1}, {"easy": 1, "sum": 2})
    said = await did(env, "show", name)
    assert "Splits: (none) 1, test 1" in said
    assert "Tags: easy 1, sum 2" in said


async def test_versions_are_compared(env: Env, name: str, tmp_path: Path) -> None:
    """What is new, gone and another; by the newest unless told otherwise."""
    path = tmp_path / "a.csv"
    path.write_text("example_id,question,reference\na,1?,1\nb,2?,2\nc,3?,3\n")
    first = json.loads(await did(env, "import", name, str(path), "--json"))["version"]
    path.write_text("example_id,question,reference\na,1?,1\nb,2?,two\nd,4?,4\n")
    second = json.loads(await did(env, "import", name, str(path), "--json"))["version"]
    said = await did(env, "diff", name, first)
    assert said.splitlines() == ["+ d", "- c", "~ b: reference", "1 added, 1 removed, 1 changed, 1 the same"]
    told = json.loads(await did(env, "diff", name, second[:8], first[:8], "--json"))
    assert (told["before"], told["after"]) == (second, first)
    assert (told["added"], told["removed"], told["changed"]) == (["c"], ["d"], {"b": ["reference"]})


async def test_datasets_are_listed_and_forgotten(env: Env, name: str, tmp_path: Path) -> None:
    """Nobody is there to say yes: then it must be told."""
    path = tmp_path / "a.jsonl"
    path.write_text('{"input":{}}\n')
    kept = await did(env, "import", name, str(path), "--note", "by hand")
    assert kept.startswith(f"{name}: version ")
    assert kept.endswith(", 1 example\n")
    [listed] = [one for one in map(json.loads, (await did(env, "list", "--json")).splitlines()) if one["name"] == name]
    assert (listed["examples"], listed["note"]) == (1, "by hand")
    assert name in await did(env, "list")
    code, _, asked = await without_terminal("eval", "dataset", "delete", name, env=env)
    assert code != 0
    assert f"Forget dataset {name} with 1 version?" in asked
    await did(env, "delete", name, "--yes")
    assert name not in await did(env, "list", "--json")
    assert "not found" in await refused(env, "delete", name, "--yes")
