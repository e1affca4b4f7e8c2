"""Moments as ISO 8601, UTC: what Python's own takes longest for, the date and the second, is made once a second."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from functools import lru_cache


def now() -> str:
    """ISO 8601, UTC, with microseconds."""
    seconds, rest = divmod(time.time_ns() // 1_000, 1_000_000)
    return f"{_second(seconds)}.{rest:06d}+00:00"


def iso(microseconds: int) -> str:
    """ISO 8601, UTC, of microseconds since 1970; with them, unless they are a whole second."""
    seconds, rest = divmod(microseconds, 1_000_000)
    return f"{_second(seconds)}.{rest:06d}+00:00" if rest else f"{_second(seconds)}+00:00"


@lru_cache(maxsize=64)
def _second(seconds: int) -> str:
    """Date and time, without a zone."""
    return datetime.fromtimestamp(seconds, UTC).isoformat()[:19]
