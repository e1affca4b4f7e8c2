"""Database values as JSON values, nothing lost without being said."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping
from decimal import Decimal

Value = str | int | float | bool | list["Value"] | dict[str, "Value"] | None
"""A JSON value."""


def plain(value: object) -> Value:
    """The JSON value for one cell.

    Dates and times become ISO 8601, infinities and NaN None (JSON has none), a Decimal an int or a float where that
    is the same number and a str where it isn't, an int beyond 64 bits (a sum of large ones, which no checkpoint holds)
    a str, bytes a description; everything else its str.
    """
    match value:
        case None | bool() | str():
            found: Value = value
        case int():
            found = _integer(value)
        case float():
            found = value if math.isfinite(value) else None
        case Decimal():
            found = _decimal(value)
        case dt.date() | dt.time():
            found = value.isoformat()
        case bytes() | bytearray() | memoryview():
            found = f"<{len(value)} bytes>"
        case Mapping():
            found = {str(key): plain(item) for key, item in value.items()}
        case list() | tuple() | set() | frozenset():
            found = [plain(item) for item in value]
        case _:
            found = str(value)
    return found


def _integer(value: int) -> int | str:
    return value if -(2**63) <= value < 2**63 else str(value)


def _decimal(value: Decimal) -> int | float | str | None:
    if not value.is_finite():
        return None
    if value == value.to_integral_value():
        return _integer(int(value))
    return float(value) if Decimal(repr(float(value))) == value else str(value)
