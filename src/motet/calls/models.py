"""The wrappers around a chat model: one call is seen once, however it is made."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Generator, Iterator, Mapping, Sequence
from contextlib import aclosing, closing, contextmanager
from contextvars import ContextVar
from typing import Any, cast

from langchain_core.language_models import LanguageModelInput
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.messages.utils import convert_to_messages, message_chunk_to_message
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.prompt_values import PromptValue

from motet.calls.chain import (
    ONLY_PROCEED,
    Chain,
    ModelCall,
    current_chain,
    current_place,
    drive,
    result_of,
    through_model,
)
from motet.calls.guard import checked

_NOT_PARAMS = frozenset({"run_manager", "config", "callbacks"})
"""Keyword arguments by which LangChain speaks to itself; no provider sees them."""

_answered: ContextVar[ChatResult | None] = ContextVar("motet_answered", default=None)
"""What an interceptor answered to a streamed call, on its way through the model's own callbacks."""


def model_name(model: BaseChatModel) -> str:
    """The name a provider knows `model` by, or its class."""
    for attribute in ("model_name", "model"):
        name = getattr(model, attribute, None)
        if isinstance(name, str) and name:
            return name
    return type(model).__name__


def around_agenerate(original: Callable[..., Awaitable[ChatResult]]) -> Callable[..., Awaitable[ChatResult]]:
    request = checked(original)

    async def agenerate(
        self: BaseChatModel, messages: list[BaseMessage], *args: object, **kwargs: object
    ) -> ChatResult:
        answer, chain = _answered.get(), current_chain()
        if answer is not None:
            return answer
        if chain is None:
            return await request(self, messages, *args, **kwargs)

        async def innermost(call: ModelCall) -> ChatResult:
            return await request(self, list(call.messages), *args, **kwargs)

        return await through_model(chain, innermost)(_model_call(self, messages, kwargs))

    return agenerate


def around_generate(original: Callable[..., ChatResult]) -> Callable[..., ChatResult]:
    request = checked(original)

    def generate(self: BaseChatModel, messages: list[BaseMessage], *args: object, **kwargs: object) -> ChatResult:
        answer, chain = _answered.get(), current_chain()
        if answer is not None:
            return answer
        if chain is None:
            return request(self, messages, *args, **kwargs)

        async def innermost(call: ModelCall) -> ChatResult:
            return request(self, list(call.messages), *args, **kwargs)

        return drive(through_model(chain, innermost)(_model_call(self, messages, kwargs)))

    return generate


def around_astream(original: Callable[..., AsyncGenerator[AIMessageChunk]]) -> Callable[..., Any]:
    request = checked(original)

    def astream(
        self: BaseChatModel, input: LanguageModelInput, *args: object, **kwargs: object
    ) -> AsyncIterator[AIMessageChunk]:
        chain = current_chain()
        # A model that can't stream falls back to `ainvoke`, where the call is seen.
        if not _streams(self, kwargs, async_api=True):
            return original(self, input, *args, **kwargs)
        if chain is None:
            return request(self, input, *args, **kwargs)
        return _astreamed(
            chain,
            _model_call(self, _messages_of(input), kwargs),
            lambda call: request(self, list(call.messages), *args, **kwargs),
            lambda call: self.ainvoke(list(call.messages), *cast("Any", args), **cast("Any", kwargs)),
        )

    return astream


async def _astreamed(
    chain: Chain,
    call: ModelCall,
    stream: Callable[[ModelCall], AsyncGenerator[AIMessageChunk]],
    invoke: Callable[[ModelCall], Awaitable[AIMessage]],
) -> AsyncGenerator[AIMessageChunk]:
    """Stream in the caller's own context, while a task holds the chain around it."""
    loop = asyncio.get_running_loop()
    begun: asyncio.Future[ModelCall] = loop.create_future()
    ended: asyncio.Future[ChatResult] = loop.create_future()

    async def innermost(call: ModelCall) -> ChatResult:
        begun.set_result(call)
        return await ended

    answering = loop.create_task(result_of(through_model(chain, innermost)(call)))
    try:
        await asyncio.wait({answering, begun}, return_when=asyncio.FIRST_COMPLETED)
        if not begun.done():
            with _answer_given(answering.result()):
                answer = await invoke(call)
            yield _as_chunk(answer)
            return
        seen: list[AIMessageChunk] = []
        try:
            async with aclosing(stream(begun.result())) as chunks:
                async for chunk in chunks:
                    seen.append(chunk)
                    yield chunk
        except Exception as error:
            ended.set_exception(error)
            await answering
            raise
        ended.set_result(_joined(seen))
        await answering
    finally:
        if not answering.done():
            answering.cancel()
            await asyncio.wait({answering})


