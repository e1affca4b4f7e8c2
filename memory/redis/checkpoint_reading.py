"""From what Redis returns to LangGraph's values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

from langgraph.checkpoint.base import Checkpoint, CheckpointTuple, DeltaChannelHistory, PendingWrite

from motet.memory.redis.checkpoint_table import Parts, Place, Read, Table, Write, reading
from motet.memory.redis.checkpoint_values import Shared, ValueFormat, held_of, is_list
from motet.memory.redis.lately import Lately
from motet.memory.redis.read_messages import ReadMessages

DELTA_PAGE = 500
"""Ancestors that one round trip of `delta_history` walks."""

_TOLD = 128
"""Parts that a reader names, at most, as those that it has."""


class Reader:
    """Reads checkpoints without having sent what this process holds of them.

    Of each place it knows the lists that the newest checkpoint had when it was read last: the next one's mostly grew
    from them. Parts are named by what they hold, so one in memory is right whatever else is on the server. They are
    taken before the server is asked, and kept until the answer is there: nothing is lost in between.
    """

    def __init__(self, table: Table, messages: ReadMessages, stored: Lately[str, bytes]) -> None:
        """`stored`: by thread, parts that the server is believed to have."""
        self._table = table
        self._messages = messages
        self._stored = stored
        self._lists: Lately[Place, bytes] = Lately(10_000)

    async def read(self, place: Place, ids: Sequence[str], *, afresh: bool = False) -> tuple[Sequence[Read], Parts]:
        """As `Table.read`. `afresh`: all is sent, so that what the server holds is looked at."""
        known: list[bytes] = []
        held: dict[bytes, bytes] = {}
        # What isn't believed to be stored is sent: all that is given back may be believed so.
        stored = self._stored.of(place.thread_id)
        for value in () if afresh else self._lists.of(place):
            one = held_of(value, self._messages)
            if one is not None and len(known) + len(one.edge) <= _TOLD and stored >= set(one.edge):
                known += one.edge
                held |= one.parts
        read, sent = await self._table.read(place, ids, known=known)
        return read, {**held, **sent}

    def note(self, place: Place, newest: Read | None) -> None:
        """Remember the lists of the newest checkpoint, which was loaded; None: there is none."""
        self._lists.forget(place)
        lists = [] if newest is None else [value for _, value in newest.values if is_list(value)]
        if lists:
            self._lists.add(place, lists)


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
