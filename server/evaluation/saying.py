"""What an answer's text says: whether it holds a value, and whether it refuses. The same rules for whoever answers.

They read the text and nothing else that a graph says of itself, and share no code with the checks that the crew makes
of its own answers, so that neither inherits the other's mistakes.
"""

from __future__ import annotations

import calendar
import math
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Number:
    """A number as a text shows it."""

    value: float
    decimals: int
    scale: float
    """1, or what "thousand", "million", "billion" behind it stand for."""
    written: str

    def says(self, meant: float, *, within: float) -> bool:
        """Whether it is `meant`, rounded as far as it shows and by no more than the share `within`."""
        return any(
            abs(self.value - meant / scale) <= _HALF * 10**-self.decimals + 1e-9
            and math.isclose(self.value * scale, meant, rel_tol=within, abs_tol=1e-9)
            for scale in (1.0, self.scale)
        )


_HALF = 0.5
_ROUNDED = 0.005
_NUMBER = re.compile(
    r"(?<![\w.])[-\u2212]?(\d{1,3}(?:,\d{3})+|\d+)(\.\d+)?(?:\s*(thousand|million|billion)\b)?", re.IGNORECASE
)
_SCALES = {"thousand": 1e3, "million": 1e6, "billion": 1e9}
_ISO = re.compile(r"\b(\d{4})-(\d\d)(?:-(\d\d))?(?!\d)")
_SMALL = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_FENCED = re.compile(r"```.*?(?:```|\Z)", re.DOTALL)
_SHOWN = re.compile(r"^[ \t]*[|>].*$", re.MULTILINE)
_LONG_TABLE = re.compile(r"(?:^[ \t]*\|.*(?:\n|\Z)){4,}", re.MULTILINE)
"""A Markdown table of more than one row."""
_WORD = re.compile(r"\w+")


def numbers(text: str) -> Iterator[Number]:
    """The numbers written in digits; the parts of a date YYYY-MM-DD are numbers of their own."""
    for match in _NUMBER.finditer(_ISO.sub(lambda date: " ".join(filter(None, date.groups())), text)):
        value = float(match[1].replace(",", "") + (match[2] or ""))
        yield Number(
            -value if match[0][0] in "-\u2212" else value,
            len((match[2] or ".")[1:]),
            _SCALES.get((match[3] or "").lower(), 1.0),
            match[0].strip(),
        )


def words(text: str) -> str:
    """`text` for comparison: no case, no accents, no marks, single spaces, and a space at both ends."""
    bare = "".join(one for one in unicodedata.normalize("NFKD", text) if not unicodedata.combining(one))
    return f" {' '.join(_WORD.findall(bare.casefold()))} "


def without_code(answer: str) -> str:
    """An answer without its fenced code."""
    return _FENCED.sub("\n", answer)


def said(answer: str) -> str:
    """What an answer says in sentences: no code, no tables, no block quotes, which show what was looked at.

    Else an answer that lists everything would be right by holding the right value too. Where nothing else is there,
    tables of one row and block quotes are the answer.
    """
    text = without_code(answer)
    sentences = _SHOWN.sub("", text)
    return sentences if _WORD.search(sentences) else _LONG_TABLE.sub("\n", text)


def holds(text: str, value: Any) -> bool:
    """Whether `text` says `value`: a number, a date (YYYY-MM or YYYY-MM-DD) in a usual form, or words."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        small = value in range(len(_SMALL)) and words(_SMALL[int(value)]) in words(text)
        return small or any(number.says(value, within=_ROUNDED) for number in numbers(text))
    date = _ISO.fullmatch(str(value))
    return _dated(words(text), *date.groups()) if date else words(str(value)) in words(text)


def _dated(text: str, year: str, month: str, day: str | None) -> bool:
    name = f"(?:{calendar.month_name[int(month)]}|{calendar.month_abbr[int(month)]})".lower()
    if day is None:
        return bool(re.search(rf" (?:{year} {month} |{name} (?:of |in )?(?:\d\d?(?:st|nd|rd|th)? )?{year} )", text))
    of_month = rf"0?{int(day)}(?:st|nd|rd|th)?"
    return bool(
        re.search(rf" (?:{year} {month} {day} |{name} {of_month} {year} |{of_month} (?:of )?{name} {year} )", text)
    )


_HELD = (
    "data|information|records?|rows?|passages?|documents?|tables?|columns?|answer|evidence|mention|values?|figures?|"
    "entry|entries"
)
_REFUSAL = re.compile(
    rf"""
    \b(?:can[ ]?not|can't|could[ ]not|couldn't|(?:un|not[ ])able[ ]to|(?:not[ ]|im)possible[ ]to)[ ](?:\w+[ ]){{0,2}}?
        (?:answer|find|determine|tell|say|know|provide|calculate|give|answered|found|determined|said|told)\b
    | \b(?:is|are|was|were)(?:[ ]not|n't)[ ](?:\w+[ ])?
        (?:in|among|part|mentioned|named|given|stated|available|included|contained|found|listed|recorded|known
        |specified|covered|provided)\b
    | \b(?:do|does|did)(?:[ ]not|n't)[ ](?:\w+[ ])?
        (?:say|state|mention|name|contain|hold|include|have|give|cover|know|list|provide|specify|tell|reach|go)\b
    | (?:^|\b(?:there[ ](?:is|are|was|were)|has|have|contains?|holds?|found|find)[ ])
        no[ ](?:\w+[ ]){{0,3}}?(?:{_HELD})\b
    | \bneither\b.{{1,80}}\bnor\b
    | \bnothing[ ](?:in|about|on|there|was[ ]found)\b
    | \bnot[ ]enough[ ](?:data|information|evidence)\b
    | \bunanswerable\b
    | \bnobody[ ](?:answered|knows)\b
    """,
    re.VERBOSE,
)


def refused(answer: str) -> bool:
    """Whether `answer` says that the question can't be answered, by its wording: what every system has.

    No answer at all is no refusal, and neither is a status that a system reports beside its answer.
    """
    text = " ".join(said(answer).lower().replace("\u2019", "'").split())
    return bool(_REFUSAL.search(text))
