"""What stock clients talk to: an agent whose tool asks first, a question of the older kind, and plain talk."""

from __future__ import annotations

import operator
from typing import Annotated, Any, TypedDict

from langchain.agents import create_agent
from langchain.agents.middleware import HumanInTheLoopMiddleware
from langchain_core.messages import AIMessage, AnyMessage, BaseMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import tool
from langgraph.constants import TAG_NOSTREAM
from langgraph.graph import START, StateGraph
from langgraph.graph.message import add_messages
from langgraph.types import interrupt

from motet.testing import FunctionModel, Streamed, streamed


class State(TypedDict, total=False):
    """Messages, and what a person decided."""

    messages: Annotated[list[AnyMessage], add_messages]
    log: Annotated[list[Any], operator.add]


@tool
def send_email(to: str, body: str) -> str:
    """Send a mail."""
    return f"sent to {to}: {body}"


def _answer(messages: list[BaseMessage], _: object) -> str | AIMessage:
    last = messages[-1]
    if last.type == "tool":
        return f"Done. {last.text}"
    if "mail" in last.text:
        call = {"name": "send_email", "args": {"to": "ada@example.org", "body": "hello"}, "id": f"call_{last.id}"}
        return AIMessage("", tool_calls=[call])
    return f"Echo of {last.text} in several words streamed slowly."


def agent() -> Any:
    """LangChain's agent with LangChain's approvals."""
    asks = HumanInTheLoopMiddleware({"send_email": {"allowed_decisions": ["approve", "edit", "reject"]}})
    return create_agent(FunctionModel(_answer), [send_email], middleware=[asks])


async def _ask(_: State) -> State:
    request = {
        "action_request": {"action": "send_email", "args": {"to": "ada@example.org", "body": "hello"}},
        "config": {"allow_ignore": True, "allow_respond": True, "allow_edit": True, "allow_accept": True},
        "description": "A mail wants to be sent.",
    }
    return {"log": [interrupt([request])]}


def _in_threes(messages: list[BaseMessage], _: object) -> Streamed:
    """Three characters at a time: no piece of an address looks like one."""
    text = f"you said {messages[-1].text}"
    return streamed(*(text[at : at + 3] for at in range(0, len(text), 3)))


async def _talk(state: State, config: RunnableConfig) -> State:
    words = FunctionModel(_in_threes)
    thoughts = FunctionModel(lambda *_: "only for myself").with_config(tags=[TAG_NOSTREAM])
    await thoughts.ainvoke("what do I think?", config)
    return {"messages": [await words.ainvoke(state.get("messages", []), config)]}


async def _chained(state: State, config: RunnableConfig) -> State:
    words = FunctionModel(_in_threes) | StrOutputParser()
    return {"log": ["".join([piece async for piece in words.astream(state.get("messages", []), config)])]}


def _single(node: Any) -> Any:
    graph: StateGraph[State, Any, State, State] = StateGraph(State)
    graph.add_node("node", node)
    graph.add_edge(START, "node")
    return graph


async def _fail(_: State) -> State:
    raise ValueError("no")


fails = _single(_fail).compile()
inbox = _single(_ask).compile()
chained = _single(_chained).compile()
talk = _single(_talk).compile()


def broken(config: RunnableConfig) -> Any:
    """Made for a run; it can't be made again to look at what the run left."""
    if (config.get("metadata") or {}).get("run_id") is None:
        raise RuntimeError("only for runs")
    return _single(_talk)
