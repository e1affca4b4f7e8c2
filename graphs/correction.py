"""Self-correction that ends: a counted number of attempts, and none that repeats an earlier one.

Pure functions over a list of attempts that a graph keeps in its state.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from typing import Literal, TypedDict

Status = Literal["ok", "partial", "budget_exhausted", "rejected", "failed"]
"""How a loop ended.

ok: the checks passed. partial: there is a result that a check doubts. budget_exhausted: a limit of the run came
first. rejected: a person said no. failed: there is no result.
"""

MAX_REPAIRS = 3
"""Attempts after the first one."""


class Attempt(TypedDict):
    """Something tried that didn't do."""

    action: str
    """What was tried, such as a query."""
    problem: str
    """Why it didn't do, as it was said to the model."""


def stop_reason(attempts: Sequence[Attempt], *, repairs: int = MAX_REPAIRS) -> str | None:
    """Why no further attempt should be made after the last one, as a phrase; None to go on.

    Either the attempts are spent, or there was no progress: the last action, or its problem, was there before.
    """
    if not attempts:
        return None
    last, earlier = attempts[-1], attempts[:-1]
    if any(fingerprint(last["action"]) == fingerprint(attempt["action"]) for attempt in earlier):
        return "the same was tried twice"
    if any(fingerprint(last["problem"]) == fingerprint(attempt["problem"]) for attempt in earlier):
        return "the same problem came twice"
    return "no attempt worked" if len(attempts) > repairs else None


def fingerprint(text: str) -> str:
    """A hash that doesn't change with case, spacing or a closing semicolon."""
    return hashlib.sha256(re.sub(r"\s+", " ", text).strip(" ;").lower().encode()).hexdigest()
