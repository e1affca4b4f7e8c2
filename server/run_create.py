"""Accepting a run: what a client asked for is checked whole before anything is recorded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from langchain_core.utils.uuid import uuid7

from motet.errors import CallerError, InvalidInput, NotFound, NoWaitingInterrupt, ThreadNeeded
from motet.graphs.answers import answers as answers_in
from motet.graphs.answers import ids_in
from motet.graphs.registry import Assistant, GraphRegistry
from motet.memory.asking import Answer, Decided, Who
from motet.memory.ports import Run, RunRequest, Thread, WaitingInterrupt
from motet.memory.recall import whose
from motet.observability.spans import current_traceparent
from motet.server import thread_state
from motet.server.carried import check_fields
from motet.server.checkpoint_ref import NEWEST, CheckpointRef, meant
from motet.server.deciding import as_it_waited, decided, is_decided_so, over, withdraw
from motet.server.feedback_links import BaseUrl, with_links
from motet.server.fork_block import carried_on
from motet.server.run_body import RunBody, RunConfig, RunCreate, StatelessRunCreate
from motet.server.services import Services


async def accept(
    thread_id: str, body: RunCreate, services: Services, who: Who, *, base_url: BaseUrl = None, waited: bool = False
) -> Run:
    """Check everything, then record the run; what is refused leaves no trace. Two round trips, three for an answer.

    `who` decides, where the run answers a question. The same answer by the same person again records nothing, and gives
    the run that carries the decision. `base_url` says where the client reached this server, for
    links. `waited`: the client is told of the end only, so no event is worth a round trip of its own.

    Raises:
        InvalidInput, NotFound, ThreadBusy, ThreadWaits, NoWaitingInterrupt, AlreadyDecided, ArgumentsChanged.
    """
    at = meant(thread_id, body.checkpoint, body.checkpoint_id)
    assistant = checked(body, services.graphs, goes_on=at is not NEWEST)
    thread = await _thread(thread_id, body, services)
    if at is not NEWEST:
        await _check_checkpoint(services, thread, thread_id, at)
    waiting = () if thread is None else thread.interrupts
    try:
        known = await services.desk.approvals.recorded(thread_id, waiting) if body.command is not None else waiting
        given = _answers(thread_id, known, body)
        _check_place(known, given, assistant, at)
        decisions = _decisions(waiting, given, body, who)
        answers = None if given is None else {one.interrupt_id: one.native for one in given}
        on_waiting = services.settings.on_waiting
        gives_way = bool(waiting) and not decisions and on_waiting == "withdraw"
        if gives_way:
            await withdraw(services.desk, waiting, who=who, reason=f"{who.actor} went on without an answer")
        request = RunRequest(
            run_id=str(uuid7()),
            thread_id=thread_id,
            assistant_id=assistant.assistant_id,
            graph_id=assistant.graph_id,
            payload=payload_of(body, thread, answers, at) | {"waited": waited},
            metadata=body.metadata or {},
            # Behind the run that tells the agent: in its place, it would bring the question back.
            multitask="enqueue" if gives_way else body.multitask_strategy,
            answers=[one.interrupt_id for one in decisions] if decisions else None,
            decided=decisions,
            behind=on_waiting != "refuse",
            traceparent=current_traceparent(),
        )
        request = await with_links(services, request, body.feedback_keys, base_url)
        new_thread = body.metadata or {} if body.if_not_exists == "create" else None
        run = await services.pool.create(request, new_thread=new_thread)
    except NoWaitingInterrupt as error:
        return await _answered_before(thread_id, services, body, (assistant, at), who=who, error=error)
    if waiting:
        services.attending.nudge(thread_id)
    return run


async def accept_stateless(
    bodies: Sequence[StatelessRunCreate], services: Services, *, base_url: BaseUrl = None, waited: bool = False
) -> list[Run]:
    """Check all, then record each with a thread of its own, whose id is the run's. One round trip each.

    `base_url` and `waited` as for `accept`.

    Raises:
        InvalidInput: nothing was recorded.
        ThreadNeeded: one answers a question; nothing was recorded.
    """
    alone = [_alone(body, services, waited=waited) for body in bodies]
    requests = [
        await with_links(services, one, body.feedback_keys, base_url) for one, body in zip(alone, bodies, strict=True)
    ]
    return [await services.pool.create(request, new_thread={}) for request in requests]


def _alone(body: StatelessRunCreate, services: Services, *, waited: bool) -> RunRequest:
    if body.command is not None and body.command.resume is not None:
        raise ThreadNeeded
    assistant = checked(body, services.graphs)
    payload = payload_of(body)
    # The thread is gone when the run ends: its last values must be among its events.
    modes = dict.fromkeys([*payload["modes"], "values"])
    run_id = str(uuid7())
    return RunRequest(
        run_id=run_id,
        thread_id=run_id,
        assistant_id=assistant.assistant_id,
        graph_id=assistant.graph_id,
        payload={**payload, "modes": list(modes), "waited": waited},
        metadata=body.metadata or {},
        traceparent=current_traceparent(),
        temporary=body.on_completion == "delete",
    )


def checked(body: RunBody, graphs: GraphRegistry, *, goes_on: bool = False) -> Assistant:
    """The assistant, once everything is checked that can be without the thread. Raises InvalidInput."""
    assistant = graphs.find(body.assistant_id)
    check_told(body)
    _check_nodes(body, graphs, assistant)
    if body.command is None and not (goes_on and body.input is None):
        graphs.check(assistant.graph_id, body.input)
    return assistant


def check_told(body: RunBody) -> None:
    """Refuse what no graph could be given. Raises InvalidInput."""
    if body.config is not None:
        _check_configurable(body.config.configurable)
    if body.context is not None:
        _check_configurable(_told(body.context), of="context")
    check_fields(body)


async def _thread(thread_id: str, body: RunCreate, services: Services) -> Thread | None:
    """The thread; None for one that will be made with the run."""
    try:
        return await services.threads.get(thread_id)
    except NotFound:
        if body.if_not_exists == "reject":
            raise
        return None


async def _check_checkpoint(services: Services, thread: Thread | None, thread_id: str, at: CheckpointRef) -> None:
    if at.checkpoint_ns and not at.checkpoint_map:
        allowed = "a sub-graph's together with its checkpoint_map, as states have it; a run begins at the root"
        raise InvalidInput("checkpoint.checkpoint_ns", at.checkpoint_ns, allowed)
    if at.checkpoint_id is None:
        raise InvalidInput("checkpoint.checkpoint_id", None, "the id of a checkpoint")
    if thread is None:
        raise NotFound("thread", thread_id)
    await thread_state.snapshot(services, thread, at)


def _answers(thread_id: str, known: Sequence[WaitingInterrupt], body: RunCreate) -> list[Answer] | None:
    """The answers, all of them checked, or None for a run that answers nothing."""
    if body.command is None or body.command.resume is None:
        return None
    return answers_in(thread_id, body.command.resume, known)


def _check_place(
    known: Sequence[WaitingInterrupt], given: Sequence[Answer] | None, assistant: Assistant, at: CheckpointRef
) -> None:
    """An answer is worked by the graph that asked, where it stopped; anywhere else it would be used up for nothing."""
    meant = {one.interrupt_id for one in given or ()}
    for asked in [one.asked for one in known if one.asked is not None and one.interrupt_id in meant]:
        if asked.graph_id and asked.graph_id != assistant.graph_id:
            raise InvalidInput("assistant_id", assistant.graph_id, f"{asked.graph_id}, which asked")
        if at is not NEWEST and at.checkpoint_id != asked.checkpoint_id:
            allowed = f"none, or {asked.checkpoint_id}, where the question waits"
            raise InvalidInput("checkpoint.checkpoint_id", at.checkpoint_id, allowed)


def _decisions(
    waiting: Sequence[WaitingInterrupt], given: Sequence[Answer] | None, body: RunCreate, who: Who
) -> list[Decided]:
    """What is recorded of the questions that the run takes away: those answered, or all that a jump leaves behind."""
    by_id = {one.interrupt_id: one for one in waiting}
    if given is not None:
        return [decided(by_id[one.interrupt_id], one, who) for one in given]
    if body.command is None or not body.command.goto:
        return []
    reason = f"{who.actor} went on at {body.command.goto} without an answer"
    left = [Answer(interrupt_id=one.interrupt_id, native=None, decisions=()) for one in waiting]
    return [decided(by_id[one.interrupt_id], one, who, state="withdrawn", reason=reason) for one in left]


async def _answered_before(
    thread_id: str,
    services: Services,
    body: RunCreate,
    place: tuple[Assistant, CheckpointRef],
    *,
    who: Who,
    error: NoWaitingInterrupt,
) -> Run:
    """The run that the same person gave the same answers by; otherwise says who decided, where somebody did."""
    resume = None if body.command is None else body.command.resume
    found = await services.desk.approvals.named(thread_id, error.named if resume is None else ids_in(resume))
    refusal = next((over(one) for one in found if one.state != "open"), error)
    if resume is None:
        raise refusal from None
    waited = [as_it_waited(one) for one in found]
    try:
        given = answers_in(thread_id, resume, waited)
        _check_place(waited, given, *place)
        by_interrupt = {one.interrupt_id: one for one in given}
        same = all(is_decided_so(one, by_interrupt[one.asked.interrupt_id], who) for one in found)
        runs = {one.run_id for one in found}
        run = await services.runs.get(thread_id, runs.pop()) if same and len(runs) == 1 else None
    except CallerError:
        raise refusal from None
    if run is None or body.command is None or _beside(run.request.payload["command"]) != _beside(dict(body.command)):
        raise refusal from None
    return run


def _beside(command: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a command does beside answering."""
    return {name: command[name] for name in ("update", "goto") if command.get(name)}


