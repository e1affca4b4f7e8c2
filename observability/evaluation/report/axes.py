"""Places numbers on a plot: round ticks, and where a value stands."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil, floor, log10

LEFT, RIGHT, WIDTH = 8.0, 352.0, 360
"""Of every plot, in its own units: narrow, so that it is read on a telephone without being made smaller."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """A number on an axis."""

    at: float
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """From a number to a place, and the round numbers between."""

    low: float
    high: float
    start: float = LEFT
    end: float = RIGHT

    def at(self, number: float) -> float:
        """Where it stands, rounded; at the nearer end where it is beyond."""
        share = (number - self.low) / (self.high - self.low) if self.high > self.low else 0.5
        return round(self.start + min(max(share, 0.0), 1.0) * (self.end - self.start), 1)

    def ticks(self, label: Callable[[float], str], *, count: int = 4) -> Sequence[Tick]:
        """About `count` round numbers."""
        return [Tick(at=self.at(one), label=label(one)) for one in _round_numbers(self.low, self.high, count)]


def axis(numbers: Sequence[float], *, zero: bool = False, start: float = LEFT, end: float = RIGHT) -> Axis:
    """One that holds all of them, with a little room; `zero`: and zero."""
    told = [*numbers, 0.0] if zero or not numbers else numbers
    low, high = min(told), max(told)
    room = (high - low) * 0.04 or abs(high) * 0.1 or 0.5
    return Axis(
        low=low if zero and low == 0 else low - room,
        high=high if zero and high == 0 else high + room,
        start=start,
        end=end,
    )


def _round_numbers(low: float, high: float, count: int) -> Sequence[float]:
    rough = (high - low) / count
    if rough <= 0:
        return [low]
    power = 10 ** floor(log10(rough))
    step = next(one * power for one in (1, 2, 5, 10) if one * power >= rough)
    return [at * step for at in range(ceil(low / step), floor(high / step) + 1)]
