"""`motet graph`: graphs are drawn with nothing else at hand."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from tests.server.running import PROJECT, environment
from tests.server.typing_person import without_terminal
from typer.testing import CliRunner, Result

from motet.errors import InvalidWorkspace
from motet.server.__main__ import app

BARE = {"MOTET_REDIS_URL": "redis://127.0.0.1:1/0"}
"""No Redis: its address leads nowhere."""


@pytest.fixture
def bare(tmp_path: Path) -> Mapping[str, str]:
    """The environment of a process that has nothing."""
    return environment(tmp_path, BARE)


def graph(*arguments: str, data_dir: Path) -> Result:
    """What `motet graph ARGUMENTS` prints, without a process of its own."""
    return CliRunner().invoke(app, ["graph", *arguments], env={**BARE, "MOTET_DATA_DIR": str(data_dir)})


def test_our_own_graphs_need_nothing(tmp_path: Path) -> None:
    """The crew is drawn without weights, Redis, network or data."""
    drawn = graph("show", "assistant", data_dir=tmp_path)

    assert drawn.exit_code == 0
    assert "subgraph sql_analyst" in drawn.stdout
    assert "subgraph librarian" in drawn.stdout
    assert not list(tmp_path.iterdir())


def test_the_file_name_chooses_the_format(tmp_path: Path) -> None:
    """--out x.svg writes an SVG and says where."""
    out = tmp_path / "assistant.svg"
    drawn = graph("show", "sql_analyst", "--out", str(out), data_dir=tmp_path)

    assert (drawn.exit_code, drawn.stdout.replace("\n", "")) == (0, f"Drawn: {out}")
    assert ET.fromstring(out.read_text()).tag.endswith("svg")  # noqa: S314  our own text


def test_a_workspace_has_the_specialists_it_has_a_use_for(tmp_path: Path) -> None:
    """Without documents nobody searches them, in the drawing as in the server."""
    (tmp_path / "cars.csv").write_text("name,year\na,1970\n")

    listed = graph("list", "--workspace", str(tmp_path), data_dir=tmp_path / "data")

    assert listed.stdout.split() == ["assistant", "sql_analyst", "single_agent"]


def test_a_workspace_with_nothing_to_ask_about_has_no_graphs(tmp_path: Path) -> None:
    """It is refused as `motet serve` refuses it."""
    (tmp_path / "empty").mkdir()

    listed = graph("list", "--workspace", str(tmp_path / "empty"), data_dir=tmp_path / "data")

    assert isinstance(listed.exception, InvalidWorkspace)


async def test_a_projects_graph_is_drawn(bare: Mapping[str, str]) -> None:
    """With --config the project's graphs are there, and sub-graphs are opened."""
    arguments = ("show", "nested", "--config", str(PROJECT), "--json")
    code, said, _ = await without_terminal("graph", *arguments, env=bare, fresh=True)
    drawn = json.loads(said)

    assert code == 0
    assert (drawn["graph"], drawn["format"], drawn["file"]) == ("nested", "mermaid", None)
    assert "subgraph child" in drawn["drawing"]


async def test_an_unknown_graph_names_those_there_are(bare: Mapping[str, str]) -> None:
    """The exit code is that of usage."""
    code, _, error = await without_terminal("graph", "show", "nobody", env=bare)

    assert code == 2
    assert "assistant" in error
    assert "sql_analyst" in error
