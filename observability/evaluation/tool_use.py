"""Whether the right tools were called, with the right arguments; sub-agents' calls count."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, best_match

from motet.errors import InvalidInput
from motet.observability.evaluation.described import Described
from motet.observability.evaluation.evaluator import Evaluator, Means, Scale, Score, Trial
from motet.observability.evaluation.example import Example, Json
from motet.observability.evaluation.expected import listed
from motet.observability.evaluation.observed import ObservedToolCall
from motet.observability.evaluation.offline import because, offline
from motet.observability.evaluation.sequences import compared
from motet.observability.evaluation.telling import named
from motet.observability.evaluation.tool_arguments import ArgumentsMode, ArgumentsRule, Override
from motet.observability.evaluation.turns import turns, wishes


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedTools:
    """What else than the expected tools may be called."""

    extra: bool = True
    """Whether calls that aren't expected are no fault."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedArguments:
    """Which arguments must be right."""

    arguments: ArgumentsMode = "superset"
    """superset: those expected, and others may be there. exact, subset, ignore: as of `trajectory`."""
    tools: Mapping[str, Override] = field(default_factory=dict[str, Override])
    """By tool, as of `trajectory`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A call that is expected."""

    tool: str
    arguments: Json | None = None
    """None: any."""
    schema: Json | None = None
    """JSON Schema of the arguments."""


def wanted(example: Example) -> Sequence[Wanted] | None:
    """The calls that an example expects: `expect.tools`, else those of its trajectory; None where it has neither.

    `expect.tools` holds names, or objects with `name` and perhaps `args` or `schema`.

    Raises:
        InvalidInput: it holds something else.
    """
    told = listed(example, "tools", "tools: names, or objects with `name`, `args`, `schema`")
    if told is not None:
        return [_wanted(one, f"expect.tools[{n}]") for n, one in enumerate(told)]
    if not example.trajectory:
        return None
    calls = wishes(turns(example.trajectory, "trajectory"))
    return [Wanted(tool=call.tool, arguments=call.arguments) for call in calls]


def made(calls: Sequence[ObservedToolCall]) -> Sequence[ObservedToolCall]:
    """The calls that came to an end: one that asked a person is made again with the answer."""
    return [one for one in calls if one.outcome != "interrupted"]


def _correctness(told: WantedTools, _: Means) -> Evaluator:
    def look(trial: Trial) -> Sequence[Score]:
        expected = wanted(trial.example)
        if expected is None:
            return ()
        comparison = compared(
            [one.tool for one in made(trial.observed.tool_calls)], [one.tool for one in expected], "superset"
        )
        missing = sum(comparison.details["missing"].values())
        extra = 0 if told.extra else sum(comparison.details["extra"].values())
        all_of_it = len(expected) + extra
        value = 1.0 if all_of_it == 0 else (len(expected) - missing) / all_of_it
        reasons = [one for one in comparison.reasons if not one.startswith("wrong order")]
        comment = because(reasons, "the expected tools were called")
        return [Score(key="tool_correctness", value=value, comment=comment, details=comparison.details)]

    return offline(named("tool_correctness", told), {"tool_correctness": Scale(kind="number")}, look)


def _arguments(told: WantedArguments, _: Means) -> Evaluator:
    rule = ArgumentsRule(mode=told.arguments, by_tool=told.tools)

    def look(trial: Trial) -> Sequence[Score]:
        expected = [one for one in wanted(trial.example) or () if one.arguments is not None or one.schema is not None]
        if not expected:
            return ()
        rated = _assigned(expected, made(trial.observed.tool_calls), rule)
        shares = [share for _, share, _ in rated]
        reasons = [f"{one.tool}: {text}" for one, _, wrong in rated for text in wrong]
        details = {"calls": len(expected), "right": sum(share == 1 for share in shares)}
        comment = because(reasons, "all arguments are right")
        value = sum(shares) / len(shares)
        return [Score(key="argument_correctness", value=value, comment=comment, details=details)]

    return offline(named("argument_correctness", told), {"argument_correctness": Scale(kind="number")}, look)


def _assigned(
    expected: Sequence[Wanted], calls: Sequence[ObservedToolCall], rule: ArgumentsRule
) -> Sequence[tuple[Wanted, float, Sequence[str]]]:
    """Each expected call with how far a call was it, and what is wrong: those that are right first, then the best."""
    left = list(calls)
    told: list[tuple[Wanted, float, Sequence[str]]] = []
    others: list[Wanted] = []
    for one in expected:
        right = next((call for call in left if call.tool == one.tool and _rated(one, call, rule)[0] == 1), None)
        if right is None:
            others.append(one)
        else:
            told.append((one, 1.0, ()))
            left.remove(right)
    for one in others:
        rated = [(*_rated(one, call, rule), call) for call in left if call.tool == one.tool]
        if not rated:
            told.append((one, 0.0, ["it was not called"]))
            continue
        share, wrong, call = max(rated, key=lambda each: each[0])
        told.append((one, share, wrong))
        left.remove(call)
    return told


def _rated(expected: Wanted, call: ObservedToolCall, rule: ArgumentsRule) -> tuple[float, Sequence[str]]:
    share, wrong = 1.0, list[str]()
    if expected.arguments is not None:
        share = rule.share(call.tool, call.arguments, expected.arguments)
        wrong += rule.differences(call.tool, call.arguments, expected.arguments)
    if expected.schema is not None:
        problem = best_match(Draft202012Validator(dict(expected.schema)).iter_errors(dict(call.arguments)))
        if problem is not None:
            share, wrong = 0.0, [*wrong, f"arguments don't fit the schema: {problem.message[:200]}"]
    return share, wrong


def _wanted(told: Any, field_name: str) -> Wanted:
    match told:
        case str():
            return Wanted(tool=told)
        case {"name": str() as tool, **rest} if set(rest) <= {"args", "schema"}:
            held = cast("Mapping[str, Any]", rest)
            for name, value in held.items():
                if not isinstance(value, Mapping):
                    raise InvalidInput(f"{field_name}.{name}", value, "an object")
            _check_schema(held.get("schema"), field_name)
            return Wanted(tool=tool, arguments=held.get("args"), schema=held.get("schema"))
        case _:
            raise InvalidInput(field_name, told, "a tool's name, or an object with `name`, `args`, `schema`")


def _check_schema(schema: Any, field_name: str) -> None:
    try:
        Draft202012Validator.check_schema(schema if schema is not None else True)
    except SchemaError as error:
        raise InvalidInput(f"{field_name}.schema", schema, f"a JSON Schema: {error.message}") from error


TOOL_CORRECTNESS = Described(
    name="tool_correctness",
    arguments=WantedTools,
    make=_correctness,
    about="The share of the expected calls (expect.tools, else the trajectory's) whose tools were called.",
)
ARGUMENT_CORRECTNESS = Described(
    name="argument_correctness",
    arguments=WantedArguments,
    make=_arguments,
    about="How far the expected calls had the arguments they should: equal ones, or such as fit a schema.",
)
