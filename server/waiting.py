"""Answers a `wait`: blank lines while the run works, then the run's final values."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any, cast

import orjson
from langchain_core.runnables import RunnableConfig

from motet.errors import MotetError
from motet.graphs.events import to_json
from motet.graphs.guardrails import Guard
from motet.graphs.runtime import snapshot_of
from motet.memory.ports import END, Run
from motet.server import wire
from motet.server.services import Services

KEEPALIVE_S = 5.0


async def final_values(services: Services, run: Run) -> AsyncIterator[bytes]:
    """A newline every five seconds, so that no proxy gives up, then one JSON object.

    The object holds the run's last values; `__interrupt__` beside them when a decision is waited for; `__error__`
    alone when the run failed. JSON allows the blanks before it.
    """
    answering = asyncio.create_task(_answer(services, run))
    try:
        while not (await asyncio.wait({answering}, timeout=KEEPALIVE_S))[0]:
            yield b"\n"
        try:
            yield await answering
        except MotetError as error:
            # The status line is long gone: what fails now can only be said in the body.
            yield to_json({"__error__": wire.error(error)})
    finally:
        answering.cancel()


async def _answer(services: Services, run: Run) -> bytes:
    """What the run's events say of its end; the state is read only where they don't say enough.

    That is where nothing was told in mode `values`, and where a run was interrupted: each question was told by itself.
    A thread that went with its run has no state to be read.
    """
    last: bytes | None = None
    asked: list[Any] = []
    request = run.request
    async with aclosing(services.events.batches(request.thread_id, request.run_id)) as batches:
        async for batch in batches:
            for event in batch:
                if event.name == "values":
                    last = event.data
                    asked += _questions(event.data)
                elif event.name == END:
                    end = orjson.loads(event.data)
                    if "error" in end:
                        return to_json({"__error__": end["error"]})
                    if end["status"] == "success" and last is not None:
                        return last
    if request.temporary:
        told = orjson.loads(last or b"{}")
        return to_json({**told, "__interrupt__": asked} if asked else told)
    return to_json(await _values(services, run))


def _questions(told: bytes) -> list[Any]:
    """What a state told in mode `values` asks a person."""
    if b'"__interrupt__"' not in told:
        return []
    values = orjson.loads(told)
    return values.get("__interrupt__", []) if isinstance(values, dict) else []


async def _values(services: Services, run: Run) -> Any:
    request = run.request
    run = await services.runs.get(request.thread_id, request.run_id)
    if run.error is not None:
        return {"__error__": run.error}
    asked = (request.payload.get("config") or {}).get("configurable") or {}
    config = RunnableConfig(configurable={**asked, "thread_id": request.thread_id})
    async with services.graphs.open(request.graph_id, config) as graph:
        snapshot = await snapshot_of(graph, request.thread_id)
    values = wire.values(snapshot)
    outgoing = Guard(services.settings.pii_rules).outgoing()
    if outgoing is not None:
        values = outgoing.value(values)
    if run.status == "interrupted" and snapshot.interrupts:
        # A function's values can be anything; beside what waits only an object's have a place.
        kept = cast("wire.Wire", values) if isinstance(values, dict) else {}
        return {**kept, "__interrupt__": [wire.interrupt(one) for one in snapshot.interrupts]}
    return values
