"""Datasets on a terminal: the list of them, one with its versions, and what is another in one of two versions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from rich.table import Table
from rich.text import Text

from motet.memory.evaluations import DatasetVersion
from motet.observability.evaluation.dataset_diff import DatasetDiff
from motet.observability.evaluation.example import Dataset
from motet.server.terminal.plain import line

_LISTED = 50
"""Ids that are shown of what was added or removed."""


def listed(found: Sequence[DatasetVersion], *, names: bool = True) -> Table:
    """A line each; without `names`, of one dataset's versions."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in (*(("dataset",) if names else ()), "version", "examples", "made", "note"):
        table.add_column(column, justify="right" if column == "examples" else "left", overflow="fold")
    for one in found:
        made = one.created_at[:16].replace("T", " ")
        row = [one.version, str(one.examples), made, line(one.note)]
        table.add_row(*([one.name, *row] if names else row))
    return table


def counts(dataset: Dataset) -> Mapping[str, Mapping[str, int]]:
    """How many examples each split and each tag has, and how many clusters there are."""
    tags = Counter(tag for one in dataset.examples for tag in one.tags)
    return {
        "splits": dict(sorted(Counter(one.split for one in dataset.examples).items())),
        "tags": dict(sorted(tags.items())),
    }


def clusters(dataset: Dataset) -> int:
    """How many groups of examples that hang together, and examples by themselves."""
    return len({one.cluster for one in dataset.examples})


def head(dataset: Dataset) -> Iterator[str]:
    """What a version is, a line each."""
    number = len(dataset.examples)
    yield f"Dataset {dataset.name}, version {dataset.version}" + (f": {line(dataset.note)}" if dataset.note else "")
    yield f"{number} example{'' if number == 1 else 's'} in {clusters(dataset)} clusters"
    for name, told in counts(dataset).items():
        if told.keys() - {""}:
            yield f"{name.capitalize()}: " + ", ".join(
                f"{line(one) or '(none)'} {count}" for one, count in told.items()
            )


def drawn(diff: DatasetDiff) -> Iterator[Text]:
    """What was added, removed and changed, a line each."""
    for sign, style, ids in (("+", "green", diff.added), ("-", "red", diff.removed)):
        yield from (Text(f"{sign} {line(one)}", style=style) for one in ids[:_LISTED])
        if len(ids) > _LISTED:
            yield Text(f"{sign} … and {len(ids) - _LISTED} more", style=style)
    for name, fields in diff.changed.items():
        yield Text(f"~ {line(name)}: {', '.join(fields)}", style="yellow")
    yield Text(
        f"{len(diff.added)} added, {len(diff.removed)} removed, {len(diff.changed)} changed, {diff.same} the same",
        style="bright_black",
    )
