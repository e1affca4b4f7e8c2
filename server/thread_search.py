"""Lists threads: those that fit, in an order, a page at a time, each with its newest values."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, cast
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from motet.errors import StoreUnavailable
from motet.memory.ports import Thread, ThreadStatus
from motet.server import thread_state, wire
from motet.server.deps import graph_of
from motet.server.services import Services

logger = logging.getLogger(__name__)

ThreadField = Literal[
    "thread_id",
    "created_at",
    "updated_at",
    "state_updated_at",
    "metadata",
    "config",
    "context",
    "status",
    "values",
    "interrupts",
    "error",
]
SortBy = Literal["thread_id", "status", "created_at", "updated_at", "state_updated_at"]
Path = Annotated[
    str, Field(pattern=r"^(values|metadata|config|interrupts|error)(\.[^.\[\]]+|\[-?\d{1,9}\])*$", max_length=512)
]
"""A place in a thread: keys behind dots, an item's number in brackets, from the end if it is negative."""

_AT_ONCE = 16
"""Threads whose values are read side by side."""

_STEP = re.compile(r"([^.\[\]]+)|\[(-?\d+)\]")


def _not_by_values(told: dict[str, Any]) -> dict[str, Any]:
    if told:
        raise ValueError("threads aren't searched by their values here; by metadata, status and ids they are")
    return told


class ThreadFilter(BaseModel):
    """Which threads fit; null is no condition."""

    model_config = ConfigDict(extra="forbid")

    metadata: dict[str, Any] = {}
    """What a thread's metadata must hold, at any depth; beside it there may be more."""
    status: ThreadStatus | None = None
    ids: Annotated[list[UUID], Field(max_length=1_000)] = []
    values: Annotated[dict[str, Any], AfterValidator(_not_by_values)] = {}

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, told: Any) -> Any:
        if not isinstance(told, dict):
            return told
        return {name: value for name, value in cast("dict[str, Any]", told).items() if value is not None}

    def fits(self, thread: Thread) -> bool:
        return self.status in {None, thread.status} and _holds(thread.metadata, self.metadata)


class ThreadSearch(ThreadFilter):
    """A page of the threads that fit."""

    limit: Annotated[int, Field(ge=1, le=1_000)] = 10
    offset: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    sort_by: SortBy = "updated_at"
    sort_order: Literal["asc", "desc"] = "desc"
    select: list[ThreadField] = []
    """The fields that are told; all of them by default."""
    extract: Annotated[dict[str, Path], Field(max_length=10)] = {}
    """Places whose content is told under `extracted`, by names of the client's own."""

    @property
    def needs_values(self) -> bool:
        """Whether anything is told that stands in the threads' checkpoints."""
        paths = self.extract.values()
        return not self.select or "values" in self.select or any(path.startswith("values") for path in paths)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Some of the threads that fit."""

    rows: Sequence[wire.Wire]
    total: int
    """All that fit."""


async def search(services: Services, asked: ThreadSearch) -> Page:
    """The page that was asked for.

    Reads the record of every thread (what `ThreadIndex.all` costs), then the newest checkpoint of each thread on the
    page, one round trip each, sixteen side by side; none of them if `select` needs no values.
    """
    threads = await _fitting(services, asked)
    threads.sort(key=lambda one: one.thread_id)
    name = "updated_at" if asked.sort_by == "state_updated_at" else asked.sort_by
    threads.sort(key=lambda one: cast("str", getattr(one, name)), reverse=asked.sort_order == "desc")
    page = threads[asked.offset : asked.offset + asked.limit]
    rows: list[wire.Wire] = []
    for start in range(0, len(page), _AT_ONCE):
        rows += await asyncio.gather(*(_row(services, one, asked) for one in page[start : start + _AT_ONCE]))
    return Page(rows=rows, total=len(threads))


async def count(services: Services, asked: ThreadFilter) -> int:
    """How many threads fit; reads what `search` reads, but no checkpoint."""
    return len(await _fitting(services, asked))


async def _fitting(services: Services, asked: ThreadFilter) -> list[Thread]:
    if asked.ids:
        named = await services.thread_index.named(list(dict.fromkeys(map(str, asked.ids))))
        return [one for one in named if asked.fits(one)]
    return [one async for some in services.thread_index.all() for one in some if asked.fits(one)]


async def _row(services: Services, thread: Thread, asked: ThreadSearch) -> wire.Wire:
    # Where no values are told, an empty state stands for the one that isn't read: questions are told beside it.
    values = await _values(services, thread) if asked.needs_values else {}
    shape = wire.thread(thread, values, services.settings.approval_shape)
    row = {name: value for name, value in shape.items() if not asked.select or name in asked.select}
    if asked.extract:
        row["extracted"] = {name: _at(shape, path) for name, path in asked.extract.items()}
    return row


async def _values(services: Services, thread: Thread) -> Any:
    """The newest values, or None: for want of any, of their graph, or because one thread's can't be read."""
    if not services.graphs.serves(graph_of(thread)):
        return None
    try:
        snapshot = await thread_state.snapshot(services, thread)
    except StoreUnavailable:
        raise
    except Exception:
        # A factory is anybody's code, and a state may be of classes or keys that are gone: that hides no other thread.
        logger.warning("thread %s is listed without its values", thread.thread_id, exc_info=True)
        return None
    return wire.values(snapshot) if snapshot.created_at else None


def _holds(told: Any, wanted: Any) -> bool:
    """Whether JSON holds other JSON: objects the same keys, lists the same items, at any depth."""
    if isinstance(wanted, dict) and isinstance(told, dict):
        held, named = cast("dict[str, Any]", told), cast("dict[str, Any]", wanted)
        return all(name in held and _holds(held[name], value) for name, value in named.items())
    if isinstance(wanted, list) and isinstance(told, list):
        items, sought = cast("list[Any]", told), cast("list[Any]", wanted)
        return all(any(_holds(one, value) for one in items) for value in sought)
    return isinstance(told, bool) == isinstance(wanted, bool) and told == wanted


def _at(shape: Any, path: str) -> Any:
    """What stands at `path`; None where nothing does."""
    for key, number in _STEP.findall(path):
        if isinstance(shape, str):
            return None
        try:
            shape = shape[key or int(number)]
        except (KeyError, IndexError, TypeError):
            return None
    return shape
