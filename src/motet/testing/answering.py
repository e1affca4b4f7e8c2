"""A chat model that asks no one: what ScriptedModel and FunctionModel have in common."""

from __future__ import annotations

import inspect
from abc import abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from langchain_core.caches import BaseCache
from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.output_parsers import JsonOutputParser, PydanticOutputParser
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable, RunnableMap, RunnablePassthrough
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_json_schema, convert_to_openai_tool
from pydantic import BaseModel, Field, PrivateAttr

from motet.testing.replies import Reply, in_pieces, is_reply, whole


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call that a model of a test got."""

    messages: tuple[BaseMessage, ...]
    tools: Mapping[str, Mapping[str, Any]]
    """The tools bound, by name, in order: `name`, `description` and `parameters` (JSON Schema) of each."""
    schema: str | None
    """Name of the structured answer asked for."""
    params: Mapping[str, Any]
    """Whatever else was bound to the call: tool_choice, stop, temperature, …"""


class AnsweringModel(BaseChatModel):
    """A model whose answers its subclass makes up. It passes `forbid_model_requests`."""

    model_name: str = "test"
    """What traces and trajectories call it."""
    cache: BaseCache | bool | None = Field(default=False, exclude=True)
    """No cache, or a project's global one would answer in place of the test; None takes part in it."""
    _calls: list[Call] = PrivateAttr(default_factory=list[Call])

    @property
    def calls(self) -> tuple[Call, ...]:
        """Every call so far, failed ones included."""
        return tuple(self._calls)

    @abstractmethod
    def _answer(self, call: Call) -> Reply | Awaitable[Reply]:
        """What `call` gets."""

    @property
    def _llm_type(self) -> str:
        return "test"

    def bind_tools(
        self, tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool], **kwargs: Any
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """The model with `tools`, in OpenAI's format."""
        return self.bind(tools=[convert_to_openai_tool(tool) for tool in tools], **kwargs)

    def with_structured_output(
        self, schema: dict[str, Any] | type, *, include_raw: bool = False, **kwargs: Any
    ) -> Runnable[LanguageModelInput, dict[str, Any] | BaseModel]:
        """The model, its text read as JSON: an instance for a Pydantic class, else (JSON Schema, TypedDict) a dict."""
        described = convert_to_json_schema(schema)
        named = {"name": described["title"], "schema": described}
        model = self.bind(response_format={"type": "json_schema", "json_schema": named}, **kwargs)
        parser: Runnable[Any, Any] = JsonOutputParser()
        if isinstance(schema, type) and issubclass(schema, BaseModel):
            parser = PydanticOutputParser(pydantic_object=schema)
        if not include_raw:
            return model | parser
        parsed = RunnablePassthrough.assign(parsed=itemgetter("raw") | parser, parsing_error=lambda _: None)
        failed = RunnablePassthrough.assign(parsed=lambda _: None)
        return RunnableMap(raw=model) | parsed.with_fallbacks([failed], exception_key="parsing_error")

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,  # noqa: ARG002 - BaseChatModel tells the callbacks
        **kwargs: Any,
    ) -> ChatResult:
        number, reply = self._asked(messages, stop, kwargs)
        return _result(whole(_now(reply), messages, number))

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,  # noqa: ARG002 - BaseChatModel tells the callbacks
        **kwargs: Any,
    ) -> ChatResult:
        number, reply = self._asked(messages, stop, kwargs)
        return _result(whole(await _later(reply), messages, number))

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,  # noqa: ARG002 - BaseChatModel tells the callbacks
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        number, reply = self._asked(messages, stop, kwargs)
        for chunk in in_pieces(_now(reply), messages, number):
            yield ChatGenerationChunk(message=chunk)

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,  # noqa: ARG002 - BaseChatModel tells the callbacks
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        number, reply = self._asked(messages, stop, kwargs)
        for chunk in in_pieces(await _later(reply), messages, number):
            yield ChatGenerationChunk(message=chunk)

    def _asked(
        self, messages: Sequence[BaseMessage], stop: list[str] | None, params: Mapping[str, Any]
    ) -> tuple[int, Reply | Awaitable[Reply]]:
        call = _call(messages, params if stop is None else {**params, "stop": stop})
        self._calls.append(call)
        return len(self._calls), self._answer(call)


def _call(messages: Sequence[BaseMessage], params: Mapping[str, Any]) -> Call:
    described = [tool.get("function", tool) for tool in params.get("tools") or ()]
    wanted = params.get("response_format")
    return Call(
        messages=tuple(messages),
        tools={tool.get("name") or tool["type"]: tool for tool in described},
        schema=wanted.get("json_schema", {}).get("name") if isinstance(wanted, Mapping) else None,
        params={name: value for name, value in params.items() if name not in {"tools", "response_format"}},
    )


def _now(reply: Reply | Awaitable[Reply]) -> Reply:
    if inspect.iscoroutine(reply):
        reply.close()
    if inspect.isawaitable(reply):
        raise TypeError("this model answers by a coroutine function: call it with ainvoke or astream")
    return _known(reply)


async def _later(reply: Reply | Awaitable[Reply]) -> Reply:
    return _known(await reply if inspect.isawaitable(reply) else reply)


def _known(reply: object) -> Reply:
    if not is_reply(reply):
        raise TypeError(f"a model can't answer {reply!r}: text, a message, tool calls, streamed(…) or an exception")
    return reply


def _result(message: AIMessage) -> ChatResult:
    return ChatResult(generations=[ChatGeneration(message=message)])
