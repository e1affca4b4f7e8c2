"""Agreement beyond chance is Cohen's, and chance is never taken for agreement."""

from __future__ import annotations

import random

import numpy as np
import pytest
from tests.observability.evaluation.plain_statistics import as_much_agreement, kappa_of, margin

from motet.observability.evaluation.statistics.agreement import kappa


def test_a_textbook_table() -> None:
    """20 and 15 agreed, 5 and 10 not: kappa is 0.4, of 0.7 observed and 0.5 expected."""
    a = ["yes"] * 25 + ["no"] * 25
    found = kappa(a, ["yes"] * 20 + ["no"] * 5 + ["yes"] * 10 + ["no"] * 15)

    assert found.kappa == pytest.approx(0.4)
    assert (found.observed, found.expected, found.n) == (0.7, 0.5, 50)
    assert (found.interval.low, found.interval.high) == pytest.approx((0.1511, 0.6489), abs=5e-4)
    assert found.better_than_chance

    three = kappa(list("aaaabbbccc"), list("aaabbbbcca"))
    assert three.kappa == pytest.approx(23 / 33)


def test_a_thousand_tables_agree_with_fractions() -> None:
    """Kappa is that of its definition, on 1,000 random tables of one or two categories."""
    rng = random.Random(10)  # noqa: S311 - tables of a test
    for _ in range(1000):
        labels = "ab"[: rng.randint(1, 2)]
        n = rng.randint(1, 30)
        a, b = ([rng.choice(labels) for _ in range(n)] for _ in range(2))
        expected = kappa_of(a, b)
        assert kappa(a, b).kappa == (None if expected is None else pytest.approx(float(expected), abs=1e-12))


def test_p_values_are_those_of_every_order() -> None:
    """On 100 random tables of up to 6 items the p-value is the share of orders that agree as much."""
    rng = random.Random(11)  # noqa: S311 - tables of a test
    for _ in range(100):
        n = rng.randint(2, 6)
        a, b = ([rng.choice("abc") for _ in range(n)] for _ in range(2))
        assert kappa(a, b).p_value == pytest.approx(float(as_much_agreement(a, b)), abs=1e-12)


def guessed(judges: int) -> None:
    """Of guessing judges on 20 items at most 5 % seem better than chance, within the error."""
    rng = np.random.default_rng(12)
    drawn = rng.choice(["good", "fair", "bad"], size=(judges, 2, 20)).tolist()
    alarms = sum(kappa(a, b, seed=place).better_than_chance for place, (a, b) in enumerate(drawn)) / judges

    assert alarms <= 0.05 + margin(0.05, judges)


def test_a_judge_who_guesses_is_rarely_taken_for_better() -> None:
    """Of 60."""
    guessed(60)


@pytest.mark.all
def test_of_many_judges_who_guess_few_are_taken_for_better() -> None:
    """Of 1,000."""
    guessed(1000)


def test_one_category_tells_nothing() -> None:
    """A judge who always says yes has kappa 0 (or none, if people do too), any interval, and isn't better."""
    always = kappa(["yes", "no", "yes"], ["yes"] * 3)
    assert (always.kappa, always.p_value, always.better_than_chance) == (0.0, 1.0, False)
    assert (always.interval.low, always.interval.high) == (-1.0, 1.0)
    assert always.interval.note == "a rater used one category only"
    assert kappa(["yes"] * 3, ["yes"] * 3).kappa is None

    nothing = kappa([], [])
    assert (nothing.kappa, nothing.observed, nothing.n, nothing.interval.note) == (None, None, 0, "no items")


def test_agreeing_always_is_not_being_sure() -> None:
    """Five of five agreed is kappa 1 with a wide interval and a note; more narrow it."""
    few, many = (kappa(["y", "n", "y", "y", "n"] * times, ["y", "n", "y", "y", "n"] * times) for times in (1, 20))

    assert few.kappa == many.kappa == 1.0
    assert few.interval.low < 0.2
    assert many.interval.low > 0.9
    assert few.interval.note == "the raters always or never agree"


@pytest.mark.parametrize("labels", [[], ["y", "y"], ["y", "n", "y"]])
def test_a_level_that_is_none_is_named(labels: list[str]) -> None:
    """Whatever the raters said."""
    with pytest.raises(ValueError, match=r"level: 1.5 is not allowed"):
        kappa(labels, labels, level=1.5)
