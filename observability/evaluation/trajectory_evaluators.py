"""The evaluators that look at what a run did, by name; all of them without a model."""

from __future__ import annotations

from collections.abc import Mapping

from motet.observability.evaluation.approval_respected import APPROVAL, EFFECTS
from motet.observability.evaluation.described import Described
from motet.observability.evaluation.efficiency import EFFICIENCY
from motet.observability.evaluation.graph_path import GRAPH_PATH, HANDOFFS
from motet.observability.evaluation.run_ended import BUDGET, OUTCOME, RECOVERY
from motet.observability.evaluation.tool_use import ARGUMENT_CORRECTNESS, TOOL_CORRECTNESS
from motet.observability.evaluation.trajectory_match import TRAJECTORY_GRADED, TRAJECTORY_MATCH

TRAJECTORY: Mapping[str, Described] = {
    one.name: one
    for one in (
        TRAJECTORY_MATCH,
        TRAJECTORY_GRADED,
        GRAPH_PATH,
        EFFICIENCY,
        TOOL_CORRECTNESS,
        ARGUMENT_CORRECTNESS,
        HANDOFFS,
        RECOVERY,
        BUDGET,
        APPROVAL,
        EFFECTS,
        OUTCOME,
    )
}
