"""What a turn asks the assistant to remember, to forget or to recall: by rules, no model is asked.

Only words that ask for it count. "Note that …" or "Keep in mind that …" tell something for the question at hand.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import islice
from typing import Literal

from motet.graphs.crew.parts import taken_apart

Kind = Literal["remember", "forget", "forget_last", "forget_all", "maybe_forget_all", "list", "talked_about"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """One thing asked for."""

    kind: Kind
    text: str = ""
    """What to remember, to forget or to look for; empty for `remember` if it only points ("remember that")."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Turned:
    """A turn, its wishes apart from the rest."""

    wishes: tuple[Wish, ...]
    rest: str
    """As the person wrote it where there are no wishes; empty if nothing else was said."""


_Q = "['\u2019]"
"""An apostrophe, also as phones type it."""
_TITLES = "".join(rf"(?<!\b{one}\.)" for one in ("Dr", "Mr", "Ms", "Mrs", "St", "Prof", "No", "vs"))
_NO_INITIAL = r"(?<!\b[^\W\d_]\.)"
_ASKING = "how what which who when where tell show give list and please remember forget"
_BEGINS = rf"(?=[^a-z]|(?:{_ASKING.replace(' ', '|')})\b)"
_BEGINS_SURELY = rf"(?=(?:{_ASKING.title().replace(' ', '|')})\b)"
_SENTENCE = re.compile(rf"(?<=[?!])\s+|(?<=\.){_TITLES}(?:{_NO_INITIAL}\s+{_BEGINS}|\s+{_BEGINS_SURELY})|\n+")
_GREETING = r"please|and|also|then|ok|okay|hey|hi|hello|thanks|thank\s+you|now|yes|so|from\s+now\s+on|always"
_LEAD = rf"(?:(?:{_GREETING})\b[,:]?\s+)*"
_YOU = r"(?:can|could|will|would)\s+you\b"
_WANT = rf"I(?:{_Q}d|\s+would)\s+like\s+you\s+to|I\s+want\s+you\s+to|you\s+(?:should|must)(?:\s+always)?"
_START = rf"^{_LEAD}(?:{_YOU}\s+(?:please\s+)?|(?:{_WANT})\s+)?"
_END = r"[\s.!]*$"
_ME = r"(?:me|us)"
_SHOW = r"(?:tell|show|give|list|find|count|compare|explain)"


def _rule(*pieces: str) -> re.Pattern[str]:
    return re.compile("".join(pieces), re.IGNORECASE)


_REMEMBER = _rule(
    rf"{_START}(?:remember|memori[sz]e|make\s+a\s+note|(?:do\s+not|don{_Q}t|never)\s+forget)\b(?:\s+for\s+(?:me|later))?",
    r"(?:\s*[:,]\s*|\s+(?:that|this)\s*[:,]?\s+|\s+of\s+(?:this|the\s+following)\s*[:,]?\s+|\s+(?=to\s)",
    rf"|\s+(?=(?:I|I{_Q}(?:m|ve|d|ll)|my|mine|we|we{_Q}(?:re|ve|ll)|our|ours)\s))(?P<text>.+)$",
)
_REMEMBER_WHAT = _rule(rf"{_START}(?:remember|memori[sz]e)\s+(?:that|this|it){_END}")
_POINTS = _rule(r"^(?:(?:last|first|previous)\s+)?(?:one|number|answer|question|result|thing|table|query|part)\W*$")
_FORGET_LAST = _rule(rf"{_START}forget\s+(?:about\s+)?(?:that|this|it)(?:\s+(?:again|please|now))?{_END}")
_ERASE = r"(?:forget|delete|erase|clear|wipe)"
_YOU_KNOW = rf"you(?:{_Q}ve|\s+have)?\s+(?:know|remember(?:ed)?|learned)"
_FORGET_ALL = _rule(
    rf"{_START}(?:{_ERASE}\s+what\s+{_YOU_KNOW}\s+about\s+{_ME}",
    rf"|{_ERASE}\s+(?:everything|all)\s+(?:(?:that\s+)?{_YOU_KNOW}(?:\s+about\s+{_ME})?",
    rf"|(?:that\s+)?I(?:{_Q}ve|\s+have)?\s+(?:told|asked)\s+you(?:\s+to\s+remember)?|about\s+{_ME})",
    rf"|{_ERASE}\s+(?:all\s+(?:of\s+)?)?(?:my|your)\s+memor(?:y|ies)(?:\s+(?:about|of)\s+{_ME})?)",
    _END,
)
_MAYBE_ALL = _rule(rf"{_START}forget\s+(?:everything|all(?:\s+of\s+it)?|{_ME}){_END}")
_SAID = rf"I(?:{_Q}ve|\s+have)?\s+(?:said|told\s+you)"
_FORGET = _rule(
    rf"{_START}(?:(?:forget\s+(?:that|about|what\s+{_SAID}\s+about|(?:everything|all)\s+about)",
    rf"|{_ERASE}\s+(?:everything|all)\s+(?:that\s+)?(?:{_SAID}|{_YOU_KNOW})\s+about)\s+(?P<text>.+)",
    rf"|forget\s+(?P<own>(?:I|I{_Q}m|my|we|our)\s.+|[0-9a-f]{{8}}[\s.!]*))$",
)
_LIST = _rule(
    rf"^{_LEAD}(?:what\s+(?:do|have|did|can)\s+you\s+(?:still\s+|already\s+)?",
    rf"(?:(?:remember(?:ed)?|recall|memori[sz]ed?)(?:\s+about\s+(?P<about>.+?))?|know\s+about\s+{_ME})",
    r"|what\s+(?:did|have)\s+I\s+(?:ask(?:ed)?|tell|told)\s+you\s+to\s+remember",
    rf"|do\s+you\s+remember\s+anything(?:\s+about\s+{_ME})?",
    r"|(?:show|list|tell|give)\s+(?:me\s+)?",
    rf"(?:(?:all\s+)?(?:my|your)\s+memories|what\s+you\s+(?:remember|know)\s+about\s+{_ME}))[\s.?!]*$",
)
_TALKED_ABOUT = _rule(
    rf"^{_LEAD}(?:what\s+(?:have|did)\s+(?:we|I)\s+(?:talk(?:ed)?\s+about|discuss(?:ed)?|ask(?:ed)?(?:\s+you)?)",
    r"(?:\s+(?:so\s+far|before|earlier|until\s+now))?(?:\s+in\s+this\s+(?:conversation|thread|chat))?",
    r"|summari[sz]e\s+(?:this|our|the)\s+(?:conversation|thread|chat)(?:\s+so\s+far)?)[\s.?!]*$",
)
_ASKS = r"how\s+(?:many|much)\s|(?:what|which|who|when|where)\s"
_WISHES = r"(?:remember\s+(?:that|this|my|our|I|we)|forget\s+(?:about\s+|that\s+)?(?:my|our|I|we))\b"
_SEAM = _rule(
    r"(?:[,;]\s*|\s+)(?:and|then|but)\s+(?:also\s+|then\s+)?",
    rf"(?=(?:please\s+)?(?:{_SHOW}\s|{_WISHES})|{_ASKS})|[,;]\s*(?={_ASKS})",
)
_MOST_SEAMS = 8
"""Of one sentence that are looked at."""
_GOES_ON = _rule(rf"(?:please\s+)?(?:{_SHOW}\b|{_WISHES})")
_ASKED_POLITELY = _rule(rf"^{_LEAD}{_YOU}")
_ASKED_BACK = _rule(r"^(?:my|mine|our|ours)\s(?!.*\b(?:is|are|was|were|has|have)\b)")
"""What a question could be for: "Can you remember my name?"."""
_ONLY_ME = _rule(rf"^{_ME}$")
_OF_THE_PERSON = re.compile(r"\b(?:[Ii]|[Mm]y|[Mm]ine|[Ww]e|[Oo]urs?)\b")

