"""What LangGraph is asked to do for a claimed run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from langchain_core.callbacks import BaseCallbackHandler
from langgraph.runtime import RunControl
from langgraph.types import Command

from motet.graphs.outgoing import Outgoing
from motet.graphs.runtime import RunPlan
from motet.graphs.shapes import Shown
from motet.memory.ports import Claimed
from motet.observability import langsmith


def plan_of(
    claimed: Claimed,
    seconds: float,
    callbacks: Sequence[BaseCallbackHandler],
    *,
    outgoing: Outgoing | None = None,
    asks_as: Shown = "raw",
    timeout_s: float | None = None,
    control: RunControl | None = None,
) -> RunPlan:
    """What LangGraph is asked to do for a claimed run."""
    request, payload = claimed.request, claimed.request.payload
    config: dict[str, Any] = payload.get("config") or {}
    identity = langsmith.run_metadata(
        thread_id=request.thread_id,
        run_id=request.run_id,
        assistant_id=request.assistant_id,
        graph_id=request.graph_id,
    )
    return RunPlan(
        run_id=request.run_id,
        thread_id=request.thread_id,
        attempt=claimed.claim.attempt,
        input=_graph_input(payload),
        modes=tuple(payload["modes"]),
        subgraphs=bool(payload.get("stream_subgraphs")),
        seconds=seconds,
        spent_s=float(claimed.spent.get("seconds", 0.0)),
        context=payload.get("context"),
        configurable={**(config.get("configurable") or {}), **identity},
        metadata={**(config.get("metadata") or {}), **request.metadata, **identity},
        name=request.graph_id,
        tags=tuple(config.get("tags") or ()),
        recursion_limit=config.get("recursion_limit"),
        callbacks=callbacks,
        outgoing=outgoing,
        asks_as=asks_as,
        timeout_s=timeout_s,
        retry_of=request.retry_of,
        feedback=payload.get("feedback") or {},
        checkpoint=payload.get("checkpoint"),
        interrupt_before=payload.get("interrupt_before") or (),
        interrupt_after=payload.get("interrupt_after") or (),
        left=next((one.reason for one in request.decided if one.state == "withdrawn"), "the turn was ended"),
        control=control,
    )


def _graph_input(payload: Any) -> Any:
    command = cast("dict[str, Any] | None", payload.get("command"))
    if command is None:
        return payload.get("input")
    return Command(resume=command.get("resume"), update=command.get("update"), goto=command.get("goto") or ())
