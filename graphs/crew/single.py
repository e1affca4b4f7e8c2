"""`single_agent`: one agent with all tools of the workspace, for measuring what the crew is worth.

```
guard_in -> work -> guard_out
```

It has the crew's model, tools, guard, gate and limits, and nobody who routes, plans or checks for it. Each turn is by
itself. Nobody sends it anything: it is asked by name.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NotRequired

from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.tools import BaseTool
from langgraph.graph import END, START, StateGraph

from motet.agents.spec import AgentSpec
from motet.errors import InvalidInput
from motet.graphs.crew.specialists import ModelFactory, specialist
from motet.graphs.guardrails import Guard
from motet.graphs.registry import Graph
from motet.graphs.state import Conversation, State
from motet.tools.documents.ports import Documents
from motet.tools.workspace import Workspace

NAME = "single_agent"
"""The graph's name, and of its messages and findings."""

_LONGEST_LIST = 12_000
"""Characters of the list of tables and documents; a longer one is cut."""

_INSTRUCTIONS = """You answer questions about a folder of data and documents. Find the answer with the tools:
query_workspace for what the tables hold, search_documents and read_document for what the documents say. Some
questions need both. Only if the person asks for a report, save the answer with save_report. Answer in one or two
sentences, with numbers exactly as the tools return them. Use nothing but what the tools returned. If neither the
tables nor the documents hold the answer, say: I can't answer this."""


class Turn(State):
    """What one turn is about."""

    question: NotRequired[str]
    """As models may read it; empty where it may not go on."""
    answer: NotRequired[str]
    """What the agent says, or why it isn't asked."""


Builder = StateGraph[Turn, None, Conversation, State]


def build_single_agent(
    *,
    model: ModelFactory,
    tools: Sequence[BaseTool],
    guard: Guard,
    documents: Documents | None,
    workspace: Workspace | None,
) -> Builder:
    """The agent over all of `tools`; the caller compiles it.

    Reads the last human message of `messages`; writes one AIMessage, one Finding and `status`, or a refusal alone.
    Raises InvalidInput if there is no question, ModelFailed as a specialist does.
    """
    listed = "\n".join(_listed(workspace, documents))[:_LONGEST_LIST]
    spec = AgentSpec(
        name=NAME,
        description="One agent with all tools of the workspace: what the crew is measured against.",
        instructions=f"{_INSTRUCTIONS}\n\n{listed}",
        tools=tuple(tool.name for tool in tools),
    )
    agent = specialist(spec, model=model, tools=tools, documents=documents, middleware=guard.middleware)
    one = _Single(agent=agent, guard=guard)
    builder = Builder(Turn, input_schema=Conversation, output_schema=State)
    builder.add_node("guard_in", one.guard_in)
    builder.add_node("work", one.work)
    builder.add_node("guard_out", one.guard_out)
    builder.add_edge(START, "guard_in")
    builder.add_conditional_edges("guard_in", _goes_on, {"work": "work", "guard_out": "guard_out"})
    builder.add_edge("work", "guard_out")
    builder.add_edge("guard_out", END)
    return builder


@dataclass(frozen=True, slots=True, kw_only=True)
class _Single:
    agent: Graph
    guard: Guard

    async def guard_in(self, state: Turn) -> dict[str, Any]:
        asked = [message.text for message in state["messages"] if isinstance(message, HumanMessage)]
        if not asked or not asked[-1].strip():
            raise InvalidInput("messages", asked[-1:], "a question as the last human message")
        guarded = self.guard.guard_in(asked[-1])
        return {"question": "", "answer": guarded.text} if guarded.refused else {"question": guarded.text}

    async def work(self, state: Turn) -> dict[str, Any]:
        told = await self.agent.ainvoke({"messages": [HumanMessage(state.get("question", ""))]})
        return {"answer": told["messages"][-1].text, "findings": told["findings"], "status": told["status"]}

    async def guard_out(self, state: Turn) -> dict[str, Any]:
        guarded = self.guard.guard_out(state.get("answer", ""), asked=state.get("question", ""))
        return {"messages": [AIMessage(guarded.text, name=NAME)]}


def _goes_on(state: Turn) -> Literal["work", "guard_out"]:
    return "work" if state.get("question") else "guard_out"


def _listed(workspace: Workspace | None, documents: Documents | None) -> Iterator[str]:
    """Every table with its columns and every document, so that the agent needn't look for them."""
    if workspace is not None:
        yield "Tables:"
        for table in workspace.tables:
            yield f"- {table.name}: {', '.join(f'{column.name} {column.type}' for column in table.columns)}"
    if documents is not None:
        yield "Documents:"
        for one in documents.files:
            yield f"- {one.file}: {one.title}"
