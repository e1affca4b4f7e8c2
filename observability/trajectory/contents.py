"""What records name by hash: each value once, as JSON, without secrets, and the way back.

A value is written by the graph's own serializer, in the form that a checkpoint has, and unfolded into a tree of JSON.
So nothing is lost that a checkpoint wouldn't lose, and secrets are found wherever they stand. In a tree

- `{"$map": [[key, value], …]}` is a dictionary with a key that is no text or begins with "$";
- `{"$bytes": "…"}` is bytes, in base64; `{"$float": "nan"}` what JSON has no number for;
- `{"$ext": code, "value": tree}` is an extension of MessagePack, as LangGraph uses them for classes;
- `{"$list": [ref, …]}` is a list whose elements are contents of their own: it holds messages, or is large;
- `{"$rows": [ref, …]}` is a longer one: each is a content that is a `$list`, or `$rows` again, of at most 32. So one
  that grows shares all rows but the last with what it was;
- `{"$lost": "module:Class"}` stands where something was that the serializer refuses. It can't be restored;
- `{"$pieces": [tree, ["text", …], …]}`, never inside another, is the pieces of a streamed answer: a list of texts
  follows the piece that they are equal to but for their own text.
"""

from __future__ import annotations

import marshal
import threading
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import replace
from hashlib import blake2b
from typing import Any

import orjson
from langchain_core.messages import AIMessageChunk, BaseMessage
from langgraph.checkpoint.serde.base import SerializerProtocol
from langgraph.checkpoint.serde.encrypted import EncryptedSerializer
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

from motet.held import held_by
from motet.observability.trajectory.canonical import canonical_message, value_hash
from motet.observability.trajectory.known import KeptMessage, KnownMessages
from motet.observability.trajectory.records import CUT, Ref
from motet.observability.trajectory.redact import holds_secret, redacted, surely_without
from motet.observability.trajectory.restoring import plain, restore
from motet.observability.trajectory.trees import (
    MESSAGES,
    Extension,
    TooLarge,
    clean,
    is_message,
    lost,
    mapping,
    of_bytes,
    of_message,
    scalar,
    unpacked,
    utf8,
)
from motet.remembered import Remembered, fitted

__all__ = ["Contents", "KeptMessage", "plain", "restore"]

_LARGE_BYTES = 4096
"""A list of more is kept by its elements, so that one that grows costs what it grew by,"""
_SMALL_BYTES = 64
"""if they aren't so small that their hashes would take more room."""
_WAITING_BYTES = 32 * 1024 * 1024
"""What waits to be taken; what comes after it isn't kept."""
_DEPTH = 60
_VALUES = 200_000
"""A value of more than so many values is cut: looking at it would hold the run up."""
_OF_CONTAINER = 20
"""A list or dictionary counts for so many: it costs more."""
_ROW = 32
"""Elements that stand in one content of a long list."""
_PLAIN = frozenset({int, bool, float, type(None)})


