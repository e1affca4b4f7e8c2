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


def trial(
    answer: str = "",
    *,
    output: Any = None,
    question: str = "",
    calls: Sequence[ObservedToolCall] = (),
    target: str = "assistant",
    **told: Any,
) -> Trial:
    """One try of one example that ended well; `told` has the rest of the example's fields."""
    asked = {"messages": [{"role": "user", "content": question}]} if question else {}
    observed = seen(answer=answer, output=output, tool_calls=calls)
    return Trial(example=example(input=asked, **told), observed=observed, target=target, seed=7)


def tried(observed: Observed, by: Example) -> Trial:
    """One try of `by`, and what was seen of it."""
    return Trial(example=by, observed=observed)


def called(
    tool: str, outcome: Any = "ok", *, result: Any = None, text: str = "", error: str = "", **told: Any
) -> ObservedToolCall:
    """A call of a tool; with an `error`, one that failed; `effect`, `run`, `asked` as told, all else are arguments."""
    own = {name: told.pop(name) for name in ("effect", "run", "asked") if name in told}
    ended = "error" if error else outcome
    return ObservedToolCall(
        tool=tool,
        arguments=told,
        result=result,
        text=text,
        agent="a",
        path="n@1",
        outcome=ended,
        error=error,
        is_error=ended == "error",
        **own,
    )


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


async def scores(told: str | Mapping[str, Any], tried: Trial, means: Means | None = None) -> dict[str, Score]:
    """What the evaluator `told` says of a trial, by metric."""
    [evaluator] = evaluators([told], means or Means())
    given = {one.key: one for one in await evaluator.score(tried)}
    assert given.keys() <= evaluator.scales.keys()
    return given


async def score(told: str | Mapping[str, Any], tried: Trial, means: Means | None = None) -> Score:
    """The same, where it says one thing."""
    [one] = (await scores(told, tried, means)).values()
    return one
