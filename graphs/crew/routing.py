"""Who takes a question: a constrained choice with a confidence, and a reason a person can check.

Three opinions are weighed: what the question's words are found in (the schema, the documents), how near it is to
questions each specialist is known to be for, and, only where those two don't decide, the model's own choice among the
names. A small model chooses right in 17 of 20 cases by itself, so its word counts, and never alone.
"""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypedDict

from langchain_core.embeddings import Embeddings
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import HumanMessage, SystemMessage
from pydantic import BaseModel, create_model

from motet.agents.structured import ask
from motet.errors import BudgetExhausted, ModelFailed

logger = logging.getLogger(__name__)

DECIDED = 0.75
"""With this confidence no model is asked."""

UNSURE = 0.6
"""Below this a person is asked."""

_SHARPNESS = 5.0
_NOBODY = 0.15
"""What it counts that nobody may be right for a question: where no specialist recognises more, none is sure."""
_MODEL_VOTE = 0.3
_EXEMPLAR_WEIGHT = 0.5
_RECOGNISED = 0.35
"""A score from which on a specialist is worth a try."""
_NEAR, _FAR = 0.75, 0.25
"""Cosines of a question and an exemplar that count as the same and as nothing to do with each other."""

By = Literal["only", "rules", "exemplars", "model", "person", "handoff"]
ModelFactory = Callable[[], Awaitable[BaseChatModel]]


class Signal(TypedDict):
    """How much of a question a specialist recognises."""

    score: float
    """0: nothing, 1: all of it."""
    reason: str
    """What was recognised, as a phrase."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """What routing knows of a specialist."""

    name: str
    description: str
    examples: tuple[str, ...] = ()
    """Questions it is for."""
    signal: Callable[[str], Awaitable[Signal]] | None = None
    """Looks for the question's words in what the specialist works on; None if it has nothing to look in."""


class Decision(TypedDict):
    """Who takes a question, and why."""

    agents: list[str]
    confidence: float
    """0 to 1: the weight of the choice among all specialists."""
    reason: str
    by: By
    second: str
    """Who else recognises something of it, for when the first finds nothing; empty if nobody does."""


