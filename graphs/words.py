"""The words of a text that carry its meaning, and a text with everything folded away that carries none."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterator
from dataclasses import dataclass

_STOP = frozenset(
    re.split(
        r"\s+",
        """a about above according after again all almost also although always am an and another any anything are around
    as at be because been before being below between both but by can
    cannot could did do does doing done down during each
    either else every everything exactly few for from further get gets give given gives had has have having he hence
    her here him his how however i if in instead into is it its itself just least less let like made main make makes
    many may me mean means meant might more most much must my name named namely names need needs neither no nor not
    nothing now number of off often on once one only onto or other otherwise our out over own per please put rather
    really same say says see several shall she should since so some something still such take takes tell than that the
    their them themselves then there these they thing things this those though through thus to together too total
    under until up upon us use used uses using very via want was we well were what whatever when where whether which
    while who whom whose why will with within without would yes yet you your yourself answer question row rows
    first document
    documents data file text quote found""",
    )
)
_WORD = re.compile(r"[^\W\d_]+(?:['\u2019][^\W\d_]+)?", re.UNICODE)
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_SHORT = 3
_PREFIX = 4
_SHARED = 0.7
_TYPOGRAPHY = str.maketrans(
    {
        "\u2018": "'", "\u2019": "'", "\u201a": "'", "\u201b": "'", "\u201c": '"', "\u201d": '"', "\u201e": '"',
        "\u2010": "-", "\u2011": "-", "\u2012": "-", "\u2013": "-", "\u2014": "-", "\u2212": "-",
        "\u00ad": "", "\u200b": "", "\ufeff": "", "*": "", "`": "", "\\": "",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Folded:
    """A text without the differences that carry no meaning: spacing, typography and the marks of emphasis."""

    text: str
    places: tuple[int, ...]
    """For each of its characters, where it stands in the text as it was."""


def folded(text: str) -> Folded:
    """`text` with runs of space as one, typographic quotes and dashes as ASCII, compatibility forms as their letters.

    Case stays: it can carry meaning.
    """
    characters: list[str] = []
    places: list[int] = []
    for place, character in enumerate(text):
        plain = unicodedata.normalize("NFKC", character).translate(_TYPOGRAPHY)
        plain = " " if plain.isspace() else plain
        if plain == " " and (not characters or characters[-1] == " "):
            continue
        characters.extend(plain)
        places.extend([place] * len(plain))
    return Folded(text="".join(characters), places=tuple(places))


def located(words: str, text: str) -> tuple[int, int] | None:
    """Where `words` stand in `text`, as start and end: the very characters, else with both folded; never looser."""
    sought = words.strip()
    if not sought:
        return None
    if (exact := text.find(sought)) >= 0:
        return exact, exact + len(sought)
    there, wanted = folded(text), folded(sought).text.strip()
    place = there.text.find(wanted) if wanted else -1
    return (there.places[place], there.places[place + len(wanted) - 1] + 1) if place >= 0 else None


def content_words(text: str) -> Iterator[str]:
    """The words that carry meaning, in lower case and in order; names like `us_employment` in their parts."""
    for match in _WORD.finditer(text):
        word = match[0].lower().replace("\u2019", "'").removesuffix("'s")
        if len(word) > 1 and word not in _STOP and not word.endswith("n't"):
            yield word


def in_parts(text: str) -> str:
    """`text` with names like `meanTemp` in their parts."""
    return _CAMEL.sub(" ", text)


def alike(first: str, second: str) -> bool:
    """Whether two words are forms of one: equal, or most of the longer is their common beginning."""
    if first == second:
        return True
    shorter, longer = sorted((len(first), len(second)))
    pairs = enumerate(zip(first, second, strict=False))
    shared = next((at for at, (one, other) in pairs if one != other), shorter)
    if shared == shorter and longer - shared == 1:
        return shorter >= _SHORT
    return shared >= max(_PREFIX, _SHARED * longer)


def covered(words: Collection[str], by: Collection[str]) -> list[str]:
    """Those of `words` that `by` holds in some form."""
    return [word for word in words if any(alike(word, other) for other in by)]
