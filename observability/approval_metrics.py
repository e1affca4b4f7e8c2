"""What is counted and timed about approvals: how many wait, how long, and how they were decided."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Literal

from opentelemetry.metrics import CallbackOptions, Meter, Observation

from motet.observability import names

Kind = Literal["approve", "edit", "reject", "respond", "answer", "expired", "withdrawn"]
"""How an approval ended. answer: to a question that isn't about a call."""
WebhookOutcome = Literal["delivered", "failed", "given_up"]

_SECONDS = (1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 14_400.0, 86_400.0, 259_200.0, 604_800.0)
"""Upper bounds of the histogram's buckets: from a second to a week."""
_HOLDS_S = 300.0


class ApprovalMetrics:
    """The instruments of one process; no label is ever an id, a person's or a tool's name."""

    def __init__(self, meter: Meter, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seen: tuple[int, float, float] | None = None
        self._decisions = meter.create_counter(
            names.APPROVAL_DECISIONS, "{approval}", "Approvals that were decided, expired or were withdrawn"
        )
        self._time = meter.create_histogram(
            names.APPROVAL_TIME,
            "s",
            "From the moment a question came up to the moment a person decided it",
            explicit_bucket_boundaries_advisory=_SECONDS,
        )
        self._webhook = meter.create_counter(
            names.WEBHOOK_ATTEMPTS, "{attempt}", "Attempts to tell another service of an approval"
        )
        meter.create_observable_gauge(
            names.APPROVAL_OPEN, [self._open], "{approval}", "Approvals that wait for a person"
        )
        meter.create_observable_gauge(
            names.APPROVAL_OLDEST, [self._oldest], "s", "For how long the oldest open approval waits"
        )

    def ended(self, kind: Kind, seconds: float) -> None:
        """An approval is open no more, after `seconds`. Told once of each, by whichever process noted it."""
        self._decisions.add(1, {names.APPROVAL_KIND: kind})
        if kind not in {"expired", "withdrawn"}:
            self._time.record(seconds, {names.APPROVAL_KIND: kind})

    def standing(self, *, waiting: int, oldest_s: float) -> None:
        """What is open now in the whole tenant: each process tells the same. Told for five minutes, then absent."""
        self._seen = (waiting, oldest_s, self._clock())

    def told(self, outcome: WebhookOutcome) -> None:
        """An attempt to post to the webhook came to its end."""
        self._webhook.add(1, {names.OUTCOME: outcome})

    def _open(self, _options: CallbackOptions) -> Iterable[Observation]:
        return [Observation(waiting) for waiting, _ in self._known()]

    def _oldest(self, _options: CallbackOptions) -> Iterable[Observation]:
        return [Observation(oldest_s) for _, oldest_s in self._known()]

    def _known(self) -> Iterable[tuple[int, float]]:
        if self._seen is None or self._clock() - self._seen[2] > _HOLDS_S:
            return ()
        return (self._seen[:2],)
