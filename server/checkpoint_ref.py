"""A checkpoint as clients name it: where a state is read, or a run goes on from."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, StringConstraints

from motet.errors import InvalidInput

CheckpointId = Annotated[str, StringConstraints(min_length=1, max_length=128, pattern=r"^[^\x00]+$")]
_Namespace = Annotated[str, StringConstraints(max_length=4096, pattern=r"^[^\x00]*$")]


class CheckpointRef(BaseModel):
    """A checkpoint, or a namespace's newest. What states carry as `checkpoint` can be sent back as it is."""

    model_config = ConfigDict(extra="forbid")

    thread_id: str | None = None
    """Must be the thread of the request, if given."""
    checkpoint_ns: _Namespace = ""
    """Path of a sub-graph; empty for the root."""
    checkpoint_id: CheckpointId | None = None
    """None: the newest."""
    checkpoint_map: dict[_Namespace, CheckpointId] | None = None
    """Checkpoint of each graph above a sub-graph's, and its own: from where all of them go on together."""

    def configurable(self, thread_id: str) -> dict[str, Any]:
        """LangGraph's configuration for this checkpoint of a thread."""
        return {"thread_id": thread_id, **self.model_dump(exclude={"thread_id"}, exclude_none=True)}


NEWEST = CheckpointRef()
"""The root graph's newest checkpoint."""


def meant(thread_id: str, checkpoint: CheckpointRef | None, checkpoint_id: str | None = None) -> CheckpointRef:
    """The checkpoint that a request means, which may name it in two ways; the newest if it names none.

    Raises:
        InvalidInput: the two differ, or it belongs to another thread.
    """
    if checkpoint is None:
        return NEWEST if checkpoint_id is None else CheckpointRef(checkpoint_id=checkpoint_id)
    if checkpoint.thread_id not in (None, thread_id):
        raise InvalidInput("checkpoint.thread_id", checkpoint.thread_id, f"{thread_id}, the thread of this request")
    if checkpoint_id is not None and checkpoint.checkpoint_id not in (None, checkpoint_id):
        raise InvalidInput("checkpoint_id", checkpoint_id, f"{checkpoint.checkpoint_id}, as checkpoint says")
    return checkpoint if checkpoint_id is None else checkpoint.model_copy(update={"checkpoint_id": checkpoint_id})
