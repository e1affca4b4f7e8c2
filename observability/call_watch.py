"""Sees each model call of a run as LangChain tells of it, and says what it took and what it cost."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Protocol
from uuid import UUID

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGeneration, LLMResult
from langchain_core.tracers.context import register_configure_hook
from typing_extensions import override

from motet.errors import BudgetExhausted
from motet.observability import names
from motet.observability.model_metrics import CallFacts, CallListener, RunFacts
from motet.observability.prices import Prices, Usage
from motet.observability.signals import outcome_of


@dataclass(slots=True)
class _Open:
    """A call underway."""

    model: str
    provider: str
    began: float
    first_token_s: float | None = None


class TokenListener(Protocol):
    """Hears of each piece of a model's answer."""

    def token_seen(self, chunk: Any) -> None:
        """A piece of the answer to the model call of this context arrived: LangChain's ChatGenerationChunk, or None."""
        ...


class CallWatch(BaseCallbackHandler):
    """Watches one attempt at a run inside `watching()`, as no interceptor could: only LangChain's callbacks tell the
    provider, and whether the answer came in pieces to a node that streams by itself.

    A call that the budget refused was never made, nor one that was answered in a model's place. One that is open when
    the run ends was cut off with it.
    """

    run_inline = True
    """In order, and not in a thread."""
    raise_error = False

    def __init__(
        self,
        listener: CallListener,
        prices: Prices,
        graph_id: str,
        *,
        tokens: TokenListener | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`tokens` hears of each piece of each answer, too."""
        self._listener = listener
        self._pieces = tokens
        self._prices = prices
        self._graph_id = graph_id
        self._clock = clock
        self._open: dict[UUID, _Open] = {}
        self._calls = self._tokens = 0
        self._cost: Decimal | None = Decimal(0)
        self._given: set[str] = set()
        self._raised: list[BaseException] = []
        self._lock = threading.Lock()
        """Synchronous nodes call from threads of LangGraph's."""

    @contextmanager
    def watching(self) -> Generator[None]:
        """See each call that is made in this context, also one that is given callbacks of its own."""
        token = _watching.set(self)
        try:
            yield
        finally:
            # A generator closed from another context: the one it was set in is gone already.
            with suppress(ValueError):
                _watching.reset(token)

    def unmade(self, messages: Iterable[BaseMessage | None], error: BaseException | None = None) -> None:
        """A call is about to come to this without a model: LangChain will tell of it as of any other."""
        with self._lock:
            self._given |= {one.id for one in messages if one is not None and one.id}
            self._raised += [] if error is None else [error]

    @property
    @override
    def ignore_chain(self) -> bool:
        return True

    @property
    @override
    def ignore_agent(self) -> bool:
        return True

    @override
    def on_chat_model_start(
        self,
        serialized: dict[str, Any] | None,
        messages: list[list[BaseMessage]],
        *,
        run_id: UUID,
        metadata: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        told, params = metadata or {}, kwargs.get("invocation_params") or {}
        model = params.get("model_name") or params.get("model") or told.get("ls_model_name") or kwargs.get("name")
        provider = str(told.get("ls_provider") or "")
        self._open[run_id] = _Open(model=str(model or "unknown"), provider=provider, began=self._clock())

    @override
    def on_llm_new_token(self, token: Any, *, run_id: UUID, **kwargs: Any) -> None:
        call = self._open.get(run_id)
        if call is not None and call.first_token_s is None:
            call.first_token_s = self._clock() - call.began
        if self._pieces is not None:
            self._pieces.token_seen(kwargs.get("chunk"))

    @override
    def on_stream_event(self, event: Any, *, run_id: UUID, **kwargs: Any) -> None:
        self.on_llm_new_token("", run_id=run_id)

    @override
    def on_llm_end(self, response: LLMResult, *, run_id: UUID, **kwargs: Any) -> None:
        call = self._open.pop(run_id, None)
        if call is None:
            return
        answer = _answer(response)
        if answer is not None and answer.id in self._given:
            return
        usage = usage_of(answer)
        served = str(answer.response_metadata.get("model_name") or call.model) if answer else call.model
        cost = Decimal(0) if _from_cache(answer) else self._cost_of(call, served, usage)
        self._tell(call, "ok", usage, cost)

    @override
    def on_llm_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        call = self._open.pop(run_id, None)
        unmade = isinstance(error, BudgetExhausted) or any(one is error for one in self._raised)
        if call is not None and not unmade:
            self._tell(call, outcome_of(error), Usage(), None)

    def ended(self, outcome: names.Outcome) -> None:
        """The run ended: tell what is still open as cancelled, and what all came to."""
        while self._open:
            self._tell(self._open.popitem()[1], "cancelled", Usage(), None)
        facts = RunFacts(
            graph_id=self._graph_id,
            outcome=outcome,
            model_calls=self._calls,
            tokens=self._tokens,
            cost=self._cost,
        )
        self._listener.run_ended(facts)

    def _cost_of(self, call: _Open, served: str, usage: Usage) -> Decimal | None:
        """By the model that answered, else by the one that was asked; unknown where nothing was counted."""
        if not usage.input and not usage.output:
            return None
        cost = self._prices.cost(served, usage, call.provider)
        return self._prices.cost(call.model, usage, call.provider) if cost is None else cost

    def _tell(self, call: _Open, outcome: names.Outcome, usage: Usage, cost: Decimal | None) -> None:
        with self._lock:
            self._calls += 1
            self._tokens += usage.input + usage.output
            if outcome == "ok":
                self._cost = None if self._cost is None or cost is None else self._cost + cost
        self._listener.model_called(
            CallFacts(
                graph_id=self._graph_id,
                model=call.model,
                provider=call.provider,
                usage=usage,
                duration_s=self._clock() - call.began,
                first_token_s=call.first_token_s,
                outcome=outcome,
                cost=cost,
            )
        )


_watching: ContextVar[CallWatch | None] = ContextVar("motet_call_watch", default=None)
register_configure_hook(_watching, inheritable=True)


def usage_of(message: AIMessage | None) -> Usage:
    """What an answer says that it took; zeros where it says nothing."""
    told = message.usage_metadata if message is not None else None
    if told is None:
        return Usage()
    read, written = told.get("input_token_details", {}), told.get("output_token_details", {})
    return Usage(
        input=_total(told, "input_tokens"),
        cached_input=read.get("cache_read", 0) or 0,
        cache_write=read.get("cache_creation", 0) or 0,
        output=_total(told, "output_tokens"),
        reasoning=written.get("reasoning", 0) or 0,
    )


def _total(told: UsageMetadata, name: str) -> int:
    count: Any = told.get(name, 0)
    return count if isinstance(count, int) else 0


def _answer(response: LLMResult) -> AIMessage | None:
    for generations in response.generations:
        for generation in generations:
            if isinstance(generation, ChatGeneration) and isinstance(generation.message, AIMessage):
                return generation.message
    return None


def _from_cache(message: AIMessage | None) -> bool:
    """Whether LangChain's own cache answered: it marks the usage with a cost of nothing."""
    told: Any = message.usage_metadata if message is not None else None
    return bool(told) and told.get("total_cost") == 0
