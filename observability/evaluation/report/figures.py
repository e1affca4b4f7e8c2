"""Numbers as people read them: percent, points, seconds, dollars, p-values."""

from __future__ import annotations

from collections.abc import Sequence
from math import floor, isfinite, log10

from motet.observability.evaluation.report.metrics import Metric
from motet.observability.evaluation.statistics.paired import Check

MINUS, NONE = "−", "—"
CHECKS = (
    "Which test decides was settled by the kind of the values, before there were any, and Holm adjusts its p alone. "
    "Checks look at the same pairs in another way: they are no second chance, and none of them overturns a verdict."
)
_THIN_P = 0.001
_DIGITS = 3


def value(number: float | None, metric: Metric) -> str:
    """A metric's value or mean: `81.2 %`, `2.41 s`, `$0.0031`; a dash for none."""
    if number is None:
        return NONE
    if metric.is_share:
        return f"{100 * number:.1f} %"
    if metric.scale.kind == "category":
        return f"{number:.2f} of {max(len(metric.scale.categories) - 1, 0)}"
    return _with_unit(number, metric.scale.unit, signed=False)


def short(number: float | None, metric: Metric) -> str:
    """The same for a narrow column: whole percent, no unit."""
    if number is None:
        return NONE
    return f"{100 * number:.0f} %" if metric.is_share else plain(number)


def difference(number: float | None, metric: Metric) -> str:
    """A signed difference: `+17.0 points`, `−0.31 s`."""
    if number is None:
        return NONE
    if metric.is_share:
        return f"{_sign(number)}{abs(100 * number):.1f} points"
    if metric.scale.kind == "category":
        return f"{_sign(number)}{abs(number):.2f} ranks"
    return _with_unit(number, metric.scale.unit, signed=True)


def distance(number: float | None, metric: Metric) -> str:
    """A difference's size without its sign."""
    if number is None:
        return NONE
    return difference(abs(number), metric).removeprefix("+").removeprefix("±")


def interval(low: float | None, high: float | None, metric: Metric, *, signed: bool = False) -> str:
    """`74.1 to 86.9 %`, the unit once; a dash for none."""
    if low is None or high is None:
        return NONE
    if metric.is_share:
        ends = [f"{_sign(one) if signed else ''}{abs(100 * one):.1f}" for one in (low, high)]
        return f"{ends[0]} to {ends[1]} {'points' if signed else '%'}"
    first, last = (difference if signed else value)(low, metric), (difference if signed else value)(high, metric)
    number, space, unit = first.partition(" ")
    return f"{number if last.endswith(space + unit) else first} to {last}"


def p(number: float | None) -> str:
    """`0.032`, `< 0.001`."""
    if number is None:
        return NONE
    return f"< {_THIN_P}" if number < _THIN_P else f"{number:.3f}"


def checked(checks: Sequence[Check]) -> str:
    """`sign 0.109, Wilcoxon signed-rank —`."""
    return ", ".join(f"{one.test} {p(one.p_value)}" for one in checks) or NONE


def plain(number: float | None) -> str:
    """Three digits that count, thousands apart."""
    if number is None or not isfinite(number):
        return NONE
    return f"{_sign(number) if number < 0 else ''}{_digits(abs(number))}"


def count(number: int, noun: str) -> str:
    """`1 example`, `1,204 examples`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def took(seconds: float) -> str:
    """`40 ms`, `2.4 s`, `3 min 20 s`, `2 h 5 min`."""
    if seconds < 1:
        return f"{1000 * seconds:.0f} ms"
    if seconds < 60:  # noqa: PLR2004 - a minute
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def dollars(number: float | None) -> str:
    """`$1.20`, `$0.0031`, `not known`."""
    if number is None:
        return "not known"
    return f"${number:,.2f}" if number >= 1 or number == 0 else f"${_digits(number)}"


def _with_unit(number: float, unit: str, *, signed: bool = False) -> str:
    sign = _sign(number) if signed or number < 0 else ""
    if unit == "USD":
        return f"{sign}${_digits(abs(number))}"
    return f"{sign}{_digits(abs(number))}{f' {unit}' if unit else ''}"


def _sign(number: float) -> str:
    return MINUS if number < 0 else "+" if number > 0 else "±"


def _digits(number: float) -> str:
    if number == 0:
        return "0"
    places = max(0, _DIGITS - 1 - floor(log10(number)))
    return f"{number:,.{min(places, 8)}f}"
