"""A chat model that plays a script, for tests of graphs and tools. It is no model: it understands nothing.

```python
model = ScriptedChatModel(script=['{"sql": "SELECT 1"}', "The answer is 1."])
```

LangChain's own GenericFakeChatModel can't bind tools and loses tool calls when it streams; this one does both, gives
structured output, counts tokens, and keeps the calls it got.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, TypeAlias

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.output_parsers import PydanticOutputParser
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable, RunnableMap, RunnablePassthrough
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import BaseModel, Field, PrivateAttr

from motet.errors import MotetError

Reply: TypeAlias = str | AIMessage | Exception
"""What one step answers; an exception is raised out of the call."""
Step: TypeAlias = Reply | Callable[[list[BaseMessage]], Reply | Awaitable[Reply]]
"""A reply, or a function of the messages that gives it."""


class ScriptExhausted(MotetError):
    """A ScriptedChatModel was called more often than its script has steps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call that the model got."""

    messages: tuple[BaseMessage, ...]
    tools: tuple[str, ...]
    """Names of the tools bound, in order."""
    schema: str | None
    """Name of the structured answer asked for."""


class ScriptedChatModel(BaseChatModel):
    """Answers call after call with the next step of its script.

    Raises:
        ScriptExhausted: when called once more than there are steps.
    """

    script: list[Any] = Field(default_factory=list[Any])
    """The steps, of type Step."""
    name: str | None = "scripted"
    _calls: list[Call] = PrivateAttr(default_factory=list[Call])

    @property
    def calls(self) -> tuple[Call, ...]:
        """Every call so far, failed ones included."""
        return tuple(self._calls)

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def bind_tools(
        self, tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool], **kwargs: Any
    ) -> Runnable[LanguageModelInput, AIMessage]:
        names = [str(convert_to_openai_tool(tool)["function"]["name"]) for tool in tools]
        return self.bind(tools=names, **kwargs)

    def with_structured_output(
        self, schema: dict[str, Any] | type, *, include_raw: bool = False, **kwargs: Any
    ) -> Runnable[LanguageModelInput, dict[str, Any] | BaseModel]:
        if not (isinstance(schema, type) and issubclass(schema, BaseModel)):
            raise TypeError("ScriptedChatModel gives structured output for Pydantic models only")
        model = self.bind(structured=schema.__name__, **kwargs)
        parser = PydanticOutputParser(pydantic_object=schema)
        if not include_raw:
            return model | parser
        parsed = RunnablePassthrough.assign(parsed=itemgetter("raw") | parser, parsing_error=lambda _: None)
        failed = RunnablePassthrough.assign(parsed=lambda _: None)
        return RunnableMap(raw=model) | parsed.with_fallbacks([failed], exception_key="parsing_error")

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,  # noqa: ARG002 - a script doesn't stop
        run_manager: CallbackManagerForLLMRun | None = None,  # noqa: ARG002 - nothing is streamed here
        **kwargs: Any,
    ) -> ChatResult:
        reply = self._next(messages, kwargs)
        if inspect.isawaitable(reply):
            raise TypeError("a step that is a coroutine function needs ainvoke or astream")
        return ChatResult(generations=[ChatGeneration(message=_message(reply, messages))])

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,  # noqa: ARG002 - a script doesn't stop
        run_manager: AsyncCallbackManagerForLLMRun | None = None,  # noqa: ARG002 - nothing is streamed here
        **kwargs: Any,
    ) -> ChatResult:
        reply = self._next(messages, kwargs)
        settled = await reply if inspect.isawaitable(reply) else reply
        return ChatResult(generations=[ChatGeneration(message=_message(settled, messages))])

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,  # noqa: ARG002 - a script doesn't stop
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        message = self._generate(messages, **kwargs).generations[0].message
        for chunk in _chunks(message):
            if run_manager:
                run_manager.on_llm_new_token(chunk.text, chunk=chunk)
            yield chunk

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,  # noqa: ARG002 - a script doesn't stop
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        message = (await self._agenerate(messages, **kwargs)).generations[0].message
        for chunk in _chunks(message):
            if run_manager:
                await run_manager.on_llm_new_token(chunk.text, chunk=chunk)
            yield chunk

    def _next(self, messages: list[BaseMessage], kwargs: Mapping[str, Any]) -> Reply | Awaitable[Reply]:
        position = len(self._calls)
        self._calls.append(
            Call(messages=tuple(messages), tools=tuple(kwargs.get("tools", ())), schema=kwargs.get("structured"))
        )
        if position >= len(self.script):
            asked = messages[-1].text[:200] if messages else ""
            raise ScriptExhausted(f"call {position + 1}, but the script has {len(self.script)} steps; asked: {asked!r}")
        step: Step = self.script[position]
        return step(messages) if callable(step) else step


def _message(reply: Reply, messages: Sequence[BaseMessage]) -> AIMessage:
    if isinstance(reply, Exception):
        raise reply
    message = AIMessage(reply) if isinstance(reply, str) else reply.model_copy()
    if message.usage_metadata is None:
        read, written = sum(len(item.text.split()) for item in messages), len(message.text.split())
        message.usage_metadata = UsageMetadata(input_tokens=read, output_tokens=written, total_tokens=read + written)
    return message


def _chunks(message: BaseMessage) -> Iterator[ChatGenerationChunk]:
    assert isinstance(message, AIMessage)
    for word in message.text.splitlines(keepends=True) if "\n" in message.text else _words(message.text):
        yield ChatGenerationChunk(message=AIMessageChunk(content=word, id=message.id))
    for index, call in enumerate(message.tool_calls):
        arguments = AIMessageChunk(content="", id=message.id, tool_call_chunks=[
            tool_call_chunk(name=call["name"], args=json.dumps(call["args"]), id=call["id"], index=index)
        ])  # fmt: skip
        yield ChatGenerationChunk(message=arguments)
    yield ChatGenerationChunk(
        message=AIMessageChunk(content="", id=message.id, usage_metadata=message.usage_metadata, chunk_position="last")
    )


def _words(text: str) -> list[str]:
    pieces = text.split(" ")
    return [piece if index == len(pieces) - 1 else f"{piece} " for index, piece in enumerate(pieces) if text]
