"""A run's records: what is written down of models, tools and nodes, and that it never stands in the way."""

from __future__ import annotations

import asyncio
import operator
from collections.abc import Sequence
from decimal import Decimal
from typing import Annotated, Any, TypedDict

import pytest
from langchain.tools import ToolRuntime
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, HumanMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.tools import tool
from langgraph.cache.memory import InMemoryCache
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState
from langgraph.prebuilt import InjectedState, ToolNode
from langgraph.types import CachePolicy, Command, RetryPolicy, Send, interrupt
from pydantic import BaseModel
from tests.models import asked, says
from tests.observability.recorded import SERDE, a_recorder, builder, recorded, taken
from tests.observability.weather import supervisor, travel

from motet.calls import ModelCall, Place, ToolCall, install, intercepted
from motet.errors import BudgetExhausted
from motet.observability.prices import Price, Prices
from motet.observability.trajectory.record import Recorder
from motet.observability.trajectory.records import (
    Interrupted,
    ModelCalled,
    NodeFinished,
    NodeStarted,
    RunFinished,
    RunStarted,
    StateSaved,
    ToolCalled,
    decode,
)
from motet.testing import FunctionModel, ScriptedModel

KEY = "sk-proj-abcdefghijklmnopqrstuvwxyz123456"


@pytest.fixture(autouse=True)
def _installed() -> None:
    install()


class Log(TypedDict):
    """A state that only grows."""

    log: Annotated[list[Any], operator.add]


def one_node(node: Any, state: Any = MessagesState, **options: Any) -> Any:
    """A graph of one node."""
    graph = builder(state).add_node("work", node, **options).add_edge(START, "work")
    return graph.compile(cache=InMemoryCache() if "cache_policy" in options else None)


def a_model_call(messages: Sequence[Any] = (), **told: Any) -> ModelCall:
    """A call outside any graph."""
    given: dict[str, Any] = {"model": "m", "messages": list(messages), "params": {}, "place": Place(), **told}
    return ModelCall(**given)


def a_tool_call(**told: Any) -> ToolCall:
    """The same of a tool."""
    given: dict[str, Any] = {"tool": "act", "arguments": {}, "call_id": None, "metadata": {}, "synchronous": False}
    given |= {"place": Place(), **told}
    return ToolCall(**given)


def answer(message: BaseMessage) -> Any:
    """What is found where the call would be made."""

    async def proceed(_: object) -> Any:
        return ChatResult(generations=[ChatGeneration(message=message)])

    return proceed


async def test_a_run_is_recorded_in_order() -> None:
    """Run, nodes, model and tool calls in the order in which they ended, each at its place."""
    found = await recorded(travel(), asked("hello"))

    assert [(one.type, one.path) for one in found.records if not isinstance(one, StateSaved)] == [
        ("run_started", ""),
        ("node_started", "__start__@0"),
        ("node_finished", "__start__@0"),
        ("node_started", "plan@1"),
        ("node_finished", "plan@1"),
        ("node_started", "weather@2"),
        ("node_started", "weather@2|__start__@0"),
        ("node_finished", "weather@2|__start__@0"),
        ("node_started", "weather@2|model@1"),
        ("model_called", "weather@2|model@1"),
        ("node_finished", "weather@2|model@1"),
        ("node_started", "weather@2|tools@2[0]"),
        ("tool_called", "weather@2|tools@2[0]"),
        ("node_finished", "weather@2|tools@2[0]"),
        ("node_started", "weather@2|model@3"),
        ("model_called", "weather@2|model@3"),
        ("node_finished", "weather@2|model@3"),
        ("node_finished", "weather@2"),
        ("run_finished", ""),
    ]
    assert [one.index for one in found.records] == list(range(len(found.records)))
    assert {(one.run_id, one.attempt) for one in found.records} == {("r1", 1)}
    assert found.one(ToolCalled).place.agent == "weather"
    assert found.plain(found.one(RunStarted).input) == {"messages": [["human", "hello"]]}


