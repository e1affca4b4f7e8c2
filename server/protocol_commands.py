"""The commands of the second wire protocol: each does what another route does, asked for in its own way."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self

from langgraph.types import StateSnapshot
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from motet.errors import AlreadyDecided, CallerError, InvalidInput, NotFound, NoWaitingInterrupt
from motet.graphs.answers import ids_in
from motet.graphs.events import Mode
from motet.memory.asking import Asked, Who
from motet.memory.ports import Multitask, Run
from motet.server import thread_state, wire
from motet.server.checkpoint_ref import CheckpointId, CheckpointRef
from motet.server.deps import graph_of
from motet.server.errors import problem
from motet.server.protocol_filter import MAX_SEQ
from motet.server.protocol_seq import before
from motet.server.run_body import Nodes, RunCommand, RunConfig, RunCreate, WireMode
from motet.server.run_create import accept
from motet.server.services import Services
from motet.server.thread_state import HistorySearch

Answer = dict[str, Any]
Code = Literal[
    "invalid_argument", "unknown_command", "no_such_run", "no_such_interrupt", "no_such_checkpoint", "not_supported"
]
"""Of the protocol's codes, those that are given here."""
_NOT_FOUND: Mapping[str, Code] = {"run": "no_such_run", "checkpoint": "no_such_checkpoint"}

_KEPT: Sequence[Mode] = ("values", "updates", "messages", "custom", "tools", "tasks/brief", "checkpoints/brief")
"""What all channels together are made of. Which of them will be read isn't known when a run starts."""
_SHOWN: Sequence[WireMode] = ("values", "updates", "messages-tuple", "custom")
"""What of it the run's own stream shows."""


class Command(BaseModel):
    """What is posted."""

    id: Annotated[int, Field(ge=0, le=MAX_SEQ, strict=True)]
    method: Annotated[str, Field(max_length=100)]
    params: dict[str, Any] = {}


class _Params(BaseModel):
    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, told: Any) -> Any:
        """Clients send null for what they don't ask for; an answer may be null."""
        if not isinstance(told, dict):
            return told
        return {name: value for name, value in told.items() if value is not None or name == "response"}


class _RunStart(_Params):
    assistant_id: str
    input: Any = None
    config: dict[str, Any] = {}
    context: dict[str, Any] | None = None
    metadata: dict[str, Any] = {}
    multitask_strategy: Multitask = "enqueue"
    interrupt_before: Nodes = []
    interrupt_after: Nodes = []

    @model_validator(mode="before")
    @classmethod
    def _one_spelling(cls, told: Any) -> Any:
        """The JavaScript client sends the strategy under both names that servers have known it by."""
        if isinstance(told, dict) and "multitaskStrategy" in told:
            both = dict(told)
            both.setdefault("multitask_strategy", both.pop("multitaskStrategy"))
            return both
        return told


class _Response(_Params):
    namespace: list[str] = []
    """Whose question it is; its id alone says so, too."""
    interrupt_id: str
    response: Any


class _InputRespond(_Params):
    namespace: list[str] = []
    interrupt_id: str | None = None
    response: Any = None
    responses: Annotated[list[_Response], Field(min_length=1, max_length=1_000)] | None = None
    update: dict[str, Any] | None = None
    goto: str | list[str] | None = None
    config: dict[str, Any] | None = None
    metadata: dict[str, Any] = {}
    strict_resume: Literal[True] = True
    """An answer to what doesn't wait is always refused here."""

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.responses is None) == (self.interrupt_id is None):
            raise ValueError("either interrupt_id and response, or responses says what is answered")
        if self.interrupt_id is not None and "response" not in self.model_fields_set:
            raise ValueError("response is missing: the answer to interrupt_id")
        return self

    def answers(self) -> dict[str, Any]:
        """Each answer by the id of its question. Raises InvalidInput for two answers to one."""
        if self.responses is None:
            return {str(self.interrupt_id): self.response}
        answers = {one.interrupt_id: one.response for one in self.responses}
        if len(answers) < len(self.responses):
            raise InvalidInput("responses", [one.interrupt_id for one in self.responses], "one for each interrupt_id")
        return answers