def payload_of(
    body: RunBody, thread: Thread | None = None, answers: dict[str, Any] | None = None, at: CheckpointRef = NEWEST
) -> dict[str, Any]:
    """What the worker needs. A command wins over an input sent along: Agent Chat UI sends `{}` with each resume."""
    config = body.config or RunConfig()
    config = config.model_copy(update={"configurable": _remembering(config.configurable, body, thread)})
    command = None if body.command is None else {**body.command.model_dump(exclude_none=True), "resume": answers}
    payload: dict[str, Any] = {
        "input": body.input if command is None else None,
        "command": command,
        "config": config.model_dump(exclude_none=True),
        "context": body.context,
        "stream_mode": body.asked_modes,
        "modes": body.kept_modes,
        "stream_subgraphs": body.stream_subgraphs,
        "interrupt_before": _nodes(body.interrupt_before),
        "interrupt_after": _nodes(body.interrupt_after),
    }
    if (fork := carried_on({} if thread is None else thread.metadata)) is not None:
        payload["fork"] = fork
    if at is not NEWEST:
        payload["checkpoint"] = at.model_dump(exclude={"thread_id"}, exclude_none=True)
    return payload


def _nodes(asked: list[str]) -> str | list[str] | None:
    return "*" if "*" in asked else asked or None


