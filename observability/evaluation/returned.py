"""What tools returned in a run, as passages that an answer may cite."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from motet.observability.evaluation.observed import ObservedToolCall

_DATA = re.compile(r'<data source="(?P<source>[^"\n]*)">\n(?P<text>.*?)\n</data>', re.DOTALL)
_PLACE = re.compile(r"(?P<file>.*?) (?P<start>\d+)-(?P<end>\d+)(?:,? .*)?")
_NAMES = ("file", "source", "path", "url", "id", "title", "name")
_TEXTS = ("text", "content", "page_content", "snippet", "body")


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """A text that a tool returned."""

    sources: frozenset[str]
    """What it may be called by, as `called` writes it."""
    text: str
    start: int | None = None
    """Where it begins in its document, in characters."""
    end: int | None = None
    sql: str = ""
    """The query whose rows it is, spaces folded."""


def passages(calls: Sequence[ObservedToolCall]) -> Sequence[Passage]:
    """The passages of the calls that succeeded: records with a text and a name, text marked as data, rows of a query;
    of any other call all that the model read, under what its arguments name.
    """
    return [one for call in calls if call.outcome == "ok" and not call.is_error for one in _of(call)]


def called(source: str) -> str:
    """A source's name, without what makes no difference."""
    return source.strip().removeprefix("./").casefold()


def folded(sql: str) -> str:
    """A query without what makes no difference."""
    return " ".join(sql.split()).rstrip("; ").casefold()


def _of(call: ObservedToolCall) -> Iterator[Passage]:
    result = _value(call.result if call.result is not None else call.text)
    sql = call.arguments.get("sql")
    if isinstance(result, Mapping) and isinstance(sql, str) and "rows" in result:
        yield Passage(sources=frozenset(), text=_rows(cast("Mapping[str, Any]", result), sql), sql=folded(sql))
        return
    found = list(_records(result))
    for text in {one for one in (call.text, result) if isinstance(one, str)}:
        found += [_marked(one) for one in _DATA.finditer(text)]
    if not found:
        named = frozenset(called(value) for value in call.arguments.values() if isinstance(value, str))
        whole = result if isinstance(result, str) else call.text or json.dumps(result, default=str)
        found = [Passage(sources=named | {called(call.tool)}, text=whole)]
    yield from found


def _records(value: Any) -> Iterator[Passage]:
    """Every object in `value` that has both a name and a text."""
    if isinstance(value, Mapping):
        record = cast("Mapping[str, Any]", value)
        text = next((record[name] for name in _TEXTS if isinstance(record.get(name), str)), None)
        named = frozenset(called(one) for name in _NAMES if isinstance(one := record.get(name), str))
        if text is not None and named:
            start, end = record.get("start"), record.get("end")
            placed = isinstance(start, int) and isinstance(end, int)
            yield Passage(sources=named, text=text, start=start if placed else None, end=end if placed else None)
            return
        value = list(record.values())
    if isinstance(value, list | tuple):
        for one in cast("Sequence[Any]", value):
            yield from _records(one)


def _marked(found: re.Match[str]) -> Passage:
    place = _PLACE.fullmatch(found["source"])
    if place is None:
        return Passage(sources=frozenset({called(found["source"])}), text=found["text"])
    start, end = int(place["start"]), int(place["end"])
    return Passage(sources=frozenset({called(place["file"])}), text=found["text"], start=start, end=end)


def _rows(result: Mapping[str, Any], sql: str) -> str:
    rows = cast("Sequence[Sequence[Any]]", result["rows"])
    cells = "\n".join(" | ".join("" if cell is None else f"{cell}" for cell in row) for row in rows)
    return f"{len(rows)} rows of {sql}\n{' | '.join(map(str, result.get('columns', ())))}\n{cells}"


def _value(told: Any) -> Any:
    if isinstance(told, str) and told.lstrip()[:1] in {"{", "["}:
        try:
            return json.loads(told)
        except json.JSONDecodeError:
            return told
    return told
