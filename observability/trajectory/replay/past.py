"""A thread's state as a run found it, put back into a saver in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.serde.base import SerializerProtocol

from motet.observability.trajectory.records import NodeStarted, Record, Ref, StateRead
from motet.observability.trajectory.restoring import restore
from motet.observability.trajectory.trajectory import Segment

_FIRST = "00000000-0000-6000-8000-000000000000"
"""Id of a checkpoint, and of what wrote to it, that stands before all others by its id, too."""


def found(segment: Segment) -> Sequence[StateRead]:
    """What the run's first attempt found, the root graph's first: each namespace once."""
    by_namespace: dict[str, StateRead] = {}
    for read in segment.read:
        if read.attempt == segment.started.attempt:
            by_namespace.setdefault(read.namespace, read)
    return sorted(by_namespace.values(), key=lambda one: one.namespace != "")


def last_saved(before: Sequence[Segment]) -> str | None:
    """The root graph's newest checkpoint in the runs before; somebody may have changed the state since."""
    for segment in reversed(before):
        for one in (*reversed(segment.saved), *segment.read):
            if not one.namespace:
                return one.checkpoint_id
    return None


def namespaces(records: Iterable[Record]) -> Mapping[str, str]:
    """LangGraph's checkpoint namespace of each task's sub-graph, by the task's path."""
    return {one.path: one.place.namespace for one in records if isinstance(one, NodeStarted)}


def _raw(path: str, named: Mapping[str, str]) -> str:
    """The namespace of the graph with that path; one that a task calls again has a number behind its task's."""
    if path in named:
        return named[path]
    around, _, last = path.rpartition("|")
    return f"{named[around]}|{last}" if last.isdigit() and around in named else path


async def put_back(
    reads: Sequence[StateRead],
    saver: BaseCheckpointSaver[Any],
    thread_id: str,
    *,
    named: Mapping[str, str],
    contents: Mapping[Ref, bytes],
    serde: SerializerProtocol,
) -> None:
    """Have `saver` hold what these records say, under the same checkpoint ids: tasks then have the ids they had.

    `named` is what `namespaces` says of the run.

    Raises:
        NotRestorable: a value isn't in `contents`.
    """
    for read in reads:
        values = {channel: restore(ref, contents, serde) for channel, ref in read.values.items()}
        checkpoint: Any = {**restore(read.checkpoint, contents, serde), "channel_values": values}
        namespace = _raw(read.namespace, named)
        at: Any = {"configurable": {"thread_id": thread_id, "checkpoint_ns": namespace}}
        if read.deltas:
            at = await _before(read, checkpoint, saver, at, lambda ref: restore(ref, contents, serde))
        metadata: Any = dict(read.metadata)
        versions = dict(checkpoint["channel_versions"])
        saved = await saver.aput(at, checkpoint, metadata, versions)
        by_task: dict[str, list[tuple[str, Any]]] = {}
        for task_id, channel, ref in read.writes:
            by_task.setdefault(task_id, []).append((channel, restore(ref, contents, serde)))
        for task_id, writes in by_task.items():
            await saver.aput_writes(saved, writes, task_id)


async def _before(
    read: StateRead, checkpoint: Any, saver: BaseCheckpointSaver[Any], at: Any, restored: Callable[[Ref], Any]
) -> Any:
    """Put a checkpoint before that one, from which the values are made that it doesn't hold; where it is."""
    first = saver.get_next_version(None, None)
    # Another than any that follows: savers keep a value by its channel's version.
    version: Any = first if isinstance(first, str) else 0
    whole = {channel: restored(refs[0]) for channel, refs in read.deltas.items() if refs[0] is not None}
    earlier: Any = {
        **checkpoint,
        "id": _FIRST,
        "channel_values": whole,
        "channel_versions": dict.fromkeys(read.deltas, version),
        "versions_seen": {},
    }
    metadata: Any = {"source": "fork", "step": -2, "parents": {}}
    saved = await saver.aput(at, earlier, metadata, earlier["channel_versions"])
    writes = [(channel, restored(ref)) for channel, refs in read.deltas.items() for ref in refs[1:] if ref is not None]
    if writes:
        await saver.aput_writes(saved, writes, _FIRST)
    return saved
