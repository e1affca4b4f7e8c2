"""What a run did, told plainly: its steps, its calls of models and tools, and who handed over to whom."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, cast

from motet.calls import Place
from motet.observability.evaluation.observed import ObservedModelCall, ObservedStep, ObservedToolCall
from motet.observability.evaluation.observed_messages import text_of
from motet.observability.handoffs import giver
from motet.observability.trajectory.diff.comparable import comparable, digest
from motet.observability.trajectory.records import Call, ModelCalled, ToolCalled
from motet.observability.trajectory.trajectory import Execution, Segment, Trajectory
from motet.observability.trajectory.tree import ENTRANCE
from motet.observability.trajectory.tree_detail import names_on, shown_channel

_COUNTED = re.compile(r"#\d+")
_REFUSED = "motet.errors:BudgetExhausted"
"""What a call that was never made ends with."""
_RETURNED = frozenset({"__return__", "__end__"})
"""LangGraph's channels for what a task and a flow of the functional API return."""


def steps(trajectory: Trajectory, segments: Sequence[Segment]) -> list[ObservedStep]:
    """Each execution of a node, in the order in which they began.

    One that asked a person is gone on with by the run that was answered: both are one.
    """
    told: list[ObservedStep] = []
    waiting: dict[str, int] = {}
    for segment in segments:
        for execution in segment.executions.values():
            if execution.path.rpartition("|")[2].startswith(f"{ENTRANCE}@"):
                continue
            step = ObservedStep(node=_node(execution.path), task=execution.path, wrote=_wrote(trajectory, execution))
            at = waiting.pop(execution.path, None)
            if at is None:
                at = len(told)
                told.append(step)
            else:
                told[at] = step
            if execution.finished.outcome == "interrupted":
                waiting[execution.path] = at
    return told


def calls_of(segment: Segment) -> Sequence[Call]:
    """The calls of a run that count and were made, in the order in which they began."""
    every = [*segment.outside, *(call for one in segment.executions.values() for call in one.calls)]
    made = (one for one in every if one.error is None or one.error.kind != _REFUSED)
    return sorted(made, key=lambda one: (one.at, one.attempt, one.index))


def model_call(call: ModelCalled) -> ObservedModelCall:
    """A request to a model."""
    return ObservedModelCall(
        model=call.model_used or call.model,
        agent=_agent(call.place),
        path=call.path,
        outcome=call.outcome,
        input_tokens=call.usage.input_tokens,
        output_tokens=call.usage.output_tokens,
        cost_usd=call.cost_usd,
        duration_s=call.duration_s,
        first_token_s=call.first_token_s,
        error=call.error.message if call.error else "",
    )


def tool_call(trajectory: Trajectory, call: ToolCalled, run: int) -> ObservedToolCall:
    """A call of a tool."""
    arguments: Any = trajectory.plain(call.arguments)
    result: Any = None if call.result is None else trajectory.plain(call.result)
    error = call.error.message if call.error else ""
    return ObservedToolCall(
        tool=call.tool,
        arguments=cast("Mapping[str, Any]", arguments) if isinstance(arguments, Mapping) else {"input": arguments},
        result=result,
        text=_text(result) or error,
        agent=_agent(call.place),
        path=call.path,
        outcome=call.outcome,
        effect=call.effect,
        asked=bool(call.asked),
        handed_to=call.handed_to,
        duration_s=call.duration_s,
        error=error,
        is_error=call.outcome == "error",
        run=run,
    )


def handed_over(call: ToolCalled) -> tuple[str, str] | None:
    """From whom to whom a tool handed over; None where it didn't."""
    return None if call.handed_to is None or call.outcome != "ok" else (giver(call.place), call.handed_to)


def _agent(place: Place) -> str:
    return place.agent or place.node


def _node(path: str) -> str:
    return _COUNTED.sub("", names_on(path)).replace("|", "/")


def _wrote(trajectory: Trajectory, execution: Execution) -> str:
    wrote = [
        (channel, comparable(trajectory.plain(value)))
        for channel, value in execution.finished.writes
        if shown_channel(channel) or channel in _RETURNED
    ]
    return digest(wrote) if wrote else ""


def _text(result: Any) -> str:
    match result:
        case str():
            return result
        case {"type": "tool", "content": content}:
            return text_of(content)
        case {"class": "langgraph.types:Command", "update": {"messages": [*messages]}}:
            return "\n".join(text_of(one.get("content")) for one in messages if isinstance(one, Mapping))
        case _:
            return ""
