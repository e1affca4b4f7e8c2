"""A run's record: what is written, in what shape, how much, and what never is."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from typing import Annotated, Any, TypeVar

import orjson
import pytest
from langchain.tools import ToolRuntime
from langchain_core.messages import HumanMessage
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import tool
from langgraph.graph import MessagesState, StateGraph
from langgraph.prebuilt import InjectedState, ToolNode
from langgraph.types import Command
from opentelemetry.trace import NoOpTracer
from tests.models import asked, says
from tests.observability.weather import supervisor, travel

from motet.calls import ModelCall, Place, ToolCall, install, intercepted
from motet.errors import BudgetExhausted, StoreUnavailable
from motet.observability.spans import NodeWatch
from motet.observability.trajectory.bounds import RECORD_BYTES
from motet.observability.trajectory.model import (
    Interrupted,
    ModelCalled,
    NodeFinished,
    NodeStarted,
    Record,
    RunFinished,
    RunStarted,
    ToolCalled,
    decode,
    encode,
)
from motet.observability.trajectory.record import Recorder
from motet.observability.trajectory.redact import REDACTED, redacted
from motet.observability.trajectory.tree import Branch, build
from motet.testing import ScriptedModel

R = TypeVar("R", bound=Record)

KEY = "sk-proj-abcdefghijklmnopqrstuvwxyz123456"


@pytest.fixture(autouse=True)
def _installed() -> None:
    install()


async def recorded(graph: Any, given: Any, *, recorder: Recorder | None = None) -> list[Record]:
    """The records of one run of `graph`."""
    recorder = recorder or Recorder("r1")
    config: RunnableConfig = {
        "callbacks": [NodeWatch(NoOpTracer(), recorder)],
        "configurable": {"thread_id": "t1"},
    }
    recorder.run_started(graph_id="travel", thread_id="t1", attempt=1)
    with intercepted([recorder]):
        result = await graph.ainvoke(given, config)
    waiting = result.get("__interrupt__", [])
    if waiting:
        recorder.interrupted((asked_for.id, asked_for.value) for asked_for in waiting)
    recorder.run_finished("interrupted" if waiting else "ok")
    return [decode(data) for data in recorder.take()]


def one(records: Sequence[Record], kind: type[R]) -> R:
    """The first record of its kind."""
    return next(record for record in records if isinstance(record, kind))


async def test_a_run_is_recorded_in_order() -> None:
    """Run, nodes, model and tool calls stand in the order in which they ended, each with its place."""
    records = await recorded(travel(), asked("hello"))

    assert [(record.type, record.place.node) for record in records] == [
        ("run_started", ""),
        ("node_started", "plan"),
        ("node_finished", "plan"),
        ("node_started", "weather"),
        ("node_started", "model"),
        ("model_called", "model"),
        ("node_finished", "model"),
        ("node_started", "tools"),
        ("tool_called", "tools"),
        ("node_finished", "tools"),
        ("node_started", "model"),
        ("model_called", "model"),
        ("node_finished", "model"),
        ("node_finished", "weather"),
        ("run_finished", ""),
    ]
    assert [record.index for record in records] == list(range(15))
    assert {record.run_id for record in records} == {"r1"}
    assert one(records, ToolCalled).place.agent == "weather"


async def test_a_model_call_is_kept_with_request_and_answer() -> None:
    """Messages by role and content, tool calls, parameters, tokens and times; no ids of messages."""
    records = await recorded(travel(), asked("hello"))
    first, second = (record for record in records if isinstance(record, ModelCalled))

    assert [(message.role, message.content) for message in first.messages] == [
        ("human", "hello"),
        ("ai", "planned after 1"),
    ]
    assert first.response is not None
    assert [(call.name, call.arguments) for call in first.response.tool_calls] == [("look", {"city": "Oslo"})]
    assert [one["function"]["name"] for one in first.params["tools"]] == ["look", "approve", "break_window"]
    assert (first.model, first.usage.total_tokens, first.outcome, first.error) == ("small-1", 7, "ok", None)
    assert second.messages[-1].role == "tool"
    assert second.messages[-1].call_id == "call-1"
    assert first.duration_s >= 0
    assert b"lc_run" not in encode(first)


async def test_a_tool_call_is_kept_with_arguments_and_result() -> None:
    """Name, arguments, the model's call id and the message the tool gave."""
    call = one(await recorded(travel(), asked("hello")), ToolCalled)

    assert (call.tool, call.arguments, call.call_id, call.outcome) == ("look", {"city": "Oslo"}, "call-1", "ok")
    assert call.result["content"] == "rain in Oslo"


