# ruff: noqa: INP001 - a script, no package
"""What scoring recorded trajectories costs: trajectories a second, beside openevals' match of the same messages.

`python benchmarks/evaluation.py [--files 300] [--rounds 3] [--processes 2] [--json]`

A few runs of an agent with tools, of 2 to 24 rounds, are recorded in this process and written as files, again and again
until there are as many as asked for. Measured is each of: reading a file; making of it what evaluators look at; all
offline evaluators of trajectories on that; openevals' `create_trajectory_match_evaluator` (strict) on the same
messages, alone, in the same round; and all of it from file to scores, in this process and in several. CPU is the
process's own (`time.process_time`), except with several, where it is the wall's clock, their start included. Of each
the best round counts.
"""

from __future__ import annotations

import argparse
import asyncio
import functools
import json
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from langchain.agents import create_agent
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from tests.observability.heard import pieces_for

from motet.calls import install, intercepted
from motet.memory.serde import state_serializer
from motet.observability.evaluation.evaluator import Means, Trial
from motet.observability.evaluation.example import Example
from motet.observability.evaluation.observed import Observed
from motet.observability.evaluation.observing import observed
from motet.observability.evaluation.registry import evaluators
from motet.observability.evaluation.scoring_many import Recorded, scored
from motet.observability.evaluation.trajectory_evaluators import TRAJECTORY
from motet.observability.evaluation.trajectory_match import Matching, openevals_match
from motet.observability.trajectory import file
from motet.observability.trajectory.contents import Contents
from motet.observability.trajectory.record import Recorder
from motet.observability.trajectory.recording_saver import RecordingSaver
from motet.observability.trajectory.trajectory import Trajectory, assembled
from motet.testing import FunctionModel, Reply, tool_call

TARGET_PER_S = 50
"""1,000 in 20 seconds."""
MAKE = functools.partial(evaluators, tuple(TRAJECTORY), Means())


@tool
def weigh(word: str) -> str:
    """Weigh a word."""
    return f"{word} weighs {len(word)} in the scale of the workspace, as of today."


def rounds_of(count: int) -> FunctionModel:
    """A model that calls the tool so often, then ends."""

    def answer(messages: list[BaseMessage], _: Any) -> Reply:
        asked = sum(isinstance(one, AIMessage) for one in messages)
        return tool_call("weigh", word=f"word {asked}") if asked < count else "That is all of it, in a few words."

    return FunctionModel(answer)


async def recorded(rounds: int) -> Trajectory:
    """One run."""
    serde = state_serializer()
    recorder = Recorder(f"run-{rounds}", contents=Contents(serde), thread_id="t")
    saver = RecordingSaver(InMemorySaver(serde=serde), recorder)
    agent: Any = create_agent(rounds_of(rounds), [weigh], system_prompt="Weigh.", name="weigher", checkpointer=saver)
    config = {
        "callbacks": [pieces_for(recorder)],
        "configurable": {"thread_id": "t"},
        "recursion_limit": 99,
    }
    given = {"messages": [("human", "Weigh some words.")]}
    recorder.run_started(graph_id="weigher", input=given)
    with intercepted([recorder]):
        await agent.ainvoke(given, config)
    recorder.run_finished("ok")
    taken = recorder.take()
    return assembled(taken.records, taken.contents)


async def files_in(folder: Path, count: int) -> Sequence[Recorded]:
    """So many files, each with its own run as its example."""
    runs = [await recorded(rounds) for rounds in (2, 4, 8, 16, 24)]
    made: list[Recorded] = []
    for n in range(count):
        run = runs[n % len(runs)]
        path = folder / f"{n}.jsonl"
        with path.open("wb") as opened:
            file.write(run, opened)
        seen = observed(run)
        made.append(
            Recorded(path=path, example=Example(example_id=str(n), input={}, trajectory=seen.messages, path=seen.path))
        )
    return made


def per_second(count: int, do: Callable[[], object]) -> float:
    """How many are done in a second of CPU."""
    began = time.process_time()
    do()
    return count / (time.process_time() - began)


async def measured(files: Sequence[Recorded], processes: int) -> dict[str, float]:
    """One round: each part, and the whole."""
    count = len(files)
    rates: dict[str, float] = {}
    read: list[Trajectory] = []
    rates["read"] = per_second(count, lambda: read.extend(file.read(one.path) for one in files))
    seen: list[Observed] = []
    rates["observe"] = per_second(count, lambda: seen.extend(map(observed, read)))
    made = MAKE()
    trials = [Trial(example=one.example, observed=what) for one, what in zip(files, seen, strict=True)]
    began = time.process_time()
    for trial in trials:
        for evaluator in made:
            await evaluator.score(trial)
    rates["score"] = count / (time.process_time() - began)
    match = openevals_match(Matching())
    rates["openevals"] = per_second(
        count, lambda: [match(one.observed.messages, one.example.trajectory) for one in trials]
    )
    began = time.process_time()
    rates["all of it"] = count / ((await through(files, 1)) and (time.process_time() - began))
    rates[f"in {processes} processes"] = count / await through(files, processes)
    return rates


async def through(files: Sequence[Recorded], processes: int) -> float:
    """Seconds by the clock, from files to scores."""
    began = time.perf_counter()
    async for one in scored(iter(files), MAKE, processes=processes):
        if one.error or any(score.error for score in one.scores):
            sys.exit(f"{one.path} has no scores: {one.error}")
    return time.perf_counter() - began


async def main(arguments: argparse.Namespace) -> int:
    """Measure and print; 1 if the target is missed."""
    install()
    with tempfile.TemporaryDirectory() as folder:
        files = await files_in(Path(folder), arguments.files)
        size = sum(one.path.stat().st_size for one in files) / len(files)
        rounds = [await measured(files, arguments.processes) for _ in range(arguments.rounds)]
    best = {name: max(one[name] for one in rounds) for name in rounds[0]}
    met = best["all of it"] >= TARGET_PER_S
    if arguments.json:
        told = {name: round(rate, 1) for name, rate in best.items()}
        sys.stdout.write(json.dumps({"files": len(files), "bytes": round(size), "per_s": told, "met": met}) + "\n")
        return 0 if met else 1
    head = f"trajectories a second, {len(files)} of {size / 1000:.0f} kB (target: {TARGET_PER_S} with all of it)"
    sys.stdout.write(f"{head}\n{'':16} {'per s':>9} {'of openevals':>13}\n")
    for name, rate in best.items():
        sys.stdout.write(f"{name:16} {rate:9.1f} {rate / best['openevals']:13.2f}\n")
    sys.stdout.write(f"{len(TRAJECTORY)} evaluators; the target is {'met' if met else 'missed'}\n")
    return 0 if met else 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--json", action="store_true")
    sys.exit(asyncio.run(main(parser.parse_args())))
