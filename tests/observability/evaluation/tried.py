"""Trials made by hand: an example, and what became of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from motet.observability.evaluation.evaluator import Means, Score, Trial
from motet.observability.evaluation.example import Example
from motet.observability.evaluation.observed import Observed, ObservedToolCall
from motet.observability.evaluation.registry import evaluators


def trial(
    answer: str = "",
    *,
    reference: Any = None,
    output: Any = None,
    question: str = "",
    calls: Sequence[ObservedToolCall] = (),
    target: str = "assistant",
    **example: Any,
) -> Trial:
    """One try of one example; `example` has the rest of its fields."""
    asked = {"messages": [{"role": "user", "content": question}]} if question else {}
    observed = Observed(
        graph_id="assistant",
        run_ids=("r",),
        thread_id="t",
        outcome="ok",
        answer=answer,
        output=output,
        tool_calls=calls,
    )
    tried = Example(example_id="one", input=asked, reference=reference, **example)
    return Trial(example=tried, observed=observed, target=target, seed=7)


def called(tool: str, result: Any = None, *, text: str = "", error: str = "", **arguments: Any) -> ObservedToolCall:
    """One call of a tool; with an `error`, one that failed."""
    return ObservedToolCall(
        tool=tool,
        arguments=arguments,
        result=result,
        text=text,
        agent="",
        path="",
        outcome="error" if error else "ok",
        error=error,
        is_error=bool(error),
    )


async def scores(told: str | Mapping[str, Any], tried: Trial, means: Means | None = None) -> dict[str, Score]:
    """What the evaluator `told` says of a trial, by metric."""
    [one] = evaluators([told], means or Means())
    return {score.key: score for score in await one.score(tried)}


async def score(told: str | Mapping[str, Any], tried: Trial, means: Means | None = None) -> Score:
    """The same, where it says one thing."""
    [one] = (await scores(told, tried, means)).values()
    return one
