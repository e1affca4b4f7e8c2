"""The reads of a store's batch: what each asks `store_batch.lua` for, page after page, and what becomes of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from langgraph.store.base import GetOp, ListNamespacesOp, Result, SearchOp

from motet.errors import InvalidInput
from motet.memory.redis.scripts import Argument
from motet.memory.redis.store_filters import check_conditions, check_filter, fits, known_start, listed
from motet.memory.redis.store_items import Record, labels_of, name_bytes, namespace_bytes, records_of

PAGE = 500
"""Items looked at by one call where a filter decides which of them count."""
_START = b"0"


class Read(Protocol):
    """One read of a batch; asked again until it is done."""

    place: int
    """Where its result stands in the batch's."""

    @property
    def done(self) -> bool: ...
    @property
    def refreshes(self) -> bool:
        """Whether asking may put off when items expire, which is a write."""
        ...

    def args(self) -> list[Argument]: ...
    def take(self, reply: Any) -> None: ...
    def result(self) -> Result: ...


@dataclass(slots=True)
class Get:
    place: int
    name: bytes
    refreshes: bool
    found: Record | None = None
    done: bool = False

    def args(self) -> list[Argument]:
        return ["get", self.name, int(self.refreshes)]

    def take(self, reply: Any) -> None:
        self.done = True
        self.found = next(records_of(reply or ()), None)

    def result(self) -> Result:
        return self.found.item() if self.found else None


@dataclass(slots=True)
class Walk:
    """The items under a prefix, in order, from the offset to the limit of those that fit the filter."""

    place: int
    prefix: bytes
    op: SearchOp
    paged: bool
    """Whether it is decided here which items count, those before the offset included."""
    cursor: bytes = _START
    skip: int = 0
    found: list[Record] = field(default_factory=list[Record])

    @property
    def refreshes(self) -> bool:
        return bool(self.op.refresh_ttl) and not self.paged

    @property
    def done(self) -> bool:
        return not self.cursor or not self.op.limit or len(self.found) >= self._wanted

    @property
    def _wanted(self) -> int:
        return self.op.limit + (self.op.offset if self.paged else 0)

    def args(self) -> list[Argument]:
        if self.paged:
            return ["walk", self.prefix, self.cursor, 0, PAGE, 1, 0]
        return ["walk", self.prefix, self.cursor, self.skip, self.op.limit - len(self.found), 0, int(self.refreshes)]

    def take(self, reply: Any) -> None:
        self.cursor, self.skip = reply[:2]
        for record in records_of(reply[2:]):
            if self.paged and not fits(record.value, self.op.filter):
                continue
            self.found.append(record)
            if len(self.found) == self._wanted:
                return

    def result(self) -> Result:
        return [record.search_item() for record in self._kept()]

    def untouched(self) -> list[bytes]:
        """Ids of what was found whose expiry wasn't put off on the way, and should be."""
        return touched(self._kept()) if self.paged and self.op.refresh_ttl else []

    def _kept(self) -> Sequence[Record]:
        return self.found[self.op.offset :] if self.paged else self.found


@dataclass(slots=True)
class Fetch:
    """Items by their ids; those that aren't there any more are missing."""

    ids: Sequence[bytes]
    place: int = 0
    refreshes: bool = False
    looked: int = 0
    found: dict[bytes, Record] = field(default_factory=dict[bytes, Record])

    @property
    def done(self) -> bool:
        return self.looked == len(self.ids)

    def args(self) -> list[Argument]:
        return ["ids", len(self.ids) - self.looked, *self.ids[self.looked :]]

    def take(self, reply: Any) -> None:
        self.looked += reply[0]
        self.found |= {record.id: record for record in records_of(reply[1:])}

    def result(self) -> Result:
        return [record.search_item() for record in self.found.values()]


@dataclass(slots=True)
class Spaces:
    """The namespaces that fit."""

    place: int
    op: ListNamespacesOp
    prefix: bytes
    refreshes: bool = False
    cursor: bytes = _START
    found: list[bytes] = field(default_factory=list[bytes])

    @property
    def done(self) -> bool:
        return not self.cursor

    def args(self) -> list[Argument]:
        return ["spaces", self.prefix, self.cursor]

    def take(self, reply: Any) -> None:
        self.cursor = reply[0]
        self.found += reply[1:]

    def result(self) -> Result:
        return listed([labels_of(namespace) for namespace in self.found], self.op)


def read_of(op: GetOp | SearchOp | ListNamespacesOp, place: int, *, at: str = "") -> Read:
    """The read that `op` asks for. Raises InvalidInput; `at` stands before the field's name."""
    if isinstance(op, GetOp):
        return Get(place, name_bytes(op.namespace, op.key, at=at), bool(op.refresh_ttl))
    for name, number in (("limit", op.limit), ("offset", op.offset)):
        if not isinstance(number, int) or isinstance(number, bool) or number < 0:  # pyright: ignore[reportUnnecessaryIsInstance] - callers may be untyped
            raise InvalidInput(f"{at}{name}", number, "a number from 0")
    if isinstance(op, ListNamespacesOp):
        check_conditions(op, at=at)
        return Spaces(place, op, namespace_bytes(known_start(op), field=f"{at}prefix"))
    if op.filter:
        check_filter(op.filter, field=f"{at}filter")
    return Walk(
        place, namespace_bytes(op.namespace_prefix, field=f"{at}namespace_prefix"), op, bool(op.filter), skip=op.offset
    )


def touched(records: Sequence[Record]) -> list[bytes]:
    """The ids of those that expire."""
    return [record.id for record in records if record.expires]
