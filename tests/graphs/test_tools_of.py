"""The tools of a graph are found wherever LangGraph can see them, and tell what a question leaves out."""

from __future__ import annotations

from typing import Any

from langchain.agents import create_agent
from langchain_core.tools import BaseTool, tool
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, ToolRuntime

from motet.graphs.tools_of import tools_of, with_schemas
from motet.memory.asking import Action, DecisionType
from motet.testing import ScriptedModel


def made(name: str, effect: str | None = None) -> BaseTool:
    """A tool with this name that declares this effect, or none."""

    @tool(name)
    async def act(text: str, runtime: ToolRuntime[Any, Any]) -> str:
        """Act."""
        raise AssertionError(f"{text} {runtime}: nothing is called here")

    act.metadata = None if effect is None else {"effect": effect}
    return act


def agent(*tools: BaseTool) -> Any:
    """An agent that has these tools."""
    return create_agent(ScriptedModel([]), list(tools))


def compiled(**nodes: Any) -> Any:
    """A graph of these nodes."""
    builder = StateGraph(MessagesState)
    for name, node in nodes.items():
        builder.add_node(name, node)
        builder.add_edge(START, name)
    return builder.compile()


def test_tools_are_found_at_every_depth() -> None:
    """In a node of its own, in an agent, in an agent's sub-graph, and in one that a node's function calls."""
    inner = agent(made("deep"))

    async def calls_it(state: MessagesState) -> Any:
        return await inner.ainvoke(state)

    graph = compiled(tools=ToolNode([made("near")]), one=agent(made("a")), two=compiled(three=agent(made("b"))))
    around = compiled(graph=graph, called=calls_it)

    assert sorted(tools_of(around)) == ["a", "b", "deep", "near"]


def test_an_agent_hidden_in_a_tool_is_not_found() -> None:
    """LangGraph itself can't see it: nothing is told of its tools, and so nothing wrong."""
    inner = agent(made("hidden"))

    @tool
    async def delegate(text: str) -> str:
        """Delegate."""
        return str(await inner.ainvoke({"messages": [("human", text)]}))

    assert list(tools_of(agent(delegate))) == ["delegate"]


def test_a_name_of_several_tools_stands_for_none() -> None:
    """Two agents may share a tool; where the same name acts in two ways, neither is told for the other."""
    shared = made("shared", "none")
    graph = compiled(a=agent(shared, made("send", "once")), b=agent(shared, made("send", "none")))

    assert list(tools_of(graph)) == ["shared"]


def test_what_a_question_leaves_out_is_told_by_the_tool() -> None:
    """The schema without what is injected, and the effect.

    Where the arguments may be edited, the tool's schema counts, not the question's: a per-call request's lets unknown
    arguments pass, which the tool would drop.
    """
    tools = {one.name: one for one in (made("send", "once"), made("odd", "wild"), made("silent"))}
    own = {"type": "object"}
    only_said: tuple[DecisionType, ...] = ("approve", "reject")
    asked = [
        Action(tool="send", arguments={}),
        Action(tool="send", arguments={}, arguments_schema=own),
        Action(tool="send", arguments={}, allowed=only_said),
        Action(tool="send", arguments={}, allowed=only_said, arguments_schema=own),
        Action(tool="odd", arguments={}),
        Action(tool="silent", arguments={}),
        Action(tool="unknown", arguments={}, arguments_schema=own),
    ]

    first, *others = with_schemas(asked, tools)

    assert first.arguments_schema is not None
    assert list(first.arguments_schema["properties"]) == ["text"]
    assert first.arguments_schema["additionalProperties"] is False
    assert [one.effect for one in (first, *others)] == ["once", "once", "once", "once", "", "", ""]
    assert [one.arguments_schema for one in others[:3]] == [first.arguments_schema, None, own]
    assert others[-1] == asked[-1]