async def test_a_model_call_is_kept_with_request_and_answer() -> None:
    """Messages, parameters, settings, the whole answer, tokens in detail, what the provider named, and the price."""
    usage: Any = {
        "input_tokens": 100,
        "output_tokens": 20,
        "total_tokens": 120,
        "input_token_details": {"cache_read": 40},
        "output_token_details": {"reasoning": 5},
    }
    message = AIMessage(
        "hi", usage_metadata=usage, response_metadata={"model_name": "m-2026-01-01", "finish_reason": "stop"}
    )
    price = Price(model="m", provider="acme", input=Decimal(1), output=Decimal(10), cached_input=Decimal("0.5"))
    prices = Prices(rows=[price], as_of=None)
    recorder = a_recorder(prices=prices)
    call = a_model_call(
        [HumanMessage("q")], params={"tools": []}, settings={"temperature": 0.5, "api_key": "x"}, provider="acme"
    )

    await recorder.model(call, answer(message))

    found = taken(recorder)
    one = found.one(ModelCalled)
    assert [found.value(ref) for ref in one.messages] == [HumanMessage("q")]
    assert found.value(one.response) == message
    assert (found.plain(one.params), dict(one.settings)) == (
        {"tools": []},
        {"temperature": 0.5, "api_key": "[redacted]"},
    )
    assert (one.usage.cached_tokens, one.usage.reasoning_tokens, one.usage.total_tokens) == (40, 5, 120)
    assert (one.model_used, one.finish_reason) == ("m-2026-01-01", "stop")
    assert one.cost_usd == pytest.approx((60 * 1 + 40 * 0.5 + 20 * 10) / 1e6)
    assert recorder.totals.cost_usd == one.cost_usd
    await recorder.model(a_model_call(model="nobody's"), answer(message))
    assert recorder.totals.cost_usd is None


async def test_a_tool_call_is_kept_whole() -> None:
    """Arguments, the message it came to, and what it declares and the ledger knows of its effect."""
    found = await recorded(travel(), asked("hello"))
    one = found.one(ToolCalled)

    assert (one.tool, found.plain(one.arguments), one.call_id, one.effect) == (
        "look",
        {"city": "Oslo"},
        "call-1",
        "none",
    )
    assert found.value(one.result).content == "rain in Oslo"

    async def inner(call: Any) -> Any:
        call.told["ledger_key"] = "k" * 64
        return {"rows": [1]}

    recorder = a_recorder()
    await recorder.tool(a_tool_call(metadata={"effect": "once"}), inner)
    kept = taken(recorder)
    assert (kept.one(ToolCalled).effect, kept.one(ToolCalled).ledger_key) == ("once", "k" * 64)
    assert kept.value(kept.one(ToolCalled).result) == {"rows": [1]}


async def test_calls_are_numbered_by_their_begin() -> None:
    """In each execution of a node from 0, however they end, and however often it is tried."""
    later, tries = asyncio.Event(), list[int]()

    async def slow(messages: Sequence[BaseMessage], _: object) -> Any:
        if messages[-1].text == "first":
            await later.wait()
        later.set()
        return f"to {messages[-1].text}"

    model = FunctionModel(slow)

    async def work(_: MessagesState) -> Any:
        await asyncio.gather(model.ainvoke("first"), model.ainvoke("second"))
        tries.append(1)
        if len(tries) == 1:
            raise ConnectionError
        return {}

    policy = RetryPolicy(initial_interval=0, jitter=False, retry_on=ConnectionError)
    found = await recorded(one_node(work, retry_policy=policy), asked("go"))

    told = [(one.call, found.plain(one.response)["content"]) for one in found.all(ModelCalled)]
    assert told == [(1, "to second"), (0, "to first"), (2, "to first"), (3, "to second")]
    (ended,) = [one for one in found.all(NodeFinished) if one.path == "work@1"]
    assert (ended.tries, ended.outcome, ended.cached) == (2, "ok", False)


async def test_a_streamed_answer_is_kept_with_its_pieces() -> None:
    """LangGraph's `messages` mode streams inside the call: each piece, when it came, and the whole."""
    model = ScriptedModel([says("one two three")])

    async def talk(state: MessagesState) -> dict[str, Any]:
        return {"messages": [await model.ainvoke(state["messages"])]}

    found = await recorded(one_node(talk), asked("hi"), stream_mode=["messages", "values"])

    one = found.one(ModelCalled)
    pieces = found.value(one.chunks)
    assert all(isinstance(piece, AIMessageChunk) for piece in pieces)
    assert "".join(piece.text for piece in pieces) == found.value(one.response).text == "one two three"
    assert len(pieces) > 1
    times = list(one.chunks_after_s)
    assert (len(times), times) == (len(pieces), sorted(times))
    assert one.first_token_s == pytest.approx(times[0], abs=1e-3)
    assert (one.streamed_by_node, times[-1] <= one.duration_s) == (False, True)


