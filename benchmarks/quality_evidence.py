# ruff: noqa: INP001 - part of a script, no package
"""What in an answer nothing supports, and why an answer isn't right, read off what a run's tools returned."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from benchmarks.quality_scoring import Question, missing

from motet.server.evaluation.saying import Number, holds, numbers, refused, without_code, words

_SOURCE = re.compile(r'<data source="[^"]*">')
"""Where marked data is from is our word, and its offsets are no evidence."""
_FOOTNOTE = re.compile(r"(?<!\[)\[\d{1,2}\](?!\])")
_CONTENT = frozenset({"columns", "rows", "file", "text", "headings"})
"""Of rows and passages as values: the rest says how long a query took or where a passage stands."""


@dataclass(slots=True)
class Evidence:
    """What the tools of one run returned."""

    names: Sequence[str] = ()
    """Of tables, columns and files: what tools say of themselves before they are called."""
    queried: bool = False
    searched: bool = False
    texts: list[str] = field(default_factory=list[str])
    _numbers: set[float] = field(default_factory=set[float])

    def add(self, result: object) -> None:
        """Keep a tool's result: text, JSON as text or as values, or a message. What isn't content is left out."""
        if isinstance(result, str):
            self._add_text(_SOURCE.sub(" ", result).replace("</data>", " "))
        elif isinstance(result, bool) or result is None:
            return
        elif isinstance(result, int | float):
            self._numbers.add(float(result))
            self.texts.append(words(str(result)))
        elif isinstance(result, Mapping):
            self._add_mapping(result)
        elif isinstance(result, Sequence):
            for one in result:
                self.add(one)
        else:
            self.add([getattr(result, name, None) for name in ("content", "artifact")])

    def _add_text(self, text: str) -> None:
        try:
            told = json.loads(text)
        except ValueError:
            told = None
        if isinstance(told, dict | list):
            self.add(told)
            return
        text = _FOOTNOTE.sub(" ", text)
        self.texts.append(words(text))
        self._numbers.update(number.value * number.scale for number in numbers(text))
        self._numbers.update(float(_MONTHS.index(month[:3].lower()) + 1) for month in _DATED.findall(text))

    def _add_mapping(self, found: Mapping[Any, Any]) -> None:
        content = _CONTENT & found.keys() or found.keys()
        for name in content:
            self.add(found[name])
        if isinstance(rows := found.get("rows"), Sequence):
            self._numbers.add(float(len(rows)))

    def holds(self, value: Any) -> bool:
        """Whether a result has `value` in it, as `holds` means it."""
        if isinstance(value, int | float) and not isinstance(value, bool):
            return any(math.isclose(value, known, rel_tol=1e-6, abs_tol=1e-9) for known in self._numbers)
        return any(holds(text, value) for text in self.texts)

    def has_number(self, number: Number) -> bool:
        """Whether a result has a number that `number` shows."""
        return any(number.says(known, within=_ROUNDED) for known in self._numbers)

    def has_words(self, text: str) -> bool:
        """Whether `text` stands in one result, but for case and marks; of text with "…", each piece."""
        return all(
            any(words(piece) in known for known in (*self.texts, *map(words, self.names)))
            for piece in re.split(r"…|\.\.\.", _FOOTNOTE.sub(" ", text))
            if piece.strip()
        )


_ROUNDED = 0.1
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DATED = re.compile(rf"\b({'|'.join(_MONTHS)})[a-z]*\.? \d{{1,2}},? \d{{4}}\b", re.IGNORECASE)
"""The month of a date in words, whose number stands in the same date in figures (2018-05-06)."""
_SPAN = re.compile(r"\"([^\"\n]+)\"|\u201c([^\u201d]+)\u201d")
_BLOCK = re.compile(r"(?:^[ \t]*>.*(?:\n|\Z))+", re.MULTILINE)
_BLOCK_MARK = re.compile(r"^[ \t]*>[ \t]*(?:[\u2014\u2013-].*)?", re.MULTILINE)
"""The sign of a block quote's line, or all of the line that says where the quote is from."""
_ORDER = re.compile(r"^[ \t]*\d+[.)][ \t]+", re.MULTILINE)
_PLACE = re.compile(r"(?<=\w)(\.\w{2,8})(?::|,? (?:at |from )?(?:characters?|offsets?) )\d+(?: ?(?:-|\u2013|to) ?\d+)?")
"""A place in a file, such as `README.md:120-180`."""


def unsupported(question: Question, answer: str, evidence: Evidence) -> list[str]:
    """Each number and each quoted span of `answer` that neither a tool's result nor the question holds.

    All of the answer is looked at but its code. A number may be rounded, by at most a tenth. Quoted is what stands
    between double quotation marks and in block quotes; it is compared but for case and marks. Numbers of lists and
    references (`[1]`, `README.md:120-180`) make no claim.
    """
    text = _FOOTNOTE.sub(" ", _PLACE.sub(r"\1 ", _ORDER.sub("", without_code(answer))))
    asked = Evidence()
    asked.add(question.question)
    wrong = [
        number.written for number in numbers(text) if not (evidence.has_number(number) or asked.has_number(number))
    ]
    spans = [one or other for one, other in _SPAN.findall(_BLOCK.sub("\n", text))]
    blocks = [_BLOCK_MARK.sub(" ", block) for block in _BLOCK.findall(text)]
    wrong += [
        f"\u201c{' '.join(span.split())}\u201d"
        for span in (*spans, *blocks)
        if not (evidence.has_words(span) or asked.has_words(span))
    ]
    return wrong


Failure = Literal[
    "error",
    "asked back",
    "route wrong",
    "query wrong",
    "no passage found",
    "quote not supporting",
    "wrongly refused",
    "wrongly answered",
]


def failure(question: Question, expected: Sequence[Any], answer: str, evidence: Evidence) -> Failure:
    """Why an answer isn't right: the first step that went wrong, read off what the tools returned.

    route wrong: a tool that the question needs was never used. query wrong: no result held the expected value. no
    passage found: no result held the reference's words. With all of that there: wrongly refused; quote not
    supporting, if what is missing is the documents' part; else wrongly answered.
    """
    if question.kind == "unanswerable":
        return "wrongly answered"
    by_query, by_search = bool(question.sql), bool(question.quote)
    if (by_query and not evidence.queried) or (by_search and not evidence.searched):
        return "route wrong"
    if by_query and not all(evidence.holds(value) for value in expected):
        return "query wrong"
    if by_search and not evidence.has_words(question.quote):
        return "no passage found"
    if refused(answer):
        return "wrongly refused"
    return "quote not supporting" if missing(question, answer) else "wrongly answered"
