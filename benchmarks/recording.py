# ruff: noqa: INP001 - a script, no package
"""What recording costs: CPU a model call with and without the recorder, on the same calls.

`python benchmarks/recording.py [--messages 40] [--calls 100] [--rounds 7] [--json]`

A conversation of 40 messages of about 400 characters grows by two messages a call, as an agent's does; three tools are
bound. A node of a graph calls a scripted model, which costs nothing to speak of, so what is measured beside the
recorder is what LangChain and LangGraph do anyway. Streamed, an answer of about 200 characters comes in its 40 words.
CPU is the process's own (`time.process_time`); the two ways are run in turn, and each way's least round counts. What
the recorder keeps is taken and thrown away after each round: writing it is another's.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator
from typing import Any

from langchain_core.messages import AIMessage, AIMessageChunk, AnyMessage, BaseMessage, HumanMessage, ToolMessage
from langchain_core.outputs import ChatGenerationChunk
from langchain_core.tools import tool
from langgraph.graph import MessagesState, StateGraph
from tests.observability.heard import pieces_for

from motet.calls import install, intercepted
from motet.memory.serde import state_serializer
from motet.observability.trajectory.contents import Contents
from motet.observability.trajectory.record import Recorder
from motet.testing import FunctionModel

TARGET_MS = 0.6
SENTENCE = "The quarterly figures for the northern region differ from those that were reported in spring. "
ANSWER = " ".join(f"word{number}" for number in range(40))


@tool
def query(sql: str, limit: int = 10) -> str:
    """Run a query over the workspace's data and give its rows."""
    return f"{sql} {limit}"


@tool
def search(text: str, files: list[str]) -> str:
    """Search the documents of the workspace for passages that say something about the text."""
    return f"{text} {files}"


@tool
def save(name: str, content: str) -> str:
    """Save a report in the workspace under a name."""
    return f"{name} {content}"


class Words(FunctionModel):
    """Answers the same each time, in words where it streams."""

    def __init__(self) -> None:
        super().__init__(lambda _messages, _tools: ANSWER)

    async def _astream(
        self,
        messages: list[BaseMessage],  # noqa: ARG002 - as LangChain calls it
        stop: list[str] | None = None,  # noqa: ARG002 - the same
        run_manager: Any = None,
        **_: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        for word in ANSWER.split(" "):
            chunk = ChatGenerationChunk(message=AIMessageChunk(content=f"{word} "))
            if run_manager:
                await run_manager.on_llm_new_token(chunk.text, chunk=chunk)
            yield chunk


def history(count: int) -> list[AnyMessage]:
    """A conversation of so many messages of about 400 characters: questions, calls, results, answers."""
    made: list[AnyMessage] = []
    for number in range(count):
        text = f"{number}: {SENTENCE * 4}"
        call = {"name": "query", "args": {"sql": text[:200], "limit": number}, "id": f"call-{number}"}
        kinds: tuple[AnyMessage, ...] = (
            HumanMessage(text, id=f"m{number}"),
            AIMessage(text[:200], tool_calls=[call], id=f"m{number}"),
            ToolMessage(text, tool_call_id=f"call-{number - 1}", name="query", id=f"m{number}"),
            AIMessage(
                text, id=f"m{number}", usage_metadata={"input_tokens": 9, "output_tokens": 9, "total_tokens": 18}
            ),
        )
        made.append(kinds[number % 4])
    return made


def graph(messages: int, calls: int) -> Any:
    """One node, which calls its model so often, with two messages more and two fewer each time."""
    model = Words().bind_tools([query, search, save])
    said = history(messages + 2 * calls)

    async def work(state: MessagesState) -> dict[str, Any]:  # noqa: ARG001 - a node's signature
        for number in range(calls):
            await model.ainvoke(said[2 * number : 2 * number + messages])
        return {}

    return StateGraph(MessagesState).add_node("work", work).add_edge("__start__", "work").compile()


async def cpu_ms(made: Any, *, calls: int, streamed: bool, recorded: bool) -> float:
    """CPU a call, in milliseconds."""
    recorder = Recorder("r", contents=Contents(state_serializer()), thread_id="t")
    config = {"callbacks": [pieces_for(recorder)]}
    began = time.process_time()
    with intercepted([recorder] if recorded else []):
        async for _ in made.astream({"messages": []}, config, stream_mode="messages" if streamed else "values"):
            pass
    took = (time.process_time() - began) * 1000 / calls
    kept = recorder.take()
    if recorder.lost or (recorded and len(kept.records) < calls):
        sys.exit(f"the recorder lost {recorder.lost} records")
    return took


async def compared(arguments: argparse.Namespace, *, streamed: bool) -> dict[str, Any]:
    """Both ways, in turn."""
    made = graph(arguments.messages, arguments.calls)
    plain: list[float] = []
    recorded: list[float] = []
    for _ in range(arguments.rounds):
        plain.append(await cpu_ms(made, calls=arguments.calls, streamed=streamed, recorded=False))
        recorded.append(await cpu_ms(made, calls=arguments.calls, streamed=streamed, recorded=True))
    costs = min(recorded) - min(plain)
    return {
        "streamed": streamed,
        "without_ms": round(min(plain), 3),
        "with_ms": round(min(recorded), 3),
        "recording_ms": round(costs, 3),
        "ratio": round(min(recorded) / min(plain), 2),
        "met": costs <= TARGET_MS,
    }


async def main(arguments: argparse.Namespace) -> int:
    """Measure and print; 1 if the target is missed."""
    install()
    rows = [await compared(arguments, streamed=streamed) for streamed in (False, True)]
    if arguments.json:
        sys.stdout.write(json.dumps({"messages": arguments.messages, "target_ms": TARGET_MS, "rows": rows}) + "\n")
    else:
        told = f"CPU a model call, ms, at {arguments.messages} messages (target: recording at most {TARGET_MS})"
        sys.stdout.write(f"{told}\n{'':10} {'without':>8} {'with':>8} {'recording':>10} {'ratio':>6}\n")
        for row in rows:
            name, verdict = "streamed" if row["streamed"] else "whole", "met" if row["met"] else "missed"
            numbers = f"{row['without_ms']:8.3f} {row['with_ms']:8.3f} {row['recording_ms']:10.3f} {row['ratio']:6.2f}"
            sys.stdout.write(f"{name:10} {numbers}  {verdict}\n")
    return 0 if all(row["met"] for row in rows) else 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=40)
    parser.add_argument("--calls", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", action="store_true")
    sys.exit(asyncio.run(main(parser.parse_args())))
