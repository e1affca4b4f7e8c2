# ruff: noqa: INP001 - a script, no package
"""How often the SQL analyst is right: questions over the sample workspace, each with a reference query.

`python benchmarks/sql_questions.py --workspace FOLDER [--model provider:name] [--[no-]held-out] [--only TEXT]`

An answer is right if the expected value is in the first row of the finding, and in no other place: numbers within
0.01 %, texts exactly. Questions marked `held_out` were asked of the model only after prompts and checks were settled.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, NotRequired, TypedDict

from langchain_core.callbacks import AsyncCallbackHandler
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import HumanMessage

from motet.agents.models import Models, ModelSettings
from motet.graphs.crew.sql_analyst import build_sql_analyst
from motet.graphs.state import Finding
from motet.tools.values import Value
from motet.tools.workspace import Workspace

QUESTIONS = Path(__file__).with_suffix(".json")


class Question(TypedDict):
    """One line of sql_questions.json."""

    question: str
    sql: str
    """The reference: its first value is the expected one."""
    held_out: NotRequired[bool]


def say(text: object, *_: object) -> None:
    """Print at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


class Counter(AsyncCallbackHandler):
    """Counts model calls."""

    def __init__(self) -> None:
        self.calls = 0

    async def on_chat_model_start(self, *_: Any, **__: Any) -> None:
        self.calls += 1


def right(finding: Finding, expected: Value) -> bool:
    """Whether the finding's first row holds the expected value."""
    return bool(finding["rows"]) and any(_equal(value, expected) for value in finding["rows"][0])


def _equal(value: Value, expected: Value) -> bool:
    if isinstance(value, int | float) and isinstance(expected, int | float):
        return math.isclose(value, expected, rel_tol=1e-4)
    return str(value) == str(expected)


async def measure(
    models: Callable[[], Awaitable[BaseChatModel]], workspace: Workspace, questions: Sequence[Question]
) -> None:
    """Ask every question and print how it went."""
    graph = build_sql_analyst(models, workspace).compile()
    scores: dict[bool, list[bool]] = {False: [], True: []}
    calls, seconds = 0, 0.0
    for question in questions:
        expected = (await workspace.query(question["sql"])).rows[0][0]
        counter, started = Counter(), time.perf_counter()
        state = await graph.ainvoke(
            {"messages": [HumanMessage(question["question"])]}, {"callbacks": [counter], "recursion_limit": 60}
        )
        elapsed = time.perf_counter() - started
        finding: Finding = state["findings"][-1]
        good = right(finding, expected)
        scores[question.get("held_out", False)].append(good)
        calls, seconds = calls + counter.calls, seconds + elapsed
        say(
            f"{'right' if good else 'WRONG'} {finding['status']:8} {elapsed:5.1f} s {counter.calls} calls "
            f"{len(finding['attempts'])} repairs | {question['question']} | expected {expected}"
            f"{' | held out' if question.get('held_out') else ''}\n"
            f"      {finding['sql']}\n      [{finding['composed']}] {finding['answer']}"
        )
        for attempt in finding["attempts"]:
            say(f"      - {attempt['action']}\n        {attempt['problem'][:200]}")
    tuned, held = scores[False], scores[True]
    say(f"tuned on: {sum(tuned)} of {len(tuned)} right; held out: {sum(held)} of {len(held)} right")
    say(f"{calls} calls, {seconds / max(calls, 1):.1f} s a call")


async def main() -> None:
    """Parse the command line and measure."""
    parser = argparse.ArgumentParser(description="Measure the SQL analyst.")
    parser.add_argument("--workspace", type=Path, required=True, help="a folder with the sample data")
    parser.add_argument("--model", help="provider:name; the embedded model if left out")
    parser.add_argument("--base-url", help="a server that speaks the provider's API")
    parser.add_argument("--file", type=Path, help="the embedded model's weights")
    parser.add_argument("--only", default="", help="only questions that contain this text")
    parser.add_argument(
        "--held-out", action=argparse.BooleanOptionalAction, help="only these, or none; all if left out"
    )
    arguments = parser.parse_args()
    settings = ModelSettings(
        name=arguments.model,
        base_url=arguments.base_url,
        file=arguments.file,
        data_dir=Path.home() / ".local/share/motet",
        timeout_s=120.0,
    )
    models = Models(settings, progress=say)
    questions: list[Question] = json.loads(QUESTIONS.read_text())
    chosen = [
        question
        for question in questions
        if arguments.only.lower() in question["question"].lower()
        and arguments.held_out in (None, question.get("held_out", False))
    ]
    async with await Workspace.open(arguments.workspace) as workspace:
        try:
            await measure(models.chat, workspace, chosen)
        finally:
            await models.aclose()


if __name__ == "__main__":
    asyncio.run(main())
