"""A chat model as the judge of answers, by a criterion with a name, a text of one's own, or an example's rubric."""

from __future__ import annotations

import json
import re
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from motet.errors import InvalidConfig
from motet.observability.evaluation.by_function import ByFunction
from motet.observability.evaluation.described import Described
from motet.observability.evaluation.evaluator import Evaluator, Means, Scale, Score, Trial
from motet.observability.evaluation.judged_asking import NoJudge, Vote, judge_of, seed_of, seeded, vote
from motet.observability.evaluation.judged_asking import named as model_named
from motet.observability.evaluation.judged_criteria import CRITERIA, Criterion
from motet.observability.evaluation.judged_prompt import REPLY, RULE, Prompt, fenced, mark_of, schema
from motet.observability.evaluation.looked_up import as_text, question_of
from motet.observability.evaluation.telling import named

RUBRIC = "rubric"
"""The criterion that is only what the example says."""

_MOST_GRADES = 10
_MOST_VOTES = 15


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What is judged, by whom, how often."""

    criteria: str = "correctness"
    """conciseness, relevance, correctness, coherence, helpfulness, harmfulness; `rubric`: what the example says alone;
    or a question of your own, whose yes is good. An example's rubric is added to any of them."""
    reference: bool = True
    """Whether the judge sees the example's reference, where there is one."""
    scale: int = 0
    """0: yes or no; n: 1 to n."""
    votes: int = 1
    """How often it is asked, an odd number: the majority counts, or the median."""
    model: str = ""
    """`provider:model`; empty: the installation's own."""
    key: str = ""
    """Name of the metric; empty: `judge:` and the criterion's name, `judge:own` for a question of your own."""


def _judge(told: Judged, means: Means) -> Evaluator:
    check_votes("judge", told.votes)
    if told.scale and not 1 < told.scale <= _MOST_GRADES:
        raise InvalidConfig("judge.scale", f"{told.scale} is not allowed: 0 for yes or no, or 2 to {_MOST_GRADES}")
    criterion = criterion_of(told.criteria)
    key = told.key or f"judge:{told.criteria if told.criteria in {*CRITERIA, RUBRIC} else 'own'}"

    async def look(trial: Trial) -> Sequence[Score]:
        if told.criteria == RUBRIC and not trial.example.rubric.strip():
            return ()
        prompt = prompt_of(told, criterion, trial)
        try:
            model = await judge_of(means, told.model)
        except NoJudge as error:
            return (Score(key=key, value=None, error=str(error)),)
        allowed: Sequence[bool | int] = range(1, told.scale + 1) if told.scale else (True, False)
        asked = schema("score", {"type": "integer", "enum": list(allowed)} if told.scale else {"type": "boolean"})
        votes = [
            await vote(seeded(model, seed, several=told.votes > 1), prompt, asked, allowed, seed)
            for seed in (seed_of(trial, key, number) for number in range(told.votes))
        ]
        details = {"model": model_named(model), "prompt": prompt.messages(), **kept(votes)}
        return (decided(key, votes, details),)

    scale = (
        Scale(kind="number", low=1.0, high=float(told.scale), higher_is_better=criterion.higher_is_better)
        if told.scale
        else Scale(higher_is_better=criterion.higher_is_better)
    )
    return ByFunction(name=named("judge", told), scales={key: scale}, look=look)


def check_votes(name: str, votes: int) -> None:
    """Raises InvalidConfig where there can be no majority."""
    if votes not in range(1, _MOST_VOTES + 1, 2):
        raise InvalidConfig(f"{name}.votes", f"{votes} is not allowed: an odd number from 1 to {_MOST_VOTES}")


def criterion_of(text: str) -> Criterion:
    """The criterion of that name, or a question of one's own. Raises InvalidConfig: a word that names none."""
    if text in CRITERIA:
        return CRITERIA[text]
    if text == RUBRIC:
        return Criterion(question="Does the answer do what the rubric asks for?", hint="Nothing else counts.")
    if not re.search(r"\w\s+\w", text):
        raise InvalidConfig(
            "judge.criteria", f"{text!r} is neither one of {', '.join([*CRITERIA, RUBRIC])} nor a question of your own"
        )
    return Criterion(question=text.strip(), hint="Nothing else counts.")


def prompt_of(told: Judged, criterion: Criterion, trial: Trial) -> Prompt:
    """What the judge reads of a trial: our words, and everybody else's between marks."""
    example = trial.example
    parts = {"question": question_of(example)}
    if told.reference and example.reference is not None:
        parts["reference"] = as_text(example.reference)
    parts["answer"] = answer_of(trial)
    mark = mark_of([*parts.values()])
    system = [
        "You judge the answer of an assistant by one criterion alone.",
        f"Criterion: {criterion.question} {criterion.hint}",
        *([f"For this question there is a rubric, which goes before the criterion: {example.rubric.strip()}"]
          if example.rubric.strip() else []),
        RULE.format(mark=mark),
        _asked_for(told.scale),
    ]  # fmt: skip
    return Prompt(system="\n".join(system), user=f"{fenced(parts, mark)}\n\n{criterion.question} Reply with the JSON.")


def decided(key: str, votes: Sequence[Vote], details: Mapping[str, Any]) -> Score:
    """The majority of yes and no, the median of grades; an error where a vote can't be read, never a guess."""
    broken = [f"vote {number} of {len(votes)}: {one.problem}" for number, one in enumerate(votes, 1) if one.problem]
    if broken:
        return Score(key=key, value=None, error="; ".join(broken), details=details)
    scores = [one.score for one in votes]
    if all(isinstance(one, bool) for one in scores):
        value: float | bool = Counter(scores).most_common(1)[0][0] is True
    else:
        value = float(statistics.median(float(one) for one in scores if isinstance(one, int)))
    reason = next((one.reason for one in votes if one.score == value), votes[0].reason)
    counted = "" if len(votes) == 1 else f" ({sum(one.score == value for one in votes)} of {len(votes)} votes)"
    return Score(key=key, value=value, comment=f"{reason}{counted}", details=details)


def kept(votes: Sequence[Vote]) -> dict[str, Any]:
    """Votes, and what they took, as a score's details have them."""
    used = {name: sum(getattr(one, name) for one in votes) for name in ("input_tokens", "output_tokens")}
    return {"votes": [asdict(one) for one in votes], "usage": used}


def _asked_for(scale: int) -> str:
    meaning = f"a whole number from 1, not at all, to {scale}, fully" if scale else "true for yes or false for no"
    return f"{REPLY} Score is {meaning}."


def answer_of(trial: Trial) -> str:
    """What is judged: the answer's text; where the graph answers with none, its output."""
    seen = trial.observed
    if seen.answer or seen.output is None:
        return seen.answer or "(there is no answer)"
    return json.dumps(seen.output, ensure_ascii=False, default=str)


JUDGE = Described(
    name="judge",
    arguments=Judged,
    make=_judge,
    about="What a chat model says of the answer, by a criterion, a question of your own or the example's rubric.",
)
