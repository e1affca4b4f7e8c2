"""LangChain's own middleware, and a graph with the older questions, go on with what a client's answer becomes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import HumanInTheLoopMiddleware
from langchain_core.messages import HumanMessage, ToolMessage
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.types import Command, interrupt
from tests.graphs.asked import ALL, CALL_SCHEMA, SAID, legacy

from motet.errors import InvalidInput
from motet.graphs.answers import answers
from motet.graphs.questions import read
from motet.graphs.runtime import waiting_interrupts
from motet.graphs.shapes import shown
from motet.memory.ports import WaitingInterrupt
from motet.testing import ScriptedModel, tool_call

CONFIG: Any = {"configurable": {"thread_id": "t"}}
Mode = Literal["batched", "per_call"]


class Reviewed:
    """An agent whose two kinds of calls LangChain's middleware asks about, as the server runs it."""

    def __init__(self, mode: Mode, *calls: Any, allowed: Sequence[Any] = ALL) -> None:
        self.sent = list[tuple[str, int]]()

        @tool
        async def send(to: str, times: int = 1) -> str:
            """Send a letter."""
            self.sent.append((to, times))
            return f"sent to {to}"

        gate = HumanInTheLoopMiddleware({"send": {"allowed_decisions": list(allowed)}}, interrupt_mode=mode)
        model = ScriptedModel([list(calls), "Done."])
        self.agent: Any = create_agent(model, [send], middleware=[gate], checkpointer=InMemorySaver())

    async def ask(self) -> Sequence[WaitingInterrupt]:
        await self.agent.ainvoke({"messages": [HumanMessage("Write to them")]}, CONFIG)
        return await waiting_interrupts(self.agent, "t")

    async def resume(self, resume: Any) -> list[ToolMessage]:
        """Answer as a client does; what the model is then told of its calls."""
        given = answers("t", resume, await waiting_interrupts(self.agent, "t"))
        state = await self.agent.ainvoke(Command(resume={one.interrupt_id: one.native for one in given}), CONFIG)
        return [one for one in state["messages"] if isinstance(one, ToolMessage)]


DONE = {
    "approve": ([("ada", 1)], "success", "sent to ada"),
    "edit": ([("bob", 2)], "success", "sent to bob"),
    "reject": ([], "error", "no"),
    "respond": ([], "success", "later"),
}


@pytest.mark.parametrize("mode", ["batched", "per_call"])
@pytest.mark.parametrize("kind", ALL)
@pytest.mark.parametrize("way", ["one decision", "decisions", "human responses"])
async def test_each_decision_does_what_it_says(mode: Mode, kind: str, way: str) -> None:
    """The tool runs as approved or as edited, or not at all, however the client wrote that."""
    reviewed = Reviewed(mode, tool_call("send", to="ada"))
    await reviewed.ask()

    (message,) = await reviewed.resume(SAID[kind][way])

    sent, status, told = DONE[kind]
    assert (reviewed.sent, message.status) == (sent, status)
    assert told in message.text


@pytest.mark.parametrize("allowed", [ALL, ("approve", "edit"), ("edit",), ("reject",)])
async def test_a_per_call_question_is_read_from_what_langchain_publishes(allowed: tuple[Any, ...]) -> None:
    """Its response schema, as it comes, tells what is allowed and what edits must fit."""
    reviewed = Reviewed("per_call", tool_call("send", to="ada"), allowed=allowed)

    (question,) = await reviewed.ask()
    shape, (action,) = read(question.value, question.response_schema)

    assert (shape, action.tool, action.arguments) == ("tool_approval", "send", {"to": "ada"})
    assert (action.tool_call_id, set(action.allowed)) == ("call-1-1", set(allowed))
    told = (action.arguments_schema or {}).get("properties", {})
    assert list(told) == (list(CALL_SCHEMA["properties"]) if "edit" in allowed else [])
    chat: Any = shown(question.value, question.response_schema, "hitl")
    assert set(chat["review_configs"][0]["allowed_decisions"]) == set(allowed)
    assert {name: chat[name] for name in question.value} == question.value


async def test_calls_of_one_turn_are_answered_together_from_several_clients_shapes() -> None:
    """Each by its id, each in another shape; none runs twice."""
    calls = [tool_call("send", to=name) for name in ("ada", "bob", "cid")]
    reviewed = Reviewed("per_call", *calls)
    first, second, third = await reviewed.ask()

    await reviewed.resume({second.interrupt_id: {"decisions": [{"type": "approve"}]}})
    messages = await reviewed.resume(
        {first.interrupt_id: [{"type": "ignore", "args": None}], third.interrupt_id: {"type": "accept"}}
    )

    assert sorted(reviewed.sent) == [("bob", 1), ("cid", 1)]
    assert [one.status for one in messages] == ["error", "success", "success"]


async def test_edited_arguments_are_refused_before_langchain_sees_them() -> None:
    """It would refuse them too, after the tools of the other answers have run."""
    reviewed = Reviewed("per_call", tool_call("send", to="ada"), tool_call("send", to="bob"))
    first, second = await reviewed.ask()
    wrong = {"type": "edit", "edited_action": {"name": "send", "args": {"to": "bob", "times": "many"}}}

    with pytest.raises(InvalidInput, match=r"arguments\.times: 'many'"):
        await reviewed.resume({first.interrupt_id: {"type": "approve"}, second.interrupt_id: wrong})

    assert reviewed.sent == []


@pytest.mark.parametrize("listed", [False, True])
@pytest.mark.parametrize("kind", ALL)
async def test_an_older_graph_goes_on_with_a_list(kind: str, listed: bool) -> None:  # noqa: FBT001 - a case of the table
    """What such graphs do with `interrupt(...)[0]` works, also where LangChain's decision was sent."""

    def decide(state: MessagesState) -> dict[str, Any]:  # noqa: ARG001 - a node's signature
        response = interrupt([legacy()] if listed else legacy())[0]
        return {"messages": [("ai", f"{response['type']}: {response['args']}")]}

    graph: Any = StateGraph(MessagesState).add_node("decide", decide).add_edge(START, "decide")
    graph = graph.compile(checkpointer=InMemorySaver())
    await graph.ainvoke({"messages": []}, CONFIG)

    (given,) = answers("t", SAID[kind]["decisions"], await waiting_interrupts(graph, "t"))
    state = await graph.ainvoke(Command(resume={given.interrupt_id: given.native}), CONFIG)

    edited = {"action": "send", "args": {"to": "bob", "times": 2}}
    told = {"approve": "accept: None", "edit": f"edit: {edited}", "reject": "ignore: no", "respond": "response: later"}
    assert state["messages"][-1].text == told[kind]
