"""What those hear of a model who stand in LangChain's callbacks, and what LangChain does for them."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.callbacks.manager import ahandle_event
from langchain_core.messages import AIMessage, HumanMessage
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import NoOpTracer, Tracer
from typing_extensions import override

from motet.observability import prices
from motet.observability.call_watch import CallWatch
from motet.observability.model_metrics import CallFacts, RunFacts
from motet.observability.spans import NodeWatch
from motet.testing import ScriptedModel


class Written(HumanMessage):
    """A message that can't be written out."""

    @property
    @override
    def text(self) -> Any:
        raise AssertionError("written out")


class Heard:
    """Hears of calls, and of the pieces of answers."""

    def __init__(self) -> None:
        self.pieces: list[str] = []

    def token_seen(self, chunk: Any) -> None:
        self.pieces.append(chunk.text)

    def model_called(self, call: CallFacts) -> None:
        del call

    def run_ended(self, facts: RunFacts) -> None:
        del facts


def watch(heard: Heard) -> CallWatch:
    return CallWatch(heard, prices.load(None), "graph", tokens=heard)


@pytest.mark.parametrize("tracer", [NoOpTracer(), TracerProvider().get_tracer("test")])
async def test_no_message_is_written_out_for_who_does_not_read_it(tracer: Tracer) -> None:
    """LangChain does so with all that a model is given, each time, unless a handler says that it doesn't care."""
    handlers: list[BaseCallbackHandler] = [NodeWatch(tracer), watch(Heard())]
    told = [[Written(content="hello")]]
    await ahandle_event(handlers, "on_chat_model_start", "ignore_chat_model", {}, told, run_id=uuid4())


async def test_each_piece_of_an_answer_is_heard_whoever_streams_it() -> None:
    """By a call that hands on the callbacks around it as by one that is given its own."""
    heard = Heard()
    with watch(heard).watching():
        for callbacks in (None, []):
            model = ScriptedModel([AIMessage("one two")])
            [_ async for _ in model.astream("count", {"callbacks": callbacks})]
    assert "".join(heard.pieces) == "one twoone two"
