"""The reporter asks before it saves, and an answer it can't use is refused while the question waits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import HumanMessage
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, StateGraph

from motet.errors import InvalidInput
from motet.graphs.answers import answers
from motet.graphs.approval import ask
from motet.graphs.crew.report import build_report
from motet.graphs.questions import Told, read, told
from motet.graphs.runtime import waiting_interrupts
from motet.graphs.state import Claim, Finding, Query, Quote, State
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
        answers("t", {"decisions": [{"type": "edit", "edited_action": edited}]}, waiting)


async def test_the_question_says_what_the_report_rests_on(tmp_path: Path) -> None:
    """Quotes with their places, and queries, each once and as a person may see them; and whose call it is."""
    quote = Quote(file="a.md", start=3, end=9, text="secret")
    query = Query(sql="SELECT 3", columns=["n"], rows=[[3]], truncated=False)
    claim = Claim(text="Three.", quotes=[quote], queries=[query])
    finding: Finding = {**FINDING, "claims": [claim, claim]}
    report = build_report(build_save_report(tmp_path), lambda text: text.replace("secret", "***"))
    graph: Any = report.compile(checkpointer=InMemorySaver())
    config: RunnableConfig = {"configurable": {"thread_id": "t"}}

    state = await graph.ainvoke(State(messages=[HumanMessage("save a report")], findings=[finding]), config)

    (waiting,) = await waiting_interrupts(graph, "t")
    _, (action,) = read(waiting.value, waiting.response_schema)
    assert told(waiting.value).evidence == [{**quote, "text": "***"}, {"sql": "SELECT 3"}]
    assert action.tool_call_id == state["messages"][-1].tool_calls[0]["id"]


async def test_a_question_may_wait_for_so_long_only() -> None:
    """The seconds stand in the request, where whoever watches the time finds them."""

    async def decide(state: State) -> State:
        decision = ask("send", {}, description="", arguments_schema={}, why=state["messages"][0].text, deadline_s=60)
        return {"messages": [HumanMessage(decision.type)]}

    graph: Any = StateGraph(State).add_node("decide", decide).add_edge(START, "decide")
    graph = graph.compile(checkpointer=InMemorySaver())
    await graph.ainvoke(State(messages=[HumanMessage("asked to")]), {"configurable": {"thread_id": "t"}})

    (waiting,) = await waiting_interrupts(graph, "t")
    assert told(waiting.value) == Told(why="asked to", deadline_s=60)
