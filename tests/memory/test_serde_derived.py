"""The serializers that LangGraph derives for graphs."""

from __future__ import annotations

import dataclasses

import pytest

from motet.errors import TypeNotAllowed
from motet.memory.serde import state_serializer


@dataclasses.dataclass
class Finding:
    rows: int


LISTED = (Finding.__module__, Finding.__name__)


def test_each_run_of_a_graph_has_the_same_serializer() -> None:
    """It is derived once for the same classes, in whatever order they are named."""
    base = state_serializer()
    first = base.with_msgpack_allowlist([LISTED, ("a", "B")])
    assert base.with_msgpack_allowlist({("a", "B"), LISTED}) is first
    assert base.with_msgpack_allowlist([("a", "B")]) is not first


def test_what_is_derived_allows_nothing_to_what_it_was_derived_from() -> None:
    """Nor to what is derived for another graph, before or after."""
    base = state_serializer()
    other = base.with_msgpack_allowlist([("a", "B")])
    assert base.with_msgpack_allowlist([LISTED]).dumps_typed(Finding(rows=1))[0] == "msgpack"
    for strict in (base, other, base.with_msgpack_allowlist([("a", "C")])):
        with pytest.raises(TypeNotAllowed):
            strict.dumps_typed(Finding(rows=1))


def test_a_serializer_can_be_derived_from_a_derived_one() -> None:
    """It allows what both were derived with, and finds nothing that was derived from the first."""
    base = state_serializer()
    base.with_msgpack_allowlist([("a", "B")])
    both = base.with_msgpack_allowlist([LISTED]).with_msgpack_allowlist([("a", "B")])
    assert both.dumps_typed(Finding(rows=1))[0] == "msgpack"


def test_however_many_are_derived_each_is_right() -> None:
    """A graph that is made for each run may name other classes each time."""
    base = state_serializer()
    for number in range(200):
        derived = base.with_msgpack_allowlist([("a", f"B{number}"), LISTED])
        assert derived.loads_typed(derived.dumps_typed(Finding(rows=number))) == Finding(rows=number)
