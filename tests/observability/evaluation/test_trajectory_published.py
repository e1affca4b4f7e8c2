"""The cases that agentevals and openevals publish: our evaluators say what theirs do."""

from __future__ import annotations

from typing import Any

import pytest
from openevals.trajectory.match import create_trajectory_match_evaluator
from tests.observability.evaluation.published_trajectories import CASES, GRAPH_CASES, Case, GraphCase
from tests.observability.evaluation.trials import example, score, seen, tried

from motet.observability.evaluation.graded import Mode
from motet.observability.evaluation.openevals_quietly import untraced

EACH = [pytest.param(case, mode, id=f"{case.name}, {mode}") for case in CASES for mode in case.expected]


@pytest.mark.parametrize(("case", "mode"), EACH)
async def test_a_published_case_is_scored_as_published(case: Case, mode: Mode) -> None:
    """Ours, openevals' own function beside it, and the published score are one."""
    told = {"name": "trajectory", "mode": mode, "arguments": case.arguments, "tools": case.tools}

    ours = await score(told, tried(seen(messages=case.outputs), example(trajectory=case.reference)))

    assert (ours.value, ours.error) == (case.expected[mode], "")
    assert _theirs(case, mode) is case.expected[mode]


@pytest.mark.parametrize(("case", "mode"), EACH)
async def test_a_published_case_is_whole_only_where_the_boolean_says_so(case: Case, mode: Mode) -> None:
    """The graded share is 1 where the published score is true, less and with a reason where it isn't."""
    told = {"name": "trajectory_graded", "mode": mode, "arguments": case.arguments, "tools": case.tools}

    ours = await score(told, tried(seen(messages=case.outputs), example(trajectory=case.reference)))

    assert isinstance(ours.value, float)
    assert (ours.value == 1) is case.expected[mode]
    assert 0 <= ours.value <= 1
    assert bool(ours.details["losses"]) is not case.expected[mode]


@pytest.mark.parametrize(
    ("case", "mode"),
    [pytest.param(case, mode, id=f"{case.name}, {mode}") for case in GRAPH_CASES for mode in case.expected],
)
async def test_a_published_graph_path_is_scored_as_published(case: GraphCase, mode: Mode) -> None:
    """A path through a graph has the published score."""
    ours = await score(f"graph_path:mode={mode}", tried(seen(path=case.outputs), example(path=case.reference)))

    assert ours.value is case.expected[mode]


def _theirs(case: Case, mode: Mode) -> bool:
    overrides: Any = dict(case.tools) or None
    made = create_trajectory_match_evaluator(
        trajectory_match_mode=mode, tool_args_match_mode=case.arguments, tool_args_match_overrides=overrides
    )
    with untraced():
        result: Any = made(
            outputs=[dict(one) for one in case.outputs], reference_outputs=[dict(one) for one in case.reference]
        )
    return bool(result["score"])