class Contents:
    """What one run's records name, until it is taken to be written. Safe from any thread."""

    def __init__(
        self, serde: SerializerProtocol, *, known: KnownMessages | None = None, largest_bytes: int = 1_000_000
    ) -> None:
        """Contents of one run.

        Args:
            serde: the graph's own.
            known: what messages became in other runs, with the same `largest_bytes`.
            largest_bytes: a larger content, as JSON, isn't kept.
        """
        # Encrypted values could neither be redacted nor recognised; who stores contents encrypts them.
        self._serde = serde.serde if isinstance(serde, EncryptedSerializer) else serde
        self.largest_bytes = largest_bytes
        self._lock = threading.RLock()
        self._put = {CUT}
        self._new: dict[Ref, bytes] = {}
        self._known = KnownMessages() if known is None else known
        self._params = Remembered[tuple[Ref, str]](limit=1_000_000)
        self.new_bytes = 0
        """Of what wasn't taken yet."""
        self.serialised = 0
        """Messages that were written out, not recognised."""

    def put(self, value: object, place: Hashable = None) -> Ref:
        """Keep any value. Never raises: what can't be written is `$lost`, or `CUT`.

        `place`: where the same list of messages stood before, which this one mostly begins with.
        """
        with self._lock:
            try:
                if type(value) in _PLAIN:
                    return self._kept(_json(scalar(value)))
                if isinstance(value, BaseMessage):
                    return self.put_message(value).ref
                return self.keep(_Writer(self).tree(value, 0, place))
            except TooLarge:
                return CUT

    def put_message(self, message: BaseMessage) -> KeptMessage:
        """Keep a message."""
        return self.put_messages([message])[0]

    def put_messages(self, messages: Sequence[BaseMessage], place: Hashable = None) -> Sequence[KeptMessage]:
        """Keep messages; one that holds, to the bit, what one before it held costs 2 µs, also in another run."""
        with self._lock:
            found, put = self._known.all_of(messages, self._written, place), self._put
            if put.issuperset([one.ref for one in found]):
                return found
            return [
                one if one.ref in put else self._taken_over(one, message)
                for one, message in zip(found, messages, strict=True)
            ]

    def put_pieces(self, pieces: Sequence[AIMessageChunk], *, secret: bool) -> Ref:
        """Keep the pieces of a stream as one content.

        `secret`: what they come to holds a secret. One that is spread over several isn't found in them.
        """
        with self._lock:
            told: list[Any] = []
            like: dict[str, Any] | None = None
            try:
                for piece in pieces:
                    text, rest = piece.content, {**piece.__dict__, "content": "", "": piece.__pydantic_extra__}
                    if type(text) is str and rest == like:
                        told[-1].append(utf8(text))
                    else:
                        told += (of_message(piece, held_by(piece)) or self.tree_of(piece), [])
                        like = rest if type(text) is str and type(piece) is AIMessageChunk else None
                return self.keep({"$pieces": told}) if secret else self._kept(_json({"$pieces": told}))
            except TooLarge:
                return CUT

    def put_told(self, value: Any, about: str = "") -> tuple[Ref, str]:
        """Keep `value`; its ref, and a hash of it and `about` by which a request is the same as another."""
        with self._lock:
            try:
                tree, data = _without(_Writer(self).tree(value, 0))
            except TooLarge:
                return CUT, value_hash(about, CUT)
            return self._kept(data), value_hash(about, tree)

    def put_params(self, params: Mapping[str, Any]) -> tuple[Ref, str]:
        """`put_told` of what is bound to each call of a model, mostly the same: it is recognised."""
        try:
            held = marshal.dumps(dict(params), 2)
        except ValueError:
            return self.put_told(dict(params))
        with self._lock:
            kept = self._params.find(held)
            if kept is None:
                kept = self.put_told(dict(params))
                self._params.note(held, kept)
            return kept

    def shown(self, value: object) -> Any:
        """`value` as a tree without secrets, whole, to stand in a record itself."""
        with self._lock:
            try:
                return _without(_Writer(self, whole=True).tree(value, 0))[0]
            except TooLarge:
                return {"$lost": "too large"}

    def shown_again(self, value: Mapping[str, Any]) -> Any:
        """`shown` of what is mostly the same, also in other runs: it is recognised."""
        try:
            held = marshal.dumps(dict(value), 2)
        except ValueError:
            return self.shown(dict(value))
        with self._lock:
            return self._known.shown(held, lambda: self.shown(dict(value)))

    def take(self) -> dict[Ref, bytes]:
        """The contents put since the last time, each once in this object's life."""
        with self._lock:
            taken, self._new, self.new_bytes = self._new, {}, 0
            return taken

    def take_back(self, contents: Mapping[Ref, bytes]) -> None:
        """Take these again: they weren't written."""
        with self._lock:
            self._new = {**contents, **self._new}
            self.new_bytes = sum(map(len, self._new.values()))

    def allow(self, classes: Iterable[tuple[str, ...]]) -> None:
        """Write these classes, too: those that a graph's own state names."""
        with self._lock:
            if isinstance(self._serde, JsonPlusSerializer):
                self._serde = self._serde.with_msgpack_allowlist(classes)

    # What follows is for the writer, which holds the lock.
    def tree_of(self, value: object, *, whole: bool = False) -> Any:
        """`value` by the serializer, as a tree (`whole`: no list in it is taken apart); `$lost` where it is refused."""
        try:
            kind, data = self._serde.dumps_typed(value)
            if kind not in {"msgpack", "bytes", "bytearray", "null"}:
                return lost(value)
            if len(data) > self.largest_bytes:
                raise TooLarge
            if kind.startswith("bytes"):
                return of_bytes(data)
            return self._unfolded(unpacked(data), 0, whole=whole)
        except TooLarge:
            raise
        except Exception:  # noqa: BLE001 - a value's own code runs here, and may raise anything
            return lost(value)

    def spliced(self, elements: Sequence[Any]) -> Any:
        """A list of trees; where it is worth it, with the elements as contents of their own."""
        if any(map(is_message, elements)) or _size(elements) > max(_LARGE_BYTES, _SMALL_BYTES * len(elements)):
            return self.listed([self.keep(one) for one in elements])
        return list(elements)

    def listed(self, refs: Sequence[Ref]) -> dict[str, Any]:
        """The tree of a list of contents."""
        kind = "$list"
        while len(refs) > _ROW:
            rows = (refs[at : at + _ROW] for at in range(0, len(refs), _ROW))
            refs, kind = [self._kept(orjson.dumps({kind: row})) for row in rows], "$rows"
        return {kind: refs}

    def keep(self, tree: Any) -> Ref:
        """Keep a tree, without its secrets."""
        return self._kept(_without(tree)[1])

    def _kept(self, data: bytes) -> Ref:
        """Keep the JSON of a tree without secrets."""
        if len(data) > self.largest_bytes:
            return CUT
        ref = _name(data)
        if ref not in self._put:
            if self.new_bytes > _WAITING_BYTES:
                return CUT
            self._put.add(ref)
            self._new[ref] = data
            self.new_bytes += len(data)
        return ref

    def _taken_over(self, one: KeptMessage, message: BaseMessage) -> KeptMessage:
        """A message that was put in another run only."""
        put = self._put
        if not one.data:
            one = self._written(message, None)
        if one.ref not in put:
            if self.new_bytes > _WAITING_BYTES:
                return replace(one, ref=CUT)
            put.add(one.ref)
            self._new[one.ref] = one.data
            self.new_bytes += len(one.data)
        return one

    def _written(self, message: BaseMessage, held: bytes | None) -> KeptMessage:
        """What a message becomes."""
        self.serialised += 1
        secret, alone = False, True
        try:
            tree = of_message(message, held)
            if tree is None:
                tree = self._message_tree(message)
                alone = "$lost" not in tree
            data = _json(tree)
            if not surely_without(data, by_name=False) and holds_secret(tree):
                found = tree
                tree = redacted(found, by_name=False)
                secret, data = tree != found, _json(tree)
        except TooLarge:
            return KeptMessage(ref=CUT, canonical=b"cut")
        except Exception:  # noqa: BLE001 - a message of somebody's own class, or what isn't one
            tree = lost(message)
            data = _json(tree)
        canonical = canonical_message(tree)
        if len(data) > self.largest_bytes:
            return KeptMessage(ref=CUT, canonical=canonical, secret=secret)
        if not alone:
            # What it names is this run's alone, so nothing of it may be remembered for another.
            ref = self._kept(data) if held is None else ""
            return KeptMessage(ref=ref, canonical=canonical, secret=secret)
        return KeptMessage(ref=_name(data), canonical=canonical, secret=secret, data=fitted(data))

    def _message_tree(self, message: BaseMessage) -> Any:
        tree = self.tree_of(message)
        return {**tree, "shown": _Writer(self).tree(message.model_dump(), 0)} if "$lost" in tree else tree

    def _unfolded(self, value: Any, depth: int, *, whole: bool = False) -> Any:
        """The tree of what MessagePack held; `whole`: no list in it is taken apart."""
        if depth > _DEPTH:
            raise TooLarge
        if isinstance(value, Extension):
            return {"$ext": value.code, "value": self._within(value.value, depth, whole=whole)}
        if isinstance(value, list):
            elements = [self._unfolded(one, depth + 1, whole=whole) for one in value]
            return elements if whole else self.spliced(elements)
        if isinstance(value, dict):
            return mapping(value, lambda one: self._unfolded(one, depth + 1, whole=whole))
        return scalar(value)

    def _within(self, value: Any, depth: int, *, whole: bool) -> Any:
        """What an extension holds: its own list of module, name and fields stays together, and so does a message."""
        if not isinstance(value, list):
            return self._unfolded(value, depth + 1, whole=whole)
        whole = whole or (bool(value) and isinstance(value[0], str) and value[0].startswith(MESSAGES))
        told = [self._unfolded(one, depth + 1, whole=whole) for one in value]
        if value[1:2] in (["set"], ["frozenset"]) and isinstance(told[-1], list):
            # In the order of this process's hashes, which another doesn't share.
            told[-1].sort(key=orjson.dumps)
        return told


