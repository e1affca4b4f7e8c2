"""`motet validate`: what is wrong with declarations, for a person and for a script."""

from __future__ import annotations

import inspect
import json
import os
import re
from pathlib import Path

from tests.server.typing_person import without_terminal

from motet.graphs.crew import assistant, single
from motet.server.declared import TAKEN, TOOLS
from motet.tools import reports, sql
from motet.tools.documents import tools
from motet.tools.memory import memory_tools

RIGHT = "name: buyer\ndescription: Compares offers.\ninstructions: Compare.\ntools: [query_workspace]\n"


async def validate(*arguments: str | Path, fresh: bool = False) -> tuple[int, str, str]:
    """Exit code, output and errors of the command."""
    return await without_terminal("validate", *map(str, arguments), env=os.environ, fresh=fresh)


async def test_what_can_be_used_is_said_so(tmp_path: Path) -> None:
    """A right file, and the crew that comes with Motet: exit code 0."""
    (tmp_path / "buyer.yaml").write_text(RIGHT + "handoffs: [librarian]\n")

    code, out, _ = await validate(tmp_path, "agents/crew", fresh=True)

    assert code == 0
    assert out.count("nothing") == 4


async def test_each_mistake_is_told_with_its_line(tmp_path: Path) -> None:
    """Every file is checked, whatever is wrong with another: exit code 1, and JSON that a script can read."""
    (tmp_path / "a.yaml").write_text(RIGHT)
    (tmp_path / "b.yaml").write_text(RIGHT.replace("buyer", "Seller").replace("[query_workspace]", "[paint]"))
    (tmp_path / "c.yaml").write_text(RIGHT.replace("buyer", "seller").replace("[query_workspace]", "[paint]"))
    (tmp_path / "d.yaml").write_text("name: [")

    code, out, _ = await validate("--json", tmp_path)

    told = [json.loads(line) for line in out.splitlines()]
    assert code == 1
    assert [Path(one["file"]).name for one in told] == ["a.yaml", "b.yaml", "c.yaml", "d.yaml"]
    assert [[(problem["line"], problem["field"]) for problem in one["problems"]] for one in told] == [
        [],
        [(1, "name")],
        [(4, "tools.0")],
        [(1, "")],
    ]
    assert told[2]["problems"][0]["value"] == "'paint'"
    assert "query_workspace" in told[2]["problems"][0]["allowed"]


async def test_the_table_names_the_mistake(tmp_path: Path) -> None:
    """A person sees the file, the line and what is allowed."""
    path = tmp_path / "b.yaml"
    path.write_text(RIGHT.replace("buyer", "Seller"))

    code, out, _ = await validate(path)

    flat = " ".join(out.split())
    assert code == 1
    assert "name: 'Seller' is" in flat


async def test_a_path_that_isnt_there_is_a_wrong_command(tmp_path: Path) -> None:
    """Exit code 2, as for any wrong usage; a folder without declarations too."""
    for path, said in ((tmp_path / "none.yaml", "there is no such file or folder"), (tmp_path, "no agent is declared")):
        code, _, err = await validate(path)
        assert code == 2
        assert said in err
    assert (await validate())[0] == 2


async def test_no_agent_takes_a_name_of_the_assistants(tmp_path: Path) -> None:
    """A specialist is a step of the assistant: its name can't be another step's."""
    steps = set(re.findall(r'add_node\("(\w+)"', inspect.getsource(assistant)))
    (tmp_path / "a.yaml").write_text(RIGHT.replace("buyer", "report"))

    code, out, _ = await validate("--json", tmp_path)

    assert steps | {assistant.NAME, single.NAME} == TAKEN
    assert code == 1
    assert json.loads(out)["problems"][0]["field"] == "name"


def test_the_tools_that_may_be_named_are_those_there_are() -> None:
    """The list that is checked against has the names under which the tools are made."""
    assert {sql.NAME, reports.NAME, tools.SEARCH, tools.READ, *(one.name for one in memory_tools())} == TOOLS
