"""Trials made by hand, and what an evaluator says of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from motet.observability.evaluation.evaluator import Means, Score, Trial
from motet.observability.evaluation.example import Example
from motet.observability.evaluation.observed import Observed, ObservedModelCall, ObservedQuestion, ObservedToolCall
from motet.observability.evaluation.registry import evaluators


def seen(**told: Any) -> Observed:
    """A run that ended well, but for what is told."""
    every: dict[str, Any] = {"graph_id": "g", "run_ids": ["r"], "thread_id": "t", "outcome": "ok", **told}
    return Observed(**every)


def example(**told: Any) -> Example:
    """An example that says nothing but what is told."""
    every: dict[str, Any] = {"example_id": "e", "input": {}, **told}
    return Example(**every)


def called(tool: str, outcome: Any = "ok", **told: Any) -> ObservedToolCall:
    """A call of a tool; `effect`, `run`, `error` and more as told, all else are its arguments."""
    own = {name: told.pop(name) for name in ("effect", "run", "asked", "error") if name in told}
    more: Mapping[str, Any] = {"is_error": outcome == "error", "result": None, "text": "", "agent": "a", "path": "n@1"}
    return ObservedToolCall(tool=tool, arguments=told, outcome=outcome, **{**more, **own})


def asked_model() -> ObservedModelCall:
    """A call of a model."""
    return ObservedModelCall(model="m", agent="a", path="n@1", outcome="ok")


def question(tool: str, answer: Any, *, run: int = 0, **arguments: Any) -> ObservedQuestion:
    """A question about one call, with its answer: a decision's name, or the decision."""
    decision = {"type": answer} if isinstance(answer, str) else answer
    return ObservedQuestion(
        interrupt_id="i",
        value={"action_requests": [{"name": tool, "args": arguments}]},
        answer={"decisions": [decision]},
        decision=decision["type"],
        run=run,
    )


async def scores(told: str | Mapping[str, Any], of: Observed, by: Example) -> Mapping[str, Score]:
    """What the evaluator told says, by metric."""
    [evaluator] = evaluators([told], Means())
    given: Sequence[Score] = await evaluator.score(Trial(example=by, observed=of))
    assert {one.key for one in given} <= evaluator.scales.keys()
    return {one.key: one for one in given}


async def score(told: str | Mapping[str, Any], of: Observed, by: Example) -> Score:
    """The one score that it gives."""
    [one] = (await scores(told, of, by)).values()
    return one
