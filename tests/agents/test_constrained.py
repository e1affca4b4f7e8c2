"""Tool calls as constrained JSON: to LangChain the model is any other chat model."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from typing import Any, Literal

import pytest
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from langchain.agents import create_agent
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import tool
from pydantic import BaseModel, Field, SecretStr
from tests.listening import served

from motet.agents.constrained import ConstrainedChat
from motet.errors import InvalidInput, ModelFailed
from motet.testing import allow_model_requests

USAGE = {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12}


@pytest.fixture(autouse=True)
def _its_server_is_ours() -> Iterator[None]:
    with allow_model_requests(ConstrainedChat):
        yield


class Upstream:
    """An OpenAI-compatible server that says what it is told to, and remembers what it was asked."""

    def __init__(self) -> None:
        self.port = 0
        self.replies: list[str] = []
        self.finish: Literal["stop", "length"] = "stop"
        self.asked: list[dict[str, Any]] = []
        self.app = FastAPI()
        self.app.add_api_route("/v1/chat/completions", self.complete, methods=["POST"], response_model=None)

    async def complete(self, request: Request) -> Response:
        """Answer with the next reply, whole or piece by piece."""
        body = await request.json()
        self.asked.append(body)
        text = self.replies.pop(0)
        head = {"id": "c1", "created": 1, "model": body["model"]}
        if body.get("stream"):
            return StreamingResponse(self.pieces(head, text), media_type="text/event-stream")
        choice = {"index": 0, "finish_reason": self.finish, "message": {"role": "assistant", "content": text}}
        return JSONResponse({**head, "object": "chat.completion", "choices": [choice], "usage": USAGE})

    async def pieces(self, head: dict[str, Any], text: str) -> AsyncIterator[str]:
        """Three characters at a time, then the end, then the usage."""
        deltas = [{"content": text[at : at + 3]} for at in range(0, len(text), 3)]
        choices: list[list[dict[str, Any]]] = [[{"index": 0, "delta": delta}] for delta in deltas]
        choices.append([{"index": 0, "delta": {}, "finish_reason": self.finish}])
        for chosen in choices:
            yield f"data: {json.dumps({**head, 'object': 'chat.completion.chunk', 'choices': chosen})}\n\n"
        last = {**head, "object": "chat.completion.chunk", "choices": [], "usage": USAGE}
        yield f"data: {json.dumps(last)}\n\ndata: [DONE]\n\n"

    def asked_schema(self) -> dict[str, Any]:
        """The schema of the last request."""
        return self.asked[-1]["response_format"]["json_schema"]["schema"]


@pytest.fixture
async def upstream() -> AsyncGenerator[Upstream]:
    """A running server on loopback."""
    made = Upstream()
    async with served(made.app, log_level="error") as made.port:
        yield made


@pytest.fixture
def chat(upstream: Upstream) -> ConstrainedChat:
    """The model under test."""
    return ConstrainedChat(
        model="tiny",
        base_url=f"http://127.0.0.1:{upstream.port}/v1",
        api_key=SecretStr("none"),
        temperature=0,
        stream_usage=True,
        max_retries=0,
    )


@tool
def count_rows(table: str) -> str:
    """Count the rows of a table."""
    return f"{table} has 3 rows"


@tool
def weather() -> str:
    """Tell the weather."""
    return "rain"


class Sql(BaseModel):
    """A query."""

    sql: str = Field(description="the query")


def call(name: str, **arguments: object) -> str:
    """A reply that calls a tool."""
    return json.dumps({"action": name, "arguments": arguments})


def answer(text: object) -> str:
    """A reply that answers."""
    return json.dumps({"action": "answer", "text": text})


async def test_a_chosen_action_becomes_a_tool_call(upstream: Upstream, chat: ConstrainedChat) -> None:
    """The reply's JSON arrives as tool_calls, without text, with the tokens it cost."""
    upstream.replies = [call("count_rows", table="cars")]

    message = await chat.bind_tools([count_rows, weather]).ainvoke("How many cars?")

    assert message.content == ""
    assert [(made["name"], made["args"]) for made in message.tool_calls] == [("count_rows", {"table": "cars"})]
    assert message.usage_metadata is not None
    assert message.usage_metadata["total_tokens"] == 12


async def test_with_auto_the_model_may_answer(upstream: Upstream, chat: ConstrainedChat) -> None:
    """The schema has a branch for each tool and one for the answer, which arrives as text."""
    upstream.replies = [answer("hello")]

    message = await chat.bind_tools([count_rows, weather]).ainvoke("Hi")

    assert (message.content, message.tool_calls) == ("hello", [])
    actions = [branch["properties"]["action"]["enum"] for branch in upstream.asked_schema()["oneOf"]]
    assert actions == [["count_rows"], ["weather"], ["answer"]]
    assert "tools" not in upstream.asked[-1]


@pytest.mark.parametrize(("choice", "actions"), [("any", [["count_rows"], ["weather"]]), ("weather", [["weather"]])])
async def test_a_tool_choice_leaves_no_other_way(
    upstream: Upstream, chat: ConstrainedChat, choice: str, actions: list[list[str]]
) -> None:
    """`any` takes the answer away, a name every other tool as well."""
    upstream.replies = [call("weather")]

    message = await chat.bind_tools([count_rows, weather], tool_choice=choice).ainvoke("Hi")

    assert [branch["properties"]["action"]["enum"] for branch in upstream.asked_schema()["oneOf"]] == actions
    assert [made["name"] for made in message.tool_calls] == ["weather"]


