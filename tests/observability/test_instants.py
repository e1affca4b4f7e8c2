"""Moments as text."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from motet.observability import instants

LAST = 253_402_300_799_999_999
"""The last microsecond that a `datetime` can tell."""


@given(st.one_of(st.integers(0, LAST), st.integers(0, LAST // 1_000_000).map(lambda seconds: seconds * 1_000_000)))
def test_a_moment_is_told_as_python_tells_it(microseconds: int) -> None:
    """ISO 8601 in UTC, without a fraction where there is none."""
    seconds, rest = divmod(microseconds, 1_000_000)
    told = datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest)
    assert instants.iso(microseconds) == told.isoformat()


def test_now_has_all_six_digits_and_lies_between_two_looks_at_the_clock() -> None:
    """So moments sort as texts."""
    before = datetime.now(UTC)
    told = instants.now()
    assert before <= datetime.fromisoformat(told) <= datetime.now(UTC)
    assert len(told) == len("2026-01-01T00:00:00.000000+00:00")