class _Writer:
    """Walks a value: plain containers by itself, to recognise messages in them; the rest is the serializer's."""

    def __init__(self, contents: Contents, *, whole: bool = False) -> None:
        self._contents = contents
        self._whole = whole
        self._left = _VALUES
        self._characters = 8 * contents.largest_bytes

    def tree(self, value: Any, depth: int, place: Hashable = None) -> Any:
        self._left -= 1
        if self._left < 0:
            raise TooLarge
        kind = type(value)
        if kind is str:
            self._characters -= len(value)
            if self._characters < 0 or len(value) > self._contents.largest_bytes:
                raise TooLarge
            return utf8(value)
        if kind in _PLAIN:
            return scalar(value)
        if depth > _DEPTH:
            return lost(value)
        if kind is list or kind is tuple:
            self._left -= _OF_CONTAINER
            return self._list(value, depth, place)
        if kind is dict:
            self._left -= _OF_CONTAINER
            return mapping(value, lambda one: self.tree(one, depth + 1))
        return self._contents.tree_of(value, whole=self._whole)

    def _list(self, value: Sequence[Any], depth: int, place: Hashable) -> Any:
        if self._whole:
            return [self.tree(one, depth + 1) for one in value]
        # Of each class once: asking a Pydantic class whether an object is its own takes long.
        messages = {issubclass(kind, BaseMessage) for kind in set(map(type, value))}
        if messages == {True}:
            return self._contents.listed([one.ref for one in self._contents.put_messages(value, place)])
        if True not in messages:
            return self._contents.spliced([self.tree(one, depth + 1) for one in value])
        return self._contents.listed([self._element(one, depth + 1) for one in value])

    def _element(self, value: Any, depth: int) -> Ref:
        if isinstance(value, BaseMessage):
            return self._contents.put_message(value).ref
        return self._contents.keep(self.tree(value, depth))


def _without(tree: Any) -> tuple[Any, bytes]:
    """A tree without its secrets, and its JSON."""
    data = _json(tree)
    if surely_without(data):
        return tree, data
    tree = clean(tree)
    return tree, _json(tree)


def _json(tree: Any) -> bytes:
    try:
        return orjson.dumps(tree)
    except (TypeError, ValueError, RecursionError):
        return orjson.dumps(lost(tree))


def _name(data: bytes) -> Ref:
    return blake2b(data, digest_size=16).hexdigest()


def _size(elements: Sequence[Any]) -> int:
    return len(orjson.dumps(elements))
