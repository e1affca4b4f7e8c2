"""What is evaluated, as a person tells it: `[NAME=]ASSISTANT`, or a file with the fields of `Target`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import orjson
from pydantic import TypeAdapter, ValidationError

from motet.agents import strict_yaml
from motet.errors import InvalidConfig
from motet.observability.evaluation.experiment import Target

FIELD = "--target"
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,100}")
_MODEL = re.compile(r"[^:\s]+:\S+")
_FILES = (".json", ".yaml", ".yml")


def targets(told: Sequence[str], baseline: str = "") -> Sequence[Target]:
    """The targets that were named, the baseline first.

    Args:
        told: each `[NAME=]ASSISTANT`, or a JSON or YAML file with one target's fields, or a list of such.
        baseline: the name of one of them; or another one, told in the same way; "": the first is.

    Raises:
        InvalidConfig: a target can't be one, or two have one name.
    """
    found = [target for one in told for target in _told(one, FIELD)]
    if baseline:
        named = [one for one in found if one.name == baseline]
        first = named or _told(baseline, "--baseline")
        found = [*first, *(one for one in found if one not in first)]
    names = [one.name for one in found]
    if twice := sorted({one for one in names if names.count(one) > 1}):
        raise InvalidConfig(FIELD, f"two targets are called {twice[0]}: name them, as NAME=ASSISTANT")
    if not found:
        raise InvalidConfig(FIELD, "name at least one assistant")
    return found


def _told(one: str, field: str) -> Sequence[Target]:
    if one.endswith(_FILES):
        return _in_file(Path(one), field)
    name, equals, assistant = one.partition("=")
    target = Target(name=name, assistant=assistant) if equals else Target(name=one, assistant=one)
    return [_checked(target, field)]


def _in_file(file: Path, field: str) -> Sequence[Target]:
    told = _json(file, field) if file.suffix == ".json" else strict_yaml.read(file).data
    listed = cast("list[Any]", told) if isinstance(told, list) else [told]
    return [_checked(_read(one, f"{file}", field), field) for one in listed]


def _json(file: Path, field: str) -> Any:
    try:
        return orjson.loads(file.read_bytes())
    except OSError as error:
        raise InvalidConfig(field, f"{file} can't be read: {error.strerror}") from None
    except orjson.JSONDecodeError as error:
        raise InvalidConfig(field, f"{file} is no JSON: {error}") from None


def _read(told: Any, where: str, field: str) -> Target:
    known = list(Target.__dataclass_fields__)
    if not isinstance(told, Mapping):
        raise InvalidConfig(field, f"{where} holds no object with the fields {', '.join(known)}")
    fields = cast("Mapping[str, Any]", told)
    if unknown := [one for one in fields if one not in known]:
        raise InvalidConfig(field, f"{where} has the field {unknown[0]!r}; a target has {', '.join(known)}")
    try:
        return TypeAdapter(Target).validate_python({"name": fields.get("assistant"), **fields})
    except ValidationError as error:
        first = error.errors()[0]
        raise InvalidConfig(field, f"{where}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None


def _checked(target: Target, field: str) -> Target:
    if not _NAME.fullmatch(target.name):
        raise InvalidConfig(field, f"{target.name!r} is no name: letters, digits, `_`, `-` and `.`; NAME=ASSISTANT")
    if not target.assistant or target.assistant != target.assistant.strip():
        raise InvalidConfig(field, f"{target.assistant!r} names no assistant")
    if target.model is not None and not _MODEL.fullmatch(target.model):
        raise InvalidConfig(field, f"{target.name}: model {target.model!r} is no provider:model")
    if target.agent is not None and target.model is None and target.prompt is None:
        raise InvalidConfig(field, f"{target.name}: agent goes beside a model or a prompt: it says whose they are")
    return replace(target, agent=target.agent or None)
