# ruff: noqa: INP001 - a script, no package
"""One graph, run turn by turn on several savers: what a turn takes, and what it keeps and writes."""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Annotated, Any, Literal
from uuid import UUID, uuid4

from benchmarks.checkpoints_savers import Subject, Weight
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph import START, StateGraph
from langgraph.graph.message import add_messages
from langgraph.graph.state import CompiledStateGraph
from typing_extensions import TypedDict

Durability = Literal["sync", "async"]
DURABILITIES: tuple[Durability, ...] = ("sync", "async")

NODES = 3
BEFORE = 50
"""Messages in the thread before the first turn."""
LETTERS = 350
"""In a message's text."""
BLOCK = 10
"""Turns of one saver before it's the next one's turn: a busy moment of the machine hits all alike."""
LISTED = 100
WINDOW = 10
"""Turns that stand for one."""

Tick = Callable[[str], None]
"""Told after each block what was measured."""


class State(TypedDict):
    messages: Annotated[list[AnyMessage], add_messages]


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What was measured of one saver. Times are in milliseconds."""

    name: str
    turns: dict[Durability, list[list[float]]] = field(default_factory=lambda: {name: [] for name in DURABILITIES})
    """Rounds of times of turns."""
    reading: list[float] = field(default_factory=list[float])
    listing: list[float] = field(default_factory=list[float])
    deleting: list[float] = field(default_factory=list[float])
    kept: list[float] = field(default_factory=list[float])
    """Bytes that each turn added to the store, smoothed; the first is turn 1."""
    written: list[float] = field(default_factory=list[float])
    """Bytes that each turn added to the store's log, smoothed; empty where the store doesn't tell."""

    def medians(self, durability: Durability) -> list[float]:
        """The median turn of each round."""
        return [statistics.median(times) for times in self.turns[durability]]


class Texts:
    """Messages that hardly repeat, the same for every saver."""

    def __init__(self) -> None:
        self._chance = random.Random(7)  # noqa: S311 - a seed, so that all savers get the same
        letters = "etaoinshrdlucmfw"
        self._words = ["".join(self._chance.choices(letters, k=2 + number % 8)) for number in range(5000)]

    def next(self) -> tuple[str, str]:
        """A message's text and id."""
        text = " ".join(self._chance.choices(self._words, k=LETTERS // 5))[:LETTERS]
        return text, str(UUID(int=self._chance.getrandbits(128), version=4))


def graph(saver: BaseCheckpointSaver[Any], texts: Texts) -> CompiledStateGraph[State]:
    """Three nodes in a row, each of which adds one message."""

    async def answer(state: State) -> dict[str, Any]:  # noqa: ARG001 - a node's signature
        text, id = texts.next()
        return {"messages": [AIMessage(text, id=id)]}

    builder = StateGraph(State)
    before = START
    for number in range(NODES):
        builder.add_node(f"node-{number}", answer)
        builder.add_edge(before, f"node-{number}")
        before = f"node-{number}"
    return builder.compile(checkpointer=saver)


class Thread:
    """A conversation on one saver, which goes on turn by turn."""

    def __init__(self, subject: Subject, durability: Durability) -> None:
        self.subject = subject
        self.config: RunnableConfig = {"configurable": {"thread_id": str(uuid4()), "checkpoint_ns": ""}}
        self._texts = Texts()
        self._graph = graph(subject.saver, self._texts)
        self._durability: Durability = durability

    async def begin(self) -> None:
        """Put the messages there that were said before."""
        told = [HumanMessage(text, id=id) for text, id in (self._texts.next() for _ in range(BEFORE))]
        await self._graph.aupdate_state(self.config, {"messages": told}, as_node=f"node-{NODES - 1}")

    async def turn(self) -> float:
        """One question and the answers of all nodes; the milliseconds it took."""
        text, id = self._texts.next()
        asked: Any = {"messages": [HumanMessage(text, id=id)]}
        started = time.perf_counter()
        await self._graph.ainvoke(asked, self.config, durability=self._durability)
        return (time.perf_counter() - started) * 1000


async def timed_rounds(subjects: Sequence[Subject], *, turns: int, rounds: int, tick: Tick) -> list[Result]:
    """Every saver goes the same way, a block of turns at a time, beginning with another saver each time."""
    results = {subject.name: Result(name=subject.name) for subject in subjects}
    for number in range(rounds):
        for durability in DURABILITIES:
            threads = [Thread(subject, durability) for subject in subjects]
            times: dict[str, list[float]] = {subject.name: [] for subject in subjects}
            for thread in threads:
                await thread.begin()
            for first in range(0, turns, BLOCK):
                for thread in rotated(threads, number + first // BLOCK):
                    name = thread.subject.name
                    times[name] += [await thread.turn() for _ in range(min(BLOCK, turns - first))]
                    tick(f"{name}, {durability}, round {number + 1}")
            for thread in threads:
                result = results[thread.subject.name]
                result.turns[durability].append(times[result.name])
                await _time_reading(thread, result, listing=durability == "sync")
    return list(results.values())


async def _time_reading(thread: Thread, result: Result, *, listing: bool) -> None:
    """`listing` takes a second, and the same under each durability."""
    saver, config = thread.subject.saver, thread.config
    for _ in range(BLOCK):
        started = time.perf_counter()
        await saver.aget_tuple(config)
        result.reading.append((time.perf_counter() - started) * 1000)
    if listing:
        started = time.perf_counter()
        await _exhaust(saver.alist(config, limit=LISTED))
        result.listing.append((time.perf_counter() - started) * 1000)
    started = time.perf_counter()
    await saver.adelete_thread(config.get("configurable", {})["thread_id"])
    result.deleting.append((time.perf_counter() - started) * 1000)


async def _exhaust(items: AsyncIterator[object]) -> None:
    async for _ in items:
        pass


async def weighed_turns(subject: Subject, result: Result, *, turns: int, tick: Tick) -> None:
    """Run `turns` turns under `sync`, and note in `result` what each added."""
    assert subject.weigh is not None, "asked only of savers that can be weighed"
    thread = Thread(subject, "sync")
    await thread.begin()
    weights: list[Weight] = [await subject.weigh()]
    for number in range(1, turns + 1):
        await thread.turn()
        weights.append(await subject.weigh())
        if number % BLOCK == 0:
            tick(f"{subject.name}, bytes")
    result.kept[:] = smoothed([weight.kept for weight in weights], subject.typical)
    if (logged := [weight.written for weight in weights if weight.written is not None]) and len(logged) == len(weights):
        result.written[:] = smoothed(logged, subject.typical)
    await subject.saver.adelete_thread(thread.config.get("configurable", {})["thread_id"])


def smoothed(totals: Sequence[int], typical: Callable[[Sequence[float]], float]) -> list[float]:
    """What each turn added to `totals`: for each turn, what is typical of the `WINDOW` turns that end with it."""
    added = [after - before for before, after in pairwise(totals)]
    return [typical(added[max(0, end - WINDOW) : end]) for end in range(1, len(added) + 1)]


def rotated(items: Sequence[Thread], by: int) -> list[Thread]:
    """`items`, beginning with another one."""
    start = by % len(items)
    return [*items[start:], *items[:start]]
