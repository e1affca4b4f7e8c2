"""A run with effects, attempt after attempt, as tests of the ledger tell it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from langchain.agents import create_agent
from langchain_core.messages import AIMessage, ToolCall
from langchain_core.tools import BaseTool, StructuredTool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode
from langgraph.types import Command, RetryPolicy
from redis.asyncio import Redis
from tests.memory.attempts import Attempts

from motet.calls import install, intercepted
from motet.graphs.ambiguous import ask
from motet.graphs.answers import answers
from motet.memory.ports import Claim, WaitingInterrupt
from motet.memory.redis.keys import Keys
from motet.testing import ScriptedModel, tool_call
from motet.tools.ledger import Ask, Ledger

CONFIG: Any = {"configurable": {"thread_id": "t"}}


class Crash(Exception):
    """What a tool raises in place of its process' death: nothing that it did can be told from it."""


class Letters:
    """Letters that were sent, and what the next ones meet after they are."""

    def __init__(self, *troubles: BaseException | None) -> None:
        self.sent: list[str] = []
        self._troubles = list(troubles)

    def send(self, text: str) -> str:
        """Send a letter."""
        self.sent.append(text)
        trouble = self._troubles.pop(0) if self._troubles else None
        if trouble is not None:
            raise trouble
        return f"sent: {text}"

    def tool(self, act: Callable[..., Any] | None = None, **metadata: str) -> BaseTool:
        """The tool `send`, asynchronous; `act` in its place is used as it is."""

        async def send(text: str) -> str:
            return self.send(text)

        declared: Any = metadata or {"effect": "once"}
        return StructuredTool.from_function(
            coroutine=act or send, name="send", description="Send a letter.", metadata=declared
        )


class Office(Attempts):
    """Graphs run under the ledger; each `attempt` is a claim of its own."""

    def __init__(self, redis: Redis, keys: Keys) -> None:
        super().__init__(redis, keys)
        install()

    async def attempt(self, graph: Any, given: Any = None, *, claim: Claim | None = None, asks: Ask = ask) -> Any:
        """Run or go on, as the next holder of the run."""
        ledger = Ledger(self.effects, claim or await self.claim(), asks)
        with intercepted([ledger]):
            try:
                return await graph.ainvoke(given, CONFIG, durability="sync")
            finally:
                await ledger.at_rest()

    async def waiting(self, graph: Any) -> list[WaitingInterrupt]:
        """The questions that are open."""
        state = await graph.aget_state(CONFIG)
        return [
            WaitingInterrupt(interrupt_id=one.id, task_id="", value=one.value, response_schema=one.response_schema)
            for one in state.interrupts
        ]

    async def decide(self, graph: Any, decision: str, message: str = "") -> Any:
        """Answer the first open question as the server does, and go on."""
        first, *_ = await self.waiting(graph)
        answer = {"decisions": [{"type": decision, **({"message": message} if message else {})}]}
        (given,) = answers("t", {first.interrupt_id: answer}, [first])
        return await self.attempt(graph, Command(resume={given.interrupt_id: given.native}))


def agent(*tools: BaseTool, calls: Any = None, **settings: Any) -> Any:
    """An agent whose model asks for `calls` in its first turn, by default to send “hi”, and says “Done.” then."""
    model = ScriptedModel([calls or tool_call("send", text="hi"), "Done."])
    return create_agent(model, list(tools), checkpointer=InMemorySaver(), **settings)


def node_of(act: Any, *, retry: RetryPolicy | None = None) -> Any:
    """A graph of one node."""
    builder = StateGraph(MessagesState)
    builder.add_node("act", act, retry_policy=retry)
    builder.add_edge(START, "act")
    return builder.compile(checkpointer=InMemorySaver())


def sending(*texts: str, also: str = "") -> Any:
    """A model's answer that asks to send each text, and for the tool `also`; ids are text and number."""
    calls = [{"name": "send", "args": {"text": text}, "id": f"{text}-{n}"} for n, text in enumerate(texts)]
    if also:
        calls.append({"name": also, "args": {}, "id": also})
    return {"messages": [AIMessage("", tool_calls=cast("list[ToolCall]", calls))]}


def tool_node(*tools: BaseTool) -> Any:
    """A graph that makes all calls of the last message in one task."""
    return node_of(ToolNode(list(tools)))
