"""JSON that looks like what graphs and clients send, and isn't."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, cast

from hypothesis import strategies as st
from tests.graphs.asked import ALL, SAID, batched, legacy, per_call, per_call_schema

REAL: list[Any] = [
    *(batched(*ALL, actions=2), per_call(), per_call_schema(*ALL), legacy(), [legacy()]),
    *(said for ways in SAID.values() for said in ways.values()),
]


def _words(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    if isinstance(value, dict):
        yield from cast("dict[str, Any]", value)
        value = list(cast("dict[str, Any]", value).values())
    if isinstance(value, list):
        for one in cast("list[Any]", value):
            yield from _words(one)


WORDS = st.sampled_from(
    sorted(set(_words(REAL)) | {"why", "evidence", "deadline_s", "args_schema", "arguments_sha256"})
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats(-1, 1) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=4),
    max_leaves=12,
)


@st.composite
def _broken(draw: st.DrawFn, value: Any) -> Any:
    """`value` with one part of it replaced by anything."""
    if not isinstance(value, list | dict) or not value or draw(st.integers(0, 3)) == 0:
        return draw(JSON)
    if isinstance(value, Mapping):
        fields = cast("Mapping[str, Any]", value)
        name = draw(st.sampled_from(sorted(fields)))
        return {**fields, name: draw(_broken(fields[name]))}
    items = cast("list[Any]", value)
    place = draw(st.integers(0, len(items) - 1))
    return [*items[:place], draw(_broken(items[place])), *items[place + 1 :]]


ANY = JSON | st.sampled_from(REAL).flatmap(_broken)
"""Any JSON, most of it almost a question or an answer."""
