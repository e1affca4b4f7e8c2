"""A run at work that isn't as any other: what stands around the calls of a fork, or under another model or prompt."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.store.base import BaseStore

from motet.calls import Interceptor
from motet.errors import NotFound
from motet.graphs.registry import Graph
from motet.memory.ports import Claimed
from motet.observability.call_watch import CallWatch
from motet.observability.trajectory.record import Recorder
from motet.observability.trajectory.recording_store import RecordingStore
from motet.observability.trajectory.replay.from_record import FromRecord
from motet.server.fork_block import ForkBlock
from motet.server.replaced_block import ReplacedBlock, replacing
from motet.server.services import Services
from motet.server.trajectories import trajectory_of
from motet.tools.effects_off import EffectsOff, ForkedStore

_PARTED = b'"type":"parted"'
"""In a record, which is JSON."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Around:
    """What stands around the calls of a run, and around its long-term memory."""

    outside: Sequence[Interceptor] = ()
    """Further out than its recorder: what they change is recorded."""
    inside: Callable[[Graph], Sequence[Interceptor]]
    """Further in, before its budget, once the graph is open."""
    store: Callable[[BaseStore], BaseStore]
    """Stands around the graph's store."""


@asynccontextmanager
async def around(services: Services, claimed: Claimed, recorder: Recorder, watch: CallWatch) -> AsyncGenerator[Around]:
    """What a claimed run needs besides what all need; for a fork two round trips, and nothing for others.

    `watch` is told of the calls that a fork doesn't make.

    Raises:
        SetupError: another model was asked for, and it can't be had.
        TrajectoryUnreadable, DataDamaged: of the run that it was made from.
    """
    payload = claimed.request.payload
    fork = ForkBlock.of(payload)
    async with replacing(services.settings, ReplacedBlock.of(payload), fork) as outside:
        if fork is None:
            yield Around(outside=outside, inside=lambda _: (), store=lambda inner: RecordingStore(inner, recorder))
        else:
            forked = await _forked(services, claimed, recorder, fork, watch)
            yield Around(outside=outside, inside=forked.inside, store=forked.store)


async def _forked(
    services: Services, claimed: Claimed, recorder: Recorder, fork: ForkBlock, watch: CallWatch
) -> Around:
    """What stands around a fork, but for what is replaced in it."""
    try:
        source = await trajectory_of(services, fork.thread_id, fork.run_id, events=False)
    except NotFound:
        source = None
    again = claimed.claim.attempt > 1 or bool(claimed.request.retry_of) or not fork.begins
    recorded = FromRecord(
        source,
        recorder,
        services.checkpoints.serde,
        source=fork.run_id,
        parted=again and await _has_parted(services, claimed.claim.thread_id),
        opens=bool(fork.model or fork.prompt),
        answering=lambda answer: watch.unmade([answer.message, *answer.chunks], answer.error),
    )

    def inside(graph: Graph) -> Sequence[Interceptor]:
        if isinstance(graph.checkpointer, BaseCheckpointSaver):
            recorded.serde = graph.checkpointer.serde
        return [recorded] if fork.effects else [recorded, EffectsOff(recorded.anywhere)]

    return Around(
        inside=inside,
        store=lambda inner: RecordingStore(ForkedStore(inner, recorded.memory, writes=fork.effects), recorder),
    )


async def _has_parted(services: Services, thread_id: str) -> bool:
    """Whether any run on the fork's thread, or an earlier attempt at this one, did something else than the source."""
    runs = list(await services.trajectories.runs(thread_id))
    if not runs:
        return False
    kept = await services.trajectories.read(thread_id, *runs)
    return any(_PARTED in one for one in kept.records)
