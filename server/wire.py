"""What is stored, in the shapes of the Agent Server's wire."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, cast

import orjson
from langchain_core.messages import BaseMessage
from langgraph.types import Interrupt, StateSnapshot
from pydantic import StringConstraints

from motet.errors import error_on_the_wire
from motet.graphs.events import jsonable, to_json
from motet.graphs.registry import Assistant
from motet.graphs.shapes import Shown, shown
from motet.held import held_by
from motet.memory.ports import Run, RunRequest, Thread, WaitingInterrupt
from motet.observability.trajectory.redact import redacted, without_secrets
from motet.remembered import Remembered, fitted

Wire = dict[str, Any]
StateField = Annotated[
    str,
    StringConstraints(
        pattern=r"^(values(\..+)?|next|tasks|checkpoint|metadata|created_at|parent_checkpoint|interrupts)$",
        max_length=512,
    ),
]
"""A field of a state; `values.name` is one of its values."""


def error(one: BaseException) -> Wire:
    """What a client is told of an error: its class, and its text without secrets."""
    return redacted(error_on_the_wire(one))


def assistant(one: Assistant, created_at: str) -> Wire:
    """A graph's own assistant; `created_by: system` is what clients look for."""
    return {
        "assistant_id": one.assistant_id,
        "graph_id": one.graph_id,
        "name": one.graph_id,
        "description": one.description,
        "config": {},
        "context": {},
        "metadata": {"created_by": "system"},
        "version": 1,
        "created_at": created_at,
        "updated_at": created_at,
    }


def thread(one: Thread, values: Any, asks_as: Shown) -> Wire:
    """A thread with its newest values; a fresh thread has none, and no `error` or `interrupts`."""
    shape: Wire = {
        "thread_id": one.thread_id,
        "created_at": one.created_at,
        "updated_at": one.updated_at,
        "state_updated_at": one.updated_at,
        "metadata": one.metadata,
        "status": one.status,
        "config": {} if one.configurable is None else {"configurable": one.configurable},
        "values": values,
    }
    if values is not None or one.error is not None or one.interrupts:
        shape |= {"error": one.error, "interrupts": _by_task(one.interrupts, asks_as)}
    return shape


def run(one: Run) -> Wire:
    """A run; `kwargs` is what it was asked with."""
    request = one.request
    return {
        "run_id": request.run_id,
        "thread_id": request.thread_id,
        "assistant_id": request.assistant_id,
        "metadata": {"graph_id": request.graph_id, "assistant_id": request.assistant_id, **request.metadata},
        "status": one.status,
        "kwargs": _kwargs(request),
        "multitask_strategy": request.multitask,
        "created_at": one.created_at,
        "updated_at": one.updated_at,
    }


def selected(shape: Wire, names: Sequence[str]) -> Wire:
    """The fields asked for; all of them if none is named."""
    if not names:
        return shape
    kept = {name: value for name, value in shape.items() if name in names}
    held = cast("Wire", shape["values"]) if isinstance(shape.get("values"), dict) else {}
    parts = {name.removeprefix("values."): name for name in names if name.startswith("values.")}
    if parts and "values" not in kept:
        kept["values"] = {name: held[name] for name in parts if name in held}
    return kept


def state(
    snapshot: StateSnapshot, thread_id: str, asks_as: Shown, *, told: Callable[[StateSnapshot], Any] | None = None
) -> Wire:
    """A thread's state with the tasks that wait; `told` gives its values where they aren't to be looked into."""
    here = _checkpoint(snapshot.config, thread_id)
    parent = _checkpoint(snapshot.parent_config, thread_id)
    return {
        "values": (told or values)(snapshot),
        "next": list(snapshot.next),
        "tasks": [
            {
                "id": task.id,
                "name": task.name,
                "path": list(task.path),
                "error": without_secrets(repr(task.error)) if task.error is not None else None,
                "interrupts": [interrupt(one, asks_as) for one in task.interrupts],
                "checkpoint": _subgraph(task.state, thread_id),
                "state": state(task.state, thread_id, asks_as) if isinstance(task.state, StateSnapshot) else None,
                "result": jsonable(task.result),
            }
            for task in snapshot.tasks
        ],
        "metadata": jsonable(snapshot.metadata or {}),
        "created_at": snapshot.created_at,
        "checkpoint": here,
        "parent_checkpoint": parent,
        "interrupts": [interrupt(one, asks_as) for one in snapshot.interrupts],
        "checkpoint_id": here["checkpoint_id"] if here else None,
        "parent_checkpoint_id": parent["checkpoint_id"] if parent else None,
    }


