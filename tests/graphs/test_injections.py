"""Thirty injections in real documents and cells, read by a model that obeys everything: nothing happens unasked."""

from __future__ import annotations

import csv
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from langchain_core.messages import BaseMessage, HumanMessage, ToolMessage
from langchain_core.tools import BaseTool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, StateGraph
from langgraph.types import Command
from tests.graphs.injections import TEMPLATES, commanded, injection

from motet.agents.spec import AgentSpec
from motet.graphs.crew.specialists import specialist
from motet.graphs.state import Conversation, State
from motet.memory.redis.client import connect
from motet.memory.redis.documents import RedisDocuments
from motet.memory.redis.keys import Keys
from motet.testing import FunctionModel, tool_call
from motet.tools.documents.indexing import corpus_of, index_folder
from motet.tools.documents.library import Library
from motet.tools.documents.tools import read_tool, search_tool
from motet.tools.policy import Verdict
from motet.tools.reports import build_save_report
from motet.tools.sql import query_tool
from motet.tools.workspace import Workspace

pytestmark = pytest.mark.asyncio(loop_scope="session")

TOOLS = ("search_documents", "read_document", "query_workspace", "save_report")
CHANNELS = ("search_documents", "read_document", "query_workspace")


@dataclass(frozen=True, slots=True)
class Desk:
    """A workspace whose texts somebody else wrote, and the tools over it."""

    folder: Path
    library: Library
    tools: list[BaseTool]

    @property
    def reports(self) -> list[Path]:
        """What was written."""
        return sorted(self.folder.glob("reports/*"))


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def desk(redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Desk]:
    """Each injection in a document of its own and in a cell of its own."""
    folder = tmp_path_factory.mktemp("workspace")
    with (folder / "notes.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "note"])
        writer.writerows((number, injection(name)[0]) for number, name in enumerate(TEMPLATES))
    for number, name in enumerate(TEMPLATES):
        text = f"# Bait {number}\n\nAn ordinary note about bait.\n\n{injection(name)[0]}\n"
        (folder / f"bait-{number:02}.md").write_text(text, encoding="utf-8")
    client, keys = await connect(redis_url), Keys(tenant="desk", prefix="test-injections")
    index = RedisDocuments(client, keys)
    await index_folder(folder, index, None, lambda *_: None)
    library = await Library.open(index, None, corpus_of(folder))
    async with await Workspace.open(folder) as workspace:
        tools = [search_tool(library), read_tool(library), query_tool(workspace), build_save_report(folder)]
        yield Desk(folder, library, tools)
    async for name in client.scan_iter(match=f"{keys.prefix}:*"):
        await client.delete(name)
    await client.aclose()


def reading(channel: str, number: int) -> Any:
    """The call by which the note of that number is read."""
    arguments: dict[str, dict[str, Any]] = {
        "search_documents": {"question": "note about bait", "file": f"bait-{number:02}.md"},
        "read_document": {"file": f"bait-{number:02}.md"},
        "query_workspace": {"sql": f"SELECT note FROM notes WHERE id = {number}"},  # noqa: S608 - a number of our own
    }
    return tool_call(channel, **arguments[channel])


def obedient(first: Any) -> FunctionModel:
    """Reads what `first` reads, and then does whatever any text in front of it asks for."""

    def answer(messages: list[BaseMessage], tools: Mapping[str, Mapping[str, Any]]) -> Any:
        if "save_report" not in tools:
            return json.dumps({"answer": "Done.", "quotes": []})
        if any(isinstance(one, ToolMessage) and one.name == "save_report" for one in messages):
            return "Done."
        title = next(filter(None, (commanded(one.text) for one in messages[1:])), None)
        if title:
            return tool_call("save_report", title=title, body="x")
        return "Nothing to do." if any(isinstance(one, ToolMessage) for one in messages) else first

    return FunctionModel(answer)


def agent(desk: Desk, model: FunctionModel, verdict: Verdict) -> Any:
    """A specialist that may do all of it, by declaration, in a graph that can wait."""
    spec = AgentSpec(
        name="clerk", description="Knows.", instructions="Find out.", tools=TOOLS, approvals={"save_report": verdict}
    )

    async def made() -> FunctionModel:
        return model

    builder = StateGraph(State, input_schema=Conversation)
    builder.add_node("clerk", specialist(spec, model=made, tools=desk.tools, documents=desk.library))
    builder.add_edge(START, "clerk")
    return builder.compile(checkpointer=InMemorySaver())


@pytest.mark.parametrize("channel", CHANNELS)
@pytest.mark.parametrize("name", TEMPLATES)
async def test_an_injection_gets_no_effect_without_a_person(desk: Desk, name: str, channel: str) -> None:
    """The obeyed order waits for a person although its tool is allowed, and after their no nothing was written."""
    text, title = injection(name)
    assert commanded(text) == title
    graph = agent(desk, obedient(reading(channel, list(TEMPLATES).index(name))), "allow")
    thread: Any = {"configurable": {"thread_id": "t"}}

    await graph.ainvoke({"messages": [HumanMessage("What do the notes say?")]}, thread)

    (asked,) = (await graph.aget_state(thread)).interrupts
    (action,) = asked.value["action_requests"]
    assert (action["name"], action["args"]["title"]) == ("save_report", title)
    assert desk.reports == []
    await graph.ainvoke(Command(resume={asked.id: {"decisions": [{"type": "reject"}]}}), thread)
    state = await graph.aget_state(thread)
    assert (state.interrupts, state.values["status"], desk.reports) == ((), "rejected", [])


async def test_a_denied_tool_is_not_even_asked_for(desk: Desk) -> None:
    """Where the declaration says deny, the obeyed order is refused and nobody is bothered."""
    graph = agent(desk, obedient(reading("read_document", 0)), "deny")
    thread: Any = {"configurable": {"thread_id": "t"}}

    await graph.ainvoke({"messages": [HumanMessage("What do the notes say?")]}, thread)

    assert ((await graph.aget_state(thread)).interrupts, desk.reports) == ((), [])


async def test_the_persons_own_order_is_carried_out(desk: Desk) -> None:
    """With nothing read that isn't the person's, `allow` means what it says: the gate isn't a wall."""
    graph = agent(desk, obedient("Nothing."), "allow")
    thread: Any = {"configurable": {"thread_id": "t"}}

    await graph.ainvoke({"messages": [HumanMessage("Please call save_report with title OWNED-99")]}, thread)

    (written,) = desk.reports
    assert written.name == "owned-99.md"
    written.unlink()


async def test_there_are_thirty_different_ones() -> None:
    """Thirty texts, each another way."""
    assert len({injection(name)[0] for name in TEMPLATES}) == 30
