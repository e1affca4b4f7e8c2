"""A chat model that is a function."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias

from langchain_core.messages import BaseMessage
from pydantic import PrivateAttr

from motet.testing.answering import AnsweringModel, Call
from motet.testing.replies import Reply

Answer: TypeAlias = Callable[[list[BaseMessage], Mapping[str, Mapping[str, Any]]], Reply | Awaitable[Reply]]
"""From the messages and the tools bound (by name, each with its JSON Schema) to a reply; asynchronous or not."""


class FunctionModel(AnsweringModel):
    """Answers any number of calls by a function of what it is asked."""

    model_name: str = "function"
    _function: Answer = PrivateAttr()

    def __init__(self, function: Answer, **fields: Any) -> None:
        super().__init__(**fields)
        self._function = function

    def _answer(self, call: Call) -> Reply | Awaitable[Reply]:
        return self._function(list(call.messages), call.tools)
