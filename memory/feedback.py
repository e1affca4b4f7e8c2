"""What people and programs think of a run, kept: a port."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from motet.memory.ports import ThreadIndex

SourceType = Literal["api", "link", "evaluator"]
Score = float | bool | None
"""A number, or a thumb: up is True."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Who said it, and by which way."""

    type: SourceType = "api"
    """api: a client that may use the server; link: whoever had a one-time link; evaluator: a program that scores."""
    actor: str = ""
    """By the name they gave themselves; empty for a link."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Feedback:
    """One opinion on a run, or on one message of it."""

    feedback_id: str
    """A UUID."""
    run_id: str
    thread_id: str
    key: str
    """What it is about, such as `helpful`: letters, digits, `_`, `.`, `:`, `-`."""
    score: Score = None
    value: Any = None
    """What is no number: a category, a text, any JSON."""
    comment: str = ""
    correction: Any = None
    """How it should have been: a text or a JSON object; None where nobody says."""
    message_id: str = ""
    """The message that it is about; empty: the whole run."""
    source: Source = field(default_factory=Source)
    created_at: str
    """ISO 8601, UTC, with microseconds; as `modified_at`."""
    modified_at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Once:
    """A right to say one thing."""

    nonce: str
    """Names it: a right is used up once."""
    expires_at: float
    """Seconds since 1970; so long is remembered that it was used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedbackPage:
    """Some feedback, the newest first."""

    feedback: Sequence[Feedback]
    after: str
    """Gives the next page; empty: there is none. A page may hold less than was asked for, and not be the last."""


class RunFinder(ThreadIndex, Protocol):
    """An index that also finds a run by its id alone."""

    async def of_run(self, run_id: str) -> str | None:
        """The thread of one of the tenant's newest 10,000 runs; None for any other. One round trip, two at most."""
        ...


class Feedbacks(Protocol):
    """What was said of runs, kept for some days after it was said or changed last; it goes with its thread."""

    async def add(self, feedback: Feedback, *, once: Once | None = None) -> None:
        """Keep it; with `once` only if that right wasn't used, which is used up then. One round trip.

        Raises:
            AlreadyExists: there is feedback with its id. Nothing was changed.
            LinkUnusable: the right was used, or has ended. Nothing was changed.
        """
        ...

    async def get(self, feedback_id: str) -> Feedback:
        """The feedback. One round trip. Raises NotFound."""
        ...

    async def page(
        self,
        *,
        run_id: str | None = None,
        thread_id: str | None = None,
        key: str | None = None,
        limit: int = 100,
        after: str = "",
    ) -> FeedbackPage:
        """What fits all that is told, the newest first. One round trip for each 200 that are looked at, five at most.

        Raises:
            InvalidInput: `after` isn't what a page said.
        """
        ...

    async def change(self, feedback_id: str, **changed: Any) -> Feedback:
        """Change score, value, comment or correction, and when it was modified; the feedback afterwards.

        Two round trips, two more for each change by somebody else that came in between. Raises NotFound.
        """
        ...

    async def delete(self, feedback_id: str) -> None:
        """Forget it. One round trip. Raises NotFound."""
        ...

    async def forget(self, thread_id: str, run_id: str | None = None) -> int:
        """Forget what was said of a thread's runs, or of one of them; how many there were.

        One round trip for each 500.
        """
        ...

    async def secret(self) -> bytes:
        """The tenant's own secret, 32 bytes, made by whoever asks first. One round trip, once a process."""
        ...
