"""What is remembered of effects, so that none happens twice: the port that `motet.tools.ledger` works with.

An effect is absent, then started, then done with a result. Started found again means that nobody knows whether
it happened: whoever began it is gone, or got an error that doesn't say. The caller settles that; nothing here guesses.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any, Protocol

from motet.memory.ports import Claim


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectKey:
    """Which effect is meant: one call of a tool, however often it is attempted."""

    thread_id: str
    namespace: str
    """LangGraph's checkpoint namespace: it names the task, and a task that is executed again has the same."""
    call_id: str
    """The model's id of the call; empty where no model asked for it."""
    tool: str
    arguments_hash: str
    """SHA-256 (hex) of the arguments; they themselves are kept nowhere."""

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of all of it."""
        parts = [self.thread_id, self.namespace, self.call_id, self.tool, self.arguments_hash]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """The caller has the effect's start, and makes the call."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """The effect happened; this is what the call gave then."""

    result: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Ambiguous:
    """The effect was started, and what became of it isn't known."""

    epoch: int
    """Of the claim that started it."""
    attempt: int
    """Which attempt at `run_id` that was; 1 for the first."""
    started_at: str
    """ISO 8601, UTC, to the microsecond, by the store's clock."""
    run_id: str


class EffectLedger(Protocol):
    """The effects of threads. Each method is one round trip, and is refused once `claim` has lost its run."""

    async def begin(self, key: EffectKey, claim: Claim, *, again: bool = False) -> Begun | Done | Ambiguous:
        """Mark the effect started by `claim`, or say what is already known of it.

        Args:
            key: which effect.
            claim: for whom it is begun.
            again: begin also what was started before. Without it a start that is found stays as it is, and is kept
                as long as its thread: its question may wait for months.

        Raises:
            StaleClaim: `claim` lost its run; nothing was begun.
            StoreUnavailable: it isn't known whether it was begun.
            TypeNotAllowed: the result of a done effect can't be read.
        """
        ...

    async def done(self, key: EffectKey, claim: Claim, result: object) -> None:
        """Record what a call gave, or what a person says of it.

        Raises:
            EffectNotRecorded: `result` has no form, or is too large. The effect stays as it was.
            StaleClaim, StoreUnavailable: as `begin`.
        """
        ...

    async def undone(self, key: EffectKey, claim: Claim, *, was: Ambiguous | None = None) -> None:
        """Record that what `begin` began did nothing: the effect is absent again, or as ambiguous as it `was`.

        Raises StaleClaim, StoreUnavailable.
        """
        ...
