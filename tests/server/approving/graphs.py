"""Graphs that ask a person in every way there is; their one tool acts in a file, so what ran is counted there."""

from __future__ import annotations

import json
import operator
import os
from pathlib import Path
from typing import Annotated, Any, Literal, TypedDict
from uuid import uuid4

from langchain.agents import create_agent
from langchain.agents.middleware import HumanInTheLoopMiddleware
from langchain_core.messages import AIMessage, AnyMessage, BaseMessage, ToolMessage
from langchain_core.tools import StructuredTool
from langgraph.graph import END, START, StateGraph
from langgraph.graph.message import add_messages
from langgraph.types import interrupt
from tests.support import wait_until

from motet.testing import FunctionModel

_KINDS: list[Literal["approve", "edit", "reject", "respond"]] = ["approve", "edit", "reject", "respond"]


SECRET = "ghp_0123456789abcdefghijABCDEFGHIJ012345"
"""What a model says for `<secret>`: it isn't shown any."""


class State(TypedDict, total=False):
    """Messages, and what a person answered."""

    messages: Annotated[list[AnyMessage], add_messages]
    log: Annotated[list[Any], operator.add]


def _note(file: Path, line: str) -> None:
    with file.open("a", encoding="utf-8") as lines:
        lines.write(line)


async def _send(to: str, times: int = 1) -> str:
    """Send a letter; to `boom` it fails once it has acted, to `hold…` it waits for a file of that name."""
    file = Path(os.environ["APPROVING_FILE"])
    _note(file, f"{to} {times}\n")
    if to.startswith("hold"):
        await wait_until(file.with_name(to).exists, description="the letter may go", timeout_s=20)
    if to.startswith("boom"):
        raise RuntimeError(f"no post for {to}")
    return f"sent to {to}, token=sk-{'x' * 40}"


send = StructuredTool.from_function(
    coroutine=_send, name="send", description="Send a letter.", metadata={"effect": "once"}
)


def _answers(name: str) -> Any:
    """A model that calls `send` as the last message says under its name, and then tells what came of it.

    As a provider does, it refuses a history in which a call has no answer.
    """

    def answer(messages: list[BaseMessage], _: object) -> str | AIMessage:
        answered = {one.tool_call_id for one in messages if isinstance(one, ToolMessage)}
        made = [call["id"] for one in messages if isinstance(one, AIMessage) for call in one.tool_calls]
        if dangling := set(made) - answered:
            raise ValueError(f"dangling: {sorted(map(str, dangling))}")
        last = max(n for n, one in enumerate(messages) if one.type == "human")
        if told := [one.text for one in messages[last:] if isinstance(one, ToolMessage)]:
            return f"{name} was told: {' | '.join(told)}"
        try:
            wanted = json.loads(messages[last].text.replace("<secret>", SECRET))
        except ValueError:
            return f"echo {messages[last].text}"
        calls = [{"name": "send", "args": one, "id": f"call-{uuid4().hex}"} for one in wanted[name]]
        return AIMessage(wanted.get("say", ""), tool_calls=calls)

    return answer


def _agent(name: str, mode: Literal["batched", "per_call"]) -> Any:
    gate = HumanInTheLoopMiddleware({"send": {"allowed_decisions": _KINDS}}, interrupt_mode=mode)
    return create_agent(FunctionModel(_answers(name)), [send], middleware=[gate], name=name)


def _parallel(**nodes: Any) -> Any:
    graph: StateGraph[State, Any, State, State] = StateGraph(State)
    for name, node in nodes.items():
        graph.add_node(name, node)
        graph.add_edge(START, name)
        graph.add_edge(name, END)
    return graph.compile()


async def _typed(_: State) -> State:
    schema = {"type": "object", "properties": {"size": {"type": "integer", "maximum": 9}}, "required": ["size"]}
    return {"log": [interrupt({"question": "How large?"}, response_schema=schema)]}


async def _free(_: State) -> State:
    return {"log": [interrupt("Which colour?")]}


async def _legacy(_: State) -> State:
    config = {"allow_accept": True, "allow_edit": True, "allow_ignore": True, "allow_respond": True}
    request = {"action": "send", "args": {"to": "old"}}
    return {"log": [interrupt([{"action_request": request, "config": config, "description": "Old?"}])[0]]}


def _asks(name: str) -> Any:
    """A node that asks what the last message says under its name, or, where that names a file, what stands there.

    Answered, it ends once the file exists that the question names under `hold`.
    """

    async def ask(state: State) -> State:
        wanted, folder = json.loads(state.get("messages", [])[-1].text).get(name), Path(os.environ["APPROVING_FILE"])
        if wanted is None:
            return {"log": []}
        if isinstance(wanted, str):
            wanted = json.loads(folder.with_name(wanted).read_text())
        answer = interrupt(wanted)
        if "hold" in wanted:
            await wait_until(folder.with_name(wanted["hold"]).exists, description="the node may end", timeout_s=20)
        return {"log": [{name: answer}]}

    return ask


per_call = _agent("calls", "per_call")
batched = _agent("calls", "batched")
crew = _parallel(team=_parallel(left=_agent("left", "per_call"), right=_agent("right", "batched")))
typed = _parallel(typed=_typed)
free = _parallel(free=_free)
legacy = _parallel(legacy=_legacy)
asks = _parallel(first=_asks("first"), second=_asks("second"))
