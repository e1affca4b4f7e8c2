"""Handing over: a brief in the state, the loop's end, and nothing lost."""

from __future__ import annotations

from typing import Any

from langchain_core.messages import HumanMessage, ToolMessage
from langchain_core.tools import BaseTool, tool
from langgraph.checkpoint.memory import InMemorySaver

from motet.agents.build import build_agent
from motet.agents.handoff import Handoff, handoff_tool
from motet.agents.spec import AgentSpec
from motet.testing import ScriptedModel, tool_call

SPEC = AgentSpec(
    name="desk", description="The front desk.", instructions="Hand over.", tools=("look",), handoffs=("lawyer", "buyer")
)


@tool
def look() -> str:
    """Look."""
    return "rain"


def brief(agent: str, goal: str = "find out") -> Handoff:
    return Handoff(agent=agent, goal=goal, facts=["it rains"], open_questions=["since when?"])


async def run(model: ScriptedModel, *tools: BaseTool) -> dict[str, Any]:
    return await build_agent(SPEC, model=model, tools=[look, *tools]).ainvoke({"messages": [HumanMessage("Help")]})


async def test_a_handoff_ends_the_loop_with_its_brief() -> None:
    """The model isn't asked again, and the brief is there as it was given."""
    with ScriptedModel([tool_call("handoff", **brief("lawyer"))]) as model:
        state = await run(model)

    assert state["handoffs"] == [brief("lawyer")]
    assert state["messages"][-1].text == "Handed over to lawyer."


async def test_another_tool_of_the_same_turn_still_runs() -> None:
    """Only after every call of the turn is answered does the loop end."""
    with ScriptedModel([[tool_call("handoff", **brief("lawyer")), tool_call("look")]]) as model:
        state = await run(model)

    answers = [one.text for one in state["messages"] if isinstance(one, ToolMessage)]
    assert answers[0] == "Handed over to lawyer."
    assert "rain" in answers[1]


async def test_an_unknown_agent_is_answered_with_those_allowed() -> None:
    """The agent may try again, and nothing was handed over."""
    with ScriptedModel([tool_call("handoff", **brief("nobody")), "Then I do it."]) as model:
        state = await run(model)

    refused = state["messages"][-2]
    assert (refused.status, refused.text) == (
        "error",
        "There is no agent 'nobody' to hand over to; allowed: lawyer, buyer.",
    )
    assert state.get("handoffs", []) == []
    assert state["messages"][-1].text == "Then I do it."


async def test_a_later_turn_starts_without_the_earlier_handoffs() -> None:
    """On a thread that keeps its state, an old handoff doesn't end the next turn at once."""
    with ScriptedModel([tool_call("handoff", **brief("buyer")), "Good morning."]) as model:
        agent = build_agent(SPEC, model=model, tools=[look])
        agent.checkpointer = InMemorySaver()
        config: Any = {"configurable": {"thread_id": "t"}}
        await agent.ainvoke({"messages": [HumanMessage("Help")]}, config)
        state = await agent.ainvoke({"messages": [HumanMessage("Hello")]}, config)

    assert state["messages"][-1].text == "Good morning."
    assert state["handoffs"] == []


def test_the_model_is_told_whom_it_may_hand_over_to() -> None:
    """The tool's schema has the four fields of a brief and no more; its description names the agents."""
    made = handoff_tool(["lawyer", "buyer"])

    assert set(made.args) - {"tool_call_id"} == {"agent", "goal", "facts", "open_questions"}
    assert "Agents: lawyer, buyer." in made.description
