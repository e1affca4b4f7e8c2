"""A switch that keeps tests from asking real models."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from langchain_core.language_models import BaseChatModel

from motet import calls
from motet.errors import ModelRequestForbidden
from motet.testing.answering import AnsweringModel

_allowed: list[type[BaseChatModel]] = [AnsweringModel]


@contextmanager
def forbid_model_requests() -> Generator[None]:
    """Stop every call of a chat model, in the whole process, before anything is sent; those of motet.testing answer.

    It holds for any graph, in any thread, however the model is called (LangChain's choke points in `motet.calls`).
    A fixture makes it hold for a test suite; a subprocess needs one of its own. What doesn't go through LangChain
    (a vendor's own client) isn't seen.

    Raises:
        ModelRequestForbidden: out of the call that was stopped.
    """
    calls.install()
    with calls.guarded(_forbid):
        yield


@contextmanager
def allow_model_requests(*models: type[BaseChatModel]) -> Generator[None]:
    """Let these classes through `forbid_model_requests`: a fake of your own, a client of a server the test runs."""
    _allowed.extend(models)
    try:
        yield
    finally:
        for model in models:
            _allowed.remove(model)


def _forbid(model: BaseChatModel) -> None:
    if not isinstance(model, tuple(_allowed)):
        raise ModelRequestForbidden(f"{type(model).__name__} ({calls.model_name(model)})")
