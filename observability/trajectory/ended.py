"""What a record says of a call or a node that ended, from what LangChain and LangGraph pass around."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, ToolMessage
from langchain_core.outputs import ChatResult
from langgraph.errors import GraphInterrupt, ParentCommand
from langgraph.types import Command, Interrupt, Send
from pydantic import TypeAdapter

from motet.calls import ModelCall, NodeCall, ToolCall
from motet.observability import handoffs, prices
from motet.observability.trajectory.canonical import request_hash
from motet.observability.trajectory.contents import Contents
from motet.observability.trajectory.records import Asked, Ref, Usage
from motet.observability.trajectory.underway import Underway

_BRANCH = "branch:to:"
"""LangGraph's channels that trigger a node."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedModel:
    """A request to a model, as it was when it was made."""

    request: str
    messages: tuple[Ref, ...]
    params: Ref
    settings: Mapping[str, Any]


def asked_of(contents: Contents, call: ModelCall) -> AskedModel:
    """Keep what `call` asks."""
    messages = contents.put_messages(call.messages)
    params, told = contents.put_params(call.params)
    settings = contents.shown_again(call.settings) if call.settings else {}
    return AskedModel(
        request=request_hash(
            model=call.model, settings=settings, params=told, messages=[one.canonical for one in messages]
        ),
        messages=tuple(one.ref for one in messages),
        params=params,
        settings=settings,
    )


class ModelEnded:
    """Tells of model calls, and what they cost."""

    def __init__(self, contents: Contents, table: prices.Prices | None) -> None:
        self._contents = contents
        self._table = table

    def told(self, call: ModelCall, ended: Underway) -> dict[str, Any]:
        """The fields of `ModelCalled` that are its own."""
        asked: AskedModel = ended.asked or asked_of(self._contents, call)
        message = _message_of(ended.result)
        usage = _usage_of(message)
        about = message.response_metadata if message is not None else {}
        used, from_run = _text(about, "model_name", "model"), call.told.get("from_run")
        pieces = ended.pieces if call.streamed is None else call.streamed
        return {
            "model": call.model,
            "provider": call.provider,
            "request": asked.request,
            "messages": asked.messages,
            "params": asked.params,
            "settings": asked.settings,
            "response": None if message is None else self._contents.put_message(message).ref,
            **self._pieces(pieces, message, ended.since),
            "streamed_by_node": call.streamed is not None,
            "usage": usage,
            "cost_usd": self._cost(call, used, usage) if message is not None and from_run is None else None,
            "model_used": used,
            "finish_reason": _text(about, "finish_reason", "stop_reason", "done_reason"),
            "outcome": ended.outcome,
            "duration_s": ended.duration_s,
            "first_token_s": max(pieces[0][0] - ended.since, 0.0) if pieces else None,
            "error": ended.failure,
            "from_run": from_run,
        }

    def _pieces(
        self, pieces: Sequence[tuple[float, AIMessageChunk]], message: AIMessage | None, since: float
    ) -> Mapping[str, Any]:
        """The answer's pieces; in one, where a secret was said: it may be spread over several, and found in none."""
        if not pieces:
            return {}
        whole = message or functools.reduce(lambda left, right: left + right, [one for _, one in pieces])
        secret = self._contents.put_message(whole).secret
        if secret:
            pieces = [(pieces[0][0], functools.reduce(lambda left, right: left + right, [one for _, one in pieces]))]
        return {
            "chunks": self._contents.put_pieces([piece for _, piece in pieces], secret=secret),
            "chunks_after_s": tuple([round(when - since, 6) if when > since else 0.0 for when, _ in pieces]),
        }

    def _cost(self, call: ModelCall, used: str | None, usage: Usage) -> float | None:
        if self._table is None:
            return None
        counted = prices.Usage(
            input=usage.input_tokens,
            cached_input=usage.cached_tokens,
            cache_write=usage.cache_write_tokens,
            output=usage.output_tokens,
            reasoning=usage.reasoning_tokens,
        )
        cost = self._table.cost(used or call.model, counted, call.provider)
        if cost is None and used:
            cost = self._table.cost(call.model, counted, call.provider)
        return None if cost is None else float(cost)


