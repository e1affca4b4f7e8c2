"""What a run says while it works: one union, and its encoding for the stream.

How a run ended isn't among it: that is written together with the run's status, in one script.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, Literal, cast

import orjson
from pydantic import BaseModel

MessageForm = Literal["messages/metadata", "messages/partial", "messages/complete"]
"""How the wire's mode `messages` tells of a message: whence it comes, how it stands, that it is whole."""
BriefForm = Literal["tasks/brief", "checkpoints/brief"]
"""Tasks and checkpoints without the state."""
Mode = (
    Literal["values", "updates", "messages", "custom", "tasks", "checkpoints", "debug", "events", "tools"]
    | MessageForm
    | BriefForm
)
"""What is streamed of a graph: LangGraph's modes, LangChain's events, messages as they stand, and brief forms.

A run that is asked for `messages/partial` tells all forms of a message. The wire's `messages-tuple` is `messages` here.
"""
MESSAGE_FORMS: tuple[MessageForm, ...] = ("messages/metadata", "messages/partial", "messages/complete")

FEEDBACK = "feedback"
"""Name of the event `FeedbackAsked`."""

_DEEPEST = 100
"""Levels that are told of a value that has more than JSON's encoder takes (254)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStarted:
    """The first event of each attempt."""

    type: Literal["metadata"] = "metadata"
    run_id: str
    attempt: int
    """1 for the first; a larger one says that an earlier worker was lost, or gave the run back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A piece of the graph's own stream."""

    type: Literal["part"] = "part"
    mode: Mode
    namespace: tuple[str, ...]
    """Path of sub-graphs, outermost first; empty for the root."""
    data: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedbackAsked:
    """Whoever reads the stream may say what they think of the run, once under each key, by these links."""

    type: Literal["feedback"] = "feedback"
    links: Mapping[str, str]
    """From key to address."""


Event = RunStarted | FeedbackAsked | Part


def encode(event: Event) -> tuple[str, bytes]:
    """The event's name on the stream and its JSON; a sub-graph's path is appended to the name by `|`."""
    match event:
        case RunStarted():
            return "metadata", to_json({"run_id": event.run_id, "attempt": event.attempt})
        case FeedbackAsked():
            return FEEDBACK, to_json(dict(event.links))
        case Part():
            data = _debugged(event.data) if event.mode == "debug" else event.data
            return "|".join((event.mode, *event.namespace)), to_json(data)


def _debugged(data: Any) -> Any:
    """LangGraph's debug event; one about a checkpoint says which one it is, and which its parent, in two words."""
    if data["type"] != "checkpoint":
        return data
    payload = data["payload"]
    here, parent = _checkpoint(payload["config"]), _checkpoint(payload["parent_config"])
    return {**data, "payload": {**payload, "checkpoint": here, "parent_checkpoint": parent}}


def _checkpoint(config: Any) -> Any:
    if config is None:
        return None
    return {name: config["configurable"].get(name) for name in ("checkpoint_id", "thread_id", "checkpoint_ns")}


def to_json(value: Any) -> bytes:
    """JSON of whatever a graph's state may hold; one pass, no intermediate copy but for messages.

    Messages and other Pydantic models become objects, sets lists, bytes base64; what has no JSON form
    is shown by its `repr`, because a stream must not fail on a value that only the graph itself needs.
    What is left (a key that is no word, an integer past 64 bits, half a surrogate pair, nesting without
    end) costs a second pass, which puts it into words.
    """
    try:
        return orjson.dumps(value, default=_plain, option=orjson.OPT_NON_STR_KEYS)
    except orjson.JSONEncodeError:
        return orjson.dumps(_worded(value, ()))


def jsonable(value: Any) -> Any:
    """`value` as plain JSON data, by the rules of `to_json`."""
    return orjson.loads(to_json(value))


def _plain(value: object) -> object:
    if isinstance(value, BaseModel):
        return value.model_dump()
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, AbstractSet):
        return sorted(value, key=repr)
    if isinstance(value, tuple):
        return list(value)
    if isinstance(value, bytes | bytearray | memoryview):
        return b64encode(value).decode()
    return repr(value)


def _worded(value: object, above: tuple[int, ...]) -> object:
    """`value` as what JSON surely holds; `above`: ids of the values it lies in."""
    if isinstance(value, str | int):
        return _word(value)
    if id(value) in above or len(above) == _DEEPEST:
        return "…"
    inside = (*above, id(value))
    if isinstance(value, BaseModel | AbstractSet):
        value = _plain(cast("object", value))
    elif is_dataclass(value) and not isinstance(value, type):
        value = {field.name: getattr(value, field.name) for field in fields(value)}
    if isinstance(value, Mapping):
        told = cast("Mapping[object, object]", value)
        return {_word(str(key)): _worded(inner, inside) for key, inner in told.items()}
    if isinstance(value, list | tuple):
        return [_worded(inner, inside) for inner in cast("Sequence[object]", value)]
    try:
        return orjson.loads(orjson.dumps(value, default=_plain))
    except orjson.JSONEncodeError:
        return f"<{type(value).__name__}>"


def _word(value: str | int) -> str | int:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    return value if -(2**63) <= value < 2**64 else str(value)
