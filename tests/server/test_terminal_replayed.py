"""What a person reads of a replay."""

from __future__ import annotations

from typing import Any

import pytest

from motet.observability.trajectory.replay.divergence import Divergence
from motet.observability.trajectory.replay.verdict import Counts, Verdict
from motet.server.terminal.replayed import drawn


def verdict(*run_ids: str, divergence: Divergence | None = None, **counts: int) -> Verdict:
    """Of a replay of these runs."""
    told: dict[str, Any] = {"graph_id": "g", "stood_in": [], "ended": "ok", "at": "", "seconds": 0.5}
    return Verdict(run_ids=list(run_ids), divergence=divergence, counts=Counts(**counts), **told)


def parting(run_id: str) -> Divergence:
    """A model was asked another word."""
    told: dict[str, Any] = {"step": 2, "path": "second@2", "agent": "second", "kind": "model", "only": "both"}
    return Divergence(run_id=run_id, field="messages[0].content", expected="tea", actual="rum", hint="", **told)


@pytest.mark.parametrize(
    ("run_ids", "said"),
    [
        ("a", "✓ a replays the same"),
        ("ab", "✓ b and the run before it replay the same"),
        ("abc", "✓ c and the 2 runs before it replay the same"),
    ],
)
def test_runs_that_replay_the_same_are_counted(run_ids: str, said: str) -> None:
    """One run, or it and those whose questions it answered."""
    assert next(iter(drawn(verdict(*run_ids)))).plain == said


def test_of_several_runs_the_one_that_parts_is_named() -> None:
    """Not the last one, which may never have been reached."""
    where = "parts from its record at step 2, agent second (second@2)"

    assert next(iter(drawn(verdict("a", divergence=parting("a"))))).plain == f"✗ a {where}"
    assert next(iter(drawn(verdict("a", "b", "c", divergence=parting("b"))))).plain == f"✗ b, run 2 of 3, {where}"


@pytest.mark.parametrize(
    ("untold", "said"),
    [
        (1, "  1 event that a tool told by itself wasn't told again"),
        (2, "  2 events that tools told by themselves weren't told again"),
    ],
)
def test_events_that_are_left_out_are_counted(untold: int, said: str) -> None:
    """One or several."""
    assert said in [one.plain for one in drawn(verdict("a", untold=untold))]
