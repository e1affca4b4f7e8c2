"""What is new, gone or another in one version of a dataset, against another one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import orjson

from motet.observability.evaluation.example import Dataset, Example, encoded


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetDiff:
    """Ids of examples, in the order in which they stand."""

    added: Sequence[str]
    removed: Sequence[str]
    changed: Mapping[str, Sequence[str]]
    """With the names of the fields that say something else."""
    same: int
    """How many examples are as they were."""


def compared(before: Dataset, after: Dataset) -> DatasetDiff:
    """What became of `before`; an example is known again by its id."""
    was = {one.example_id: one for one in before.examples}
    now = {one.example_id: one for one in after.examples}
    fields = {name: _changed(one, now[name]) for name, one in was.items() if name in now}
    changed = {name: told for name, told in fields.items() if told}
    return DatasetDiff(
        added=[name for name in now if name not in was],
        removed=[name for name in was if name not in now],
        changed=changed,
        same=len(fields) - len(changed),
    )


def _changed(before: Example, after: Example) -> Sequence[str]:
    was, now = orjson.loads(encoded(before)), orjson.loads(encoded(after))
    return sorted(
        name for name in was.keys() | now.keys() if (name in was, was.get(name)) != (name in now, now.get(name))
    )
