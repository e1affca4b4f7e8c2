"""From what Redis returns to LangGraph's values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

from langgraph.checkpoint.base import Checkpoint, CheckpointTuple, DeltaChannelHistory, PendingWrite

from motet.memory.redis.checkpoint_table import Parts, Place, Read, Write, reading
from motet.memory.redis.checkpoint_values import ValueFormat


def tuple_of(place: Place, read: Read, parts: Parts, format: ValueFormat) -> CheckpointTuple:
    """Raises DataDamaged."""
    with reading(place):
        values = {channel: format.load_value(value, parts) for channel, value in read.values}
        return CheckpointTuple(
            config=place.config(read.id),
            checkpoint=cast("Checkpoint", {**format.load(read.checkpoint), "channel_values": values}),
            metadata=format.load(read.metadata),
            parent_config=place.config(read.parent) if read.parent else None,
            pending_writes=pending_writes(read.writes, format),
        )


def pending_writes(writes: Iterable[Write], format: ValueFormat) -> list[PendingWrite]:
    """In the order in which live execution applies them: `langgraph.checkpoint.base.writes_sort_key`."""
    return [(one.task_id, one.channel, format.load(one.value)) for one in sorted(writes)]


def history_of(groups: Sequence[Sequence[PendingWrite]], seeds: Mapping[str, Any], channel: str) -> DeltaChannelHistory:
    """A channel's history from the writes of each ancestor, newest ancestor first, and the values that were found."""
    history: DeltaChannelHistory = {"writes": [write for group in reversed(groups) for write in group]}
    if channel in seeds:
        history["seed"] = seeds[channel]
    return history
