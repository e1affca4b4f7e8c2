"""Numbers and dates as people write them, and when one says the same as a value."""

from __future__ import annotations

import calendar
import datetime as dt
import re
from collections.abc import Iterator
from dataclasses import dataclass

_SCALES = {"thousand": 1e3, "million": 1e6, "billion": 1e9}
_NUMBER = re.compile(r"(?<![\w.])[-\u2212]?\d[\d,]*(?:\.\d+)?(?:\s*(thousand|million|billion)\b)?", re.IGNORECASE)
_SMALL = re.split(
    r"\s",
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen twenty",
)
_WORD = re.compile(rf"\b({'|'.join(_SMALL)})\b(?!-)(?:\s+(thousand|million|billion)\b)?", re.IGNORECASE)
_PRONOUN = re.compile(
    r"\b(?:the|this|that|no|any|each|every|which|either|another|only)\s+one\b"
    r"|\bone\s+(?:of|another|by|can|could|may|must|should|or more)\b|-one\b|\bone's\b",
    re.IGNORECASE,
)
_MONTHS = {
    name.lower(): month
    for month in range(1, 13)
    for name in (calendar.month_name[month], calendar.month_abbr[month], calendar.month_name[month][:4])
}
_MONTH = "|".join(sorted(_MONTHS, key=len, reverse=True))
_ISO = re.compile(r"\b(\d{4})-(\d\d)-(\d\d)(?!\d)")
_DAY_FIRST = re.compile(rf"\b(\d\d?)(?:st|nd|rd|th)?\s+(?:of\s+)?({_MONTH})\b\.?,?\s+(\d{{4}})\b", re.IGNORECASE)
_MONTH_FIRST = re.compile(rf"\b({_MONTH})\b\.?\s+(\d\d?)(?:st|nd|rd|th)?,?\s+(\d{{4}})\b", re.IGNORECASE)
_FURTHEST = 0.1
_NOISE = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Number:
    """A number in a text, as far as it is shown."""

    value: float
    """As written: 1.2 for "1.2 million"."""
    decimals: int
    """Digits shown after the point."""
    scale: float
    """1, or a thousand, a million, a billion where the word stands behind it."""
    percent: bool
    written: str


def numbers(text: str) -> Iterator[Number]:
    """The numbers written in digits, in order; a date YYYY-MM-DD is its three numbers."""
    spaced = re.sub(r"(\d{4})-(\d\d)-(\d\d)", r"\1 \2 \3", text)
    for match in _NUMBER.finditer(spaced):
        digits = re.sub(r"[^\d.\-]", "", match[0].replace("\u2212", "-")).rstrip(".")
        yield Number(
            value=float(digits),
            decimals=len(digits.partition(".")[2]),
            scale=_SCALES.get((match[1] or "").lower(), 1.0),
            percent=bool(re.match(r"\s?%|\s+per ?cent\b", spaced[match.end() :])),
            written=match[0].strip().rstrip(","),
        )


def worded(text: str) -> Iterator[Number]:
    """The numbers written as words, from zero to twenty; "one" only where it counts something."""
    for match in _WORD.finditer(_PRONOUN.sub(" ", text)):
        yield Number(
            value=float(_SMALL.index(match[1].lower())),
            decimals=0,
            scale=_SCALES.get((match[2] or "").lower(), 1.0),
            percent=False,
            written=match[0],
        )


def same(number: Number, value: float) -> bool:
    """Whether `number` says `value`: exactly, or rounded as far as it is shown and by no more than a tenth."""
    meant = value / number.scale
    if not (number.decimals or number.scale > 1 or value % 1):
        return number.value == value
    off = abs(number.value - meant)
    return off <= _NOISE or off <= min(0.5 * 10**-number.decimals + _NOISE, _FURTHEST * abs(meant))


def dates(text: str) -> Iterator[tuple[dt.date, str]]:
    """The full dates of a text, each with how it is written: 2010-03-01, 1 March 2010, March 1, 2010."""
    for pattern, order in ((_ISO, (1, 2, 3)), (_DAY_FIRST, (3, 2, 1)), (_MONTH_FIRST, (3, 1, 2))):
        for match in pattern.finditer(text):
            year, month, day = (match[place] for place in order)
            try:
                yield dt.date(int(year), _MONTHS.get(month.lower()) or int(month), int(day)), match[0]
            except ValueError:
                continue


def month_names(text: str) -> Iterator[str]:
    """What the months of a text's full dates are called, in lower case, short and long."""
    for date, _ in dates(text):
        yield calendar.month_name[date.month].lower()
        yield calendar.month_abbr[date.month].lower()
