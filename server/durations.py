"""Spans of time in words short enough for a table."""

from __future__ import annotations

_MINUTE, _HOUR, _DAY = 60, 3600, 86_400
_FINE_S = 10


def spelled(seconds: float) -> str:
    """`40 ms`, `2.4 s`, `12 s`, `3 min`, `2 h 5 min`, `3 d 4 h`: two units at most, rounded down."""
    whole = int(seconds)
    if not whole:
        return f"{seconds * 1000:.0f} ms"
    if whole < _FINE_S:
        return f"{seconds:.1f} s"
    if whole < _MINUTE:
        return f"{whole} s"
    if whole < _HOUR:
        return f"{whole // _MINUTE} min"
    large, unit, small, name = (_HOUR, "h", _MINUTE, "min") if whole < _DAY else (_DAY, "d", _HOUR, "h")
    rest = whole % large // small
    return f"{whole // large} {unit}{f' {rest} {name}' if rest else ''}"
