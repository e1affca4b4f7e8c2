"""Whether what an answer cites was returned by a tool in this run, and holds what is said."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

from motet.errors import InvalidConfig
from motet.observability.evaluation.citing import DEFAULT, Citation, Cited, compiled, taken_apart
from motet.observability.evaluation.described import Described
from motet.observability.evaluation.evaluator import Evaluator, Means, Scale, Score, Trial
from motet.observability.evaluation.looked_up import question_of
from motet.observability.evaluation.offline import offline
from motet.observability.evaluation.outcome_numeric import Number, numbers
from motet.observability.evaluation.returned import Passage, called, folded, passages
from motet.observability.evaluation.telling import named

_WORD = re.compile(r"[^\W\d_]{3,}")
_STOP = frozenset(
    re.split(
        r"\s+",
        """about after again all also and any are because been before being between both but can could did does each for
    from had has have having her his how into its itself just less more most much must nor not only other our out over
    own same says she should some such than that the their them then there these they this those through too under
    until very was were what when where which while who whom why will with would you your answer""",
    )
)
_PREFIX = 4
_SHARED = 0.7
_SHOWN = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Citing:
    """How citations are written, and when one is good."""

    pattern: str = DEFAULT
    """Python's regular expression of one citation, with a group `source` (a document) or `sql` (a query), and if there
    are any `start`, `end` (characters) and `quote`; as it is: the built-in crew's."""
    words: float = 0.5
    """Share of a sentence's words, those of the question aside, that what it cites must hold; 0 to 1. Numbers must
    all be there."""
    key: str = ""
    """Name of the metrics; empty: the evaluator's."""


def _citations(told: Citing, _: Means) -> Evaluator:
    pattern, key = compiled(told.pattern), told.key or "citations"
    if not 0 <= told.words <= 1:
        raise InvalidConfig("citations.words", f"{told.words} is not allowed: 0 to 1")
    share = Scale(kind="number")

    def look(trial: Trial) -> Sequence[Score]:
        answer = taken_apart(trial.observed.answer, pattern)
        if not answer.sentences and not answer.citations:
            return ()
        checked = _Checked(
            answer=answer,
            returned=passages(trial.observed.tool_calls),
            question=question_of(trial.example),
            words=told.words,
        )
        scores = [_precision(key, checked), _share(key, answer)]
        expected = trial.example.expect.get("sources")
        if isinstance(expected, list | tuple) and expected:
            scores.append(_sources(key, answer, [str(one) for one in cast("Sequence[Any]", expected)]))
        return scores

    scales = {key: share, f"{key}.cited": share, f"{key}.sources": share}
    return offline(named("citations", told), scales, look)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Checked:
    """An answer's citations, held against what tools returned."""

    answer: Cited
    returned: Sequence[Passage]
    question: str
    words: float

    def problem(self, citation: Citation) -> str:
        """What is wrong with a citation, as a sentence; empty if nothing is."""
        missing = self._missing(citation)
        if missing:
            return missing
        lacking = [text for place in citation.sentences if (text := self._lacking(place))]
        return "; ".join(lacking)

    def _missing(self, citation: Citation) -> str:
        """Why what it names wasn't returned in this run."""
        named = _named(citation, self.returned)
        if not named:
            return f"no tool returned {citation.name}"
        there = _around(citation, named)
        placed = [one for one in there if one.start is not None]
        if citation.start is not None and len(placed) == len(there) and not _covered(citation, placed):
            return f"no tool returned characters {citation.start} to {citation.end} of {citation.source}"
        quote = _plain(citation.quote)
        if quote and not any(quote in _plain(one.text) for one in [*there, _joined(there)]):
            return f"the quote “{citation.quote[:80]}” isn't in what tools returned of {citation.source}"
        return ""

    def _lacking(self, place: int) -> str:
        """What a sentence says that nothing it cites holds."""
        sentence = self.answer.sentences[place]
        cited = [one for one in self.answer.citations if place in one.sentences and not self._missing(one)]
        texts = [passage.text for one in cited for passage in _around(one, _named(one, self.returned))]
        evidence = "\n".join(dict.fromkeys(texts))
        strange = _strange_numbers(sentence, evidence, self.question)
        if strange:
            return f"{', '.join(strange)} of “{sentence[:80]}” isn't in what is cited"
        given = set(_words(self.question))
        said = [word for word in dict.fromkeys(_words(sentence)) if not _held(word, given)]
        there = set(_words(evidence))
        lost = [word for word in said if not _held(word, there)]
        if said and len(said) - len(lost) < self.words * len(said):
            return f"{', '.join(lost[:_SHOWN])} of “{sentence[:80]}” isn't in what is cited"
        return ""


