"""Calls that nobody answered are answered before a provider sees them."""

from __future__ import annotations

from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, ToolMessage
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver

from motet.agents.dangling import DanglingCalls, repaired
from motet.testing import ScriptedModel, tool_call


def calls(*ids: str) -> AIMessage:
    return AIMessage("", tool_calls=[{"name": "look", "args": {}, "id": one, "type": "tool_call"} for one in ids])


def answer(call_id: str) -> ToolMessage:
    return ToolMessage("rain", tool_call_id=call_id, name="look")


def shape(messages: list[AnyMessage]) -> list[str]:
    """Each message as its type, with the id that a tool's answer is for; errors marked."""
    return [
        f"{one.tool_call_id}{'!' if one.status == 'error' else ''}" if isinstance(one, ToolMessage) else one.type
        for one in messages
    ]


@pytest.mark.parametrize(
    ("history", "mended"),
    [
        ([HumanMessage("q"), AIMessage("a")], ["human", "ai"]),
        ([calls("a"), answer("a"), AIMessage("it rains")], ["ai", "a", "ai"]),
        ([calls("a")], ["ai", "a!"]),
        ([calls("a", "b"), answer("b")], ["ai", "b", "a!"]),
        ([calls("a"), HumanMessage("never mind")], ["ai", "a!", "human"]),
        ([calls("a"), HumanMessage("never mind"), answer("a")], ["ai", "a", "human"]),
        ([calls("a"), HumanMessage("again"), calls("a"), answer("a")], ["ai", "a!", "human", "ai", "a"]),
        ([], []),
    ],
)
def test_each_call_is_answered_right_behind_it(history: list[AnyMessage], mended: list[str]) -> None:
    """Missing answers are put in as errors, late ones are moved, ids may repeat from turn to turn."""
    assert shape(repaired(history)) == mended
    assert repaired(repaired(history)) == repaired(history)


async def test_a_thread_left_by_an_error_goes_on() -> None:
    """After a tool killed the run, the next message finds a history that a provider takes."""

    @tool
    def look() -> str:
        """Look."""
        raise OSError("no window")

    model = ScriptedModel([tool_call("look"), "Hello."])
    agent = create_agent(model, [look], middleware=[DanglingCalls()], checkpointer=InMemorySaver())
    config: Any = {"configurable": {"thread_id": "t"}}
    with pytest.raises(OSError, match="no window"):
        await agent.ainvoke({"messages": [HumanMessage("Does it rain?")]}, config)

    state = await agent.ainvoke({"messages": [HumanMessage("Hello?")]}, config)

    assert [one.type for one in model.calls[1].messages] == ["human", "ai", "tool", "human"]
    assert shape(state["messages"])[-3:] == ["call-1-1!", "human", "ai"]
