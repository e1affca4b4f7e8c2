"""Exact, regular expressions, numbers and JSON: what is compared, and what is said of a difference."""

from __future__ import annotations

from typing import Any

import pytest
from tests.observability.evaluation.trials import score, scores, trial

from motet.errors import InvalidConfig
from motet.observability.evaluation.evaluator import Means
from motet.observability.evaluation.outcome_numeric import numbers
from motet.observability.evaluation.registry import evaluators


async def test_an_example_without_a_reference_has_no_score() -> None:
    """Where an example says nothing to compare with, nothing is said."""
    told = ("exact", "numeric", "json", "regex", "string_distance", "embedding_distance", "sql")
    assert [await scores(one, trial("an answer")) for one in told] == [{}] * len(told)


@pytest.mark.parametrize(
    ("answer", "reference", "same"),
    [
        ("Paris", "Paris", True),
        ("paris", "Paris", False),
        ("42", 42, True),
        ("42.0", 42, False),
        ('```json\n{"b": 1, "a": [2]}\n```', {"a": [2], "b": 1}, True),
        ("no JSON", {"a": 1}, False),
        ("true", "true", True),
    ],
)
async def test_exact_takes_json_where_the_reference_is_json(answer: str, reference: Any, same: bool) -> None:  # noqa: FBT001 - a table's value
    """A text is compared as a text, letter by letter; anything else as JSON."""
    assert (await score("exact", trial(answer, reference=reference))).value is same


async def test_a_path_leads_into_the_output() -> None:
    """`findings[0].answer` and `[-1]` work as in Python; what isn't there is named."""
    tried = trial(output={"findings": [{"answer": "x"}, {"answer": "y"}]}, reference="y")
    assert (await score("exact:path=$.findings[-1].answer", tried)).value is True
    missing = await score("exact:path=findings[2].answer", tried)
    assert (missing.value, missing.comment) == (False, "the output has no findings[2]")
    with pytest.raises(InvalidConfig, match=r"exact\.path"):
        evaluators(["exact:path=a..b"], Means())


async def test_a_pattern_may_be_the_examples() -> None:
    """Each pattern of expect.regex must occur, and those that don't are named."""
    tried = trial("It opened in 1889.", expect={"regex": [r"\b18\d\d\b", "Eiffel"]})
    found = await score("regex", tried)
    assert (found.value, found.details["matched"], found.comment) == (False, ["1889"], "nothing matches Eiffel")
    assert (await score("regex:pattern=IT OPENED,ignore_case=true", tried)).value is True
    assert (await score({"name": "regex", "pattern": "It", "whole": True}, tried)).value is False
    with pytest.raises(InvalidConfig, match=r"regex\.pattern"):
        evaluators([{"name": "regex", "pattern": "("}], Means())


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("1,234.5 of 10,000", [1234.5, 10000]),
        ("down -3 % and \u22123.5", [-3, -3.5]),
        ("1e6, 2.5E-3, .5", [1e6, 0.0025, 0.5]),
        ("1.2 million and 3 thousand", [1.2e6, 3000]),
        ("from 3-5 on 2010-03-01", [3, 5, 2010, 3, 1]),
        ("It is 24.", [24]),
        ("v2 of B52, 1,2,3", [1, 2, 3]),
        ("- 42\n- -3\n* 5", [42, -3, 5]),
        ("-$5, \u2212 \u20ac3 and $7", [-5, -3, 7]),
        ("It is _42_ or **43**, item_44 aside.", [42, 43]),
        ("none", []),
    ],
)
def test_numbers_as_people_write_them(text: str, values: list[float]) -> None:
    """Thousands, signs, percents, powers and words of scale are read; what belongs to a name isn't."""
    assert [one.value for one in numbers(text)] == values


@pytest.mark.parametrize(
    ("told", "answer", "reference", "value", "taken"),
    [
        ("numeric", "It has 1,234.5 horses.", 1234.5, True, "1,234.5"),
        ("numeric", "It has 1,234.6 horses.", 1234.5, False, "1,234.6"),
        ("numeric:relative=0.01", "About 100.9", "100", True, "100.9"),
        ("numeric:absolute=0.5", "About 100.6", 100, False, "100.6"),
        ("numeric", "It fell by -3 %.", -0.03, True, "-3 %"),
        ("numeric", "It fell by -3 %.", -3, True, "-3 %"),
        ("numeric:take=last", "7 of 9", 7, False, "9"),
        ("numeric:take=first", "7 of 9", 7, True, "7"),
        ("numeric:take=only", "7 of 9", 7, False, None),
        ("numeric", "I don't know.", 7, False, None),
        ("numeric", "No cars had 8 cylinders; 108 had.", 108, True, "108"),
    ],
)
async def test_a_number_within_tolerance(told: str, answer: str, reference: Any, value: bool, taken: str) -> None:  # noqa: FBT001 - a table's value
    """The answer's number counts within the tolerance, and which was taken is said."""
    found = await score(told, trial(answer, reference=reference))
    assert (found.value, found.details["taken"]) == (value, taken)