class _StateGet(_Params):
    namespace: list[str] = []
    keys: list[str] | None = None


class _ListCheckpoints(_Params):
    namespace: list[str] = []
    limit: Annotated[int, Field(ge=1, le=1_000)] = 10
    before: CheckpointId | None = None


class _Fork(_Params):
    checkpoint_id: CheckpointId
    input: Any = None
    config: dict[str, Any] = {}


class _Configured(BaseModel):
    config: RunConfig
    """In its place among the parameters, so that what is wrong with it is named by its whole path."""


class _Started(RunCreate):
    """A run whose events are told by the protocol."""

    stream_mode: list[WireMode] = Field(default_factory=lambda: list(_SHOWN))
    stream_subgraphs: bool = True

    @property
    def kept_modes(self) -> list[Mode]:
        return list(_KEPT)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Here:
    """Where a command is carried out, and for whom."""

    services: Services
    thread_id: str
    who: Who


@dataclass(frozen=True, slots=True, kw_only=True)
class _Done:
    result: Answer
    seq: int = 0
    """Everything that was on the thread before the command has a lower number, or this one; 0 says nothing."""


async def answered(services: Services, thread_id: str, command: Command, who: Who) -> Answer:
    """Carry out a command on a thread; what a caller did wrong is an answer, too."""
    carry_out = _METHODS.get(command.method)
    if carry_out is None:
        return refused(command.id, "unknown_command", f"Unknown protocol command: {command.method}")
    try:
        done = await carry_out(_Here(services=services, thread_id=thread_id, who=who), command.params)
    except ValidationError as error:
        said = "\n".join(problem({**one}) for one in error.errors()[:5])
        return refused(command.id, "invalid_argument", said)
    except CallerError as error:
        return refused(command.id, _code(error), wire.error(error)["message"])
    return {"type": "success", "id": command.id, "result": done.result, "meta": {"applied_through_seq": done.seq}}


def refused(command_id: int | None, code: Code, message: str) -> Answer:
    """The answer to a command that isn't carried out."""
    return {"type": "error", "id": command_id, "error": code, "message": message}


def _code(error: CallerError) -> Code:
    if isinstance(error, NoWaitingInterrupt | AlreadyDecided):
        return "no_such_interrupt"
    return _NOT_FOUND.get(error.kind, "invalid_argument") if isinstance(error, NotFound) else "invalid_argument"


async def _run_start(here: _Here, params: Mapping[str, Any]) -> _Done:
    asked = _RunStart.model_validate(params)
    config, checkpoint_id = _config(here, asked.config)
    body = _Started(
        assistant_id=asked.assistant_id,
        input=asked.input,
        config=config,
        context=asked.context,
        metadata=asked.metadata,
        multitask_strategy=asked.multitask_strategy,
        interrupt_before=asked.interrupt_before,
        interrupt_after=asked.interrupt_after,
        checkpoint_id=checkpoint_id,
        if_not_exists="create" if checkpoint_id is None else "reject",
    )
    return _started(await accept(here.thread_id, body, here.services, here.who), with_id=True)


async def _input_respond(here: _Here, params: Mapping[str, Any]) -> _Done:
    asked = _InputRespond.model_validate(params)
    answers = asked.answers()
    question = await _question(here, list(answers))
    config = question.carried.get("config") or {} if asked.config is None else asked.config
    body = _Started(
        assistant_id=question.assistant_id,
        command=RunCommand(resume=answers, update=asked.update, goto=asked.goto),
        config=_config(here, config)[0],
        context=question.carried.get("context"),
        metadata=asked.metadata,
    )
    return _started(await accept(here.thread_id, body, here.services, here.who), with_id=False)


