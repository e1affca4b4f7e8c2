"""What a table of evaluators holds: a name, the arguments that may be told with it, and how one is made."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from motet.observability.evaluation.evaluator import Evaluator, Means


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """An evaluator that can be asked for by name."""

    name: str
    arguments: type[Any]
    """A frozen keyword-only dataclass: its fields are the arguments that may be told, with their defaults."""
    make: Callable[[Any, Means], Evaluator]
    """From an instance of `arguments`. Raises InvalidConfig where their values don't go together."""
    about: str
    """One sentence for who chooses: what it looks at, and what it needs in the example."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NoArguments:
    """Nothing can be told."""
