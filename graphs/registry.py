"""The graphs that are served, by id, whatever they were declared as.

A graph can be given compiled, as a builder, or as a factory that makes either, for each run anew. All
three come out as a compiled graph that keeps its state in our checkpointer.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AbstractContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, cast
from uuid import UUID, uuid5

from langchain_core.runnables import RunnableConfig
from langchain_core.tools import BaseTool
from langgraph.cache.base import BaseCache
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph import START, StateGraph
from langgraph.pregel import Pregel
from langgraph.pregel._read import PregelNode
from langgraph.pregel._utils import validate_timeout_supported
from langgraph.store.base import BaseStore
from langgraph.types import TimeoutPolicy

from motet.errors import InvalidConfig, InvalidInput
from motet.graphs.tools_of import Graph, tools_of

Builder = StateGraph[Any, Any, Any, Any]
Factory = Callable[..., Any]
Declared = Graph | Builder | Factory
"""What a project may name as a graph. A factory takes nothing or the run's config."""
InputCheck = Callable[[object], None]
"""Raises InvalidInput for an input that the graph can't work on."""

_SYSTEM_ASSISTANTS = UUID("6ba7b821-9dad-11d1-80b4-00c04fd430c8")
"""The Agent Server derives the id of each graph's own assistant from this, so clients know it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Assistant:
    """A graph as clients name it."""

    assistant_id: str
    graph_id: str
    description: str | None = None


def assistant_of(graph_id: str, description: str | None = None) -> Assistant:
    """A graph's own assistant, whether or not the graph is known here."""
    return Assistant(assistant_id=str(uuid5(_SYSTEM_ASSISTANTS, graph_id)), graph_id=graph_id, description=description)


class GraphRegistry:
    """Graphs by id; opens one for a run."""

    def __init__(
        self,
        graphs: Mapping[str, Declared],
        checkpointer: BaseCheckpointSaver[Any],
        *,
        descriptions: Mapping[str, str] | None = None,
        checks: Mapping[str, InputCheck] | None = None,
        store: BaseStore | None = None,
        cache: BaseCache[Any] | None = None,
        timeout: TimeoutPolicy | None = None,
    ) -> None:
        """`store` and `cache` are for graphs that bring none of their own, `timeout` for their async nodes that do."""
        self._graphs = dict(graphs)
        self._checks = dict(checks or {})
        self._checkpointer = checkpointer
        self._store = store
        self._cache = cache
        self._timeout = timeout
        self._tools: dict[str, Mapping[str, BaseTool]] = {}
        self._assistants = {
            graph_id: assistant_of(graph_id, (descriptions or {}).get(graph_id)) for graph_id in self._graphs
        }

    def assistants(self) -> list[Assistant]:
        """One assistant a graph, in the order of declaration: the first is the default."""
        return list(self._assistants.values())

    def find(self, assistant_id: str) -> Assistant:
        """The assistant with that id, or of the graph with that name.

        Raises:
            InvalidInput: there is none; names the graphs there are.
        """
        for assistant in self._assistants.values():
            if assistant_id in (assistant.graph_id, assistant.assistant_id):
                return assistant
        known = ", ".join(self._assistants)
        raise InvalidInput("assistant_id", assistant_id, f"an assistant's UUID, or one of the graphs: {known}")

    def serves(self, graph_id: str | None) -> bool:
        """Whether there is a graph with that id: a thread's metadata may name one that is gone, or anything."""
        return graph_id in self._graphs

    def nodes(self, graph_id: str) -> frozenset[str] | None:
        """Names of the graph's own nodes; None for a factory, which would have to make it first."""
        declared = self._graphs[graph_id]
        if not isinstance(declared, Pregel | StateGraph):
            return None
        return frozenset(cast("Mapping[str, object]", declared.nodes)) - {START}

    def tools(self, graph_id: str, graph: Graph) -> Mapping[str, BaseTool]:
        """The tools that `graph`, which has that id, can call; looked for once, unless a factory makes it each time."""
        if not isinstance(self._graphs[graph_id], Pregel | StateGraph):
            return tools_of(graph)
        if graph_id not in self._tools:
            self._tools[graph_id] = tools_of(graph)
        return self._tools[graph_id]

    def check(self, graph_id: str, given: object) -> None:
        """Refuse an input the graph is known not to take; a graph without a check takes anything.

        Raises:
            InvalidInput: names the field.
        """
        check = self._checks.get(graph_id)
        if check is not None:
            check(given)

    @asynccontextmanager
    async def open(
        self,
        graph_id: str,
        config: RunnableConfig | None = None,
        *,
        checkpointer: BaseCheckpointSaver[Any] | None = None,
        seen: Callable[[BaseStore], BaseStore] | None = None,
    ) -> AsyncGenerator[Graph]:
        """The graph, compiled and durable, for as long as the context lasts; `checkpointer` instead of the usual one.

        `seen` stands around its store, whether that is its own or the usual one.

        Raises:
            InvalidInput: no graph has that id.
            InvalidConfig: the factory made something else than a graph.
        """
        if graph_id not in self._graphs:
            raise InvalidInput("graph_id", graph_id, f"one of the graphs: {', '.join(self._graphs)}")
        async with AsyncExitStack() as resources:
            made = await _made(self._graphs[graph_id], config or RunnableConfig(), resources)
            durable = self._durable(graph_id, made, checkpointer or self._checkpointer)
            if seen is not None and durable.store is not None:
                durable.store = seen(durable.store)
            if self._timeout is not None:
                durable.nodes = {name: _bounded(node, self._timeout) for name, node in durable.nodes.items()}
            yield durable

    def _durable(self, graph_id: str, made: object, checkpointer: BaseCheckpointSaver[Any]) -> Graph:
        if isinstance(made, StateGraph):
            return cast("Builder", made).compile(
                checkpointer=checkpointer, store=self._store, cache=self._cache, name=graph_id
            )
        if isinstance(made, Pregel):
            # A shallow copy keeps what LangGraph derived at compile time, the classes its state may hold among it.
            durable = copy.copy(cast("Graph", made))
            durable.checkpointer = checkpointer
            durable.store = self._store if durable.store is None else durable.store
            durable.cache = self._cache if durable.cache is None else durable.cache
            return durable
        raise InvalidConfig(
            f"graph {graph_id!r}", f"expected a graph, a builder or a factory, got {type(made).__name__}"
        )


def _bounded(node: PregelNode, timeout: TimeoutPolicy) -> PregelNode:
    """The node with a timeout, unless it has one; what is not async can't be cut off."""
    if node.timeout is not None:
        return node
    try:
        validate_timeout_supported(node.node or node.bound, name="")
    except ValueError:
        return node
    bounded = copy.copy(node)
    bounded.timeout = timeout
    return bounded


async def _made(declared: Declared, config: RunnableConfig, resources: AsyncExitStack) -> object:
    if isinstance(declared, Pregel | StateGraph):
        return cast("object", declared)
    made = declared(config) if inspect.signature(declared).parameters else declared()
    if inspect.isawaitable(made):
        made = await cast("Awaitable[object]", made)
    if isinstance(made, AbstractAsyncContextManager):
        return await resources.enter_async_context(cast("AbstractAsyncContextManager[object]", made))
    if isinstance(made, AbstractContextManager):
        return resources.enter_context(cast("AbstractContextManager[object]", made))
    return made