def around_stream(original: Callable[..., Generator[AIMessageChunk]]) -> Callable[..., Any]:
    request = checked(original)

    def stream(
        self: BaseChatModel, input: LanguageModelInput, *args: object, **kwargs: object
    ) -> Iterator[AIMessageChunk]:
        chain = current_chain()
        if not _streams(self, kwargs, async_api=False):
            return original(self, input, *args, **kwargs)
        if chain is None:
            return request(self, input, *args, **kwargs)
        return _streamed(
            chain,
            _model_call(self, _messages_of(input), kwargs),
            lambda call: request(self, list(call.messages), *args, **kwargs),
            lambda call: self.invoke(list(call.messages), *cast("Any", args), **cast("Any", kwargs)),
        )

    return stream


def _streamed(
    chain: Chain,
    call: ModelCall,
    stream: Callable[[ModelCall], Generator[AIMessageChunk]],
    invoke: Callable[[ModelCall], AIMessage],
) -> Generator[AIMessageChunk]:
    """Stream while the chain's coroutine waits, suspended at its innermost point."""
    begun: list[ModelCall] = []

    async def innermost(call: ModelCall) -> ChatResult:
        begun.append(call)
        return await _Suspended()

    answering = result_of(through_model(chain, innermost)(call))
    answer = _advance(lambda: answering.send(None))
    if answer is not None:
        with _answer_given(answer):
            message = invoke(call)
        yield _as_chunk(message)
        return
    if not begun:
        answering.close()
        raise RuntimeError(ONLY_PROCEED)
    seen: list[AIMessageChunk] = []
    try:
        with closing(stream(begun[0])) as chunks:
            for chunk in chunks:
                seen.append(chunk)
                yield chunk
    except BaseException as error:
        thrown = error
        _advance(lambda: answering.throw(thrown))
        raise
    if _advance(lambda: answering.send(_joined(seen))) is None:
        answering.close()
        raise RuntimeError(ONLY_PROCEED)


def _streams(model: BaseChatModel, params: Mapping[str, object], *, async_api: bool) -> bool:
    """Whether `model` would stream by itself, as LangChain decides it."""
    given = cast("Any", {**params, "stream": True})
    return model._should_stream(async_api=async_api, **given)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]  # no public name


def _model_call(model: BaseChatModel, messages: Sequence[BaseMessage], params: Mapping[str, object]) -> ModelCall:
    told = {name: value for name, value in params.items() if name not in _NOT_PARAMS and value is not None}
    return ModelCall(model=model_name(model), messages=messages, params=told, place=current_place())


def _messages_of(given: LanguageModelInput) -> list[BaseMessage]:
    if isinstance(given, PromptValue):
        return given.to_messages()
    return convert_to_messages([("human", given)] if isinstance(given, str) else given)


def _joined(chunks: Sequence[AIMessageChunk]) -> ChatResult:
    """The whole answer that `chunks` are the pieces of; empty content for none."""
    whole = functools.reduce(lambda left, right: left + right, chunks) if chunks else AIMessageChunk(content="")
    return ChatResult(generations=[ChatGeneration(message=message_chunk_to_message(whole))])


def _as_chunk(message: AIMessage) -> AIMessageChunk:
    """A whole answer as the one chunk of a stream."""
    return AIMessageChunk.model_validate({**message.model_dump(exclude={"type"}), "chunk_position": "last"})


@contextmanager
def _answer_given(answer: ChatResult) -> Generator[None]:
    """Let one invocation run its callbacks and find `answer` where it would have called the model."""
    token = _answered.set(answer)
    try:
        yield
    finally:
        _answered.reset(token)


class _Suspended:
    """Awaited where a synchronous caller must do something before the coroutine goes on."""

    def __await__(self) -> Generator[None, ChatResult, ChatResult]:
        return (yield)


def _advance(step: Callable[[], object]) -> Any:
    """What a coroutine returned at this step, or None while it is suspended."""
    try:
        step()
    except StopIteration as finished:
        return finished.value
    return None
