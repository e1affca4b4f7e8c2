"""Models of a test: what they answer in each way of being called, and what they remember."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

import pytest
from langchain.agents import create_agent
from langchain.agents.structured_output import ProviderStrategy, ToolStrategy
from langchain_core.exceptions import OutputParserException
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.tools import tool
from pydantic import BaseModel

from motet.testing import (
    FunctionModel,
    ScriptedModel,
    UnconsumedSteps,
    UnexpectedCall,
    streamed,
    tool_call,
)


@tool
def add(first: int, second: int) -> int:
    """Add two numbers."""
    return first + second


class Sum(BaseModel):
    """What is asked for."""

    value: int


class TypedSum(TypedDict):
    """The same, as a dict."""

    value: int


JSON_SUM = {"title": "Sum", "description": "A sum.", "type": "object", "properties": {"value": {"type": "integer"}}}

QUESTION: Any = {"messages": [("human", "What is 1 + 2?")]}


def a_script() -> ScriptedModel:
    """Adds, then says so."""
    return ScriptedModel([tool_call("add", first=1, second=2), "It is 3."])


def joined(chunks: Sequence[BaseMessage]) -> AIMessageChunk:
    """All chunks as one."""
    whole = chunks[0]
    for chunk in chunks[1:]:
        whole += chunk
    assert isinstance(whole, AIMessageChunk)
    return whole


async def test_an_agent_plays_the_script() -> None:
    """A tool call, its result, an answer: the agent loops as with a provider, and each call is kept."""
    with a_script() as model:
        answer = await create_agent(model, [add]).ainvoke(QUESTION)

    assert answer["messages"][-1].text == "It is 3."
    assert [call.messages[-1].text for call in model.calls] == ["What is 1 + 2?", "3"]
    assert model.calls[0].tools["add"]["description"] == "Add two numbers."
    assert model.calls[0].tools["add"]["parameters"]["required"] == ["first", "second"]


def test_a_synchronous_agent_plays_it_too() -> None:
    """`invoke` and `stream` need no event loop."""
    with a_script() as model:
        answer = create_agent(model, [add]).invoke(QUESTION)
    assert answer["messages"][-1].text == "It is 3."

    with a_script() as model:
        bound = model.bind_tools([add])
        assert joined(list(bound.stream("1 + 2"))).tool_calls[0]["args"] == {"first": 1, "second": 2}
        assert joined(list(model.stream("so?"))).text == "It is 3."


async def test_tool_calls_and_text_stream_in_pieces() -> None:
    """Name first, then bits of JSON that no one can read alone; usage and the mark of the end come last."""
    both = AIMessage("One moment.", tool_calls=[tool_call("add", first=1, second=2), tool_call("add", first=3)])
    with ScriptedModel([both]) as model:
        chunks = [chunk async for chunk in model.bind_tools([add]).astream("add 1 and 2")]

    assert [chunk.text for chunk in chunks[:2]] == ["One ", "moment."]
    calls = [piece for chunk in chunks if isinstance(chunk, AIMessageChunk) for piece in chunk.tool_call_chunks]
    assert (calls[0]["name"], calls[0]["id"], calls[0]["args"]) == ("add", "call-1-1", "")
    assert [piece["name"] for piece in calls].count("add") == 2
    assert len(calls) == 6
    whole = joined(chunks)
    assert [(call["id"], call["args"]) for call in whole.tool_calls] == [
        ("call-1-1", {"first": 1, "second": 2}),
        ("call-1-2", {"first": 3}),
    ]
    assert whole.usage_metadata == {"input_tokens": 4, "output_tokens": 2, "total_tokens": 6}
    assert whole.chunk_position == "last"


async def test_whole_and_streamed_are_the_same_answer() -> None:
    """The same step gives the same text, tool calls and usage, however it is asked for."""
    usage: Any = {"input_tokens": 50, "output_tokens": 7, "total_tokens": 57}
    step = AIMessage("So be it.", tool_calls=[tool_call("add", first=1)], usage_metadata=usage)
    with ScriptedModel([step] * 2) as model:
        whole = await model.ainvoke("?")
        pieces = joined([chunk async for chunk in model.astream("?")])

    assert (whole.text, whole.usage_metadata) == (pieces.text, pieces.usage_metadata) == ("So be it.", usage)
    assert [call["args"] for call in whole.tool_calls] == [call["args"] for call in pieces.tool_calls]
    assert step.tool_calls[0]["id"] is None


async def test_a_test_may_choose_the_pieces() -> None:
    """`streamed` gives exactly those, with the end and the usage added where they are missing; whole, they add up."""
    own = AIMessageChunk(content="!", chunk_position="last")
    with ScriptedModel([streamed("on", "ce"), streamed("twi", own), streamed("thr", "ice")]) as model:
        first = [chunk async for chunk in model.astream("?")]
        second = [chunk async for chunk in model.astream("?")]
        third = await model.ainvoke("?")

    assert [chunk.text for chunk in first] == ["on", "ce", ""]
    assert joined(first).usage_metadata == {"input_tokens": 1, "output_tokens": 1, "total_tokens": 2}
    assert [chunk.text for chunk in second] == ["twi", "!"]
    assert (type(third), third.text) == (AIMessage, "thrice")


async def test_an_error_is_raised_where_it_stands() -> None:
    """As a step it comes out of the call; among pieces, after what came before it."""
    with ScriptedModel([TimeoutError("slow"), streamed("half ", ConnectionError("cut"), "whole")]) as model:
        with pytest.raises(TimeoutError, match="slow"):
            await model.ainvoke("?")
        chunks: Any = model.astream("?")
        assert (await anext(chunks)).text == "half "
        with pytest.raises(ConnectionError, match="cut"):
            await anext(chunks)

    assert len(model.calls) == 2


async def test_broken_arguments_stay_broken() -> None:
    """A model that writes no JSON is played too: the call is invalid, streamed or not."""
    broken: Any = {"type": "invalid_tool_call", "name": "add", "args": "first is 1", "id": "1", "error": None}
    with ScriptedModel([AIMessage("", invalid_tool_calls=[broken])] * 2) as model:
        whole = await model.ainvoke("?")
        pieces = joined([chunk async for chunk in model.astream("?")])

    for message in (whole, pieces):
        assert message.tool_calls == []
        assert [call["args"] for call in message.invalid_tool_calls] == ["first is 1"]


async def test_a_step_may_be_a_function_of_the_messages() -> None:
    """Plain and coroutine functions both answer; a coroutine has no answer for a synchronous call."""

    async def later(messages: list[BaseMessage]) -> AIMessage:
        await asyncio.sleep(0)
        return AIMessage(messages[-1].text[::-1])

    with ScriptedModel([lambda messages: messages[-1].text.upper(), later, later]) as model:
        assert [(await model.ainvoke("abc")).text, (await model.ainvoke("abc")).text] == ["ABC", "cba"]
        with pytest.raises(TypeError, match="ainvoke or astream"):
            model.invoke("abc")


async def test_a_call_too_many_fails_with_what_was_asked() -> None:
    """The error names the call, the last message and the tools; code that swallows it fails the test at its end."""
    model = ScriptedModel(["only"])
    await model.ainvoke("first")
    with pytest.raises(UnexpectedCall, match="call 2, but the script has 1 steps"):
        await model.bind_tools([add]).ainvoke("second")
    with pytest.raises(UnexpectedCall) as ended:
        model.assert_complete()

    assert (ended.value.asked, ended.value.tools) == ("human: second", ("add",))


async def test_steps_left_over_fail() -> None:
    """What was never asked for is named; a test that failed already keeps its own error."""
    with pytest.raises(UnconsumedSteps, match="2 of 3 steps were never asked for: 'two'; 'three'"):
        with ScriptedModel(["one", "two", "three"]) as model:
            await model.ainvoke("?")

    with pytest.raises(ZeroDivisionError), ScriptedModel(["never"]):
        _ = 1 / 0


@pytest.mark.parametrize("step", [3, None, [], [3], {"name": "add"}])
def test_what_is_no_step_is_refused_at_once(step: Any) -> None:
    """The mistake is found where the script is written, with its place."""
    with pytest.raises(TypeError, match=r"steps\[1\] is no step"):
        ScriptedModel(["fine", step])


@pytest.mark.parametrize(
    ("schema", "expected"), [(Sum, Sum(value=3)), (JSON_SUM, {"value": 3}), (TypedSum, {"value": 3})]
)
async def test_structured_output_is_read_from_the_text(schema: Any, expected: object) -> None:
    """A Pydantic class gives an instance, JSON Schema and TypedDict a dict; the call says what was wanted."""
    with ScriptedModel(['{"value": 3}'] * 2) as model:
        structured = model.with_structured_output(schema)
        assert await structured.ainvoke("1 + 2") == expected
        assert structured.invoke("1 + 2") == expected

    assert model.calls[0].schema in {"Sum", "TypedSum"}


@pytest.mark.parametrize("schema", [Sum, JSON_SUM])
async def test_structured_output_may_come_with_its_message(schema: Any) -> None:
    """With `include_raw` a reply that doesn't fit is an error beside the message; without it is raised."""
    with ScriptedModel(['{"value": 3}', "three", "three"]) as model:
        structured = model.with_structured_output(schema, include_raw=True)
        good, bad = [await structured.ainvoke("1 + 2") for _ in range(2)]
        with pytest.raises(OutputParserException):
            await model.with_structured_output(schema).ainvoke("1 + 2")

    assert isinstance(good, dict)
    assert isinstance(bad, dict)
    assert (good["raw"].text, good["parsing_error"]) == ('{"value": 3}', None)
    assert good["parsed"] in (Sum(value=3), {"value": 3})
    assert (bad["raw"].text, bad["parsed"]) == ("three", None)
    assert isinstance(bad["parsing_error"], OutputParserException)


