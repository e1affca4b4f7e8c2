"""YAML as plain data, with the line of each value; nothing in it can run code, hide a key or grow without bound."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from motet.errors import InvalidConfig

MAX_BYTES = 64 * 1024
_DEPTH = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """What a file holds."""

    data: Any
    """Mappings, lists, texts, numbers, booleans, dates and None."""
    root: yaml.Node | None
    """None for an empty file."""

    def line_of(self, path: Sequence[str | int]) -> int:
        """The line, from 1, of the value at `path`, or of the nearest value around it that there is."""
        node, line = self.root, 1
        for step in path:
            found = _child(node, step)
            if found is None:
                break
            line, node = found
        return line


def read(path: Path) -> Document:
    """The one document of a file, by YAML's safe loader.

    Raises:
        InvalidConfig: it can't be read, is no YAML, is larger than MAX_BYTES, nests deeper than 20, repeats a key, or
            uses an alias, a tag or a second document; names file and line.
    """
    try:
        raw = path.read_bytes()
        text = raw.decode("utf-8")
    except OSError as error:
        raise InvalidConfig(str(path), f"it can't be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InvalidConfig(str(path), "it is not UTF-8") from error
    if len(raw) > MAX_BYTES:
        raise InvalidConfig(str(path), f"it has {len(raw)} bytes; at most {MAX_BYTES} are read")
    try:
        _check_events(text, path)
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        _check_keys(root, path)
        return Document(data=yaml.safe_load(text), root=root)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        reason = ", ".join(part for part in (error.context, error.problem) if part)
        raise InvalidConfig(f"{path}:{mark.line + 1}" if mark else str(path), f"it is no YAML: {reason}") from error
    except (yaml.YAMLError, ValueError) as error:
        raise InvalidConfig(str(path), f"it is no YAML: {error}") from error


def _check_events(text: str, path: Path) -> None:
    """Refuse what is only needed to do harm: a few aliases make a document of gigabytes, nesting overflows a stack."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        mark = event.start_mark
        place = f"{path}:{mark.line + 1}" if mark else str(path)
        if isinstance(event, yaml.AliasEvent):
            raise InvalidConfig(place, f"*{event.anchor}: aliases are not allowed; write the value out")
        if isinstance(event, yaml.CollectionStartEvent | yaml.ScalarEvent) and event.tag not in {None, "!"}:
            raise InvalidConfig(place, f"{event.tag}: tags are not allowed; plain values only")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > _DEPTH:
            raise InvalidConfig(place, f"values nest deeper than {_DEPTH}")


def _check_keys(node: yaml.Node | None, path: Path) -> None:
    """Refuse a key that is there twice: the loader would silently keep the last."""
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _check_keys(item, path)
    if not isinstance(node, yaml.MappingNode):
        return
    seen = dict[str, int]()
    for key, value in node.value:
        line = key.start_mark.line + 1
        name = str(key.value)
        if name in seen:
            raise InvalidConfig(f"{path}:{line}", f"{name}: the key is there twice, first on line {seen[name]}")
        seen[name] = line
        _check_keys(value, path)


def _child(node: yaml.Node | None, step: str | int) -> tuple[int, yaml.Node] | None:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == step:
                return key.start_mark.line + 1, value
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        return node.value[step].start_mark.line + 1, node.value[step]
    return None
