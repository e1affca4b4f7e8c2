"""Known traps of agents on LangGraph, each with what guards against it here.

Two more have their tests in tests/tools/test_budget.py: a parent's recursion limit doesn't bound a sub-agent in a tool
(`test_a_sub_agent_that_loops_is_stopped`), and a limit that each agent counts for itself is no limit of the run
(`test_parent_and_child_share_one_count`).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any
from uuid import uuid4

import pytest
from langchain.agents.middleware import ToolRetryMiddleware
from langchain_core.messages import HumanMessage, ToolMessage
from langchain_core.tools import BaseTool, tool
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, Send, interrupt
from pydantic import BaseModel
from redis.asyncio import Redis

from motet.agents.build import build_agent
from motet.agents.dangling import repaired
from motet.agents.spec import AgentSpec, CallLimits
from motet.agents.structured import ask
from motet.errors import InvalidInput, ModelFailed
from motet.graphs.answers import answers
from motet.graphs.crew.specialists import specialist
from motet.graphs.gate import ApprovalGate
from motet.graphs.registry import Graph
from motet.graphs.state import State
from motet.memory.ports import WaitingInterrupt
from motet.memory.redis.checkpoints import RedisCheckpointer
from motet.memory.redis.keys import Keys
from motet.testing import FunctionModel, ScriptedModel, tool_call

APPROVED = {"decisions": [{"type": "approve"}]}
BRIEF = {"goal": "find out", "facts": [], "open_questions": []}


@pytest.fixture
def saver(redis: Redis, keys: Keys) -> RedisCheckpointer:
    """Our checkpointer."""
    return RedisCheckpointer(redis, keys)


@pytest.fixture
def config() -> Any:
    """A thread of its own."""
    return {"configurable": {"thread_id": str(uuid4())}}


def spec(name: str = "clerk", **fields: Any) -> AgentSpec:
    given: dict[str, Any] = {"name": name, "description": "Works.", "instructions": "Work."}
    return AgentSpec(**given | fields)


def human(text: str = "Go on") -> Any:
    return {"messages": [HumanMessage(text)]}


def sender(sent: list[str]) -> BaseTool:
    """A tool with an effect that can be counted."""

    @tool
    async def send(text: str) -> str:
        """Send."""
        sent.append(text)
        return f"sent {text}"

    send.metadata = {"effect": "once"}
    return send


def sending(name: str, tools: list[BaseTool], calls: list[int]) -> Graph:
    """A specialist that sends its own name, once; `calls` counts its model's calls."""

    def answer(messages: Sequence[Any], bound: Any) -> Any:
        calls.append(1)
        if not bound:
            return json.dumps({"answer": f"{name} is done."})
        return "Done." if isinstance(messages[-1], ToolMessage) else tool_call("send", text=name)

    async def model() -> Any:
        return FunctionModel(answer)

    return specialist(spec(name, tools=("send",)), model=model, tools=tools)


def crew(saver: RedisCheckpointer, **members: Graph) -> Graph:
    """Graphs side by side over one state."""
    builder = StateGraph(State)
    for name, member in members.items():
        builder.add_node(name, member)
        builder.add_edge(START, name)
    return builder.compile(checkpointer=saver)


def traced(saver: RedisCheckpointer, ran: list[str]) -> Graph:
    """Three nodes: before -> a sub-graph of two steps -> after; each step is noted."""

    def step(name: str) -> Any:
        def run(state: State) -> State:  # noqa: ARG001 - a node's signature
            ran.append(name)
            return State(messages=[])

        return run

    inner = StateGraph(State)
    inner.add_node("one", step("one"))
    inner.add_node("two", step("two"))
    inner.add_edge(START, "one")
    inner.add_edge("one", "two")
    outer = StateGraph(State)
    outer.add_node("before", step("before"))
    outer.add_node("inner", inner.compile())
    outer.add_node("after", step("after"))
    outer.add_edge(START, "before")
    outer.add_edge("before", "inner")
    outer.add_edge("inner", "after")
    outer.add_edge("after", END)
    return outer.compile(checkpointer=saver)


@pytest.mark.parametrize(("following", "again"), [("after", ["after"]), ("inner", ["one", "two", "after"])])
@pytest.mark.parametrize("forked", [False, True])
async def test_a_replay_from_a_root_checkpoint_runs_only_what_follows(
    saver: RedisCheckpointer,
    config: Any,
    following: str,
    again: list[str],
    forked: bool,  # noqa: FBT001 - a column of the table
) -> None:
    """Replay or fork at the root: what came before isn't done again, a sub-graph that follows is done whole."""
    ran = list[str]()
    graph = traced(saver, ran)
    await graph.ainvoke(human(), config)
    assert ran == ["before", "one", "two", "after"]
    history = [state async for state in graph.aget_state_history(config)]
    place = next(state.config for state in history if state.next == (following,))
    if forked:
        place = await graph.aupdate_state(place, {"status": "partial"})
    ran.clear()

    await graph.ainvoke(None, place)

    assert ran == again


