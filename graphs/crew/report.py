"""Turns what was found into a report, asks whether it may be saved, and saves it.

propose → decide → save → conclude. The tool call stands in the messages before anyone is asked, so
whatever is decided, it gets its answer and the history stays valid for any provider.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, NotRequired, TypedDict, cast
from uuid import uuid4

from langchain_core.messages import AIMessage, ToolCall, ToolMessage
from langchain_core.tools import BaseTool
from langgraph.graph import END, START, StateGraph
from pydantic import ValidationError

from motet.errors import ToolFailed
from motet.graphs import approval
from motet.graphs.correction import Status
from motet.graphs.crew.composing import evidence
from motet.graphs.state import Finding, State
from motet.memory.asking import DecisionType

_TITLE_LENGTH = 80


class Decided(TypedDict):
    """A person's decision, as plain values."""

    type: DecisionType
    arguments: dict[str, Any]
    message: str


class ReportState(State):
    """The shared state and the decision on its way from one node to the next."""

    decided: NotRequired[Decided]


Builder = StateGraph[ReportState, Any, ReportState, ReportState]


def build_report(save_report: BaseTool, clean: Callable[[str], str] = str) -> Builder:
    """The state machine around one `save_report` tool; the caller compiles it.

    `clean` makes of a text what a person may see of it, as of an answer.
    """
    schema = save_report.get_input_jsonschema()

    async def propose(state: ReportState) -> dict[str, Any]:
        findings = [one for one in state.get("findings", []) if one["status"] in {"ok", "partial"}]
        if not findings:
            return _said("There is nothing to report yet: ask a question about the data first.", "failed")
        arguments = {"title": clean(_title(findings)), "body": clean(_body(findings))}
        call = ToolCall(name="save_report", args=arguments, id=f"call_{uuid4().hex}", type="tool_call")
        return {"messages": [AIMessage(content="", name="reporter", tool_calls=[call])]}

    async def decide(state: ReportState) -> dict[str, Decided]:
        call = _call(state)
        decision = approval.ask(
            call["name"],
            call["args"],
            description=f"Write the report “{call['args']['title']}” into the workspace's reports folder.",
            arguments_schema=schema,
            tool_call_id=call["id"] or "",
            evidence=_cited(state.get("findings", []), clean),
        )
        arguments = call["args"] if decision.arguments is None else dict(decision.arguments)
        return {"decided": Decided(type=decision.type, arguments=arguments, message=decision.message)}

    async def save(state: ReportState) -> dict[str, list[ToolMessage]]:
        call, decided = _call(state), _decided(state)
        try:
            done = await save_report.ainvoke({**call, "args": decided["arguments"], "type": "tool_call"})
            return {"messages": [cast("ToolMessage", done)]}
        except (ToolFailed, ValidationError) as error:
            return {"messages": [_answer(call, str(error), status="error")]}

    builder = Builder(ReportState)
    builder.add_node("propose", propose)
    builder.add_node("decide", decide)
    builder.add_node("save", save)
    builder.add_node("decline", _decline)
    builder.add_node("conclude", _conclude)
    builder.add_edge(START, "propose")
    builder.add_conditional_edges("propose", _proposed, {"decide": "decide", "end": END})
    builder.add_conditional_edges("decide", _accepted, {"save": "save", "decline": "decline"})
    builder.add_edge("save", "conclude")
    builder.add_edge("decline", "conclude")
    builder.add_edge("conclude", END)
    return builder


def _proposed(state: ReportState) -> Literal["decide", "end"]:
    last = state["messages"][-1]
    return "decide" if isinstance(last, AIMessage) and last.tool_calls else "end"


def _accepted(state: ReportState) -> Literal["save", "decline"]:
    return "save" if _decided(state)["type"] in {"approve", "edit"} else "decline"


async def _decline(state: ReportState) -> dict[str, list[ToolMessage]]:
    """Answer the call without running the tool: a person rejected it, or answered in its place."""
    call, decided = _call(state), _decided(state)
    if decided["type"] == "respond":
        return {"messages": [_answer(call, decided["message"])]}
    reason = decided["message"] or "no reason was given"
    return {"messages": [_answer(call, f"rejected by a person: {reason}", status="error")]}


async def _conclude(state: ReportState) -> dict[str, Any]:
    decided, answer = _decided(state), cast("ToolMessage", state["messages"][-1])
    match decided["type"]:
        case "reject":
            return _said(f"The report was not saved; it was {answer.text}.", "rejected")
        case "respond":
            return _said(f"The report was not saved. You answered: {answer.text}", "ok")
        case "approve" | "edit" if answer.status == "error":
            return _said(f"The report was not saved: {answer.text}.", "failed")
        case "approve" | "edit":
            edited = ", with your changes" if decided["type"] == "edit" else ""
            return _said(f"The report is saved as {answer.text}{edited}.", "ok")


def _said(text: str, status: Status) -> dict[str, Any]:
    return {"messages": [AIMessage(content=text, name="reporter")], "status": status}


def _call(state: ReportState) -> ToolCall:
    last = next(one for one in reversed(state["messages"]) if isinstance(one, AIMessage) and one.tool_calls)
    return last.tool_calls[0]


def _decided(state: ReportState) -> Decided:
    assert "decided" in state, "the approval ended the run, or left a decision"
    return state["decided"]


def _answer(call: ToolCall, text: str, *, status: Literal["success", "error"] = "success") -> ToolMessage:
    return ToolMessage(content=text, tool_call_id=call["id"] or "", name=call["name"], status=status)


def _title(findings: Sequence[Finding]) -> str:
    first = findings[0]["question"].strip().rstrip("?.! ")
    return first if len(first) <= _TITLE_LENGTH else f"{first[:_TITLE_LENGTH].rsplit(' ', 1)[0]}…"


def _cited(findings: Sequence[Finding], clean: Callable[[str], str]) -> Sequence[dict[str, Any]]:
    """What the report rests on, each piece once: quotes with their places, and queries."""
    claims = [claim for one in findings for claim in one.get("claims", [])]
    quotes = [{**quote, "text": clean(quote["text"])} for claim in claims for quote in claim["quotes"]]
    queries = [{"sql": clean(query["sql"])} for claim in claims for query in claim["queries"]]
    pieces = [*quotes, *queries]
    return [one for n, one in enumerate(pieces) if one not in pieces[:n]]


def _body(findings: Sequence[Finding]) -> str:
    """Each question with its answer and all that rests on, so that a reader can look it up; no model writes here."""
    sections = [
        f"## {one['question']}\n\n{one['answer']}\n\n{evidence(one.get('claims', []))}".rstrip() for one in findings
    ]
    return "\n\n".join(sections)
