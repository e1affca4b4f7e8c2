"""From what Redis returns to LangGraph's values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

from langgraph.checkpoint.base import Checkpoint, CheckpointTuple, DeltaChannelHistory, PendingWrite

from motet.memory.redis.checkpoint_table import Parts, Place, Read, Table, Write, reading
from motet.memory.redis.checkpoint_values import Shared, ValueFormat

DELTA_PAGE = 500
"""Ancestors that one round trip of `delta_history` walks."""


def tuple_of(
    place: Place, read: Read, parts: Parts, format: ValueFormat, shared: Shared | None = None
) -> CheckpointTuple:
    """`shared`: messages that this tuple may have in common with others. Raises DataDamaged."""
    with reading(place):
        values = {channel: format.load_value(value, parts, shared) for channel, value in read.values}
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


async def delta_history(
    table: Table, place: Place, id: str, channels: Sequence[str], format: ValueFormat
) -> Mapping[str, DeltaChannelHistory]:
    """What was written to each channel on the way to `id`, or to the newest if it is "", since its stored value.

    One round trip for each `DELTA_PAGE` ancestors, and one more without an id.
    """
    written: dict[str, list[list[PendingWrite]]] = {channel: [] for channel in channels}
    seeds: dict[str, Any] = {}
    if not id and channels:
        newest = await table.page(place, 1)
        id = newest.rows[0][0] if newest.rows else ""
    first = True
    while id and (walking := [channel for channel in written if channel not in seeds]):
        id, ancestors, parts = await table.history(place, id, first=first, size=DELTA_PAGE, channels=walking)
        first = False
        with reading(place):
            for held, writes in ancestors:
                pending = pending_writes(writes, format)
                for channel, groups in written.items():
                    groups.append([write for write in pending if write[1] == channel])
                seeds |= {channel: format.load_value(value, parts) for channel, value in held}
    return {channel: _history_of(groups, seeds, channel) for channel, groups in written.items()}


def _history_of(
    groups: Sequence[Sequence[PendingWrite]], seeds: Mapping[str, Any], channel: str
) -> DeltaChannelHistory:
    """A channel's history from the writes of each ancestor, newest ancestor first, and the values that were found."""
    history: DeltaChannelHistory = {"writes": [write for group in reversed(groups) for write in group]}
    if channel in seeds:
        history["seed"] = seeds[channel]
    return history