def _precision(key: str, checked: _Checked) -> Score:
    citations = checked.answer.citations
    if not citations:
        return Score(key=key, value=None, comment="it cites nothing")
    problems = [(one, checked.problem(one)) for one in citations]
    wrong = [{"citation": one.name, "problem": problem} for one, problem in problems if problem]
    return Score(
        key=key,
        value=1 - len(wrong) / len(citations),
        comment="; ".join(f"{one['citation']}: {one['problem']}" for one in wrong),
        details={"citations": len(citations), "unsupported": wrong},
    )


def _share(key: str, answer: Cited) -> Score:
    places = {place for one in answer.citations for place in one.sentences}
    left = [sentence for place, sentence in enumerate(answer.sentences) if place not in places]
    if not answer.sentences:
        return Score(key=f"{key}.cited", value=None, comment="it says no sentence")
    return Score(
        key=f"{key}.cited",
        value=len(places) / len(answer.sentences),
        comment=f"without a citation: {'; '.join(one[:80] for one in left[:_SHOWN])}" if left else "",
        details={"sentences": len(answer.sentences), "uncited": left},
    )


def _sources(key: str, answer: Cited, expected: Sequence[str]) -> Score:
    cited = [called(one.source) for one in answer.citations if one.source]
    lost = [one for one in expected if not any(_same_source(called(one), other) for other in cited)]
    return Score(
        key=f"{key}.sources",
        value=1 - len(lost) / len(expected),
        comment=f"not cited: {', '.join(lost)}" if lost else "",
        details={"expected": list(expected), "missing": lost},
    )


def _named(citation: Citation, returned: Sequence[Passage]) -> Sequence[Passage]:
    if not citation.source:
        return [one for one in returned if one.sql == folded(citation.sql)]
    source = called(citation.source)
    return [one for one in returned if any(_same_source(source, other) for other in one.sources)]


def _same_source(first: str, second: str) -> bool:
    """Whether two names are one, or one is the other's last part."""
    return first == second or first.endswith(f"/{second}") or second.endswith(f"/{first}")


def _around(citation: Citation, named: Sequence[Passage]) -> Sequence[Passage]:
    """Those of the passages that hold some of the characters cited, or don't say where they stand."""
    start, end = citation.start, citation.end
    if start is None or end is None:
        return named
    return [one for one in named if one.start is None or one.end is None or (one.start < end and start < one.end)]


def _covered(citation: Citation, placed: Sequence[Passage]) -> bool:
    """Whether the passages together hold all characters cited."""
    at, end = citation.start or 0, citation.end or 0
    for one in sorted(placed, key=lambda one: one.start or 0):
        if (one.start or 0) <= at:
            at = max(at, one.end or 0)
    return at >= end


def _joined(placed: Sequence[Passage]) -> Passage:
    """The passages as one, where a quote goes over the end of one: those that overlap share their overlap."""
    text, at = "", -1
    for one in sorted((one for one in placed if one.start is not None), key=lambda one: one.start or 0):
        start = one.start or 0
        text += one.text[at - start :] if text and start <= at <= start + len(one.text) else f"\n{one.text}"
        at = max(at, start + len(one.text))
    return Passage(sources=frozenset(), text=text)


def _plain(text: str) -> str:
    return " ".join(text.split())


def _strange_numbers(sentence: str, evidence: str, question: str) -> Sequence[str]:
    known = [value for one in (*numbers(evidence), *numbers(question)) for value in (one.value, one.value * 100)]
    return [one.written for one in numbers(sentence) if not any(_says(one, value) for value in known)]


def _says(number: Number, value: float) -> bool:
    """Whether `number` is `value`, rounded as far as it is written."""
    decimals = len(re.sub(r"[eE].*|[^\d.]", "", number.written).partition(".")[2])
    return math.isclose(number.value, value, rel_tol=1e-9) or round(value, decimals) == number.value


def _words(text: str) -> Iterator[str]:
    for found in _WORD.finditer(text.replace("_", " ")):
        word = found[0].casefold()
        if word not in _STOP:
            yield word


def _held(word: str, by: Collection[str]) -> bool:
    """Whether one of `by` is a form of `word`."""
    return word in by or any(_alike(word, other) for other in by if other[:_PREFIX] == word[:_PREFIX])


def _alike(first: str, second: str) -> bool:
    pairs = enumerate(zip(first, second, strict=False))
    shared = next((at for at, (one, other) in pairs if one != other), min(len(first), len(second)))
    return shared >= max(_PREFIX, _SHARED * max(len(first), len(second)))


CITATIONS = Described(
    name="citations",
    arguments=Citing,
    make=_citations,
    about="Whether each citation was returned by a tool in this run and holds what is said; how many sentences cite; "
    "and, with the example's expect.sources, whether these are cited.",
)