@pytest.mark.parametrize("synchronous", [False, True])
async def test_a_stream_that_the_node_reads_is_kept_too(synchronous: bool) -> None:  # noqa: FBT001 - two columns
    """By `astream` or `stream`: the record says that it was the node."""
    model = ScriptedModel([says("one two")])

    async def reads(_: MessagesState) -> Any:
        return {"messages": [AIMessage("".join([piece.text async for piece in model.astream("q")]))]}

    def reads_here(_: MessagesState) -> Any:
        return {"messages": [AIMessage("".join(piece.text for piece in model.stream("q")))]}

    found = await recorded(one_node(reads_here if synchronous else reads), asked("hi"))

    one = found.one(ModelCalled)
    assert one.streamed_by_node
    assert "".join(piece.text for piece in found.value(one.chunks)) == "one two"
    assert found.value(one.response).text == "one two"


async def test_a_node_is_kept_with_what_it_wrote() -> None:
    """Its writes as they were, and where they send the run: by edges, by branches, by `Send`."""
    graph = builder(Log).add_node("a", lambda _: {"log": [{"n": 1}]}).add_node("b", lambda _: {"log": ["b"]})
    graph.add_edge(START, "a").add_conditional_edges("a", lambda _: [Send("b", {"log": []}), "b"], ["b"])

    found = await recorded(graph.compile(), {"log": []})

    (a,) = [one for one in found.all(NodeFinished) if one.path == "a@1"]
    assert [(channel, found.value(ref)) for channel, ref in a.writes] == [
        ("log", [{"n": 1}]),
        ("__pregel_tasks", Send("b", {"log": []})),
        ("branch:to:b", None),
    ]
    assert a.goto == ("b", "b")
    triggers = {one.triggers for one in found.all(NodeStarted) if one.path.startswith("b")}
    assert triggers == {("__pregel_push",), ("branch:to:b",)}


async def test_a_node_that_was_cached_did_not_run() -> None:
    """Its writes are those of the run that ran it, and the record says where they are from."""
    ran = list[int]()

    def work(_: Log) -> Log:
        ran.append(1)
        return {"log": ["done"]}

    graph = one_node(work, Log, cache_policy=CachePolicy())
    first, second = [await recorded(graph, {"log": ["in"]}) for _ in range(2)]

    ends = [next(one for one in found.all(NodeFinished) if one.path == "work@1") for found in (first, second)]
    assert (len(ran), [one.cached for one in ends]) == (1, [False, True])
    assert second.value(ends[1].writes[0][1]) == ["done"]


async def test_a_waiting_run_is_no_failed_run() -> None:
    """An interrupt is kept with its question and form; tool and nodes are interrupted; the answer is another run."""

    class Form(BaseModel):
        city: str

    def ask(_: MessagesState) -> Any:
        return {"messages": [AIMessage(str(interrupt("which city?", response_schema=Form)))]}

    saver, graph = InMemorySaver(serde=SERDE), travel("approve")
    found = await recorded(graph, asked("hello"), saver=saver)

    (question,) = found.one(Interrupted).questions
    assert found.plain(question.value) == "may I look?"
    one = found.one(ToolCalled)
    assert (one.outcome, one.error, one.result) == ("interrupted", None, None)
    assert [found.plain(each.value) for each in one.asked] == ["may I look?"]
    ends = {record.path: record.outcome for record in found.all(NodeFinished)}
    assert (ends["weather@2|tools@2[0]"], ends["weather@2"], ends["plan@1"]) == ("interrupted", "interrupted", "ok")

    resumed = await recorded(graph, Command(resume="yes"), saver=saver)
    assert resumed.value(resumed.one(ToolCalled).result).content == "Oslo: yes"
    assert resumed.one(ToolCalled).path == one.path

    @tool
    def choose() -> str:
        """Ask."""
        return str(interrupt("which?", response_schema=Form))

    chosen = await recorded(one_node(ToolNode([choose])), {"messages": [says(tool="choose")]})
    (each,) = chosen.one(ToolCalled).asked
    assert each.response_schema is not None
    assert each.response_schema["properties"] == {"city": {"title": "City", "type": "string"}}
    assert (await recorded(one_node(ask), asked("x"))).one(RunFinished).outcome == "interrupted"


