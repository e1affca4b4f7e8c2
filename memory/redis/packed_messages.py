"""Messages that were serialised before, so that a superstep serialises what is new and not the whole history."""

from __future__ import annotations

import marshal
from typing import Any

from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    ChatMessage,
    ChatMessageChunk,
    FunctionMessage,
    HumanMessage,
    HumanMessageChunk,
    RemoveMessage,
    SystemMessage,
    SystemMessageChunk,
    ToolMessage,
    ToolMessageChunk,
)

from motet.memory.redis.checkpoint_parts import Item, Part

_KINDS = {
    kind: kind.__name__
    for kind in (
        *(HumanMessage, AIMessage, SystemMessage, ToolMessage, ChatMessage, FunctionMessage, RemoveMessage),
        *(HumanMessageChunk, AIMessageChunk, SystemMessageChunk, ToolMessageChunk, ChatMessageChunk),
    )
}


class PackedMessages:
    """What messages were serialised to, by all that they hold.

    A message may be changed in place, so it is looked up by its content, to the bit, as Python's own `marshal` writes
    it: that costs a sixth of serialising it. Those that hold other than plain values, or are of a class of somebody's
    own, which a serializer may refuse, are serialised each time. At most `limit` bytes are kept, the newest.
    """

    def __init__(self, limit: int = 32_000_000) -> None:
        self._limit = limit
        self._items: dict[bytes, Item] = {}
        self._bytes = 0

    def find(self, held: bytes) -> Item | None:
        """What a message that holds `held` was serialised to."""
        return self._items.get(held)

    def note(self, held: bytes, item: Item) -> None:
        """Remember that a message that holds `held` is `item`."""
        self._items[held] = item
        self._bytes += _size(held, item)
        while self._bytes > self._limit:
            oldest = next(iter(self._items))
            self._bytes -= _size(oldest, self._items.pop(oldest))


def held_by(element: Any) -> bytes | None:
    """All that a message of LangChain's own classes holds, its class included; None for anything else."""
    kind = _KINDS.get(type(element))
    if kind is None:
        return None
    try:
        # The second version of the format says what is in it, and not also who else refers to that.
        return marshal.dumps((kind, element.__dict__, element.__pydantic_extra__), 2)
    except ValueError:
        return None


def _size(held: bytes, item: Item) -> int:
    return len(held) + len(item.content if isinstance(item, Part) else item)