def tool_ended(contents: Contents, call: ToolCall, ended: Underway) -> dict[str, Any]:
    """The fields of `ToolCalled` that are its own."""
    failed = isinstance(ended.result, ToolMessage) and ended.result.status == "error"
    arguments, request = ended.asked or contents.put_told(dict(call.arguments), call.tool)
    effect, key = call.metadata.get("effect", "none"), call.told.get("ledger_key")
    return {
        "tool": call.tool,
        "request": request,
        "arguments": arguments,
        "call_id": call.call_id,
        "result": contents.put(ended.result) if ended.error is None else None,
        "asked": _asked(contents, ended.error),
        "handed_to": _handed_to(ended.result, ended.error),
        "effect": effect if isinstance(effect, str) else "none",
        "ledger_key": key if isinstance(key, str) else None,
        "outcome": "error" if failed else ended.outcome,
        "duration_s": ended.duration_s,
        "error": ended.failure,
        "from_run": call.told.get("from_run"),
    }


def node_ended(contents: Contents, call: NodeCall, ended: Underway) -> dict[str, Any]:
    """The fields of `NodeFinished` that are its own."""
    wrote = list(call.task.writes) if ended.error is None else []
    return {
        "outcome": ended.outcome,
        "duration_s": ended.duration_s,
        "error": ended.failure,
        "writes": tuple((str(channel), contents.put(value)) for channel, value in wrote),
        "goto": tuple(_goto(wrote)),
        "tries": max(len(call.tries), 1),
        "cached": call.cached,
    }


def _goto(wrote: Sequence[tuple[str, Any]]) -> list[str]:
    told = (value.node if isinstance(value, Send) else channel for channel, value in wrote)
    return [
        name.removeprefix(_BRANCH)
        for name, (channel, value) in zip(told, wrote, strict=True)
        if isinstance(value, Send) or channel.startswith(_BRANCH)
    ]


def _handed_to(result: object, error: BaseException | None) -> str | None:
    if isinstance(error, ParentCommand):
        result = error.args[0] if error.args else None
    told = [_in_its_graph(one) for one in (result if isinstance(result, list) else [result])]
    return next(iter(handoffs.from_tool(told)), None)


def _in_its_graph(result: object) -> object:
    """A command to a parent graph as one to its own: both name who goes on."""
    if isinstance(result, Command) and result.graph is not None:
        return Command(update=result.update, goto=cast("Any", result.goto))
    return result


def _asked(contents: Contents, error: BaseException | None) -> tuple[Asked, ...]:
    if not isinstance(error, GraphInterrupt) or not error.args:
        return ()
    told = error.args[0]
    return tuple(
        Asked(value=contents.put(one.value), response_schema=_schema(contents, one.response_schema))
        for one in (told if isinstance(told, list | tuple) else [told])
        if isinstance(one, Interrupt)
    )


def _schema(contents: Contents, schema: Any) -> Any:
    if isinstance(schema, type):
        schema = TypeAdapter(schema).json_schema()
    return contents.shown(schema) if isinstance(schema, dict) else None


def _message_of(result: object) -> AIMessage | None:
    if not isinstance(result, ChatResult) or not result.generations:
        return None
    message: BaseMessage = result.generations[0].message
    return message if isinstance(message, AIMessage) else None


def _usage_of(message: AIMessage | None) -> Usage:
    """LangChain's cache adds `total_cost` to an answer's usage, also where there was no usage to add it to."""
    used: Mapping[str, Any] = cast("Any", message.usage_metadata if message is not None else None) or {}
    read, wrote = used.get("input_token_details") or {}, used.get("output_token_details") or {}
    return Usage(
        input_tokens=used.get("input_tokens", 0),
        output_tokens=used.get("output_tokens", 0),
        total_tokens=used.get("total_tokens", 0),
        cached_tokens=read.get("cache_read") or 0,
        cache_write_tokens=read.get("cache_creation") or 0,
        reasoning_tokens=wrote.get("reasoning") or 0,
    )


def _text(told: Mapping[str, Any], *names: str) -> str | None:
    return next((value for name in names if isinstance(value := told.get(name), str) and value), None)