async def test_a_handoff_names_who_goes_on() -> None:
    """By a command to the parent graph, or by a brief left in the state."""

    @tool
    def to_sales() -> Command[Any]:
        """Hand over."""
        return Command(goto="sales", graph=Command.PARENT)

    @tool
    def brief() -> Command[Any]:
        """Leave a brief."""
        return Command(update={"handoffs": [{"agent": "ann", "goal": "g"}]})

    recorder = a_recorder()
    with intercepted([recorder]):
        await to_sales.ainvoke({})
        await brief.ainvoke({})

    assert [one.handed_to for one in taken(recorder).all(ToolCalled)] == ["sales", "ann"]


async def test_what_fails_is_recorded_and_raised() -> None:
    """A failing tool is a record with its error's class and text; the caller gets the same exception."""
    recorder = a_recorder()

    with pytest.raises(RuntimeError, match="glass"):
        await recorded(travel("break_window"), asked("hello"), recorder=recorder)

    found = taken(recorder)
    error = found.one(ToolCalled).error
    assert error is not None
    assert (error.kind, error.message) == ("builtins:RuntimeError", "glass all over Oslo")
    assert {one.path: one.outcome for one in found.all(NodeFinished)}["weather@2"] == "error"


async def test_totals_count_what_was_made() -> None:
    """Calls and tokens; a call that the budget refused was never made. Limits stand beside them."""
    recorder = a_recorder()

    async def refused(_: object) -> Any:
        raise BudgetExhausted("model_calls", spent=2, allowed=2)

    await recorded(travel(), asked("hello"), recorder=recorder)
    with pytest.raises(BudgetExhausted):
        await recorder.model(a_model_call([HumanMessage("q")]), refused)
    recorder.run_finished("error", error=BudgetExhausted("model_calls", spent=2, allowed=2), limits={"model_calls": 2})

    found = taken(recorder)
    last, end = found.one(ModelCalled), found.one(RunFinished)
    assert last.error is not None
    assert last.error.message == "the run's budget of 2 model calls is spent (2)"
    assert (end.totals.model_calls, end.totals.tool_calls, end.totals.tokens) == (2, 1, 14)
    assert end.limits == {"model_calls": 2}


async def test_what_langgraph_injects_is_not_an_argument() -> None:
    """State and runtime that a tool is given by LangGraph aren't recorded."""

    @tool
    def act(what: str, state: Annotated[dict[str, Any], InjectedState], runtime: ToolRuntime[None, Any]) -> str:
        """Act."""
        return f"{what} {len(state['messages'])} {runtime.tool_call_id}"

    found = await recorded(one_node(ToolNode([act])), {"messages": [says(tool="act", what="it")]})

    assert found.plain(found.one(ToolCalled).arguments) == {"what": "it"}
    assert found.value(found.one(ToolCalled).result).content == "it 1 call-1"


async def test_arguments_and_messages_are_those_of_the_beginning() -> None:
    """What a tool does to its arguments, or a model to its messages, isn't what they were given."""
    recorder, message = a_recorder(), HumanMessage("as asked")

    async def changes(call: Any) -> Any:
        call.arguments["rows"].append(2)

    async def rewrites(call: Any) -> Any:
        call.messages[0].content = "changed"
        return ChatResult(generations=[ChatGeneration(message=AIMessage("x"))])

    await recorder.tool(a_tool_call(arguments={"rows": [1]}), changes)
    await recorder.model(a_model_call([message]), rewrites)

    found = taken(recorder)
    assert found.plain(found.one(ToolCalled).arguments) == {"rows": [1]}
    assert found.plain(found.one(ModelCalled).messages[0])["content"] == "as asked"


