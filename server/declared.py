"""The agents that a folder declares, with every name they use checked against what this installation has."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from motet.agents.spec import AgentSpec, Checked, Registered, built_in, check_files, declarations, load_folder
from motet.errors import InvalidConfig

TOOLS = frozenset({"query_workspace", "search_documents", "read_document", "save_report", "remember", "recall"})
"""Tools that a declaration may name; a workspace without documents, or without data, has fewer."""
TAKEN = frozenset(
    (
        "assistant",
        "guard_in",
        "recall",
        "route",
        "clarify",
        "compose",
        "verify",
        "guard_out",
        "report",
        "remember",
        "single_agent",
    )
)
"""The assistant and its steps, as a specialist is a step of it too; and the agent that it is measured against."""


def registered() -> Registered:
    """What a declaration may name, and be named."""
    crew = built_in()
    graphs = frozenset(spec.name for spec in crew if spec.kind == "graph")
    return Registered(tools=TOOLS, graphs=graphs, agents=frozenset(spec.name for spec in crew), taken=TAKEN)


def agents_in(folder: Path) -> tuple[AgentSpec, ...]:
    """The declarations in `folder`; one with the name of a built-in agent takes its place.

    Raises:
        InvalidConfig: one can't be used; names file, line, field, value and what is allowed.
    """
    return load_folder(folder, registered())


def check(paths: Sequence[Path]) -> list[Checked]:
    """What is wrong with the declarations in `paths`, files or folders, which make one crew.

    Raises:
        InvalidConfig: a path doesn't exist, or a folder holds no declaration.
    """
    files: list[Path] = []
    for path in paths:
        if path.is_file():
            files.append(path)
        elif path.is_dir():
            files += declarations(path)
        else:
            raise InvalidConfig(str(path), "there is no such file or folder")
    return check_files(files, registered())
