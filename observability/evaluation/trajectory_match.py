"""Whether the conversation went as in the example's trajectory, and how far."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from motet.errors import InvalidInput
from motet.observability.evaluation.described import Described
from motet.observability.evaluation.evaluator import Evaluator, Means, Scale, Score, Trial
from motet.observability.evaluation.example import Json
from motet.observability.evaluation.graded import Grade, Mode, graded
from motet.observability.evaluation.offline import because, offline
from motet.observability.evaluation.openevals_quietly import untraced
from motet.observability.evaluation.telling import named
from motet.observability.evaluation.tool_arguments import ArgumentsMode, ArgumentsRule, Override
from motet.observability.evaluation.turns import turns


@dataclass(frozen=True, slots=True, kw_only=True)
class Matching:
    """How two conversations are compared."""

    mode: Mode = "strict"
    """strict: the same turns in the same order. unordered: the same calls. subset: no call that isn't expected.
    superset: each call that is expected."""
    arguments: ArgumentsMode = "exact"
    """exact, ignore, subset, superset: which arguments of a call must be those expected."""
    tools: Mapping[str, Override] = field(default_factory=dict[str, Override])
    """By tool, another mode for its arguments, or the only ones that count: `{"search": ["query", "span.from"]}`."""
    key: str = ""
    """Name of the metric; empty: the evaluator's, with the modes."""

    @property
    def rule(self) -> ArgumentsRule:
        """What of the arguments must agree."""
        return ArgumentsRule(mode=self.arguments, by_tool=self.tools)

    def metric(self, name: str) -> str:
        """`name.mode`, and the arguments' mode where it isn't `exact`."""
        told = [name, self.mode, *([] if self.arguments == "exact" else [self.arguments])]
        return self.key or ".".join(told)


def _trajectory(told: Matching, _: Means) -> Evaluator:
    key = told.metric("trajectory")
    matches = openevals_match(told)

    def look(trial: Trial) -> Sequence[Score]:
        if not trial.example.trajectory:
            return ()
        grade = _grade(trial, told)
        return [_score(key, matches(trial.observed.messages, trial.example.trajectory), grade)]

    return offline(named("trajectory", told), {key: Scale()}, look)


def _graded(told: Matching, _: Means) -> Evaluator:
    key = told.metric("trajectory_graded")

    def look(trial: Trial) -> Sequence[Score]:
        if not trial.example.trajectory:
            return ()
        grade = _grade(trial, told)
        return [_score(key, grade.share, grade)]

    return offline(named("trajectory_graded", told), {key: Scale(kind="number")}, look)


def openevals_match(told: Matching) -> Callable[[Sequence[Json], Sequence[Json]], bool]:
    """What `create_trajectory_match_evaluator` of openevals says with these modes, of outputs and a reference.

    It raises InvalidInput where openevals can't read a message.
    """
    made: list[Any] = []

    def match(outputs: Sequence[Json], reference: Sequence[Json]) -> bool:
        with untraced():
            if not made:
                from openevals.trajectory.match import (  # noqa: PLC0415 - heavy, and needed only where it is asked for
                    create_trajectory_match_evaluator,
                )

                overrides: Any = {name: one if isinstance(one, str) else list(one) for name, one in told.tools.items()}
                made.append(
                    create_trajectory_match_evaluator(
                        trajectory_match_mode=told.mode,
                        tool_args_match_mode=told.arguments,
                        tool_args_match_overrides=overrides or None,
                    )
                )
            try:
                result: Any = made[0](outputs=list(outputs), reference_outputs=list(reference))
            except (ValueError, KeyError) as error:
                raise InvalidInput(
                    "trajectory", list(reference), f"messages that openevals can read: {error}"
                ) from error
            return bool(result["score"])

    return match


def _grade(trial: Trial, told: Matching) -> Grade:
    called = turns(trial.observed.messages, "the run's messages")
    return graded(called, turns(trial.example.trajectory, "trajectory"), mode=told.mode, rule=told.rule)


def _score(key: str, value: float, grade: Grade) -> Score:
    comment = because([one.text for one in grade.losses], "as expected")
    details = {"share": round(grade.share, 6), "losses": [one.as_json() for one in grade.losses]}
    return Score(key=key, value=value, comment=comment, details=details)


TRAJECTORY_MATCH = Described(
    name="trajectory",
    arguments=Matching,
    make=_trajectory,
    about="Whether the conversation has the turns and tool calls of the example's trajectory, as openevals decides it.",
)
TRAJECTORY_GRADED = Described(
    name="trajectory_graded",
    arguments=Matching,
    make=_graded,
    about="How far it has them, 0 to 1, with the reason for each loss; 1 exactly where `trajectory`, told the same, is "
    "true.",
)