async def test_secrets_never_reach_the_record() -> None:
    """Not in arguments, messages, results, errors, settings, nor spread over the pieces of a stream."""
    recorder = a_recorder()
    arguments = {"headers": {"Authorization": "Basic dXNlcjpw"}, "apiKey": "abc", "note": f"use {KEY} please"}

    async def fails(_: object) -> Any:
        raise RuntimeError(f"401 for key {KEY}")

    async def streams(_: object) -> Any:
        for text in (KEY[:12], KEY[12:30], KEY[30:]):
            recorder.token_seen(ChatGenerationChunk(message=AIMessageChunk(content=text)))
        return ChatResult(generations=[ChatGeneration(message=AIMessage(KEY))])

    async def breaks_off(_: object) -> Any:
        await streams(_)
        raise RuntimeError("gone")

    for call in (
        recorder.tool(a_tool_call(arguments=arguments), fails),
        recorder.model(a_model_call([HumanMessage(KEY)], params={"api_key": "xyz"}), fails),
        recorder.model(a_model_call(), breaks_off),
    ):
        with pytest.raises(RuntimeError):
            await call
    await recorder.model(a_model_call(), streams)
    recorder.run_started(graph_id="g", input={"password": "pass"}, config={"configurable": {"token": "tok"}})

    batch = recorder.take()
    written = b"".join([*batch.records, *batch.contents.values()]).decode()
    for secret in (KEY, KEY[12:30], "dXNlcjpw", '"abc"', '"xyz"', '"pass"', '"tok"'):
        assert secret not in written
    assert [len(one.chunks_after_s) for one in map(decode, batch.records) if isinstance(one, ModelCalled)] == [0, 1, 1]


async def test_recording_never_fails_a_run() -> None:
    """What can't be written down is named or counted; results and errors pass unchanged."""
    recorder = a_recorder()
    knot: dict[str, Any] = {"n": 2**80, "object": object(), "nan": float("nan")}
    knot["self"] = knot

    class Unsayable(Exception):
        def __str__(self) -> str:
            raise ZeroDivisionError

    async def fine(_: object) -> Any:
        return knot

    async def fails(_: object) -> Any:
        raise Unsayable

    assert await recorder.tool(a_tool_call(arguments=knot), fine) is knot
    assert await recorder.model(a_model_call(["no message"]), fine) is knot
    with pytest.raises(Unsayable):
        await recorder.tool(a_tool_call(), fails)
    assert recorder.lost == 0
    assert await recorder.tool(a_tool_call(tool=object()), fine) is knot
    assert recorder.lost >= 1
    assert len(taken(recorder).records) == 3


async def test_each_message_is_written_out_once() -> None:
    """Twenty calls that carry 40 messages each cost as many serialisations as there are messages."""
    recorder = a_recorder()
    said = [HumanMessage(f"{number} {'x' * 400}", id=str(number)) for number in range(40)]

    for _ in range(20):
        await recorder.model(a_model_call(said), answer(AIMessage("the same", id="a")))

    assert recorder.contents.serialised == 41
    assert len(recorder.take().contents) == 42


async def test_nodes_in_threads_write_into_one_record() -> None:
    """Synchronous nodes run in threads at once: no record is lost, no number given twice."""
    model = FunctionModel(lambda messages, _: f"to {messages[-1].text}")

    def work(state: Any) -> Log:
        return {"log": [model.invoke(f"{state['n']} {number}").text for number in range(20)]}

    graph = builder(Log).add_node("work", work)
    graph.add_conditional_edges(START, lambda _: [Send("work", {"n": number}) for number in range(8)], ["work"])

    found = await recorded(graph.compile(), {"log": []})

    calls = found.all(ModelCalled)
    assert len({(one.path, one.call) for one in calls}) == len(calls) == 160
    assert [one.index for one in found.records] == list(range(len(found.records)))
    for one in calls:
        told = found.plain(one.messages[0])["content"]
        assert found.plain(one.response)["content"] == f"to {told}"
        assert told.endswith(f" {one.call}")


async def test_a_sub_agent_in_a_tool_stands_inside_it() -> None:
    """Its nodes and calls are told by the path of the task whose tool runs it."""
    found = await recorded(supervisor(), asked("Oslo?"))

    assert [one.path for one in found.all(ModelCalled)] == [
        "model@1",
        "tools@2[0]|model@1",
        "tools@2[0]|model@3",
        "model@3",
    ]


async def test_two_runs_at_once_keep_their_records_apart() -> None:
    """Runs that interleave in one process write into their own trajectories."""
    first, second = await asyncio.gather(
        recorded(travel(), asked("one"), recorder=a_recorder("r1")),
        recorded(travel(), asked("two"), recorder=a_recorder("r2")),
    )

    assert len(first.records) == len(second.records)
    assert {one.run_id for one in second.records} == {"r2"}
    assert second.plain(second.one(ModelCalled).messages[0])["content"] == "two"


def test_a_recorder_needs_no_loop() -> None:
    """It may be made, and asked, where nothing runs."""
    recorder = Recorder("r", contents=a_recorder().contents, thread_id="t")
    recorder.run_finished("ok")

    assert len(recorder.take().records) == 1
