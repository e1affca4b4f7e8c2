"""Reads a project's `langgraph.json` and loads the graphs it names, as LangGraph's own CLI does.

`graphs` maps an id to `./path/file.py:attribute`, `package.module:attribute`, or an object with
`path` and `description`. `dependencies` that are folders become importable; `env` is a file of
`NAME=value` lines or an object.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import orjson
from dotenv import dotenv_values
from pydantic import BaseModel, ConfigDict, ValidationError

from motet.errors import InvalidConfig


class GraphEntry(BaseModel):
    """The long form of an entry under `graphs`."""

    model_config = ConfigDict(extra="ignore")

    path: str
    description: str | None = None


class _Serde(BaseModel):
    allowed_msgpack_modules: list[tuple[str, ...]] | bool | None = None


class _Checkpointer(BaseModel):
    model_config = ConfigDict(extra="ignore")

    serde: _Serde = _Serde()


class _File(BaseModel):
    """What is used of the file; LangGraph's CLI knows more fields, for building images."""

    model_config = ConfigDict(extra="ignore")

    graphs: dict[str, str | GraphEntry]
    dependencies: list[str] = []
    env: str | dict[str, str] = {}
    checkpointer: _Checkpointer = _Checkpointer()


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """A project as its file declares it; nothing is imported yet."""

    file: Path
    graphs: Mapping[str, GraphEntry]
    folders: tuple[Path, ...]
    """Folders that the project's imports are found in."""
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    classes: tuple[tuple[str, ...], ...] = ()
    """Module and name of classes that states may hold though no schema names them."""

    @property
    def descriptions(self) -> Mapping[str, str]:
        """By graph id; empty where the file says none."""
        return {name: entry.description or "" for name, entry in self.graphs.items()}


def read(file: Path) -> Project:
    """Parse and check the file.

    Raises:
        InvalidConfig: it is missing, no JSON, lacks `graphs`, or names something that isn't there.
    """
    try:
        parsed = _File.model_validate(orjson.loads(file.read_bytes()))
    except OSError as error:
        raise InvalidConfig(str(file), f"can't be read: {error.strerror}") from None
    except orjson.JSONDecodeError as error:
        raise InvalidConfig(str(file), f"is not JSON: {error}") from None
    except ValidationError as error:
        first = error.errors()[0]
        field_path = ".".join(str(part) for part in first["loc"])
        raise InvalidConfig(str(file), f"{field_path}: {first['msg']}") from None
    if not parsed.graphs:
        raise InvalidConfig(str(file), "graphs: names no graph")
    root = file.resolve().parent
    return Project(
        file=file.resolve(),
        graphs={
            graph_id: GraphEntry(path=entry) if isinstance(entry, str) else entry
            for graph_id, entry in parsed.graphs.items()
        },
        folders=(root, *(root / one for one in parsed.dependencies if (root / one).is_dir())),
        environment=_environment(root, parsed.env, file),
        classes=_classes(parsed.checkpointer.serde, file),
    )


def load(project: Project) -> dict[str, Any]:
    """Import each graph's module and take the attribute. Runs the project's code.

    Raises:
        InvalidConfig: a module doesn't import or lacks the attribute; names graph and cause.
    """
    for folder in reversed(project.folders):
        if str(folder) not in sys.path:
            sys.path.insert(0, str(folder))
    return {graph_id: _attribute(project, graph_id, entry.path) for graph_id, entry in project.graphs.items()}


def _attribute(project: Project, graph_id: str, path: str) -> object:
    module_path, colon, attribute = path.rpartition(":")
    place = f"graphs.{graph_id}: {path!r}"
    if not colon or not module_path or not attribute:
        raise InvalidConfig(str(project.file), f"{place} must be 'path/file.py:attribute' or 'module:attribute'")
    try:
        module = _module(project, module_path)
    except Exception as error:
        # The project's own code runs here and may raise anything: it is named and chained, never swallowed.
        raise InvalidConfig(str(project.file), f"{place} doesn't import: {type(error).__name__}: {error}") from error
    if not hasattr(module, attribute):
        raise InvalidConfig(str(project.file), f"{place}: the module has no attribute {attribute!r}")
    return cast("object", getattr(module, attribute))


def _module(project: Project, path: str) -> ModuleType:
    if not path.endswith(".py") and "/" not in path:
        return importlib.import_module(path)
    file = (project.file.parent / path).resolve()
    if not file.is_file():
        raise FileNotFoundError(f"no file {file}")
    name = _module_name(project, file)
    known = sys.modules.get(name)
    if known is not None and known.__file__ == str(file):
        return known
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise ImportError(f"{file} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _module_name(project: Project, file: Path) -> str:
    """The same in every process and on every machine: stored states name their classes by it."""
    place = Path(os.path.relpath(file, project.file.parent)).as_posix()
    return f"motet_project_{file.stem}_{hashlib.sha256(place.encode()).hexdigest()[:12]}"


def _classes(serde: _Serde, file: Path) -> tuple[tuple[str, ...], ...]:
    told = serde.allowed_msgpack_modules
    if told is True:
        raise InvalidConfig(
            str(file),
            "checkpointer.serde.allowed_msgpack_modules: true would run whatever code a stored state names; "
            'list the classes: [["module", "Name"], …]',
        )
    return tuple(told or ())


def _environment(root: Path, declared: str | Mapping[str, str], file: Path) -> Mapping[str, str]:
    if not isinstance(declared, str):
        return declared
    env_file = root / declared
    if not env_file.is_file():
        raise InvalidConfig(str(file), f"env: no file {env_file}")
    return {name: value for name, value in dotenv_values(env_file).items() if value is not None}
