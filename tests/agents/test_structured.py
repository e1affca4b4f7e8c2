"""A typed answer or an error; and the scripted model that these tests, and users' tests, speak with."""

from __future__ import annotations

import asyncio
from typing import Any, Literal, cast

import httpx
import openai
import pytest
from langchain_core.callbacks import AsyncCallbackHandler
from langchain_core.exceptions import ModelTimeoutError
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, HumanMessage, ToolCall
from langchain_core.tools import tool
from langgraph.constants import TAG_NOSTREAM
from pydantic import BaseModel

from motet.agents.scripted import ScriptedChatModel, ScriptExhausted
from motet.agents.structured import ask
from motet.errors import BudgetExhausted, ModelFailed

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

    model = ScriptedChatModel(script=['{"name": "red"}'], callbacks=[Tags()])

    assert await ask(model, QUESTION, Colour, tags=["draft"]) == Colour(name="red")
    assert [call.schema for call in model.calls] == ["Colour"]
    assert {TAG_NOSTREAM, "draft"} <= set(seen[0])


async def test_a_reply_that_doesnt_fit_goes_back_with_what_is_wrong() -> None:
    """The model sees its own reply and the concrete error, and may repair it."""
    model = ScriptedChatModel(script=["red, I think", '{"name": "green"}', '{"name": "blue"}'])

    assert await ask(model, QUESTION, Colour) == Colour(name="blue")

    last = model.calls[2].messages
    assert [message.text for message in last[:2]] == ["Which colour?", '{"name": "green"}']
    assert "'red' or 'blue'" in last[2].text


async def test_rubbish_ends_in_an_error_after_two_repairs() -> None:
    """Never None: three replies that don't fit raise ModelFailed with the last error."""
    model = ScriptedChatModel(script=["no", "", '{"colour": 1}'])

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
    model = ScriptedChatModel(script=[error])
    with pytest.raises(ModelFailed, match=type(error).__name__):
        await ask(model, QUESTION, Colour)


async def test_a_spent_budget_passes_untouched() -> None:
    """Errors of ours that are raised inside a model call are no model failure."""
    model = ScriptedChatModel(script=[BudgetExhausted("model_calls", spent=8, allowed=8)])
    with pytest.raises(BudgetExhausted):
        await ask(model, QUESTION, Colour)


async def test_the_scripted_model_streams_tool_calls_and_usage() -> None:
    """Chunks add up to the message: text, tool calls, tokens, and the mark of the last one."""

    @tool
    def add(first: int, second: int) -> int:
        """Add."""
        return first + second

    call = ToolCall(name="add", args={"first": 1, "second": 2}, id="1")
    model = ScriptedChatModel(script=[AIMessage("One moment.", tool_calls=[call])])

    chunks = [chunk async for chunk in model.bind_tools([add]).astream("add 1 and 2")]

    assert all(isinstance(chunk, AIMessageChunk) for chunk in chunks)
    whole = chunks[0]
    for chunk in chunks[1:]:
        whole += chunk
    assert isinstance(whole, AIMessageChunk)
    assert (whole.text, [dict(one) for one in whole.tool_calls]) == ("One moment.", [{**call, "type": "tool_call"}])
    assert whole.usage_metadata is not None
    assert whole.usage_metadata["input_tokens"] == 4
    assert whole.chunk_position == "last"
    assert len(chunks) > 3
    assert model.calls[0].tools == ("add",)


async def test_a_step_may_be_a_function_of_the_messages() -> None:
    """Plain and coroutine functions both answer from what they are given."""

    def shout(messages: list[BaseMessage]) -> str:
        return messages[-1].text.upper()

    async def later(messages: list[BaseMessage]) -> AIMessage:
        await asyncio.sleep(0)
        return AIMessage(messages[-1].text[::-1])

    model = ScriptedChatModel(script=[shout, later])
    assert [(await model.ainvoke("abc")).text, (await model.ainvoke("abc")).text] == ["ABC", "cba"]


async def test_a_script_that_is_used_up_says_so() -> None:
    """One call too many is an error that names the call and what was asked."""
    model = ScriptedChatModel(script=["only"])
    await model.ainvoke("first")
    with pytest.raises(ScriptExhausted, match="call 2, but the script has 1 steps; asked: 'second'"):
        await model.ainvoke("second")
