"""What a turn asks for: its questions, one by one, and whether a report is to be saved."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

MOST_PARTS = 4
"""Questions of one turn that are worked on side by side; what comes after is kept in the last one."""

_SAVES = re.compile(
    r"\b(?:save|write|keep|put|(?:file|store)(?=\s+(?:an?|the|it|this|that|these|those|them|what|all|my|your)\b))\b",
    re.IGNORECASE,
)
_SAVES_IT = re.compile(r"(?:save|write|file|store)\s+(?:it|this|that|them)\b", re.IGNORECASE)
_REPORT = re.compile(r"\breport\b", re.IGNORECASE)
_END = re.compile(r"[.?!;]|\Z")
_LEAD = re.compile(
    r"(?:(?:[,;]|\b(?:and|then|please|also|now|yes|let'?s|(?:can|could|will|would)\s+you|(?:want|like)(?:\s+you)?\s+to)\b)"
    r"\s*)*$",
    re.IGNORECASE,
)
"""What stands before a verb that tells us to do something, besides a sentence's end."""
_LONGEST_LEAD = 60
_WITH = r"(?:(?:in|on|at|by|from|for|to|under|with|of|through)\s+)?"
_ASKS = (
    rf"(?:{_WITH}(?:what|which|whom|whose|how many|how much)|who|when|where|why|how|is|are|do|does|did|was|were|can)"
)
_SEAM = re.compile(rf"(?:,?\s+and\s+(?:also\s+)?|;\s+(?:and\s+)?|,\s+)(?={_ASKS}\b)", re.IGNORECASE)
_SENTENCE = re.compile(r"(?<=[?!])\s+|(?<=[^\W\d_]{2}\.)\s+(?=[A-Z])|\n+")
_FEWEST_WORDS = 3
_FEWEST_OF_TAIL = 2
"""Words behind the question word: “who listed them” is a question, “in which year” belongs to the one before."""
_LEANS = re.compile(
    r"^(and|but|or|so|then|what about|how about|also)\b"
    r"|\b(it|its|they|them|their|those|these|this|that one|he|she|him|her|(?:from|in|over) there|same|former|latter)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A turn, taken apart."""

    questions: tuple[str, ...]
    """In their order, each as the person wrote it but for runs of blanks; empty if only a report is asked for."""
    report: bool
    """Whether what is found shall be saved."""


def taken_apart(text: str) -> Asked:
    """The questions of a turn, by its sentences and its conjunctions; no model is asked.

    A sentence that asks nothing belongs to the question after it, or before it at the end. "A and B?" is two
    questions only if B begins like one ("and who …"), so "cars from Japan and Europe" stays whole.
    """
    report, rest = _without_report(re.sub(r"[^\S\n]+", " ", text))
    sentences = [sentence.strip() for sentence in _SENTENCE.split(rest) if re.search(r"\w", sentence)]
    questions = [part for sentence in _joined(sentences) for part in _seams(sentence)]
    if report and not any(_is_question(one) for one in questions):
        questions = []
    elif not questions:
        questions = [text.strip()]
    head, tail = questions[: MOST_PARTS - 1], questions[MOST_PARTS - 1 :]
    return Asked(questions=(*head, " ".join(tail)) if tail else tuple(head), report=report)


def _without_report(text: str) -> tuple[bool, str]:
    """Whether `text` tells us to save a report, and `text` without the clauses that do.

    "Which file is the report in?" and "How do I write a report?" don't: what tells begins a sentence or a clause.
    """
    report, kept, at = False, list[str](), 0
    for verb in _SAVES.finditer(text) if _REPORT.search(text) else ():
        before = text[max(at, verb.start() - _LONGEST_LEAD) : verb.start()]
        lead = _LEAD.search(before)
        told = before[: lead.start()].rstrip(" \t") if lead else ""
        if verb.start() < at or not lead or not (lead[0] or not told or told[-1] in ".?!:\n"):
            continue
        end = _END.search(text, verb.end())
        stop = end.start() if end else len(text)
        if _REPORT.search(text, verb.end(), stop):
            kept.append(text[at : verb.start() - len(lead[0])].rstrip(" \t"))
            report, at = True, stop
        elif _SAVES_IT.match(text, verb.start()) and _REPORT.search(text, 0, verb.start()):
            report = True
    return report, re.sub(r"([?!.])\s*\.", r"\1", "".join([*kept, text[at:]])) if report else text


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
        rest = re.sub(rf"{_ASKS}\b", "", sentence[seam.end() :], count=1, flags=re.IGNORECASE)
        whole = len(sentence[start : seam.start()].split()) >= _FEWEST_WORDS and len(rest.split()) >= _FEWEST_OF_TAIL
        if whole and _is_question(sentence[start:]):
            yield f"{sentence[start : seam.start()].rstrip(' ?,;')}?"
            start = seam.end()
    last = sentence[start:].strip()
    yield last[:1].upper() + last[1:] if start else last


def _is_question(sentence: str) -> bool:
    words = r"(?:list|show|tell|give|name|compare|find|explain|describe|count|summari[sz]e|look)"
    return "?" in sentence or bool(re.match(rf"(?:please\s+)?(?:{_ASKS}|{words})\b", sentence.strip(), re.IGNORECASE))
