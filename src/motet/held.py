"""All that messages hold: whether one is what it was, to the bit, is a comparison."""

from __future__ import annotations

import marshal
from collections.abc import Mapping, Sequence
from typing import Any, cast

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

_KINDS = {
    kind: kind.__name__
    for kind in (
        *(HumanMessage, AIMessage, SystemMessage, ToolMessage, ChatMessage, FunctionMessage, RemoveMessage),
        *(HumanMessageChunk, AIMessageChunk, SystemMessageChunk, ToolMessageChunk, ChatMessageChunk),
    )
}

_FORMAT = 2
"""The version of `marshal`'s format that says what is in a value, and not also who else refers to that."""

ATOMS = {str, int, float, bool, bytes, type(None)}
"""Classes of values that nobody can change."""
_TEXTS = {str, type(None)}
"""Those of which two that are equal are the same to the bit: a 1 is equal to a 1.0, and a 0.0 to a -0.0."""
_CONTAINERS = {list, tuple, set, frozenset}
_DEPTH = 50


def held_by(element: Any) -> bytes | None:
    """All that a message of LangChain's own classes holds, its class included; None for anything else. 3 µs.

    It must hold nothing but what `marshal` gives back as it was: an array, say, it would take for its bytes.
    """
    kind = _KINDS.get(type(element))
    if kind is None:
        return None
    try:
        fields, extra = element.__dict__, element.__pydantic_extra__
        held = marshal.dumps((kind, fields, extra), _FORMAT)
    except (ValueError, AttributeError):
        return None
    return held if _is_plain([value for value in (*fields.values(), extra) if type(value) not in ATOMS]) else None


class _LookedAtElsewhere:
    """Stands where another comparison decides."""

    def __eq__(self, other: object) -> bool:
        return True

    def __hash__(self) -> int:
        return 0


_ELSEWHERE = _LookedAtElsewhere()


class HeldByAll:
    """All that the messages of a list held when they were looked at; the list may grow.

    Messages may be changed in place. Of fields that hold nothing but texts, the texts themselves are held and not
    copies: a look that finds all as it was compares addresses mostly, and reads a tenth of the memory that the messages
    take. Two that differ in nothing but the order of an object's names, or the class of an equal text, are the same
    here. Whatever holds more, numbers above all, is compared to the bit.
    """

    def __init__(self) -> None:
        """Of an empty list."""
        self.bytes = 0
        """About so many bytes are held here."""
        self._kinds: list[type[Any]] = []
        self._fields: list[Mapping[str, Any]] = []
        self._extras: list[Any] = []
        self._exact: list[tuple[int, str | None]] = []
        """Messages and their fields, None for what is beside these, that hold more than texts."""
        self._bits = marshal.dumps([], _FORMAT)
        """All that those hold."""

    def __len__(self) -> int:
        return len(self._kinds)

    def begins(self, elements: Sequence[Any]) -> bool:
        """Whether the first of `elements` hold what these did. 0.2 µs a message, and as much for each exact field."""
        count = len(self._kinds)
        first = elements if len(elements) == count else elements[:count]
        try:
            return (
                list(map(type, first)) == self._kinds
                and [one.__dict__ for one in first] == self._fields
                and [one.__pydantic_extra__ for one in first] == self._extras
                and (not self._exact or self._bits_of(first) == self._bits)
            )
        except (ValueError, AttributeError, RecursionError):
            return False

    def extend(self, elements: Sequence[Any]) -> bool:
        """Look at those after the ones that are held; False unless all are messages that `held_by` knows."""
        exact = len(self._exact)
        for at, element in enumerate(elements[len(self._kinds) :], len(self._kinds)):
            held = held_by(element)
            if held is None:
                return False
            self._kinds.append(type(element))
            self._fields.append({name: self._part(at, name, value) for name, value in element.__dict__.items()})
            self._extras.append(self._part(at, None, element.__pydantic_extra__))
            self.bytes += len(held)
        if len(self._exact) > exact:
            self._bits = self._bits_of(elements)
        return True

    def _part(self, at: int, name: str | None, value: Any) -> Any:
        if _is_text(value):
            return _copied(value)
        self._exact.append((at, name))
        return _ELSEWHERE

    def _bits_of(self, elements: Sequence[Any]) -> bytes:
        found = [
            elements[at].__pydantic_extra__ if name is None else elements[at].__dict__[name] for at, name in self._exact
        ]
        return marshal.dumps(found, _FORMAT)


def _is_plain(values: list[Any]) -> bool:
    """Whether there are only plain values and containers, however far down; `values` is used up."""
    while values:
        kind = type(one := values.pop())
        if kind is dict:
            values += one
            values += one.values()
        elif kind in _CONTAINERS:
            values += one
        elif kind not in ATOMS:
            return False
    return True


def _copied(value: Any) -> Any:
    """Of a value of texts the lists and objects anew, so that nobody else changes them; the texts are the same."""
    if type(value) is dict:
        return {name: _copied(inner) for name, inner in cast("Mapping[str, Any]", value).items()}
    return [_copied(inner) for inner in cast("Sequence[Any]", value)] if type(value) is list else value


def _is_text(value: Any, depth: int = 0) -> bool:
    """Whether there is nothing in a value but texts, and those not too far down."""
    kind = type(value)
    if kind in _TEXTS:
        return True
    if depth > _DEPTH:
        return False
    if kind is dict:
        return all(type(name) is str and _is_text(inner, depth + 1) for name, inner in value.items())
    return kind is list and all(_is_text(inner, depth + 1) for inner in value)
