"""An example: what a graph is given, and what is known of how it should answer."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
from pydantic import TypeAdapter

from motet.errors import InvalidInput

Json = Mapping[str, Any]
"""A JSON object."""


_LEVELS = 250
_SAID = ("input", "reference")
"""What an example may say is empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One case. Everything in it is JSON; what a field isn't told of is no part of the case."""

    example_id: str
    """Names it in its dataset, in every version: 1 to 200 characters, no spaces."""
    input: Json
    """What the graph is given, as a run's `input`."""
    reference: Any = None
    """The right answer: a text, a number, or any JSON; None where there is none."""
    trajectory: Sequence[Json] = ()
    """The right way: messages in OpenAI's form (`role`, `content`, `tool_calls`), as openevals takes them."""
    path: Sequence[str] = ()
    """The right nodes, in order, as `Observed.path` names them."""
    rubric: str = ""
    """What a judge is told to look for, in this example alone."""
    answers: Sequence[Any] = ()
    """What a person answers, in order, where the run asks: decisions as `POST …/runs` takes them in `command.resume`.
    A run that asks once more than there are answers ends there, as `interrupted`."""
    expect: Json = field(default_factory=dict[str, Any])
    """What evaluators check beyond that, by their own names: `sql`, `sources`, `handoffs`, `approval`, `refuses`,
    `effects`, `budget`, `tools`, `outcome`, `error`, `label` (of a person, for a judge's calibration)."""
    tags: Sequence[str] = ()
    split: str = ""
    """Such as `test` or `calibration`."""
    group: str = ""
    """Examples of one group hang together (one document, one conversation) and count as one cluster; "": alone."""
    provenance: Json = field(default_factory=dict[str, Any])
    """Where it came from: `run_id`, `thread_id`, `graph_id`, `at`; or `file`, `line`; or what computed it."""

    @property
    def cluster(self) -> str:
        """The cluster that it counts for."""
        return self.group or self.example_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """One immutable version of a named set of examples."""

    name: str
    version: str
    """`version_of` its examples."""
    examples: Sequence[Example]
    created_at: str = ""
    note: str = ""


def encoded(example: Example) -> bytes:
    """`example` as one JSON line, its keys in order, without what is empty: the same example gives the same bytes.

    Raises InvalidInput: it can't be written as JSON, such as what nests deeper than some 250 levels.
    """
    try:
        line = orjson.dumps(example)
    except orjson.JSONEncodeError as error:
        allowed = f"an example that JSON can hold, and that nests no deeper than {_LEVELS} levels ({error})"
        raise InvalidInput("example_id", example.example_id, allowed) from None
    told = {
        name: value
        for name, value in orjson.loads(line).items()
        if value is not None and (name in _SAID or value not in ("", [], {}))
    }
    return orjson.dumps(told, option=orjson.OPT_SORT_KEYS)


def decoded(line: bytes) -> Example:
    """The example that `encoded` gave. Raises ValueError: this is none."""
    return _example().validate_python(orjson.loads(line))


@functools.cache
def _example() -> TypeAdapter[Example]:
    return TypeAdapter(Example)


def version_of(examples: Sequence[Example]) -> str:
    """The hash of what the examples say, whatever their order: 16 hexadecimal digits of a SHA-256."""
    digest = hashlib.sha256(b"\n".join(sorted(encoded(one) for one in examples)))
    return digest.hexdigest()[:16]
