"""Holm's adjustment of many p-values."""

from __future__ import annotations

import gc
import math
import random
from collections.abc import Iterator

import pytest
from tests.observability.evaluation.plain_statistics import holm_adjusted

from motet.observability.evaluation.statistics.holm import holm


@pytest.fixture(autouse=True)
def few_objects() -> Iterator[None]:
    """Each call of statsmodels' collects garbage; of so many objects as tests load that takes 0.1 s a call."""
    gc.freeze()
    yield
    gc.unfreeze()


def test_it_has_its_known_values() -> None:
    """Of 0.01, 0.04, 0.03, 0.005: 0.03, 0.06, 0.06, 0.02, in the order given."""
    found = holm({"d": 0.01, "a": 0.04, "c": 0.03, "b": 0.005})
    assert list(found) == ["d", "a", "c", "b"]
    assert list(found.values()) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_a_thousand_tables_agree_with_its_definition() -> None:
    """On 1,000 random sets, ties included, each is the greatest step up to it."""
    rng = random.Random(9)  # noqa: S311 - tables of a test
    for _ in range(1000):
        told = {str(place): round(rng.random() ** 3, 2) for place in range(rng.randint(1, 12))}
        assert list(holm(told).values()) == pytest.approx(holm_adjusted(list(told.values())))


def test_no_metric_and_one_metric() -> None:
    """None gives none; one stays as it is."""
    assert holm({}) == {}
    assert holm({"only": 0.04}) == {"only": 0.04}


@pytest.mark.parametrize("wrong", [math.nan, -0.1, 1.1])
def test_what_is_no_p_value_is_named(wrong: float) -> None:
    """A ValueError names the metric."""
    with pytest.raises(ValueError, match=r"p_values\['latency'\]"):
        holm({"exact": 0.1, "latency": wrong})
