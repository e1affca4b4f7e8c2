"""One typed answer from a model, or an error: never nothing."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from importlib.util import find_spec
from typing import TypeVar

import httpx
import openai
from langchain_core.exceptions import LangChainException, OutputParserException
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langchain_core.runnables import RunnableConfig
from langgraph.constants import TAG_NOSTREAM
from pydantic import BaseModel, ValidationError

from motet.errors import ModelFailed, shortened

Answer = TypeVar("Answer", bound=BaseModel)


def _transport_errors() -> tuple[type[Exception], ...]:
    """What the HTTP client under the openai package raises: from its third release on that is httpx2."""
    client = importlib.import_module("httpx2") if find_spec("httpx2") else httpx
    return httpx.HTTPError, client.HTTPError


MODEL_ERRORS: tuple[type[Exception], ...] = (
    openai.OpenAIError,
    *_transport_errors(),
    LangChainException,
    TimeoutError,
    ConnectionError,
)
"""What a provider's client raises when the call itself fails: no connection, a timeout, a refusal, a quota."""


async def ask(
    model: BaseChatModel,
    messages: Sequence[BaseMessage],
    schema: type[Answer],
    *,
    repairs: int = 2,
    tags: Sequence[str] = (),
) -> Answer:
    """The model's answer as a `schema`.

    A reply that doesn't fit is sent back with what is wrong about it, at most `repairs` times. The calls carry
    LangGraph's `nostream` tag, so that their JSON isn't shown as a chat answer.

    Raises:
        ModelFailed: no reply fitted, or the call itself failed.
    """
    structured = model.with_structured_output(schema, include_raw=True)
    config = RunnableConfig(tags=[TAG_NOSTREAM, *tags])
    conversation = list(messages)
    wrong = ""
    for _ in range(repairs + 1):
        try:
            reply = await structured.ainvoke(conversation, config)
        except (ValueError, openai.LengthFinishReasonError) as error:
            # A ValidationError is one; the openai package raises a bare one for a streamed reply that is no JSON.
            raw, wrong = AIMessage(""), _said(error)
        except MODEL_ERRORS as error:
            raise ModelFailed(_name(model), f"{type(error).__name__}: {_said(error)}") from error
        else:
            assert isinstance(reply, dict), "include_raw=True gives a dict"
            parsed, raw = reply["parsed"], reply["raw"]
            if isinstance(parsed, schema):
                return parsed
            wrong = _said(reply["parsing_error"] or "there was no JSON in it")
        conversation = [
            *messages,
            AIMessage(raw.text or "(nothing)"),
            HumanMessage(
                f"That reply can't be used: {wrong}\nReply again, with JSON that fits the schema and nothing else."
            ),
        ]
    raise ModelFailed(_name(model), f"{repairs + 1} replies did not fit {schema.__name__}; the last: {wrong}")


def _name(model: BaseChatModel) -> str:
    named = getattr(model, "model_name", None) or getattr(model, "model", None)
    return str(named or type(model).__name__)


def _said(error: object) -> str:
    cause = error.__cause__ if isinstance(error, OutputParserException) else None
    error = cause if isinstance(cause, ValidationError) else error
    if isinstance(error, ValidationError):
        return "; ".join(f"{'.'.join(map(str, item['loc'])) or 'reply'}: {item['msg']}" for item in error.errors())
    return shortened(str(error), 300).strip("'\"")