def _check_nodes(body: RunBody, graphs: GraphRegistry, assistant: Assistant) -> None:
    """A run that should stop at a node that isn't there would never stop."""
    known = graphs.nodes(assistant.graph_id)
    for field, asked in (("interrupt_before", body.interrupt_before), ("interrupt_after", body.interrupt_after)):
        unknown = [name for name in asked if name != "*" and known is not None and name not in known]
        if unknown:
            nodes = ", ".join(sorted(known or ()))
            raise InvalidInput(field, unknown[0], f"* or nodes of {assistant.graph_id}: {nodes}")


def _remembering(configurable: dict[str, Any], body: RunBody, thread: Thread | None) -> dict[str, Any]:
    """`configurable` with whose memories are used, and whether any are, wherever that is said.

    A run's `context` counts, where newer clients say it. An answer is for whom the question was, and as private:
    who decides sends no configuration again. A private thread's runs are private, whatever they say; a thread that
    is made with the run has the run's metadata.
    """
    before = None if thread is None else thread.configurable
    metadata = (body.metadata or {}) if thread is None else thread.metadata
    answered = {} if body.command is None else _told(before)
    said, told = _told(configurable), _told(body.context)
    for name, value in told.items():
        if said.get(name, value) != value:
            raise InvalidInput(f"context.{name}", value, f"{said[name]!r}, as config.configurable.{name} says")
    named = {**answered, **said, **told}
    if answered.get("private") or metadata.get("private") not in (None, False):
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
