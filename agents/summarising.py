"""Shows an agent's model the end of a long history, and a summary of what came before."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from langchain.agents.middleware import AgentMiddleware, ModelRequest, ModelResponse, SummarizationMiddleware
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AnyMessage

from motet.memory.summary import extracted
from motet.tools.untrusted import as_data

MOST_TOKENS = 24_000
"""Of history, where a declaration says nothing and the model takes more than twice as much, or nobody knows."""


class Summarised(AgentMiddleware[Any, Any, Any]):
    """LangChain's SummarizationMiddleware with a summariser that needs no model, for what the model sees alone.

    From `tokens` on, counted roughly, the model gets the first message (its task), a summary of the older ones, and
    the newest half as they are, no call apart from its result. The agent's state keeps them all: its evidence is read
    from there, and so is whether text that isn't the person's was read. The summary is marked as data for the same
    reason: most of it is what tools returned.
    """

    def __init__(self, model: BaseChatModel, *, tokens: int | None) -> None:
        """`model` says how tokens are counted and, without `tokens`, how many it takes; it is never called."""
        super().__init__()
        most = tokens or min(MOST_TOKENS, (model.profile or {}).get("max_input_tokens", 2 * MOST_TOKENS) // 2)
        self._inner = SummarizationMiddleware(
            model,
            trigger=("tokens", most),
            keep=("tokens", max(1, most // 2)),
            trim_tokens_to_summarize=None,
            summarizer=_summary,
        )

    async def awrap_model_call(
        self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], Awaitable[ModelResponse[Any]]]
    ) -> ModelResponse[Any]:
        """Shorten the messages of this call, if there are too many."""
        task, rest = request.messages[:1], request.messages[1:]
        update = await self._inner.abefore_model({"messages": rest}, request.runtime) if rest else None
        if update is None:
            return await handler(request)
        shortened: Sequence[AnyMessage] = update["messages"][1:]  # the first takes all others out of a state
        return await handler(request.override(messages=[*task, *shortened]))


async def _summary(messages: list[AnyMessage]) -> str:
    return as_data(extracted(messages), source="summary of earlier work")
