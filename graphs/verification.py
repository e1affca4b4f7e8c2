"""Whether a draft's claims hold, found out without a model: evidence first, then what is said of it.

| what is checked | and refused when |
|---|---|
| each quote | it doesn't stand letter by letter at its place in its file, there is no such file, or it is too short |
| each query | it doesn't run, reads no table, or doesn't give the cited rows now |
| each number and date | it is in no cited row or quote, nor in the question, nor follows from rows (`recomputing`) |
| its numbers | all are the question's, and its queries give one other number each |
| each number beside a row's name | it is another row's |
| each code, unit and quoted span | it is in no evidence, nor in the question |
| each name | it is neither in a quote nor around it; for a query: neither in its rows, in itself nor in the question |
| the words | most of those that the question doesn't give are in no evidence, or no quote speaks of the claim at all |
| a "not" | the quote's nearest clause has none, or the other way round |

A claim that holds says nothing its evidence doesn't. It may still leave something out, or put true words into a false
relation that no list of words shows: that is a model's to find.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from motet.graphs.evidence import look_up, row_text
from motet.graphs.numbers import Number, dates, month_names, numbers, same, worded
from motet.graphs.recomputing import counts, number_of, recomputed
from motet.graphs.state import Claim, Query, Quote
from motet.graphs.words import alike, content_words, covered, folded, in_parts
from motet.tools.documents.ports import Documents
from motet.tools.values import Value
from motet.tools.workspace import Workspace

SUPPORT = 0.5
"""Share of the words that the question doesn't give which must be in the evidence."""

QUOTED = 0.25
"""Share of a claim's words that its quotes must speak of, where it rests on quotes alone."""

