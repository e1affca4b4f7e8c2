"""A loop that corrects itself ends."""

from __future__ import annotations

import pytest

from motet.graphs.correction import Attempt, fingerprint, stop_reason


def _attempts(*pairs: tuple[str, str]) -> list[Attempt]:
    return [Attempt(action=action, problem=problem) for action, problem in pairs]


@pytest.mark.parametrize(
    ("attempts", "reason"),
    [
        (_attempts(), None),
        (_attempts(("a", "x")), None),
        (_attempts(("a", "x"), ("b", "y"), ("c", "z")), None),
        (_attempts(("a", "x"), ("b", "y"), ("c", "z"), ("d", "w")), "no attempt worked"),
        (_attempts(("SELECT  1;", "x"), ("select 1", "y")), "the same was tried twice"),
        (_attempts(("a", "x"), ("b", "y"), ("c", "X ")), "the same problem came twice"),
    ],
)
def test_attempts_end_when_spent_or_without_progress(attempts: list[Attempt], reason: str | None) -> None:
    """Three repairs at most, and none after a repeated action or a repeated problem."""
    assert stop_reason(attempts) == reason


def test_a_fingerprint_sees_through_spacing_and_case() -> None:
    """Two texts that differ in layout only are the same action; others aren't."""
    assert fingerprint("SELECT\n 1 ;") == fingerprint("select 1")
    assert fingerprint("select 1") != fingerprint("select 2")
