"""How a run that a worker claimed is written down: what it was given, and by whom."""

from __future__ import annotations

import functools
import platform
from collections.abc import Mapping
from dataclasses import asdict
from importlib import metadata
from typing import Any

import motet
from motet.memory.asking import Decided
from motet.memory.ports import Claimed
from motet.observability.trajectory.contents import Contents
from motet.observability.trajectory.record import Recorder
from motet.server.services import Services
from motet.tools.budget import Limits


def recorder_of(services: Services, claimed: Claimed) -> Recorder:
    """Who writes down what becomes of the claimed run; nothing is written yet."""
    return Recorder(
        claimed.claim.run_id,
        contents=Contents(services.checkpoints.serde, known=services.messages),
        thread_id=claimed.claim.thread_id,
        attempt=claimed.claim.attempt,
        prices=services.prices,
    )


def note_start(recorder: Recorder, claimed: Claimed, *, span: str = "") -> None:
    """Write down what the run was given; `span`: of this attempt, W3C."""
    request, payload = claimed.request, claimed.request.payload
    config = payload.get("config") or {}
    asked: dict[str, Any] = {
        "configurable": config.get("configurable") or {},
        "recursion_limit": config.get("recursion_limit"),
        "tags": config.get("tags") or [],
        "metadata": {**(config.get("metadata") or {}), **request.metadata},
        "interrupt_before": payload.get("interrupt_before"),
        "interrupt_after": payload.get("interrupt_after"),
        "modes": payload["modes"],
        "subgraphs": bool(payload.get("stream_subgraphs")),
        "checkpoint": payload.get("checkpoint"),
        "retry_of": request.retry_of,
        "fork": payload.get("fork"),
        "replaced": payload.get("replaced"),
    }
    command = payload.get("command")
    recorder.run_started(
        graph_id=request.graph_id,
        input=payload.get("input") if command is None else None,
        command=command,
        context=payload.get("context"),
        assistant_id=request.assistant_id,
        answers={one.interrupt_id: _answer(one) for one in request.decided},
        config={name: value for name, value in asked.items() if value not in (None, "", [], {})},
        follows=claimed.follows,
        traceparent=request.traceparent,
        span=span,
        copy_of=forked_from(payload),
        versions=versions(),
    )


def forked_from(payload: Mapping[str, Any]) -> str | None:
    """The run that a run with this payload is a fork of; None also for those that came after it on its thread."""
    fork: Any = payload.get("fork")
    return str(fork["run_id"]) if isinstance(fork, Mapping) and fork.get("begins") else None


@functools.cache
def versions() -> Mapping[str, str]:
    """What a run's outcome may hang on."""
    packages = {name: metadata.version(name) for name in ("langgraph", "langchain-core")}
    return {**packages, "motet": motet.__version__, "python": platform.python_version()}


@functools.cache
def limits_told(limits: Limits) -> Mapping[str, Any]:
    """A run's budget as its record tells it."""
    return asdict(limits)


def _answer(one: Decided) -> Mapping[str, Any]:
    """Which way a question was decided, by whom, and when."""
    kinds = [str(decision["type"]) for decision in one.decisions if "type" in decision]
    who = {"actor": one.who.actor, "verified_as": one.who.verified_as}
    when = {"when": one.when} if one.when else {}
    return {"kind": ", ".join(kinds) or one.state, "who": who, "approval_id": one.approval_id, **when}