async def test_an_agent_in_a_tool_is_bounded_by_its_own_limits() -> None:
    """A sub-agent inside a tool doesn't inherit its parent's recursion limit; its own declaration bounds it."""
    looked = list[int]()

    @tool
    def look() -> str:
        """Look."""
        looked.append(1)
        return "rain"

    limits = CallLimits(model_calls=5, tool_calls=3)
    child = build_agent(
        spec("child", tools=("look",), limits=limits),
        model=FunctionModel(lambda _messages, _tools: tool_call("look")),
        tools=[look],
    )

    @tool
    async def delegate() -> str:
        """Ask the child."""
        return (await child.ainvoke(human()))["messages"][-1].text

    parent = build_agent(
        spec("parent", tools=("delegate",)), model=ScriptedModel([tool_call("delegate"), "Done."]), tools=[delegate]
    )

    state = await parent.ainvoke(human())

    assert len(looked) == 3
    assert state["messages"][-1].text == "Done."


async def test_parallel_handoffs_lose_nothing(saver: RedisCheckpointer, config: Any) -> None:
    """Three handoffs in one turn are three briefs, in the agent and in what its specialist gives."""
    names = ("ann", "bob", "cid")
    model = ScriptedModel([[tool_call("handoff", agent=name, **BRIEF) for name in names]])

    async def factory() -> Any:
        return model

    graph = crew(saver, desk=specialist(spec("desk", handoffs=names), model=factory, tools=[]))
    state = await graph.ainvoke(human(), config)

    assert [one["agent"] for one in state["findings"][0]["handoffs"]] == list(names)


async def test_sub_agents_in_parallel_share_no_history(saver: RedisCheckpointer, config: Any) -> None:
    """One agent called five times at once by tools, twice over: each call sees its own question and nothing else."""
    together = asyncio.Barrier(5)

    async def answer(messages: Sequence[Any], _tools: Any) -> Any:
        await together.wait()
        return "+".join(one.text for one in messages if one.type == "human")

    child = build_agent(spec("child"), model=FunctionModel(answer), tools=[])

    @tool
    async def delegate(task: str) -> str:
        """Ask the child."""
        return (await child.ainvoke(human(task)))["messages"][-1].text

    def turn(letter: str) -> Any:
        return [tool_call("delegate", task=f"{letter}{number}") for number in range(5)]

    model = ScriptedModel([turn("a"), turn("b"), "Done."])
    parent = build_agent(spec("parent", tools=("delegate",)), model=model, tools=[delegate])
    parent.checkpointer = saver
    state = await parent.ainvoke(human(), config)

    heard = [one.artifact for one in state["messages"] if isinstance(one, ToolMessage)]
    assert sorted(heard) == [f"{letter}{number}" for letter in "ab" for number in range(5)]


async def test_a_call_left_by_a_message_instead_of_an_answer_is_repaired(saver: RedisCheckpointer, config: Any) -> None:
    """Someone types instead of deciding: the call is answered before the person's words, and nothing is sent."""
    sent = list[str]()
    model = ScriptedModel([tool_call("send", text="hi"), "As you like."])
    agent = build_agent(spec(tools=("send",)), model=model, tools=[sender(sent)], middleware=[ApprovalGate({})])
    agent.checkpointer = saver
    assert (await agent.ainvoke(human("Send it"), config))["__interrupt__"]

    state = await agent.ainvoke(human("Wait, don't"), config)

    assert [one.type for one in model.calls[1].messages][1:] == ["human", "ai", "tool", "human"]
    assert repaired(state["messages"]) == state["messages"]
    assert sent == []


async def test_a_raising_tool_leaves_an_answered_call(saver: RedisCheckpointer, config: Any) -> None:
    """A tool that raises doesn't kill the run, so nothing dangles in the thread and the next turn is a plain one."""

    @tool
    def fail() -> str:
        """Fail."""
        raise ZeroDivisionError

    model = ScriptedModel([tool_call("fail"), "It failed.", "Hello."])
    agent = build_agent(spec(tools=("fail",)), model=model, tools=[fail])
    agent.checkpointer = saver

    await agent.ainvoke(human("Try"), config)
    state = await agent.ainvoke(human("Hello"), config)

    assert [one.type for one in state["messages"]] == ["human", "ai", "tool", "ai", "human", "ai"]


