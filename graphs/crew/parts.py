"""What a turn asks for: its questions, one by one, and whether a report is to be saved."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

MOST_PARTS = 4
"""Questions of one turn that are worked on side by side; what comes after is kept in the last one."""

_REPORT = re.compile(
    r"\b(save|write|file|store|keep|put)\b.*\breport\b|\breport\b.*\b(save|write|file|store)", re.IGNORECASE
)
_REPORT_CLAUSE = re.compile(
    r"[,;]?\s*\b(?:and|then|and then|please|also)?\s*\b(?:save|write|file|store|keep|put)\b[^.?!;]*\breport\b[^.?!;]*",
    re.IGNORECASE,
)
_ASKS = r"(?:what|which|who|whom|whose|when|where|why|how|is|are|do|does|did|was|were|can|in which|under which|by whom)"
_SEAM = re.compile(rf"(?:,?\s+and\s+(?:also\s+)?|;\s+(?:and\s+)?|,\s+)(?={_ASKS}\b)", re.IGNORECASE)
_SENTENCE = re.compile(r"(?<=[?!])\s+|(?<=[^\W\d_]{2}\.)\s+(?=[A-Z])|\n+")
_FEWEST_WORDS = 3
_LEANS = re.compile(
    r"^(and|but|or|so|then|what about|how about|also)\b"
    r"|\b(it|its|they|them|their|those|these|this|that one|he|she|him|her|(?:from|in|over) there|same|former|latter)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A turn, taken apart."""

    questions: tuple[str, ...]
    """In their order, each as the person wrote it; empty if nothing but a report is asked for."""
    report: bool
    """Whether what is found shall be saved."""


def taken_apart(text: str) -> Asked:
    """The questions of a turn, by its sentences and its conjunctions; no model is asked.

    A sentence that asks nothing belongs to the question after it, or before it at the end. "A and B?" is two
    questions only if B begins like one ("and who …"), so "cars from Japan and Europe" stays whole.
    """
    report = bool(_REPORT.search(text))
    rest = re.sub(r"([?!.])\s*\.", r"\1", _REPORT_CLAUSE.sub("", text)) if report else text
    sentences = [sentence.strip() for sentence in _SENTENCE.split(rest) if re.search(r"\w", sentence)]
    questions = [part for sentence in _joined(sentences) for part in _seams(sentence)]
    if report and not any(_is_question(one) for one in questions):
        questions = []
    head, tail = questions[: MOST_PARTS - 1], questions[MOST_PARTS - 1 :]
    return Asked(questions=(*head, " ".join(tail)) if tail else tuple(head), report=report)


def leans(question: str) -> bool:
    """Whether `question` can't be understood alone: it goes on from another, or points to something in it."""
    return bool(_LEANS.search(question.strip()))


def _joined(sentences: list[str]) -> Iterator[str]:
    """Sentences, with those that ask nothing put to one that does."""
    waiting: list[str] = []
    asked: list[str] = []
    for sentence in sentences:
        if _is_question(sentence):
            asked.append(" ".join([*waiting, sentence]))
            waiting = []
        else:
            waiting.append(sentence)
    if waiting and asked:
        asked[-1] = " ".join([asked[-1], *waiting])
    elif waiting:
        asked = [" ".join(waiting)]
    yield from asked


def _seams(sentence: str) -> Iterator[str]:
    start = 0
    for seam in _SEAM.finditer(sentence):
        if len(sentence[start : seam.start()].split()) >= _FEWEST_WORDS and _is_question(sentence[start:]):
            yield f"{sentence[start : seam.start()].rstrip(' ?,;')}?"
            start = seam.end()
    last = sentence[start:].strip()
    yield last[:1].upper() + last[1:] if start else last


def _is_question(sentence: str) -> bool:
    words = r"(?:list|show|tell|give|name|compare|find|explain|describe|count|summari[sz]e|look)"
    return "?" in sentence or bool(re.match(rf"(?:please\s+)?(?:{_ASKS}|{words})\b", sentence.strip(), re.IGNORECASE))
