"""How evaluators are asked for, and what is refused."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from motet.errors import InvalidConfig
from motet.observability.evaluation.evaluator import Means
from motet.observability.evaluation.judged import Judged
from motet.observability.evaluation.registry import as_told, described, evaluators, names
from motet.observability.evaluation.telling import named


@pytest.mark.parametrize(
    ("told", "name", "arguments"),
    [
        ("exact", "exact", {}),
        ("numeric:relative=0.01,take=last", "numeric", {"relative": 0.01, "take": "last"}),
        ("exact:path=findings[0].answer", "exact", {"path": "findings[0].answer"}),
        (
            'judge:criteria="Is it polite, and short?",votes=3',
            "judge",
            {"criteria": "Is it polite, and short?", "votes": 3},
        ),
        (
            "judge:criteria=Is it polite?,model=openai:gpt-5-mini",
            "judge",
            {"criteria": "Is it polite?", "model": "openai:gpt-5-mini"},
        ),
        ('json:exclude_keys=["a","b"]', "json", {"exclude_keys": ["a", "b"]}),
        ("mine:check", "mine:check", {}),
        ("mine:check:a=1,b=x y", "mine:check", {"a": 1, "b": "x y"}),
        ("dir/mine.py:check", "dir/mine.py:check", {}),
        ({"name": "regex", "pattern": "a,b"}, "regex", {"pattern": "a,b"}),
    ],
)
def test_what_is_told_is_read(told: str | Mapping[str, Any], name: str, arguments: Mapping[str, Any]) -> None:
    """Values are JSON where they can be, else texts; quotes hold commas together."""
    read = as_told(told)
    assert (read.name, read.arguments) == (name, arguments)
    assert as_told(read.as_json()) == read


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ("exacct", "there is none of that name; there are exact, numeric, json"),
        ("numeric:tolerance=1", "it takes no tolerance; it takes path, reference, key, relative, absolute, take"),
        ("numeric:take=all", "take: 'all' is not allowed: Input should be 'nearest', 'first', 'last' or 'only'"),
        ("numeric:relative=much", "relative: 'much' is not allowed"),
        ("judge:votes=true", "votes: True is not allowed"),
        ("exact:path", "'path' is not argument=value"),
        ({"path": "x"}, "has no name"),
        ("", "has no name"),
    ],
)
def test_what_isnt_known_is_refused(told: str | Mapping[str, Any], said: str) -> None:
    """With what is allowed in its place."""
    with pytest.raises(InvalidConfig) as refused:
        evaluators([told], Means())
    assert said in str(refused.value)


def test_two_evaluators_need_two_metrics() -> None:
    """Of one kind two can be asked for where each has a key of its own."""
    both = ["string_distance", "string_distance:algorithm=jaro"]
    with pytest.raises(InvalidConfig, match="its metric string_distance is string_distance's already"):
        evaluators(both, Means())
    made = evaluators([both[0], f"{both[1]},key=jaro"], Means())
    assert [list(one.scales) for one in made] == [["string_distance"], ["jaro"]]


def test_a_name_says_how_it_was_told() -> None:
    """An evaluator's name has what isn't as by default, and asks for the same one again."""
    told = ['judge:criteria="Is it polite, and short?",votes=3', "numeric:relative=0.01", "regex:pattern=a", "exact"]
    made = [one.name for one in evaluators(told, Means())]
    assert made == told
    assert [one.name for one in evaluators(made, Means())] == made


@given(st.text(max_size=20), st.text(max_size=20), st.integers(0, 9))
def test_a_name_can_always_be_read_again(criteria: str, model: str, votes: int) -> None:
    """Whatever texts are told, commas, quotes and equals signs too, the name asks for the very same."""
    told = Judged(criteria=criteria, model=model, votes=votes)
    assert Judged(**as_told(named("judge", told)).arguments) == told


def test_all_are_described() -> None:
    """Each built-in evaluator says what it is for, and each argument what it means."""
    found = {one.name: one for one in described()}
    assert list(found) == list(names())
    assert {"exact", "numeric", "json", "regex", "string_distance", "embedding_distance", "citations", "sql", "judge",
            "pairwise"} <= found.keys()  # fmt: skip
    assert all(one.about for one in found.values())
    algorithm = next(one for one in found["string_distance"].arguments if one.name == "algorithm")
    assert algorithm.allowed == ("levenshtein", "damerau_levenshtein", "jaro", "jaro_winkler", "indel", "hamming")
    undescribed = [
        f"{one.name}.{argument.name}"
        for one in found.values()
        for argument in one.arguments
        if not argument.about and argument.name != "ignore_case"
    ]
    assert undescribed == []


def test_heavy_packages_wait_until_they_are_needed() -> None:
    """Naming and making the evaluators imports neither openevals nor what computes distances."""
    code = (
        "import sys; from motet.observability.evaluation.registry import evaluators, described, names;"
        "from motet.observability.evaluation.evaluator import Means;"
        "evaluators(['exact', 'json', 'string_distance', 'embedding_distance', 'sql', 'judge', 'citations'], Means());"
        "described();"
        "print([one for one in ('openevals', 'rapidfuzz', 'scipy', 'sqlglot', 'langchain.chat_models', 'statsmodels')"
        " if one in sys.modules])"
    )
    told = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60)
    assert told.stdout.strip() == "[]"