async def test_a_waiting_run_is_no_failed_run() -> None:
    """An interrupt is recorded with its question; its tool and nodes are interrupted, not failed."""
    graph = travel("approve")

    records = await recorded(graph, asked("hello"))

    assert [question.value for question in one(records, Interrupted).questions] == ["may I look?"]
    assert (one(records, ToolCalled).outcome, one(records, ToolCalled).error) == ("interrupted", None)
    ends = {record.place.node: record.outcome for record in records if isinstance(record, NodeFinished)}
    assert ends == {"plan": "ok", "model": "ok", "tools": "interrupted", "weather": "interrupted"}
    assert one(records, RunFinished).outcome == "interrupted"

    resumed = await recorded(graph, Command(resume="yes"))
    assert one(resumed, ToolCalled).result["content"] == "Oslo: yes"


async def test_what_fails_is_recorded_and_raised() -> None:
    """A failing tool is a record with its error; the caller gets the same exception."""
    recorder = Recorder("r1")

    with pytest.raises(RuntimeError, match="glass"):
        await recorded(travel("break_window"), asked("hello"), recorder=recorder)

    records = [decode(data) for data in recorder.take()]
    assert one(records, ToolCalled).error == "RuntimeError: glass all over Oslo"
    assert records[-1].type == "node_finished"
    assert isinstance(records[-1], NodeFinished)
    assert records[-1].outcome == "error"


async def test_totals_count_what_was_made() -> None:
    """Totals add up calls and tokens; a call the budget refused was never made."""
    recorder = Recorder("r1")
    call = ModelCall(model="m", messages=[HumanMessage("q")], params={}, place=Place())

    async def refused(_: object) -> Any:
        raise BudgetExhausted("model_calls", spent=2, allowed=2)

    await recorded(travel(), asked("hello"), recorder=recorder)
    with pytest.raises(BudgetExhausted):
        await recorder.model(call, refused)

    assert (recorder.totals.model_calls, recorder.totals.tool_calls, recorder.totals.tokens) == (2, 1, 14)
    last = decode(recorder.take()[-1])
    assert isinstance(last, ModelCalled)
    assert last.error == "BudgetExhausted: the run's budget of 2 model calls is spent (2)"


async def test_the_first_token_is_timed_where_an_answer_streams() -> None:
    """LangGraph's `messages` mode streams inside the call: the time to the first piece is known."""
    model = ScriptedModel([says("one two")])

    async def talk(state: MessagesState) -> dict[str, Any]:
        return {"messages": [await model.ainvoke(state["messages"])]}

    graph: Any = StateGraph(MessagesState).add_node(talk).add_edge("__start__", "talk").compile()
    recorder = Recorder("r1")
    with intercepted([recorder]):
        config = {"callbacks": [NodeWatch(NoOpTracer(), recorder)]}
        async for _ in graph.astream(asked("hi"), config, stream_mode="messages"):
            pass

    call = one([decode(data) for data in recorder.take()], ModelCalled)
    assert call.first_token_s is not None
    assert 0 <= call.first_token_s <= call.duration_s


async def test_what_langgraph_injects_is_not_an_argument() -> None:
    """State and runtime that a tool is given by LangGraph are neither recorded nor shown to interceptors."""

    @tool
    def act(what: str, state: Annotated[dict[str, Any], InjectedState], runtime: ToolRuntime[None, Any]) -> str:
        """Act."""
        return f"{what} {len(state['messages'])} {runtime.tool_call_id}"

    graph: Any = StateGraph(MessagesState).add_node("tools", ToolNode([act])).add_edge("__start__", "tools").compile()
    call = one(await recorded(graph, {"messages": [says(tool="act", what="it")]}), ToolCalled)

    assert call.arguments == {"what": "it"}
    assert call.result["content"] == "it 1 call-1"


