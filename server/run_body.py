"""What a client may ask of a run: the fields of the Agent Server's requests that are honoured here, and no others."""

from __future__ import annotations

from typing import Annotated, Any, Literal, cast

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from motet.graphs.events import Mode
from motet.memory.ports import Multitask
from motet.server.checkpoint_ref import CheckpointId, CheckpointRef
from motet.server.feedback_body import Key

WireMode = Literal[
    "values", "updates", "messages", "messages-tuple", "custom", "tasks", "checkpoints", "debug", "events"
]
MODES: dict[WireMode, Mode] = {
    "values": "values",
    "updates": "updates",
    "messages": "messages/partial",
    "messages-tuple": "messages",
    "custom": "custom",
    "tasks": "tasks",
    "checkpoints": "checkpoints",
    "debug": "debug",
    "events": "events",
}
"""The graph's name for each stream mode of the wire; events are named by it."""
OnDisconnect = Literal["cancel", "continue"]


def _listed(told: Any) -> Any:
    return [told] if isinstance(told, str) else told


Nodes = Annotated[list[str], BeforeValidator(_listed)]
"""Names of nodes; `*` for all."""


class RunCommand(BaseModel):
    """A resume, an update or a jump, instead of an input."""

    model_config = ConfigDict(extra="forbid")

    resume: Any = None
    """One answer, or an object from interrupt id to answer."""
    update: dict[str, Any] | None = None
    goto: str | list[str] | None = None


class RunConfig(BaseModel):
    """LangGraph's configuration, as far as a client may set it."""

    model_config = ConfigDict(extra="forbid")

    configurable: dict[str, Any] = {}
    tags: list[str] = []
    recursion_limit: Annotated[int, Field(ge=1, le=10_000)] | None = None
    metadata: dict[str, Any] = {}


class RunBody(BaseModel):
    """A run as the Agent Server's clients ask for it; a field not listed is refused by name, unless it is null."""

    model_config = ConfigDict(extra="forbid")

    assistant_id: str
    input: Any = None
    command: RunCommand | None = None
    config: RunConfig | None = None
    context: dict[str, Any] | None = None
    metadata: dict[str, Any] | None = None
    stream_mode: Annotated[list[WireMode], BeforeValidator(_listed)] = ["values"]
    stream_subgraphs: bool = False
    stream_resumable: bool = True
    """Every stream can be resumed here; saying no saves nothing."""
    durability: Literal["sync", "async", "exit"] = "sync"
    """Every run is `sync` here, which keeps all that the other two promise: with `async` a tool may act before the
    checkpoint that holds its call exists, and after a crash act again."""
    interrupt_before: Nodes = []
    interrupt_after: Nodes = []
    multitask_strategy: Multitask = "enqueue"
    """On a thread; a run without one has nobody to wait for."""
    if_not_exists: Literal["reject", "create"] = "reject"
    """A run without a thread always has a new one."""
    on_disconnect: OnDisconnect = "continue"
    """Of a stream or a wait; a run in the background has no client that could leave."""
    feedback_keys: Annotated[list[Key], Field(max_length=20)] = []
    """What whoever reads the stream may say something about, by a one-time link each, told in the event `feedback`."""
    strict_resume: Literal[True] = True
    """A resume that names nothing waiting is always refused here."""

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, told: Any) -> Any:
        """Clients send null for what they don't ask for."""
        if not isinstance(told, dict):
            return told
        return {name: value for name, value in cast("dict[str, Any]", told).items() if value is not None}

    @property
    def asked_modes(self) -> list[WireMode]:
        """The stream's modes, each once."""
        return list(dict.fromkeys(self.stream_mode)) or ["values"]

    @property
    def kept_modes(self) -> list[Mode]:
        """What is kept of the graph's stream."""
        return [MODES[mode] for mode in self.asked_modes]


class RunCreate(RunBody):
    """A run on a thread."""

    checkpoint: CheckpointRef | None = None
    checkpoint_id: CheckpointId | None = None
    """The run goes on from there; what came after stays in the history."""


class StatelessRunCreate(RunBody):
    """A run with a thread of its own, which by default goes when the run ends."""

    on_completion: Literal["delete", "keep"] = "delete"