def values(snapshot: StateSnapshot) -> Any:
    """The state's values as JSON: an object, or whatever a function of the functional API returned."""
    return jsonable({} if snapshot.values is None else snapshot.values)


WrittenMessages = Remembered[orjson.Fragment]
"""Messages as JSON."""


class Written:
    """Values of one answer's states, written already: for answers that only `orjson` writes.

    One pass instead of four; and what states have in common, a message, is written once. Until the answer is made,
    nothing may change the states.
    """

    def __init__(self, known: WrittenMessages | None = None) -> None:
        """`known`: messages of earlier answers, by all that they hold; 2 µs for one that is known, 10 for another."""
        self._known = WrittenMessages() if known is None else known
        self._messages: dict[int, orjson.Fragment] = {}
        self._states: list[StateSnapshot] = []
        """An object's id is its own as long as the object is there."""

    def values(self, snapshot: StateSnapshot) -> Any:
        """As `values`."""
        self._states.append(snapshot)
        told = {} if snapshot.values is None else snapshot.values
        if isinstance(told, dict) and all(type(name) is str and name.isascii() for name in cast("Wire", told)):
            return {name: self._channel(value) for name, value in cast("Wire", told).items()}
        return orjson.Fragment(to_json(told))

    def _channel(self, value: Any) -> Any:
        if isinstance(value, list) and all(issubclass(kind, BaseMessage) for kind in set(map(type, value))):
            return [self._messages.get(id(one)) or self._message(one) for one in cast("list[BaseMessage]", value)]
        return orjson.Fragment(to_json(value))

    def _message(self, message: BaseMessage) -> orjson.Fragment:
        held = held_by(message)
        written = None if held is None else self._known.find(held)
        if written is None:
            told = fitted(to_json(message))
            written = orjson.Fragment(told)
            if held is not None:
                self._known.note(held, written, len(told))
        self._messages[id(message)] = written
        return written


def interrupt(one: Interrupt | WaitingInterrupt, asks_as: Shown) -> Wire:
    """A question that waits, in the shape that clients are shown."""
    interrupt_id = one.id if isinstance(one, Interrupt) else one.interrupt_id
    schema = cast("Mapping[str, Any] | None", one.response_schema)
    return {"id": interrupt_id, "value": shown(jsonable(one.value), schema, asks_as), "response_schema": schema}


def updated(config: Mapping[str, Any], thread_id: str) -> Wire:
    """The checkpoint that a change of the state made."""
    here = _checkpoint(config, thread_id)
    assert here is not None, "a change makes a checkpoint"
    return {"checkpoint": here, "configurable": here, "checkpoint_id": here["checkpoint_id"]}


def _kwargs(request: RunRequest) -> Wire:
    payload = request.payload
    return {
        "input": payload.get("input"),
        "command": payload.get("command"),
        "config": payload.get("config") or {},
        "context": payload.get("context") or {},
        "stream_mode": payload.get("stream_mode") or payload.get("modes"),
        "interrupt_before": payload.get("interrupt_before"),
        "interrupt_after": payload.get("interrupt_after"),
        "checkpoint": payload.get("checkpoint"),
        "feedback_keys": list(payload.get("feedback") or ()) or None,
        "temporary": request.temporary,
        "subgraphs": bool(payload.get("stream_subgraphs")),
        "resumable": True,
        "durability": "sync",
    }


def _subgraph(told: object, thread_id: str) -> Wire | None:
    """Where a task's sub-graph keeps its state; the state itself, if it was asked for, says so too."""
    if isinstance(told, StateSnapshot):
        return _checkpoint(told.config, thread_id)
    if not isinstance(told, Mapping):
        return None
    configurable: Mapping[str, Any] = cast("Mapping[str, Any]", told).get("configurable") or {}
    return {"thread_id": thread_id, "checkpoint_ns": configurable.get("checkpoint_ns", "")}


def _by_task(interrupts: Sequence[WaitingInterrupt], asks_as: Shown) -> Wire:
    by_task: Wire = {}
    for one in interrupts:
        by_task.setdefault(one.task_id, []).append(interrupt(one, asks_as))
    return by_task


def _checkpoint(config: Mapping[str, Any] | None, thread_id: str) -> Wire | None:
    configurable = (config or {}).get("configurable") or {}
    if "checkpoint_id" not in configurable:
        return None
    here = {
        "thread_id": thread_id,
        "checkpoint_ns": configurable.get("checkpoint_ns", ""),
        "checkpoint_id": configurable["checkpoint_id"],
    }
    # Without the checkpoints of the graphs above it, a run couldn't go on from a sub-graph's.
    above = configurable.get("checkpoint_map") if here["checkpoint_ns"] else None
    return {**here, "checkpoint_map": above} if above else here
