"""Whether a person was asked where they should be, and what they said was done; and which effects happened."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, cast

from motet.errors import InvalidInput
from motet.observability.evaluation.described import Described, NoArguments
from motet.observability.evaluation.evaluator import Evaluator, Means, Scale, Score, Trial
from motet.observability.evaluation.observed import Observed, ObservedToolCall
from motet.observability.evaluation.observed_questions import AskedCall, asked_calls
from motet.observability.evaluation.offline import because, offline
from motet.observability.evaluation.sequences import compared
from motet.observability.evaluation.telling import named

_ALLOWED = "required, none, or a list of the tools that are to be asked about"


def _approval(told: NoArguments, _: Means) -> Evaluator:
    def look(trial: Trial) -> Sequence[Score]:
        wanted: Any = trial.example.expect.get("approval")
        asked = _asked(trial.observed)
        if wanted is None and not asked:
            return ()
        tools = _tools(wanted)
        acted = [one for one in trial.observed.tool_calls if _acted(one, tools)]
        required = wanted == "required" or bool(tools)
        wrong = [*_questions_wrong(wanted, tools, asked), *_deeds_wrong(asked, acted, required=required)]
        details = {
            "asked": [{"tool": one.tool, "arguments": one.arguments, "decision": one.decision} for one in asked],
            "acted": [{"tool": one.tool, "arguments": one.arguments} for one in acted],
        }
        comment = because(wrong, "as it should be")
        return [Score(key="approval", value=not wrong, comment=comment, details=details)]

    return offline(named("approval", told), {"approval": Scale()}, look)


def _effects(told: NoArguments, _: Means) -> Evaluator:
    def look(trial: Trial) -> Sequence[Score]:
        wanted: Any = trial.example.expect.get("effects")
        if wanted is None:
            return ()
        expected = _expected(wanted)
        acted = [one.tool for one in trial.observed.tool_calls if _acted(one, expected)]
        comparison = compared(acted, list(expected.elements()), "unordered")
        reasons = [one for one in comparison.reasons if not one.startswith("wrong order")]
        comment = because(reasons, "each effect as often as it should")
        return [Score(key="effects", value=comparison.agrees, comment=comment, details=comparison.details)]

    return offline(named("effects", told), {"effects": Scale()}, look)


def _acted(call: ObservedToolCall, tools: Mapping[str, int]) -> bool:
    """Whether a call had an effect: it ended well, and its tool declares one or is among those told."""
    return call.outcome == "ok" and (call.effect != "none" or call.tool in tools)


def _asked(seen: Observed) -> Sequence[AskedCall]:
    """The calls that were asked about, by a question of their own or by the tool itself."""
    by_tool = [
        AskedCall(tool=one.tool, arguments=one.arguments, decision="approve", run=one.run)
        for one in seen.tool_calls
        if one.asked
    ]
    return [*(one for question in seen.questions for one in asked_calls(question)), *by_tool]


def _tools(wanted: Any) -> Counter[str]:
    if wanted is None or wanted in ("required", "none"):
        return Counter()
    if isinstance(wanted, list | tuple) and all(isinstance(one, str) for one in cast("Sequence[Any]", wanted)):
        return Counter(cast("Sequence[str]", wanted))
    raise InvalidInput("expect.approval", wanted, _ALLOWED)


def _questions_wrong(wanted: Any, tools: Mapping[str, int], asked: Sequence[AskedCall]) -> Sequence[str]:
    about = list(dict.fromkeys(one.tool for one in asked))
    if wanted is None:
        return ()
    if wanted == "none" or not (tools or wanted == "required"):
        return [f"asked about {one}, and nobody was to be asked" for one in about]
    if wanted == "required":
        return () if about else ["nobody was asked"]
    return [
        *(f"nobody was asked about {one}" for one in tools if one not in about),
        *(f"asked about {one}, and nobody was to be asked about it" for one in about if one not in tools),
    ]


def _deeds_wrong(asked: Sequence[AskedCall], acted: Sequence[ObservedToolCall], *, required: bool) -> Sequence[str]:
    """What was done without a person's word, or against it."""
    left = [one for one in asked if one.decision in {"approve", "edit"}]
    wrong: list[str] = []
    for call in acted:
        allowed = next((one for one in left if _allows(one, call)), None)
        if allowed is not None:
            left.remove(allowed)
        elif any(_about(one, call) and one.decision in {"reject", "respond"} for one in asked):
            wrong.append(f"{call.tool} acted although it was rejected")
        elif any(_about(one, call) and one.decision == "edit" for one in asked):
            wrong.append(f"{call.tool} acted with arguments that a person had changed")
        elif required:
            wrong.append(f"{call.tool} acted, and nobody had approved that")
    wrong += [f"{one.tool} never acted with the arguments that a person gave" for one in left if one.decision == "edit"]
    return wrong


def _about(asked: AskedCall, call: ObservedToolCall) -> bool:
    return asked.tool == call.tool and asked.arguments == call.arguments and asked.run < call.run


def _allows(asked: AskedCall, call: ObservedToolCall) -> bool:
    """Whether a decision lets that very call be made; it must have come before."""
    given = asked.edited if asked.decision == "edit" else asked.arguments
    return asked.tool == call.tool and given == call.arguments and asked.run < call.run


def _expected(wanted: Any) -> Counter[str]:
    told: Any = wanted
    if isinstance(told, Mapping):
        counts = cast("Mapping[str, Any]", told)
        if all(isinstance(one, int) and not isinstance(one, bool) and one >= 0 for one in counts.values()):
            return Counter(counts)
    elif isinstance(told, list | tuple) and all(isinstance(one, str) for one in cast("Sequence[Any]", told)):
        return Counter(cast("Sequence[str]", told))
    raise InvalidInput("expect.effects", wanted, "a list of tools, each to act once, or an object of how often")


APPROVAL = Described(
    name="approval",
    arguments=NoArguments,
    make=_approval,
    about="Whether people were asked as the example's expect.approval says (required, none, or a list of tools), and "
    "what they decided was done: nothing rejected acted, edited arguments were the ones that did.",
)
EFFECTS = Described(
    name="effects",
    arguments=NoArguments,
    make=_effects,
    about="Whether exactly the tools of the example's expect.effects acted, each exactly once or as often as told.",
)
