"""A typed answer or an error."""

from __future__ import annotations

from typing import Any, Literal, cast

import httpx
import openai
import pytest
from langchain_core.callbacks import AsyncCallbackHandler
from langchain_core.exceptions import ModelTimeoutError
from langchain_core.messages import HumanMessage
from langgraph.constants import TAG_NOSTREAM
from pydantic import BaseModel

from motet.agents.structured import ask
from motet.errors import BudgetExhausted, ModelFailed
from motet.testing import ScriptedModel

QUESTION = [HumanMessage("Which colour?")]


class Colour(BaseModel):
    """What is asked for."""

    name: Literal["red", "blue"]


async def test_a_fitting_reply_becomes_the_schema() -> None:
    """One call, one value; the JSON of the call isn't streamed to a chat."""
    seen: list[list[str]] = []

    class Tags(AsyncCallbackHandler):
        async def on_chat_model_start(self, *_: Any, tags: list[str] | None = None, **__: Any) -> None:
            seen.append(tags or [])

    model = ScriptedModel(['{"name": "red"}'], callbacks=[Tags()])

    assert await ask(model, QUESTION, Colour, tags=["draft"]) == Colour(name="red")
    assert [call.schema for call in model.calls] == ["Colour"]
    assert {TAG_NOSTREAM, "draft"} <= set(seen[0])


async def test_a_reply_that_doesnt_fit_goes_back_with_what_is_wrong() -> None:
    """The model sees its own reply and the concrete error, and may repair it."""
    model = ScriptedModel(["red, I think", '{"name": "green"}', '{"name": "blue"}'])

    assert await ask(model, QUESTION, Colour) == Colour(name="blue")

    last = model.calls[2].messages
    assert [message.text for message in last[:2]] == ["Which colour?", '{"name": "green"}']
    assert "'red' or 'blue'" in last[2].text


async def test_a_reply_that_the_client_can_not_read_goes_back_too() -> None:
    """A provider's client raises on a streamed reply that is no JSON; that is a reply to be repaired, no failure."""
    model = ScriptedModel([ValueError("expected ident at line 1 column 2"), '{"name": "blue"}'])

    assert await ask(model, QUESTION, Colour) == Colour(name="blue")
    assert "expected ident" in model.calls[1].messages[-1].text


async def test_rubbish_ends_in_an_error_after_two_repairs() -> None:
    """Never None: three replies that don't fit raise ModelFailed with the last error."""
    model = ScriptedModel(["no", "", '{"colour": 1}'])

    with pytest.raises(ModelFailed, match="3 replies did not fit Colour"):
        await ask(model, QUESTION, Colour)
    assert len(model.calls) == 3


@pytest.mark.parametrize(
    "error",
    [
        TimeoutError("slow"),
        httpx.ReadTimeout("slow"),
        ModelTimeoutError("slow"),
        openai.APITimeoutError(cast("Any", httpx.Request("POST", "http://localhost"))),
    ],
)
async def test_a_failing_call_is_a_failed_model(error: Exception) -> None:
    """Timeouts and provider errors become ModelFailed, without a repair that would cost another timeout."""
    model = ScriptedModel([error])
    with pytest.raises(ModelFailed, match=type(error).__name__):
        await ask(model, QUESTION, Colour)


async def test_a_spent_budget_passes_untouched() -> None:
    """Errors of ours that are raised inside a model call are no model failure."""
    model = ScriptedModel([BudgetExhausted("model_calls", spent=8, allowed=8)])
    with pytest.raises(BudgetExhausted):
        await ask(model, QUESTION, Colour)
