"""A run's stored events as those of the second wire protocol."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, cast

import orjson

from motet.memory.ports import END, Run, StoredEvent
from motet.server import wire
from motet.server.protocol_filter import EventStreamRequest
from motet.server.protocol_messages import Messages, Namespace

Method = Literal[
    "values",
    "updates",
    "messages",
    "tools",
    "lifecycle",
    "input.requested",
    "input.answered",
    "checkpoints",
    "tasks",
    "custom",
]
Status = Literal["started", "running", "completed", "failed", "interrupted"]

_UNFINISHED = "the run ended before this message did"
_STATUS: Mapping[str, Status] = {"success": "completed", "interrupted": "interrupted"}
"""How a run's end is called; all others failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One event, but for its number."""

    slot: int
    """Its place among the events that one stored event can become; the same, whatever else is shown."""
    event_id: str
    """The same on every connection to every replica. `synth:RUN:…` for what no single stored event says: clients take
    the run's id from it."""
    method: Method
    namespace: Namespace
    at_ms: int
    data: Any
    node: str | None = None


_EMPTY = (None, {}, [])

# A stored event first settles what was open before it, in these places, and then tells itself.
_BEGUN, _ANSWERED, _PLACE, _HELD, _OWN = range(5)
# A run's last one tells more: messages that didn't end come in its own places, then all else.
_LEFT, _QUESTIONS, _LAST = 1_000, 2_000, 4_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """What a run left on its thread."""

    values: Any = None
    """The state as clients are shown it; None: it isn't known."""
    questions: Sequence[wire.Wire] = ()
    """As clients are shown them."""


