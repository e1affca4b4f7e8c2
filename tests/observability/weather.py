"""The graph that observability's tests look at: a plain node, then an agent with a tool, perhaps with a question."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from langchain.agents import create_agent
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import MessagesState, StateGraph
from langgraph.types import interrupt
from tests.models import asked, says

from motet.testing import FunctionModel


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


def calling_once(request: AIMessage, answer: str, *, name: str = "small-1") -> FunctionModel:
    """A model that makes the tool call of `request`, and says `answer` once it has the result."""

    def reply(messages: Sequence[BaseMessage], _: object) -> AIMessage:
        return says(answer) if messages[-1].type == "tool" else request

    return FunctionModel(reply, model_name=name)


def travel(called: str = "look") -> Any:
    """`plan`, a plain node, then `weather`, an agent that calls the tool named `called`."""
    model = calling_once(says(tool=called, city="Oslo"), "it rains")
    agent = create_agent(model, [look, approve, break_window], name="weather")

    async def plan(state: MessagesState) -> dict[str, Any]:
        return {"messages": [("ai", f"planned after {len(state['messages'])}")]}

    graph = StateGraph(MessagesState).add_node("plan", plan).add_node("weather", agent)
    graph.add_edge("__start__", "plan").add_edge("plan", "weather")
    return graph.compile(name="travel", checkpointer=InMemorySaver())


def supervisor() -> Any:
    """An agent whose tool asks the weather agent."""
    inner = calling_once(says(tool="look", city="Oslo", call_id="call-2"), "it rains")
    weather = create_agent(inner, [look], name="weather")

    @tool
    async def ask_weather(question: str) -> str:
        """Ask the weather agent."""
        return (await weather.ainvoke(asked(question)))["messages"][-1].text

    outer = calling_once(says(tool="ask_weather", question="Oslo?"), "take a coat", name="outer")
    return create_agent(outer, [ask_weather], name="team", checkpointer=InMemorySaver())
