"""Who is sent a question, how sure that is, and what it is decided by."""

from __future__ import annotations

import pytest
from langchain_core.embeddings import Embeddings
from langchain_core.language_models import BaseChatModel

from motet.errors import BudgetExhausted, ModelFailed
from motet.graphs.crew.routing import DECIDED, UNSURE, Card, Router, Signal
from motet.testing import ScriptedModel


class Letters(Embeddings):
    """A vector of letter counts: near for texts of the same letters."""

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [[float(text.lower().count(letter)) for letter in "abcdefghijklmnopqrstuvwxyz"] for text in texts]

    def embed_query(self, text: str) -> list[float]:
        return self.embed_documents([text])[0]


def card(name: str, score: float = 0.0, *examples: str) -> Card:
    """A specialist that recognises the same share of every question."""

    async def signal(_: str) -> Signal:
        return Signal(score=score, reason=f"“word” in {name}'s source" if score else "")

    return Card(name=name, description=f"what {name} is for", examples=examples, signal=signal)


async def no_model() -> BaseChatModel:
    """Fails the test when a model is asked for."""
    pytest.fail("a model was asked")


async def test_a_lone_specialist_takes_everything() -> None:
    """Where nobody else could, nothing is weighed and nobody is asked."""
    decision = await Router([card("analyst")], model=no_model).route("anything")

    assert decision["agents"] == ["analyst"]
    assert decision["by"] == "only"


async def test_words_that_only_one_recognises_decide_without_a_model() -> None:
    """The reason says which words were found and where."""
    decision = await Router([card("analyst", 0.9), card("librarian", 0.1)], model=no_model).route("how many?")

    assert decision["agents"] == ["analyst"]
    assert decision["by"] == "rules"
    assert decision["confidence"] >= DECIDED
    assert "“word” in analyst" in decision["reason"]


async def test_the_nearest_exemplar_decides_where_words_do_not() -> None:
    """A specialist without sources of its own is found by the questions it is for."""
    cards = [card("analyst", 0.0, "zzz"), card("poet", 0.0, "write me verses")]
    decision = await Router(cards, model=no_model, embeddings=Letters()).route("write me a verse")

    assert decision["agents"] == ["poet"]
    assert decision["by"] == "exemplars"
    assert "write me verses" in decision["reason"]


async def test_the_model_is_asked_when_the_rest_does_not_decide() -> None:
    """It chooses among the names and nothing else, and its word is told as a reason."""
    with ScriptedModel(['{"specialist": "librarian"}']) as model:

        async def chat() -> BaseChatModel:
            return model

        decision = await Router([card("analyst", 0.5), card("librarian", 0.5)], model=chat).route("well?")

    assert decision["agents"] == ["librarian"]
    assert decision["by"] == "model"
    assert decision["confidence"] >= UNSURE


async def test_a_model_against_all_words_leaves_the_choice_unsure() -> None:
    """Two opinions that contradict each other are a case for a person."""
    with ScriptedModel(['{"specialist": "librarian"}']) as model:

        async def chat() -> BaseChatModel:
            return model

        decision = await Router([card("analyst", 0.7), card("librarian", 0.5)], model=chat).route("well?")

    assert decision["confidence"] < UNSURE + 0.1
    assert decision["confidence"] < DECIDED


async def test_a_reason_names_whom_it_spoke_for() -> None:
    """Where the model overturns what words say, their reason isn't told as one for its choice."""
    with ScriptedModel(['{"specialist": "librarian"}']) as model:

        async def chat() -> BaseChatModel:
            return model

        decision = await Router([card("analyst", 0.5), card("librarian", 0.4)], model=chat).route("well?")

    assert decision["agents"] == ["librarian"]
    assert decision["reason"] == "“word” in analyst's source spoke for analyst; the model says librarian"


async def test_a_model_alone_is_never_sure() -> None:
    """Where nobody recognises anything, the model's choice is a guess, and a person is asked."""
    with ScriptedModel(['{"specialist": "librarian"}']) as model:

        async def chat() -> BaseChatModel:
            return model

        decision = await Router([card("analyst"), card("librarian")], model=chat).route("well?")

    assert decision["agents"] == ["librarian"]
    assert decision["confidence"] < UNSURE


async def test_a_spent_budget_leaves_the_other_opinions() -> None:
    """Routing never fails a run: what words say stands."""

    async def spent() -> BaseChatModel:
        raise BudgetExhausted("model_calls", spent=1, allowed=1)

    decision = await Router([card("analyst", 0.5), card("librarian", 0.4)], model=spent).route("well?")

    assert decision["agents"] == ["analyst"]


async def test_who_recognises_something_too_is_named_second() -> None:
    """So that a wrong choice can be mended when the first finds nothing."""
    cards = [card("analyst", 0.9), card("librarian", 0.4), card("poet", 0.0)]
    decision = await Router(cards, model=no_model).route("well?")

    assert decision["second"] == "librarian"


class Down(Letters):
    """Embeddings whose service doesn't answer."""

    def embed_documents(self, texts: list[str]) -> list[list[float]]:  # noqa: ARG002 - the class' signature
        raise ModelFailed("embeddings", "it is down")


async def test_embeddings_that_fail_leave_the_words() -> None:
    """Routing goes on, as searching does."""
    cards = [card("analyst", 0.0, "zzz"), card("poet", 0.0, "write me a verse")]
    decision = await Router(cards, model=no_model, embeddings=Down()).best_guess("write me a verse")

    assert decision["agents"] == ["poet"]
