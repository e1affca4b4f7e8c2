"""Messages that were serialised before, so that a superstep serialises what is new and not the whole history."""

from __future__ import annotations

import marshal
from weakref import KeyedRef

from langchain_core.messages import BaseMessage

from motet.memory.redis.checkpoint_parts import Item


class PackedMessages:
    """What each living message was serialised to, as long as it stays what it was.

    A message may be changed in place, so what it held is kept, as Python's own `marshal` writes it, and compared to
    the bit: that costs a seventh of serialising it. A message that holds other than plain values is serialised each
    time. An entry goes with its message.
    """

    def __init__(self) -> None:
        entries: dict[int, tuple[KeyedRef[int, BaseMessage], bytes, Item]] = {}

        def forget(gone: KeyedRef[int, BaseMessage]) -> None:
            entries.pop(gone.key, None)

        self._entries = entries
        self._forget = forget

    def find(self, message: BaseMessage) -> Item | None:
        """What `message` was serialised to, unless it has changed since."""
        entry = self._entries.get(id(message))
        return entry[2] if entry is not None and _held(message) == entry[1] else None

    def note(self, message: BaseMessage, item: Item) -> None:
        """Remember that `item` is `message`, as it is now."""
        key = id(message)
        held = _held(message)
        if held is None:
            self._entries.pop(key, None)
        else:
            self._entries[key] = (KeyedRef(message, self._forget, key), held, item)


def _held(message: BaseMessage) -> bytes | None:
    """All that the message holds; None where that isn't plain values only."""
    try:
        # The second version of the format says what is in it, and not also who else refers to that.
        return marshal.dumps((dict(message.__dict__), message.__pydantic_extra__), 2)
    except ValueError:
        return None
