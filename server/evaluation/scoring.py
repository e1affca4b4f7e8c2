"""Scores a trial: what evaluators say of it, and what the models that judged cost."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Protocol, runtime_checkable

from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatResult

from motet.calls import ModelCall, ModelNext, ToolCall, ToolNext, intercepted
from motet.errors import SetupError
from motet.observability.call_watch import usage_of
from motet.observability.evaluation.evaluator import Evaluator, Score, Trial
from motet.observability.evaluation.experiment import TrialResult
from motet.observability.prices import Prices

logger = logging.getLogger(__name__)


@runtime_checkable
class Compares(Protocol):
    """An evaluator that looks at two targets' trials of one example."""

    async def preferred(self, trial_a: Trial, trial_b: Trial) -> Score:
        """Which is better, `a` or `b`."""
        ...


def compares(evaluators: Sequence[Evaluator]) -> bool:
    """Whether any of them looks at two targets' trials."""
    return any(isinstance(one, Compares) for one in evaluators)


async def scored(
    trial: Trial, evaluators: Sequence[Evaluator], prices: Prices, *, baseline: Trial | None = None
) -> TrialResult:
    """What became of the trial, with the scores of those that have something to say of it.

    `baseline`: what the first target made of the same example at the same time, for those that compare.

    Raises:
        SetupError: what an evaluator needs can't be had here.
    """
    observed, judging = trial.observed, _Judging(prices)
    with intercepted([judging]):
        scores = [score for one in evaluators for score in await _said(one, trial, baseline)]
    return TrialResult(
        target=trial.target,
        example_id=trial.example.example_id,
        repeat=trial.repeat,
        outcome=observed.outcome,
        error=observed.error,
        answer=observed.answer,
        scores=scores,
        run_ids=tuple(observed.run_ids),
        thread_id=observed.thread_id,
        seconds=observed.seconds,
        first_token_s=observed.first_token_s,
        model_calls=len(observed.model_calls),
        tool_calls=len(observed.tool_calls),
        tokens=observed.tokens,
        cost_usd=observed.cost_usd,
        judge_cost_usd=judging.cost_usd,
        scored_at=datetime.now(UTC).isoformat(),
    )


async def _said(evaluator: Evaluator, trial: Trial, baseline: Trial | None) -> Sequence[Score]:
    try:
        if baseline is not None and isinstance(evaluator, Compares):
            return [await evaluator.preferred(trial, baseline)]
        return await evaluator.score(trial)
    except SetupError:
        raise
    except Exception as error:
        # An evaluator may be anybody's code: what it raises is its own word's lack, and not the experiment's end.
        logger.warning("evaluator %s failed on example %s", evaluator.name, trial.example.example_id, exc_info=error)
        why = f"{type(error).__name__}: {error}"
        return [Score(key=key, value=None, error=why) for key in evaluator.scales]


class _Judging:
    """Stands around the calls of the models that judge one trial."""

    def __init__(self, prices: Prices) -> None:
        self.cost_usd: float | None = 0.0
        """So far; None as soon as the price of one isn't known."""
        self._prices = prices

    async def model(self, call: ModelCall, proceed: ModelNext) -> ChatResult:
        """Count it."""
        result = await proceed(call)
        cost = self._cost(call, result)
        self.cost_usd = None if self.cost_usd is None or cost is None else self.cost_usd + float(cost)
        return result

    async def tool(self, call: ToolCall, proceed: ToolNext) -> object:
        """Nothing of a tool's call is counted."""
        return await proceed(call)

    def _cost(self, call: ModelCall, result: ChatResult) -> Decimal | None:
        total = Decimal(0)
        for generation in result.generations:
            message = generation.message
            usage = usage_of(message if isinstance(message, AIMessage) else None)
            cost = self._prices.cost(call.model, usage, call.provider) if usage.input or usage.output else None
            if cost is None:
                return None
            total += cost
        return total
