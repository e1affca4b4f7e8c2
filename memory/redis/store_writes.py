"""The writes of a store's batch: checked whole before anything is written, with the texts to be embedded."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import orjson
from langgraph.store.base import PutOp, get_text_at_path, tokenize_path

from motet.errors import InvalidInput
from motet.memory.redis.scripts import Argument
from motet.memory.redis.store_items import name_bytes, namespace_bytes, plain
from motet.memory.redis.store_vectors import packed

_MINUTE_MS = 60_000
_LONGEST_TTL = 1_000_000_000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """An item to be stored, or deleted."""

    name: bytes
    namespace: bytes
    ttl_ms: int
    """0 for an item that stays."""
    value: Mapping[str, Any] | None
    """None to delete it."""
    texts: Sequence[str]
    """What its vectors are made of."""

    def args(self, vectors: Mapping[str, Sequence[float]], dims: int) -> list[Argument]:
        """What `store_batch.lua` takes. `vectors` has those of all texts. Raises InvalidConfig as `packed` does."""
        if self.value is None:
            return ["delete", self.name]
        rows = packed(self.namespace, [vectors[text] for text in self.texts], dims) if self.texts else b""
        return ["put", self.name, len(self.namespace), self.ttl_ms, orjson.dumps(self.value), rows]


def write_of(op: PutOp, fields: Sequence[str], *, at: str = "") -> Write:
    """The write that `op` asks for; `fields`: paths that are embedded unless it names its own, none without an index.

    Raises:
        InvalidInput: a part of it can't be stored; `at` stands before the field's name.
    """
    name, namespace = name_bytes(op.namespace, op.key, at=at), namespace_bytes(op.namespace)
    paths = _paths(op, at)
    if op.value is None:
        return Write(name=name, namespace=namespace, ttl_ms=0, value=None, texts=())
    if not isinstance(op.value, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance] - callers may be untyped
        raise InvalidInput(f"{at}value", op.value, "a mapping, or None to delete the item")
    value = plain(op.value, field=f"{at}value")
    wanted = (fields if paths is None else paths) if fields else ()
    texts = dict.fromkeys(text for path in wanted for text in get_text_at_path(value, _tokens(path)))
    return Write(name=name, namespace=namespace, ttl_ms=ttl_ms(op.ttl, f"{at}ttl"), value=value, texts=tuple(texts))


def ttl_ms(minutes: object, field: str) -> int:
    """Minutes as milliseconds; 0 for None. Raises InvalidInput."""
    if minutes is None:
        return 0
    if isinstance(minutes, int | float) and not isinstance(minutes, bool) and 0 < minutes <= _LONGEST_TTL:
        return math.ceil(minutes * _MINUTE_MS)
    raise InvalidInput(field, minutes, f"minutes above 0 and up to {_LONGEST_TTL:,.0f}, or None")


def _paths(op: PutOp, at: str) -> Sequence[str] | None:
    told: object = op.index
    if told is None:
        return None
    if told is False:
        return ()
    paths = cast("Sequence[object]", told) if type(told) in {list, tuple} else (None,)
    if not all(isinstance(path, str) for path in paths):
        raise InvalidInput(f"{at}index", told, "None, False or a list of paths")
    return cast("Sequence[str]", paths)


def _tokens(path: str) -> str | list[str]:
    return path if path == "$" else tokenize_path(path)