_NEAR = 0.6
_LEAST_WORDS = 2
_SHOWN_NUMBERS = 6
_CODE = re.compile(r"[\w][\w./:@-]*\w")
_PLAIN_NUMBER = re.compile(r"[-\d,.\u2212]+(?:st|nd|rd|th|s|[a-z]{1,3}/?[a-z]{0,2}|%)?", re.IGNORECASE)
_SHORT_UNIT = 2
_SAME_UNIT = (
    ("%", "percent", "per cent"), ("ms", "millisecond"), ("s", "sec", "second"), ("min", "minute"), ("h", "hour"),
    ("$", "dollar", "usd"), ("€", "euro", "eur"), ("°c", "celsius"), ("°f", "fahrenheit"), ("kg", "kilogram"),
    ("lb", "pound"), ("km", "kilometer", "kilometre"), ("metre", "meter", "m"), ("mb", "mib"), ("day",), ("year",),
    ("mile",), ("week",), ("month",), ("token",), ("character",), ("ton",),
)  # fmt: skip
_UNIT = re.compile(
    r"(?<=\d)\s?(ms|(?<!\d0)s|sec|seconds?|min|minutes?|h|hours?|days?|weeks?|months?|years?|[kKMGT]i?B|bytes|mph|km/h|m/s|km|"
    r"miles|mm|cm|inch(?:es)?|feet|meters|metres|kg|g|lbs|pounds|tons|degrees|°[CF]|°|celsius|fahrenheit|dollars|USD|"
    r"euros|EUR|%|percent|tokens|characters)(?!\w)|([$€£])(?=\s?\d)"
)
_SPAN = re.compile(r"[“\"]([^”\"]{2,})[”\"]|`([^`]+)`")
_NAME = re.compile(r"[A-Z][\w'\u2019]*(?:[.-]\w+)*")
_FIRST = re.compile(r"(?:^|[.!?:;]\s+|\n\s*(?:[-*>#]\s*)*|[“\"(]\s*)$")
_VERB = re.compile(r"(?:'s)?\s+(?:are|were|have|had|did|can|will|[a-z]+s)\b")
_CLAUSE = re.compile(r"[,;:()\u2013\u2014.!?]\s+|\s+(?:and|but|while|whereas)\s+|\n+")
_NOT = re.compile(r"\b(?:not|never|no|none|nor|cannot|neither|nothing|nobody|without)\b|n['\u2019]t\b", re.IGNORECASE)
_NO_NAMES = frozenset({"i", "yes", "no", "ok", "a", "the", "null"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Something that is wrong with a claim."""

    claim: int
    """Its place among the claims, from 0."""
    text: str
    """What is wrong, concretely, as a sentence for whoever wrote it, model or person."""


async def verify(
    claims: Sequence[Claim], *, question: str, documents: Documents | None, workspace: Workspace | None
) -> list[Problem]:
    """What is wrong with `claims`, in their order; nothing if all hold.

    `question` is what was asked, with what was said before that it leans on: its numbers and names may be repeated.
    Where a claim's evidence is wrong, only that is said: its words are held against evidence that stands.
    """
    found: list[Problem] = []
    for place, claim in enumerate(claims):
        looked = await look_up(claim, documents=documents, workspace=workspace)
        evidence = Evidence(
            question=question,
            quotes=looked.quotes,
            sections=looked.sections,
            queries=looked.queries,
            totals=looked.totals,
        )
        wrong = looked.problems or tuple(unsupported_by(evidence, claim["text"]))
        found += [Problem(claim=place, text=text) for text in wrong]
    return found


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What may be said: the question's words and all that was found to stand."""

    question: str
    quotes: tuple[Quote, ...]
    sections: tuple[str, ...]
    """What stands around the quotes: it names what they are about, and proves nothing itself."""
    queries: tuple[Query, ...]
    totals: tuple[int, ...]
    """How many rows each query gives in all."""

    @cached_property
    def cited(self) -> str:
        """Quotes and rows as one text, with the names of files, columns and what the queries ask for."""
        quoted = [f"{quote['text']}\n{quote['file']}" for quote in self.quotes]
        asked = [f"{query['sql']}\n{' '.join(query['columns'])}" for query in self.queries]
        return "\n".join([*quoted, *asked, *(_text(cell) for cell in self.cells)])

    @cached_property
    def known(self) -> str:
        """What is cited, and the question, folded and in lower case, months of dates with their names."""
        text = f"{self.cited}\n{self.question}"
        return folded(f"{text}\n{' '.join(month_names(text))}").text.lower()

    @cached_property
    def named(self) -> frozenset[str]:
        """The words that names may be made of: a quote's with those around it, or a query's with the question's."""
        text = "\n".join([self.cited, *self.sections, *([self.question] if self.queries else [])])
        return frozenset(re.findall(r"[^\W_]+", f"{text} {' '.join(month_names(text))}".lower()))

    @cached_property
    def words(self) -> frozenset[str]:
        """The words of what is cited."""
        return frozenset([*content_words(f"{self.cited}\n{in_parts(self.cited)}"), *month_names(self.cited)])

    @cached_property
    def cells(self) -> tuple[Value, ...]:
        """Every cited cell."""
        return tuple(cell for query in self.queries for row in query["rows"] for cell in row)

    @cached_property
    def results(self) -> frozenset[float]:
        """The numbers among the cells."""
        return frozenset(number for cell in self.cells if (number := number_of(cell)) is not None)

    @cached_property
    def numbers(self) -> frozenset[float]:
        """Every number of a cited row or quote, and of the question."""
        texts = [self.question, *(quote["text"] for quote in self.quotes)]
        texts += [cell for cell in self.cells if isinstance(cell, str)]
        written = (one.value * one.scale for text in texts for one in (*numbers(text), *worded(text)))
        dated = (float(part) for text in texts for date, _ in dates(text) for part in (date.year, date.month, date.day))
        return self.results | {*written, *dated}


def unsupported_by(evidence: Evidence, sentence: str) -> list[str]:
    """Why `sentence` can't be said of `evidence`, a sentence each; nothing if it can."""
    if not sentence.strip():
        return ["it says nothing"]
    checks: tuple[Callable[[Evidence, str], Iterator[str]], ...] = (
        _dates, _numbers, _presumed, _rows, _spans, _codes, _units, _names, _words, _negation,
    )  # fmt: skip
    return list(dict.fromkeys(problem for check in checks for problem in check(evidence, sentence)))


def _dates(evidence: Evidence, sentence: str) -> Iterator[str]:
    there = {date for date, _ in dates(f"{evidence.cited}\n{evidence.question}")}
    for date, written in dates(sentence):
        if date not in there:
            yield f"the date {written} is in no cited row or quote"


def _numbers(evidence: Evidence, sentence: str) -> Iterator[str]:
    rest = _without_dates(sentence)
    counted = {total for query, total in zip(evidence.queries, evidence.totals, strict=True) if counts(query)}
    derived = {*counted, *recomputed(sentence, evidence.queries)}
    for number in (*numbers(rest), *worded(rest)):
        if any(same(number, value) for value in (*evidence.numbers, *derived)):
            continue
        if f"more than {number.written}" in rest and any(total > number.value * number.scale for total in counted):
            continue
        yield f"the number {number.written} is in no cited row or quote{_instead(evidence, number)}"


def _presumed(evidence: Evidence, sentence: str) -> Iterator[str]:
    """The question's own number said again where the query gives another: “Are there 7?”, “There are 7.”"""
    rows = [query["rows"] for query in evidence.queries]
    single = not evidence.quotes and all(len(one) == 1 and len(one[0]) == 1 for one in rows)
    said = [*numbers(_without_dates(sentence)), *worded(_without_dates(sentence))]
    if not (single and said and evidence.results) or (0.0 in evidence.results and _NOT.search(sentence)):
        return
    asked = [one.value * one.scale for one in (*numbers(evidence.question), *worded(evidence.question))]
    given = (*evidence.results, *recomputed(sentence, evidence.queries))
    if all(any(same(one, value) for value in asked) and not any(same(one, value) for value in given) for one in said):
        yield f"its numbers are the question's{_instead(evidence, said[0])}"


def _instead(evidence: Evidence, number: Number) -> str:
    """What the evidence says in a number's place, as the rest of a sentence; nearest first."""
    meant = number.value * number.scale
    cells = sorted(evidence.results, key=lambda cell: abs(cell - meant))
    quoted = dict.fromkeys(one.written for quote in evidence.quotes for one in numbers(quote["text"]))
    gives = [f"{cell:.12g}" for cell in cells[:_SHOWN_NUMBERS]], list(quoted)[:_SHOWN_NUMBERS]
    told = [
        f"the {what} {', '.join(some)}" for what, some in zip(("query gives", "quote says"), gives, strict=True) if some
    ]
    return f"; {' and '.join(told)}" if told else ""


def _rows(evidence: Evidence, sentence: str) -> Iterator[str]:
    """Numbers that stand beside the name of one row and belong to another."""
    free = {one.value * one.scale for one in numbers(evidence.question)}
    rows = [row for query in evidence.queries for row in query["rows"]]
    for clause in _CLAUSE.split(sentence):
        said = [row for row in rows if any(_says(clause, cell) for cell in row if isinstance(cell, str))]
        if not said or len(said) == len(rows):
            continue
        for number in numbers(_without_dates(clause)):
            if number.value * number.scale in free or any(_holds(row, number) for row in said):
                continue
            owner = next((row for row in rows if _holds(row, number)), None)
            if owner is not None and not any(same(number, value) for value in recomputed(clause, evidence.queries)):
                yield f"the number {number.written} isn't of {row_text(said[0])}, but of {row_text(owner)}"


def _spans(evidence: Evidence, sentence: str) -> Iterator[str]:
    for match in _SPAN.finditer(sentence):
        span = match[1] or match[2]
        if folded(span).text.strip(" .,;").lower() not in evidence.known:
            yield f"“{span}” stands in no cited quote or row"


def _codes(evidence: Evidence, sentence: str) -> Iterator[str]:
    """Versions, times, identifiers: what holds a digit and is more than a number stands letter by letter."""
    for match in _CODE.finditer(_without_dates(folded(sentence).text)):
        code = match[0].strip(".:/-")
        odd = code.count(".") > 1 or ":" in code or not _PLAIN_NUMBER.fullmatch(code)
        if re.search(r"\d", code) and odd and code.lower() not in evidence.known:
            yield f"{code} stands in no cited quote or row"


def _units(evidence: Evidence, sentence: str) -> Iterator[str]:
    shares = any(True for _ in recomputed("%", evidence.queries))
    for match in _UNIT.finditer(sentence):
        unit = match[1] or match[2]
        meant = next((group for group in _SAME_UNIT if unit.lower().rstrip("s") in group), (unit.lower(),))
        if (shares and "%" in meant) or any(_names_unit(one, evidence.known) for one in meant):
            continue
        yield f"the unit {unit} is in no cited quote, row or name of a column"


def _names_unit(unit: str, known: str) -> bool:
    behind = rf"(?<=[\d_(])\s?{re.escape(unit)}(?![^\W\d_])"
    if unit in "$€£%":
        return unit in known
    return re.search(behind if len(unit) <= _SHORT_UNIT else re.escape(unit), known) is not None


def _names(evidence: Evidence, sentence: str) -> Iterator[str]:
    for match in _NAME.finditer(sentence):
        name = re.sub(r"['\u2019]s?$", "", match[0])
        first, rest = _FIRST.search(sentence[: match.start()]), sentence[match.end() :]
        if rest.startswith("…") or (first and not (_VERB.match(rest) and any(content_words(name)))):
            continue
        parts = [part.lower() for part in re.findall(r"[^\W_]+", name)]
        if (
            not set(parts) <= _NO_NAMES
            and not any(worded(name))
            and not all(any(alike(part, word) for word in evidence.named) for part in parts)
        ):
            yield f"{name} is named in no cited quote or row{_where(evidence)}"


def _where(evidence: Evidence) -> str:
    return ", nor in the question" if evidence.queries else ", nor around the quote"


def _words(evidence: Evidence, sentence: str) -> Iterator[str]:
    words = list(dict.fromkeys(content_words(sentence)))
    if not words and not any(numbers(sentence)):
        yield "it says nothing that could be held against its evidence; say it in a whole sentence"
    asked = covered(words, frozenset(content_words(evidence.question)))
    new = [word for word in words if word not in asked]
    held = covered(new, evidence.words)
    if len(new) >= _LEAST_WORDS and len(held) < SUPPORT * len(new):
        missing = ", ".join(word for word in new if word not in held)
        yield f"most of what it says is in no cited quote or row: {missing}"
    around = frozenset(word for part in evidence.sections for word in content_words(part)) | evidence.words
    if words and not evidence.queries and len(covered(words, around)) < QUOTED * len(words):
        yield f"the cited quote doesn't speak of it: none of {', '.join(words)}"


def _negation(evidence: Evidence, sentence: str) -> Iterator[str]:
    """A clause that says "not" of what its quote says without, or the reverse."""
    if evidence.queries or any(sentence.strip() in quote["text"] for quote in evidence.quotes):
        return
    clauses = [part for quote in evidence.quotes for part in _CLAUSE.split(folded(quote["text"]).text) if part.strip()]
    for said in _CLAUSE.split(folded(sentence).text):
        words = list(dict.fromkeys(content_words(said)))
        if len(words) < _LEAST_WORDS:
            continue
        near = max(clauses, key=lambda part: len(covered(words, list(content_words(part)))), default="")
        shared = len(covered(words, list(content_words(near))))
        if shared >= _NEAR * len(words) and bool(_NOT.search(said)) != bool(_NOT.search(near)):
            yield f"“{said.strip()}” turns round what the quote says: “{near.strip()}”"


def _without_dates(text: str) -> str:
    for _, written in list(dates(text)):
        text = text.replace(written, " ")
    return text


def _says(clause: str, cell: str) -> bool:
    return len(cell) > 1 and re.search(rf"(?<!\w){re.escape(cell)}(?!\w)", clause, re.IGNORECASE) is not None


def _holds(row: Sequence[Value], number: Number) -> bool:
    return any(same(number, value) for cell in row if (value := number_of(cell)) is not None)


def _text(cell: Value) -> str:
    return "" if cell is None else str(cell)
