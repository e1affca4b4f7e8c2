"""Keeps a record small: what is cut is said where it stood."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

RECORD_BYTES = 256 * 1024
"""The most a record takes in the store."""

_DEPTH = 24
_STEPS = ((16_384, 5_000), (2_048, 500), (256, 50), (64, 10))
"""Characters of a text, and items of a list or object, each step tried where the one before doesn't fit."""


def clipped(record: Any) -> dict[str, Any]:
    """The fields of the dataclass `record` as JSON values, long ones cut; the work is bounded too."""
    return _fields_cut(_fields(record), 0)


def bounded(record: Mapping[str, Any]) -> bytes:
    """`record` as JSON, its values cut no more than needed to fit.

    Raises:
        TypeError: a value is no JSON.
    """
    for step in range(len(_STEPS)):
        data = orjson.dumps(record if step == 0 else _fields_cut(record, step))
        if len(data) <= RECORD_BYTES:
            return data
    return orjson.dumps({name: _emptied(value) for name, value in _fields_cut(record, len(_STEPS) - 1).items()})


def _fields_cut(record: Mapping[str, Any], step: int) -> dict[str, Any]:
    return {name: _Cutter(*_STEPS[step]).cut(value, 0) for name, value in record.items()}


def _fields(record: Any) -> dict[str, Any]:
    return {known.name: getattr(record, known.name) for known in dataclasses.fields(record)}


class _Cutter:
    def __init__(self, text: int, items: int) -> None:
        self._text = text
        self._items = items
        self._left = 4 * RECORD_BYTES
        """Characters and values still to be looked at: a huge structure mustn't hold the loop up."""

    def cut(self, value: Any, depth: int) -> Any:
        self._left -= 1
        if isinstance(value, str):
            return self._shortened(value)
        if value is None or isinstance(value, int | float):
            return value
        if isinstance(value, list | tuple):
            return self._latest(value, depth)
        if isinstance(value, Mapping):
            return self._entries(value, depth)
        if dataclasses.is_dataclass(value):
            return {name: self.cut(inner, depth) for name, inner in _fields(value).items()}
        return value

    def _latest(self, value: Sequence[Any], depth: int) -> list[Any]:
        """The last items, as of messages the latest say most."""
        kept: list[Any] = []
        for inner in reversed(value):
            if len(kept) == self._items or self._left < 0 or depth > _DEPTH:
                break
            kept.append(self.cut(inner, depth + 1))
        return kept[::-1]

    def _entries(self, value: Mapping[str, Any], depth: int) -> dict[str, Any]:
        kept: dict[str, Any] = {}
        for name, inner in value.items():
            if len(kept) == self._items or self._left < 0 or depth > _DEPTH:
                kept["…"] = f"[{len(value) - len(kept)} entries cut]"
                break
            kept[self._shortened(name)] = self.cut(inner, depth + 1)
        return kept

    def _shortened(self, text: str) -> str:
        room = min(self._text, max(self._left, 0))
        over = len(text) - room
        self._left -= min(len(text), room)
        return _utf8(text) if over <= 0 else f"{_utf8(text[:room])}… [{over} characters cut]"


def _emptied(value: Any) -> Any:
    """The last resort: `value` without what makes it large."""
    if isinstance(value, list):
        return []
    return {"…": "[cut]"} if isinstance(value, dict) and len(orjson.dumps(value)) > RECORD_BYTES // 16 else value


def _utf8(text: str) -> str:
    """`text` without half characters: JSON lets a model say them, UTF-8 doesn't."""
    return text if text.isascii() else text.encode(errors="replace").decode()
