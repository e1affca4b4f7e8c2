"""What an interceptor is, what it is told, and how a call goes through a chain of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar, cast

from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatResult
from langchain_core.runnables.config import var_child_runnable_config

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where in a graph a call is made; empty strings outside any graph."""

    namespace: str = ""
    """LangGraph's checkpoint namespace, `node:task|node:task`, outermost first."""
    node: str = ""
    step: int = -1
    """Superstep of the innermost graph; -1 outside any."""
    agent: str = ""
    """Name of the innermost named agent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCall:
    """One request to a chat model."""

    model: str
    """The name the provider knows it by, or the class name."""
    messages: Sequence[BaseMessage]
    params: Mapping[str, Any]
    """Keyword arguments bound to this call: tools, response_format, temperature, stop, …"""
    place: Place


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """One call of a tool."""

    tool: str
    arguments: Mapping[str, Any]
    """As the model gave them, without what LangGraph injects; a plain string input stands under `input`."""
    call_id: str | None
    """The model's id of the call, if a model asked for it."""
    place: Place
    metadata: Mapping[str, Any]
    """What the tool declares of itself."""
    synchronous: bool
    """Whether the caller is synchronous: its thread waits, and nothing but `proceed` may be awaited."""


ModelNext = Callable[[ModelCall], Awaitable[ChatResult]]
ToolNext = Callable[[ToolCall], Awaitable[object]]


class Interceptor(Protocol):
    """Stands around each call of a run; may refuse it, answer it itself, or watch it.

    Of a call that is changed on its way (by `dataclasses.replace`), `messages` and `arguments` take
    effect and nothing else. A streamed model call proceeds at most once, its chunks go to the
    caller as they come, and a caller that stops reading looks to interceptors like a cancellation.
    In a synchronous call nothing but `proceed` may be awaited (there is no loop to wait on): what needs I/O is kept and
    written by the run's worker, or done by the worker's loop while the caller's thread waits.
    """

    async def model(self, call: ModelCall, proceed: ModelNext) -> ChatResult:
        """Answer `call`, usually by `await proceed(call)`."""
        ...

    async def tool(self, call: ToolCall, proceed: ToolNext) -> object:
        """Answer `call` with what the tool returned, usually by `await proceed(call)`."""
        ...


Chain = tuple[Interceptor, ...]

_chain: ContextVar[Chain | None] = ContextVar("motet_calls", default=None)

ONLY_PROCEED = "an interceptor awaited more than `proceed` in a synchronous call"


@contextmanager
def intercepted(interceptors: Sequence[Interceptor]) -> Generator[None]:
    """Send each model and tool call made in this context through `interceptors`, outermost first.

    Around an `async for` in a coroutine or task of its own. Around a `yield` it reaches whoever
    reads the generator, and ends with that reader's context.
    """
    token = _chain.set(tuple(interceptors))
    try:
        yield
    finally:
        # A generator closed from another context: the one the chain was set in is gone already.
        with suppress(ValueError):
            _chain.reset(token)


def current_place() -> Place:
    """Where the running node stands, read from LangChain's own context."""
    return place_of((var_child_runnable_config.get() or {}).get("metadata"))


def place_of(metadata: Mapping[str, Any] | None) -> Place:
    """The place that LangGraph's `metadata` of a run names."""
    known = metadata or {}
    return Place(
        namespace=str(known.get("langgraph_checkpoint_ns", "")),
        node=str(known.get("langgraph_node", "")),
        step=int(known.get("langgraph_step", -1)),
        agent=str(known.get("lc_agent_name", "")),
    )


def current_chain() -> Chain | None:
    """The interceptors set for this context; None outside any `intercepted`."""
    return _chain.get()


def through_model(chain: Chain, innermost: ModelNext) -> ModelNext:
    def outside(interceptor: Interceptor, inner: ModelNext) -> ModelNext:
        return lambda call: interceptor.model(call, inner)

    for interceptor in reversed(chain):
        innermost = outside(interceptor, innermost)
    return innermost


def through_tool(chain: Chain, innermost: ToolNext) -> ToolNext:
    def outside(interceptor: Interceptor, inner: ToolNext) -> ToolNext:
        return lambda call: interceptor.tool(call, inner)

    for interceptor in reversed(chain):
        innermost = outside(interceptor, innermost)
    return innermost


async def result_of(answer: Awaitable[T]) -> T:
    """A coroutine of any awaitable: what a task wants, and what can be driven by hand."""
    return await answer


def drive(answer: Awaitable[T]) -> T:
    """Run a chain for a synchronous caller, whose interceptors await nothing but `proceed`."""
    coroutine = result_of(answer)
    try:
        coroutine.send(None)
    except StopIteration as finished:
        return cast("T", finished.value)
    coroutine.close()
    raise RuntimeError(ONLY_PROCEED)
