"""Two answers to one example, compared in both orders."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import pytest
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage
from tests.observability.evaluation.trials import trial

from motet.observability.evaluation.evaluator import Means, Score
from motet.observability.evaluation.judged_pairwise import Pairwise
from motet.observability.evaluation.registry import evaluators
from motet.testing import FunctionModel, ScriptedModel

_GOOD, _BAD = trial("The tower: 1889.", question="When?", target="old"), trial("Dunno.", question="When?", target="new")


def _first_answer(messages: list[BaseMessage]) -> str:
    found = re.search(r'part="first answer[^"]*">\n(.*?)\n</data', messages[-1].text, re.DOTALL)
    assert found is not None
    return found[1]


def _word(word: str) -> str:
    return json.dumps({"reasoning": f"it is {word}", "score": word})


def _likes_good(messages: list[BaseMessage], _: Any) -> str:
    return _word("first" if "1889" in _first_answer(messages) else "second")


def _pairwise(model: BaseChatModel, told: str = "pairwise") -> Pairwise:
    async def chat(name: str) -> BaseChatModel:
        assert name == ""
        return model

    [one] = evaluators([told], Means(chat=chat))
    assert isinstance(one, Pairwise)
    return one


async def _preferred(model: BaseChatModel, told: str = "pairwise") -> Score:
    return await _pairwise(model, told).preferred(_GOOD, _BAD)


async def test_the_better_one_wins_in_either_order() -> None:
    """A judge that looks at the answers says the same in both orders, and for both ways round."""
    model = FunctionModel(_likes_good)
    found = await _preferred(model)
    swapped = await _pairwise(model).preferred(_BAD, _GOOD)
    assert (found.value, found.details["preferred"]) == ("a", "old")
    assert (swapped.value, swapped.details["preferred"]) == ("b", "old")
    assert sorted(one["order"] for one in found.details["orders"]) == [("a", "b"), ("b", "a")]


async def test_a_judge_that_likes_a_place_says_nothing() -> None:
    """Always the first, or always the second: a tie, and it is said why."""
    for word in ("first", "second"):
        found = await _preferred(FunctionModel(lambda *_, word=word: _word(word)))
        assert (found.value, found.details["swayed"], found.details["preferred"]) == ("tie", True, "")
        assert "the two orders disagree" in found.comment


async def test_a_tie_in_both_orders_is_one() -> None:
    """Both times neither is better."""
    found = await _preferred(FunctionModel(lambda *_: _word("tie")))
    assert (found.value, found.details["swayed"]) == ("tie", False)


async def test_names_are_told_only_when_asked() -> None:
    """Unlabelled, no target's name is in any prompt; labelled, both are."""
    for told, there in (("pairwise", False), ("pairwise:labelled=true", True)):
        model = FunctionModel(_likes_good)
        await _preferred(model, told)
        texts = ["".join(message.text for message in call.messages) for call in model.calls]
        assert [("of old" in text, "of new" in text) for text in texts] == [(there, there)] * 2


async def test_the_first_order_is_drawn_from_the_seed_and_kept() -> None:
    """Over seeds both orders come first, and one seed always draws the same."""
    first: list[Any] = []
    for seed in range(12):
        pair = [replace(one, seed=seed) for one in (_GOOD, _BAD)]
        found = [await _pairwise(FunctionModel(_likes_good)).preferred(*pair) for _ in range(2)]
        assert found[0].details == found[1].details
        first.append(found[0].details["orders"][0]["order"])
    assert set(first) == {("a", "b"), ("b", "a")}


async def test_votes_in_each_order() -> None:
    """The majority of each order's votes counts; no majority is a tie."""
    replies = [_word("first"), _word("tie"), _word("first"), _word("second"), _word("second"), _word("second")]
    with ScriptedModel(replies) as model:
        found = await _preferred(model, "pairwise:votes=3")
    first = found.details["orders"][0]["order"][0]
    assert found.value == first
    with ScriptedModel([_word("first"), _word("tie"), _word("second"), *[_word("first")] * 3]) as model:
        assert (await _preferred(model, "pairwise:votes=3")).value == "tie"


async def test_rubbish_and_no_model_are_errors() -> None:
    """A reply that can't be read has no value, nor has a comparison without a model."""
    found = await _preferred(FunctionModel(lambda *_: "the first, clearly"))
    assert found.value is None
    assert "its reply is no JSON object" in found.error
    [one] = evaluators(["pairwise"], Means())
    assert isinstance(one, Pairwise)
    assert (await one.preferred(_GOOD, _BAD)).error == "there is no model here that could judge"


async def test_a_single_trial_is_no_pair() -> None:
    """As an evaluator it says nothing, and two examples can't be compared."""
    one = _pairwise(FunctionModel(_likes_good))
    assert await one.score(_GOOD) == ()
    with pytest.raises(ValueError, match="two examples"):
        await one.preferred(_GOOD, replace(_BAD, example=replace(_BAD.example, example_id="two")))


async def test_what_a_graph_without_a_text_answers_is_its_output() -> None:
    """As `judge` has it: else two outputs that differ would both be no answer."""
    seen: list[str] = []

    def judged(messages: list[BaseMessage], _: Any) -> str:
        seen.append(messages[-1].text)
        return _word("tie")

    old, new = (
        replace(one, observed=replace(one.observed, answer="", output={"n": number}))
        for number, one in ((31, _GOOD), (32, _BAD))
    )
    await _pairwise(FunctionModel(judged)).preferred(old, new)
    assert '{"n": 31}' in seen[0]
    assert '{"n": 32}' in seen[0]