@pytest.mark.parametrize(
    ("strategy", "step"), [(ToolStrategy, tool_call("Sum", value=3)), (ProviderStrategy, '{"value": 3}')]
)
async def test_an_agent_answers_in_a_shape(strategy: Any, step: Any) -> None:
    """`create_agent`'s structured response works by a tool and by the provider's own format."""
    with ScriptedModel([step]) as model:
        answer = await create_agent(model, [add], response_format=strategy(Sum)).ainvoke(QUESTION)

    assert answer["structured_response"] == Sum(value=3)


async def test_events_tell_of_each_piece() -> None:
    """`astream_events` and LangGraph's `messages` mode both see the pieces."""
    with a_script() as model:
        events = [event async for event in create_agent(model, [add]).astream_events(QUESTION, version="v2")]
    pieces = [event["data"].get("chunk") for event in events if event["event"] == "on_chat_model_stream"]
    assert [piece.text for piece in pieces if piece and piece.text] == ["It ", "is ", "3."]

    with a_script() as model:
        agent: Any = create_agent(model, [add])
        parts = [message async for message, _ in agent.astream(QUESTION, stream_mode="messages")]
    assert [part.text for part in parts if part.text] == ["3", "It ", "is ", "3."]


async def test_a_function_answers_any_number_of_calls() -> None:
    """It is told the messages and the tools, and may be asynchronous; agents at once may share it."""

    async def answer(messages: list[BaseMessage], tools: Mapping[str, Mapping[str, Any]]) -> Any:
        await asyncio.sleep(0)
        if messages[-1].type == "tool":
            return f"It is {messages[-1].text}."
        assert tools["add"]["parameters"]["properties"].keys() == {"first", "second"}
        return tool_call("add", first=1, second=2)

    model = FunctionModel(answer)
    agent: Any = create_agent(model, [add])
    answers = await asyncio.gather(*(agent.ainvoke(QUESTION) for _ in range(3)))

    assert [one["messages"][-1].text for one in answers] == ["It is 3."] * 3
    assert len(model.calls) == 6
    assert len({call["id"] for one in answers for call in one["messages"][1].tool_calls}) == 3


def test_a_function_may_be_synchronous() -> None:
    """A plain function answers `invoke`; what is no reply is the test's mistake, said at once."""
    assert FunctionModel(lambda messages, _: messages[-1].text.upper()).invoke("abc").text == "ABC"
    with pytest.raises(TypeError, match="can't answer None"):
        FunctionModel(lambda *_: None).invoke("abc")  # pyright: ignore[reportArgumentType]  # the mistake
