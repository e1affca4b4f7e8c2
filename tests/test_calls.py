"""The chain around model and tool calls: what it sees, what it leaves alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextvars import Context, copy_context
from dataclasses import replace
from typing import Any, cast

import pytest
from langchain.agents import create_agent
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.errors import GraphInterrupt
from langgraph.graph import MessagesState, StateGraph
from langgraph.prebuilt import ToolNode
from langgraph.types import Command, interrupt
from tests.models import StuckModel, asked, says
from tests.support import wait_until

from motet.calls import ModelCall, ModelNext, ToolCall, ToolNext, install, intercepted, place_of
from motet.testing import ScriptedModel


class Witness:
    """Writes down each call on its way in and out."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.models: list[ModelCall] = []
        self.tools: list[ToolCall] = []
        self.results: list[object] = []
        self.errors: list[BaseException] = []

    async def model(self, call: ModelCall, proceed: ModelNext) -> ChatResult:
        self.models.append(call)
        self.seen.append(f"{call.place.node}/{call.place.agent}: {call.model}")
        try:
            result = await proceed(call)
        except BaseException as error:
            self.errors.append(error)
            raise
        self.results.append(result)
        return result

    async def tool(self, call: ToolCall, proceed: ToolNext) -> object:
        self.tools.append(call)
        self.seen.append(f"{call.place.node}/{call.place.agent}: {call.tool}")
        try:
            result = await proceed(call)
        except BaseException as error:
            self.errors.append(error)
            raise
        self.results.append(result)
        return result


class Answering(Witness):
    """Answers each model and tool call itself."""

    async def model(self, call: ModelCall, proceed: ModelNext) -> ChatResult:
        del proceed
        self.models.append(call)
        return ChatResult(generations=[ChatGeneration(message=AIMessage("kept answer"))])

    async def tool(self, call: ToolCall, proceed: ToolNext) -> object:
        del proceed
        self.tools.append(call)
        return "kept result"


@pytest.fixture(autouse=True)
def _installed() -> None:
    install()


def a_team() -> Any:
    """A supervisor whose tool asks a sub-agent, which has a tool of its own; one asynchronous, one not."""

    @tool
    def look(city: str) -> str:
        """Look out of the window."""
        return f"rain in {city}"

    weather = create_agent(
        ScriptedModel([says(tool="look", city="Oslo", call_id="c2"), says("it rains")], model_name="inner"),
        [look],
        name="weather",
    )

    @tool
    async def ask_weather(question: str) -> str:
        """Ask the weather agent."""
        answer = await weather.ainvoke(asked(question))
        return answer["messages"][-1].text

    @tool
    def ask_weather_sync(question: str) -> str:
        """Ask the weather agent."""
        return weather.invoke(asked(question))["messages"][-1].text

    def team(name: str) -> Any:
        model = ScriptedModel([says(tool=name, question="Oslo?"), says("take a coat")], model_name="outer")
        return create_agent(model, [ask_weather, ask_weather_sync], name="team")

    return team


async def test_a_sub_agent_inside_a_tool_is_seen_by_the_same_chain() -> None:
    """Every model and tool call of the tree meets the chain once, with the place it was made at."""
    witness = Witness()

    with intercepted([witness]):
        await a_team()("ask_weather").ainvoke(asked("hello"))

    assert witness.seen == [
        "model/team: outer",
        "tools/team: ask_weather",
        "model/weather: inner",
        "tools/weather: look",
        "model/weather: inner",
        "model/team: outer",
    ]
    assert witness.tools[1].arguments == {"city": "Oslo"}
    assert witness.tools[1].call_id == "c2"
    assert witness.models[1].place.namespace.startswith("tools:")
    assert "|model:" in witness.models[1].place.namespace


def test_a_synchronous_graph_is_seen_through_its_threads() -> None:
    """`invoke` runs nodes in threads of LangGraph; the chain is there too."""
    witness = Witness()

    with intercepted([witness]):
        a_team()("ask_weather_sync").invoke(asked("hello"))

    assert [line.split(": ")[1] for line in witness.seen] == [
        "outer",
        "ask_weather_sync",
        "inner",
        "look",
        "inner",
        "outer",
    ]


async def test_a_stream_made_by_a_node_is_one_call() -> None:
    """A node that streams by itself gets each chunk, and the chain sees one call with the whole answer."""
    witness, model, chunks = Witness(), ScriptedModel([says("one two three")]), list[str]()

    async def talk(state: MessagesState) -> dict[str, Any]:
        async for chunk in model.astream(state["messages"]):
            chunks.append(chunk.text)
        return {"messages": ["".join(chunks)]}

    graph = StateGraph(MessagesState).add_node(talk).add_edge("__start__", "talk").compile()
    with intercepted([witness]):
        await graph.ainvoke(asked("count"))

    assert chunks[:3] == ["one ", "two ", "three"]
    assert witness.seen == ["talk/: scripted"]
    (result,) = witness.results
    assert isinstance(result, ChatResult)
    assert result.generations[0].message.text == "one two three"


