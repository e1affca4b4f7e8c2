"""Makes the crew's examples: every reference is computed from the workspace, none is written down."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from motet.observability.evaluation.example import Example
from motet.server.evaluation.crew_examples import airports, cars, documents, employment, stocks, weather
from motet.server.evaluation.crew_examples.approvals import APPROVALS, Approval
from motet.server.evaluation.crew_examples.both import PAIRS
from motet.server.evaluation.crew_examples.injections import FILE, LED, PLANTED
from motet.server.evaluation.crew_examples.question import DataQuestion, DocumentQuestion, Said
from motet.server.evaluation.crew_examples.refusals import QUESTIONS as REFUSALS
from motet.server.evaluation.crew_examples.refusals import Refusal
from motet.tools.reports import NAME as SAVE
from motet.tools.values import Value
from motet.tools.workspace import Workspace

DATA: Mapping[str, DataQuestion] = {
    f"{one.table}/{one.name}": one
    for module in (airports, weather, stocks, employment, cars)
    for one in module.QUESTIONS
}
"""By table and name."""
DOCUMENTS: Mapping[str, DocumentQuestion] = {f"documents/{one.name}": one for one in documents.QUESTIONS}
"""By name."""

ANALYST, LIBRARIAN = "sql_analyst", "librarian"
CORRECT = "correct"
"""Of `Example.expect`: what the evaluator of that name looks for."""

_GO_ON = {"decisions": [{"type": "approve"}]}
"""What a person says to the question who shall take a question: as proposed."""
_CALIBRATION = 5
"""Every so many-th group is for calibrating judges; no example of it is for testing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """What answers one question."""

    text: str
    group: str
    agent: str
    reference: Any
    tag: str
    """Its table or file."""
    correct: Mapping[str, Any]
    """For the evaluator `correct`."""
    expect: Mapping[str, Any]
    quote: str = ""
    """What its file says."""


async def made(workspace: Workspace) -> list[Example]:
    """The examples over the sample workspace, always in the same order and with the same words.

    Raises:
        ToolFailed: a query doesn't run: it is another workspace.
    """
    known: dict[str, _Known] = {name: _of_document(one) for name, one in DOCUMENTS.items()}
    for name, one in DATA.items():
        known[name] = _of_data(one, await value_of(one.sql, workspace))
    return [
        *(_example("data", name, known[name], [known[name]]) for name in DATA),
        *(_example("documents", name, known[name], [known[name]]) for name in DOCUMENTS),
        *_both(known),
        *(_approval(one, known[one.asked]) for one in APPROVALS),
        *_refusals(),
        *_injections(known),
    ]


async def value_of(sql: str, workspace: Workspace) -> Value:
    """The one value that a query gives, a number with nine digits. Raises ValueError: it gives more, or none."""
    rows = (await workspace.query(sql)).rows
    if len(rows) != 1 or len(rows[0]) != 1:
        raise ValueError(f"{sql} gives {len(rows)} rows")
    value = rows[0][0]
    return float(f"{value:.9g}") if isinstance(value, float) else value


def _of_data(one: DataQuestion, value: Value) -> _Known:
    correct = {"values": [value]} | ({"among": list(one.among)} if one.among else {})
    return _Known(
        text=one.text,
        group=one.group,
        agent=ANALYST,
        reference=value,
        tag=one.table,
        correct=correct,
        expect={"sql": one.sql},
    )


def _of_document(one: DocumentQuestion) -> _Known:
    return _Known(
        text=one.text,
        group=one.group,
        agent=LIBRARIAN,
        reference=one.answer,
        tag=one.file,
        correct={"says": [_either(words) for words in one.says]},
        expect={"sources": [one.file]},
        quote=one.quote,
    )


def _either(words: Said) -> Sequence[str]:
    return [words] if isinstance(words, str) else list(words)


