"""Checks the crew's examples without a model: every reference is found a second time, by another way."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from motet.observability.evaluation.example import Example
from motet.server.evaluation.crew_examples.injections import FILE
from motet.server.evaluation.crew_examples.making import CORRECT, DATA, value_of
from motet.server.evaluation.crew_examples.tables import Tables, read
from motet.server.evaluation.saying import words
from motet.tools.sample import DOCUMENTS
from motet.tools.workspace import Workspace

FILES = (*(one.file for one in DOCUMENTS), "SOURCES.md", FILE)
"""The documents of the evaluation's workspace."""


async def problems(examples: Sequence[Example], folder: Path) -> list[str]:
    """What is wrong with the references of `examples`, over the workspace in `folder`; empty if nothing is.

    Each query is run again, and its value compared with the reference and with what plain Python makes of the files;
    each quote must stand in the file that is named and in no other, with all that an answer must say; what is to be
    refused must be nowhere; no question is asked twice. A second for all.
    """
    tables, texts = read(folder), {file: _text(folder / file) for file in FILES}
    found: list[str] = []
    for told in ([question_of(one) for one in examples], [one.example_id for one in examples]):
        found += [f"{text}: there are {times} of it" for text, times in Counter(told).items() if times > 1]
    async with await Workspace.open(folder) as workspace:
        columns = {words(column.name.replace("_", " ")) for table in workspace.tables for column in table.columns}
        for example in examples:
            wrong = [
                *[problem async for problem in _of_data(example, tables, workspace)],
                *_of_documents(example, texts),
                *[problem async for problem in _of_nothing(example, [*columns, *texts.values()], workspace)],
            ]
            found += [f"{example.example_id}: {problem}" for problem in wrong]
            if not {"sql", "sources", "refuses"} & set(example.expect):
                found.append(f"{example.example_id}: nothing says how it is answered")
    return found


def question_of(example: Example) -> str:
    """What the person asks."""
    return str(example.input["messages"][-1]["content"])


async def _of_data(example: Example, tables: Tables, workspace: Workspace) -> AsyncIterator[str]:
    sql = example.expect.get("sql")
    if sql is None:
        return
    asked = next((one for one in DATA.values() if one.sql == sql), None)
    if asked is None:
        yield f"nobody asks for {sql}"
        return
    again = asked.again(tables)
    ways = {
        "the query": await value_of(sql, workspace),
        "the reference": _part(example.reference, "data"),
        "the words of a right answer": _correct(example).get("values", [None])[0],
    }
    for way, value in ways.items():
        if not _same(value, again):
            yield f"{way} says {value!r}, and Python {again!r}"


def _of_documents(example: Example, texts: Mapping[str, str]) -> Iterator[str]:
    evidence: Sequence[Mapping[str, str]] = example.provenance.get("evidence", ())
    if "sources" in example.expect and [one["file"] for one in evidence] != example.expect["sources"]:
        yield f"its evidence isn't from {example.expect['sources']}"
    for one in evidence:
        holding = [file for file, text in texts.items() if words(one["quote"]) in text]
        if holding != [one["file"]]:
            yield f"“{one['quote']}” stands in {', '.join(holding) or 'no file'}, not in {one['file']} alone"
    quoted = [words(one["quote"]) for one in evidence]
    for either in _correct(example).get("says", ()):
        if not any(words(said) in quote for said in either for quote in quoted):
            yield f"no quote says {either[0]!r}"
    said = [either[0] for either in _correct(example).get("says", ())]
    if said and _part(example.reference, "documents") != ", ".join(said):
        yield f"the reference says {example.reference!r}, and a right answer {said}"


async def _of_nothing(example: Example, texts: Sequence[str], workspace: Workspace) -> AsyncIterator[str]:
    if not example.expect.get("refuses"):
        return
    sql, absent = example.provenance.get("no_rows"), example.provenance.get("nowhere", ())
    if not sql and not absent:
        yield "nothing says why it can't be answered"
    if sql and (await workspace.query(sql)).rows:
        yield f"{sql} gives rows"
    for word in absent:
        if any(words(word) in text for text in texts):
            yield f"{word!r} stands somewhere"


def _part(reference: Any, name: str) -> Any:
    """Of a reference for both, one half."""
    return reference.get(name) if isinstance(reference, Mapping) else reference


def _correct(example: Example) -> Mapping[str, Any]:
    return example.expect.get(CORRECT, {})


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, int | float) and isinstance(other, int | float):
        return math.isclose(one, other, rel_tol=1e-8, abs_tol=1e-9)
    return one == other


class _Page(HTMLParser):
    """The text of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[str] = []

    def handle_data(self, data: str) -> None:
        self.pieces.append(data)


def _text(file: Path) -> str:
    """All that a file says, as `words` compares it."""
    text = file.read_text("utf-8")
    if file.suffix == ".html":
        page = _Page()
        page.feed(text)
        text = "".join(page.pieces)
    return words(text)
