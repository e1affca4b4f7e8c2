"""Who may forbid a request to a model, in the whole process: the switch of `motet.testing` stands on this."""

from __future__ import annotations

import functools
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Concatenate, ParamSpec, TypeVar

from langchain_core.language_models.chat_models import BaseChatModel

P = ParamSpec("P")
T = TypeVar("T")

Guard = Callable[[BaseChatModel], None]

_guards: list[Guard] = []
"""No ContextVar: a guard also holds in threads and tasks that were started before it, or by strangers."""


@contextmanager
def guarded(guard: Guard) -> Generator[None]:
    """Ask `guard` before each request to a chat model that leaves any chain of interceptors; it raises to forbid it."""
    _guards.append(guard)
    try:
        yield
    finally:
        _guards.remove(guard)


def checked(original: Callable[Concatenate[BaseChatModel, P], T]) -> Callable[Concatenate[BaseChatModel, P], T]:
    """`original`, after every guard had its say."""

    @functools.wraps(original)
    def request(model: BaseChatModel, *args: P.args, **kwargs: P.kwargs) -> T:
        for guard in tuple(_guards):
            guard(model)
        return original(model, *args, **kwargs)

    return request
