"""Datasets as files: JSON lines, one example a line, or a table of comma separated values."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from motet.errors import InvalidInput
from motet.observability.evaluation import dataset_csv
from motet.observability.evaluation.dataset_rows import examples_of
from motet.observability.evaluation.example import Example, encoded


def read(path: Path) -> Sequence[Example]:
    """The examples in a file that ends in `.jsonl` or `.csv`; one without an id is named by what it says.

    Raises:
        InvalidInput: there is no such file, it ends otherwise, or holds no example or what is none; names the line,
            the field, its value and what is allowed.
    """
    parse, _ = form_of(str(path))
    try:
        data = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise InvalidInput("FILE", str(path), f"a file that can be read ({error.strerror})") from None
    except UnicodeDecodeError as error:
        raise InvalidInput(path.name, error.object[error.start : error.start + 1], f"UTF-8 ({error})") from None
    found = parse(data, path.name)
    if not found:
        raise InvalidInput(str(path), "a file without an example", "one with at least one")
    return found


def form_of(name: str) -> tuple[Callable[[str, str], Sequence[Example]], Callable[[Sequence[Example]], bytes]]:
    """What parses and what writes a file of this name. Raises InvalidInput: it ends otherwise."""
    ending = Path(name).suffix.lower()
    if ending not in _FORMS:
        raise InvalidInput("FILE", Path(name).name, f"a file that ends in {' or '.join(_FORMS)}")
    return _FORMS[ending]


def parsed(data: str, name: str) -> Sequence[Example]:
    """The examples of JSON lines. Raises InvalidInput: names file, line, field and value."""
    return examples_of(_lines(data, name))


def written(examples: Sequence[Example]) -> bytes:
    """JSON lines that `parsed` reads as the same examples."""
    return b"".join(encoded(one) + b"\n" for one in examples)


_FORMS = {".jsonl": (parsed, written), ".csv": (dataset_csv.parsed, dataset_csv.written)}


def _lines(data: str, name: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for number, line in enumerate(data.split("\n"), 1):
        if not line.strip():
            continue
        place = f"{name}, line {number}"
        try:
            told = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            raise InvalidInput(place, line, f"a JSON object ({error})") from None
        if not isinstance(told, dict):
            raise InvalidInput(place, told, "a JSON object")
        yield place, told
