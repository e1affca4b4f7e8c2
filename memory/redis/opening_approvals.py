"""What a script that changes approvals is given: the questions that wait, with what is recorded of each."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import cached_property

import orjson

from motet.memory.asking import Asked, Decided, actions_hash, approval_id
from motet.memory.ports import Json, RunRequest, WaitingInterrupt
from motet.memory.redis.approval_records import LENGTH
from motet.memory.redis.keys import Keys
from motet.memory.redis.records import to_json
from motet.memory.redis.scripts import Argument, Call
from motet.observability.trajectory.redact import redacted, without_secrets

RECENT = 10_000
"""So many of the newest approvals can be listed, besides all that are open."""

SOON_S = 5.0
"""When a thread is looked at whose script may have died before its process could attend to it."""

Clock = Callable[[], float]
"""Seconds since 1970."""


def hint(keys: Keys, thread_id: str, *, clock: Clock, new: Sequence[str] = ()) -> Call:
    """The script call that comes before one that changes approvals of a thread; `new`: ids that may be opened.

    Another slot's, so it isn't one with that change; coming first, it is there if the change is.
    """
    now_ms = round(clock() * 1000)
    flat: list[Argument] = [part for one in new for part in (now_ms, one)]
    names = [keys.attention(), keys.approvals_of_all()]
    return ("approval_hint", names, [thread_id, now_ms + round(SOON_S * 1000), RECENT, *flat])


class Opening:
    """Questions that wait on a thread after a run's end, as `lua/approvals.lua` takes them."""

    def __init__(
        self, thread_id: str, run_id: str, waiting: Sequence[WaitingInterrupt], *, clock: Clock = time.time
    ) -> None:
        self._thread_id = thread_id
        self._run_id = run_id
        self._waiting = waiting
        self._clock = clock

    @cached_property
    def entries(self) -> bytes:
        """All that waits as JSON; scripts move what was asked without decoding it."""
        return to_json("interrupts", [self._entry(one) for one in self._waiting])

    def hint(self, keys: Keys) -> Call:
        """What comes before the script."""
        new = [approval_id(self._thread_id, one.interrupt_id, one.value) for one in self._waiting]
        return hint(keys, self._thread_id, clock=self._clock, new=new)

    def _entry(self, one: WaitingInterrupt) -> list[str]:
        asked = one.asked or _unasked(self._thread_id, self._run_id, one)
        deadline_s = asked.deadline_s
        deadline_ms = "" if deadline_s is None else str(round((self._clock() + deadline_s) * 1000))
        told = {"task_id": one.task_id, "value": one.value, "response_schema": one.response_schema}
        detail = {
            "tools": [action.tool for action in asked.actions],
            "arguments_sha256": asked.arguments_sha256,
            "thread_id": self._thread_id,
            "deadline_s": deadline_s,
        }
        return [
            one.interrupt_id,
            to_json("interrupts", told).decode(),
            approval_id(self._thread_id, one.interrupt_id, one.value)[-LENGTH:],
            to_json("interrupts", asked).decode(),
            deadline_ms,
            orjson.dumps(detail).decode(),
        ]


def answered(request: RunRequest, *, clock: Clock = time.time) -> list[Argument]:
    """What `run_create.lua` is told of each question that a run answers: eight arguments each."""
    by_interrupt = {one.interrupt_id: one for one in request.decided}
    flat: list[Argument] = []
    for interrupt_id in dict.fromkeys(request.answers or ()):
        one = by_interrupt.get(interrupt_id)
        flat += [interrupt_id, *(("", "decided", "", "", "", "", "") if one is None else _decided(one, clock()))]
    return flat


def _decided(one: Decided, now_s: float) -> Sequence[Argument]:
    grant = b""
    if one.scope is not None:
        at = datetime.fromtimestamp(now_s, UTC).isoformat()
        told = {
            "tool": one.scope.tool,
            "arguments": one.scope.arguments,
            "text": one.scope.text,
            "by": one.who,
            "at": at,
        }
        grant = to_json("scope", told)
    detail = {
        "decisions": [_noted(decision) for decision in one.decisions],
        **({"reason": without_secrets(one.reason)} if one.reason else {}),
    }
    return (
        one.approval_id[-LENGTH:],
        one.state,
        to_json("who", one.who),
        to_json("decisions", one.decisions),
        to_json("decisions", detail),
        one.reason,
        grant,
    )


def _noted(decision: Json) -> Json:
    """A decision as the journal has it: of arguments and free answers only a hash."""
    told = {name: value for name, value in decision.items() if name in {"type", "message"}}
    for name in {"arguments", "answer"} & decision.keys():
        told[f"{name}_sha256"] = actions_hash((), decision[name])
    return redacted(told)


def _unasked(thread_id: str, run_id: str, one: WaitingInterrupt) -> Asked:
    """What can be recorded of a question of which nobody says more."""
    return Asked(
        interrupt_id=one.interrupt_id,
        thread_id=thread_id,
        run_id=run_id,
        assistant_id="",
        graph_id="",
        checkpoint_id="",
        checkpoint_ns="",
        agent=(),
        shape="raw",
        actions=(),
        value=one.value,
        response_schema=one.response_schema,
        arguments_sha256=actions_hash((), one.value),
    )
