"""The tools that a graph can call, to tell a person what a question leaves out: their schemas and their effects."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

from langchain_core.tools import BaseTool
from langgraph.prebuilt import ToolNode
from langgraph.pregel import Pregel

from motet.errors import InvalidConfig
from motet.graphs.gate import arguments_schema
from motet.memory.asking import Action
from motet.tools.policy import declared_effects

Graph = Pregel[Any, Any, Any, Any]


def tools_of(graph: Graph) -> Mapping[str, BaseTool]:
    """The tools that a compiled graph and its sub-graphs can call, by name: those in LangGraph's `ToolNode`s.

    A sub-agent that is called inside a tool's or a node's function in a way that LangGraph can't see is no sub-graph:
    its tools aren't found. Of a name that stands for several tools nobody knows which is meant; it is left out.
    To be called once for a graph: it looks at every node.
    """
    found, several = dict[str, BaseTool](), set[str]()
    for one in _tools(graph):
        if not _same(found.setdefault(one.name, one), one):
            several.add(one.name)
    return {name: one for name, one in found.items() if name not in several}


def with_schemas(actions: Sequence[Action], tools: Mapping[str, BaseTool]) -> Sequence[Action]:
    """The actions with the schema of edited arguments and the effect, where a question didn't tell and a tool does.

    A tool that declares nothing may do anything: its effect stays unknown, though the ledger takes it for harmless.
    """
    return [_completed(one, tools[one.tool]) if one.tool in tools else one for one in actions]


def _completed(action: Action, tool: BaseTool) -> Action:
    # What a per-call request offers lets unknown arguments pass, which the tool would drop without a word.
    schema = arguments_schema(tool) if "edit" in action.allowed else action.arguments_schema
    return replace(action, arguments_schema=schema, effect=action.effect or _effect(tool))


def _effect(tool: BaseTool) -> str:
    if "effect" not in (tool.metadata or {}):
        return ""
    try:
        return declared_effects(tool.name, tool.metadata).effect
    except InvalidConfig:
        return ""


def _tools(graph: Graph) -> Iterator[BaseTool]:
    graphs = [graph, *(inner for _, inner in graph.get_subgraphs(recurse=True) if isinstance(inner, Pregel))]
    for one in cast("list[Graph]", graphs):
        for node in one.nodes.values():
            bound: Any = node.bound
            for part in (bound, *getattr(bound, "steps", ())):
                if isinstance(part, ToolNode):
                    yield from part.tools_by_name.values()


def _same(one: BaseTool, other: BaseTool) -> bool:
    if one is other:
        return True
    return one.metadata == other.metadata and arguments_schema(one) == arguments_schema(other)