@pytest.mark.parametrize("at_once", [True, False])
async def test_parallel_approvals_run_each_effect_once(
    saver: RedisCheckpointer,
    config: Any,
    at_once: bool,  # noqa: FBT001 - a column of the table
) -> None:
    """Two specialists wait side by side: answered together or one by one, each effect happens once.

    No model is asked again what it said before.
    """
    sent, calls = list[str](), list[int]()
    tools = [sender(sent)]
    graph = crew(saver, ann=sending("ann", tools, calls), bob=sending("bob", tools, calls))
    waiting = [one.id for one in (await graph.ainvoke(human(), config))["__interrupt__"]]
    assert (len(waiting), sent) == (2, [])

    if at_once:
        state = await graph.ainvoke(Command(resume=dict.fromkeys(waiting, APPROVED)), config)
    else:
        state = await graph.ainvoke(Command(resume={waiting[1]: APPROVED}), config)
        assert [one.id for one in state["__interrupt__"]] == waiting[:1]
        assert len(sent) == 1
        state = await graph.ainvoke(Command(resume={waiting[0]: APPROVED}), config)

    assert sorted(sent) == ["ann", "bob"]
    assert sorted(one["answer"] for one in state["findings"]) == ["ann is done.", "bob is done."]
    assert len(calls) == 2 * 3


async def test_specialists_that_end_in_one_step_agree_on_the_state(saver: RedisCheckpointer, config: Any) -> None:
    """Every specialist writes its status; side by side none of them makes the whole step invalid."""
    sent, calls = list[str](), list[int]()
    tools = [sender(sent).model_copy(update={"metadata": {}})]
    members = {name: sending(name, tools, calls) for name in ("ann", "bob", "cid")}
    builder = StateGraph(State)
    for name, member in members.items():
        builder.add_node(name, member)
    given = {**human("Send"), "brief": {"context": "", "problems": []}}
    builder.add_conditional_edges(START, lambda _: [Send(name, given) for name in members], list(members))

    state = await builder.compile(checkpointer=saver).ainvoke(human(), config)

    assert sorted(one["agent"] for one in state["findings"]) == sorted(sent) == ["ann", "bob", "cid"]
    assert state["status"] == "ok"


async def test_a_structured_answer_is_never_silently_nothing() -> None:
    """Repairs are counted, and when they are spent that is an error: no None travels on."""

    class Wanted(BaseModel):
        """A number."""

        number: int

    with ScriptedModel(["one", '{"number": "many"}', "{}"]) as model, pytest.raises(ModelFailed, match="3 replies"):
        await ask(model, [HumanMessage("A number")], Wanted)
    with ScriptedModel(["one", "two", '{"number": 3}']) as model:
        assert (await ask(model, [HumanMessage("A number")], Wanted)).number == 3


async def test_one_answer_for_several_questions_is_refused_before_the_graph(
    saver: RedisCheckpointer, config: Any
) -> None:
    """Which of two it answers can't be guessed: the caller is told the ids, and both still wait."""
    sent, calls = list[str](), list[int]()
    tools = [sender(sent)]
    graph = crew(saver, ann=sending("ann", tools, calls), bob=sending("bob", tools, calls))
    found = (await graph.ainvoke(human(), config))["__interrupt__"]
    waiting = [WaitingInterrupt(interrupt_id=one.id, task_id="", value=one.value) for one in found]

    with pytest.raises(InvalidInput, match=waiting[0].interrupt_id):
        answers("t", APPROVED, waiting)

    assert {one.id for one in (await graph.aget_state(config)).interrupts} == {one.id for one in found}
    assert sent == []


async def test_nothing_around_a_tool_swallows_a_question(saver: RedisCheckpointer, config: Any) -> None:
    """A tool that asks a person itself, behind retries and our handling of errors, still ends the run as waiting."""

    @tool
    def confirm() -> str:
        """Ask."""
        return f"they said {interrupt('Really?')}"

    model = ScriptedModel([tool_call("confirm"), "Good."])
    agent = build_agent(
        spec(tools=("confirm",)), model=model, tools=[confirm], middleware=[ApprovalGate({}), ToolRetryMiddleware()]
    )
    agent.checkpointer = saver
    (waiting,) = (await agent.ainvoke(human(), config))["__interrupt__"]

    state = await agent.ainvoke(Command(resume={waiting.id: "yes"}), config)

    assert "they said yes" in state["messages"][2].text
