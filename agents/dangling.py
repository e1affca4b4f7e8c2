"""Tool calls that nobody answered, after an error, a stop or a person who typed something else: answered here.

Providers refuse a history in which a model's call has no answer right behind it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from langchain.agents.middleware import AgentMiddleware, AgentState
from langchain_core.messages import AIMessage, AnyMessage, ToolCall, ToolMessage
from langgraph.runtime import Runtime
from langgraph.types import Overwrite

_UNANSWERED = "This call was not answered: the turn was stopped before, or went on with another message."


def repaired(messages: Sequence[AnyMessage]) -> list[AnyMessage]:
    """`messages` with an error ToolMessage for each call that has none, and each call's answers right behind it.

    An answer counts if it comes before the next message of a model: ids may repeat later. Applied again, it changes
    nothing.
    """
    mended: list[AnyMessage] = []
    rest = list(messages)
    while rest:
        message = rest.pop(0)
        mended.append(message)
        if not isinstance(message, AIMessage) or not message.tool_calls:
            continue
        end = next((index for index, one in enumerate(rest) if isinstance(one, AIMessage)), len(rest))
        block, rest = rest[:end], rest[end:]
        answers = [one for one in block if isinstance(one, ToolMessage)]
        answered = {one.tool_call_id for one in answers}
        mended += answers
        mended += [_answer(call) for call in message.tool_calls if call["id"] not in answered]
        mended += [one for one in block if not isinstance(one, ToolMessage)]
    return mended


class DanglingCalls(AgentMiddleware):
    """Repairs the history an agent starts from."""

    async def abefore_agent(self, state: AgentState[Any], runtime: Runtime[Any]) -> dict[str, Any] | None:  # noqa: ARG002 - the hook's signature
        """Replace the messages where a call dangles; leave them alone elsewhere."""
        messages = repaired(state["messages"])
        return None if messages == state["messages"] else {"messages": Overwrite(messages)}


def _answer(call: ToolCall) -> ToolMessage:
    return ToolMessage(
        _UNANSWERED,
        tool_call_id=call["id"] or "",
        name=call["name"],
        status="error",
        id=f"unanswered-{call['id']}",
    )
