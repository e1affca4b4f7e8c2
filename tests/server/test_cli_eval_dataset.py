"""`motet eval dataset`: from runs and files to versions, and back; nothing half done."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.server.asking import Asking
from tests.server.running import environment
from tests.server.typing_person import without_terminal

Env = Mapping[str, str]


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


def names_in(folder: Path) -> set[str]:
    """What lies there."""
    return {one.name for one in folder.iterdir()}


async def exported(env: Env, dataset: str, *options: str) -> list[dict[str, Any]]:
    """The examples of a version."""
    return [json.loads(line) for line in (await did(env, "export", dataset, *options)).splitlines()]


async def test_runs_become_examples(client: Any, env: Env, dataset: str) -> None:
    """With what was asked and answered; one that is added again takes its own place, and the version is the same."""
    runs = [await echoed(client, text) for text in ("one two", "three")]
    first = json.loads(await did(env, "add", dataset, runs[0], "--tag", "a", "--split", "test", "--json"))
    second = json.loads(await did(env, "add", dataset, runs[1][:13], "--tag", "b", "--note", "more", "--json"))
    again = json.loads(await did(env, "add", dataset, runs[0], "--tag", "a", "--split", "test", "--json"))
    assert (first["examples"], second["examples"], second["note"]) == (1, 2, "more")
    assert again["version"] == second["version"]
    one, other = await exported(env, dataset)
    assert one["example_id"] == one["provenance"]["run_id"] == runs[0]
    assert one["input"]["messages"][0]["content"] == "one two"
    assert "one two" in one["reference"]
    assert (one["tags"], one["split"], other["tags"], "split" in other) == (["a"], "test", ["b"], False)
    assert await exported(env, dataset, "--version", first["version"][:6]) == [one]


async def test_what_a_person_decided_is_added_with_the_run(
    desk: Asking, redis_url: str, tmp_path: Path, dataset: str
) -> None:
    """The answers, in the form in which runs take them; whichever of the runs is named."""
    env = environment(tmp_path, {"MOTET_REDIS_URL": redis_url, "MOTET_TENANT": desk.tenant})
    _, thread_id, approval = await desk.letter()
    await desk.decided(approval, "approve")
    await desk.rests(thread_id)
    runs = [one["run_id"] for one in (await desk.http.get(f"/threads/{thread_id}/runs")).json()]
    try:
        await did(env, "add", dataset, runs[0])
        await did(env, "add", dataset, runs[1])
        [found] = await exported(env, dataset)
    finally:
        await without_terminal("eval", "dataset", "delete", dataset, "--yes", env=env)
    assert found["example_id"] in runs
    assert found["answers"] == [{"type": "approve"}]


async def test_personal_data_is_refused_unless_told(client: Any, env: Env, dataset: str) -> None:
    """None of the runs is added, and the error does not repeat it; it may be taken out or allowed, or skipped."""
    clean, personal = await echoed(client, "hello"), await echoed(client, "I am ada@example.org")
    complained = await refused(env, "add", dataset, clean, personal)
    assert "input.messages.0.content: email" in complained
    assert "ada" not in complained
    assert "not found" in await refused(env, "show", dataset)
    skipped = json.loads(await did(env, "add", dataset, clean, personal, "--skip", "--json"))
    assert (skipped["examples"], list(skipped["skipped"])) == (1, [personal])
    await did(env, "add", dataset, personal, "--redact")
    assert (await exported(env, dataset))[1]["input"]["messages"][0]["content"] == "I am [REDACTED_EMAIL]"
    await did(env, "add", dataset, personal, "--allow", "email")
    assert (await exported(env, dataset))[1]["input"]["messages"][0]["content"] == "I am ada@example.org"
    assert "allow: 'mail' is not allowed" in await refused(env, "add", dataset, personal, "--allow", "mail")


async def test_a_run_that_is_not_there_is_named(client: Any, env: Env, dataset: str) -> None:
    """And nothing of the others is added; with --skip, something must be left."""
    run = await echoed(client, "hello")
    assert "nowhere" in await refused(env, "add", dataset, run, "nowhere")
    assert "at least one run that can be added" in await refused(env, "add", dataset, "nowhere", "--skip")
    assert "not found" in await refused(env, "show", dataset)


async def test_a_file_goes_in_and_comes_out(env: Env, dataset: str, tmp_path: Path) -> None:
    """As JSON lines and as a table: the same version, whatever it went through; a broken one changes nothing."""
    table, lines, again = (tmp_path / one for one in ("a.csv", "b.jsonl", "c.csv"))
    table.write_text("question,reference,tags,split,group\n1+1?,2,sum;easy,test,g\n1+2?,3,sum,,g\n")
    first = json.loads(await did(env, "import", dataset, str(table), "--json"))
    assert (first["examples"], first["note"]) == (2, "from a.csv")
    for path in (lines, again):
        assert f"Exported: {path}" in await did(env, "export", dataset, str(path))
        assert json.loads(await did(env, "import", dataset, str(path), "--json"))["version"] == first["version"]
    table.write_text("question,answer\n1+1?,2\n")
    assert "a.csv, line 1: 'answer' is not allowed; allowed: example_id" in await refused(
        env, "import", dataset, str(table)
    )
    assert "ends in .jsonl or .csv" in await refused(env, "export", dataset, "a.xlsx")
    shown = json.loads(await did(env, "show", dataset, "--json"))
    assert (shown["version"], shown["clusters"], len(shown["versions"])) == (first["version"], 1, 1)
    assert (shown["splits"], shown["tags"]) == ({"": 1, "test": 1}, {"easy": 1, "sum": 2})
    said = await did(env, "show", dataset)
    assert "Splits: (none) 1, test 1" in said
    assert "Tags: easy 1, sum 2" in said


async def test_a_file_is_whole_or_as_it_was(env: Env, dataset: str, tmp_path: Path) -> None:
    """Exports at once don't get into each other's way, nor touch what lies there; a failed one leaves nothing."""
    table, lines, beside, folder = (tmp_path / one for one in ("a.csv", "b.jsonl", "b.jsonl.part", "c.jsonl"))
    table.write_text("question,reference\n1+1?,2\n")
    beside.write_text("mine")
    folder.mkdir()
    await did(env, "import", dataset, str(table))
    before = names_in(tmp_path)

    await asyncio.gather(*(did(env, "export", dataset, str(lines)) for _ in range(3)))
    assert [json.loads(line)["reference"] for line in lines.read_text().splitlines()] == ["2"]
    assert beside.read_text() == "mine"
    code, said, complained = await without_terminal("eval", "dataset", "export", dataset, str(folder), env=env)
    assert (code, said, f"FILE: {folder} can't be written" in complained) == (2, "", True)
    assert names_in(tmp_path) == {*before, lines.name}


async def test_versions_are_compared(env: Env, dataset: str, tmp_path: Path) -> None:
    """What is new, gone and another; by the newest unless told otherwise."""
    path = tmp_path / "a.csv"
    path.write_text("example_id,question,reference\na,1?,1\nb,2?,2\nc,3?,3\n")
    first = json.loads(await did(env, "import", dataset, str(path), "--json"))["version"]
    path.write_text("example_id,question,reference\na,1?,1\nb,2?,two\nd,4?,4\n")
    second = json.loads(await did(env, "import", dataset, str(path), "--json"))["version"]
    said = await did(env, "diff", dataset, first)
    assert said.splitlines() == ["+ d", "- c", "~ b: reference", "1 added, 1 removed, 1 changed, 1 the same"]
    told = json.loads(await did(env, "diff", dataset, second[:8], first[:8], "--json"))
    assert (told["before"], told["after"]) == (second, first)
    assert (told["added"], told["removed"], told["changed"]) == (["c"], ["d"], {"b": ["reference"]})


async def test_datasets_are_listed_and_forgotten(env: Env, dataset: str, tmp_path: Path) -> None:
    """Nobody is there to say yes: then it must be told."""
    path = tmp_path / "a.jsonl"
    path.write_text('{"input":{}}\n')
    kept = await did(env, "import", dataset, str(path), "--note", "by hand")
    assert kept.startswith(f"{dataset}: version ")
    assert kept.endswith(", 1 example\n")
    [listed] = [
        one for one in map(json.loads, (await did(env, "list", "--json")).splitlines()) if one["name"] == dataset
    ]
    assert (listed["examples"], listed["note"]) == (1, "by hand")
    assert dataset in await did(env, "list")
    code, _, asked = await without_terminal("eval", "dataset", "delete", dataset, env=env)
    assert code != 0
    assert f"Forget dataset {dataset} with 1 version?" in asked
    await did(env, "delete", dataset, "--yes")
    assert dataset not in await did(env, "list", "--json")
    assert "not found" in await refused(env, "delete", dataset, "--yes")
