"""`assistant`: the chat's entry. Sends a turn to the specialist it is for.

route → sql_analyst | report. Each is a state machine of its own with its own namespace in the stream.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal, cast

from langchain_core.messages import HumanMessage
from langchain_core.messages.utils import convert_to_messages
from langgraph.graph import END, START, StateGraph

from motet.errors import InvalidInput
from motet.graphs.crew.report import build_report
from motet.graphs.crew.sql_analyst import ModelFactory, build_sql_analyst
from motet.graphs.registry import Graph
from motet.graphs.state import State
from motet.tools.reports import build_save_report
from motet.tools.workspace import Workspace

MAX_QUESTION = 32_000
"""Characters; a longer text is a document, and belongs into the workspace."""

_ASKS_FOR_REPORT = re.compile(
    r"\b(save|write|file|store|keep)\b.*\breport\b|\breport\b.*\b(save|write|file|store)", re.IGNORECASE
)
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")

Builder = StateGraph[State, Any, State, State]


def build_assistant(model: ModelFactory, workspace: Workspace) -> Builder:
    """The assistant over one workspace; the caller compiles it.

    A turn that asks to save a report goes to the reporter, every other to the analyst: with two
    specialists that do such different things, the person's own words decide, and no model is asked.
    """
    builder = Builder(State)
    builder.add_node("sql_analyst", _specialist("sql_analyst", build_sql_analyst(model, workspace)))
    builder.add_node("report", _specialist("report", build_report(build_save_report(workspace.folder))))
    builder.add_conditional_edges(START, route, {"sql_analyst": "sql_analyst", "report": "report"})
    builder.add_edge("sql_analyst", END)
    builder.add_edge("report", END)
    return builder


def _specialist(name: str, builder: StateGraph[Any, Any, Any, Any]) -> Graph:
    """A compiled specialist that traces know as an agent: LangChain and OpenTelemetry each read a name of their own."""
    return builder.compile(name=name).with_config(metadata={"lc_agent_name": name, "agent_name": name})


def route(state: State) -> Literal["sql_analyst", "report"]:
    """Who takes this turn."""
    asked = next((one.text for one in reversed(state["messages"]) if isinstance(one, HumanMessage)), "")
    return "report" if _ASKS_FOR_REPORT.search(asked) else "sql_analyst"


def check_question(given: Any) -> None:
    """Refuse an input that no specialist can work on, before a run is made of it.

    Raises:
        InvalidInput: no messages, the last isn't a person's, or its text is empty, too long or binary.
    """
    messages = cast("Mapping[str, Any]", given).get("messages") if isinstance(given, Mapping) else None
    if not isinstance(messages, list) or not messages:
        raise InvalidInput("input.messages", messages, "a list with at least one message")
    try:
        last = convert_to_messages(messages)[-1]
    except (ValueError, NotImplementedError, KeyError, TypeError) as error:
        raise InvalidInput("input.messages", messages, f"messages with role and content ({error})") from None
    field = f"input.messages[{len(messages) - 1}].content"
    if not isinstance(last, HumanMessage):
        raise InvalidInput(field, last.type, "a human message at the end")
    text = last.text
    if not text.strip():
        raise InvalidInput(field, text, "a question; it is empty")
    if len(text) > MAX_QUESTION:
        raise InvalidInput(
            field, text, f"at most {MAX_QUESTION} characters, not {len(text)}; put documents into the workspace"
        )
    if _CONTROL.search(text):
        raise InvalidInput(field, text, "text without control characters; this looks like binary data")
