"""What an interceptor is, what it is told, and how a call goes through a chain of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Protocol, TypeVar, cast

from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
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


class Pace(Protocol):
    """Says when a piece of an answer may go; asked before the n-th, from 0, and once more before the end."""

    async def piece(self, position: int) -> None:
        """Return when it may."""
        ...

    def piece_blocking(self, position: int) -> None:
        """The same for a synchronous caller."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a model answers by the word of an interceptor: LangChain's streaming and callbacks go as ever."""

    message: AIMessage | None
    """The whole answer; None where it failed. Without an error either, it never comes: the caller waits."""
    chunks: Sequence[AIMessageChunk] = ()
    """The answer's pieces, if it came in pieces; those that came before a failure."""
    error: BaseException | None = None
    """Raised after the pieces."""
    pace: Pace | None = None


Body = Callable[[], object]
"""What a tool does by the word of an interceptor: returns, raises, or asks by LangGraph's `interrupt`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCall:
    """One request to a chat model."""

    model: str
    """The name the provider knows it by, or the class name."""
    messages: Sequence[BaseMessage]
    params: Mapping[str, Any]
    """Keyword arguments bound to this call: tools, response_format, temperature, stop, …"""
    place: Place
    settings: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Of the model itself, plain values only: temperature, max_tokens, …"""
    provider: str = ""
    """As LangSmith calls it: openai, anthropic, …; empty where the model doesn't say."""
    streamed: list[tuple[float, AIMessageChunk]] | None = None
    """Where the caller reads the stream itself: the pieces until now, each with its `time.monotonic()`."""
    answer: Answer | None = None
    """Given by an interceptor: the provider isn't asked, everything around it goes as if it had been."""
    instead: BaseChatModel | None = None
    """Given by an interceptor: this model is asked in the place of the caller's, with `params`."""
    told: dict[str, Any] = field(default_factory=dict[str, Any], compare=False)
    """What those further in tell those further out: `from_run`, the run from whose record it was answered."""


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
    body: Body | None = None
    """Given by an interceptor: runs in the place of the tool's own code, everything around it goes as ever."""
    told: dict[str, Any] = field(default_factory=dict[str, Any], compare=False)
    """What those further in tell those further out: `ledger_key`, the effect's; `from_run`, as of a model's call."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeCall:
    """One execution of a task: a node of a graph or sub-graph, or a function of the functional API."""

    name: str
    place: Place
    """The node's own."""
    path: tuple[Any, ...]
    """LangGraph's path of the task, which says whether it was pulled by an edge or pushed, and as which one."""
    triggers: tuple[str, ...]
    task: Any
    """LangGraph's PregelExecutableTask; when it has ended, `writes` (channel, value) is what it wrote."""
    synchronous: bool
    """As of a tool's call."""
    cached: bool = False
    """Its writes came from the node's cache, before this: there is nothing to run."""
    tries: list[float] = field(default_factory=list[float], compare=False)
    """When each try began, `time.monotonic()`: a retry policy makes several."""


ModelNext = Callable[[ModelCall], Awaitable[ChatResult]]
ToolNext = Callable[[ToolCall], Awaitable[object]]
NodeNext = Callable[[NodeCall], Awaitable[object]]


class Interceptor(Protocol):
    """Stands around each call of a run; may refuse it, answer it itself, or watch it.

    One that also has `async def node(self, call: NodeCall, proceed: NodeNext) -> object` stands around each execution
    of a node; the others aren't asked. Who answers instead of a node extends `call.task.writes`.
    Of a call that is changed on its way (by `dataclasses.replace`), `messages`, `arguments`, `answer`, `body` and
    `instead` take effect, beside `instead` also `params`, and nothing else. A streamed model call proceeds at most
    once, its chunks go to the caller as they come, and a caller that stops reading looks to interceptors like a
    cancellation.
    In a synchronous call nothing but `proceed` may be awaited (there is no loop to wait on): what needs I/O is kept and
    written by the run's worker, or done by the worker's loop while the caller's thread waits.
    """

    async def model(self, call: ModelCall, proceed: ModelNext) -> ChatResult:
        """Answer `call`, usually by `await proceed(call)`."""
        ...

    async def tool(self, call: ToolCall, proceed: ToolNext) -> object:
        """Answer `call` with what the tool returned, usually by `await proceed(call)`."""
        ...


class NodeInterceptor(Protocol):
    """An interceptor that stands around nodes, too."""

    async def node(self, call: NodeCall, proceed: NodeNext) -> object:
        """Have the node run, usually by `await proceed(call)`."""
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


def place_of(metadata: Mapping[str, Any] | None, *, node: str | None = None) -> Place:
    """The place that LangGraph's `metadata` of a run names; `node` for the node that it doesn't name yet."""
    known = metadata or {}
    return Place(
        namespace=str(known.get("langgraph_checkpoint_ns", "")),
        node=str(known.get("langgraph_node", "")) if node is None else node,
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


def through_node(chain: Chain, innermost: NodeNext) -> NodeNext | None:
    """The same for nodes; None where nobody stands around them."""

    def outside(around: Callable[[NodeCall, NodeNext], Awaitable[object]], inner: NodeNext) -> NodeNext:
        return lambda call: around(call, inner)

    watching = [cast("NodeInterceptor", one).node for one in reversed(chain) if _is_around_nodes(type(one))]
    for around in watching:
        innermost = outside(around, innermost)
    return innermost if watching else None


@cache
def _is_around_nodes(kind: type) -> bool:
    """Whether its instances are interceptors of nodes; asked for each node, of a protocol it would cost 20 µs."""
    return callable(getattr(kind, "node", None))


def drive(answer: Awaitable[T]) -> T:
    """Run a chain for a synchronous caller, whose interceptors await nothing but `proceed`."""
    coroutine = result_of(answer)
    try:
        coroutine.send(None)
    except StopIteration as finished:
        return cast("T", finished.value)
    coroutine.close()
    raise RuntimeError(ONLY_PROCEED)
