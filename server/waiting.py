"""Answers a `wait`: blank lines while the run works, then the thread's values."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, cast

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

    The object holds the thread's values; `__interrupt__` beside them when a decision is waited for;
    `__error__` alone when the run failed. JSON allows the blanks before it.
    """
    ended = asyncio.create_task(_until_end(services, run))
    try:
        while not (await asyncio.wait({ended}, timeout=KEEPALIVE_S))[0]:
            yield b"\n"
        try:
            await ended
            yield to_json(await _values(services, run))
        except MotetError as error:
            # The status line is long gone: what fails now can only be said in the body.
            yield to_json({"__error__": wire.error(error)})
    finally:
        ended.cancel()


async def _until_end(services: Services, run: Run) -> None:
    async for event in services.events.read(run.request.thread_id, run.request.run_id):
        if event.name == END:
            return


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
    if run.status == "interrupted":
        # A function's values can be anything; beside what waits only an object's have a place.
        kept = cast("wire.Wire", values) if isinstance(values, dict) else {}
        return {**kept, "__interrupt__": [wire.interrupt(one) for one in snapshot.interrupts]}
    return values
