"""From what was recorded to what evaluators look at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, cast

from motet.observability.evaluation.observed import Observed, ObservedModelCall
from motet.observability.evaluation.observed_calls import calls_of, handed_over, model_call, steps, tool_call
from motet.observability.evaluation.observed_messages import answer_in, conversation
from motet.observability.evaluation.observed_questions import questions
from motet.observability.names import Outcome
from motet.observability.trajectory.records import (
    Failure,
    ModelCalled,
    NodeFinished,
    Record,
    Ref,
    RunFinished,
    ToolCalled,
)
from motet.observability.trajectory.trajectory import Segment, Trajectory
from motet.observability.trajectory.tree_detail import shown_channel

_RETURNED = "__end__"
"""LangGraph's channel for what a flow of the functional API returns."""


def observed(trajectory: Trajectory) -> Observed:
    """What became of the run, and of those that answered its questions.

    What a worker that was killed did counts as far as its work went on to be used, once: calls, tokens and cost are
    those of the executions that `Segment` counts, and of a fork those that were made, not answered from the record.
    `seconds` are of all workers. `first_token_s` is None where no model streamed.

    Raises:
        TrajectoryUnreadable: there are no records, or the beginning of a run isn't among them.
    """
    segments = trajectory.segments()
    first, last = segments[0], segments[-1]
    output = _output(trajectory, segments)
    messages = conversation(output)
    calls = [(position, call) for position, one in enumerate(segments) for call in calls_of(one)]
    recorded = [call for _, call in calls if isinstance(call, ModelCalled) and call.from_run is None]
    tools = [(position, call) for position, call in calls if isinstance(call, ToolCalled)]
    models = [model_call(call) for call in recorded]
    done = steps(trajectory, segments)
    outcome, error = _ended(trajectory, last)
    return Observed(
        graph_id=first.started.graph_id,
        run_ids=[one.run_id for one in segments],
        thread_id=first.started.thread_id,
        outcome=outcome,
        error=error,
        input=_plain(trajectory, first.started.input),
        output=output,
        answer=answer_in(messages),
        messages=messages,
        path=[one.node for one in done],
        steps=done,
        model_calls=models,
        tool_calls=[tool_call(trajectory, call, position) for position, call in tools],
        handoffs=[handed for _, call in tools if (handed := handed_over(call)) is not None],
        questions=questions(trajectory, segments),
        supersteps=len({one.task.partition("[")[0].rpartition("@")[2] for one in done if "|" not in one.task}),
        seconds=_seconds(trajectory.records),
        tokens=sum(call.usage.total_tokens for call in recorded),
        cost_usd=_cost(models),
        first_token_s=_first_token(first),
        limits=_limits(segments),
        cut=last.truncated is not None or last.finished is None,
    )


def _plain(trajectory: Trajectory, ref: Ref | None) -> Any:
    return None if ref is None else trajectory.plain(ref)


def _output(trajectory: Trajectory, segments: Sequence[Segment]) -> Any:
    """The root graph's last values; of a graph without checkpoints, what its nodes wrote, lists one after another."""
    held: dict[str, Ref] = {}
    for segment in segments:
        held |= next((dict(one.values) for one in segment.read if one.namespace == ""), {})
        for saved in segment.saved:
            if saved.namespace == "":
                held |= saved.values
    if not held:
        return _written(trajectory, segments)
    if _RETURNED in held:
        return trajectory.plain(held[_RETURNED])
    values = {channel: trajectory.plain(ref) for channel, ref in held.items() if shown_channel(channel)}
    return trajectory.plain(held["__root__"]) if not values and "__root__" in held else values


def _written(trajectory: Trajectory, segments: Sequence[Segment]) -> Any:
    told: dict[str, Any] = {}
    for segment in segments:
        for execution in segment.executions.values():
            if "|" in execution.path:
                continue
            for channel, ref in execution.finished.writes:
                if channel == _RETURNED:
                    return trajectory.plain(ref)
                if shown_channel(channel):
                    told[channel] = _joined(told.get(channel), trajectory.plain(ref))
    return told


def _joined(before: Any, value: Any) -> Any:
    if isinstance(before, list):
        return [*cast("list[Any]", before), *(cast("list[Any]", value) if isinstance(value, list) else [value])]
    return value


def _ended(trajectory: Trajectory, last: Segment) -> tuple[Outcome, str]:
    """How the last run ended; one whose end nobody wrote down was lost, and is an error that says so."""
    if last.finished is None:
        return ("interrupted", "") if last.interrupted else ("error", "the record ends before the run does")
    if last.finished.outcome != "error":
        return last.finished.outcome, ""
    return "error", _failure(last.finished.error or _of_a_node(trajectory.records))


def _of_a_node(records: Sequence[Record]) -> Failure | None:
    return next((one.error for one in reversed(records) if isinstance(one, NodeFinished) and one.error), None)


def _failure(error: Failure | None) -> str:
    return "" if error is None else f"{error.kind.rpartition(':')[2]}: {error.message}"


def _seconds(records: Sequence[Record]) -> float:
    """That workers worked: as they said at their end, else from their first record to their last."""
    said: dict[tuple[str, int], float] = {}
    span: dict[tuple[str, int], tuple[Record, Record]] = {}
    for one in records:
        at = (one.run_id, one.attempt)
        span[at] = (span[at][0] if at in span else one, one)
        if isinstance(one, RunFinished):
            said[at] = one.totals.seconds
    lost = (_between(first.at, last.at) for at, (first, last) in span.items() if at not in said)
    return sum(said.values()) + sum(max(one, 0.0) for one in lost)


def _between(begin: str, end: str) -> float:
    return (datetime.fromisoformat(end) - datetime.fromisoformat(begin)).total_seconds()


def _cost(models: Sequence[ObservedModelCall]) -> float | None:
    """None where the price of any answer isn't known."""
    costs = [one.cost_usd for one in models if one.outcome == "ok" or one.cost_usd is not None]
    return None if None in costs else sum(one for one in costs if one is not None)


def _first_token(segment: Segment) -> float | None:
    """Of the first run: it is what the person waited for."""
    begin = datetime.fromisoformat(segment.started.at)
    came = [
        datetime.fromisoformat(call.at) + timedelta(seconds=call.first_token_s) - begin
        for call in calls_of(segment)
        if isinstance(call, ModelCalled) and call.first_token_s is not None
    ]
    return min(came).total_seconds() if came else None


def _limits(segments: Sequence[Segment]) -> Mapping[str, float]:
    """Of the last run that had any."""
    told: Mapping[str, Any] = next((one.finished.limits for one in reversed(segments) if one.finished), {})
    return {name: float(value) for name, value in told.items() if isinstance(value, int | float)}
