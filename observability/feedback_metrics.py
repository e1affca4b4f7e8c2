"""What is counted about feedback: how much there is of it, and how the scores lie."""

from __future__ import annotations

import threading
from typing import Literal

from opentelemetry.metrics import Meter

from motet.observability import names

Verdict = Literal["up", "down", "score", "words"]
"""up, down: a thumb, or 1 and 0; score: another number; words: no score."""

OTHER = "other"
"""What is counted instead of a key that came up after too many others."""

_MOST_KEYS = 50
_BOUNDS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 2.0, 3.0, 4.0, 5.0, 10.0, 100.0)
"""Upper bounds of the histogram's buckets: shares first, then stars, marks and percents."""


class FeedbackMetrics:
    """The instruments of one process. Keys are clients' own words: the first 50 are labels, all others one."""

    def __init__(self, meter: Meter) -> None:
        self._keys: set[str] = set()
        self._lock = threading.Lock()
        self._given = meter.create_counter(names.FEEDBACK_GIVEN, "{feedback}", "Feedback on runs that was given")
        self._score = meter.create_histogram(
            names.FEEDBACK_SCORE,
            "1",
            "Scores of feedback that aren't negative; a thumb is 1 or 0",
            explicit_bucket_boundaries_advisory=_BOUNDS,
        )

    def given(self, key: str, score: float | None, source: str) -> None:
        """Feedback was given. Once for each, whatever becomes of it later. A histogram takes nothing below 0."""
        label = self._label(key)
        said = {names.FEEDBACK_KEY: label, names.FEEDBACK_VERDICT: verdict(score), names.FEEDBACK_SOURCE: source}
        self._given.add(1, said)
        if score is not None and score >= 0:
            self._score.record(float(score), {names.FEEDBACK_KEY: label})

    def _label(self, key: str) -> str:
        with self._lock:
            if key not in self._keys and len(self._keys) >= _MOST_KEYS:
                return OTHER
            self._keys.add(key)
            return key


def verdict(score: float | None) -> Verdict:
    """What a score comes down to."""
    if score is None:
        return "words"
    return "up" if score == 1 else "down" if score == 0 else "score"