async def test_a_stream_that_falls_back_to_invoke_is_one_call() -> None:
    """A model without streaming answers `astream` through `ainvoke`: one call, asynchronous or not."""
    witness, model = Witness(), ScriptedModel(["whole"] * 2, disable_streaming=True)

    with intercepted([witness]):
        texts = [chunk.text async for chunk in model.astream("hello")]
        texts += [chunk.text for chunk in model.stream("hello")]

    assert texts == ["whole", "whole"]
    assert len(witness.models) == len(model.calls) == 2


async def test_streaming_inside_messages_mode_is_one_call() -> None:
    """LangGraph's `messages` mode makes `ainvoke` stream inside; that's the same call."""
    witness, model = Witness(), ScriptedModel(["one two"])
    agent = create_agent(model, [])

    with intercepted([witness]):
        pieces = [message.text async for message, _ in cast("Any", agent.astream(asked("hi"), stream_mode="messages"))]

    assert pieces[:2] == ["one ", "two"]
    assert len(witness.models) == 1


async def test_an_interceptor_may_answer_itself() -> None:
    """An answer given by an interceptor reaches the caller in each way of calling, and nothing is called."""
    model, ran = ScriptedModel(["live"]), list[str]()

    @tool
    def act(what: str) -> str:
        """Act."""
        ran.append(what)
        return "live"

    with intercepted([Answering()]):
        answers = [
            (await model.ainvoke("q")).text,
            model.invoke("q").text,
            "".join([chunk.text async for chunk in model.astream("q")]),
            "".join(chunk.text for chunk in model.stream("q")),
        ]
        results = [await act.ainvoke({"what": "it"}), act.invoke({"what": "it"})]

    assert answers == ["kept answer"] * 4
    assert results == ["kept result"] * 2
    assert (model.calls, ran) == ((), [])


async def test_changed_messages_and_arguments_take_effect() -> None:
    """What an interceptor passes on is what the model and the tool get."""
    model = ScriptedModel(["fine"])

    class Changing(Witness):
        async def model(self, call: ModelCall, proceed: ModelNext) -> ChatResult:
            changed = ModelCall(
                model=call.model, messages=[*call.messages, AIMessage("so")], params=call.params, place=call.place
            )
            return await proceed(changed)

        async def tool(self, call: ToolCall, proceed: ToolNext) -> object:
            return await proceed(replace(call, arguments={"what": "better"}))

    @tool
    def act(what: str) -> str:
        """Act."""
        return what

    with intercepted([Changing()]):
        await model.ainvoke("q")
        assert act.invoke({"what": "worse"}) == "better"

    assert [message.text for message in model.calls[0].messages] == ["q", "so"]


def _thrown() -> Iterator[BaseException]:
    yield ValueError("the model's own")
    yield GraphInterrupt([])


@pytest.mark.parametrize("thrown", list(_thrown()), ids=lambda thrown: type(thrown).__name__)
async def test_errors_and_control_signals_pass_unchanged(thrown: BaseException) -> None:
    """The same object that a model or tool raised reaches interceptor and caller, however it's called."""
    witness = Witness()
    models = (ScriptedModel([thrown] * 4, disable_streaming=True), ScriptedModel([thrown] * 4))

    @tool
    def act() -> str:
        """Act."""
        raise thrown

    async def streamed(model: BaseChatModel) -> list[AIMessage]:
        return [chunk async for chunk in model.astream("q")]

    caught: list[BaseException] = []
    with intercepted([witness]):
        for model in models:
            for attempt in (lambda m=model: m.ainvoke("q"), lambda m=model: streamed(m)):
                with pytest.raises(type(thrown)) as failed:
                    await attempt()
                caught.append(failed.value)
            for call in (lambda m=model: m.invoke("q"), lambda m=model: list(m.stream("q"))):
                with pytest.raises(type(thrown)) as failed:
                    call()
                caught.append(failed.value)
        with pytest.raises(type(thrown)) as failed:
            act.invoke({})
        caught.append(failed.value)

    assert [error is thrown for error in caught].count(False) == 0
    assert len(witness.errors) == len(caught)


async def test_a_cancelled_call_is_cancelled_throughout() -> None:
    """Cancelling who waits for a model or a tool cancels the call, and interceptors see it go."""
    witness, model = Witness(), StuckModel()

    @tool
    async def ponder() -> str:
        """Never answer."""
        return (await model.ainvoke("q")).text

    async def streamed() -> None:
        async for _ in model.astream("q"):
            pass

    with intercepted([witness]):
        for made, start in enumerate((lambda: model.ainvoke("q"), streamed, lambda: ponder.ainvoke({})), start=1):
            waiting = asyncio.ensure_future(cast("Any", start()))
            await wait_until(lambda n=made: len(model.calls) == n, description="the model is asked")
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting

    assert [type(error) for error in witness.errors] == [asyncio.CancelledError] * 4
    assert len(asyncio.all_tasks()) == 1