async def test_secrets_never_reach_the_record() -> None:
    """Keys by their shape and fields by their name are taken out of arguments, messages, results and errors."""
    recorder = Recorder("r1")
    arguments = {
        "headers": {"Authorization": "Basic dXNlcjpwYXNzd29yZA==", "X-Api-Key": "short"},
        "url": "redis://user:hunter2@host/0",
        "apiKey": "abc",
        "note": f"use {KEY} please",
        "max_tokens": 5,
    }

    async def fails(_: object) -> Any:
        raise RuntimeError(f"401 for key {KEY}")

    with pytest.raises(RuntimeError):
        await recorder.tool(
            ToolCall(tool="http", arguments=arguments, call_id=None, place=Place(), metadata={}, synchronous=False),
            fails,
        )
    with pytest.raises(RuntimeError):
        await recorder.model(
            ModelCall(model="m", messages=[HumanMessage(f"my key is {KEY}")], params={"api_key": "x"}, place=Place()),
            fails,
        )

    written = b"".join(recorder.take()).decode()
    for secret in (KEY, "dXNlcjpwYXNzd29yZA", "short", "hunter2", '"abc"', '"x"'):
        assert secret not in written
    assert '"max_tokens":5' in written


@pytest.mark.parametrize(
    "text",
    [
        "ghp_abcdefghijklmnopqrstuvwxyz0123456789",
        "AKIAIOSFODNN7EXAMPLE",
        "redis://user:hunter2@host",
        "Bearer abcdefghijklmnop.qr5",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl",
        "lsv2_pt_0123456789abcdef0123456789abcdef_0123456789",
        "-----BEGIN RSA PRIVATE KEY-----\nabc\n-----END RSA PRIVATE KEY-----",
    ],
)
def test_known_shapes_of_keys_are_redacted(text: str) -> None:
    """A key is found anywhere in a text, and the text around it stays."""
    kept = redacted(f"before {text} after")

    assert re.fullmatch(rf"before (redis://|Bearer )?{re.escape(REDACTED)}(@host)? after", kept)


def test_ordinary_words_are_not_secrets() -> None:
    """Prose, numbers and names that only resemble secrets stay as they are."""
    ordinary = {"tokens": "12", "keyboard": "qwerty", "text": "the basic idea: risk-free sk-ips", "monkey": "x", "n": 1}

    assert redacted(ordinary) == ordinary


def a_tool_call(**changed: Any) -> ToolCalled:
    """A record to be changed."""
    said: dict[str, Any] = {"arguments": {}, "result": None, "outcome": "ok", "duration_s": 0.1, **changed}
    return ToolCalled(run_id="r1", index=0, at="2026-01-01T00:00:00.000000+00:00", tool="act", **said)


def test_an_overlong_value_is_cut_and_says_so() -> None:
    """A long text is cut where it stands, with the number of characters that are missing."""
    back = decode(encode(a_tool_call(arguments={"text": "x" * 20_000, "n": 1})))

    assert isinstance(back, ToolCalled)
    assert back.arguments["text"].endswith("… [3616 characters cut]")
    assert back.arguments["n"] == 1


@pytest.mark.parametrize(
    "result",
    [
        "x" * 3_000_000,
        ["y" * 1000] * 5_000,
        {str(n): {"z": "z" * 900} for n in range(4_000)},
        [[["w" * 99] * 40] * 40] * 40,
        "half \ud800 a character",
    ],
    ids=["text", "list", "object", "nested", "surrogate"],
)
def test_every_record_fits(result: Any) -> None:
    """Whatever a tool returns, its record stays within bounds and can be read back."""
    data = encode(a_tool_call(result=result))

    assert len(data) <= RECORD_BYTES
    assert isinstance(decode(data), ToolCalled)


async def test_recording_never_fails_a_run() -> None:
    """Values that are no JSON are named by their class, and a record that can't be made is counted."""
    recorder = Recorder("r1")
    loop: dict[str, Any] = {"n": 2**80, "object": object(), "bytes": b"abc", "nan": float("nan")}
    loop["self"] = loop

    async def fine(_: object) -> Any:
        return loop

    assert (
        await recorder.tool(
            ToolCall(tool="odd", arguments=loop, call_id=None, place=Place(), metadata={}, synchronous=False), fine
        )
        is loop
    )
    call = one([decode(data) for data in recorder.take()], ToolCalled)
    assert call.arguments["object"] == "[object]"
    assert call.arguments["bytes"] == "[3 bytes]"

    recorder.node_started(Place(step="not a number"))  # pyright: ignore[reportArgumentType]  # a broken caller
    broken: Any = ModelCall(model="m", messages=["no message"], params={}, place=Place())  # pyright: ignore[reportArgumentType]  # as above
    assert await recorder.model(broken, fine) is loop
    assert recorder.lost == 1


