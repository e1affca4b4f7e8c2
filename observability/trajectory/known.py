"""What messages became as contents, kept from run to run: a turn writes out what it adds, not what was said before.

So is what records show of mostly the same: settings, versions.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any

from langchain_core.messages import BaseMessage

from motet.growing import Growing
from motet.held import held_by
from motet.observability.trajectory import redact
from motet.observability.trajectory.records import Ref
from motet.remembered import Remembered

_AROUND = 300
"""Bytes that a message takes here beside what it holds and became."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptMessage:
    """A message that was put."""

    ref: Ref
    canonical: bytes
    """Digest of what makes two messages the same to a model."""
    secret: bool = False
    """Something was taken out of it."""
    data: bytes = b""
    """The content; empty for one that was too large, or that has to be written out by each run, as it names others."""


Make = Callable[[BaseMessage, bytes | None], KeptMessage]
"""Writes out a message, of which the second is all that it holds, if that is known."""


class KnownMessages:
    """What messages became, by all that they hold: for the contents of any number of runs. Safe from any thread.

    At most `limit` bytes of messages, the newest, and a sixteenth of that of other values. What was made under other
    knowledge of secrets is forgotten: a text that is one now mustn't be taken for harmless because it was once, nor the
    other way about.
    """

    def __init__(self, limit: int = 16_000_000) -> None:
        self._limit = limit
        self._lock = threading.RLock()
        self._knowledge = -1
        self._forget()

    def all_of(self, messages: Sequence[BaseMessage], make: Make, place: Hashable = None) -> Sequence[KeptMessage]:
        """What they became; 2 µs for a message that is known, and 1 where a list at `place` began with it before."""
        with self._lock:
            self._forget_outdated()
            if place is None:
                return [self._one(message, make) for message in messages]
            return self._lists.all_of(place, messages, lambda message: self._one(message, make))

    def shown(self, held: bytes, make: Callable[[], Any]) -> Any:
        """What a value that holds so much is shown as: a tree without secrets, which nobody changes."""
        with self._lock:
            self._forget_outdated()
            found = self._shown.find(held)
            if found is None:
                found = make()
                self._shown.note(held, found, len(held))
            return found

    def _forget_outdated(self) -> None:
        if self._knowledge != redact.knowledge():
            self._forget()

    def _one(self, message: BaseMessage, make: Make) -> KeptMessage:
        held = held_by(message)
        found = None if held is None else self._each.find(held)
        if found is None:
            found = make(message, held)
            if held is not None:
                self._each.note(held, found, _AROUND + len(found.data))
        return found

    def _forget(self) -> None:
        self._knowledge = redact.knowledge()
        self._each = Remembered[KeptMessage](self._limit // 2)
        self._lists = Growing[KeptMessage](self._limit // 2)
        self._shown = Remembered[Any](self._limit // 16)
