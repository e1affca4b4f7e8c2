"""Which evaluators fit a dataset, where nobody names any: those that have something to look at, and ask no model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from motet.observability.evaluation.example import Example

_BY_EXPECTATION: Mapping[str, Sequence[str]] = {
    "sql": ["sql"],
    "sources": ["citations"],
    "handoffs": ["handoffs"],
    "approval": ["approval"],
    "effects": ["effects"],
    "budget": ["budget"],
    "tools": ["tool_correctness", "argument_correctness"],
}


def fitting(examples: Sequence[Example], *, asks_data: bool) -> Sequence[str]:
    """Their names, each once; `asks_data`: whether there is a workspace whose tables can be asked."""
    named = dict.fromkeys(name for one in examples for name in _of(one))
    return ["outcome", *(one for one in named if asks_data or one != "sql"), "efficiency"]


def _of(example: Example) -> Iterator[str]:
    yield from _by_reference(example.reference)
    if example.trajectory:
        yield "trajectory_graded"
    if example.path:
        yield "graph_path"
    for name in example.expect:
        yield from _BY_EXPECTATION.get(name, ())


def _by_reference(reference: Any) -> Iterator[str]:
    if isinstance(reference, Mapping | list):
        yield "json"
    elif isinstance(reference, int | float) and not isinstance(reference, bool):
        yield "numeric"
    elif reference is not None:
        yield "exact"
        yield "string_distance"
