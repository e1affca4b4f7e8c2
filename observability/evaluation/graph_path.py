"""Whether the run went through the nodes that it should, and to the agents that it should."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from motet.errors import InvalidInput
from motet.observability.evaluation.described import Described
from motet.observability.evaluation.evaluator import Evaluator, Means, Scale, Score, Trial
from motet.observability.evaluation.expected import listed
from motet.observability.evaluation.graded import Mode
from motet.observability.evaluation.offline import because, offline
from motet.observability.evaluation.sequences import Comparison, compared
from motet.observability.evaluation.telling import named


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """How a path is compared with the example's."""

    mode: Mode = "strict"
    """strict: the same nodes in the same order. unordered: in any order. subset: no node that isn't expected.
    superset: each node that is expected. A node counts as often as it ran."""
    nested: bool = True
    """Whether nodes inside nodes (`outer/inner`) count; not: of both paths only the outermost."""
    key: str = ""
    """Name of the metric; empty: `graph_path.` and the mode."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HandoffOrder:
    """How handoffs are compared with those expected."""

    mode: Mode = "strict"
    """As of a path."""


def _graph_path(told: Way, _: Means) -> Evaluator:
    key = told.key or f"graph_path.{told.mode}"

    def look(trial: Trial) -> Sequence[Score]:
        if not trial.example.path:
            return ()
        found, expected = (_counting(one, told) for one in (trial.observed.path, trial.example.path))
        return [_score(key, compared(found, expected, told.mode))]

    return offline(named("graph_path", told), {key: Scale()}, look)


def _handoffs(told: HandoffOrder, _: Means) -> Evaluator:
    def look(trial: Trial) -> Sequence[Score]:
        expected = listed(trial.example, "handoffs", "agents, or of pairs of agents")
        if expected is None:
            return ()
        wanted = [_handoff(one, n) for n, one in enumerate(expected)]
        pairs = [isinstance(one, list | tuple) for one in expected]
        if any(pairs) and not all(pairs):
            raise InvalidInput("expect.handoffs", expected, "either agents, or pairs of agents")
        found = [_pair(one) if any(pairs) else one[1] for one in trial.observed.handoffs]
        return [_score("handoffs", compared(found, wanted, told.mode))]

    return offline(named("handoffs", told), {"handoffs": Scale()}, look)


def _counting(path: Sequence[str], told: Way) -> Sequence[str]:
    return [one for one in path if one.rpartition("/")[2] != "__start__" and (told.nested or "/" not in one)]


def _handoff(told: Any, position: int) -> str:
    match told:
        case str():
            return told
        case [str(), str()] | (str(), str()):
            return _pair(told)
        case _:
            raise InvalidInput(f"expect.handoffs[{position}]", told, "an agent, or two: from, to")


def _pair(handoff: Sequence[str]) -> str:
    return f"{handoff[0]} to {handoff[1]}"


def _score(key: str, comparison: Comparison) -> Score:
    comment = because(comparison.reasons, "as expected")
    return Score(key=key, value=comparison.agrees, comment=comment, details=comparison.details)


GRAPH_PATH = Described(
    name="graph_path",
    arguments=Way,
    make=_graph_path,
    about="Whether the run's nodes are those of the example's path.",
)
HANDOFFS = Described(
    name="handoffs",
    arguments=HandoffOrder,
    make=_handoffs,
    about="Whether agents handed over as the example's expect.handoffs says: agents, or pairs of agents; [] for none.",
)
