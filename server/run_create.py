"""Accepting a run: what a client may ask for, checked whole before anything is recorded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import orjson
from langchain_core.utils.uuid import uuid7
from pydantic import BaseModel, ConfigDict, Field

from motet.errors import InvalidInput
from motet.graphs.approval import answers_by_id
from motet.graphs.events import Mode
from motet.memory.ports import Run, RunRequest, Thread
from motet.memory.recall import whose
from motet.observability.spans import current_traceparent
from motet.server.services import Services

WireMode = Literal["values", "updates", "messages-tuple", "custom"]
MODES: dict[WireMode, Mode] = {
    "values": "values",
    "updates": "updates",
    "messages-tuple": "messages",
    "custom": "custom",
}
"""LangGraph's name for each stream mode of the wire; events are named by it."""


class RunCommand(BaseModel):
    """A resume, an update or a jump, instead of an input."""

    model_config = ConfigDict(extra="forbid")

    resume: Any = None
    """One answer, or an object from interrupt id to answer."""
    update: dict[str, Any] | None = None
    goto: str | list[str] | None = None


class RunConfig(BaseModel):
    """LangGraph's configuration, as far as a client may set it."""

    model_config = ConfigDict(extra="forbid")

    configurable: dict[str, Any] = {}
    tags: list[str] = []
    recursion_limit: Annotated[int, Field(ge=1, le=10_000)] | None = None
    metadata: dict[str, Any] = {}


class RunCreate(BaseModel):
    """A run as the Agent Server's clients ask for it; a field not listed is refused by name."""

    model_config = ConfigDict(extra="forbid")

    assistant_id: str
    input: Any = None
    command: RunCommand | None = None
    config: RunConfig | None = None
    context: dict[str, Any] | None = None
    metadata: dict[str, Any] | None = None
    stream_mode: WireMode | list[WireMode] = "values"
    stream_subgraphs: bool = False
    stream_resumable: bool = True
    """Every stream can be resumed here; saying no saves nothing."""
    durability: Literal["sync", "async", "exit"] = "sync"
    """Every run is `sync` here, which keeps all that the other two promise: with `async` a tool may act before the
    checkpoint that holds its call exists, and after a crash act again."""
    multitask_strategy: Literal["reject", "enqueue"] = "enqueue"
    if_not_exists: Literal["reject", "create"] = "reject"
    on_disconnect: Literal["continue"] = "continue"
    strict_resume: Literal[True] = True
    """A resume that names nothing waiting is always refused here."""


async def accept(thread_id: str, body: RunCreate, services: Services) -> Run:
    """Check everything, then record the run; what is refused leaves no trace.

    Raises:
        InvalidInput, NotFound, ThreadBusy, ThreadWaits, NoWaitingInterrupt, ArgumentsChanged.
    """
    assistant = services.graphs.find(body.assistant_id)
    config = body.config or RunConfig()
    _check_configurable(config.configurable)
    _check_configurable(_told(body.context), of="context")
    _check_text(body)
    if body.command is None:
        services.graphs.check(assistant.graph_id, body.input)
    thread = await _thread(thread_id, body, services)
    config = config.model_copy(update={"configurable": _remembering(config.configurable, body, thread)})
    answers = _answers(thread, body)
    request = RunRequest(
        run_id=str(uuid7()),
        thread_id=thread_id,
        assistant_id=assistant.assistant_id,
        graph_id=assistant.graph_id,
        payload=_payload(body, config, answers),
        metadata=body.metadata or {},
        multitask=body.multitask_strategy,
        answers=None if answers is None else tuple(answers),
        traceparent=current_traceparent(),
    )
    return await services.runs.create(request)


async def _thread(thread_id: str, body: RunCreate, services: Services) -> Thread:
    if body.if_not_exists == "create":
        return await services.threads.create(thread_id, {}, if_exists="do_nothing")
    return await services.threads.get(thread_id)


def _answers(thread: Thread, body: RunCreate) -> dict[str, Any] | None:
    """The answers by interrupt id, or None for a run that answers nothing."""
    if body.command is None or body.command.resume is None:
        return None
    return answers_by_id(thread.thread_id, body.command.resume, thread.interrupts)


def _payload(body: RunCreate, config: RunConfig, answers: dict[str, Any] | None) -> dict[str, Any]:
    """What the worker needs. A command wins over an input sent along: Agent Chat UI sends `{}` with each resume."""
    asked: list[WireMode] = body.stream_mode if isinstance(body.stream_mode, list) else [body.stream_mode]
    command = None if body.command is None else {**body.command.model_dump(exclude_none=True), "resume": answers}
    return {
        "input": body.input if command is None else None,
        "command": command,
        "config": config.model_dump(exclude_none=True),
        "context": body.context,
        "modes": list(dict.fromkeys(MODES[mode] for mode in asked)) or ["values"],
        "stream_subgraphs": body.stream_subgraphs,
    }


def _check_text(body: RunCreate) -> None:
    """What JSON could carry here, by escapes, but can't be written down: half a surrogate pair, an endless integer."""
    for name, value in body:
        try:
            orjson.dumps(value, default=BaseModel.model_dump)
        except orjson.JSONEncodeError as error:
            raise InvalidInput(name, value, f"whole characters and integers of 64 bits ({error})") from None


def _remembering(configurable: dict[str, Any], body: RunCreate, thread: Thread) -> dict[str, Any]:
    """`configurable` with whose memories are used, and whether any are, wherever that is said.

    A run's `context` counts, where newer clients say it. An answer is for whom the question was, and as private:
    who decides sends no configuration again. A private thread's runs are private, whatever they say.
    """
    answered = {} if body.command is None else _told(thread.configurable)
    said, told = _told(configurable), _told(body.context)
    for name, value in told.items():
        if said.get(name, value) != value:
            raise InvalidInput(f"context.{name}", value, f"{said[name]!r}, as config.configurable.{name} says")
    named = {**answered, **said, **told}
    if answered.get("private") or thread.metadata.get("private") not in (None, False):
        named["private"] = True
    return {**configurable, **named}


def _told(names: Mapping[str, Any] | None) -> dict[str, Any]:
    """Whose memories `names` says are used, and whether any are."""
    return {name: value for name in ("user_id", "private") if (value := (names or {}).get(name)) is not None}


def _check_configurable(configurable: dict[str, Any], *, of: str = "config.configurable") -> None:
    """Keys by which LangGraph steers itself aren't a client's to set: they could reach another namespace.

    Ours, which say whose memories are used and whether any are, must make sense.
    """
    for key, value in configurable.items():
        if key.startswith(("__", "checkpoint")):
            raise InvalidInput(f"{of}.{key}", value, "a key of the graph's own")
    whose(configurable, field=of)