class Router:
    """Chooses among specialists. Costs a search of each one's sources, one embedding, and rarely a model call.

    Embeddings that fail leave the words to compare by.
    """

    def __init__(self, cards: Sequence[Card], *, model: ModelFactory, embeddings: Embeddings | None = None) -> None:
        self.cards = tuple(cards)
        self._model = model
        self._embeddings = embeddings
        self._exemplars: list[list[float]] | None = None

    async def route(self, question: str) -> Decision:
        """Who takes `question`. A budget that is spent, or a model that fails, leaves the other opinions."""
        if len(self.cards) == 1:
            only = self.cards[0].name
            return Decision(agents=[only], confidence=1.0, reason="there is no other specialist", by="only", second="")
        decision, scores = await self._without_model(question)
        if decision["confidence"] >= DECIDED:
            return decision
        try:
            voted = await self._asked(question)
        except (BudgetExhausted, ModelFailed):
            return decision
        scores = {name: score + (_MODEL_VOTE if name == voted else 0.0) for name, score in scores.items()}
        shares = _shares(scores)
        best = max(shares, key=lambda name: shares[name])
        before = decision["agents"][0]
        agreed = "agrees" if before == voted else f"says {voted}"
        words = decision["reason"] if best == before else f"{decision['reason']} spoke for {before}"
        return Decision(
            agents=[best],
            confidence=round(shares[best], 2),
            reason=f"{words}; the model {agreed}",
            by="model" if best == voted else decision["by"],
            second=_second(scores, best),
        )

    async def best_guess(self, question: str) -> Decision:
        """Who takes `question` when no model may be asked any more."""
        return (await self._without_model(question))[0]

    async def _without_model(self, question: str) -> tuple[Decision, Mapping[str, float]]:
        seen = {card.name: await card.signal(question) for card in self.cards if card.signal}
        near = await self._nearness(question)
        scores = {
            card.name: (seen[card.name]["score"] if card.name in seen else 0.0)
            + _EXEMPLAR_WEIGHT * near.get(card.name, (0.0, ""))[0]
            for card in self.cards
        }
        shares = _shares(scores)
        best = max(shares, key=lambda name: shares[name])
        by_words = seen.get(best, Signal(score=0.0, reason=""))
        closeness, exemplar = near.get(best, (0.0, ""))
        by: By = "rules" if by_words["score"] >= _EXEMPLAR_WEIGHT * closeness else "exemplars"
        reason = by_words["reason"] if by == "rules" else f"it is like “{exemplar}”"
        decision = Decision(
            agents=[best],
            confidence=round(shares[best], 2),
            reason=reason or "nothing speaks for another",
            by=by,
            second=_second(scores, best),
        )
        return decision, scores

    async def _nearness(self, question: str) -> Mapping[str, tuple[float, str]]:
        """How near the question is to each specialist's nearest exemplar, 0 to 1, and that exemplar."""
        examples = [(card.name, example) for card in self.cards for example in card.examples]
        if not examples:
            return {}
        try:
            cosines = await self._cosines(question, [example for _, example in examples])
        except ModelFailed as error:
            logger.warning("questions are compared by their words only: %s", error)
            cosines = None
        if cosines is None:
            scored = [(name, example, _overlap(question, example)) for name, example in examples]
        else:
            scored = [(*one, _scaled(cosine)) for one, cosine in zip(examples, cosines, strict=True)]
        nearest: dict[str, tuple[float, str]] = {}
        for name, example, closeness in scored:
            if closeness >= nearest.get(name, (0.0, ""))[0]:
                nearest[name] = (round(closeness, 3), example)
        return nearest

    async def _cosines(self, question: str, examples: Sequence[str]) -> list[float] | None:
        """How near the question is to each of `examples`; None where nothing makes vectors."""
        if self._embeddings is None:
            return None
        if self._exemplars is None:
            self._exemplars = await self._embeddings.aembed_documents(list(examples))
        asked = await self._embeddings.aembed_query(question)
        return [_cosine(asked, vector) for vector in self._exemplars]

    async def _asked(self, question: str) -> str:
        names = tuple(card.name for card in self.cards)
        allowed: Any = Literal[names]
        choice: type[BaseModel] = create_model("Choice", specialist=(allowed, ...))
        listed = "\n".join(f"- {card.name}: {card.description}" for card in self.cards)
        rules = f"Choose the one specialist who can answer the question.\n{listed}"
        answer: Any = await ask(await self._model(), [SystemMessage(rules), HumanMessage(question)], choice, repairs=1)
        return str(answer.specialist)


def _second(scores: Mapping[str, float], best: str) -> str:
    others = {name: score for name, score in scores.items() if name != best and score >= _RECOGNISED}
    return max(others, key=lambda name: others[name]) if others else ""


def _shares(scores: Mapping[str, float]) -> dict[str, float]:
    """Each score's share of the whole, sharpened (softmax), with a share for nobody: 1 if one stands far above."""
    weights = {name: math.exp(_SHARPNESS * score) for name, score in scores.items()}
    total = sum(weights.values()) + math.exp(_SHARPNESS * _NOBODY)
    return {name: weight / total for name, weight in weights.items()}


def _cosine(one: Sequence[float], other: Sequence[float]) -> float:
    lengths = math.hypot(*one) * math.hypot(*other)
    return sum(a * b for a, b in zip(one, other, strict=True)) / lengths if lengths else 0.0


def _scaled(cosine: float) -> float:
    return min(1.0, max(0.0, (cosine - _FAR) / (_NEAR - _FAR)))


def _overlap(one: str, other: str) -> float:
    words, others = (set(re.findall(r"\w+", text.lower())) for text in (one, other))
    return len(words & others) / len(words | others) if words | others else 0.0
