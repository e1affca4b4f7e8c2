"""What a workspace's tables and documents recognise of a question: the rules that routing goes by."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable

from motet.graphs.crew.linking import content_words, link, subwords_alike
from motet.graphs.crew.routing import Signal
from motet.tools.documents.ports import Documents, Hit
from motet.tools.workspace import Workspace

_SHOWN = 3
_PASSAGES = 4
_MOST_FOR_WORDS = 0.7
"""Words found say what a question is about; the rest of a full score is how it asks."""
_ALIKE, _UNLIKE = 0.6, 0.2
_COUNTS = re.compile(
    r"\b(how many|how much|how (?:hot|warm|cold|high|low|heavy|light|fast|old|large|big|expensive|cheap)|average|mean|"
    r"median|total|sum|count|number of|most|least|worst|best|maximum|minimum|[a-z]{3,}est|top \d+|per|ratio|share|"
    r"percentage|between \d+ and \d+|(?:in|on|of|since|until|during) (?:\d{1,2} )?(?:[A-Z][a-z]+ )?(?:19|20)\d\d|"
    r"more than|fewer than|less than|list)\b",
    re.IGNORECASE,
)
_TELLS = re.compile(
    r"\b(who|whose|whom|why|licen[cs]e|terms|copyright|author|creat(?:or|ed)|publish\w*|collect\w*|compil\w*|cite|"
    r"citation|reference|source|origin of|according to|explain|describe|definition|mean(?:s|ing)|purpose|document\w*|"
    r"readme|say|says|state[sd]?|how (?:do|can|should) (?:i|you|we)|how to|install|what is (?:a|an|the)\b.*\babout|"
    r"where (?:do|does|did|can))\b",
    re.IGNORECASE,
)


def data_signal(workspace: Workspace) -> Callable[[str], Awaitable[Signal]]:
    """How much of a question is named in the tables: by table, column or stored value."""

    async def signal(question: str) -> Signal:
        words = content_words(question)
        if not words or not workspace.tables:
            return Signal(score=0.0, reason="")
        found = link(question, workspace)
        linked = {item.word for item in found.links}
        stored = {word for _, _, value in found.values for word in value.lower().split()}
        named = {word for word in words if any(subwords_alike(word, table.name) for table in found.tables)}
        recognised = [word for word in words if word in linked | stored | named]
        tables = ", ".join(table.name for table in found.tables[:_SHOWN])
        return _weighed(question, len(recognised) / len(words), recognised, f"in {tables}", asks=_COUNTS, other=_TELLS)

    return signal


def document_signal(documents: Documents) -> Callable[[str], Awaitable[Signal]]:
    """How much of a question is found in the passages that fit it best, by words and by meaning."""

    async def signal(question: str) -> Signal:
        words = content_words(question)
        hits = await documents.search(question, limit=_PASSAGES)
        if not words or not hits:
            return Signal(score=0.0, reason="")
        best = max(hits, key=lambda hit: len(_held(words, hit)))
        recognised = _held(words, best)
        covered = len(recognised) / len(words)
        alike = max((hit.similarity for hit in hits if hit.similarity is not None), default=None)
        if alike is not None:
            covered = (covered + min(1.0, max(0.0, (alike - _UNLIKE) / (_ALIKE - _UNLIKE)))) / 2
        return _weighed(question, covered, recognised, f"in {best.file}", asks=_TELLS, other=_COUNTS)

    return signal


def _held(words: list[str], hit: Hit) -> list[str]:
    text = f"{' '.join(hit.headings)} {hit.text}".lower()
    return [word for word in words if word[: max(4, len(word) - 2)] in text]


def _weighed(
    question: str, covered: float, recognised: list[str], where: str, *, asks: re.Pattern[str], other: re.Pattern[str]
) -> Signal:
    """The share of words found, and whether the question asks the way that such sources answer."""
    way = asks.search(question)
    score = _MOST_FOR_WORDS * covered
    if way and recognised:
        score += (1 - _MOST_FOR_WORDS) * (0.5 if other.search(question) else 1.0)
    words = ", ".join(f"“{word}”" for word in recognised[:_SHOWN])
    reason = f"{words} {where}" if words else ""
    if way and recognised:
        reason += f", and it asks “{way[0].lower()}”"
    return Signal(score=round(score, 3), reason=reason)