@pytest.mark.parametrize(
    ("question", "answer", "reference", "value", "taken"),
    [
        ("How many cars of 1982 had 4?", "Of the cars of 1982, 31 had.", 1975, False, "31"),
        ("Are 5 or more red?", "Yes, 5 of 10.", 5, True, "5"),
        ("How many?", "Of all, 31.\n\n```sql\nSELECT 30\n```\n\n| n |\n| 30 |", 30, False, "31"),
        ("How many?", "Look:\n\n| n |\n| 30 |", 30, True, "30"),
    ],
)
async def test_which_number_is_taken(question: str, answer: str, reference: int, value: bool, taken: str) -> None:  # noqa: FBT001 - a table's value
    """The question's numbers are passed over unless one is the answer; quotes, queries and tables are read last."""
    found = await score("numeric:relative=0.01", trial(answer, question=question, reference=reference))
    assert (found.value, found.details["taken"]) == (value, taken)


async def test_a_reference_that_is_no_number_is_an_error() -> None:
    """What can't be compared is an error, not a wrong answer."""
    found = await score("numeric", trial("7", reference="seven"))
    assert (found.value, found.error) == (None, "the reference 'seven' is no number")


async def test_json_names_each_difference() -> None:
    """Partial credit, and each loss with its place, nested ones too."""
    given = {"a": 1, "b": {"c": [1, 2]}, "e": 5}
    wanted = {"a": 1, "b": {"c": [1, 3, 4]}, "d": 2}
    found = await score("json:path=result", trial(output={"result": given}, reference=wanted))
    assert found.value == 0.25
    assert found.details["differences"] == [
        "b.c[1] is 2, not 3", "b.c[2] is missing", "d is missing", "e isn't in the reference",
    ]  # fmt: skip


async def test_json_compares_lists_of_plain_values() -> None:
    """A list of numbers or texts counts element by element, which openevals by itself can't."""
    tried = trial('["x", "y"]', reference=["y", "z"])
    found = await score("json", tried)
    assert found.value == pytest.approx(1 / 2)
    assert found.details["differences"] == ["[0]: 'x' isn't in the reference", "'z' is missing"]
    assert (await score("json", trial("[1]", reference={"a": 1}))).comment == "it is a list, the reference is none"
    assert (await score("json", trial("so so", reference={"a": 1}))).value == 0


@pytest.mark.parametrize(
    ("told", "expect", "named"),
    [
        ({"name": "regex", "pattern": "(a|aa)+$"}, {}, "regex.pattern: '(a|aa)+$'"),
        ("regex", {"regex": ["a", "(a|aa)+$"]}, "regex.pattern: '(a|aa)+$'"),
        ({"name": "citations", "pattern": "(?P<source>(a|aa)+)$"}, {}, "citations.pattern: '(?P<source>(a|aa)+)$'"),
    ],
)
async def test_a_pattern_that_never_ends_is_stopped(
    told: str | dict[str, Any], expect: dict[str, Any], named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At its limit: the score's error names evaluator and pattern, and the next trial is scored as ever."""
    monkeypatch.setattr("motet.observability.evaluation.bounded_pattern.LIMIT_S", 0.1)
    found = await scores(told, trial("a" * 200 + "b", expect=expect))

    assert found
    assert {one.value for one in found.values()} == {None}
    assert all(
        one.error.startswith(f"{named} is not allowed; allowed: a pattern that is done") for one in found.values()
    )
    again = await scores(told, trial("aaa", expect=expect))
    assert again
    assert not any(one.error for one in again.values())


@pytest.mark.parametrize(
    ("told", "answer", "reference", "value"),
    [
        ("exact", "Caf\u00e9", "Cafe\u0301", True),
        ("exact", "Cafe\u0301", "Caf\u00e9", True),
        ("exact", '{"Stra\u00dfe": ["u\u0308"]}', {"Stra\u00dfe": ["\u00fc"]}, True),
        ("string_distance", "Cafe\u0301", "Caf\u00e9", 0.0),
        ("json", '{"name": "Cafe\u0301"}', {"name": "Caf\u00e9"}, 1.0),
        ("exact", "\ufb01n", "fin", False),
        ("exact", "2\u00b2", "22", False),
    ],
)
async def test_one_text_in_two_encodings_is_one(told: str, answer: str, reference: Any, value: object) -> None:
    """What Unicode calls canonically equivalent is equal; what only looks alike, or means as much, isn't."""
    found = await scores(told, trial(answer, reference=reference))
    assert next(iter(found.values())).value == value
