# ruff: noqa: INP001 - a project as users have one, no package
"""Graphs without a model's time in them: what is left is the server's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Any, TypedDict

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, AnyMessage, BaseMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langgraph.config import get_stream_writer
from langgraph.graph import START, StateGraph
from langgraph.graph.message import add_messages
from langgraph.types import interrupt
from typing_extensions import override


class State(TypedDict, total=False):
    """What all graphs here keep."""

    messages: Annotated[list[AnyMessage], add_messages]
    n: int


ASKED = {
    "action_requests": [{"name": "send", "args": {"to": "ada"}, "description": "send it"}],
    "review_configs": [{"action_name": "send", "allowed_decisions": ["approve", "reject"]}],
}

Builder = StateGraph[State, Any, State, State]


class Fast(BaseChatModel):
    """Says so many words as fast as it can."""

    words: int

    @property
    def _llm_type(self) -> str:
        return "fast"

    def _generate(self, *_: Any, **__: Any) -> ChatResult:
        raise NotImplementedError

    @override
    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        for word in range(self.words):
            chunk = ChatGenerationChunk(message=AIMessageChunk(content=f"word{word} "))
            if run_manager is not None:
                await run_manager.on_llm_new_token(chunk.text, chunk=chunk)
            yield chunk
            await asyncio.sleep(0)


async def _count(state: State) -> State:
    return {"n": state.get("n", 0) + 1}


async def _say(_: State) -> State:
    return {"messages": [AIMessage(content="x" * 350)]}


async def _tick(state: State) -> State:
    write = get_stream_writer()
    for tick in range(state["n"]):
        write({"tick": tick})
        await asyncio.sleep(0)
    return {}


async def _speak(state: State) -> State:
    return {"messages": [await Fast(words=state["n"]).ainvoke("speak")]}


async def _ask(state: State) -> State:
    if state["n"]:
        interrupt(ASKED)
    return {"n": 0}


def _row(*nodes: Any) -> Builder:
    graph, before = Builder(State), START
    for position, node in enumerate(nodes):
        name = f"{node.__name__}{position}"
        graph.add_node(name, node)
        graph.add_edge(before, name)
        before = name
    return graph


asks = _row(_say, _ask).compile()
one = _row(_count).compile()
three = _row(_say, _say, _say).compile()
ticks = _row(_tick).compile()
tokens = _row(_speak).compile()
