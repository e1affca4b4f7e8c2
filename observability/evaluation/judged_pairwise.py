"""Which of two answers to one example is better, asked in both orders: a judge that only likes a place says nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from langchain_core.language_models.chat_models import BaseChatModel

from motet.observability.evaluation.described import Described
from motet.observability.evaluation.evaluator import Evaluator, Means, Scale, Score, Trial
from motet.observability.evaluation.judged import answer_of, check_votes, criterion_of, kept
from motet.observability.evaluation.judged_asking import NoJudge, Vote, judge_of, seed_of, seeded, vote
from motet.observability.evaluation.judged_asking import named as model_named
from motet.observability.evaluation.judged_criteria import Criterion
from motet.observability.evaluation.judged_prompt import REPLY, RULE, Prompt, fenced, mark_of, schema
from motet.observability.evaluation.looked_up import as_text, question_of
from motet.observability.evaluation.telling import named

Preferred = Literal["a", "tie", "b"]
"""The first of the two trials given, neither, the second."""

_WORDS: Sequence[str] = ("first", "second", "tie")


@dataclass(frozen=True, slots=True, kw_only=True)
class Paired:
    """By what two answers are compared, by whom, how often."""

    criteria: str = "correctness"
    """As of `judge`."""
    reference: bool = True
    """Whether the judge sees the example's reference, where there is one."""
    labelled: bool = False
    """Whether the judge is told the targets' names."""
    votes: int = 1
    """How often it is asked in each order, an odd number."""
    model: str = ""
    """`provider:model`; empty: the installation's own."""
    key: str = ""
    """Name of the metric; empty: `pairwise`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairwise:
    """Compares what two targets made of one example; of a single trial it says nothing."""

    told: Paired
    means: Means
    criterion: Criterion

    @property
    def name(self) -> str:
        """As it was told."""
        return named("pairwise", self.told)

    @property
    def key(self) -> str:
        """Its metric."""
        return self.told.key or "pairwise"

    @property
    def scales(self) -> Mapping[str, Scale]:
        """Of `preferred`: `a`, `tie` or `b`."""
        return {self.key: Scale(kind="category", categories=("a", "tie", "b"), relative=True)}

    async def score(self, trial: Trial) -> Sequence[Score]:  # noqa: ARG002 - an Evaluator's; one trial is no pair
        """Nothing."""
        return ()

    async def preferred(self, trial_a: Trial, trial_b: Trial) -> Score:
        """Which is better, `a`, `b` or `tie`; where the two orders disagree, `tie`.

        Which order is asked first is drawn from the seed. `details` has both orders with their votes, and the name of
        the better target. Raises ValueError where the trials are of two examples.
        """
        if trial_a.example.example_id != trial_b.example.example_id:
            raise ValueError(f"{trial_a.example.example_id} and {trial_b.example.example_id} are two examples")
        try:
            model = await judge_of(self.means, self.told.model)
        except NoJudge as error:
            return Score(key=self.key, value=None, error=str(error))
        seed = seed_of(trial_a, self.key, trial_a.target, trial_b.target)
        orders = [("a", "b"), ("b", "a")] if seed % 2 else [("b", "a"), ("a", "b")]
        trials = {"a": trial_a, "b": trial_b}
        asked = [await self._asked(model, trials, order) for order in orders]
        details = {
            "model": model_named(model),
            "seed": seed,
            "labelled": self.told.labelled,
            "orders": [{"order": order, "prompt": prompt.messages(), **kept(votes)} for order, prompt, votes in asked],
        }
        return self._decided(trials, asked, details)

    def _decided(
        self,
        trials: Mapping[str, Trial],
        asked: Sequence[tuple[tuple[str, str], Prompt, Sequence[Vote]]],
        details: dict[str, Any],
    ) -> Score:
        broken = [
            f"order {order[0]}, {order[1]}: {one.problem}" for order, _, votes in asked for one in votes if one.problem
        ]
        if broken:
            return Score(key=self.key, value=None, error="; ".join(broken), details=details)
        words = [_majority(order, votes) for order, _, votes in asked]
        value = words[0] if len(set(words)) == 1 else "tie"
        swayed = value == "tie" and set(words) != {"tie"}
        details |= {"preferred": trials[value].target if value in trials else "", "swayed": swayed}
        reasons = "; ".join(votes[0].reason for _, _, votes in asked)
        comment = f"the two orders disagree: {', '.join(words)}. {reasons}" if swayed else reasons
        return Score(key=self.key, value=value, comment=comment, details=details)

    async def _asked(
        self, model: BaseChatModel, trials: Mapping[str, Trial], order: tuple[str, str]
    ) -> tuple[tuple[str, str], Prompt, Sequence[Vote]]:
        first, second = trials[order[0]], trials[order[1]]
        prompt = self._prompt(first, second)
        wanted = schema("preference", {"type": "string", "enum": list(_WORDS)})
        several = self.told.votes > 1
        votes = [
            await vote(seeded(model, seed, several=several), prompt, wanted, _WORDS, seed)
            for seed in (seed_of(first, self.key, first.target, second.target, n) for n in range(self.told.votes))
        ]
        return order, prompt, votes

    def _prompt(self, first: Trial, second: Trial) -> Prompt:
        example = first.example
        parts = {"question": question_of(example)}
        if self.told.reference and example.reference is not None:
            parts["reference"] = as_text(example.reference)
        names = (f" of {first.target}", f" of {second.target}") if self.told.labelled else ("", "")
        parts[_attribute(f"first answer{names[0]}")] = answer_of(first)
        parts[_attribute(f"second answer{names[1]}")] = answer_of(second)
        mark = mark_of([*parts.values()])
        rubric = example.rubric.strip()
        system = [
            "You compare two answers to one question by one criterion alone.",
            f"Criterion, asked of each answer: {self.criterion.question} {self.criterion.hint}",
            *([f"For this question there is a rubric, which goes before the criterion: {rubric}"] if rubric else []),
            *([] if self.criterion.higher_is_better else ["The answer of which this is less true is the better one."]),
            "Which stands first means nothing, nor which is longer. Where neither is better, say tie.",
            RULE.format(mark=mark),
            f'{REPLY} Score is "first", "second" or "tie".',
        ]
        return Prompt(system="\n".join(system), user=f"{fenced(parts, mark)}\n\nWhich is better? Reply with the JSON.")


def _majority(order: tuple[str, str], votes: Sequence[Vote]) -> str:
    """What most votes say, as a or b; tie where no word has more than half."""
    word, count = Counter(one.score for one in votes).most_common(1)[0]
    if word == "tie" or count * 2 <= len(votes):
        return "tie"
    return order[0] if word == "first" else order[1]


def _attribute(text: str) -> str:
    return "".join(letter if letter.isalnum() or letter in " ._-" else " " for letter in text)


def _pairwise(told: Paired, means: Means) -> Evaluator:
    check_votes("pairwise", told.votes)
    return Pairwise(told=told, means=means, criterion=criterion_of(told.criteria))


PAIRWISE = Described(
    name="pairwise",
    arguments=Paired,
    make=_pairwise,
    about="Which of two targets' answers to an example a chat model finds better, asked in both orders.",
)
