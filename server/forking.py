"""Makes a fork of a recorded run: a thread of its own with a run that repeats it, until something differs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import asdict, dataclass
from typing import Annotated, Any, Protocol

import orjson
from langchain_core.utils.uuid import uuid7
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.serde.base import SerializerProtocol
from pydantic import BaseModel, ConfigDict, Field

from motet.agents.replaced import agents_at
from motet.errors import InvalidInput, MotetError, NotFound
from motet.graphs.state_paths import assignment
from motet.memory.ports import Json, Run, RunRequest, Threads
from motet.observability.spans import current_traceparent
from motet.observability.trajectory.records import ModelCalled, Parted, Ref, RunStarted
from motet.observability.trajectory.redact import REDACTED
from motet.observability.trajectory.replay.divergence import Divergence
from motet.observability.trajectory.restoring import restore
from motet.observability.trajectory.trajectory import Trajectory
from motet.server.fork_block import FORKED_FROM, FORKS, MOST_FORKS, ForkBlock
from motet.server.fork_point import Point, point
from motet.server.fork_state import ForkState
from motet.server.replaced_block import FIELD
from motet.server.run_body import MODES
from motet.server.trajectories import Kept, trajectory_of

_REDACTED = (
    "secrets were taken out of what was recorded: what comes from the record says "
    f"{REDACTED} in their place, and does so to whoever is asked live"
)
_REBUILT = "the thread has this state no more: it was made again from the record, without what came before it"


class ForkBody(BaseModel):
    """What is to be other than it was."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    from_: Annotated[int | Annotated[str, Field(max_length=1000)] | None, Field(alias="from")] = None
    """As `fork_point.point` takes it; None: from the run's input."""
    set: Annotated[list[str], Field(max_length=100)] = []
    """`path=value`, changes of the state there."""
    model: Annotated[str, Field(pattern=r"^[^:\s]+:\S+$", max_length=200)] | None = None
    """`provider:model` in the place of the graph's own."""
    prompt: Annotated[str, Field(max_length=100_000)] | None = None
    """In the place of the system message."""
    agent: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    """Whose model and prompt; None: all agents'."""
    effects: bool = False
    """Whether tools that act may act, as the agents' policies say."""


class Forks(Kept, Protocol):
    """What making a fork needs: a process' services, or what an operator's commands work with."""

    @property
    def threads(self) -> Threads:
        """Where both threads are linked."""
        ...

    @property
    def create(self) -> Callable[..., Awaitable[Run]]:
        """Has a run accepted: the request, and `new_thread`, its thread's metadata."""
        ...

    def state_of(self, started: RunStarted) -> AbstractAsyncContextManager[BaseCheckpointSaver[Any]]:
        """Checkpoints as the graph that ran knows them. Raises InvalidInput: there is no such graph."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Forked:
    """A fork that was made."""

    run: Run
    begins_at: Json
    """`checkpoint_id` and `step`, both null for the run's input."""
    note: str
    """What isn't as it was then, or not as it was asked for; empty where all is."""


async def fork(here: Forks, thread_id: str, run_id: str, body: ForkBody) -> Forked:
    """Record the fork of a run; what is refused leaves no trace.

    Raises:
        NotFound: nothing is kept of what the run did.
        InvalidInput: the place, a change or the agent doesn't exist; names those that do.
        NotRestorable: the record doesn't hold the state that the fork would begin with.
        TrajectoryUnreadable, DataDamaged, TypeNotAllowed.
    """
    changes = [assignment(one) for one in body.set]
    trajectory = await trajectory_of(here, thread_id, run_id, events=False)
    at = point(trajectory, run_id, body.from_)
    _check_agent(trajectory, body)
    started = at.segment.started
    new_id = str(uuid7())
    saved = at.saved
    block = ForkBlock(
        thread_id=thread_id,
        run_id=run_id,
        checkpoint_id=None if saved is None else saved.checkpoint_id,
        step=None if saved is None else saved.step,
        effects=body.effects,
        model=body.model,
        prompt=body.prompt,
        agent=body.agent,
        begins=True,
    )
    async with here.state_of(started) as saver:
        request = _request(started, trajectory, block, new_id, serde=saver.serde)
        state = ForkState(saver, trajectory, at)
        await state.prepare(changes)
        metadata = await _metadata(here, thread_id, block)
        try:
            await state.write(new_id)
            run = await here.create(request, new_thread=metadata)
        except MotetError:
            await saver.adelete_thread(new_id)
            raise
    await _link(here, thread_id, new_id)
    begins_at = {"checkpoint_id": block.checkpoint_id, "step": block.step}
    return Forked(run=run, begins_at=begins_at, note=_note(at, trajectory, rebuilt=state.rebuilt))