class RunEvents:
    """One run, from its first stored event to its last. Give it all of them, in order, whatever is asked for.

    Values are held until the next event comes: the checkpoint they belong to follows at once, and clients expect it
    before them.
    """

    def __init__(self, run: Run, asked: EventStreamRequest, waiting: Collection[str] | None = None) -> None:
        """`waiting`: ids of the questions that still wait, for a run that ended before; others aren't asked again."""
        self._run = run
        self._waiting = waiting
        self._asked = asked
        self._left_behind = Left()
        self._at_ms = 0
        self._modes = frozenset(cast("Sequence[str]", run.request.payload.get("modes") or ()))
        self._messages = Messages()
        self._open: dict[Namespace, None] = {}
        self._questions: dict[str, wire.Wire] = {}
        self._held: Told | None = None
        self._has_begun = False
        self.over = False
        """Whether the last event was there."""
        self._tells: Mapping[str, Callable[[StoredEvent, Namespace], Iterable[Told]]] = {
            "metadata": self._attempt,
            "values": self._values,
            "updates": self._updates,
            "messages": self._delta,
            "messages/complete": self._whole,
            "tools": self._tool,
            "tasks": self._task,
            "tasks/brief": self._task,
            "checkpoints/brief": self._checkpoint,
            "custom": self._custom,
            END: self._end,
        }
        """By the name of the stored event; other forms of messages, debugging and the like have no channel here."""

    @property
    def tells_no_state(self) -> bool:
        """Whether the run's own events don't say what it leaves: it was started by a client that didn't want that."""
        return "values" not in self._modes

    def leaves(self, left: Left) -> None:
        """What the run left, if its own events don't say it; told with its end."""
        self._left_behind = left

    def told(self, stored: StoredEvent) -> Iterator[Told]:
        """What `stored` comes down to, of what is asked for."""
        self._at_ms = _at_ms(stored)
        name, _, path = stored.name.partition("|")
        namespace = tuple(path.split("|")) if path else ()
        yield from self._begun()
        if not name.startswith("checkpoints/"):
            yield from self._released(_HELD)
        if (tells := self._tells.get(name)) is not None:
            yield from tells(stored, namespace)

    def gone(self) -> Iterator[Told]:
        """The end of a run that was forgotten while it was read."""
        yield from self._released(_HELD)
        if self._has_begun and not self.over:
            self.over = True
            yield from self._lifecycle(_OWN, (), "interrupted")

    def _begun(self) -> Iterator[Told]:
        if self._has_begun:
            return
        self._has_begun = True
        yield from self._lifecycle(_BEGUN, (), "running")
        if (answers := list(self._run.request.answers or ())) and self._asked.wants("input", ()):
            yield self._synthetic(_ANSWERED, (), "input.answered", "answered", {"interrupt_ids": answers})

    def _values(self, stored: StoredEvent, namespace: Namespace) -> Iterable[Told]:
        wanted = self._asked.wants("values", namespace)
        if wanted or b'"__interrupt__"' in stored.data:
            data = orjson.loads(stored.data)
            if isinstance(data, dict):
                state = cast("dict[str, Any]", data)
                self._ask(namespace, state.pop("__interrupt__", ()))
                data = _without_empty(state)
            if wanted:
                self._held = _stored(stored, _OWN, "values", namespace, data)
        return ()

    def _ask(self, namespace: Namespace, questions: Sequence[wire.Wire]) -> None:
        """Keep what the graph asked, to be told with the run's end: only then it can be answered."""
        if not namespace:
            self._questions |= {one["id"]: one for one in questions}

    def _updates(self, stored: StoredEvent, namespace: Namespace) -> Iterator[Told]:
        wanted = self._asked.wants("updates", namespace)
        if not wanted and b'"__interrupt__"' not in stored.data:
            return
        slot = _OWN
        for node, update in cast("dict[str, Any]", orjson.loads(stored.data)).items():
            if node == "__interrupt__":
                self._ask(namespace, update)
            elif wanted:
                for one in _updates_of(update):
                    yield _stored(stored, slot, "updates", namespace, {"node": node, "values": one})
                    slot += 1

    def _delta(self, stored: StoredEvent, namespace: Namespace) -> Iterator[Told]:
        if self._asked.wants("messages", namespace):
            message, metadata = orjson.loads(stored.data)
            node = metadata.get("langgraph_node")
            for place, one in enumerate(self._messages.take(namespace, message)):
                yield _stored(stored, _OWN + place, "messages", namespace, one, node=node)

    def _whole(self, stored: StoredEvent, namespace: Namespace) -> Iterator[Told]:
        if self._asked.wants("messages", namespace) and "messages" not in self._modes:
            for place, one in enumerate(self._messages.take(namespace, orjson.loads(stored.data)[0])):
                yield _stored(stored, _OWN + place, "messages", namespace, one)

    def _attempt(self, stored: StoredEvent, _: Namespace) -> Iterator[Told]:
        """Another attempt begins: what the one before had begun to say comes to nothing."""
        return self._ended_messages(stored, _UNFINISHED)

    def _ended_messages(self, stored: StoredEvent, problem: str | None) -> Iterator[Told]:
        for place, (namespace, one) in enumerate(self._messages.end(problem)):
            yield _stored(stored, _OWN + place, "messages", namespace, one)

    def _task(self, stored: StoredEvent, namespace: Namespace) -> Iterator[Told]:
        task = cast("dict[str, Any]", orjson.loads(stored.data))
        if "result" in task:
            for child in [one for one in self._open if one[:-1] == namespace and one[-1].endswith(f":{task['id']}")]:
                yield from self._left(_OWN, child, *_outcome(task))
        elif namespace and namespace not in self._open:
            self._open[namespace] = None
            yield from self._lifecycle(_OWN, namespace, "started")
        if self._asked.wants("tasks", namespace):
            yield _stored(stored, _OWN + 1, "tasks", namespace, task)

    def _checkpoint(self, stored: StoredEvent, namespace: Namespace) -> Iterator[Told]:
        if self._asked.wants("checkpoints", namespace):
            yield _stored(stored, _PLACE, "checkpoints", namespace, orjson.loads(stored.data))
        yield from self._released(_HELD)

    def _custom(self, stored: StoredEvent, namespace: Namespace) -> Iterator[Told]:
        if not self._asked.wants_custom(namespace):
            return
        data = _named(orjson.loads(stored.data))
        if self._asked.wants(f"custom:{data['name']}" if "name" in data else "custom", namespace):
            yield _stored(stored, _OWN, "custom", namespace, data)

    def _tool(self, stored: StoredEvent, namespace: Namespace) -> Iterator[Told]:
        if self._asked.wants("tools", namespace):
            yield _stored(stored, _OWN, "tools", namespace, orjson.loads(stored.data))

    def _end(self, stored: StoredEvent, _: Namespace) -> Iterator[Told]:
        self.over = True
        end = cast("dict[str, Any]", orjson.loads(stored.data))
        status = _STATUS.get(end["status"], "failed")
        error = (end.get("error") or {}).get("message")
        yield from self._ended_messages(stored, None if status == "completed" else _UNFINISHED)
        for place, child in enumerate(list(self._open)[::-1]):
            yield from self._left(_LEFT + place, child, status, error)
        left = self._left_behind
        if left.values is not None and self._asked.wants("values", ()):
            yield self._synthetic(_QUESTIONS - 1, (), "values", "values", _without_empty(left.values))
        if status == "interrupted" and self._asked.wants("input", ()):
            asked = [one for one in self._questions.values() or left.questions if self._still_waits(one["id"])]
            for place, one in enumerate(asked):
                # The protocol's name for it, and the one that the Python client reads.
                told = {"interrupt_id": one["id"], "payload": one["value"], "value": one["value"]}
                yield self._synthetic(_QUESTIONS + place, (), "input.requested", f"input||{one['id']}", told)
        yield from self._lifecycle(_LAST, (), status, error)

    def _still_waits(self, interrupt_id: str) -> bool:
        return self._waiting is None or interrupt_id in self._waiting

    def _left(self, slot: int, namespace: Namespace, status: Status, error: str | None) -> Iterator[Told]:
        del self._open[namespace]
        yield from self._lifecycle(slot, namespace, status, error)

    def _lifecycle(self, slot: int, namespace: Namespace, status: Status, error: str | None = None) -> Iterator[Told]:
        if not self._asked.wants("lifecycle", namespace):
            return
        name, _, task = namespace[-1].partition(":") if namespace else (self._run.request.graph_id, "", "")
        data: dict[str, Any] = {"event": status, "graph_name": name}
        if status == "started":
            data |= {"namespace": namespace, "trigger_call_id": task}
        if error is not None and status == "failed":
            data["error"] = error
        yield self._synthetic(slot, namespace, "lifecycle", f"lc|{'|'.join(namespace)}|{status}", data)

    def _released(self, slot: int) -> Iterator[Told]:
        """The values that waited for the next event, in that one's place."""
        held, self._held = self._held, None
        if held is not None:
            yield replace(held, slot=slot)

    def _synthetic(self, slot: int, namespace: Namespace, method: Method, key: str, data: Any) -> Told:
        event_id = f"synth:{self._run.request.run_id}:{key}"
        return Told(slot=slot, event_id=event_id, method=method, namespace=namespace, at_ms=self._at_ms, data=data)


