"""The gate in front of an agent's tools: some calls wait for a person, some are refused."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, cast

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match
from langchain.agents.middleware import AgentMiddleware, ToolCallRequest
from langchain_core.messages import AIMessage, AnyMessage, ToolMessage
from langchain_core.tools import BaseTool
from langchain_core.utils.pydantic import model_json_schema
from langgraph.types import Command

from motet.graphs import approval
from motet.tools.policy import Verdict, holds_untrusted, verdict

Answer = ToolMessage | Command[Any]
Handler = Callable[[ToolCallRequest], Awaitable[Answer]]

DECISION = "decision"
"""Key of a ToolMessage's artifact that says by whose decision the tool didn't run: `deny`, `reject` or `respond`."""


class ApprovalGate(AgentMiddleware):
    """Asks a person before a call that `motet.tools.policy` says to ask for; the first of an agent's middleware.

    Each gated call is an interrupt of its own with one action: several in one turn are answered by id, in any order,
    and none runs twice.
    """

    def __init__(self, approvals: Mapping[str, Verdict]) -> None:
        """Hold an agent's declared `approvals`, by tool."""
        super().__init__()
        self._approvals = dict(approvals)

    async def awrap_tool_call(self, request: ToolCallRequest, handler: Handler) -> Answer:
        """Let the call through, ask, or answer it with an error; an unknown tool is the agent's to answer."""
        tool = request.tool
        if tool is None:
            return await handler(request)
        untrusted = holds_untrusted(request.state["messages"])
        match verdict(tool, self._approvals, untrusted=untrusted):
            case "allow":
                return await handler(request)
            case "deny":
                return _answer(request, f"{tool.name} is not allowed for this agent.", "deny")
            case "ask":
                return await _asked(tool, request, handler)


async def _asked(tool: BaseTool, request: ToolCallRequest, handler: Handler) -> Answer:
    call, schema = request.tool_call, arguments_schema(tool)
    problem = best_match(Draft202012Validator(schema).iter_errors(call["args"]))
    if problem is not None:
        return _answer(request, f"The arguments don't fit: {problem.message[:300]}. Nobody was asked.", "deny")
    description = f"{tool.name}: {tool.description.strip().splitlines()[0]}"
    decision = approval.ask(
        tool.name,
        call["args"],
        description=description,
        arguments_schema=schema,
        tool_call_id=call["id"] or "",
        why=_why(request),
    )
    match decision.type:
        case "approve":
            return await handler(request)
        case "edit":
            edited = dict(decision.arguments or {})
            answer = await handler(request.override(tool_call={**call, "args": edited}))
            return _with_notice(answer, f"A person changed the arguments to {edited}.")
        case "reject":
            return _answer(request, f"rejected by a person: {decision.message or 'no reason was given'}", "reject")
        case "respond":
            return _answer(request, decision.message, "respond", error=False)


def _why(request: ToolCallRequest) -> str:
    """What the agent said in the message that makes the call."""
    asked = request.tool_call["id"]
    messages = cast("Sequence[AnyMessage]", request.state["messages"])
    made = (one for one in reversed(messages) if isinstance(one, AIMessage))
    return next((one.text for one in made if asked in [call["id"] for call in one.tool_calls]), "")


def arguments_schema(tool: BaseTool) -> dict[str, Any]:
    """JSON Schema of what a model gives `tool`, without what LangGraph injects."""
    schema = tool.tool_call_schema
    return {"additionalProperties": False, **(schema if isinstance(schema, dict) else model_json_schema(schema))}


def _answer(request: ToolCallRequest, text: str, decision: str, *, error: bool = True) -> ToolMessage:
    return ToolMessage(
        text,
        tool_call_id=request.tool_call["id"] or "",
        name=request.tool_call["name"],
        status="error" if error else "success",
        artifact={DECISION: decision},
    )


def _with_notice(answer: Answer, notice: str) -> Answer:
    """The result with what was really called, so that the model doesn't take it for its own call's."""
    if not isinstance(answer, ToolMessage) or not isinstance(answer.content, str):
        return answer
    return answer.model_copy(update={"content": f"{notice}\n{answer.content}"})