def test_a_record_of_another_version_is_refused() -> None:
    """Bytes that are no record known here are an error, never a wrong record."""
    newer = {**orjson.loads(encode(a_tool_call())), "v": 2}

    for data in (orjson.dumps(newer), b'{"type": "dream"}', b"no JSON"):
        with pytest.raises(ValueError, match=r".+"):
            decode(data)


class Sink:
    """A store that is away at first."""

    def __init__(self) -> None:
        self.away = True
        self.records: list[bytes] = []

    async def append(self, run_id: str, records: Sequence[bytes]) -> None:
        if self.away:
            raise StoreUnavailable("redis://x", f"away for {run_id}")
        self.records += records


async def test_records_wait_for_a_store_that_is_away() -> None:
    """A flush that fails loses nothing and fails nobody; the next one writes all in order."""
    recorder, sink = Recorder("r1"), Sink()
    recorder.run_started(graph_id="g", thread_id="t", attempt=1)
    await recorder.flush(sink)
    recorder.run_finished("ok")

    sink.away = False
    await recorder.flush(sink)

    assert [type(decode(data)) for data in sink.records] == [RunStarted, RunFinished]
    assert recorder.take() == []


def outline(branch: Branch, depth: int = 0) -> list[str]:
    """The tree as indented lines."""
    lines = [f"{'  ' * depth}{branch.kind} {branch.name} {branch.tokens} {branch.outcome}"]
    return lines + [line for child in branch.children for line in outline(child, depth + 1)]


async def test_the_tree_of_a_run_with_a_sub_agent() -> None:
    """Nodes stand in the run, calls in their node, and a sub-agent in the tool call that ran it."""
    tree = build(await recorded(supervisor(), asked("Oslo?")))

    assert outline(tree) == [
        "run travel 28 ok",
        "  node model 7 ok",
        "    model outer 7 ok",
        "  node tools 14 ok",
        "    tool ask_weather 14 ok",
        "      node model 7 ok",
        "        model small-1 7 ok",
        "      node tools 0 ok",
        "        tool look 0 ok",
        "      node model 7 ok",
        "        model small-1 7 ok",
        "  node model 7 ok",
        "    model outer 7 ok",
    ]
    assert tree.detail["model_calls"] == 4
    assert tree.children[1].children[0].children[0].detail["agent"] == "weather"
    assert orjson.loads(orjson.dumps(tree))["children"][0]["children"][0]["detail"]["response"]["role"] == "ai"


async def test_the_tree_of_a_sub_graph() -> None:
    """A graph used as a node holds its own nodes."""
    assert outline(build(await recorded(travel("approve"), asked("hello")))) == [
        "run travel 7 interrupted",
        "  node plan 0 ok",
        "  node weather 7 interrupted",
        "    node model 7 ok",
        "      model small-1 7 ok",
        "    node tools 0 interrupted",
        "      tool approve 0 interrupted",
        "  interrupt  0 interrupted",
    ]


async def test_a_run_whose_worker_died_is_unfinished() -> None:
    """Where no end was recorded, the tree says so."""
    recorder, never = Recorder("r1"), asyncio.get_running_loop().create_future()
    recorder.run_started(graph_id="g", thread_id="t", attempt=1)
    recorder.node_started(Place(namespace="a:1", node="a", step=1))
    never.cancel()

    assert outline(build(map(decode, recorder.take()))) == ["run g 0 unfinished", "  node a 0 unfinished"]
    with pytest.raises(ValueError, match="no tree"):
        build([])


async def test_two_runs_at_once_keep_their_records_apart() -> None:
    """Runs that interleave in one process write into their own trajectories."""
    first, second = await asyncio.gather(
        recorded(travel(), asked("one"), recorder=Recorder("r1")),
        recorded(travel(), asked("two"), recorder=Recorder("r2")),
    )

    assert (len(first), len(second)) == (15, 15)
    assert {record.run_id for record in second} == {"r2"}
    assert one(second, ModelCalled).messages[0].content == "two"
    assert one(first, NodeStarted).place.node == "plan"
