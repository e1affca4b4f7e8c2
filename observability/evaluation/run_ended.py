"""How the run ended: as it should, in its budget, and over its tools' errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, get_args

from motet.errors import InvalidInput
from motet.observability.evaluation.described import Described, NoArguments
from motet.observability.evaluation.evaluator import Evaluator, Means, Scale, Score, Trial
from motet.observability.evaluation.expected import numbers
from motet.observability.evaluation.observed import Observed, ObservedToolCall
from motet.observability.evaluation.offline import because, offline
from motet.observability.evaluation.telling import named
from motet.observability.names import Outcome

_EXHAUSTED = "BudgetExhausted"
"""What a run fails with that would go over its budget."""
_SPENT = ("model_calls", "tool_calls", "tokens", "seconds", "cost_usd")


def _outcome(told: NoArguments, _: Means) -> Evaluator:
    def look(trial: Trial) -> Sequence[Score]:
        seen, says = trial.observed, trial.example.expect
        error: Any = says.get("error", "")
        expected: Any = says.get("outcome", "error" if error else "ok")
        if expected not in get_args(Outcome):
            raise InvalidInput("expect.outcome", expected, ", ".join(get_args(Outcome)))
        if not isinstance(error, str):
            raise InvalidInput("expect.error", error, "a part of the error's text, or its class")
        reasons: list[str] = []
        if seen.outcome != expected:
            reasons.append(f"ended {seen.outcome}, expected {expected}{f': {seen.error}' if seen.error else ''}")
        if error not in seen.error:
            reasons.append(f"the error is {seen.error!r}, expected {error!r}")
        details = {"outcome": seen.outcome, "expected": expected, "error": seen.error}
        comment = because(reasons, f"ended {seen.outcome}")
        return [Score(key="outcome", value=not reasons, comment=comment, details=details)]

    return offline(named("outcome", told), {"outcome": Scale()}, look)


def _budget(told: NoArguments, _: Means) -> Evaluator:
    scales = {
        "budget.kept": Scale(),
        "budget.used": Scale(kind="number", high=None, higher_is_better=False),
    }

    def look(trial: Trial) -> Sequence[Score]:
        asked: Any = trial.example.expect.get("budget")
        seen = trial.observed
        runs = {name: limit * len(seen.run_ids) for name, limit in seen.limits.items()}
        limits = runs if asked is None else numbers(asked, "expect.budget", _SPENT)
        spent = _spent(seen)
        shares = {
            name: used / limit if limit else float(used > 0)
            for name, limit in limits.items()
            if (used := spent.get(name)) is not None
        }
        if not shares:
            return ()
        over = [name for name, used in spent.items() if used is not None and name in shares and used > limits[name]]
        most = max(shares, key=lambda name: shares[name])
        reasons = [f"{name}: {spent[name]:g} of {limits[name]:g}" for name in over]
        if seen.error.startswith(_EXHAUSTED):
            reasons.append(seen.error)
        details = {"limits": dict(limits), "spent": dict(spent), "shares": shares}
        comment = because(reasons, f"kept; most of {most}: {spent[most]:g} of {limits[most]:g}")
        return [
            Score(key="budget.kept", value=not reasons, comment=comment, details=details),
            Score(key="budget.used", value=shares[most], comment=f"of {most}", details=details),
        ]

    return offline(named("budget", told), scales, look)


def _recovery(told: NoArguments, _: Means) -> Evaluator:
    def look(trial: Trial) -> Sequence[Score]:
        calls = trial.observed.tool_calls
        failed = [(at, one) for at, one in enumerate(calls) if one.is_error]
        if not failed:
            return ()
        ways = [(one, _recovered(calls[at + 1 :], one, trial.observed)) for at, one in failed]
        lost = [
            f"{one.tool} failed, and nothing came of it: {(one.error or one.text)[:120]}"
            for one, how in ways
            if not how
        ]
        found = [f"{one.tool} failed, then {how}" for one, how in ways if how]
        details = {"errors": len(failed), "recovered": len(found)}
        comment = because([*lost, *found], "")
        return [Score(key="recovery", value=len(found) / len(failed), comment=comment, details=details)]

    return offline(named("recovery", told), {"recovery": Scale(kind="number")}, look)


def _recovered(after: Sequence[ObservedToolCall], failed: ObservedToolCall, seen: Observed) -> str:
    """How the run got over a call that failed; empty where it didn't."""
    if any(one.outcome == "ok" and one.tool == failed.tool for one in after):
        return "succeeded"
    return "the run came to an answer" if seen.outcome == "ok" and seen.answer else ""


def _spent(seen: Observed) -> Mapping[str, float | None]:
    return {
        "model_calls": len(seen.model_calls),
        "tool_calls": len(seen.tool_calls),
        "tokens": seen.tokens,
        "seconds": seen.seconds,
        "cost_usd": seen.cost_usd,
    }


OUTCOME = Described(
    name="outcome",
    arguments=NoArguments,
    make=_outcome,
    about="Whether the run ended well, or as the example's expect.outcome and expect.error say.",
)
BUDGET = Described(
    name="budget",
    arguments=NoArguments,
    make=_budget,
    about="Whether the run kept its budget (one for each run that answered), or the example's expect.budget, and how "
    "much of it was used.",
)
RECOVERY = Described(
    name="recovery",
    arguments=NoArguments,
    make=_recovery,
    about="Of the tool calls that failed, how many the run got over: the tool worked later, or an answer came.",
)
