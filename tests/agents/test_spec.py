"""Declarations of agents: what a file may say, and how a wrong one is refused."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from motet.agents import strict_yaml
from motet.agents.spec import (
    CREW,
    SCHEMA_FILE,
    AgentSpec,
    CallLimits,
    Registered,
    built_in,
    check_files,
    load_folder,
    schema_text,
)
from motet.errors import InvalidConfig

WHOLE = """\
# yaml-language-server: $schema=agent.schema.json
name: buyer
description: Compares offers.
instructions: |
  You compare offers.
  Name the cheapest.
tools: [query_workspace, save_report]
examples:
  - Which offer is the cheapest?
model: openai:gpt-5-mini
limits:
  model_calls: 6
approvals:
  save_report: ask
handoffs: [lawyer]
output:
  type: object
  properties: {price: {type: number}}
"""

REGISTERED = Registered(tools=frozenset({"query_workspace", "save_report"}), graphs=frozenset({"librarian"}))


def declared(folder: Path, text: str, name: str = "agent.yaml") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_a_file_becomes_a_declaration(tmp_path: Path) -> None:
    """Every field of a file is there, and what it leaves out has its default."""
    spec = load_folder(declared(tmp_path, WHOLE).parent)[0]

    assert (spec.name, spec.kind, spec.tools) == ("buyer", "agent", ("query_workspace", "save_report"))
    assert spec.instructions == "You compare offers.\nName the cheapest."
    assert spec.limits == CallLimits(model_calls=6, tool_calls=24)
    assert spec.approvals == {"save_report": "ask"}
    assert spec.output is not None


@pytest.mark.parametrize(
    ("change", "line", "said"),
    [
        (("name: buyer", "name: The Buyer"), 2, "name: 'The Buyer' is not allowed; allowed: "),
        (("name: buyer", "name: 7"), 2, "name: 7 is not allowed; allowed: a valid string"),
        (("description: Compares offers.\n", ""), 1, "description: it is required"),
        (("tools: [", "tolls: ["), 7, "tolls: ['query_workspace', 'save_report'] is not allowed; allowed: the fields"),
        (("model_calls: 6", "model_calls: 6.5"), 12, "limits.model_calls: 6.5 is not allowed; allowed: a valid int"),
        (("model_calls: 6", "model_calls: true"), 12, "limits.model_calls: True is not allowed"),
        (("model_calls: 6", "model_calls: 0"), 12, "limits.model_calls: 0 is not allowed; allowed: greater than"),
        (("model_calls: 6", "calls: 6"), 12, "limits.calls: 6 is not allowed; allowed: the fields model_calls, tool"),
        (("save_report: ask", "save_report: maybe"), 14, "approvals.save_report: 'maybe' is not allowed; allowed: 'al"),
        (("save_report: ask", "send_mail: ask"), 13, "approvals: 'send_mail' is not allowed; allowed: tools of this"),
        (("tools: [query_workspace,", "tools: [save_report,"), 7, "tools: ['save_report', 'save_report'] is not"),
        (("[lawyer]", "[buyer]"), 15, "handoffs: 'buyer' is not allowed; allowed: other agents"),
        (("[lawyer]", "[3]"), 15, "handoffs.0: 3 is not allowed"),
        (("openai:gpt-5-mini", "gpt-5-mini"), 10, "model: 'gpt-5-mini' is not allowed"),
        (("type: object", "type: array"), 16, 'a JSON Schema with "type": "object"'),
        (("type: number", "type: many"), 16, "a JSON Schema; 'many' is not valid"),
        (("description:", "kind: graph\ndescription:"), 5, "instructions: 'You compare offers."),
        (("description:", "kind: code\ndescription:"), 3, "kind: 'code' is not allowed; allowed: 'agent' or 'graph'"),
        (("instructions: |\n  You compare offers.\n  Name the cheapest.\n", ""), 1, "instructions: '' is not allowed"),
        (("name: buyer", "name: buyer\nname: seller"), 3, "name: the key is there twice, first on line 2"),
        (("  model_calls: 6", "  model_calls: 6\n  model_calls: 7"), 13, "the key is there twice, first on line 12"),
        (("name: buyer", "name: &n buyer\nmodel: *n"), 3, "*n: aliases are not allowed"),
        (("name: buyer", "name: !!python/object/apply:os.system [true]"), 2, "tags are not allowed"),
        (("name: buyer", "name: [buyer"), 3, "expected"),
        (("name: buyer", "name: buyer\n---\nname: seller"), 3, "expected a single document"),
        (("name: buyer", f"name: {'[' * 30}{']' * 30}"), 2, "values nest deeper than 20"),
    ],
)
def test_a_wrong_file_is_refused_with_place_and_reason(
    tmp_path: Path, change: tuple[str, str], line: int, said: str
) -> None:
    """The error names file, line, field, what was given and what is allowed."""
    path = declared(tmp_path, WHOLE.replace(*change, 1))

    with pytest.raises(InvalidConfig) as refused:
        load_folder(path.parent)

    assert refused.value.source == f"{path}:{line}"
    assert said in refused.value.reason


@pytest.mark.parametrize("text", ["", "- a\n- b\n", "just words\n"])
def test_a_file_that_is_no_mapping_is_refused(tmp_path: Path, text: str) -> None:
    """The fields are told to someone who begins with an empty file."""
    with pytest.raises(InvalidConfig, match="a mapping is needed, with the fields name, description"):
        load_folder(declared(tmp_path, text).parent)


def test_a_huge_or_binary_file_is_refused(tmp_path: Path) -> None:
    """What is no declaration isn't read as one."""
    with pytest.raises(InvalidConfig, match="at most 65536 are read"):
        strict_yaml.read(declared(tmp_path, "#" * 70_000))
    (tmp_path / "b.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InvalidConfig, match="UTF-8"):
        strict_yaml.read(tmp_path / "b.yaml")
    with pytest.raises(InvalidConfig, match="can't be read"):
        strict_yaml.read(tmp_path / "none.yaml")


def test_every_problem_of_a_file_is_told(tmp_path: Path) -> None:
    """Whoever corrects a file needn't come back for the next mistake."""
    path = declared(tmp_path, WHOLE.replace("buyer", "B").replace("model_calls: 6", "model_calls: many"))

    (checked,) = check_files([path])

    assert [(one.line, one.field, one.value) for one in checked.problems] == [
        (2, "name", "'B'"),
        (12, "limits.model_calls", "'many'"),
    ]


def test_names_are_checked_against_what_is_registered(tmp_path: Path) -> None:
    """A folder's agents may name each other; a tool, graph or agent that isn't there is named with its line."""
    declared(tmp_path, WHOLE, "a.yaml")
    declared(tmp_path, "name: lawyer\ndescription: Reads contracts.\ninstructions: Read.\n", "b.yaml")
    assert [spec.name for spec in load_folder(tmp_path, REGISTERED)] == ["buyer", "lawyer"]

    declared(tmp_path, "name: painter\nkind: graph\ndescription: Paints.\n", "c.yaml")
    declared(tmp_path, WHOLE.replace("buyer", "seller").replace("[query_w", "[x, query_w"), "d.yaml")
    declared(tmp_path, WHOLE.replace("lawyer", "nobody"), "e.yml")
    found = check_files(sorted(tmp_path.iterdir()), REGISTERED)

    assert {Path(one.file).name: [str(problem) for problem in one.problems] for one in found} == {
        "a.yaml": [],
        "b.yaml": [],
        "c.yaml": ["name: 'painter' is not allowed; allowed: a registered graph: librarian"],
        "d.yaml": ["tools.0: 'x' is not allowed; allowed: query_workspace, save_report"],
        "e.yml": [
            f"name: 'buyer' is not allowed; allowed: a name of its own; {tmp_path / 'a.yaml'} has this one",
            "handoffs.0: 'nobody' is not allowed; allowed: buyer, lawyer, painter, seller",
        ],
    }
    with pytest.raises(InvalidConfig, match=re.escape(f"{tmp_path / 'c.yaml'}:1")):
        load_folder(tmp_path, REGISTERED)


def test_a_folder_without_declarations_is_refused(tmp_path: Path) -> None:
    """An empty folder, or none, is a mistake in the command line, not a crew of nobody."""
    with pytest.raises(InvalidConfig, match="no agent is declared there"):
        load_folder(tmp_path)
    with pytest.raises(InvalidConfig, match="can't be read"):
        load_folder(tmp_path / "none")


def test_the_crew_is_declared_with_examples() -> None:
    """Each built-in agent says what it is for and gives routing five examples or more."""
    crew = built_in()

    assert {spec.name: spec.kind for spec in crew} == dict.fromkeys(("librarian", "reporter", "sql_analyst"), "graph")
    assert all(len(set(spec.examples)) >= 5 for spec in crew)


def test_the_crew_shares_no_question_with_the_benchmarks() -> None:
    """Questions that quality is measured with aren't what routing learns from."""
    asked = "\n".join(path.read_text("utf-8").lower() for path in Path("benchmarks").glob("*.*") if path.is_file())

    assert [example for spec in built_in() for example in spec.examples if example.lower() in asked] == []


def test_the_published_schema_is_current() -> None:
    """If this fails: `python -c "from motet.agents.spec import *; SCHEMA_FILE.write_text(schema_text())"`."""
    assert SCHEMA_FILE.read_text("utf-8") == schema_text()


@pytest.mark.parametrize(
    ("change", "fits"),
    [
        ({}, True),
        ({"tolls": []}, False),
        ({"name": "The Buyer"}, False),
        ({"kind": "graph"}, False),
        ({"instructions": None}, False),
        ({"limits": {"calls": 1}}, False),
    ],
)
def test_an_editor_finds_what_loading_refuses(tmp_path: Path, change: dict[str, Any], fits: bool) -> None:  # noqa: FBT001 - the table's second column
    """The published schema and the loader agree."""
    data = {**yaml.safe_load(WHOLE), **change}
    if change.get("instructions", "") is None:
        del data["instructions"]
    path = declared(tmp_path, yaml.safe_dump(data))

    assert Draft202012Validator(yaml.safe_load(schema_text())).is_valid(data) is fits
    assert (check_files([path])[0].spec is not None) is fits


def test_each_built_in_file_names_its_schema() -> None:
    """An editor that knows YAML's language server checks the file as it is typed."""
    for path in CREW.glob("*.yaml"):
        first = path.read_text("utf-8").splitlines()[0]
        assert (path.parent / first.removeprefix("# yaml-language-server: $schema=")).resolve() == SCHEMA_FILE.resolve()


def test_a_declaration_in_code_is_held_to_the_same() -> None:
    """A spec made in Python can't say what a file may not."""
    with pytest.raises(ValueError, match="an agent needs instructions"):
        AgentSpec(name="a", description="Does nothing.")