async def test_an_interrupt_from_a_tool_pauses_and_resumes_the_graph() -> None:
    """`interrupt` in a tool is no failure: the graph waits, and the answer comes back through the chain."""
    witness = Witness()

    @tool
    def approve() -> str:
        """Ask a person."""
        return f"answer: {interrupt('may I?')}"

    graph = (
        StateGraph(MessagesState)
        .add_node("tools", ToolNode([approve]))
        .add_edge("__start__", "tools")
        .compile(checkpointer=InMemorySaver())
    )
    config: Any = {"configurable": {"thread_id": "t"}}
    with intercepted([witness]):
        waiting = await graph.ainvoke({"messages": [says(tool="approve")]}, config)
        done = await graph.ainvoke(Command(resume="yes"), config)

    assert waiting["__interrupt__"][0].value == "may I?"
    assert done["messages"][-1].text == "answer: yes"
    assert [type(error) for error in witness.errors] == [GraphInterrupt]


async def test_without_a_chain_nothing_changes() -> None:
    """Outside any chain the original is called with what it was given, and answers as ever."""
    model = ScriptedModel(["one two"] * 3)

    @tool
    def act(what: str) -> str:
        """Act."""
        return what

    assert (await model.ainvoke("q")).text == "one two"
    assert [chunk.text async for chunk in model.astream("q")][:2] == ["one ", "two"]
    assert [chunk.text for chunk in model.stream("q")][:2] == ["one ", "two"]
    assert await act.ainvoke({"what": "it"}) == "it"


async def test_installing_twice_is_installing_once() -> None:
    """A second `install` doesn't make calls count twice."""
    install()
    witness = Witness()

    with intercepted([witness]):
        await ScriptedModel(["fine"]).ainvoke("q")

    assert len(witness.models) == 1


async def test_two_runs_at_once_keep_their_chains_apart() -> None:
    """Runs that interleave in one process see their own calls only."""
    gate = asyncio.Barrier(2)

    async def run(name: str) -> Witness:
        witness, model = Witness(), ScriptedModel(["a", "b"], model_name=name)

        async def talk(state: MessagesState) -> dict[str, Any]:
            await gate.wait()
            answers = [await model.ainvoke(state["messages"]), await model.ainvoke(state["messages"])]
            await gate.wait()
            return {"messages": answers}

        graph = StateGraph(MessagesState).add_node(talk).add_edge("__start__", "talk").compile()
        with intercepted([witness]):
            await graph.ainvoke(asked(name))
        return witness

    first, second = await asyncio.gather(run("first"), run("second"))

    assert first.seen == ["talk/: first"] * 2
    assert second.seen == ["talk/: second"] * 2


async def test_a_consumer_that_stops_reading_ends_the_call() -> None:
    """Closing a stream early stops the model, tells the interceptors, and leaves no task behind."""
    witness, model = Witness(), ScriptedModel(["one two three"] * 2)

    with intercepted([witness]):
        stream: Any = model.astream("q")
        assert (await anext(stream)).text == "one "
        await stream.aclose()
        for chunk in model.stream("q"):
            assert chunk.text == "one "
            break

    assert [type(error) for error in witness.errors] == [asyncio.CancelledError, GeneratorExit]
    assert len(asyncio.all_tasks()) == 1


async def test_a_generator_closed_from_another_context_is_no_error() -> None:
    """A chain set inside an async generator may be left in a context other than the one it began in."""

    async def run() -> AsyncIterator[str]:
        with intercepted([Witness()]):
            yield "first"
            yield "second"

    events: Any = run()
    assert await asyncio.create_task(anext(events), context=Context()) == "first"
    await asyncio.create_task(events.aclose(), context=copy_context())


def test_awaiting_more_than_proceed_in_a_synchronous_call_is_refused() -> None:
    """A synchronous caller has no loop to wait on; the interceptor's fault is said."""

    class Waiting(Witness):
        async def model(self, call: ModelCall, proceed: ModelNext) -> ChatResult:
            await asyncio.sleep(0)
            return await proceed(call)

    model = ScriptedModel(["fine"] * 2)
    with intercepted([Waiting()]):
        with pytest.raises(RuntimeError, match="awaited more than"):
            model.invoke("q")
        with pytest.raises(RuntimeError, match="awaited more than"):
            list(model.stream("q"))


def test_parameters_of_a_call_are_those_a_provider_sees() -> None:
    """What is bound and stop words are told; LangChain's own callbacks aren't."""
    witness = Witness()

    with intercepted([witness]):
        ScriptedModel(["fine"]).bind(top_p=0.5, stop=["\n"]).invoke("q", config={"tags": ["x"]})

    assert witness.models[0].params == {"top_p": 0.5, "stop": ["\n"]}


def test_outside_a_graph_a_place_is_empty() -> None:
    """No metadata names no place."""
    assert place_of(None) == place_of({})
    assert place_of({"langgraph_node": "draft", "langgraph_step": 3}).step == 3
