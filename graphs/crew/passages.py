"""Which passages a model is given for a question, and where in them a quote stands."""

from __future__ import annotations

import re
from collections.abc import Sequence

from motet.graphs.words import content_words, covered
from motet.tools.documents.passages import Passage
from motet.tools.documents.ports import Documents, Hit

MOST_CHARACTERS = 2_400
"""Characters of all passages that a model is given together, about 600 tokens."""

WIDEST = 1_400
"""Characters up to which a passage is joined with its neighbours of the same section."""

SIMILAR = 0.25
"""Cosine from which on the nearest passage may answer a question."""

COVERED = 0.4
"""Share of a question's words from which on a passage may answer it, whatever the cosine."""

LONGEST_QUOTE = 400
"""Characters above which a quote is cut down to its sentence that fits the question."""

_FEW_WORDS = 3
_NAMED = re.compile(r"(?<![\w.])(?:[A-Z][\w'-]*(?:\.\w+)*|\w+(?:[._/:-]\w+)+|\w*\d\w*)")
_BREAK = re.compile(r"(?<=[.!?])\s+|\n\s*\n|\n(?=\s*(?:[-*|#>]|\d+\.))|\|")


def ranked(question: str, found: Sequence[Passage]) -> list[Passage]:
    """The passages that may answer, those that speak of what the question names first; nothing if none fits."""
    words = frozenset(content_words(question))
    names = names_of(question)
    strange = names and not any(spoken_of(names, one) for one in found)
    if strange or not any(_fits(words, one) for one in found):
        return []
    return sorted(found, key=lambda one: -len(spoken_of(names, one)))


def names_of(question: str) -> list[str]:
    """What a question names: capitalised words, numbers, files and other identifiers."""
    first = re.match(r"\W*(\w+)", question)
    names = [match[0].strip("'-.") for match in _NAMED.finditer(question)]
    if first and names and names[0] == first[1] and not re.search(r"[\d_]", names[0]):
        names = names[1:]
    return [name for name in dict.fromkeys(names) if any(content_words(name)) or re.search(r"\d", name)]


def spoken_of(names: Sequence[str], passage: Passage) -> list[str]:
    """Those of `names` that a passage, its headings or its file's name hold in some form."""
    there = re.findall(r"[^\W_]+", _all_of(passage).lower())
    return [name for name in names if all(covered([part], there) for part in re.findall(r"[^\W_]+", name.lower()))]


def coverage(words: frozenset[str], *texts: str) -> float:
    """Share of a question's words that `texts` hold."""
    return len(covered(words, frozenset(content_words("\n".join(texts))))) / max(len(words), 1)


async def widened(passages: Sequence[Passage], documents: Documents) -> list[Passage]:
    """The passages that fit into a prompt, best first; the best is joined with its neighbours of the same section."""
    if not passages:
        return []
    best = await _joined(passages[0], documents)
    chosen, left = [best], MOST_CHARACTERS - len(best["text"])
    for one in passages[1:]:
        inside = one["file"] == best["file"] and best["start"] <= one["start"] < best["end"]
        if not inside and len(one["text"]) <= left:
            chosen.append(one)
            left -= len(one["text"])
    return chosen


def _fits(words: frozenset[str], passage: Passage) -> bool:
    return (passage["similarity"] or 0.0) >= SIMILAR or coverage(words, _all_of(passage)) >= COVERED


def _all_of(passage: Passage) -> str:
    return "\n".join([passage["file"], *passage["headings"], passage["text"]])


async def _joined(passage: Passage, documents: Documents) -> Passage:
    hit = Hit(
        file=passage["file"], start=passage["start"], end=passage["end"], text=passage["text"],
        headings=tuple(passage["headings"]), page=passage["page"], score=0.0, similarity=passage["similarity"],
    )  # fmt: skip
    around = [one for one in await documents.neighbours(hit) if one.headings == hit.headings]
    for some in (around, [one for one in around if one.start >= hit.start]):
        start, end = min(one.start for one in [*some, hit]), max(one.end for one in [*some, hit])
        if end - start <= WIDEST:
            text = await documents.read(hit.file, start=start, length=end - start)
            whole = passage.copy()
            whole.update(start=start, end=end, text=text)
            return whole
    return passage
