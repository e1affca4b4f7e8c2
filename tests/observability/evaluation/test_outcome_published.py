"""openevals' own published cases (its source distribution 0.2.2, tests/test_exact.py, test_levenshtein.py and
test_json.py, those that need no model) give the same scores through ours, with openevals itself asked beside.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from openevals.exact import exact_match
from openevals.json import create_json_match_evaluator
from openevals.string.levenshtein import levenshtein_distance
from tests.observability.evaluation.trials import score, trial

_SAME = {"a": 1, "b": 2}
_OTHER = {"a": 1, "b": 3}


@pytest.mark.parametrize(("outputs", "expected"), [(_SAME, True), (_OTHER, False)])
async def test_exact_says_what_openevals_says(outputs: Any, expected: bool) -> None:  # noqa: FBT001 - a table's value
    """test_exact_matcher, test_exact_matcher_with_different_values: from the output, and from an answer in JSON."""
    theirs = exact_match(outputs=outputs, reference_outputs=_SAME)["score"]
    of_output = await score("exact:path=result", trial(output={"result": outputs}, reference=_SAME))
    of_answer = await score("exact", trial(json.dumps(outputs), reference=_SAME))
    assert theirs == of_output.value == of_answer.value == expected


@pytest.mark.parametrize(
    ("outputs", "reference"),
    [(_SAME, _SAME), (_SAME, _OTHER), ("kitten", "sitting"), ("", ""), ("", "abc"), ("Straße ß", "Strasse ss")],
)
async def test_levenshtein_is_one_less_openevals_similarity(outputs: Any, reference: Any) -> None:
    """test_levenshtein, test_levenshtein_with_different_values, and texts; JSON as openevals writes it."""
    theirs = levenshtein_distance(outputs=outputs, reference_outputs=reference)["score"]
    ours = await score("string_distance:path=result", trial(output={"result": outputs}, reference=reference))
    assert ours.value == pytest.approx(1 - float(theirs))


@dataclass(frozen=True)
class _Case:
    """One published case: what is compared, how, and the score that its test expects."""

    name: str
    outputs: Any
    reference: Any
    expected: dict[str, float]
    aggregator: str | None = None
    list_aggregator: str = "all"
    mode: str = "same_elements"
    exclude: Sequence[str] = field(default=())


_AB = {"a": 1, "b": 2}
_TWO = [_AB, _AB]
_MISMATCH = [{"a": 1, "d": 2}, _AB], [_AB, {"a": 1, "b": 2, "c": 3}]
_KEYS = {"a": 1.0, "c": 0.0, "d": 0.0}
_REORDERED = [{"total": 1}, {"total": 1, "count": 2}]
_CASES = [
    _Case("base", _AB, _AB, {"a": 1, "b": 1}),
    _Case("average", _AB, _OTHER, {"average": 0.5}, "average"),
    _Case("exclude", _AB, _OTHER, {"average": 1}, "average", exclude=["b"]),
    _Case("all", _AB, _OTHER, {"all": 0}, "all"),
    _Case("list_all_none", _TWO, _TWO, {"a": 1, "b": 1}),
    _Case("list_average_none", _TWO, [_AB, _OTHER], {"a": 1, "b": 0.5}, None, "average"),
    _Case("list_all_all", _TWO, _TWO, {"all": 1}, "all"),
    _Case("list_average_all", _TWO, [_AB, _OTHER], {"all": 0.5}, "all", "average"),
    _Case("list_all_average", _TWO, [_AB, {"a": 2, "b": 2}], {"average": 0}, "average"),
    _Case("list_average_average", _TWO, [_AB, _OTHER], {"average": 0.75}, "average", "average"),
    _Case("list_mismatch_all_none", *_MISMATCH, {**_KEYS, "b": 0}),
    _Case("list_mismatch_average_none", *_MISMATCH, {**_KEYS, "b": 0.5}, None, "average"),
    _Case("list_mismatch_all_all", *_MISMATCH, {"all": 0}, "all"),
    _Case("list_mismatch_average_all", *_MISMATCH, {"all": 0}, "all", "average"),
    _Case("list_mismatch_all_average", *_MISMATCH, {"average": 0}, "average"),
    _Case("list_mismatch_average_average", *_MISMATCH, {"average": 0.5}, "average", "average"),
    _Case(
        "list_mismatch_output_missing",
        [{"a": 1, "b": 2, "d": 3}, {"a": 1, "b": 2, "c": 3}, {"a": 1, "b": 2, "d": 3}],
        [{"a": 1, "b": 2, "d": 3}, {"a": 1, "b": 2, "c": 3}, {"a": 1, "b": 2, "c": 3}],
        {"average": 5 / 6}, "average", "average",
    ),
    _Case("same_elements_extra_empty_output", [{"total": 6}, {}], [{"total": 6}], {"all": 0}, "all"),
    _Case("same_elements_extra_empty_reference", [{"total": 6}], [{"total": 6}, {}], {"all": 0}, "all"),
    _Case("same_elements_matched_empty_records", [{"total": 6}, {}], [{"total": 6}, {}], {"all": 1}, "all"),
    _Case("empty_superset_0", [{"total": 6}], [{"total": 6}, {}], {"all": 0}, "all", mode="superset"),
    _Case("empty_superset_1", [{"total": 6}, {}], [{"total": 6}], {"all": 1}, "all", mode="superset"),
    _Case("empty_subset_0", [{"total": 6}, {}], [{"total": 6}], {"all": 0}, "all", mode="subset"),
    _Case("empty_subset_1", [{"total": 6}], [{"total": 6}, {}], {"all": 1}, "all", mode="subset"),
    _Case("empty_ordered_0", [{"total": 6}, {}], [{"total": 6}], {"all": 0}, "all", mode="ordered"),
    _Case("empty_ordered_1", [{"total": 6}], [{"total": 6}, {}], {"all": 0}, "all", mode="ordered"),
    _Case("empty_ordered_2", [{"total": 6}, {}], [{"total": 6}, {}], {"all": 1}, "all", mode="ordered"),
    _Case("exact_extra_reference", [{"a": 1}] * 2, [{"a": 1}] * 3, {"average": 2 / 3}, "average", "average"),
    _Case("exact_extra_output", [{"a": 1}] * 3, [{"a": 1}] * 2, {"average": 2 / 3}, "average", "average"),
    _Case(
        "exact_unordered",
        [{"a": 1, "d": 2, "e": 2}, {"b": 1}, {"c": 1}], [{"b": 1, "d": 2, "e": 2}, {"a": 1}, {"c": 1}],
        {"average": 1}, "average", "average", exclude=["d", "e"],
    ),
    _Case("reordered_0", _REORDERED, _REORDERED[::-1], {"all": 1}, "all"),
    _Case("reordered_1", _REORDERED[::-1], _REORDERED, {"all": 1}, "all"),
    _Case(
        "subset_outputs", [{"a": 1}, {"b": 1}, {"c": 1}], [{"b": 1}, {"a": 1}], {"average": 1}, "average", "average",
        "superset",
    ),
    _Case("superset_empty_outputs", [], [{"a": 1}], {"average": 0}, "average", "average", "superset"),
    _Case(
        "subset_reference", [{"a": 1}, {"b": 1}], [{"b": 1}, {"c": 1}, {"a": 1}], {"average": 1}, "average", "average",
        "subset",
    ),
    _Case("order_wrong", [{"a": 1}, {"b": 1}], [{"b": 1}, {"a": 1}], {"average": 0}, "average", "average", "ordered"),
    _Case("order_right", [{"a": 1}, {"b": 1}], [{"a": 1}, {"b": 1}], {"average": 1}, "average", "average", "ordered"),
    _Case(
        "order", [{"a": 1}, {"b": 1}, {"c": 1}], [{"a": 1}, {"b": 1}, {"d": 1}], {"average": 2 / 3}, "average",
        "average", "ordered",
    ),
]  # fmt: skip


@pytest.mark.parametrize("case", _CASES, ids=lambda case: case.name)
async def test_json_says_what_openevals_says(case: _Case) -> None:
    """Each test_json_match_* of openevals: its expected score, what it says itself, and what ours says."""
    theirs: Any = create_json_match_evaluator(
        aggregator=case.aggregator,  # pyright: ignore[reportArgumentType] - a table's text
        list_aggregator=case.list_aggregator,  # pyright: ignore[reportArgumentType] - as above
        exclude_keys=list(case.exclude),
        list_match_mode=case.mode,  # pyright: ignore[reportArgumentType] - as above
    )(outputs=case.outputs, reference_outputs=case.reference)
    told = {
        "name": "json", "path": "result", "list_aggregator": case.list_aggregator, "list_match_mode": case.mode,
        "exclude_keys": list(case.exclude), "aggregator": case.aggregator or "average",
    }  # fmt: skip
    ours = await score(told, trial(output={"result": case.outputs}, reference=case.reference))
    said = {one["key"].removeprefix("json_match:"): float(one["score"]) for one in theirs}
    assert said == case.expected
    assert (ours.details["keys"] if case.aggregator is None else {case.aggregator: ours.value}) == said