async def _fork(here: _Here, params: Mapping[str, Any]) -> _Done:
    asked = _Fork.model_validate(params)
    thread = await here.services.threads.get(here.thread_id)
    graph_id = graph_of(thread)
    if graph_id is None:
        raise NotFound("checkpoint", asked.checkpoint_id)
    config, _ = _config(here, asked.config)
    body = _Started(assistant_id=graph_id, input=asked.input, config=config, checkpoint_id=asked.checkpoint_id)
    done = _started(await accept(here.thread_id, body, here.services, here.who), with_id=True)
    return _Done(result={**done.result, "thread_id": here.thread_id}, seq=done.seq)


async def _state_get(here: _Here, params: Mapping[str, Any]) -> _Done:
    asked = _StateGet.model_validate(params)
    thread = await here.services.threads.get(here.thread_id)
    at = CheckpointRef(checkpoint_ns="|".join(asked.namespace))
    snapshot = await thread_state.snapshot(here.services, thread, at)
    values = wire.values(snapshot)
    if asked.keys is not None and isinstance(values, dict):
        values = {name: values[name] for name in asked.keys if name in values}
    checkpoint = _summary(snapshot)
    return _Done(result={"values": values} | ({"checkpoint": {"id": checkpoint["id"]}} if checkpoint else {}))


async def _list_checkpoints(here: _Here, params: Mapping[str, Any]) -> _Done:
    asked = _ListCheckpoints.model_validate(params)
    thread = await here.services.threads.get(here.thread_id)
    search = HistorySearch(
        limit=asked.limit,
        before=None if asked.before is None else CheckpointRef(checkpoint_id=asked.before),
        checkpoint=CheckpointRef(checkpoint_ns="|".join(asked.namespace)),
    )
    found = await thread_state.history(here.services, thread, search)
    return _Done(result={"checkpoints": [one for one in map(_summary, found) if one is not None]})


_METHODS: Mapping[str, Callable[[_Here, Mapping[str, Any]], Awaitable[_Done]]] = {
    "run.start": _run_start,
    "input.respond": _input_respond,
    "state.get": _state_get,
    "state.listCheckpoints": _list_checkpoints,
    "state.fork": _fork,
}


def _started(run: Run, *, with_id: bool) -> _Done:
    return _Done(result={"run_id": run.request.run_id} if with_id else {}, seq=before(run.created_at))


def _config(here: _Here, told: Mapping[str, Any]) -> tuple[RunConfig, str | None]:
    """The configuration, and the checkpoint to go on from: clients write both, and the thread, into `configurable`."""
    config = _Configured.model_validate({"config": told}).config
    configurable = dict(config.configurable)
    thread_id, checkpoint_id = configurable.pop("thread_id", None), configurable.pop("checkpoint_id", None)
    if thread_id is not None and str(thread_id).lower() != here.thread_id:
        raise InvalidInput("config.configurable.thread_id", thread_id, f"{here.thread_id}, the thread of this command")
    if checkpoint_id is not None and not isinstance(checkpoint_id, str):
        raise InvalidInput("config.configurable.checkpoint_id", checkpoint_id, "the id of a checkpoint")
    return config.model_copy(update={"configurable": configurable}), checkpoint_id


async def _question(here: _Here, ids: Sequence[str]) -> Asked:
    """What was asked, by the first of the ids that anything was asked by. Raises NoWaitingInterrupt, NotFound."""
    thread = await here.services.threads.get(here.thread_id)
    known = ids_in(dict.fromkeys(ids))
    found = await here.services.desk.approvals.named(here.thread_id, known) if known else []
    if not found or len(found) < len(ids):
        raise NoWaitingInterrupt(here.thread_id, ids, [one.interrupt_id for one in thread.interrupts])
    return next((one for one in found if one.state == "open"), found[0]).asked


def _summary(snapshot: StateSnapshot) -> Answer | None:
    """The protocol's `CheckpointSummary`; None for a thread that has no checkpoint."""
    configurable = snapshot.config.get("configurable") or {}
    if snapshot.created_at is None or "checkpoint_id" not in configurable:
        return None
    metadata = snapshot.metadata or {}
    return {
        "id": configurable["checkpoint_id"],
        "timestamp": snapshot.created_at,
        "step": metadata.get("step"),
        "metadata": {"source": metadata.get("source")},
    }
