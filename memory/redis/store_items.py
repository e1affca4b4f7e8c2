"""What a store's item looks like in Redis: its name as bytes that no other has, its value as JSON, its record."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import orjson
from langgraph.store.base import Item, SearchItem

from motet.errors import InvalidInput

_DEPTH = 200
"""Levels of a value; JSON's writer gives up a little later."""
_BITS = 64
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_JSON = (
    "what JSON holds: a dict with text for keys, a list, text, a finite float, an int of 64 bits, True, False or None"
)


def namespace_bytes(labels: Sequence[str], *, field: str = "namespace") -> bytes:
    """Each label with a NUL behind it: no other namespace has these bytes, and a prefix of it starts them.

    `labels` have passed `validate_op_namespace`: none is empty or holds a NUL.

    Raises:
        InvalidInput: a label can't be written as UTF-8.
    """
    return b"".join(_utf8(label, f"{field}[{place}]") + b"\0" for place, label in enumerate(labels))


def name_bytes(labels: Sequence[str], key: object, *, at: str = "") -> bytes:
    """Namespace, a NUL more, and the key: a namespace never holds two NULs in a row. Raises InvalidInput."""
    if not isinstance(key, str):
        raise InvalidInput(f"{at}key", key, "text")
    return namespace_bytes(labels, field=f"{at}namespace") + b"\0" + _utf8(key, f"{at}key")


def labels_of(namespace: bytes) -> tuple[str, ...]:
    """The labels that `namespace_bytes` made these bytes of."""
    return tuple(namespace.decode().split("\0")[:-1])


def plain(value: Mapping[str, Any], *, field: str = "value") -> dict[str, Any]:
    """`value` as it will come back: dicts, lists (tuples become lists) and JSON's scalars, all of them new.

    Raises:
        InvalidInput: JSON can't hold a part of it; the error's field is that part's path.
    """
    return cast("dict[str, Any]", _plain(dict(value), field, _DEPTH))


def _plain(value: object, field: str, depth: int) -> object:
    if isinstance(value, dict | list | tuple) and depth == 0:
        raise InvalidInput(field, type(value).__name__, f"at most {_DEPTH} levels, none of which holds itself")
    if isinstance(value, dict):
        return {
            _text(key, f"{field}, a key of it"): _plain(inner, f"{field}.{key}", depth - 1)
            for key, inner in cast("dict[object, object]", value).items()
        }
    if isinstance(value, list | tuple):
        inside = cast("Sequence[object]", value)
        return [_plain(inner, f"{field}[{place}]", depth - 1) for place, inner in enumerate(inside)]
    return _scalar(value, field)


def _scalar(value: object, field: str) -> object:
    match value:
        case None | bool():
            return value
        case str():
            return _text(value, field)
        case int() if -(2 ** (_BITS - 1)) <= value < 2**_BITS:
            return int(value)
        case float() if math.isfinite(value):
            return float(value)
        case _:
            raise InvalidInput(field, value, _JSON)


def _text(value: object, field: str) -> str:
    if not isinstance(value, str):
        raise InvalidInput(field, value, _JSON)
    _utf8(value, field)
    return value


def _utf8(text: str, field: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise InvalidInput(field, text, "text without lone surrogates") from None


@dataclass(frozen=True, slots=True)
class Record:
    """An item as a script returns it."""

    id: bytes
    """Changes when an item is deleted and put again, not when it is put again; never another item's."""
    head: Sequence[bytes]
    """Created and updated (microseconds), TTL (milliseconds, 0 for none), lengths of namespace and name; the rest."""

    @property
    def expires(self) -> bool:
        return self.head[2] != b"0"

    @property
    def value(self) -> dict[str, Any]:
        """The value, read anew each time."""
        return orjson.loads(self.head[5][int(self.head[4]) :])

    def item(self) -> Item:
        namespace, key = self._name()
        created, updated = (_EPOCH + timedelta(microseconds=int(time)) for time in self.head[:2])
        return Item(value=self.value, key=key, namespace=namespace, created_at=created, updated_at=updated)

    def search_item(self, score: float | None = None) -> SearchItem:
        item = self.item()
        return SearchItem(item.namespace, item.key, item.value, item.created_at, item.updated_at, score)

    def _name(self) -> tuple[tuple[str, ...], str]:
        space, length = int(self.head[3]), int(self.head[4])
        name = self.head[5][:length]
        return labels_of(name[:space]), name[space + 1 :].decode()


def records_of(reply: Sequence[bytes]) -> Iterator[Record]:
    """The records of `id, record, id, record, …`."""
    for id, record in zip(reply[::2], reply[1::2], strict=True):
        yield Record(id, record.split(b" ", 5))
