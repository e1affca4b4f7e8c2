"""What an evaluator is: looks at what became of an example, and scores it on a scale that it declares."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from langchain_core.language_models.chat_models import BaseChatModel

from motet.observability.evaluation.example import Example, Json
from motet.observability.evaluation.observed import Observed

Kind = Literal["boolean", "number", "category"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """What a score's value can be, and which is better."""

    kind: Kind = "boolean"
    low: float | None = 0.0
    """Least value of a number; None: without bound."""
    high: float | None = 1.0
    higher_is_better: bool = True
    unit: str = ""
    """Such as `s`, `USD`, `tokens`; empty for a share."""
    categories: Sequence[str] = ()
    """Of a category, the best first."""
    relative: bool = False
    """Whether a value says how the trial is beside the first target's, which has none: the middle category is a tie."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """One evaluator's word on one trial."""

    key: str
    """The metric: letters, digits, `_`, `-`, `.`, `:`."""
    value: float | bool | str | None
    """On the metric's scale; None where it doesn't apply or couldn't be had."""
    comment: str = ""
    """Why, for a person; each loss with its reason."""
    details: Json = field(default_factory=dict[str, Any])
    """The same for machines, and what makes it repeatable: a judge's prompt, votes, order, model."""
    error: str = ""
    """Why there is no value although there should be; empty where there is one, or where it doesn't apply."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What is scored: an example, and what became of it."""

    example: Example
    observed: Observed
    target: str = ""
    repeat: int = 0
    """0 for the first."""
    seed: int = 0
    """The experiment's; whatever an evaluator draws, it draws from this and the example's id."""


class Evaluator(Protocol):
    """Scores trials, any number at once."""

    @property
    def name(self) -> str:
        """As it is told, with its arguments: names it in reports."""
        ...

    @property
    def scales(self) -> Mapping[str, Scale]:
        """The scale of each metric that it may give."""
        ...

    async def score(self, trial: Trial) -> Sequence[Score]:
        """Its scores; empty where the example says nothing that it looks at.

        Raises nothing of its own: what it can't find out is a Score with `error`.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What evaluators may use, given from above; each is None where the installation has none."""

    chat: Callable[[str], Awaitable[BaseChatModel]] | None = None
    """A chat model by `provider:model`, "" for the installation's own."""
    embed: Callable[[Sequence[str]], Awaitable[Sequence[Sequence[float]]]] | None = None
    """Vectors of texts."""
    query: Callable[[str], Awaitable[Sequence[Sequence[Any]]]] | None = None
    """Rows of an SQL query over the workspace, read only."""
    folder: Path = field(default_factory=Path)
    """Where files named in evaluators' arguments lie."""