def _check_agent(trajectory: Trajectory, body: ForkBody) -> None:
    if body.agent is None:
        return
    if body.model is None and body.prompt is None:
        raise InvalidInput("agent", body.agent, "beside a model or a prompt: it says whose they are")
    known: set[str] = set()
    for one in trajectory.records:
        if isinstance(one, ModelCalled):
            known |= agents_at(one.place)
    if body.agent not in known:
        raise InvalidInput("agent", body.agent, f"one that asked a model: {', '.join(sorted(known)) or 'none did'}")


def _request(
    started: RunStarted, trajectory: Trajectory, block: ForkBlock, thread_id: str, *, serde: SerializerProtocol
) -> RunRequest:
    """What was asked then, as far as the fork begins with it."""

    def told(ref: Ref | None) -> Any:
        return None if ref is None else restore(ref, trajectory.contents, serde)

    config, goes_on = started.config, block.checkpoint_id is not None
    modes = list(config.get("modes") or ["values"])
    of_wire = {mode: name for name, mode in MODES.items()}
    payload: dict[str, Any] = {
        "input": None if goes_on else told(started.input),
        "command": None if goes_on else told(started.command),
        "config": {name: config[name] for name in ("configurable", "recursion_limit", "tags") if name in config},
        "context": told(started.context),
        "stream_mode": [of_wire[mode] for mode in modes if mode in of_wire] or ["values"],
        "modes": modes,
        "stream_subgraphs": bool(config.get("subgraphs")),
        "interrupt_before": config.get("interrupt_before"),
        "interrupt_after": config.get("interrupt_after"),
        "fork": block.as_json(),
    }
    if (replaced := config.get(FIELD)) is not None:
        payload[FIELD] = replaced
    return RunRequest(
        run_id=str(uuid7()),
        thread_id=thread_id,
        assistant_id=started.assistant_id,
        graph_id=started.graph_id,
        payload=payload,
        metadata=config.get("metadata") or {},
        traceparent=current_traceparent(),
    )


async def _metadata(here: Forks, thread_id: str, block: ForkBlock) -> dict[str, Any]:
    """The new thread's: the source's own, and what it was made from."""
    try:
        known: Mapping[str, Any] = (await here.threads.get(thread_id)).metadata
    except NotFound:  # a run without a thread of its own; its record stays
        known = {}
    kept = {name: value for name, value in known.items() if name != FORKS}
    return {**kept, FORKED_FROM: block.as_json()}


async def _link(here: Forks, thread_id: str, new_id: str) -> None:
    try:
        await here.threads.link(thread_id, FORKS, new_id, most=MOST_FORKS)
    except NotFound:
        return


def _note(at: Point, trajectory: Trajectory, *, rebuilt: bool) -> str:
    marker = REDACTED.encode()
    secret = marker in orjson.dumps(at.segment.started) or any(marker in one for one in trajectory.contents.values())
    told = (at.note, _REBUILT if rebuilt else "", _REDACTED if secret else "")
    return "; ".join(one for one in told if one)


def difference(trajectory: Trajectory) -> Divergence | None:
    """In what a fork first differs from the run that it was made from; None while it does the same."""
    parted = next((one for one in trajectory.records if isinstance(one, Parted)), None)
    if parted is None:
        return None
    return Divergence(
        run_id=parted.from_run,
        step=parted.step,
        path=parted.path,
        agent=parted.agent,
        kind=parted.kind,
        field=parted.field,
        expected=None if parted.expected is None else trajectory.plain(parted.expected),
        actual=None if parted.actual is None else trajectory.plain(parted.actual),
        only="actual" if parted.expected is None else "expected" if parted.actual is None else "both",
        hint=parted.hint,
    )


def told_of(trajectory: Trajectory, run_id: str) -> dict[str, Any]:
    """What a run, or the one whose question it answers, is a fork of, and the first difference, as JSON.

    Raises:
        NotFound: it is no fork.
    """
    block = ForkBlock.of(trajectory.started.config)
    if block is None:
        raise NotFound("fork", run_id)
    first = difference(trajectory)
    return {FORKED_FROM: block.as_json(), "difference": None if first is None else asdict(first)}
