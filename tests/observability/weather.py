"""The graph that observability's tests look at: a plain node, then an agent with a tool, perhaps with a question."""

from __future__ import annotations

from typing import Any

from langchain.agents import create_agent
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import MessagesState, StateGraph
from langgraph.types import interrupt
from tests.models import ListedModel, asked, says


@tool
def look(city: str) -> str:
    """Look out of the window."""
    return f"rain in {city}"


@tool
def approve(city: str) -> str:
    """Ask a person."""
    return f"{city}: {interrupt('may I look?')}"


@tool
def break_window(city: str) -> str:
    """Break the window."""
    raise RuntimeError(f"glass all over {city}")


def travel(called: str = "look") -> Any:
    """`plan`, a plain node, then `weather`, an agent that calls the tool named `called`."""
    model = ListedModel(answers=[says(tool=called, city="Oslo"), says("it rains")])
    agent = create_agent(model, [look, approve, break_window], name="weather")

    async def plan(state: MessagesState) -> dict[str, Any]:
        return {"messages": [("ai", f"planned after {len(state['messages'])}")]}

    graph = StateGraph(MessagesState).add_node("plan", plan).add_node("weather", agent)
    graph.add_edge("__start__", "plan").add_edge("plan", "weather")
    return graph.compile(name="travel", checkpointer=InMemorySaver())


def supervisor() -> Any:
    """An agent whose tool asks the weather agent."""
    inner = ListedModel(answers=[says(tool="look", city="Oslo", call_id="call-2"), says("it rains")])
    weather = create_agent(inner, [look], name="weather")

    @tool
    async def ask_weather(question: str) -> str:
        """Ask the weather agent."""
        return (await weather.ainvoke(asked(question)))["messages"][-1].text

    outer = ListedModel(answers=[says(tool="ask_weather", question="Oslo?"), says("take a coat")], model_name="outer")
    return create_agent(outer, [ask_weather], name="team", checkpointer=InMemorySaver())