async def test_no_tool_is_offered_where_none_may_be_called(upstream: Upstream, chat: ConstrainedChat) -> None:
    """`none` sends a plain request."""
    upstream.replies = ["plain text"]

    message = await chat.bind_tools([weather], tool_choice="none").ainvoke("Hi")

    assert message.content == "plain text"
    assert "response_format" not in upstream.asked[-1]


async def test_an_unknown_tool_choice_is_refused(chat: ConstrainedChat) -> None:
    """A choice that names no bound tool never reaches the model."""
    with pytest.raises(InvalidInput, match="'fly' is not allowed; allowed: weather"):
        await chat.bind_tools([weather], tool_choice="fly").ainvoke("Hi")


async def test_past_calls_are_shown_in_the_form_that_is_asked_for(upstream: Upstream, chat: ConstrainedChat) -> None:
    """Calls and results become text, and the instruction joins the one system message."""
    upstream.replies = [answer("3")]
    made = {"name": "count_rows", "args": {"table": "cars"}, "id": "c1", "type": "tool_call"}
    history = [
        SystemMessage("Be brief."),
        HumanMessage("How many cars?"),
        AIMessage("", tool_calls=[made]),
        ToolMessage("3 rows", tool_call_id="c1"),
    ]

    await chat.bind_tools([count_rows]).ainvoke(history)

    system, *rest = upstream.asked[-1]["messages"]
    assert system["content"].startswith("Be brief.\n\nChoose the next action")
    assert "- count_rows: Count the rows of a table." in system["content"]
    assert [(message["role"], message["content"]) for message in rest] == [
        ("user", "How many cars?"),
        ("assistant", call("count_rows", table="cars")),
        ("user", "Result of count_rows:\n3 rows"),
    ]


async def test_an_answer_streams_while_it_is_written(upstream: Upstream, chat: ConstrainedChat) -> None:
    """With tools bound, the answer's text still comes in pieces, escapes decoded, then the usage."""
    text = 'Zwölf "cars" 🎻\nand more'
    upstream.replies = [answer(text)]

    pieces = [piece async for piece in chat.bind_tools([weather]).astream("Hi")]

    assert len([piece for piece in pieces if piece.content]) > 3
    whole = merged(pieces)
    assert whole.content == text
    assert whole.tool_calls == []
    assert whole.usage_metadata is not None
    assert whole.usage_metadata["output_tokens"] == 5


async def test_a_streamed_tool_call_comes_whole(upstream: Upstream, chat: ConstrainedChat) -> None:
    """No JSON leaks into the text; the call is there at the end."""
    upstream.replies = [call("count_rows", table="cars")]

    whole = merged([piece async for piece in chat.bind_tools([count_rows]).astream("Hi")])

    assert whole.content == ""
    assert [(made["name"], made["args"]) for made in whole.tool_calls] == [("count_rows", {"table": "cars"})]


async def test_plain_text_streams(upstream: Upstream, chat: ConstrainedChat) -> None:
    """Without tools nothing is constrained, and pieces come as the server sends them."""
    upstream.replies = ["just some text"]

    pieces = [piece async for piece in chat.astream("Hi")]

    assert merged(pieces).content == "just some text"
    assert len([piece for piece in pieces if piece.content]) == 5


async def test_a_reply_that_was_cut_off_fails(upstream: Upstream, chat: ConstrainedChat) -> None:
    """Half a JSON object is never taken for a call or an answer."""
    upstream.replies = ['{"action": "count_rows", "argum']
    upstream.finish = "length"

    with pytest.raises(ModelFailed, match="no complete JSON"):
        await chat.bind_tools([count_rows]).ainvoke("Hi")


async def test_a_stream_that_was_cut_off_fails(upstream: Upstream, chat: ConstrainedChat) -> None:
    """An answer whose end is missing ends the stream with an error."""
    upstream.replies = ['{"action": "answer", "text": "half an ans']
    upstream.finish = "length"

    with pytest.raises(ModelFailed, match="no complete JSON"):
        _ = [piece async for piece in chat.bind_tools([count_rows]).astream("Hi")]


async def test_structured_output_is_the_schemas_own(upstream: Upstream, chat: ConstrainedChat) -> None:
    """with_structured_output constrains by the schema itself and returns its object."""
    upstream.replies = ['{"sql": "SELECT 1"}']

    assert await chat.with_structured_output(Sql).ainvoke("a query") == Sql(sql="SELECT 1")
    assert upstream.asked_schema()["required"] == ["sql"]


async def test_structured_output_that_was_cut_off_fails(upstream: Upstream, chat: ConstrainedChat) -> None:
    """The token limit is told as the model's failure."""
    upstream.replies = ['{"sql": "SEL']
    upstream.finish = "length"

    with pytest.raises(ModelFailed, match="no complete JSON"):
        await chat.with_structured_output(Sql).ainvoke("a query")


async def test_it_drives_an_agent_with_tools(upstream: Upstream, chat: ConstrainedChat) -> None:
    """create_agent calls the tool, feeds the result back and ends with the answer."""
    upstream.replies = [call("count_rows", table="cars"), answer("3 rows")]

    state = await create_agent(chat, [count_rows]).ainvoke({"messages": [HumanMessage("How many cars?")]})

    messages = state["messages"]
    assert [message.type for message in messages] == ["human", "ai", "tool", "ai"]
    assert messages[2].content == "cars has 3 rows"
    assert messages[3].content == "3 rows"


def merged(pieces: Sequence[AIMessage]) -> AIMessageChunk:
    """All pieces of one message."""
    first, *rest = (piece for piece in pieces if isinstance(piece, AIMessageChunk))
    for piece in rest:
        first += piece
    return first
