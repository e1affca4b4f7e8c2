"""What it took: calls, supersteps, rounds that changed nothing, calls that were made before."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import orjson

from motet.observability.evaluation.described import Described, NoArguments
from motet.observability.evaluation.evaluator import Evaluator, Means, Scale, Score, Trial
from motet.observability.evaluation.observed import Observed, ObservedStep, ObservedToolCall
from motet.observability.evaluation.offline import because, offline
from motet.observability.evaluation.telling import named
from motet.observability.evaluation.turns import Turn, turns, wishes

_LESS_IS_BETTER = {
    "efficiency.model_calls": "calls",
    "efficiency.tool_calls": "calls",
    "efficiency.supersteps": "steps",
    "efficiency.loops": "rounds",
    "efficiency.redundant_calls": "calls",
}
_SCALES: Mapping[str, Scale] = {
    "efficiency": Scale(kind="number"),
    **{
        key: Scale(kind="number", high=None, higher_is_better=False, unit=unit) for key, unit in _LESS_IS_BETTER.items()
    },
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """A sequence of nodes that ran again at once and wrote again what it had written."""

    nodes: Sequence[str]
    times: int
    """How often too often."""


def loops(steps: Sequence[ObservedStep]) -> Sequence[Round]:
    """The rounds that a graph went through again, at once, with each node writing what it wrote the round before.

    Nodes of one superstep are one; each graph inside another is looked at by itself.
    """
    by_graph: dict[str, list[ObservedStep]] = {}
    for step in steps:
        by_graph.setdefault(step.task.rpartition("|")[0], []).append(step)
    return [one for inside in by_graph.values() for one in _rounds(list(_supersteps(inside)))]


def redundant(calls: Sequence[ObservedToolCall]) -> Sequence[ObservedToolCall]:
    """Calls of a tool with the arguments of one that had ended well, with no effect of any tool in between."""
    known: set[bytes] = set()
    found: list[ObservedToolCall] = []
    for call in calls:
        if call.outcome != "ok":
            continue
        if call.effect != "none":
            known.clear()
        key = orjson.dumps([call.tool, call.arguments], option=orjson.OPT_SORT_KEYS, default=repr)
        if key in known:
            found.append(call)
        known.add(key)
    return found


def _efficiency(told: NoArguments, _: Means) -> Evaluator:
    def look(trial: Trial) -> Sequence[Score]:
        seen = trial.observed
        again, known = loops(seen.steps), redundant(seen.tool_calls)
        counts: Mapping[str, tuple[int, str]] = {
            "efficiency.model_calls": (len(seen.model_calls), ""),
            "efficiency.tool_calls": (sum(one.outcome != "interrupted" for one in seen.tool_calls), ""),
            "efficiency.supersteps": (seen.supersteps, ""),
            "efficiency.loops": (sum(one.times for one in again), because(list(map(_round, again)), "")),
            "efficiency.redundant_calls": (len(known), because(list(map(_call, known)), "")),
        }
        scores = [Score(key=key, value=float(count), comment=why) for key, (count, why) in counts.items()]
        return [*_against_reference(trial, seen), *scores]

    return offline(named("efficiency", told), _SCALES, look)


def _against_reference(trial: Trial, seen: Observed) -> Sequence[Score]:
    """The steps that the reference takes, of those that were taken: 1 where no more were."""
    if not trial.example.trajectory:
        return ()
    took = _size(turns(seen.messages, "the run's messages"))
    should = _size(turns(trial.example.trajectory, "trajectory"))
    value = 1.0 if took <= should else should / took
    details: Mapping[str, Any] = {"took": took, "reference": should}
    comment = f"{took} turns of the agent and calls of tools, {should} in the reference"
    return [Score(key="efficiency", value=value, comment=comment, details=details)]


def _size(told: Sequence[Turn]) -> int:
    return sum(one.role == "assistant" for one in told) + len(wishes(told))


def _supersteps(steps: Iterable[ObservedStep]) -> Iterable[tuple[tuple[str, str], ...]]:
    """What the nodes of each superstep wrote, in the order of their names."""
    for _, together in groupby(steps, key=lambda one: one.task.rpartition("@")[2].partition("[")[0]):
        yield tuple(sorted((one.node, one.wrote) for one in together))


def _rounds(done: Sequence[tuple[tuple[str, str], ...]]) -> Iterable[Round]:
    at = 0
    while at < len(done):
        length, times = _repeated(done, at)
        if times:
            yield Round(nodes=[node for step in done[at : at + length] for node, _ in step], times=times)
        at += max(1, length * (times + 1))


def _repeated(done: Sequence[Any], at: int) -> tuple[int, int]:
    """Of the shortest sequence that begins at `at` and comes again at once: its length, and how often it does."""
    for length in range(1, (len(done) - at) // 2 + 1):
        if done[at] != done[at + length]:
            continue
        times = 0
        while done[at : at + length] == done[at + length * (times + 1) : at + length * (times + 2)]:
            times += 1
        if times:
            return length, times
    return 0, 0


def _round(one: Round) -> str:
    return f"{', '.join(one.nodes)}: {one.times} times more with nothing changed"


def _call(one: ObservedToolCall) -> str:
    return f"{one.tool} was called before with {orjson.dumps(one.arguments, default=repr).decode()[:120]}"


EFFICIENCY = Described(
    name="efficiency",
    arguments=NoArguments,
    make=_efficiency,
    about="Calls of models and tools, supersteps, rounds that changed nothing, calls made before; and, with "
    "a trajectory in the example, the share of the steps taken that the reference takes.",
)
