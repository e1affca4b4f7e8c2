"""The sentences of passages: what a model reads, and what its answer is looked up in."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from operator import itemgetter
from typing import TypedDict

from motet.graphs.crew.passages import coverage
from motet.graphs.state import Quote
from motet.graphs.words import content_words, covered
from motet.tools.documents.passages import Passage
from motet.tools.documents.ports import Documents
from motet.tools.untrusted import as_data

MOST_CHARACTERS = 1_600
"""Characters of the sentences that a model reads, about 400 tokens."""

MOST_QUOTES = 3

_BLOCK = re.compile(r"\n\s*\n|\n(?=\s*(?:[-*|#>]|\d+\.\s))")
_STOP = re.compile(r"[.!?][\"\u201d\u2019)\]*]*\s+(?=[\"\u201c\u2018(\[*]*[A-Z0-9])")
_ABBREVIATED = re.compile(
    r"(?:\b[A-Z]|\b(?:e\.g|i\.e|cf|al|etc|vs|ca|approx|No|Nos|Dr|Mr|Mrs|Ms|Prof|St|Jr|Sr|Inc|Ltd|Co|Fig|Sec|Vol|pp?|"
    r"Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec))\.$"
)
_FEWEST_WORDS = 3
_WORDS_WEIGH = 0.3
"""What a sentence's share of the question's words counts beside its cosine."""

ASKS_NUMBER = re.compile(
    r"\b(when|how (?:many|much|long|old|often)|which (?:year|versions?|date|number)s?)\b", re.IGNORECASE
)
"""A question that only a number or a date answers."""

_NUMBER_WEIGHS = 0.15
"""What a number in it counts for a sentence, where the question asks for one."""


class Sentence(TypedDict):
    """A sentence, line of a list or row of a table, as it stands in its document."""

    file: str
    start: int
    end: int
    text: str
    headings: list[str]
    fit: float
    """How well it fits the question, 0 to about 1.5; without vectors, mostly the share of the question's words."""


def sentences(passages: Sequence[Passage]) -> Iterator[Sentence]:
    """Every sentence of `passages`, each once, in their order; headings and scraps of a word or two are left out."""
    seen: set[tuple[str, int]] = set()
    for one in passages:
        for start, end in _places(one["text"]):
            text, first = one["text"][start:end], one["start"] + start
            if (one["file"], first) in seen or text.startswith("#") or not _says_something(text):
                continue
            seen.add((one["file"], first))
            yield Sentence(
                file=one["file"], start=first, end=first + len(text), text=text, headings=one["headings"], fit=0.0
            )


async def fitting(question: str, passages: Sequence[Passage], documents: Documents) -> list[Sentence]:
    """The sentences that fit best, as many as a prompt takes, in the order in which they stand in their documents."""
    found = list(sentences(passages))
    if not found:
        return []
    told = [f"{' > '.join(one['headings'][-1:])}: {one['text']}" for one in found]
    cosines = await documents.similarities(question, told)
    words = frozenset(content_words(question))
    shares = [coverage(words, one["text"], *one["headings"][-1:]) for one in found]
    for place, one in enumerate(found):
        one["fit"] = shares[place] if cosines is None else cosines[place] + _WORDS_WEIGH * shares[place]
        if ASKS_NUMBER.search(question) and re.search(r"\d", one["text"]):
            one["fit"] += _NUMBER_WEIGHS
    chosen: list[Sentence] = []
    left = MOST_CHARACTERS
    for one in sorted(found, key=lambda one: -one["fit"]):
        if len(one["text"]) <= left or not chosen:
            chosen.append(one)
            left -= len(one["text"])
    order = {id(one): place for place, one in enumerate(found)}
    return sorted(chosen, key=lambda one: order[id(one)])


def holding(answer: str, offered: Sequence[Sentence]) -> list[Sentence]:
    """The fewest sentences that hold the words and numbers of `answer`, of equals the one that fits the question best.

    Those that hold nothing more than others are left out. None if no sentence holds any.
    """
    missing = frozenset(_tokens(answer))
    held: list[Sentence] = []
    while missing and len(held) < MOST_QUOTES:
        gains = [(len(covered(missing, list(_tokens(one["text"])))), one["fit"], one) for one in offered]
        gain, _, best = max(gains, key=itemgetter(0, 1), default=(0, 0.0, None))
        if best is None or not gain:
            break
        held.append(best)
        missing = missing - frozenset(covered(missing, list(_tokens(best["text"]))))
    return held


def listed(chosen: Sequence[Sentence]) -> str:
    """The sentences for a model, under what they stand under, marked as data."""
    groups: dict[str, list[str]] = {}
    for one in chosen:
        above = " > ".join([one["file"], *one["headings"]])
        groups.setdefault(above, []).append(" ".join(one["text"].split()))
    return "\n".join(as_data("\n".join(lines), source=above) for above, lines in groups.items())


def quote_of(one: Sentence) -> Quote:
    """The sentence as evidence."""
    return Quote(file=one["file"], start=one["start"], end=one["end"], text=one["text"])


def _places(text: str) -> Iterator[tuple[int, int]]:
    """Start and end of each sentence, without the space around it."""
    cuts = [0, *(one.end() for one in _BLOCK.finditer(text)), len(text)]
    for begin, stop in pairwise(cuts):
        block = text[begin:stop]
        ends = [one for one in _STOP.finditer(block) if not _ABBREVIATED.search(block[: one.start() + 1])]
        inner = [0, *(one.end() for one in ends), len(block)]
        for start, end in pairwise(inner):
            stripped = block[start:end].strip()
            if stripped:
                first = begin + start + block[start:end].index(stripped[0])
                yield first, first + len(stripped)


def _tokens(text: str) -> Iterator[str]:
    yield from content_words(text)
    yield from re.findall(r"\d[\d.,]*\d|\d", text)


def _says_something(text: str) -> bool:
    return len(re.findall(r"\w+", text)) >= _FEWEST_WORDS and re.search(r"[^\W\d_]", text) is not None
