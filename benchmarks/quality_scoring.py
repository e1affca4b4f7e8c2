# ruff: noqa: INP001 - part of a script, no package
"""When an answer is right: the same rules for every system, which read the text of the final answer alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml

from motet.server.evaluation.saying import holds, refused, said, words

QUESTIONS = Path(__file__).with_name("quality_questions.yaml")

Kind = Literal["data", "documents", "both", "unanswerable"]
KINDS: tuple[Kind, ...] = ("data", "documents", "both", "unanswerable")


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One entry of quality_questions.yaml, which says what the fields mean."""

    id: str
    kind: Kind
    question: str
    sql: str = ""
    among: Sequence[str] = ()
    says: Sequence[str | Sequence[str]] = ()
    file: str = ""
    quote: str = ""
    near: str = ""
    held_out: bool = False


def load_questions(path: Path = QUESTIONS) -> list[Question]:
    """All questions, in the file's order. Raises TypeError for a field that isn't known."""
    return [Question(**entry) for entry in yaml.safe_load(path.read_text("utf-8"))]


def right(question: Question, expected: Sequence[Any], answer: str) -> bool:
    """Whether `answer` is right; `expected` is the row that the question's reference query gives.

    An unanswerable question is answered right by refusing. Any other by all values of the row and all that the
    question's `says` lists; where there are alternatives (`among`), the right one must be named first.
    """
    if question.kind == "unanswerable":
        return refused(answer)
    text = said(answer)
    if not all(holds(text, value) for value in expected):
        return False
    if question.among:
        named = {one: words(text).find(words(one)) for one in question.among}
        first = min((one for one in named if named[one] >= 0), key=lambda one: named[one])
        if words(first) != words(str(expected[0])):
            return False
    return not missing(question, answer)


def missing(question: Question, answer: str) -> list[str]:
    """What of the question's `says` isn't in `answer`; of alternatives the first is named."""
    text = words(said(answer))
    wanted = [[one] if isinstance(one, str) else list(one) for one in question.says]
    return [either[0] for either in wanted if not any(words(one) in text for one in either)]
