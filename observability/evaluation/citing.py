"""How an answer cites: which sentences it says, and what it names as proof of which."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from motet.errors import InvalidConfig
from motet.observability.evaluation.bounded_pattern import BoundedPattern

DEFAULT = (
    r"(?m:^>[ ]?(?P<quote>\S.*)\n(?:>[ ]*\n)?>[ ](?:—[ ])?(?P<source>\S.*?)"
    r"(?::|,[ ]characters[ ])(?P<start>\d+)(?:\u2013|-|[ ]to[ ])(?P<end>\d+)[ ]*$)"
    r"|(?ms:^```sql\n(?P<sql>.*?)\n```[ ]*$)"
)
"""As the built-in crew cites, under what it says: a quote with its file and place, or a query."""

_GROUPS = ("source", "sql", "quote", "start", "end")
_CODE = re.compile(r"^```.*?^```[ \t]*$", re.MULTILINE | re.DOTALL)
_ASIDE = re.compile(r"^[ \t]*[>|#].*$", re.MULTILINE)
_SENTENCE = re.compile(r"(?:(?![.!?…][\"”')\]]*\s|\n).)+(?:[.!?…]+[\"”')\]]*)?")
_ELLIPSIS = "…"


@dataclass(frozen=True, slots=True, kw_only=True)
class Citation:
    """What one citation says."""

    written: str
    """All of it, as it stands."""
    sentences: tuple[int, ...]
    """What it is given as proof of, by their places among the answer's sentences."""
    source: str = ""
    """The document it names; empty where it is a query."""
    start: int | None = None
    end: int | None = None
    quote: str = ""
    sql: str = ""

    @property
    def name(self) -> str:
        """It in a few words, for a sentence."""
        if not self.source:
            return f"the query {' '.join(self.sql.split())[:80]}"
        return self.source if self.start is None else f"{self.source}:{self.start}-{self.end}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cited:
    """An answer, taken apart."""

    sentences: tuple[str, ...]
    citations: tuple[Citation, ...]


def compiled(pattern: str) -> BoundedPattern:
    """The pattern of citations.

    Raises:
        InvalidConfig: it is no regular expression, or has no group `source` or `sql`.
    """
    made = BoundedPattern("citations.pattern", pattern)
    if not {"source", "sql"} & made.groups or not made.groups <= {*_GROUPS}:
        raise InvalidConfig(
            "citations.pattern", f"it needs a group (?P<source>…) or (?P<sql>…), and may have {', '.join(_GROUPS[2:])}"
        )
    return made


_DEFAULT = re.compile(DEFAULT)


def prose(text: str) -> str:
    """The sentences alone, without citations, quotes, tables and code."""
    return " ".join(
        " ".join(text[start:end].split()) for start, end in _sentences(_blanked(text, list(_DEFAULT.finditer(text))))
    )


def taken_apart(text: str, pattern: BoundedPattern) -> Cited:
    """The sentences of `text`, and what each citation is proof of.

    A citation on lines of its own proves the paragraph before it; one within a line the sentence in or behind which
    it stands.

    Raises:
        InvalidInput: the pattern takes too long.
    """
    found = pattern.all(text)
    blanked = _blanked(text, found)
    spans = _sentences(blanked)
    citations = tuple(_citation(one, text, blanked, spans) for one in found)
    return Cited(sentences=tuple(" ".join(blanked[start:end].split()) for start, end in spans), citations=citations)


def _blanked(text: str, citations: Sequence[re.Match[str]]) -> str:
    """`text`, as long, with blanks where it is no prose; what stood on lines of its own ends a paragraph."""

    def blank(found: re.Match[str]) -> str:
        return re.sub(r"[^\n]", " ", found[0])

    for one in citations:
        text = text[: one.start()] + blank(one) + text[one.end() :]
    return _ASIDE.sub(blank, _CODE.sub(blank, text))


def _sentences(blanked: str) -> Sequence[tuple[int, int]]:
    return [found.span() for found in _SENTENCE.finditer(blanked) if re.search(r"\w", found[0])]


def _citation(found: re.Match[str], text: str, blanked: str, spans: Sequence[tuple[int, int]]) -> Citation:
    said = {name: value for name, value in found.groupdict().items() if value is not None}
    before = [place for place, (start, _) in enumerate(spans) if start < found.start()]
    own_lines = not text[text.rfind("\n", 0, found.start()) + 1 : found.start()].strip() and "\n" in found[0]
    last = before[-1:]
    if own_lines and last:
        ends = spans[last[0]][1]
        breaks = [one.end() for one in re.finditer(r"\n[ \t]*\n", blanked[:ends])]
        last = [place for place in before if spans[place][0] >= (breaks[-1] if breaks else 0)]
    return Citation(
        written=found[0],
        sentences=tuple(last),
        source=said.get("source", "").strip(),
        start=int(said["start"]) if "start" in said else None,
        end=int(said["end"]) if "end" in said else None,
        quote=said.get("quote", "").strip().removesuffix(_ELLIPSIS),
        sql=said.get("sql", "").strip(),
    )
