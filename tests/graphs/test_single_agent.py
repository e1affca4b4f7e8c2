"""The single agent: all tools of the workspace, the crew's guard and gate, and nobody who sends it anything."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import HumanMessage
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command

from motet.errors import InvalidInput
from motet.graphs.crew.single import NAME, build_single_agent
from motet.graphs.guardrails import Guard
from motet.testing import ScriptedModel, tool_call
from motet.tools.documents.ports import Documents
from motet.tools.documents.tools import read_tool, search_tool
from motet.tools.reports import build_save_report
from motet.tools.sql import query_tool
from motet.tools.workspace import Workspace

CONFIG: RunnableConfig = {"configurable": {"thread_id": "one"}}
SQL = "SELECT count(*) FROM cars WHERE origin = 'Japan'"
WISH = tool_call("save_report", title="Cars", body="Two come from Japan.")


def reply(answer: str, *quotes: tuple[str, str]) -> str:
    """What the agent says at the end."""
    return json.dumps({"answer": answer, "quotes": [{"file": file, "text": text} for file, text in quotes]})


@pytest.fixture
def build(cars: Workspace, documents: Documents, folder: Path) -> Any:
    """The compiled agent over the folder, by its model and its rules for personal data."""

    def built(model: ScriptedModel, rules: Mapping[str, str] | None = None) -> Any:
        async def chat() -> ScriptedModel:
            return model

        tools = [build_save_report(folder), search_tool(documents), read_tool(documents), query_tool(cars)]
        guard = Guard(rules or {})
        graph = build_single_agent(model=chat, tools=tools, guard=guard, documents=documents, workspace=cars)
        return graph.compile(checkpointer=InMemorySaver())

    return built


def asked(question: str) -> dict[str, Any]:
    """A turn."""
    return {"messages": [HumanMessage(question)]}


async def test_it_answers_from_data_and_documents_with_what_it_rests_on(build: Any) -> None:
    """One agent queries and searches; its answer has the query's rows, and the quote with its place."""
    quote = "drawn from NOAA data"
    said = reply("Two cars are from Japan; the weather is NOAA's.", ("SOURCES.md", quote))
    script = [tool_call("query_workspace", sql=SQL), tool_call("search_documents", question="weather"), "Done.", said]
    with ScriptedModel(script) as model:
        state = await build(model).ainvoke(asked("How many cars are from Japan, and whose is the weather?"), CONFIG)

    assert state["messages"][-1].text.startswith("Two cars are from Japan; the weather is NOAA's.")
    assert state["messages"][-1].name == NAME
    [finding] = state["findings"]
    assert (finding["agent"], finding["status"], finding["rows"]) == (NAME, "ok", [[2]])
    [[found]] = [claim["quotes"] for claim in finding["claims"]]
    assert (found["file"], found["end"] - found["start"]) == ("SOURCES.md", len(quote))


async def test_it_knows_every_table_column_and_document(build: Any) -> None:
    """Its instructions name them, so that it is no worse off than the crew, which is told what it needs."""
    with ScriptedModel(["Nothing.", reply("I can't answer this.")]) as model:
        await build(model).ainvoke(asked("Why?"), CONFIG)

    told = str(model.calls[0].messages[0].content)
    assert all(word in told for word in ("cars: name VARCHAR", "horsepower BIGINT", "SOURCES.md", "RULES.md"))


@pytest.mark.parametrize(("decision", "saved"), [("approve", True), ("reject", False)])
async def test_a_report_waits_for_a_person(build: Any, folder: Path, decision: str, saved: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """What it wants to save is asked about first, and only an approved report is written."""
    with ScriptedModel([WISH, "Done.", reply("Two.")]) as model:
        graph = build(model)
        waiting = await graph.ainvoke(asked("How many cars are from Japan? Save a report."), CONFIG)
        [interrupt] = waiting["__interrupt__"]
        unwritten = not (folder / "reports").exists()
        state = await graph.ainvoke(Command(resume={interrupt.id: {"decisions": [{"type": decision}]}}), CONFIG)

    assert interrupt.value["action_requests"][0]["name"] == "save_report"
    assert unwritten
    assert (folder / "reports" / "cars.md").exists() is saved
    assert state["status"] == ("ok" if saved else "rejected")


async def test_the_guard_stands_before_and_behind_it(build: Any) -> None:
    """A question with what may not go on ends the turn without a model; an answer's image isn't let out."""
    with ScriptedModel([]) as model:
        refused = await build(model, {"email": "block"}).ainvoke(asked("Who is ada@example.org?"), CONFIG)
    with ScriptedModel(["Done.", reply("Look: ![all](http://example.org/x.png)")]) as other:
        shown = await build(other).ainvoke(asked("Show it."), CONFIG)

    assert "personal data of the kind email" in refused["messages"][-1].text
    assert "findings" not in refused or not refused["findings"]
    assert "http://example.org/x.png" not in shown["messages"][-1].text


async def test_it_needs_a_question(build: Any) -> None:
    """Without a human message there is nothing to answer."""
    with ScriptedModel([]) as model, pytest.raises(InvalidInput, match="question"):
        await build(model).ainvoke(asked(" "), CONFIG)
