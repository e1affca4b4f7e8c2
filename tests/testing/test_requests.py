"""The switch that keeps tests from asking real models."""

from __future__ import annotations

import socket
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.language_models.fake_chat_models import FakeListChatModel
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_openai import ChatOpenAI
from pydantic import BaseModel
from tests.models import asked

from motet.calls import ModelCall, ModelNext, ToolCall, ToolNext, intercepted
from motet.testing import (
    FunctionModel,
    ModelRequestForbidden,
    ScriptedModel,
    allow_model_requests,
    forbid_model_requests,
)


class Shape(BaseModel):
    """What is asked for."""

    corners: int


class Passing:
    """A chain that changes nothing."""

    async def model(self, call: ModelCall, proceed: ModelNext) -> ChatResult:
        """Pass it on."""
        return await proceed(call)

    async def tool(self, call: ToolCall, proceed: ToolNext) -> object:
        """Pass it on."""
        return await proceed(call)


class Replaying(Passing):
    """A chain that answers from its memory."""

    async def model(self, call: ModelCall, proceed: ModelNext) -> ChatResult:
        """Answer without the model."""
        del call, proceed
        return ChatResult(generations=[ChatGeneration(message=AIMessage("remembered"))])


CHAINS = [
    pytest.param(nullcontext, id="bare"),
    pytest.param(lambda: intercepted([Passing()]), id="chained"),
]
"""Outside a run of ours, and inside one."""


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    """A port that a provider's client is sent to; whoever connects is seen."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        yield server


def a_real_model(listening: socket.socket) -> ChatOpenAI:
    """OpenAI's client, as a user would have it."""
    url = f"http://127.0.0.1:{listening.getsockname()[1]}/v1"
    return ChatOpenAI(model="gpt-x", base_url=url, api_key=lambda: "k", max_retries=0, timeout=5)


async def _drained(chunks: AsyncIterator[object]) -> list[object]:
    return [chunk async for chunk in chunks]


ASYNCHRONOUS: dict[str, Callable[[Any], Awaitable[Any]]] = {
    "ainvoke": lambda model: model.ainvoke("q"),
    "astream": lambda model: _drained(model.astream("q")),
    "abatch": lambda model: model.abatch(["q"]),
    "agenerate": lambda model: model.agenerate([[]]),
    "astream_events v2": lambda model: _drained(model.astream_events("q", version="v2")),
    "bound": lambda model: model.bind_tools([]).ainvoke("q"),
    "structured": lambda model: model.with_structured_output(Shape).ainvoke("q"),
    "agent": lambda model: create_agent(model, []).ainvoke(asked("q")),
}
SYNCHRONOUS: dict[str, Callable[[Any], Any]] = {
    "invoke": lambda model: model.invoke("q"),
    "stream": lambda model: list(model.stream("q")),
    "batch": lambda model: model.batch(["q"]),
    "agent": lambda model: create_agent(model, []).invoke(asked("q")),
}


@pytest.mark.parametrize("way", ASYNCHRONOUS)
@pytest.mark.parametrize("chain", CHAINS)
async def test_nothing_is_sent_however_a_model_is_called(
    way: str, chain: Callable[[], AbstractContextManager[None]], listening: socket.socket
) -> None:
    """Each way of calling ends in the error, and no connection is made; with interceptors or without."""
    with forbid_model_requests(), chain():
        with pytest.raises(ModelRequestForbidden, match=r"ChatOpenAI \(gpt-x\)"):
            await ASYNCHRONOUS[way](a_real_model(listening))

    with pytest.raises(BlockingIOError):
        listening.accept()


@pytest.mark.parametrize("way", SYNCHRONOUS)
@pytest.mark.parametrize("chain", CHAINS)
def test_nothing_is_sent_synchronously_either(
    way: str, chain: Callable[[], AbstractContextManager[None]], listening: socket.socket
) -> None:
    """As above, without an event loop."""
    with forbid_model_requests(), chain():
        with pytest.raises(ModelRequestForbidden):
            SYNCHRONOUS[way](a_real_model(listening))

    with pytest.raises(BlockingIOError):
        listening.accept()


@pytest.mark.filterwarnings("ignore::langchain_core._api.beta_decorator.LangChainBetaWarning")  # what is tested
async def test_the_newest_way_to_stream_is_stopped_too(listening: socket.socket) -> None:
    """LangChain's beta protocol goes past the chain of interceptors, but not past the switch."""
    model: Any = a_real_model(listening)
    with forbid_model_requests():
        stream = await model.astream_events("q", version="v3")
        with pytest.raises(ModelRequestForbidden):
            await stream.output

    with pytest.raises(BlockingIOError):
        listening.accept()


def test_it_holds_in_threads_that_were_there_before() -> None:
    """The switch is the process's: a worker started earlier is stopped as well."""
    forbidden, caught = threading.Event(), list[BaseException]()

    def work() -> None:
        forbidden.wait(10)
        try:
            FakeListChatModel(responses=["real"]).invoke("q")
        except ModelRequestForbidden as error:
            caught.append(error)

    worker = threading.Thread(target=work)
    worker.start()
    with forbid_model_requests():
        forbidden.set()
        worker.join(10)

    assert [type(error) for error in caught] == [ModelRequestForbidden]


async def test_models_of_a_test_answer() -> None:
    """What motet.testing ships passes, whole and streamed."""
    with forbid_model_requests(), ScriptedModel(["one", "two"]) as model:
        assert (await model.ainvoke("q")).text == "one"
        assert "".join([chunk.text async for chunk in model.astream("q")]) == "two"
        assert FunctionModel(lambda *_: "three").invoke("q").text == "three"


async def test_an_answer_that_needs_no_request_is_none(listening: socket.socket) -> None:
    """A call that an interceptor answers, as a replay does, asks no model and is not stopped, however it is made."""
    model = a_real_model(listening)
    whole = FakeListChatModel(responses=["real"], disable_streaming=True)
    with forbid_model_requests(), intercepted([Replaying()]):
        answers = [str((await model.ainvoke("q")).text), str(model.invoke("q").text)]
        for one in (model, whole):
            answers.append("".join([chunk.text async for chunk in one.astream("q")]))
            answers.append("".join(chunk.text for chunk in one.stream("q")))

    assert answers == ["remembered"] * 6


def test_a_class_may_be_let_through() -> None:
    """A fake of one's own is named; others stay forbidden, and it does when the stretch ends."""
    fake = FakeListChatModel(responses=["fake"])
    with forbid_model_requests():
        with allow_model_requests(FakeListChatModel):
            assert fake.invoke("q").text == "fake"
        with pytest.raises(ModelRequestForbidden):
            fake.invoke("q")


def test_this_suite_is_switched_off() -> None:
    """Our own tests run under the switch, by a fixture that each of them gets."""
    with pytest.raises(ModelRequestForbidden):
        FakeListChatModel(responses=["real"]).invoke("q")
