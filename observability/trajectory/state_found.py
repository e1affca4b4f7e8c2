"""What a graph found in its checkpointer when it began, as it is written down."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from langgraph.checkpoint.base import CheckpointTuple, DeltaChannelHistory

from motet.observability.trajectory.contents import Contents
from motet.observability.trajectory.records import Ref

Histories = Mapping[str, DeltaChannelHistory]
"""By channel: what its value is made of, where no checkpoint holds it whole."""


def told(
    found: CheckpointTuple, histories: Histories, contents: Contents, *, thread_id: str, namespace: str
) -> dict[str, Any]:
    """The fields of `StateRead` about the checkpoint; `namespace` is LangGraph's."""
    checkpoint: Any = found.checkpoint
    put = contents.put
    return {
        "checkpoint_id": checkpoint["id"],
        "checkpoint": put({name: value for name, value in checkpoint.items() if name != "channel_values"}),
        "values": {
            channel: put(value, (thread_id, namespace, channel))
            for channel, value in checkpoint["channel_values"].items()
        },
        "metadata": contents.shown(dict(found.metadata or {})),
        "writes": tuple((task, channel, put(value)) for task, channel, value in found.pending_writes or ()),
        "deltas": {channel: _history(one, contents) for channel, one in histories.items()},
    }


def without_values(found: CheckpointTuple) -> list[str]:
    """The channels whose value isn't in the checkpoint, but made of what was written since one held it."""
    counted = (found.metadata or {}).get("counters_since_delta_snapshot") or {}
    return [one for one in counted if one not in found.checkpoint["channel_values"]]


def _history(history: DeltaChannelHistory, contents: Contents) -> tuple[Ref | None, ...]:
    whole = contents.put(history["seed"]) if "seed" in history else None
    return (whole, *(contents.put(value) for _, _, value in history["writes"]))
