"""Which contents a record names, and which those name in turn."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import orjson

from motet.observability.trajectory.records import (
    CUT,
    FeedbackGiven,
    Interrupted,
    ModelCalled,
    NodeFinished,
    Parted,
    Record,
    Ref,
    RunStarted,
    StateRead,
    StateSaved,
    StoreCalled,
    ToolCalled,
)

_LISTED = re.compile(rb'"\$(?:list|rows)":(\[[^\]]*\])')
"""A list whose elements are contents of their own; a person's own key of that name never stands like this."""


_Named = Callable[[Any], Iterable[Ref | None]]

_NAMED: Mapping[type[Record], _Named] = {
    RunStarted: lambda one: (one.input, one.command, one.context),
    StateRead: lambda one: (
        one.checkpoint,
        *one.values.values(),
        *(value for _, _, value in one.writes),
        *(ref for history in one.deltas.values() for ref in history),
    ),
    StateSaved: lambda one: one.values.values(),
    NodeFinished: lambda one: [value for _, value in one.writes],
    ModelCalled: lambda one: (*one.messages, one.params, one.response, one.chunks),
    ToolCalled: lambda one: (one.arguments, one.result, *(asked.value for asked in one.asked)),
    StoreCalled: lambda one: (one.operations, one.results),
    Interrupted: lambda one: [question.value for question in one.questions],
    Parted: lambda one: (one.expected, one.actual),
    FeedbackGiven: lambda one: (one.said,),
}


def named(record: Record) -> Sequence[Ref]:
    """The contents that `record` names, in order; `CUT` may be among them."""
    of_its_kind = _NAMED.get(type(record))
    return [] if of_its_kind is None else [ref for ref in of_its_kind(record) if ref is not None]


def missing(records: Iterable[Record], contents: Mapping[Ref, bytes]) -> set[Ref]:
    """The contents that are named, by records or by other contents, and aren't there; those cut off aren't missing."""
    left = {ref for record in records for ref in named(record) if ref != CUT}
    seen: set[Ref] = set()
    while left:
        ref = left.pop()
        seen.add(ref)
        left.update(one for one in listed(contents.get(ref, b"")) if one not in seen and one != CUT)
    return seen - contents.keys()


def listed(content: bytes) -> Sequence[Ref]:
    """The contents that a content names."""
    if b'"$list":' not in content and b'"$rows":' not in content:
        return ()
    return [ref for found in _LISTED.findall(content) for ref in orjson.loads(found)]


def elements(tree: Mapping[str, Any], contents: Mapping[Ref, bytes]) -> Sequence[Ref]:
    """The elements of a list that is kept element by element, `$list` or `$rows`; a row that isn't there is one."""
    if "$list" in tree:
        return tree["$list"]
    found: list[Ref] = []
    for row in tree["$rows"]:
        content = contents.get(row)
        found += [row] if content is None else elements(orjson.loads(content), contents)
    return found
