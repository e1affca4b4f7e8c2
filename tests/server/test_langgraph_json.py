"""A project's `langgraph.json`, as it is read and loaded."""

from __future__ import annotations

from pathlib import Path

import pytest

from motet.errors import InvalidConfig
from motet.server import langgraph_json


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "is not JSON"),
        ("[]", "dictionary"),
        ("{}", "graphs: Field required"),
        ('{"graphs": {}}', "names no graph"),
        ('{"graphs": {"a": 1}}', "graphs.a"),
        ('{"graphs": {"a": "./missing.py:graph"}}', "no file"),
        ('{"graphs": {"a": "./bad.py"}}', "must be"),
        ('{"graphs": {"a": "no_such_module:graph"}}', "ModuleNotFoundError"),
        ('{"graphs": {"a": "./bad.py:graph"}}', "ZeroDivisionError"),
        ('{"graphs": {"a": "./good.py:other"}}', "no attribute 'other'"),
        ('{"graphs": {"a": "./good.py:graph"}, "env": "missing.env"}', "missing.env"),
        (
            '{"graphs": {"a": "./good.py:graph"}, "checkpointer": {"serde": {"allowed_msgpack_modules": true}}}',
            "list the classes",
        ),
    ],
)
def test_a_broken_project_is_named(tmp_path: Path, text: str, said: str) -> None:
    """File, entry and cause are in one line."""
    (tmp_path / "bad.py").write_text("graph = 1 / 0\n")
    (tmp_path / "good.py").write_text("graph = 1\n")
    config = tmp_path / "langgraph.json"
    config.write_text(text)

    with pytest.raises(InvalidConfig) as caught:
        langgraph_json.load(langgraph_json.read(config))

    assert str(caught.value).startswith(str(config))
    assert said in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """A path that leads nowhere is told as such."""
    with pytest.raises(InvalidConfig, match="can't be read"):
        langgraph_json.read(tmp_path / "langgraph.json")


def test_both_forms_of_an_entry_and_of_env_are_read(tmp_path: Path) -> None:
    """An entry is a path or an object with a description; `env` is a file or an object."""
    (tmp_path / "names.env").write_text("A=1\n# comment\nB='two words'\n")
    config = tmp_path / "langgraph.json"
    config.write_text(
        '{"graphs": {"a": "x:y", "b": {"path": "x:z", "description": "said"}},'
        ' "env": "names.env", "python_version": "3.12"}'
    )

    project = langgraph_json.read(config)

    assert {name: (entry.path, entry.description) for name, entry in project.graphs.items()} == {
        "a": ("x:y", None),
        "b": ("x:z", "said"),
    }
    assert project.environment == {"A": "1", "B": "two words"}


def test_classes_of_states_are_read(tmp_path: Path) -> None:
    """Classes that no schema names are allowed by module and name, in the field LangGraph's own CLI has."""
    config = tmp_path / "langgraph.json"
    config.write_text(
        '{"graphs": {"a": "m:g"}, "checkpointer": {"serde": {"allowed_msgpack_modules": [["decimals", "Money"]]}}}'
    )

    assert langgraph_json.read(config).classes == (("decimals", "Money"),)
