"""Other arguments than those asked about: given by name, as a file, or written in an editor."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import click

from motet.errors import InvalidConfig, shortened
from motet.server.terminal.inbox_exact import is_hidden

Json = Mapping[str, Any]

_PLACE = re.compile(r"\.?([^.\[\]]+)|\[(\d+)\]")


def pair(option: str, told: str) -> tuple[str, str]:
    """The two sides of `name=value`. Raises InvalidConfig for anything else."""
    name, equals, value = told.partition("=")
    if not equals or not name.strip():
        raise InvalidConfig(option, f"{shortened(told)} is not allowed: write NAME=VALUE")
    return name.strip(), value


def with_values(arguments: Json, told: Sequence[str]) -> Json:
    """The arguments with each `path=value` put in; a path is a name, or `a.b[0].c`.

    Raises InvalidConfig for a path that leads nowhere.
    """
    changed = cast("dict[str, Any]", json.loads(json.dumps(arguments)))
    for one in told:
        path, value = pair("--set", one)
        _put(changed, path, value)
    return changed


def value_of(text: str, now: Any) -> Any:
    """What a typed value means: JSON, or the text as it is where that is no JSON, or stands in a text's place."""
    try:
        read = json.loads(text)
    except ValueError:
        return text
    return text if isinstance(now, str) and not isinstance(read, str) else read


def from_file(path: str) -> Json:
    """The arguments in a file of JSON; `-` is standard input. Raises InvalidConfig."""
    try:
        text = sys.stdin.read() if path == "-" else Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidConfig("--arguments", f"{path} can't be read: {error}") from None
    return _object(text, "--arguments")


def edited(arguments: Json) -> Json | None:
    """The arguments as a person left them in their editor; None if they didn't save.

    Raises InvalidConfig: it is no JSON object any more, or there is no editor.
    """
    told = json.dumps(arguments, ensure_ascii=False, indent=2)
    try:
        text = click.edit(f"{_escaped(told)}\n", extension=".json")
    except click.ClickException as error:
        raise InvalidConfig("EDITOR", error.message) from None
    return None if text is None else _object(text, "the edited arguments")


def _object(text: str, field: str) -> Json:
    try:
        read: object = json.loads(text)
    except ValueError as error:
        raise InvalidConfig(field, f"no JSON: {error}") from None
    if not isinstance(read, dict):
        raise InvalidConfig(field, "they must be a JSON object, from an argument's name to its value")
    return cast("Json", read)


def _escaped(told: str) -> str:
    """JSON whose text an editor shows as it is: what would be hidden is written as JSON escapes."""
    return "".join(json.dumps(one)[1:-1] if is_hidden(one) else one for one in told)


def _put(arguments: dict[str, Any], path: str, value: str) -> None:
    if path in arguments:
        arguments[path] = value_of(value, arguments[path])
        return
    places = list(_PLACE.finditer(path))
    if "".join(one[0] for one in places) != path:
        raise InvalidConfig("--set", f"{shortened(path)} is no path: write a name, or a.b[0].c")
    steps: list[str | int] = [int(one[2]) if one[2] else one[1] for one in places]
    place: Any = arguments
    for step in steps[:-1]:
        place = _inside(place, step, path)
    last = steps[-1]
    if isinstance(place, dict) and isinstance(last, str):
        known = cast("dict[str, Any]", place)
        known[last] = value_of(value, known.get(last))
    elif isinstance(place, list) and isinstance(last, int):
        _inside(place, last, path)
        listed = cast("list[Any]", place)
        listed[last] = value_of(value, listed[last])
    else:
        raise InvalidConfig("--set", f"{shortened(path)} leads nowhere in the arguments")


def _inside(place: Any, step: str | int, path: str) -> Any:
    try:
        return place[step]
    except (KeyError, IndexError, TypeError):
        raise InvalidConfig(
            "--set", f"{shortened(path)} leads nowhere in the arguments: there is no {step!r}"
        ) from None