def _stored(
    stored: StoredEvent, slot: int, method: Method, namespace: Namespace, data: Any, *, node: str | None = None
) -> Told:
    own = slot - _OWN
    event_id = stored.event_id if own <= 0 else f"{stored.event_id}.{own}"
    return Told(
        slot=slot, event_id=event_id, method=method, namespace=namespace, at_ms=_at_ms(stored), data=data, node=node
    )


def _updates_of(update: Any) -> Sequence[Any]:
    """What a node left: several deltas of the state at once, or one; an entrypoint's or a task's value is no delta."""
    if isinstance(update, list) and all(isinstance(one, dict | None) for one in cast("list[Any]", update)):
        return [{} if one is None else one for one in cast("list[Any]", update)]
    return [{} if update is None else update]


def _at_ms(stored: StoredEvent) -> int:
    return int(stored.event_id.partition("-")[0])


def _outcome(task: Mapping[str, Any]) -> tuple[Status, str | None]:
    if task.get("interrupts"):
        return "interrupted", None
    error = task.get("error")
    return ("failed", str(error)) if error else ("completed", None)


def _named(told: Any) -> dict[str, Any]:
    """What a graph wrote by itself, under the name that it gave, if it did: `{"name": …, "payload": …}`."""
    if isinstance(told, dict):
        written = cast("dict[str, Any]", told)
        if written.keys() == {"name", "payload"} and isinstance(written["name"], str):
            return written
    return {"payload": told}


def _without_empty(values: Any) -> Any:
    if not isinstance(values, dict):
        return values
    return {name: _plain_messages(value) for name, value in cast("dict[str, Any]", values).items()}


def _plain_messages(value: Any) -> Any:
    """A list of messages without the fields that say nothing; anything else as it is."""
    if not isinstance(value, list) or not value:
        return value
    listed = cast("list[Any]", value)
    if not all(isinstance(one, dict) and "type" in one and "content" in one for one in listed):
        return listed
    return [_plain_message(cast("dict[str, Any]", one)) for one in listed]


def _plain_message(one: dict[str, Any]) -> dict[str, Any]:
    return {name: told for name, told in one.items() if name == "content" or (told is not False and told not in _EMPTY)}
