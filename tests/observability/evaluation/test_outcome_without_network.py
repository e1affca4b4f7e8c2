"""openevals works by itself: no address is asked, and LangSmith is told nothing, however it is set up."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from typing import Any, NoReturn, cast

import pytest
from langchain_core.language_models import BaseChatModel
from langsmith import run_trees, utils
from tests.observability.evaluation.trials import trial

from motet.observability.evaluation.evaluator import Means
from motet.observability.evaluation.registry import evaluators
from motet.testing import FunctionModel


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Addresses that anything tried to reach; LangSmith's tracing is on meanwhile."""
    found: list[Any] = []

    def refuse(*where: Any, **_: Any) -> NoReturn:
        found.append(where[-1])
        raise OSError("there is no network in this test")

    for name, value in (("LANGSMITH_TRACING", "true"), ("LANGSMITH_API_KEY", "x"), ("LANGCHAIN_TRACING_V2", "true")):
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    return found


async def test_no_address_is_asked_and_no_run_tree_is_made(asked: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """All that goes through openevals, with LangSmith's tracing on: nothing is reached, posted or left running."""
    clear: Callable[[], None] = cast("Any", utils.get_env_var).cache_clear
    clear()
    monkeypatch.setattr(run_trees.RunTree, "post", lambda *_, **__: pytest.fail("a run tree was posted"))
    model = FunctionModel(lambda *_: '{"reasoning": "r", "score": true}')

    async def chat(name: str) -> BaseChatModel:
        assert name == ""
        return model

    before = set(threading.enumerate())
    made = evaluators(
        ["exact:path=r", "json:path=r", "judge:criteria=helpfulness", "string_distance"], Means(chat=chat)
    )
    tried = trial("x", output={"r": [{"a": 1}]}, reference=[{"a": 1}])
    found = [score for one in made for score in await one.score(tried)]
    clear()
    assert [one.value for one in found[:3]] == [True, 1.0, True]
    assert asked == []
    assert [one.name for one in threading.enumerate() if one not in before and "asyncio" not in one.name] == []