def _example(kind: str, name: str, first: _Known, known: Sequence[_Known], **told: Any) -> Example:
    """One of `kind`; `told` are fields of the example, and `correct` and `expect` of what is checked beside."""
    correct = {key: value for one in known for key, value in one.correct.items()} | told.pop("correct", {})
    expect = {key: value for one in known for key, value in one.expect.items()} | told.pop("expect", {})
    agents = [one.agent for one in known]
    fields: dict[str, Any] = {
        "input": _asked(first.text),
        "answers": [_GO_ON],
        "reference": first.reference,
        "tags": [kind, *(one.tag for one in known)],
    }
    return Example(
        example_id=f"{kind}-{name.removeprefix('documents/')}".replace("/", "-").replace("_", "-"),
        path=_path(agents, reports=kind == "approvals"),
        expect={**expect, CORRECT: {**correct, "agents": agents}},
        group=first.group,
        split=_split(first.group),
        provenance=_provenance(known),
        **fields | told,
    )


def _path(agents: Sequence[str], *, reports: bool) -> Sequence[str]:
    """The assistant's own nodes, where nothing is sent back: those of its specialists are nested in theirs."""
    before, after = ("guard_in", "recall", "route", "clarify"), ("compose", "verify", "guard_out", "remember")
    return [*before, *agents, *after, *(("report",) if reports else ())]


def _asked(text: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": text}]}


def _split(group: str) -> str:
    digest = hashlib.sha256(group.encode()).digest()
    return "calibration" if digest[0] % _CALIBRATION == 0 else "test"


def _provenance(known: Sequence[_Known]) -> dict[str, Any]:
    """What computed the reference, with the words of documents that it stands on."""
    ways = {"sql": "a query, and again in Python", "sources": "the words of a document"}
    computed = [way for key, way in ways.items() if any(key in one.expect for one in known)]
    evidence = [{"file": one.tag, "quote": one.quote} for one in known if one.quote]
    return {"computed_by": "; ".join(computed)} | ({"evidence": evidence} if evidence else {})


def _both(known: Mapping[str, _Known]) -> Iterator[Example]:
    for of_data, of_document in PAIRS:
        one, other = known[of_data], known[of_document]
        text = f"{one.text.rstrip('?')}, and {other.text[0].lower()}{other.text[1:]}"
        yield _example(
            "both",
            f"{of_data}-{of_document.removeprefix('documents/')}",
            one,
            [one, other],
            input=_asked(text),
            reference={"data": one.reference, "documents": other.reference},
        )


def _approval(one: Approval, known: _Known) -> Example:
    correct: dict[str, Any] = {"reports": True, "saves": one.decision != "reject"}
    if one.decision == "edit":
        correct["saved"] = {"title": one.title, "body": one.body}
    return _example(
        "approvals",
        one.asked,
        known,
        [known],
        input=_asked(f"{known.text} {one.wish}"),
        answers=[one.answer],
        tags=["approvals", one.decision, known.tag],
        correct=correct,
        expect={"approval": [SAVE], "effects": {SAVE: int(one.decision != "reject")}},
    )


def _refusals() -> Iterator[Example]:
    for one in REFUSALS:
        yield Example(
            example_id=f"refusals-{one.name}",
            input=_asked(one.text),
            answers=[_GO_ON],
            rubric=f"It can't be answered; there is only: {one.near}.",
            expect={"refuses": True, CORRECT: {"refuses": True}},
            tags=["refusals"],
            split=_split(one.name),
            provenance=_nowhere(one),
        )


def _nowhere(one: Refusal) -> dict[str, Any]:
    if one.sql:
        return {"computed_by": "a query without rows", "no_rows": one.sql}
    return {"computed_by": "words that stand in no column and no document", "nowhere": list(one.nowhere)}


def _injections(known: Mapping[str, _Known]) -> Iterator[Example]:
    for led in LED:
        one = known[led.asked]
        yield _example(
            "injections",
            f"asked/{led.name}",
            one,
            [one],
            input=_asked(f"{led.lead} {one.text}"),
            tags=["injections", "asked", one.tag],
            correct={"never": list(led.never)},
            expect={"effects": {SAVE: 0}},
        )
    for planted in PLANTED:
        one = _of_document(planted.question)
        yield _example(
            "injections",
            f"read/{planted.question.name}",
            one,
            [one],
            tags=["injections", "read", FILE],
            correct={"never": list(planted.never)},
            expect={"effects": {SAVE: 0}},
        )
