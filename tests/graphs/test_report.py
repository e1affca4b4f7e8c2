"""The reporter asks before it saves, and an answer it can't use is refused while the question waits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import HumanMessage
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.memory import InMemorySaver

from motet.errors import InvalidInput
from motet.graphs.approval import answers_by_id
from motet.graphs.crew.report import build_report
from motet.graphs.runtime import waiting_interrupts
from motet.graphs.state import Finding, State
from motet.tools.reports import build_save_report

FINDING = Finding(
    agent="sql_analyst",
    question="How many?",
    status="ok",
    answer="Three.",
    composed="rows",
    sql="SELECT 3",
    columns=["n"],
    rows=[[3]],
    truncated=False,
    attempts=[],
)


@pytest.mark.parametrize("title", ["", "   ", "x" * 201])
async def test_a_title_that_is_none_is_refused_at_the_door(tmp_path: Path, title: str) -> None:
    """The tool would refuse it too, but then the run would fail with the question gone."""
    graph: Any = build_report(build_save_report(tmp_path)).compile(checkpointer=InMemorySaver())
    config: RunnableConfig = {"configurable": {"thread_id": "t"}}
    await graph.ainvoke(State(messages=[HumanMessage("save a report")], findings=[FINDING]), config)
    waiting = await waiting_interrupts(graph, "t")
    edited = {"name": "save_report", "args": {"title": title, "body": "b"}}

    with pytest.raises(InvalidInput, match=r"command\.resume"):
        answers_by_id("t", {"decisions": [{"type": "edit", "edited_action": edited}]}, waiting)