_FIXED: tuple[tuple[Kind, re.Pattern[str]], ...] = (
    ("forget_last", _FORGET_LAST),
    ("forget_all", _FORGET_ALL),
    ("maybe_forget_all", _MAYBE_ALL),
    ("talked_about", _TALKED_ABOUT),
    ("remember", _REMEMBER_WHAT),
)
"""Wishes without words of their own."""


def wishes_in(text: str) -> Turned:
    """The wishes of a turn, and what is left for specialists, sentence by sentence."""
    wishes: list[Wish] = []
    rest: list[str] = []
    for sentence in filter(None, (one.strip() for one in _SENTENCE.split(text))):
        left = sentence
        while left:
            said, left = _cut(left)
            wish = _wish(said)
            if wish is None:
                rest.append(said)
            else:
                wishes.append(wish)
    return Turned(wishes=tuple(wishes), rest=" ".join(rest)) if wishes else Turned(wishes=(), rest=text)


def about_the_person(question: str) -> bool:
    """Whether `question` is about whoever asks it: "What currency do I report in?", not "Tell me …"."""
    return bool(_OF_THE_PERSON.search(question))


def _cut(sentence: str) -> tuple[str, str]:
    """A sentence that begins with a wish, apart from the question or wish behind it."""
    for seam in islice(_SEAM.finditer(sentence), _MOST_SEAMS):
        wish, tail = _wish(sentence[: seam.start()]), sentence[seam.end() :].strip()
        # "Forget it, how many …?" drops a question, not a memory.
        meant = wish and (wish.kind == "remember" or any(map(str.isalpha, seam.group())))
        if meant and (_GOES_ON.match(tail) or tail.endswith("?")):
            return sentence[: seam.start()], tail[:1].upper() + tail[1:]
    return sentence, ""


def _wish(sentence: str) -> Wish | None:
    for kind, rule in _FIXED:
        if rule.match(sentence):
            return Wish(kind=kind)
    if listed := _LIST.match(sentence):
        about = (listed["about"] or "").strip()
        return Wish(kind="list", text="" if _ONLY_ME.match(about) else about)
    if sentence.endswith("?") and not _ASKED_POLITELY.match(sentence):
        return None
    return _remembers(sentence) or _forgets(sentence)


def _remembers(sentence: str) -> Wish | None:
    found = _REMEMBER.match(sentence)
    text = re.sub(r"^to\s+", "", found["text"].strip()).rstrip("?.! ") if found else ""
    if not text or taken_apart(text).report or (sentence.endswith("?") and _ASKED_BACK.match(text)):
        return None
    return Wish(kind="remember", text="" if _POINTS.match(text) else text)


def _forgets(sentence: str) -> Wish | None:
    found = _FORGET.match(sentence)
    text = (found["text"] or found["own"]).strip().rstrip("?.! ") if found else ""
    return Wish(kind="forget", text=text) if text else None
