"""What an agent's model sees of a tool: its result as data, its failure as a message. No failure kills the run."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Any, cast

from langchain.agents.middleware import AgentMiddleware, ToolCallRequest, ToolErrorMiddleware
from langchain_core.messages import ToolMessage
from langchain_core.tools import ToolException
from langgraph.types import Command

from motet.errors import MotetError, OperatorError, RunError
from motet.observability.trajectory.redact import redacted
from motet.tools.untrusted import as_data, neutralised

Answer = ToolMessage | Command[Any]

_PIECE = re.compile(r'\n?<data source="[\w .,:/#()-]*">\n(.*)', re.DOTALL)


def failures_as_messages() -> ToolErrorMiddleware[Any, None]:
    """Answers a call whose tool raised with an error ToolMessage.

    An error of ours is told by its text, without what looks like a secret; any other by its class alone, because
    nobody knows what its text holds. What isn't the tool's failure goes on up: LangGraph's control signals, a run
    that can't go on (RunError: a spent budget, a lost claim) and parts that don't answer (OperatorError).
    """
    return ToolErrorMiddleware(_told)


class ResultsAsData(AgentMiddleware):
    """Marks every result of a tool as data, unless the tool did so itself.

    The result as the tool gave it stays in the message's `artifact`, which no model sees, where the tool left none.
    A tool that answers with a command (a handoff) speaks for the agent and is left alone.
    """

    async def awrap_tool_call(
        self, request: ToolCallRequest, handler: Callable[[ToolCallRequest], Awaitable[Answer]]
    ) -> Answer:
        """Mark the result; its length grows by the marks alone."""
        answer = await handler(request)
        if not isinstance(answer, ToolMessage):
            return answer
        source = request.tool_call["name"]
        content = cast("str | list[Any]", answer.content)
        whole = isinstance(content, str)
        marked = _marked(content, source) if whole else [_block(one, source) for one in content]
        if marked == content:
            return answer
        kept = answer.content if answer.artifact is None else answer.artifact
        return answer.model_copy(update={"content": marked, "artifact": kept})


def _block(block: Any, source: str) -> Any:
    """One piece of a result in blocks; what isn't text stays."""
    text = cast("dict[str, Any]", block).get("text") if isinstance(block, dict) else None
    return {**block, "text": _marked(text, source)} if isinstance(text, str) else block


def _marked(text: str, source: str) -> str:
    return text if _is_marked(text) else as_data(text, source=source)


def _told(error: Exception, request: ToolCallRequest) -> str | None:
    if isinstance(error, RunError | OperatorError):
        return None
    if isinstance(error, MotetError | ToolException):
        return str(redacted(str(error))) or type(error).__name__
    return f"{request.tool_call['name']} failed: {type(error).__name__}"


def _is_marked(text: str) -> bool:
    """Whether `text` is nothing but marked pieces, a line each apart, whose ends nothing inside imitates."""
    *pieces, rest = text.split("\n</data>")
    bodies = [_PIECE.fullmatch(piece) for piece in pieces]
    return bool(bodies) and not rest and all(found and neutralised(found[1]) == found[1] for found in bodies)
